package raftlog

import (
	"context"
	"net"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog/peer"
)

// newForwarding makes this node's way to whoever leads.
func (n *Node) newForwarding(s *metrics.Set) *forwarding {
	return &forwarding{
		options: n.options, clock: n.options.Clock, leads: n.otherLeader, progress: n.progress, metrics: n.metrics,
		figures: newForwardSet(s),
		dial: func(address string, timeout time.Duration) (net.Conn, error) {
			return n.options.Peers.Dial(peer.KindForward, address, timeout)
		},
	}
}

// takeForwarded lets other nodes send their batches here.
func (n *Node) takeForwarded() {
	n.takers = &takers{proposer: n.proposer, gate: &n.gate, check: n.check, standing: n.standing, tell: n.teller.tell, figures: n.forwarder.figures, stop: n.stop}
	n.options.Peers.Handle(peer.KindForward, n.takers.take)
}

// otherLeader returns the node that leads, if that is another one.
func (n *Node) otherLeader() (leader Member, ok bool) {
	id, address := n.Leader()
	return Member{ID: id, Address: address, Voter: true}, address != "" && id != n.options.NodeID
}

// decideElsewhere is DecideContext while the gate is shut.
func (n *Node) decideElsewhere(ctx context.Context, b *engine.Batch, e *problem.Error) error {
	if n.forwarder == nil || e != says(electing) {
		n.metrics.refused(e)
		return e
	}
	leader, some := n.otherLeader()
	if !some {
		n.metrics.refused(e)
		return n.decideAgain(ctx, b, "", e)
	}
	if e := n.check(b); e != nil { // the leader may be an older build, to which a later operation is damage
		return e
	}
	if err := n.forwarder.forward(ctx, leader, b); err != nil {
		return n.decideAgain(ctx, b, leader.ID, err)
	}
	return nil
}

// decideAgain tries again, on the next leader, what nobody has done because the leadership moves: it returns the refusal when
// that is not why, or when no leader has taken it for movedWait. asked is who was asked; he is asked again after lostLooks. Others hear of
// a new leader before it has applied what the one before left, and until then it refuses, too.
func (n *Node) decideAgain(ctx context.Context, b *engine.Batch, asked string, err error) error {
	if n.forwarder == nil || !movesElsewhere(err) {
		return err
	}
	until := n.options.Clock.Monotonic() + movedWait
	timer := time.NewTimer(movedLook)
	defer timer.Stop()
	for looks := 0; ; looks++ {
		leader, some := n.otherLeader()
		switch now := n.gate.refusal.Load(); {
		case now == nil && (asked != n.options.NodeID || looks >= lostLooks) && n.check(b) == nil: // it is this one
			n.forwarder.figures.again.Inc()
			return n.proposer.decide(ctx, b)
		case now != nil && now != says(electing):
			return err
		case some && (leader.ID != asked || looks >= lostLooks):
			n.forwarder.figures.again.Inc()
			if err = n.forwarder.forward(ctx, leader, b); !movesElsewhere(err) {
				return err
			}
			asked, looks = leader.ID, 0
		}
		if n.options.Clock.Monotonic() >= until {
			return err
		}
		select {
		case <-timer.C:
			timer.Reset(movedLook)
		case <-ctx.Done():
			return err
		case <-n.stop:
			return err
		}
	}
}

// movesElsewhere reports whether nobody has done a batch because who was asked does not lead.
func movesElsewhere(err error) bool {
	e, refused := err.(*problem.Error)
	return refused && e.Code == problem.NoLeader
}
