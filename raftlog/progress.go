package raftlog

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// progress is how far this node's own engine has come, for those who wait until it has come somewhere: to an index that a
// leader answered with, or that a reader has seen on another node. What it costs the applier is one load an entry; whoever
// waits is woken by a goroutine of its own.
type progress struct {
	applied *atomic.Uint64 // the fsm's
	wanted  atomic.Uint64  // the lowest index that somebody waits for; the highest there is when nobody does
	kicked  chan struct{}  // 1-buffered: from the applier
	stop    <-chan struct{}

	mu struct {
		sync.Mutex
		waits []*wait // in no order: there are few
	}
}

// wait is one who waits, again and again if need be.
type wait struct {
	index uint64
	done  chan struct{} // 1-buffered
}

func newWait() *wait { return &wait{done: make(chan struct{}, 1)} }

func newProgress(applied *atomic.Uint64, stop <-chan struct{}) *progress {
	p := &progress{applied: applied, kicked: make(chan struct{}, 1), stop: stop}
	p.wanted.Store(math.MaxUint64)
	return p
}

// moved is called by the applier, after it stored applied.
func (p *progress) moved(index uint64) {
	if index < p.wanted.Load() {
		return
	}
	select {
	case p.kicked <- struct{}{}:
	default:
	}
}

// run wakes whoever has waited long enough.
func (p *progress) run() {
	for {
		select {
		case <-p.kicked:
			p.wake()
		case <-p.stop:
			return
		}
	}
}

func (p *progress) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	applied := p.applied.Load()
	kept := p.mu.waits[:0]
	for _, w := range p.mu.waits {
		if w.index <= applied {
			w.done <- struct{}{}
			continue
		}
		kept = append(kept, w)
	}
	clear(p.mu.waits[len(kept):])
	p.mu.waits = kept
	p.wantLocked()
}

// wantLocked tells the applier what is waited for.
func (p *progress) wantLocked() {
	lowest := uint64(math.MaxUint64)
	for _, w := range p.mu.waits {
		lowest = min(lowest, w.index)
	}
	p.wanted.Store(lowest)
}

// reach waits until everything up to index is applied here; false when ctx ended or the node stopped first.
func (p *progress) reach(ctx context.Context, index uint64) bool {
	return p.applied.Load() >= index || p.await(newWait(), index, ctx.Done(), nil)
}

// await is reach for a wait that is used again: until gone is closed, or something comes from limit.
func (p *progress) await(w *wait, index uint64, gone <-chan struct{}, limit <-chan time.Time) bool {
	w.index = index
	p.mu.Lock()
	p.mu.waits = append(p.mu.waits, w)
	p.wantLocked()
	p.mu.Unlock()
	// The applier may have passed index before it could know that somebody waits: it stores first and looks then, we the
	// other way round.
	if p.applied.Load() < index {
		select {
		case <-w.done:
			return true
		case <-gone:
		case <-limit:
		case <-p.stop:
		}
	}
	p.forget(w)
	return p.applied.Load() >= index
}

// forget takes a wait back, and what it may have been told meanwhile.
func (p *progress) forget(w *wait) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.mu.waits, w); i >= 0 {
		p.mu.waits = slices.Delete(p.mu.waits, i, i+1)
		p.wantLocked()
		return
	}
	<-w.done
}
