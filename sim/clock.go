package sim

import (
	"sync/atomic"
	"time"
)

// Clock is the clock of one machine: simulated time, and an offset that a nemesis sets. It fits raftlog.Options.Clock. Its
// monotonic hand is nobody's to set.
type Clock struct {
	start  time.Time
	offset atomic.Int64 // of the wall clock, ns
}

// NewClock returns a clock that is right.
func NewClock() *Clock { return &Clock{start: time.Now()} }

// Now returns the wall clock.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// Monotonic returns the time since the machine was made.
func (c *Clock) Monotonic() time.Duration { return time.Since(c.start) }

// Jump moves the wall clock.
func (c *Clock) Jump(by time.Duration) { c.offset.Add(int64(by)) }

// Right sets the wall clock right.
func (c *Clock) Right() { c.offset.Store(0) }
