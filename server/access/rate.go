package access

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Rate bounds the requests of one key on one node. The zero Rate bounds nothing.
type Rate struct {
	PerSecond uint32 `json:"per_second"`
	Burst     uint32 `json:"burst"` // requests that may come at once, ≥ 1; 0 means PerSecond
}

// Bounds of a Rate.
const (
	MaxRatePerSecond = 1_000_000
	MaxRateBurst     = 10_000_000
)

// maxRetryAfter bounds what a client is told to wait, in seconds.
const maxRetryAfter = 60

// clockStep is by how much the times of two requests may be out of order: each was taken when its request was read.
const clockStep = int64(time.Second)

// limiter is GCRA: one number says when the next request would be due if requests came evenly. A request is let through
// while that time is at most window ahead of now.
type limiter struct {
	rate     Rate
	interval int64 // ns between two requests at the rate
	window   int64 // ns that the due time may run ahead: (burst − 1) intervals
	due      atomic.Int64
}

func newLimiter(r Rate) *limiter {
	if r.PerSecond == 0 {
		return nil
	}
	burst := int64(max(r.Burst, 1))
	if r.Burst == 0 {
		burst = int64(r.PerSecond)
	}
	l := &limiter{rate: r, interval: max(int64(time.Second)/int64(r.PerSecond), 1)}
	l.window = (burst - 1) * l.interval
	return l
}

// take lets one request through, or returns how long the caller should wait.
func (l *limiter) take(now time.Time) (wait time.Duration, ok bool) {
	return take(&l.due, now.UnixNano(), l.interval, l.window)
}

func take(when *atomic.Int64, at, interval, window int64) (wait time.Duration, ok bool) {
	for {
		old := when.Load()
		due := max(old, at)
		// The due time is never more than one interval past the window, unless the clock was set back. Less than clockStep is no
		// clock that was set back, but a request that was read before others and asks after them.
		if due-at > window+interval+clockStep {
			due = at
		}
		if due-at > window {
			return time.Duration(due - at - window), false
		}
		if when.CompareAndSwap(old, due+interval) {
			return 0, true
		}
	}
}

// retryAfter turns a wait into whole seconds for Retry-After: at least one, at most a minute, and spread by up to as much
// again, so that refused clients do not come back together.
func retryAfter(wait time.Duration) int {
	seconds := min(int64((wait+time.Second-1)/time.Second), maxRetryAfter)
	seconds = max(seconds, 1)
	return int(min(seconds+rand.Int64N(seconds+1), maxRetryAfter))
}
