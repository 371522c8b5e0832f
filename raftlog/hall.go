package raftlog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// hall is where callers wait with their batches: first in the queue, then for the flight that took the batch. The proposer
// has one, whose flights are entries of the log; a lane has one, whose flights are frames to the leader.
type hall struct {
	queue   *queue
	waiters waiters
	metrics *metricSet
	giveUp  time.Duration
	spare   chan *flight

	// air holds the flights whose callers wait, for the watch to give them up.
	air struct {
		sync.Mutex
		flights []*flight // free places are nil
	}
	expired []ticket // the watch's
}

func newHall(o *Options, flights int, m *metricSet) *hall {
	h := &hall{queue: newQueue(o), metrics: m, giveUp: o.GiveUp, spare: make(chan *flight, flights)}
	h.air.flights = make([]*flight, flights)
	return h
}

// decide queues a batch and waits for its outcome, or for the end of ctx. Without one it does not allocate.
func (h *hall) decide(ctx context.Context, b *engine.Batch) error {
	if err := checkSize(b); err != nil {
		return err
	}
	w := h.waiters.get()
	t := w.begin(b)
	refusal := h.queue.put(t, b.Len(), len(b.Commands()))
	if refusal == nil {
		if w.await(ctx) {
			refusal = w.err
		} else if taken, left := h.leave(t); taken {
			h.waiters.put(w)
			return fmt.Errorf("raftlog: the caller did not wait until the command was sent to the log: %w", context.Cause(ctx))
		} else {
			refusal = left
		}
	}
	h.waiters.put(w)
	if refusal != nil {
		h.metrics.refused(refusal)
		return refusal
	}
	return nil
}

// leaveAgain is how long leave waits before it looks again for a batch that is between the queue and the air.
const leaveAgain = time.Millisecond

// leave ends the wait for a batch that is not done. taken says that it never left the queue; otherwise it is on its way, and
// nobody will answer it or write to it any more, or it was answered meanwhile.
func (h *hall) leave(t ticket) (taken bool, refusal *problem.Error) {
	for {
		if h.queue.remove(t) {
			return true, nil
		}
		// Only what is in the air may be claimed: while an entry is built its commands are read from the batches.
		if len(h.ground(nil, func(f *flight) bool { return f.carries(t) }, &t)) > 0 {
			return false, says(notAwaited)
		}
		timer := time.NewTimer(leaveAgain)
		select {
		case <-t.w.done:
			timer.Stop()
			return false, t.w.err
		case <-timer.C:
		}
	}
}

// deliver copies the outcome into each waiting batch and wakes its caller.
func (h *hall) deliver(f *flight, out *engine.Outcome) {
	first := 0
	for _, it := range f.items {
		if it.claim(phaseDispatched) { // else the caller was told that the outcome is unknown, and dropped the batch
			deliver(out, first, it.commands, it.w.batch)
			it.wake(nil)
		}
		first += it.commands
	}
}

// settle refuses everybody who still waits for f.
func (h *hall) settle(f *flight, e *problem.Error) {
	for _, it := range f.items {
		if it.claim(phaseDispatched) {
			it.wake(e)
		}
	}
}

// watch refuses what waited too long, in the queue and in flight. It is called every watchInterval by one goroutine.
func (h *hall) watch(now time.Duration) {
	h.expired = wakeAll(h.queue.expire(now, h.expired[:0]), says(queueOld))
	h.expired = wakeAll(h.ground(h.expired[:0], func(f *flight) bool { return now-f.sentAt >= h.giveUp }, nil), says(gaveUp))
}

// drop refuses everything that waits, and whatever comes later: queued batches with effect none, entries in flight with
// effect unknown.
func (h *hall) drop(e *problem.Error) {
	wakeAll(h.queue.clear(e, nil), e)
	wakeAll(h.ground(nil, func(*flight) bool { return true }, nil), says(hasStopped))
}

// ground claims everybody who still waits for the chosen flights, or one of them. What lands later finds nobody to answer.
func (h *hall) ground(dst []ticket, chosen func(*flight) bool, one *ticket) []ticket {
	h.air.Lock()
	defer h.air.Unlock()
	for _, f := range h.air.flights {
		if f == nil || f.givenUp || !chosen(f) {
			continue
		}
		f.givenUp = one == nil
		for _, it := range f.items {
			if (one == nil || it.ticket == *one) && it.claim(phaseDispatched) {
				dst = append(dst, it.ticket)
			}
		}
	}
	return dst
}

// wakeAll answers claimed tickets and returns the emptied slice.
func wakeAll(claimed []ticket, e *problem.Error) []ticket {
	for _, t := range claimed {
		t.wake(e)
	}
	clear(claimed)
	return claimed[:0]
}

func (h *hall) board(f *flight) {
	h.air.Lock()
	defer h.air.Unlock()
	h.boardLocked(f)
}

func (h *hall) boardLocked(f *flight) {
	for i, other := range h.air.flights {
		if other == nil {
			h.air.flights[i] = f
			return
		}
	}
	panic("BUG: more is in flight than the queue allows")
}

func (h *hall) disembark(f *flight) {
	h.air.Lock()
	defer h.air.Unlock()
	for i, other := range h.air.flights {
		if other == f {
			h.air.flights[i] = nil
		}
	}
}

func (h *hall) spareFlight() *flight {
	select {
	case f := <-h.spare:
		return f
	default:
		return &flight{}
	}
}

func (h *hall) release(f *flight) {
	f.future, f.link = nil, nil
	clear(f.items)
	f.items = f.items[:0]
	select {
	case h.spare <- f:
	default:
	}
}
