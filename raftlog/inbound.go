package raftlog

import (
	"net"
	"sync"
)

// inbound are the connections on which other nodes speak to raft. Raft reads a snapshot off one of them on its main goroutine and
// without a deadline: when the sender goes without a word, in a partition, the node would neither vote nor take entries until the
// kernel gives the connection up. The watch closes them all then; who lives dials again.
type inbound struct {
	held <-chan struct{} // no connection is taken before it is closed
	mu   struct {
		sync.Mutex
		all map[net.Conn]struct{}
	}
}

// over returns a layer whose accepted connections are kept in in.
func (in *inbound) over(layer StreamLayer) StreamLayer {
	return &inboundLayer{StreamLayer: layer, in: in, closed: make(chan struct{})}
}

// drop closes all of them.
func (in *inbound) drop() {
	in.mu.Lock()
	all := in.mu.all
	in.mu.all = nil
	in.mu.Unlock()
	for c := range all {
		_ = c.Close() // its reader hears of it
	}
}

type inboundLayer struct {
	StreamLayer
	in     *inbound
	closed chan struct{}
	once   sync.Once
}

func (l *inboundLayer) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.StreamLayer.Close()
}

func (l *inboundLayer) Accept() (net.Conn, error) {
	select {
	case <-l.in.held:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.StreamLayer.Accept()
	if err != nil {
		return nil, err
	}
	kept := &inboundConn{c, l.in}
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	if l.in.mu.all == nil {
		l.in.mu.all = make(map[net.Conn]struct{})
	}
	l.in.mu.all[kept] = struct{}{}
	return kept, nil
}

type inboundConn struct {
	net.Conn
	in *inbound
}

func (c *inboundConn) Close() error {
	c.in.mu.Lock()
	delete(c.in.mu.all, c)
	c.in.mu.Unlock()
	return c.Conn.Close()
}
