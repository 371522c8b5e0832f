package sim

import (
	"sync/atomic"
	"time"
)

// Clock is the clock of one machine: simulated time, and an offset that a nemesis sets. It fits raftlog.Options.Clock. Its
// monotonic hand is nobody's to set.
type Clock struct {
	start  time.Time
	ahead  *atomic.Int64 // ns by which every right clock of the world is ahead of simulated time
	offset atomic.Int64  // of this wall clock, ns
}

// NewClock returns a clock that is right in a world that is ahead of simulated time by so many ns.
func NewClock(ahead *atomic.Int64) *Clock { return &Clock{start: time.Now(), ahead: ahead} }

// Now returns the wall clock.
func (c *Clock) Now() time.Time {
	return time.Now().Add(time.Duration(c.ahead.Load() + c.offset.Load()))
}

// Monotonic returns the time since the machine was made.
func (c *Clock) Monotonic() time.Duration { return time.Since(c.start) }

// Jump moves the wall clock.
func (c *Clock) Jump(by time.Duration) { c.offset.Add(int64(by)) }

// Right sets the wall clock right.
func (c *Clock) Right() { c.offset.Store(0) }
