package raftlog

import (
	"fmt"
	"sync"
	"time"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/mutant"
	"github.com/drawd/drawd/storage"
	"github.com/hashicorp/raft"
)

// rolledBackKey is the stable value of a node that was told that its disk is not what it was: by whom and what. It is for good.
const rolledBackKey = "drawd/rolled-back"

// RolledBackError says that another node has seen what this node's disk does not have: the data directory was put back to an older
// copy, or the disk lost synced writes without a trace. The node has forgotten what it voted or acknowledged.
type RolledBackError struct {
	Node string // this one
	By   string // who has seen it
	What string
}

func (e *RolledBackError) Error() string {
	return fmt.Sprintf("raftlog: the data directory of node %q is older than what node %q has seen of it: %s. It was put back to an older copy, or the disk lost synced writes. This node votes for nobody, acknowledges nothing and answers nothing. Keep the directory for analysis, remove node %q from the cluster, and start it on an empty data directory under a new id",
		e.Node, e.By, e.What, e.Node)
}

// recall is how a node with a past comes back into its cluster: before its raft hears, votes or campaigns, a majority of the voters,
// this node counted, must have told what they have seen of it, and none of it may be missing here. Until then raft's connections
// wait to be taken, and its timer for an election is far away. Whoever is told so later ends.
type recall struct {
	begun   time.Duration // monotonic
	settled chan struct{} // closed once raft takes part
	mu      struct {
		sync.Mutex
		heard map[string]*report // the newest one of each voter that told something
		done  bool               // settled
		err   *RolledBackError
	}
}

// heldTimeout is raft's timer for an election until the node may take part.
const heldTimeout = 24 * time.Hour

// hold keeps raft from taking part; before NewRaft.
func (n *Node) hold(c *raft.Config) error {
	n.recall.begun = n.options.Clock.Monotonic()
	c.HeartbeatTimeout, c.ElectionTimeout = heldTimeout, heldTimeout
	n.gate.shut(reasonRecall, says(asking))
	b, err := n.log.Get([]byte(rolledBackKey))
	if err == nil && len(b) > 0 {
		w := words{b: b}
		n.refuse(&RolledBackError{Node: n.options.NodeID, By: w.str(), What: w.str()})
	}
	return err
}

// release lets raft take part. Once only.
func (n *Node) release() {
	n.recall.mu.Lock()
	first := !n.recall.mu.done && n.recall.mu.err == nil
	n.recall.mu.done = n.recall.mu.done || first
	n.recall.mu.Unlock()
	if !first {
		return
	}
	err := n.reload(func(c *raft.ReloadableConfig) {
		c.HeartbeatTimeout, c.ElectionTimeout = n.options.ElectionTimeout, n.options.ElectionTimeout
	})
	if err != nil {
		panic("BUG: raftlog: " + err.Error())
	}
	n.gate.open(reasonRecall)
	close(n.recall.settled)
}

// reload changes raft's configuration, one at a time.
func (n *Node) reload(change func(*raft.ReloadableConfig)) error {
	n.reloading.Lock()
	defer n.reloading.Unlock()
	c := n.raft.ReloadableConfig()
	change(&c)
	return n.raft.ReloadConfig(c)
}

// refuse keeps this node out for good; late says that it took part already.
func (n *Node) refuse(e *RolledBackError) (late bool) {
	n.recall.mu.Lock()
	n.recall.mu.err, late = e, n.recall.mu.done
	n.recall.mu.Unlock()
	n.gate.shut(reasonRecall, problem.New(problem.NoLeader, e.Error()))
	n.options.Logger.Error("this node was rolled back", "error", e)
	return late
}

// rolledBack returns why this node is kept out; nil when it is not.
func (n *Node) rolledBack() *RolledBackError {
	n.recall.mu.Lock()
	defer n.recall.mu.Unlock()
	return n.recall.mu.err
}

