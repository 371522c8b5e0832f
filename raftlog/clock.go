package raftlog

import "time"

// Clock is where the leader's time comes from. It has two hands, because the rules of the stamp compare them: the wall
// clock, which anybody may set, and the time that passed, which nobody can.
type Clock interface {
	// Now returns the wall clock.
	Now() time.Time
	// Monotonic returns the time since some fixed instant. It never goes back.
	Monotonic() time.Duration
}

// systemClock is the machine's clock.
type systemClock struct{ start time.Time }

func newSystemClock() Clock { return systemClock{start: time.Now()} }

func (systemClock) Now() time.Time { return time.Now() }

func (c systemClock) Monotonic() time.Duration { return time.Since(c.start) }

// from returns the instant at which something must be done that may take d, and left the time until an instant: connections
// and contexts want instants.
func from(d time.Duration) time.Time { return time.Now().Add(d) }

func left(until time.Time) time.Duration { return time.Until(until) }
