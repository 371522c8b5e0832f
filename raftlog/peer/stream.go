package peer

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Stream carries the bytes between nodes. One that reaches beyond this process must have authenticated a connection, by
// mutual TLS, before its first byte can be read: what is behind it decodes whatever it is given (raft-and-pebble.md, rule
// 19). A handshake may run in the first Read: it has a deadline there, and delays nobody else.
type Stream interface {
	net.Listener
	// Dial connects to the node with that address.
	Dial(address string, timeout time.Duration) (net.Conn, error)
}

// Named is a connection that knows who is at its other end.
type Named interface {
	// PeerName returns the node id that the other end proved, once a byte was read from it.
	PeerName() string
}

// Name returns the node id at the other end of c, or "" when nothing proves it.
func Name(c net.Conn) string {
	if k, ok := c.(*conn); ok {
		c = k.Conn
	}
	if n, ok := c.(Named); ok {
		return n.PeerName()
	}
	return ""
}

// TCP is a stream without any authentication: for loopback only.
type TCP struct{ net.Listener }

// Dial connects to the node with that address.
func (TCP) Dial(address string, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", address, timeout)
}

// Pipes is a network in memory. Its addresses are names, and no port is open.
type Pipes struct {
	mu struct {
		sync.Mutex
		nodes map[string]*pipeNode
	}
}

// NewPipes returns a network that nobody is on.
func NewPipes() *Pipes {
	p := new(Pipes)
	p.mu.nodes = make(map[string]*pipeNode)
	return p
}

// Listen returns the stream of one address, of a node of that name.
func (p *Pipes) Listen(address string) Stream { return p.ListenAs(address, address) }

// ListenAs returns the stream of one address, of a node of any name. Whoever had the address before is reached no more.
func (p *Pipes) ListenAs(name, address string) Stream {
	n := &pipeNode{net: p, name: name, address: address, accept: make(chan net.Conn), closed: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.nodes[address] = n
	return n
}

func (p *Pipes) node(address string) *pipeNode {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.nodes[address]
}

// pipeNode is one address.
type pipeNode struct {
	net     *Pipes
	name    string
	address string
	accept  chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

var errNobody = errors.New("peer: nobody listens at this address")

func (n *pipeNode) Accept() (net.Conn, error) {
	select {
	case c := <-n.accept:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *pipeNode) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *pipeNode) Addr() net.Addr { return pipeAddr(n.address) }

func (n *pipeNode) Dial(address string, timeout time.Duration) (net.Conn, error) {
	to := n.net.node(address)
	if to == nil {
		return nil, errNobody
	}
	near, far := net.Pipe()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case to.accept <- pipeConn{far, n.name}:
		return pipeConn{near, to.name}, nil
	case <-to.closed:
	case <-n.closed:
	case <-timer.C:
	}
	return nil, errors.Join(errNobody, near.Close(), far.Close())
}

// pipeConn is one end of a pipe. It names the other end: in a network in memory that needs no proof.
type pipeConn struct {
	net.Conn
	peer string
}

func (c pipeConn) PeerName() string { return c.peer }

type pipeAddr string

func (pipeAddr) Network() string  { return "memory" }
func (a pipeAddr) String() string { return string(a) }
