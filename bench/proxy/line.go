package proxy

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// line is one connection: near to whoever dialed, far to the node.
type line struct {
	near, far   net.Conn // far: nil until it is reached
	there, back *way
	once        sync.Once
	over        chan struct{} // closed by reset
	mu          sync.Mutex    // guards far
}

// way is one direction of a line.
type way struct {
	link  Link
	lossy bool // bytes were swallowed; guarded by Network.mu
	queue chan piece
}

// piece is what one read gave.
type piece struct {
	bytes []byte
	due   time.Time
	end   bool
}

// Bounds of what is on the way in one direction: queueLength pieces of at most pieceBytes.
const (
	pieceBytes  = 16 << 10
	queueLength = 256
)

// connect serves a connection from one node to another until it ends.
func (n *Network) connect(near net.Conn, from, to string, dial func() (net.Conn, error)) {
	l := &line{near: near, over: make(chan struct{})}
	l.there = &way{link: Link{from, to}, queue: make(chan piece, queueLength)}
	l.back = &way{link: Link{to, from}, queue: make(chan piece, queueLength)}
	if !n.admit(l) {
		l.reset()
		return
	}
	defer func() {
		l.reset()
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.mu.lines, l)
	}()
	if !n.reach(l, dial) {
		return
	}
	var both sync.WaitGroup
	for _, w := range []struct {
		*way
		src, dst net.Conn
	}{{l.there, l.near, l.far}, {l.back, l.far, l.near}} {
		both.Go(func() { n.take(l, w.way, w.src) })
		both.Go(func() { l.deliver(n, w.way, w.dst) })
	}
	both.Wait()
}

// admit takes a line in unless one of its links refuses.
func (n *Network) admit(l *line) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.closed || n.mu.links[l.there.link].Mode == Refuse || n.mu.links[l.back.link].Mode == Refuse {
		return false
	}
	n.mu.lines[l] = struct{}{}
	return true
}

// reach dials the node. While bytes to it are swallowed it takes them all the same, and dials nobody: then it reports false when
// that has ended, as it does when nobody is there.
func (n *Network) reach(l *line, dial func() (net.Conn, error)) bool {
	for {
		r, change := n.rule(l.there.link)
		switch r.Mode {
		case Pass, Refuse:
			far, err := dial()
			if err != nil {
				return false
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			select {
			case <-l.over:
				_ = far.Close() // nothing went over it
				return false
			default:
			}
			l.far = far
			return true
		case Swallow:
			if n.swallowed(l.there) {
				go func() { _, _ = io.Copy(io.Discard, l.near) }() // it ends with the line
			}
		}
		select {
		case <-change:
		case <-l.over:
			return false
		}
		n.mu.Lock()
		lost := l.there.lossy
		n.mu.Unlock()
		if r, _ := n.rule(l.there.link); lost && r.Mode != Swallow {
			return false
		}
	}
}

// swallowed reports whether bytes on a way are lost now, and notes it in the same moment: a rule that ends afterwards finds what it has to
// reset.
func (n *Network) swallowed(w *way) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	lost := n.mu.links[w.link].Mode == Swallow
	w.lossy = w.lossy || lost
	return lost
}

// take reads what is to go one way and says when it is due. Pieces do not overtake each other.
func (n *Network) take(l *line, w *way, src net.Conn) {
	var last time.Time
	for {
		p := piece{bytes: make([]byte, pieceBytes)}
		size, err := src.Read(p.bytes)
		p.bytes, p.end = p.bytes[:size], err != nil
		if n.swallowed(w) { // the end, too: nobody is told
			if p.end {
				<-l.over
				return
			}
			continue
		}
		r, _ := n.rule(w.link)
		now := time.Now()
		p.due = now.Add(r.Delay)
		if r.Jitter > 0 {
			p.due = p.due.Add(rand.N(r.Jitter))
		}
		if p.due.Before(last) {
			p.due = last
		}
		if r.Rate > 0 {
			p.due = p.due.Add(time.Duration(size) * time.Second / time.Duration(r.Rate))
		}
		last = p.due
		select {
		case w.queue <- p:
		case <-l.over:
			return
		}
		if p.end {
			return
		}
	}
}

// deliver writes what one way has taken, when it is due and not while it is held.
func (l *line) deliver(n *Network, w *way, dst net.Conn) {
	for {
		var p piece
		select {
		case p = <-w.queue:
		case <-l.over:
			return
		}
		if wait := time.Until(p.due); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-l.over:
				timer.Stop()
				return
			}
		}
		if !l.released(n, w) {
			return
		}
		if _, err := dst.Write(p.bytes); err != nil {
			l.reset()
			return
		}
		if p.end {
			if half, ok := dst.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite() // it may be closed already
			}
			return
		}
	}
}

// released waits until a way is not held; false when the line ended before.
func (l *line) released(n *Network, w *way) bool {
	for {
		r, change := n.rule(w.link)
		if r.Mode != Hold {
			return true
		}
		select {
		case <-change:
		case <-l.over:
			return false
		}
	}
}

// reset breaks a line: both ends get a reset, and what is under way is gone.
func (l *line) reset() {
	l.once.Do(func() {
		close(l.over)
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, c := range []net.Conn{l.near, l.far} {
			if t, ok := c.(*net.TCPConn); ok {
				_ = t.SetLinger(0)
			}
			if c != nil {
				_ = c.Close()
			}
		}
	})
}