// hear takes in what another node says of this one, in a ping or in the answer to one. Members without a vote are not believed:
// an edge stands where the others need not. A node that is not in this node's configuration is believed while this one starts,
// because a configuration that was rolled back, too, does not tell who was added since; but not one that this node's state knows as
// removed or as an edge.
func (n *Node) hear(r *report) {
	members, _ := n.configuration()
	m := find(members, r.id)
	n.recall.mu.Lock()
	done, kept := n.recall.mu.done, n.recall.mu.err != nil
	n.recall.mu.Unlock()
	if kept || r.id == n.options.NodeID || m != nil && !m.Voter || m == nil && (done || n.outcast(r.id)) {
		return
	}
	if what := n.missing(&r.known); what != "" && r.about == n.options.NodeID && !mutant.On(mutant.RollbackBelieved) {
		n.tell(&RolledBackError{Node: n.options.NodeID, By: r.id, What: what})
		return
	}
	if done || r.rolledBack {
		return
	}
	n.recall.mu.Lock()
	if n.recall.mu.heard == nil {
		n.recall.mu.heard = make(map[string]*report)
	}
	n.recall.mu.heard[r.id] = r
	n.recall.mu.Unlock()
	n.settle()
}

func (n *Node) outcast(id string) bool { return n.options.Outcast != nil && n.options.Outcast(id) }

// tell keeps this node out, and makes that durable. One that takes part already ends at once: its raft cannot be held any more.
func (n *Node) tell(e *RolledBackError) {
	late := n.refuse(e)
	err := n.log.disk.SetStable([]byte(rolledBackKey), appendStr(appendStr(nil, e.By), e.What))
	if late {
		n.die(ExitFailed, e.Error())
	} else if err != nil {
		n.options.Logger.Warn("that this node was rolled back could not be written down; it is found again at the next start", "error", err)
	}
}

// missing says what of s this node does not have; empty when it has all of it. The log is read before the term: see seen.
func (n *Node) missing(s *seen) string {
	reach := max(n.log.disk.Last(), n.durable())
	voted, term := n.log.voted.Load(), n.raft.CurrentTerm()
	chain, ok := n.log.disk.Chain(s.committed)
	switch {
	case s.term > term:
		return fmt.Sprintf("it was in term %d, and this directory knows term %d", s.term, term)
	case s.voted > voted:
		return fmt.Sprintf("it gave its vote in term %d, and this directory knows of a vote in term %d", s.voted, voted)
	case s.hadTerm == term && s.had > reach:
		return fmt.Sprintf("in term %d it had the log up to %d, and this directory has it up to %d", s.hadTerm, s.had, reach)
	case s.committed > reach:
		return fmt.Sprintf("it had the log up to %d, all of it committed, and this directory has it up to %d", s.committed, reach)
	case ok && s.committed > 0 && s.chain != [16]byte{} && s.chain != chain:
		return fmt.Sprintf("up to log index %d, all of it committed, it had another log (chain %x) than this directory (chain %x)", s.committed, s.chain, chain)
	}
	return ""
}

// settle lets raft take part once enough voters were heard: all of them, or a majority and recallGrace has passed for the rest. A
// node that knows of no other voter listens for as long: the others may know it.
func (n *Node) settle() {
	select {
	case <-n.recall.settled:
		return
	default:
	}
	members, _ := n.configuration()
	self := 0
	if m := find(members, n.options.NodeID); m != nil && m.Voter {
		self = 1
	}
	n.recall.mu.Lock()
	told := self
	for _, m := range members {
		if m.Voter && n.recall.mu.heard[m.ID] != nil {
			told++
		}
	}
	later, of := n.recall.laterLocked(n.log.disk.Tail())
	n.recall.mu.Unlock()
	all := voters(members)
	waited := n.options.Clock.Monotonic()-n.recall.begun >= recallGrace
	if told >= all/2+1 && (waited || all > self && told == all) || waited && of > 0 && self+later >= of/2+1 {
		n.release()
	}
}

// laterLocked returns how many voters told of a configuration with this node in it and have more of the log than this one, and how
// many vote in it. While this node was away, so many of those whom it knows may have been replaced that no majority of them is left.
// Who knows a configuration that was committed without this node has an entry that is not here, and so a later end of the log.
func (r *recall) laterLocked(tail storage.Base) (told, of int) {
	for _, h := range r.mu.heard {
		if later := h.own.hadTerm > tail.Term || h.own.hadTerm == tail.Term && h.own.had > tail.Index; later && h.youAreMember && h.voters > 0 {
			told, of = told+1, max(of, int(h.voters))
		}
	}
	return told, of
}
