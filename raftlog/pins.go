package raftlog

import (
	"sync"
	"time"
)

// pins keep the log from an index on while a snapshot at that index is on its way to another node, and for pinGrace after: until
// the node has caught up with what was written meanwhile. Otherwise the next checkpoint could cut the log before it gets there,
// and it would be sent a snapshot again, and again. Beyond maxPinnedBytes of log they hold nothing any more: the log stays
// bounded, and a node that cannot be brought up within that is too slow for what is written.
type pins struct {
	clock Clock

	mu struct {
		sync.Mutex
		all map[*pin]struct{}
	}
}

type pin struct {
	index uint64
	until time.Duration // monotonic; 0 while the snapshot is under way
}

// pin keeps the log from index on, until release is called and, if the snapshot was sent whole, pinGrace has passed. One that was
// not keeps nothing: raft goes on trying to reach a node that is gone.
func (p *pins) pin(index uint64) (release func(whole bool)) {
	one := &pin{index: index}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.all == nil {
		p.mu.all = map[*pin]struct{}{}
	}
	p.mu.all[one] = struct{}{}
	return func(whole bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !whole {
			delete(p.mu.all, one)
			return
		}
		one.until = max(1, p.clock.Monotonic()+pinGrace)
	}
}

// keep returns up to where the log may be cut that has the given bytes and would be cut up to through. Raft looks up the term of
// the entry at a snapshot's index, so that one stays, too.
func (p *pins) keep(through uint64, bytes int64) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Monotonic()
	for one := range p.mu.all {
		if one.until != 0 && one.until <= now {
			delete(p.mu.all, one)
		} else if bytes <= maxPinnedBytes {
			through = min(through, one.index-1)
		}
	}
	return through
}
