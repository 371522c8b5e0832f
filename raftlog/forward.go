package raftlog

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/drawd/drawd/engine"
)

// forwarding takes batches to the node that leads: one lane at a time. When the leadership moves the lane is left, and the
// next batch opens another one. A batch is forwarded once: the leader decides it or refuses it, and never hands it on.
type forwarding struct {
	options  Options
	clock    Clock
	dial     func(address string, timeout time.Duration) (net.Conn, error)
	leads    func() (Member, bool) // who leads now; false when nobody is known, or this node does
	progress *progress
	metrics  *metricSet
	figures  *forwardSet

	lane    atomic.Pointer[lane]
	leaving sync.WaitGroup
	mu      struct {
		sync.Mutex
		lanes  map[*lane]struct{} // with those that are being left
		closed bool
	}
}

// errSilent says that a leader answered nothing for GiveUp.
var errSilent = errors.New("raftlog: the leader does not answer")

// forward decides a batch on the leader. What it returns, and what it leaves in b, is as in Node.DecideContext.
func (f *forwarding) forward(ctx context.Context, leader Member, b *engine.Batch) error {
	l := f.lane.Load()
	if l == nil || l.leader.Address != leader.Address {
		if l = f.turn(); l == nil {
			f.metrics.refused(says(moved))
			return says(moved)
		}
	}
	return l.decide(ctx, b)
}

// turn opens a lane to whoever leads now, and leaves the one before. The caller may know of a leader from before: it is not
// asked.
func (f *forwarding) turn() *lane {
	f.mu.Lock()
	defer f.mu.Unlock()
	leader, some := f.leads()
	before := f.lane.Load()
	if before != nil && some && before.leader.Address == leader.Address {
		return before
	}
	var next *lane
	if some && !f.mu.closed {
		next = f.newLane(leader)
		if f.mu.lanes == nil {
			f.mu.lanes = make(map[*lane]struct{})
		}
		f.mu.lanes[next] = struct{}{}
	}
	f.lane.Store(next)
	if before != nil {
		f.leaveLocked(before, moved, laneGrace)
	}
	return next
}

func (f *forwarding) leaveLocked(l *lane, why refusal, grace time.Duration) {
	f.leaving.Add(1)
	go func() {
		defer f.leaving.Done()
		l.leave(why, grace)
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.mu.lanes, l)
	}()
}

// attend ends what waited too long, and leaves a lane to somebody who does not lead any more. It is called every
// watchInterval by one goroutine.
func (f *forwarding) attend(now time.Duration) {
	for _, l := range f.all() {
		l.look(now)
	}
	if l := f.lane.Load(); l != nil {
		if leader, some := f.leads(); some && leader.Address != l.leader.Address {
			f.turn()
		}
	}
}

func (f *forwarding) all() []*lane {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*lane, 0, len(f.mu.lanes))
	for l := range f.mu.lanes {
		all = append(all, l)
	}
	return all
}

// close takes nothing more, and waits for what is under way, for as long as ctx lasts.
func (f *forwarding) close(ctx context.Context) {
	grace := f.options.GiveUp
	if until, some := ctx.Deadline(); some {
		grace = min(grace, left(until))
	}
	f.mu.Lock()
	f.mu.closed = true
	if l := f.lane.Swap(nil); l != nil {
		f.leaveLocked(l, closing, grace)
	}
	f.mu.Unlock()
	_ = within(ctx, func() error {
		f.leaving.Wait()
		return nil
	})
}

// forwardSet is what is measured of it, per frame.
type forwardSet struct {
	frames, commands, refused, behind, links *metrics.Counter
	perFrame                                 *metrics.Histogram
	answer, level                            *metrics.Histogram
	taken, takenCommands, takers, forbidden  *metrics.Counter
	again                                    *metrics.Counter
}

func newForwardSet(s *metrics.Set) *forwardSet {
	return &forwardSet{
		frames:        s.GetOrCreateCounter("drawd_forward_frames_total"),
		commands:      s.GetOrCreateCounter("drawd_forward_commands_total"),
		perFrame:      s.GetOrCreateHistogram("drawd_forward_commands_per_frame"),
		refused:       s.GetOrCreateCounter("drawd_forward_refused_total"),
		again:         s.GetOrCreateCounter("drawd_forward_again_total"),
		links:         s.GetOrCreateCounter("drawd_forward_connections_total"),
		answer:        s.GetOrCreateHistogram("drawd_forward_answer_seconds"),
		level:         s.GetOrCreateHistogram("drawd_forward_level_seconds"),
		behind:        s.GetOrCreateCounter("drawd_forward_behind_total"),
		taken:         s.GetOrCreateCounter("drawd_forward_taken_frames_total"),
		forbidden:     s.GetOrCreateCounter("drawd_forward_forbidden_total"),
		takenCommands: s.GetOrCreateCounter("drawd_forward_taken_commands_total"),
		takers:        s.GetOrCreateCounter("drawd_forward_taken_connections_total"),
	}
}

func (s *forwardSet) sent(f *flight) {
	s.frames.Inc()
	s.commands.Add(f.commands)
	s.perFrame.Update(float64(f.commands))
}

func (s *forwardSet) answered(f *flight) { s.answer.Update((f.answeredAt - f.sentAt).Seconds()) }

func (s *forwardSet) landed(f *flight, now time.Duration) {
	s.level.Update((now - f.answeredAt).Seconds())
}
