package raftlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// judged is what a node concluded from the newest round of pings. The pinger writes it, others read.
type judged struct {
	mu struct {
		sync.Mutex
		diverged string // with whom this node disagrees, when no majority tells who is right
		wedged   string // what this node is behind, and for how long
		removed  bool   // the leader says that this node is no member
	}
	applied uint64        // at the last round; pinger only
	behind  time.Duration // monotonic, since when it is behind without moving; 0 when it is not
	moving  chan struct{} // 1-buffered: a transfer or a raise is under way
}

// read returns what was concluded.
func (j *judged) read() (diverged, wedged string, removed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.mu.diverged, j.mu.wedged, j.mu.removed
}

// judge draws the conclusions from a round of pings. Pinger only.
func (n *Node) judge() {
	if n.stopped.Load() {
		return
	}
	members, _ := n.configuration()
	n.judgeRemoval(members)
	n.judgeAddress(members)
	n.judgeHashes(members)
	n.judgeClock(members)
	n.judgeProgress(members)
	n.judgeLevel(members)
}

// judgeRemoval notices that this node is no member any more: raft does not tell it, because the leader stopped talking to
// it. Only the newest leader is believed, and none of a term before this node's own: one that was cut off before it saw an
// addition says the same. A node whose log is behind its own addition knows no leader that says so.
func (n *Node) judgeRemoval(members []Member) {
	leader, newest := "", (*report)(nil)
	term := n.raft.CurrentTerm()
	for _, m := range members {
		a := n.pinger.fresh(m.ID)
		if m.ID != n.options.NodeID && a != nil && a.report.leads && a.report.term >= term {
			leader, newest, term = m.ID, a.report, a.report.term
		}
	}
	if newest == nil {
		return
	}
	gone := !newest.youAreMember
	_, _, was := n.judged.read()
	if gone {
		n.gate.relabel(reasonNoLeader, says(removed))
	} else if was {
		n.gate.relabel(reasonNoLeader, says(electing))
	}
	n.judged.mu.Lock()
	n.judged.mu.removed = gone
	n.judged.mu.Unlock()
	if gone && !was {
		n.options.Logger.Error("this node was removed from the cluster: stop it; it may come back on an empty data directory under another id", "leader", leader)
	}
}

// judgeAddress tells the leader where this node is reached, when that is not what the configuration says: it was started at
// another address. A leader tells the others when it takes over.
func (n *Node) judgeAddress(members []Member) {
	here := n.options.Peers.Addr().String()
	m := find(members, n.options.NodeID)
	if m == nil || m.Address == here || n.leading.Load() {
		return
	}
	n.move(fmt.Sprintf("this node is reached at %s, no longer at %s: the leader is told", here, m.Address), func(ctx context.Context) error {
		return n.change(ctx, &memberChange{op: memberAdd, id: m.ID, address: here})
	})
}

// judgeHashes holds the running hashes of all members against each other. Whoever disagrees with a majority at one index
// has decided something else, and ends; whoever is right goes on. Without a majority nobody can tell: then nothing is
// decided until an operator removes one.
func (n *Node) judgeHashes(members []Member) {
	said := make(map[string][]sample)
	for _, m := range members {
		switch a := n.pinger.fresh(m.ID); {
		case m.ID == n.options.NodeID:
			said[m.ID] = n.fsm.hashes.all()
		case a != nil:
			said[m.ID] = a.report.samples
		}
	}
	v := compareHashes(n.options.NodeID, members, said)
	if v.minority {
		n.die(ExitFailed, fmt.Sprintf("raftlog: at log index %d this node has the running hash %x, a majority has %x: it has decided something else. Keep its data directory for analysis, and replace it by a node with a new id", v.index, v.mine, v.theirs))
		return
	}
	text := ""
	if len(v.others) > 0 {
		text = fmt.Sprintf("at log index %d node %q disagrees with this one", v.index, v.others)
		if !v.majority {
			text += ", and no majority tells who is right: nothing is decided until one of them is removed"
		}
	}
	n.judged.mu.Lock()
	news := n.judged.mu.diverged != text
	n.judged.mu.diverged = text
	n.judged.mu.Unlock()
	if news && text != "" {
		n.options.Logger.Error("replicas have diverged: " + text)
	}
	if text != "" && !v.majority {
		n.gate.shut(reasonDiverged, problem.New(problem.NoLeader, text))
	} else {
		n.gate.open(reasonDiverged)
	}
}

