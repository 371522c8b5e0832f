package engine

import (
	"sync"
	"sync/atomic"
)

// As a library many goroutines decide at once: each under the locks of its command's subjects, then the campaign's, then the
// clock's. A command decides on what these cover. What else it looks at is brought to its time first (late), counted within
// its bound by whoever comes (Namespace.countRows), or covered by taking every shard (Campaign.reachesOut).

// takePosition assigns position and time, as a library, while all locks of the command are held.
func (t *tx) takePosition() {
	w := t.world
	w.clock.Lock()
	t.now = max(w.clock.now, t.stamp)
	t.placeLocked()
	w.clock.Unlock()
}

// placeBefore is takePosition unless something is due first: false then, and nothing was done.
func (t *tx) placeBefore(due *atomic.Int64) bool {
	w := t.world
	w.clock.Lock()
	defer w.clock.Unlock()
	now := max(w.clock.now, t.stamp)
	if int64(now) >= due.Load() {
		return false
	}
	t.now = now
	t.placeLocked()
	return true
}

// placeLocked takes the next position, as a library, at t.now. The clock is locked.
func (t *tx) placeLocked() {
	w := t.world
	w.clock.index++
	w.clock.now = t.now
	t.at = Location{Index: w.clock.index}
	w.logTime.Store(int64(t.now))
	w.applied.Store(uint64(t.at.Index))
	t.positions = append(t.positions, Position{t.at.Index, uint32(len(t.out.records))})
}

// late reports whether, as a library, what can be won has to be brought to the command's time first. A shard is locked: turns
// move under all of them only. t.now is the command's time.
func (t *tx) late() bool {
	if !t.library {
		return false
	}
	t.now = max(t.stamp, UnixMilli(t.world.logTime.Load()))
	return int64(t.now) >= t.world.turns.Load()
}

// catchUp brings what can be won to the caller's time, as a library: a tick. Log time moves with it, so that nobody whose
// clock is behind decides by what was.
func (t *tx) catchUp() {
	w := t.world
	w.lockAll()
	defer w.unlockAll()
	t.takePosition()
	t.bringUp()
}

// steps are the txs of the library's goroutines.
var steps = sync.Pool{New: func() any { return new(tx) }}

// Decide applies one batch without a log: the library's way. Any number of goroutines may call it; stamp is the
// caller's clock. Each command that changes something takes the next position as its index. An engine is used either
// with Apply or with Decide, not with both. When NextDue has passed, decide a tick: it lets go what may be forgotten.
func (e *Engine) Decide(b *Batch, stamp UnixMilli) error {
	t := steps.Get().(*tx)
	defer steps.Put(t)
	w := e.world.Load()
	t.world, t.library, t.stamp, t.err = w, true, stamp, nil
	t.out = sink{b.Records[:0], t.out.offsets[:0], t.out.wins[:0]}
	t.positions, b.Results = b.Positions[:0], b.Results[:0]
	defer t.handBack(b)
	for commands := b.commands; len(commands) > 0; {
		o, body, rest, err := nextCommand(commands)
		if err != nil {
			return err
		}
		if err := t.apply(o, body); err != nil {
			return err
		}
		b.Results = append(b.Results, t.result)
		commands = rest
	}
	b.Index, b.Time = t.at.Index, t.now
	return nil
}

// handBack gives a batch what was appended for it.
func (t *tx) handBack(b *Batch) {
	b.Records, b.Positions = t.out.records, t.positions
	t.out.records, t.positions = nil, nil
}

// decideTogether decides a draw beside those of other goroutines.
func (t *tx) decideTogether(d *Draw, c *Campaign) {
	for {
		wide := c.reachesOut()
		if wide {
			t.world.lockAll()
		} else {
			t.lockShards(d)
		}
		again := c.reachesOut() != wide // published anew meanwhile
		late := !again && t.ladder(d, c)
		if wide {
			t.world.unlockAll()
		} else {
			t.unlockShards()
		}
		switch {
		case late:
			t.catchUp()
		case !again:
			return
		}
	}
}

// reachesOut reports whether a draw of the live version decides by how another campaign stands: whether the chances of a
// prize can still be used there. Such draws are alone while they decide; it is a rare kind of prize.
func (c *Campaign) reachesOut() bool {
	p := c.plan.Load().chances
	return p != nil && p.elsewhere
}
