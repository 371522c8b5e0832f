package raftlog

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// waiter is where one caller of Decide waits for its batch. Waiters are pooled, so what still refers to one may be late:
// whoever wants to answer must name the generation and the phase it knew, and only one can win.
//
// Who owns the batch: until begin the caller; then whoever moves the waiter out of its phase. The proposer reads the
// commands of a waiter that it has moved to dispatched. The notifier, having settled it, writes the results. The caller
// has it back once done has delivered. So a batch that was given up is never written to.
type waiter struct {
	state atomic.Uint64 // generation << phaseBits | phase
	batch *engine.Batch
	err   *problem.Error
	done  chan struct{} // 1-buffered: one token per generation
	taken *taken        // of a batch that another node has sent: whoever answers that takes the token; nil for a caller here
}

const (
	phaseBits = 2

	phaseIdle       = 0 // belongs to the caller, or to the pool
	phaseQueued     = 1 // in the queue: can be refused with effect none
	phaseDispatched = 2 // may have reached the log
)

// ticket names one use of a waiter.
type ticket struct {
	w          *waiter
	generation uint64
}

// begin starts a new use of w.
func (w *waiter) begin(b *engine.Batch) ticket {
	generation := w.state.Load()>>phaseBits + 1
	w.batch, w.err = b, nil
	w.state.Store(generation<<phaseBits | phaseQueued)
	return ticket{w, generation}
}

// dispatch moves a queued waiter on; false when it was settled meanwhile.
func (t ticket) dispatch() bool {
	return t.w.state.CompareAndSwap(t.generation<<phaseBits|phaseQueued, t.generation<<phaseBits|phaseDispatched)
}

// claim takes the right to answer from everybody else. The claimer must call wake, once.
func (t ticket) claim(phase uint64) bool {
	return t.w.state.CompareAndSwap(t.generation<<phaseBits|phase, t.generation<<phaseBits|phaseIdle)
}

// wake ends a claimed use.
func (t ticket) wake(err *problem.Error) {
	t.w.err = err
	if x := t.w.taken; x != nil {
		x.answered <- x
		return
	}
	t.w.done <- struct{}{}
}

// waiters is the pool. It belongs to a node: a channel must not move between two worlds of simulated time.
type waiters struct{ pool sync.Pool }

func (p *waiters) get() *waiter {
	if w, ok := p.pool.Get().(*waiter); ok {
		return w
	}
	return &waiter{done: make(chan struct{}, 1)}
}

func (p *waiters) put(w *waiter) {
	w.batch, w.err = nil, nil
	p.pool.Put(w)
}

// await waits for the outcome; false when ctx ended first. Whoever cannot stop waiting pays for a receive and no select: every
// draw of the daemon comes through here.
func (w *waiter) await(ctx context.Context) bool {
	gone := ctx.Done()
	if gone == nil {
		<-w.done
		return true
	}
	select {
	case <-w.done:
		return true
	case <-gone:
		return false
	}
}
