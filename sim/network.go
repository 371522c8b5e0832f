package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// Network carries bytes between nodes, in simulated time, over directed links that can be cut, slow, or both. A connection
// is like one of TCP: what is written while its link is cut arrives when the link is back, unless the connection was reset.
type Network struct {
	trace *Trace
	mu    struct {
		sync.Mutex
		rng       *rand.Rand
		listeners map[string]*Layer
		links     map[[2]string]*link
		conns     map[*conn]struct{}
	}
}

// link is one direction between two addresses.
type link struct {
	mu struct {
		sync.Mutex
		cut         bool
		least, most time.Duration // latency of a message
	}
}

// Latency of a message on a link that is well, and on a slow one.
const (
	leastLatency, mostLatency         = 100 * time.Microsecond, 2 * time.Millisecond
	slowLeastLatency, slowMostLatency = 30 * time.Millisecond, 400 * time.Millisecond
	redial                            = 250 * time.Millisecond // between two tries to reach an address whose link is cut
)

// NewNetwork returns a network whose latencies come from a seed.
func NewNetwork(seed uint64, trace *Trace) *Network {
	n := &Network{trace: trace}
	n.mu.rng = rand.New(rand.NewPCG(seed, 0x6e6574))
	n.mu.listeners, n.mu.links, n.mu.conns = map[string]*Layer{}, map[[2]string]*link{}, map[*conn]struct{}{}
	return n
}

func (n *Network) linkLocked(from, to string) *link {
	l := n.mu.links[[2]string{from, to}]
	if l == nil {
		l = new(link)
		l.mu.least, l.mu.most = leastLatency, mostLatency
		n.mu.links[[2]string{from, to}] = l
	}
	return l
}

func (l *link) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.cut
}

func (l *link) latency(random uint64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.least + time.Duration(random%uint64(l.mu.most-l.mu.least))
}

// Cut cuts one direction, or restores it. What waited for it arrives then.
func (n *Network) Cut(from, to string, cut bool) {
	n.mu.Lock()
	l := n.linkLocked(from, to)
	wake := n.overLocked(from, to)
	n.mu.Unlock()
	l.mu.Lock()
	l.mu.cut = cut
	l.mu.Unlock()
	for _, h := range wake {
		h.signal()
	}
}

// Slow makes a direction slow, or ends that.
func (n *Network) Slow(from, to string, slow bool) {
	n.mu.Lock()
	l := n.linkLocked(from, to)
	n.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.least, l.mu.most = leastLatency, mostLatency
	if slow {
		l.mu.least, l.mu.most = slowLeastLatency, slowMostLatency
	}
}

// overLocked returns the halves of connections that a direction carries.
func (n *Network) overLocked(from, to string) (halves []*half) {
	for c := range n.mu.conns {
		if c.in.from == from && c.in.to == to {
			halves = append(halves, c.in)
		}
	}
	return halves
}

// Reset breaks every connection between two addresses, in both directions.
func (n *Network) Reset(a, b string) {
	n.breakThose(func(c *conn) bool { return c.in.from == a && c.in.to == b || c.in.from == b && c.in.to == a })
}

// Heal restores every link.
func (n *Network) Heal() {
	n.mu.Lock()
	links := make([][2]string, 0, len(n.mu.links))
	for k := range n.mu.links {
		links = append(links, k)
	}
	n.mu.Unlock()
	for _, k := range links {
		n.Cut(k[0], k[1], false)
		n.Slow(k[0], k[1], false)
	}
}

func (n *Network) breakThose(which func(*conn) bool) {
	n.mu.Lock()
	var broken []*conn
	for c := range n.mu.conns {
		if which(c) {
			broken = append(broken, c)
			delete(n.mu.conns, c)
		}
	}
	n.mu.Unlock()
	for _, c := range broken {
		c.in.fail(errReset)
		c.out.fail(errReset)
	}
}

var (
	errReset       = errors.New("sim: connection reset")
	errUnreachable = errors.New("sim: no route to the address in time")
	errRefused     = errors.New("sim: connection refused")
)

// Layer is where one run of a node listens and dials from. It is a stream layer of raftlog.
type Layer struct {
	network *Network
	address string
	accept  chan *conn
	closed  chan struct{}
	once    sync.Once
}

// Listen makes a layer for an address. An earlier one of the same address must have been killed; whoever still has a
// connection with that finds it reset now.
func (n *Network) Listen(address string) *Layer {
	l := &Layer{network: n, address: address, accept: make(chan *conn), closed: make(chan struct{})}
	n.breakThose(func(c *conn) bool { return c.peer.layer.address == address && c.peer.layer != c.layer })
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.listeners[address] = l
	return l
}

// Kill ends a layer as the end of its process does. With silence, nobody is told: its peers find out when they are
// answered no more, as after a power cut; else their connections are reset.
func (l *Layer) Kill(silence bool) {
	_ = l.Close()
	n := l.network
	if !silence {
		n.breakThose(func(c *conn) bool { return c.layer == l || c.peer.layer == l })
		return
	}
	n.mu.Lock()
	var mine []*conn
	for c := range n.mu.conns {
		if c.layer == l {
			mine = append(mine, c)
			delete(n.mu.conns, c)
		}
	}
	n.mu.Unlock()
	for _, c := range mine {
		c.in.fail(errReset) // its own reads end
		c.out.mute()        // and nothing that it writes is ever delivered
	}
}

// Accept returns the next connection.
func (l *Layer) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close stops listening. Connections stay.
func (l *Layer) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		if l.network.mu.listeners[l.address] == l {
			delete(l.network.mu.listeners, l.address)
		}
	})
	return nil
}

// Addr returns the layer's address.
func (l *Layer) Addr() net.Addr { return address(l.address) }

type address string

func (address) Network() string  { return "sim" }
func (a address) String() string { return string(a) }

// Dial connects to an address. While a link to it or back is cut it tries again, as TCP does.
func (l *Layer) Dial(to string, timeout time.Duration) (net.Conn, error) {
	deadline := time.Now().Add(timeout)
	for {
		n := l.network
		n.mu.Lock()
		out, back := n.linkLocked(l.address, to), n.linkLocked(to, l.address)
		target := n.mu.listeners[to]
		random := n.mu.rng.Uint64()
		n.mu.Unlock()
		time.Sleep(out.latency(random) + back.latency(random>>32))
		select {
		case <-l.closed:
			return nil, net.ErrClosed
		default:
		}
		left := time.Until(deadline)
		switch {
		case left <= 0:
			return nil, fmt.Errorf("%w: %s", errUnreachable, to)
		case out.isCut() || back.isCut():
			time.Sleep(min(redial, left))
			continue
		case target == nil:
			return nil, fmt.Errorf("%w: %s", errRefused, to)
		}
		return l.connect(target, left)
	}
}

func (l *Layer) connect(target *Layer, timeout time.Duration) (net.Conn, error) {
	near, far := l.network.pair(l, target)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case target.accept <- far:
		return near, nil
	case <-target.closed:
		_ = errors.Join(near.Close(), far.Close())
		return nil, fmt.Errorf("%w: %s", errRefused, target.address)
	case <-timer.C:
		_ = errors.Join(near.Close(), far.Close())
		return nil, os.ErrDeadlineExceeded
	}
}
