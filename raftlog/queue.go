package raftlog

import (
	"sync"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// queue holds the batches that wait for an entry, oldest first. It is the filling half of the double buffer; the other
// half is the flight that the proposer builds. Commands stay in their callers' batches until they are dispatched: the
// lock is held for a few words per batch, and a batch that grew too old can be taken out again.
//
// Entries in flight are counted here, so that the proposer is woken exactly when there is something for it to do.
type queue struct {
	maxCommands int
	maxBytes    int
	maxAge      time.Duration
	depth       int
	entryBytes  int  // where an entry is full
	eager       bool // a further flight does not wait for a whole one

	wake    chan struct{} // 1-buffered: to the proposer
	drained chan struct{} // closed once the queue is shut, nothing waits and nothing is in flight

	mu struct {
		sync.Mutex
		ring     []pending // its length is a power of two
		head     int       // of the oldest
		batches  int
		commands int
		bytes    int
		now      time.Duration // coarse: moved on by the watch and by the proposer, so that put needs no clock
		before   time.Duration // now before it last moved: what was there then is at least as old as the two say
		idle     bool          // the oldest batch came when nothing was in flight: now may have been stale
		inFlight int
		refusal  *problem.Error // of whatever comes later
		dry      bool           // drained is closed
	}
}

// pending is one batch in the queue.
type pending struct {
	ticket
	since    time.Duration // queue.now when it came: not after the truth
	commands int32
	bytes    int32
}

func newQueue(o *Options) *queue {
	q := &queue{
		maxCommands: o.QueueCommands, maxBytes: o.QueueBytes, maxAge: o.QueueAge, depth: o.Depth,
		entryBytes: o.EntryBytes, wake: make(chan struct{}, 1), drained: make(chan struct{}),
	}
	q.mu.ring = make([]pending, 64)
	return q
}

// put adds a batch, or refuses it with effect none.
func (q *queue) put(t ticket, commands, bytes int) *problem.Error {
	q.mu.Lock()
	if q.mu.refusal != nil {
		e := q.mu.refusal
		q.mu.Unlock()
		return e
	}
	if max(q.mu.commands+commands, q.mu.batches+1) > q.maxCommands || q.mu.bytes+bytes > q.maxBytes {
		q.mu.Unlock()
		return says(queueFull)
	}
	if q.mu.batches > 0 && q.mu.before-q.frontLocked().since >= q.maxAge-q.maxAge/doorShare {
		q.mu.Unlock()
		return says(queueSlow)
	}
	if q.mu.batches == len(q.mu.ring) {
		q.growLocked()
	}
	if q.mu.batches == 0 {
		q.mu.idle = q.mu.inFlight == 0
	}
	q.mu.ring[(q.mu.head+q.mu.batches)&(len(q.mu.ring)-1)] = pending{t, q.mu.now, int32(commands), int32(bytes)}
	before := q.wantedLocked()
	q.mu.batches++
	q.mu.commands += commands
	q.mu.bytes += bytes
	wake := !before && q.wantedLocked()
	q.mu.Unlock()
	if wake {
		q.signal()
	}
	return nil
}

// moveLocked moves time on.
func (q *queue) moveLocked(now time.Duration) {
	if now > q.mu.now {
		q.mu.before, q.mu.now = q.mu.now, now
	}
}

// wantedLocked reports whether the proposer has something to do: an entry when none is in flight, a second one when a
// whole entry waits. A lane does not wait for that: its flights cost no sync.
func (q *queue) wantedLocked() bool {
	switch {
	case q.mu.batches == 0:
		return false
	case q.mu.inFlight == 0:
		return true
	}
	return q.mu.inFlight < q.depth && (q.eager || q.mu.bytes >= q.entryBytes)
}

// take moves the oldest batches, as many as one entry carries, into f and counts it as in flight. It reports whether
// there was anything to take. now is the time of the call.
func (q *queue) take(f *flight, now time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.wantedLocked() {
		return false
	}
	q.moveLocked(now)
	oldest := q.frontLocked().since
	if q.mu.idle {
		oldest, q.mu.idle = now, false
	}
	f.reset(oldest)
	for q.mu.batches > 0 {
		p := q.frontLocked()
		if !f.fits(p, q.entryBytes) {
			break
		}
		if !p.dispatch() {
			panic("BUG: a batch in the queue was settled by somebody who did not take it out")
		}
		f.add(p)
		q.popLocked()
	}
	q.mu.inFlight++
	return true
}

// landed says that an entry is no longer in flight.
func (q *queue) landed(now time.Duration) {
	q.mu.Lock()
	q.moveLocked(now)
	before := q.wantedLocked()
	q.mu.inFlight--
	q.drainedLocked()
	wake := !before && q.wantedLocked()
	q.mu.Unlock()
	if wake {
		q.signal()
	}
}

// expire moves time on and takes out what is too old; the caller refuses it. dst is reused.
func (q *queue) expire(now time.Duration, dst []ticket) []ticket {
	q.mu.Lock()
	defer q.mu.Unlock()
	// What came since time was last moved may be younger than it says. Counting up to that moment, nothing is refused
	// before its time, however late this call is.
	upTo := q.mu.now
	q.moveLocked(now)
	for q.mu.batches > 0 && upTo-q.frontLocked().since >= q.maxAge {
		dst = q.claimLocked(dst)
	}
	q.drainedLocked()
	return dst
}

// clear takes everything out; the caller refuses it. dst is reused. A refusal stays: whoever comes later gets it at once.
func (q *queue) clear(stay *problem.Error, dst []ticket) []ticket {
	q.mu.Lock()
	defer q.mu.Unlock()
	if stay != nil {
		q.mu.refusal = stay
	}
	for q.mu.batches > 0 {
		dst = q.claimLocked(dst)
	}
	q.drainedLocked()
	return dst
}

// remove takes one batch out, whose caller does not wait any longer; false when it is not in the queue.
func (q *queue) remove(t ticket) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	mask := len(q.mu.ring) - 1
	for i := range q.mu.batches {
		at := &q.mu.ring[(q.mu.head+i)&mask]
		if at.ticket != t {
			continue
		}
		if !t.claim(phaseQueued) {
			panic("BUG: a batch in the queue was settled by somebody who did not take it out")
		}
		found := *at
		for ; i > 0; i-- { // those before it move up, so that it is the first
			q.mu.ring[(q.mu.head+i)&mask] = q.mu.ring[(q.mu.head+i-1)&mask]
		}
		*q.frontLocked() = found
		q.popLocked()
		q.drainedLocked()
		return true
	}
	return false
}

