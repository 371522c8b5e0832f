package raftlog

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/drawd/drawd/internal/mutant"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// StreamLayer carries the bytes between nodes: see [peer.Stream].
type StreamLayer = peer.Stream

// streamLayer gives a StreamLayer raft's types.
type streamLayer struct{ StreamLayer }

func (l streamLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return l.StreamLayer.Dial(string(address), timeout)
}

// knownStream lets raft speak to the members that it means. Raft's messages do not say whom they are for: a node that got another
// one's address would be asked for that one's vote, and for what that one has of the log, beside its own. Two nodes would be a
// majority of five, and a node that reaches itself at another one's address one of three.
type knownStream struct {
	StreamLayer
	known   <-chan struct{} // closed once members may be called; raft dials before NewRaft returns
	members func() []Member
}

func (s knownStream) Dial(address string, timeout time.Duration) (net.Conn, error) {
	c, err := s.StreamLayer.Dial(address, timeout)
	if err != nil || peer.Name(c) == "" {
		return c, err
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-s.known:
	case <-timer.C:
		return nil, errors.Join(errStopping, c.Close())
	}
	for _, m := range s.members() {
		if m.Address == address && m.ID != peer.Name(c) {
			return nil, errors.Join(fmt.Errorf("raftlog: node %q answers at the address of node %q", peer.Name(c), m.ID), c.Close())
		}
	}
	return c, nil
}

// serialTransport leaves heartbeats to raft's main goroutine. Handled on the connection's own, as raft asks for, a
// heartbeat of a newer term makes the leader append under a term that it never won (hashicorp/raft#695), and replicas
// diverge without a word. The price is that a heartbeat waits behind a sync: election timeouts allow for it.
type serialTransport struct {
	*raft.NetworkTransport
	witness  *witness        // sees what other nodes answer; nil for a node that runs alone
	screened <-chan raft.RPC // when not nil, what came through novice.screen
}

// Consumer returns what raft is asked by other nodes.
func (t serialTransport) Consumer() <-chan raft.RPC {
	if t.screened != nil {
		return t.screened
	}
	return t.NetworkTransport.Consumer()
}

// AppendEntries asks a follower, whose answer is seen.
func (t serialTransport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	err := t.NetworkTransport.AppendEntries(id, target, args, resp)
	if err == nil && t.witness != nil {
		t.witness.appended(string(id), args, resp)
	}
	if mutant.On(mutant.AckBeforeQuorum) {
		return acknowledged(args, resp, err)
	}
	return err
}

// RequestVote asks for a vote; the answer is seen.
func (t serialTransport) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	err := t.NetworkTransport.RequestVote(id, target, args, resp)
	if err == nil && t.witness != nil {
		t.witness.voted(string(id), args, resp)
	}
	return err
}

// SetHeartbeatHandler does nothing, as the interface allows.
func (t serialTransport) SetHeartbeatHandler(f func(raft.RPC)) {
	if mutant.On(mutant.HeartbeatAside) {
		t.NetworkTransport.SetHeartbeatHandler(f)
	}
}

// A transport without pre-vote would switch it off silently.
var _ raft.WithPreVote = serialTransport{}

func newTransport(layer StreamLayer, timeout time.Duration, logger hclog.Logger) serialTransport {
	return serialTransport{NetworkTransport: raft.NewNetworkTransportWithConfig(transportConfig(layer, timeout, logger))}
}

func transportConfig(layer StreamLayer, timeout time.Duration, logger hclog.Logger) *raft.NetworkTransportConfig {
	return &raft.NetworkTransportConfig{
		Stream:          streamLayer{layer},
		Logger:          logger,
		MaxPool:         3,
		MaxRPCsInFlight: 1, // no pipeline: it can wedge for ever after a rejected append (hashicorp/raft#612)
		Timeout:         timeout,
	}
}

// rpcTimeout bounds one message of raft. A snapshot has it once for every 256 KiB.
func (n *Node) rpcTimeout() time.Duration {
	if n.cluster() {
		return peerTimeout
	}
	return rpcTimeout
}

// newLoopLayer returns the stream layer of one node: it reaches that node only, over pipes in memory. No port is open.
func newLoopLayer(address string) StreamLayer { return peer.NewPipes().Listen(address) }
