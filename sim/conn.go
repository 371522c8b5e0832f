package sim

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// conn is one end of a connection.
type conn struct {
	layer   *Layer
	peer    *conn
	in, out *half
}

// half is one direction of a connection: bytes under way, in order. A write never waits, whatever the reader does: the
// bytes on the wire are bounded by wireBytes, beyond which the connection breaks.
type half struct {
	from, to string
	link     *link
	wake     chan struct{} // 1-buffered: to the reader
	mu       struct {
		sync.Mutex
		rng      *rand.Rand
		segments []segment
		last     time.Time // when the newest segment arrives: segments do not overtake each other
		bytes    int
		shut     bool  // the writer has closed it
		gone     bool  // the reader has closed it
		muted    bool  // what is written is lost
		broken   error // for both
		deadline time.Time
	}
}

// segment is what one write put on the wire.
type segment struct {
	at    time.Time // when it arrives
	bytes []byte
	end   bool // nothing follows
}

// wireBytes bounds what is written and not read.
const wireBytes = 64 << 20

// pair makes a connection.
func (n *Network) pair(a, b *Layer) (near, far *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	there := &half{from: a.address, to: b.address, link: n.linkLocked(a.address, b.address), wake: make(chan struct{}, 1)}
	back := &half{from: b.address, to: a.address, link: n.linkLocked(b.address, a.address), wake: make(chan struct{}, 1)}
	there.mu.rng, back.mu.rng = rand.New(rand.NewPCG(n.mu.rng.Uint64(), 1)), rand.New(rand.NewPCG(n.mu.rng.Uint64(), 2))
	near, far = &conn{layer: a, in: back, out: there}, &conn{layer: b, in: there, out: back}
	near.peer, far.peer = far, near
	n.mu.conns[near], n.mu.conns[far] = struct{}{}, struct{}{}
	return near, far
}

func (h *half) signal() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// fail breaks h, whatever is on the wire.
func (h *half) fail(err error) {
	h.mu.Lock()
	if h.mu.broken == nil {
		h.mu.broken, h.mu.segments = err, nil
	}
	h.mu.Unlock()
	h.signal()
}

// mute lets nothing more arrive, and tells nobody.
func (h *half) mute() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.muted = true
	h.mu.segments = nil
}

func (h *half) write(p []byte, end bool) error {
	h.mu.Lock()
	switch {
	case h.mu.broken != nil:
		defer h.mu.Unlock()
		return h.mu.broken
	case h.mu.shut:
		defer h.mu.Unlock()
		return net.ErrClosed
	case h.mu.muted:
		defer h.mu.Unlock()
		return nil
	case h.mu.gone && !h.link.isCut():
		defer h.mu.Unlock()
		return errReset
	}
	at := time.Now().Add(h.link.latency(h.mu.rng.Uint64()))
	if at.Before(h.mu.last) {
		at = h.mu.last
	}
	h.mu.last, h.mu.shut = at, end
	h.mu.segments = append(h.mu.segments, segment{at: at, bytes: append([]byte(nil), p...), end: end})
	h.mu.bytes += len(p)
	full := h.mu.bytes > wireBytes
	h.mu.Unlock()
	if full {
		h.fail(errReset)
		return errReset
	}
	h.signal()
	return nil
}

// read returns what has arrived, or how long to wait for more; negative: until somebody signals.
func (h *half) read(p []byte) (n int, wait time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	switch {
	case h.mu.gone:
		return 0, 0, net.ErrClosed
	case h.mu.broken != nil:
		return 0, 0, h.mu.broken
	}
	wait = -1
	if len(h.mu.segments) > 0 && !h.link.isCut() {
		s := &h.mu.segments[0]
		switch {
		case s.at.After(now):
			wait = s.at.Sub(now)
		case s.end:
			return 0, 0, io.EOF
		default:
			n = copy(p, s.bytes)
			h.mu.bytes -= n
			if s.bytes = s.bytes[n:]; len(s.bytes) == 0 {
				h.mu.segments = h.mu.segments[1:]
			}
			return n, 0, nil
		}
	}
	if d := h.mu.deadline; !d.IsZero() {
		left := d.Sub(now)
		if left <= 0 {
			return 0, 0, os.ErrDeadlineExceeded
		}
		if wait < 0 || left < wait {
			wait = left
		}
	}
	return 0, wait, nil
}

func (c *conn) Read(p []byte) (int, error) {
	for {
		n, wait, err := c.in.read(p)
		switch {
		case n > 0 || err != nil:
			return n, err
		case len(p) == 0:
			return 0, nil
		case wait < 0:
			<-c.in.wake
		default:
			timer := time.NewTimer(wait)
			select {
			case <-c.in.wake:
			case <-timer.C:
			}
			timer.Stop()
		}
	}
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.out.write(p, false); err != nil {
		return 0, err
	}
	if t := c.layer.network.trace; t != nil && len(p) > 0 {
		t.message(c.out.from, c.out.to, p)
	}
	return len(p), nil
}

func (c *conn) Close() error {
	n := c.layer.network
	n.mu.Lock()
	delete(n.mu.conns, c)
	n.mu.Unlock()
	_ = c.out.write(nil, true) // it may be shut or broken already
	c.in.mu.Lock()
	c.in.mu.gone = true
	c.in.mu.segments = nil
	c.in.mu.Unlock()
	c.in.signal()
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return address(c.in.to) }
func (c *conn) RemoteAddr() net.Addr { return address(c.in.from) }

// PeerName returns the node at the other end, as a certificate would.
func (c *conn) PeerName() string { return c.in.from }

func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.mu.Lock()
	c.in.mu.deadline = t
	c.in.mu.Unlock()
	c.in.signal()
	return nil
}

// SetWriteDeadline does nothing: a write never waits.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }
