package raftlog

import (
	"fmt"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// noviceKey is the stable value of a node that began with nothing and was not seen to be added yet.
const noviceKey = "drawd/novice"

// novice is a node that began on an empty data directory and waits to be added. Raft would let it vote: under an id that
// voted and lost its disk, that could be a second vote in one term, or a vote against what it acknowledged
// (raft-and-pebble.md, rule 18). So a novice answers no to every candidate, until its log tells that it was added as a
// member that does not vote; and when the log knows it as a voter before that, its disk was emptied, and it ends.
type novice struct {
	is   atomic.Bool
	self raft.ServerID
	keep func(bool) error // writes it down, synced
	die  func(code int, why string)
}

// beginNovice reads, and for a new data directory decides, whether this node is one. Nothing of raft runs yet.
func (n *Node) beginNovice(past, founds bool) error {
	v := &n.novice
	v.self, v.die = raft.ServerID(n.options.NodeID), n.die
	v.keep = func(is bool) error {
		state := byte(0)
		if is {
			state = 1
		}
		return n.log.disk.SetStable([]byte(noviceKey), []byte{state})
	}
	was, err := n.log.Get([]byte(noviceKey))
	if err != nil {
		return err
	}
	is := len(was) == 1 && was[0] == 1
	if was == nil && !past && !founds {
		is = true
		if err := v.keep(true); err != nil {
			return err
		}
	}
	v.is.Store(is)
	return nil
}

// learn is told every configuration, in the order of the log. FSM goroutine only.
func (v *novice) learn(data []byte) {
	if v == nil || !v.is.Load() {
		return
	}
	for _, s := range raft.DecodeConfiguration(data).Servers {
		switch {
		case s.ID != v.self:
		case s.Suffrage == raft.Voter:
			v.die(ExitFailed, fmt.Sprintf("raftlog: the cluster has node %q as a voter, and this data directory was empty: its disk was emptied or replaced, and it must not vote under that id again. Remove node %q from the cluster, and start this one on an empty data directory under a new id", v.self, v.self))
		default:
			if err := v.keep(false); err != nil {
				v.die(ExitDisk, fmt.Sprintf("raftlog: write a stable value: %v; check the disk under --data and its free space, then start drawd again", err))
				return
			}
			v.is.Store(false)
		}
	}
}

// screen passes on what raft is asked, but for votes that a novice must not give.
func (v *novice) screen(in <-chan raft.RPC, out chan<- raft.RPC, stop <-chan struct{}) {
	for {
		select {
		case rpc := <-in:
			if v.is.Load() && refuseVote(&rpc) {
				continue
			}
			select {
			case out <- rpc:
			case <-stop:
				return
			}
		case <-stop:
			return
		}
	}
}

// refuseVote answers a candidate with no; false for what is no question for a vote.
func refuseVote(rpc *raft.RPC) bool {
	header := raft.RPCHeader{ProtocolVersion: 3}
	switch rpc.Command.(type) {
	case *raft.RequestVoteRequest:
		rpc.Respond(&raft.RequestVoteResponse{RPCHeader: header}, nil)
	case *raft.RequestPreVoteRequest:
		rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: header}, nil)
	default:
		return false
	}
	return true
}
