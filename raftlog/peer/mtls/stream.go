package mtls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a connection whose other end has proven which node it is.
type Conn struct {
	*tls.Conn
	name   string
	stream *Stream
}

// PeerName returns the other end's node id, as its certificate names it.
func (c *Conn) PeerName() string { return c.name }

// Close closes the connection.
func (c *Conn) Close() error {
	c.stream.forget(c)
	return c.Conn.Close()
}

// Stream listens for nodes and dials them. It may be used by any number of goroutines.
type Stream struct {
	options  Options
	raw      net.Listener
	address  net.Addr // what Addr tells
	metrics  *metricSet
	current  atomic.Pointer[credentials]
	accepted chan *Conn
	closed   chan struct{}
	loops    sync.WaitGroup

	reload sync.Mutex // one reload at a time; it reads files, so nothing else waits for it
	mu     struct {
		sync.Mutex
		closed  bool
		pending []net.Conn // handshakes under way and what Accept has not taken, oldest first
		open    map[*Conn]struct{}
		stamp   [3]fileStamp // of the files when they were last read
		fault   error        // of the last reload; nil when what is in the files is in force
		said    time.Time    // when a refused stranger was last logged
	}
}

// Listen reads the files and opens the address.
func Listen(o Options) (*Stream, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	s := &Stream{options: o, accepted: make(chan *Conn), closed: make(chan struct{})}
	s.mu.open = map[*Conn]struct{}{}
	s.mu.stamp = o.Files.stamp()
	c, err := s.read()
	if err != nil {
		return nil, err
	}
	s.current.Store(c)
	if s.raw, err = net.Listen("tcp", o.Address); err != nil {
		return nil, fmt.Errorf("mtls: %w", err)
	}
	if s.address, err = advertised(s.raw.Addr(), o.Advertise); err != nil {
		return nil, errors.Join(err, s.raw.Close())
	}
	s.metrics = newMetricSet(o.Metrics, s)
	s.loops.Go(s.accept)
	s.loops.Go(s.watch)
	return s, nil
}

// NodeID returns the node that this end's certificate names.
func (s *Stream) NodeID() string { return s.current.Load().id }

// Addr returns where other nodes dial this one.
func (s *Stream) Addr() net.Addr { return s.address }

// Accept returns the next connection that has proven which node it is; it is a *Conn.
func (s *Stream) Accept() (net.Conn, error) {
	select {
	case c := <-s.accepted:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Dial connects to the node with that address and checks that it is one. timeout bounds all of it.
func (s *Stream) Dial(address string, timeout time.Duration) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("mtls: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("mtls: %w", err)
	}
	conn := tls.Client(raw, s.current.Load().client(host, s.options.Now))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("mtls: %s: %w", address, err), raw.Close())
	}
	c := s.admit(conn)
	if c == nil {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	return c, nil
}

// Close closes the listener and every connection that it gave.
func (s *Stream) Close() error {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return nil
	}
	s.mu.closed = true
	pending := slices.Clone(s.mu.pending) // those that leave meanwhile change the slice in place
	open := make([]*Conn, 0, len(s.mu.open))
	for c := range s.mu.open {
		open = append(open, c)
	}
	s.mu.Unlock()
	close(s.closed)
	err := s.raw.Close()
	for _, c := range pending {
		_ = c.Close()
	}
	for _, c := range open {
		_ = c.NetConn().Close() // without a farewell, which could wait for the other end
	}
	s.loops.Wait()
	return err
}

// acceptPause is waited for after a failed accept: mostly that is a lack of file descriptors.
const acceptPause = 50 * time.Millisecond

func (s *Stream) accept() {
	for {
		raw, err := s.raw.Accept()
		if err == nil {
			if s.queue(raw) {
				s.loops.Go(func() { s.greet(raw) })
			}
			continue
		}
		timer := time.NewTimer(acceptPause)
		select {
		case <-s.closed:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// queue counts a connection as pending. One above the bound costs the oldest its place: who is one of ours has it for two
// round trips.
func (s *Stream) queue(raw net.Conn) bool {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		_ = raw.Close()
		return false
	}
	s.mu.pending = append(s.mu.pending, raw)
	var oldest net.Conn
	if len(s.mu.pending) > s.options.MaxPending {
		oldest = s.mu.pending[0]
		s.mu.pending = slices.Delete(s.mu.pending, 0, 1)
	}
	s.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
	return true
}

// leave takes a connection from the pending ones; false when it was cut off.
func (s *Stream) leave(raw net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.mu.pending, raw)
	if at < 0 {
		return false
	}
	s.mu.pending = slices.Delete(s.mu.pending, at, at+1)
	return true
}

// greet shakes hands with whoever connected, and gives him to Accept or closes him.
func (s *Stream) greet(raw net.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.Handshake)
	defer cancel()
	conn := tls.Server(raw, s.current.Load().server(s.options.Now))
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		why := whyRefused(err)
		if !s.leave(raw) {
			why = refusedFull
		}
		s.refused(why, raw.RemoteAddr(), err)
		return
	}
	c := s.admit(conn)
	if c == nil {
		_ = raw.Close()
		return
	}
	select {
	case s.accepted <- c:
		s.leave(raw)
	case <-s.closed:
		_ = c.NetConn().Close()
	}
}

// admit makes a shaken hand a Conn; nil when the stream is closed.
func (s *Stream) admit(conn *tls.Conn) *Conn {
	state := conn.ConnectionState()
	name, err := idOf(state.PeerCertificates[0])
	if err != nil {
		panic("BUG: mtls: a handshake let a certificate through that names no node")
	}
	c := &Conn{Conn: conn, name: name, stream: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return nil
	}
	s.mu.open[c] = struct{}{}
	return c
}

func (s *Stream) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.open, c)
}

// refused counts a stranger. The log gets one line a second at most: strangers do not fill disks.
func (s *Stream) refused(why refusal, from net.Addr, err error) {
	s.metrics.refused[why].Inc()
	now := s.options.Now()
	s.mu.Lock()
	quiet := s.mu.closed || now.Sub(s.mu.said) < time.Second && !now.Before(s.mu.said)
	if !quiet {
		s.mu.said = now
	}
	s.mu.Unlock()
	if !quiet {
		s.options.Logger.Warn("a connection to the raft address was refused", "from", from.String(), "why", why.String(), "error", err)
	}
}
