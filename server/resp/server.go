package resp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/render"
)

// Server is the RESP front.
type Server struct {
	options Options
	sealer  *render.Sealer
	figures *figures
	users   access.Users

	draining atomic.Bool
	open     struct {
		sync.Mutex
		conns map[*conn]struct{}
		wg    sync.WaitGroup // of the connections' goroutines
	}
}

// New returns a Server.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Server{options: o.withDefaults()}
	s.sealer = render.NewSealer(o.Engine, o.Node)
	s.open.conns = make(map[*conn]struct{})
	s.figures = newFigures(s.options.Metrics, s.connections)
	return s, nil
}

// Pauses after an error of Accept that may go by, such as too many open files.
const (
	acceptPause = 5 * time.Millisecond
	acceptMost  = time.Second
)

// Serve answers on ln until Shutdown, and closes it.
func (s *Server) Serve(ln net.Listener) error {
	defer ln.Close()
	for pause := acceptPause; ; {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = acceptPause
			s.take(nc)
		case s.draining.Load():
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("resp: serve: %w", err)
		default:
			s.options.Logger.Warn("a RESP connection could not be taken", "error", err)
			time.Sleep(pause)
			pause = min(2*pause, acceptMost)
		}
	}
}

// take serves a connection, or tells it that it is one too many.
func (s *Server) take(nc net.Conn) {
	c := newConn(s, nc)
	s.open.Lock()
	full := len(s.open.conns) >= s.options.MaxConnections || s.draining.Load()
	if !full {
		s.open.conns[c] = struct{}{}
		s.open.wg.Add(1)
	}
	s.open.Unlock()
	if full {
		s.figures.overflow.Inc()
		if _, plain := nc.(*net.TCPConn); plain { // over TLS a stranger would have to be waited for
			_ = nc.SetWriteDeadline(time.Now().Add(s.options.WriteTimeout))
			_, _ = nc.Write(appendError(nil, "ERR", "max number of clients reached"))
		}
		_ = nc.Close()
		return
	}
	go func() {
		defer s.open.wg.Done()
		defer s.forget(c)
		c.serve()
	}()
}

func (s *Server) forget(c *conn) {
	_ = c.Close()
	s.open.Lock()
	defer s.open.Unlock()
	delete(s.open.conns, c)
}

func (s *Server) connections() int {
	s.open.Lock()
	defer s.open.Unlock()
	return len(s.open.conns)
}

// Shutdown lets the commands that are here end, and closes; the listener is the caller's to close. What is not finished
// when ctx ends is cut off.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	past := time.Unix(1, 0)
	s.open.Lock()
	for c := range s.open.conns {
		_ = c.SetReadDeadline(past) // whoever waits for a command gives up; whoever decides one finishes it
	}
	s.open.Unlock()
	done := make(chan struct{})
	go func() { s.open.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.open.Lock()
	for c := range s.open.conns {
		_ = c.Close()
	}
	s.open.Unlock()
	return fmt.Errorf("resp: shutdown: connections were cut off: %w", ctx.Err())
}