// hashVerdict is what comes out of one comparison.
type hashVerdict struct {
	minority     bool // a majority of the voters agrees, and not with this node
	majority     bool // a majority of the voters agrees with this node
	others       []string
	index        uint64
	mine, theirs [16]byte
}

// compareHashes compares at every index for which self has a hash. The verdict is that of the newest index at which
// somebody disagrees.
func compareHashes(self string, members []Member, said map[string][]sample) hashVerdict {
	var worst hashVerdict
	quorum := voters(members)/2 + 1
	for _, own := range said[self] {
		v := hashVerdict{index: own.index, mine: own.hash}
		votes := make(map[[16]byte]int)
		for _, m := range members {
			i := slices.IndexFunc(said[m.ID], func(s sample) bool { return s.index == own.index })
			if i < 0 {
				continue
			}
			hash := said[m.ID][i].hash
			if m.Voter {
				votes[hash]++
				if hash != own.hash && votes[hash] >= quorum {
					v.minority, v.theirs = true, hash
				}
			}
			if hash != own.hash {
				v.others = append(v.others, m.ID)
			}
		}
		v.majority = votes[own.hash] >= quorum
		if v.minority {
			return v
		}
		if len(v.others) > 0 && v.index >= worst.index {
			worst = v
		}
	}
	return worst
}

// judgeProgress notices that this node applies nothing while the leader goes on: a replication that is wedged, a disk or
// an FSM that hangs. It is told; the watch of the disk and the operator act.
func (n *Node) judgeProgress(members []Member) {
	now, applied := n.options.Clock.Monotonic(), uint64(n.machine.AppliedIndex())
	leader := uint64(0)
	for _, m := range members {
		if a := n.pinger.fresh(m.ID); a != nil && a.report.leads {
			leader = max(leader, a.report.applied)
		}
	}
	j := &n.judged
	switch {
	case n.leading.Load() || leader <= applied || applied != j.applied:
		j.behind = 0
	case j.behind == 0:
		j.behind = max(1, now)
	}
	j.applied = applied
	text := ""
	if j.behind != 0 && now-j.behind >= wedgedAfter {
		text = fmt.Sprintf("this node has applied nothing after entry %d for %v, the leader is at %d", applied, (now - j.behind).Round(time.Second), leader)
	}
	j.mu.Lock()
	news := j.mu.wedged == "" && text != ""
	j.mu.wedged = text
	j.mu.Unlock()
	if news {
		n.options.Logger.Error("this node does not follow: " + text + "; start it again if this does not end")
	}
}

// judgeLevel raises the feature level once every voter's build supports the next one.
func (n *Node) judgeLevel(members []Member) {
	level := n.machine.Level()
	if n.gate.refusal.Load() != nil || n.machine.Supports() <= level {
		return
	}
	lowest := n.machine.Supports()
	for _, m := range members {
		if m.ID == n.options.NodeID {
			continue
		}
		a := n.pinger.fresh(m.ID)
		if a == nil && m.Voter {
			return // it might come back as what it was
		}
		if a != nil {
			lowest = min(lowest, a.report.supports)
		}
	}
	if lowest > level {
		n.move(fmt.Sprintf("the feature level is raised from %d to %d", level, lowest), func(context.Context) error { return n.raise(lowest) })
	}
}

// raise proposes a feature level.
func (n *Node) raise(level uint32) error {
	var b engine.Batch
	b.AddRaise(&engine.Raise{Level: level})
	if err := n.decideHere(&b); err != nil {
		return err
	}
	if code := b.Results[0].Code; code != problem.OK {
		return problem.New(code, "the engine refused the feature level")
	}
	return nil
}

// move does what takes longer than a round of pings, one thing at a time.
func (n *Node) move(what string, f func(context.Context) error) {
	select {
	case n.judged.moving <- struct{}{}:
	default:
		return
	}
	n.options.Logger.Warn(what)
	n.loops.Add(1)
	go func() {
		defer n.loops.Done()
		ctx, cancel := context.WithTimeout(context.Background(), moveTimeout)
		defer cancel()
		if err := f(ctx); err != nil {
			n.options.Logger.Warn("this did not succeed and will be tried again: "+what, "error", err)
		}
		_ = n.pause(context.Background(), movePause)
		<-n.judged.moving
	}()
}

// pause waits; an error says that the node stops, or ctx.
func (n *Node) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-n.stop:
		return errStopping
	}
}

var errStopping = errors.New("raftlog: this node stops")
