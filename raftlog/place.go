package raftlog

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/engine"
)

// place is what a node that does not lead says beside its answers: who leads, and how old its facts may be. It is brought
// up to date every watchInterval, so that an answer costs a load.
type place struct {
	leader  atomic.Pointer[string] // where the leader's API is reached; nil when this node leads, or none is known
	freshAt atomic.Int64           // monotonic: everything committed up to then is applied here
}

// attend looks after the lanes, and after what this node says of itself, every watchInterval. It is not the watch: it logs, and
// looks into the log, and both may hang with a disk.
func (n *Node) attend() {
	t := time.NewTicker(watchInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-n.stop:
			return
		}
		now := n.options.Clock.Monotonic()
		n.forwarder.attend(now)
		n.look(now)
	}
}

// look is called every watchInterval. That raft heard of the leader proves nothing about facts: heartbeats tell of no commit, and
// after a cut they come again up to ten seconds before the entries do. What the leader had applied when it answered a ping does.
func (n *Node) look(now time.Duration) {
	n.lookAtLeader()
	leader, other := n.otherLeader()
	if other && n.shutAt(leader.ID) {
		n.pinger.askAgain(leader, shutAgain)
	}
	api := ""
	if a := n.pinger.known(leader.ID); other && a != nil {
		api = a.report.api
	}
	if was := n.place.leader.Load(); was == nil && api != "" || was != nil && *was != api {
		if api == "" {
			n.place.leader.Store(nil)
		} else {
			n.place.leader.Store(&api)
		}
	}
	if n.gate.why(reasonNoLeader) == nil {
		n.place.freshAt.Store(int64(now))
	} else if at, ok := n.pinger.provenAt(n.raft.CurrentTerm(), uint64(n.machine.AppliedIndex())); ok && int64(at) > n.place.freshAt.Load() {
		n.place.freshAt.Store(int64(at))
	}
}

// LeaderAPI returns where the API of the node that leads is reached, as it says itself; empty when this node leads, or
// nobody is known to.
func (n *Node) LeaderAPI() string {
	if s := n.place.leader.Load(); s != nil {
		return *s
	}
	return ""
}

// Age returns how old the facts of this node may be: what was committed longer ago is applied here. A node that leads has
// none; one that hears from no leader ages.
func (n *Node) Age() time.Duration {
	if !n.cluster() || n.gate.refusal.Load() == nil {
		return 0
	}
	return max(0, n.options.Clock.Monotonic()-time.Duration(n.place.freshAt.Load()))
}

// Reach waits until this node has applied everything up to a log index; false when ctx ended or the node stopped first.
func (n *Node) Reach(ctx context.Context, index engine.LogIndex) bool {
	return n.progress.reach(ctx, uint64(index))
}

// forwards reports whether commands are taken here, for the leader to decide.
func (n *Node) forwards() bool {
	if n.forwarder == nil || n.gate.refusal.Load() != says(electing) || !n.machine.Initialized() {
		return false
	}
	leader, other := n.otherLeader()
	return other && !n.shutAt(leader.ID)
}

// shutAt reports whether a node said in its newest answer to a ping that it leads and takes no commands: its clock, its disk
// or its replicas are not as they must be, or it is still taking over. What is older than freshFor tells nothing.
func (n *Node) shutAt(id string) bool {
	a := n.pinger.fresh(id)
	return a != nil && a.report.leads && !a.report.ready
}
