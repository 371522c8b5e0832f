package raftlog

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/drawd/drawd/internal/mutant"
	"github.com/hashicorp/raft"
)

// median is how this node's clock stands to those of the voters, as the newest pings measured it.
type median struct {
	offsets map[string]time.Duration // of each voter that is known: its clock minus this one's; 0 for this node
	offset  time.Duration            // the middle of them
	known   bool                     // of a majority
}

// medianOfClocks compares this node's clock with the voters'. What was measured longer than clockFor ago tells nothing.
func (n *Node) medianOfClocks(members []Member) (m median) {
	now := n.options.Clock.Monotonic()
	m.offsets = make(map[string]time.Duration)
	for _, other := range members {
		if !other.Voter {
			continue
		}
		if other.ID == n.options.NodeID {
			m.offsets[other.ID] = 0
		} else if a := n.pinger.fresh(other.ID); a != nil && a.clockAt != 0 && now-a.clockAt <= clockFor {
			m.offsets[other.ID] = a.offset
		}
	}
	m.offset, m.known = medianOffset(m.offsets, voters(members)/2+1)
	return m
}

// compareClocks tells the timekeeper how this node's clock stands to the median, and returns by how much it is off when that is too
// much; else, and when the median is not known, 0.
func (n *Node) compareClocks(m *median) time.Duration {
	off := -m.offset // this node's clock minus the others'
	if !m.known || off.Abs() <= clockTolerance {
		off = 0
	}
	n.time.compared(-m.offset, off)
	return off
}

// judgeClock compares this node's clock with the voters' median, and hands the leadership to one whose clock is right.
func (n *Node) judgeClock(members []Member) {
	m := n.medianOfClocks(members)
	if n.compareClocks(&m) == 0 || !n.leading.Load() {
		return
	}
	for _, other := range members { // by id: all leaders would choose the same
		if o, ok := m.offsets[other.ID]; ok && other.ID != n.options.NodeID && (o-m.offset).Abs() <= clockTolerance {
			n.move("the leadership is handed to a node whose clock is right", func(ctx context.Context) error { return n.transfer(ctx, other.ID) })
			return
		}
	}
}

// medianOffset returns the middle of what clocks say, relative to one's own; false when fewer than quorum are known. With
// an even number of clocks it is the one of the two in the middle that is nearer to one's own: two clocks alone cannot
// tell which of them is wrong.
func medianOffset(offsets map[string]time.Duration, quorum int) (time.Duration, bool) {
	if len(offsets) < quorum || len(offsets) == 0 {
		return 0, false
	}
	all := make([]time.Duration, 0, len(offsets))
	for _, o := range offsets {
		all = append(all, o)
	}
	slices.Sort(all)
	low, high := all[(len(all)-1)/2], all[len(all)/2]
	if low.Abs() < high.Abs() {
		return low, true
	}
	return high, true
}

var errDeposed = errors.New("raftlog: the leadership was lost while the clocks of the others were asked for")

// awaitClocks waits, before this node stamps its first entry as a leader, until it knows how its clock stands to the median of the
// voters'. A node that has run for a moment knows; one that was just started may be elected before its first pings are answered,
// and with a clock that is ahead it would move log time to where no other clock is. A clock that is off shuts the gate, and the
// next round of pings hands the leadership on.
//
// It waits for a part of an election timeout: raft's messages come through, or this node would not lead, so answers that take longer
// than that may never come, and a cluster of which nobody answers pings must not stand still for it. Then this node leads
// as if its clock were right, and says so.
func (n *Node) awaitClocks() error {
	if !n.cluster() || mutant.On(mutant.ClockUnasked) {
		return nil
	}
	limit := time.NewTimer(n.options.ElectionTimeout / clockWaitShare)
	defer limit.Stop()
	look := time.NewTicker(clockLook)
	defer look.Stop()
	for {
		members := n.Members()
		m := n.medianOfClocks(members)
		if m.known {
			n.compareClocks(&m)
			return nil
		}
		for _, other := range members {
			if _, known := m.offsets[other.ID]; !known && other.Voter {
				n.pinger.askAgain(other, clockLook)
			}
		}
		select {
		case <-look.C:
		case <-limit.C:
			n.metrics.clocksUnheard.Inc()
			n.options.Logger.Warn("this node leads before a majority of the voters told their clocks: its own is believed until they do",
				"known", len(m.offsets), "voters", voters(members))
			return nil
		case <-n.stop:
			return errStopping
		}
		if n.raft.State() != raft.Leader {
			return errDeposed
		}
	}
}
