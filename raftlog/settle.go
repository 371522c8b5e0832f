package raftlog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/drawd/drawd/raftlog/peer"
)

// settling is for those who did not find here what may have been made a moment ago at another node: they wait until this node
// has applied everything that was acknowledged before they asked. The leader is asked how far it is, by a ping, which leaves
// nothing in the log; then this node comes there by itself.
//
// Anybody may ask for names that do not exist, so it is bounded: one question is under way, whoever comes meanwhile waits for
// the next one together, questions are settleEvery apart, and at most maxSettling wait. So strangers cost the leader a hundred
// pings a second from each node. What was not there is not remembered: it may be there at the next question.
type settling struct {
	look   func(context.Context) bool
	kicked chan struct{} // 1-buffered
	stop   <-chan struct{}

	mu struct {
		sync.Mutex
		next    *settled // what waits for the next question; nil when nobody does
		waiting int
	}
}

// settled is one question and those who wait for it.
type settled struct {
	done chan struct{} // closed after ok was written
	ok   bool
}

// Settle waits until everything that was acknowledged anywhere before the call is applied here. It returns at once on a node
// that leads or runs alone; false when no leader answers, when this node lags too far behind, or when too many wait.
func (n *Node) Settle(ctx context.Context) bool {
	if n.forwarder == nil || n.gate.refusal.Load() == nil {
		return true
	}
	s := n.settling.join()
	if s == nil {
		return false
	}
	defer n.settling.leave()
	select {
	case <-s.done:
		return s.ok
	case <-ctx.Done():
	case <-n.stop:
	}
	return false
}

// join returns the next question to be asked, so that all that is learnt was true after the call.
func (s *settling) join() *settled {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.waiting >= maxSettling {
		return nil
	}
	s.mu.waiting++
	if s.mu.next == nil {
		s.mu.next = &settled{done: make(chan struct{})}
		select {
		case s.kicked <- struct{}{}:
		default:
		}
	}
	return s.mu.next
}

func (s *settling) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.waiting--
}

// run asks, one question after the other.
func (s *settling) run() {
	pause := time.NewTimer(0)
	<-pause.C
	defer pause.Stop()
	for {
		select {
		case <-s.kicked:
		case <-s.stop:
			return
		}
		s.mu.Lock()
		q := s.mu.next
		s.mu.next = nil
		s.mu.Unlock()
		pause.Reset(settleEvery)
		ctx, cancel := context.WithTimeout(context.Background(), settleLimit)
		q.ok = s.look(ctx)
		cancel()
		close(q.done)
		select {
		case <-pause.C:
		case <-s.stop:
			return
		}
	}
}

// catchUp is one question: it returns when this node has applied what the leader had applied when it answered. Whoever leads
// and takes commands has applied everything that was acknowledged; that it still leads is as sure as raft's lease, which ends
// before another one may begin.
func (n *Node) catchUp(ctx context.Context) bool {
	n.metrics.settled.Inc()
	leader, other := n.otherLeader()
	if !other {
		return n.gate.refusal.Load() == nil
	}
	r, err := n.pinger.question(ctx, leader)
	return err == nil && r.leads && r.ready && r.term >= n.raft.CurrentTerm() && n.progress.reach(ctx, r.applied)
}

// question asks one node where it stands.
func (p *pinger) question(ctx context.Context, m Member) (*report, error) {
	b, err := p.peers.Ask(ctx, m.Address, peer.CallPing, appendReport(nil, p.node.report(m.ID)))
	if err != nil {
		return nil, err
	}
	r, err := parseReport(b)
	if err == nil && r.id != m.ID {
		return nil, fmt.Errorf("raftlog: node %q answers at the address of node %q", r.id, m.ID)
	}
	return r, err
}