func (q *queue) claimLocked(dst []ticket) []ticket {
	t := q.frontLocked().ticket
	if !t.claim(phaseQueued) {
		panic("BUG: a batch in the queue was settled by somebody who did not take it out")
	}
	q.popLocked()
	return append(dst, t)
}

// shut refuses later batches with e and leaves those inside.
func (q *queue) shut(e *problem.Error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.refusal = e
	q.drainedLocked()
}

func (q *queue) drainedLocked() {
	if q.mu.refusal != nil && !q.mu.dry && q.mu.batches == 0 && q.mu.inFlight == 0 {
		q.mu.dry = true
		close(q.drained)
	}
}

// busy reports whether something waits or is in flight.
func (q *queue) busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.batches > 0 || q.mu.inFlight > 0
}

// waiting reports whether something waits.
func (q *queue) waiting() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.batches > 0
}

// size returns what waits.
func (q *queue) size() (commands, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.commands, q.mu.bytes
}

func (q *queue) frontLocked() *pending { return &q.mu.ring[q.mu.head] }

func (q *queue) popLocked() {
	p := q.frontLocked()
	q.mu.commands -= int(p.commands)
	q.mu.bytes -= int(p.bytes)
	q.mu.batches--
	q.mu.head = (q.mu.head + 1) & (len(q.mu.ring) - 1)
	*p = pending{}
}

func (q *queue) growLocked() {
	bigger := make([]pending, 2*len(q.mu.ring))
	n := copy(bigger, q.mu.ring[q.mu.head:])
	copy(bigger[n:], q.mu.ring[:q.mu.head])
	q.mu.ring, q.mu.head = bigger, 0
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// flight is one entry on its way, and who waits for it.
type flight struct {
	items    []item
	commands int
	bytes    int
	oldest   time.Duration // when its oldest batch came
	sentAt   time.Duration // when it was handed to raft
	givenUp  bool          // nobody waits for it any more; guarded by air
	future   future

	// Of a lane's.
	number     uint64
	link       *link           // that it was sent on
	out        *engine.Outcome // what the leader answered; its memory is used again
	answeredAt time.Duration
}

// item is one batch in an entry.
type item struct {
	ticket
	commands int
}

func (f *flight) reset(oldest time.Duration) {
	f.items = f.items[:0]
	f.commands, f.bytes, f.oldest, f.givenUp, f.future = 0, 0, oldest, false, nil
}

// fits reports whether p can join f. A batch always fits into an empty entry: Decide refuses those that would not.
func (f *flight) fits(p *pending, entryBytes int) bool {
	return len(f.items) == 0 ||
		engine.EntryHeaderSize+f.bytes+int(p.bytes) <= entryBytes && f.commands+int(p.commands) <= maxEntryCommands
}

func (f *flight) carries(t ticket) bool {
	for _, it := range f.items {
		if it.ticket == t {
			return true
		}
	}
	return false
}

func (f *flight) add(p *pending) {
	f.items = append(f.items, item{p.ticket, int(p.commands)})
	f.commands += int(p.commands)
	f.bytes += int(p.bytes)
}
