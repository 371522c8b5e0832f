package load

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Sink answers every request with the same bytes and does nothing else: against it the generator shows what it can do.
// It takes each read for one whole request, so it serves this package's small requests only.
type Sink struct {
	ln     *net.TCPListener
	ep     int
	answer []byte
	cpu    atomic.Int64
	stop   atomic.Bool
	ended  sync.WaitGroup
}

// StartSink serves on a loopback port. body is the size of an answer's body.
func StartSink(body int) (*Sink, error) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("load: sink: %w", err)
	}
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("load: sink: %w", err)
	}
	s := &Sink{ln: ln, ep: ep}
	s.answer = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", body, bytes.Repeat([]byte{'x'}, body))
	s.ended.Go(s.accept)
	s.ended.Go(s.serve)
	return s, nil
}

// Addr returns host:port.
func (s *Sink) Addr() string { return s.ln.Addr().String() }

// CPU returns the processor time of the serving thread, a few milliseconds old.
func (s *Sink) CPU() time.Duration { return time.Duration(s.cpu.Load()) }

// Close ends the sink. Its connections are to be closed by their clients.
func (s *Sink) Close() {
	s.stop.Store(true)
	s.ln.Close()
	s.ended.Wait()
	_ = unix.Close(s.ep)
}

func (s *Sink) accept() {
	for {
		c, err := s.ln.AcceptTCP()
		if err != nil {
			return
		}
		// The descriptor is duplicated, so that the runtime's poller has no part in it.
		raw, err := c.SyscallConn()
		if err != nil {
			c.Close()
			continue
		}
		err = raw.Control(func(fd uintptr) {
			if own, e := unix.Dup(int(fd)); e == nil {
				ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(own)}
				_ = unix.EpollCtl(s.ep, unix.EPOLL_CTL_ADD, own, &ev)
			}
		})
		c.Close()
		if err != nil {
			return
		}
	}
}

func (s *Sink) serve() {
	runtime.LockOSThread()
	events, in := make([]unix.EpollEvent, 256), make([]byte, 16<<10)
	for !s.stop.Load() {
		n, err := epollWait(s.ep, events, tickEvery)
		if err != nil {
			return
		}
		for _, ev := range events[:n] {
			fd := int(ev.Fd)
			if got, e := rawRead(fd, in); e == 0 && got > 0 {
				_, _ = rawWrite(fd, s.answer) // a client that does not read is no client of ours
			} else if e != unix.EAGAIN && e != unix.EINTR {
				_ = unix.Close(fd)
			}
		}
		s.cpu.Store(int64(threadCPU()))
	}
}
