package raftlog

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// StreamLayer carries the bytes between nodes. A layer that reaches beyond this process must have authenticated a
// connection, by mutual TLS, before Accept returns it: raft decodes whatever it is given (raft-and-pebble.md, rule 19).
type StreamLayer interface {
	net.Listener
	// Dial connects to the node with that address.
	Dial(address string, timeout time.Duration) (net.Conn, error)
}

// streamLayer gives a StreamLayer raft's types.
type streamLayer struct{ StreamLayer }

func (l streamLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return l.StreamLayer.Dial(string(address), timeout)
}

// serialTransport leaves heartbeats to raft's main goroutine. Handled on the connection's own, as raft asks for, a
// heartbeat of a newer term makes the leader append under a term that it never won (hashicorp/raft#695), and replicas
// diverge without a word. The price is that a heartbeat waits behind a sync: election timeouts allow for it.
type serialTransport struct{ *raft.NetworkTransport }

// SetHeartbeatHandler does nothing, as the interface allows.
func (serialTransport) SetHeartbeatHandler(func(raft.RPC)) {}

// A transport without pre-vote would switch it off silently.
var _ raft.WithPreVote = serialTransport{}

func newTransport(layer StreamLayer, logger hclog.Logger) serialTransport {
	return serialTransport{raft.NewNetworkTransportWithConfig(transportConfig(layer, logger))}
}

func transportConfig(layer StreamLayer, logger hclog.Logger) *raft.NetworkTransportConfig {
	return &raft.NetworkTransportConfig{
		Stream:          streamLayer{layer},
		Logger:          logger,
		MaxPool:         3,
		MaxRPCsInFlight: 1, // no pipeline: it can wedge for ever after a rejected append (hashicorp/raft#612)
		Timeout:         rpcTimeout,
	}
}

// loopLayer is the stream layer of one node: it reaches that node only, over pipes in memory. No port is open.
type loopLayer struct {
	address string
	accept  chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newLoopLayer(address string) *loopLayer {
	return &loopLayer{address: address, accept: make(chan net.Conn), closed: make(chan struct{})}
}

var errUnreachable = errors.New("raftlog: this node runs alone and reaches no other")

func (l *loopLayer) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *loopLayer) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *loopLayer) Addr() net.Addr { return loopAddr(l.address) }

func (l *loopLayer) Dial(address string, timeout time.Duration) (net.Conn, error) {
	if address != l.address {
		return nil, errUnreachable
	}
	near, far := net.Pipe()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case l.accept <- far:
		return near, nil
	case <-l.closed:
	case <-timer.C:
	}
	return nil, errors.Join(net.ErrClosed, near.Close(), far.Close())
}

type loopAddr string

func (loopAddr) Network() string  { return "memory" }
func (a loopAddr) String() string { return string(a) }
