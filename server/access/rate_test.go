package access

import (
	"testing"
	"time"

	"github.com/drawd/drawd/engine/problem"
)

func TestRate(t *testing.T) {
	l := newLimiter(Rate{PerSecond: 10, Burst: 3})
	at := start
	for i := range 3 {
		if _, ok := l.take(at); !ok {
			t.Fatalf("request %d of the burst was refused", i)
		}
	}
	wait, ok := l.take(at)
	if ok || wait != 100*time.Millisecond {
		t.Fatalf("after the burst: %v, wait %v", ok, wait)
	}
	if _, ok := l.take(at.Add(wait - 1)); ok {
		t.Fatal("let through a nanosecond early")
	}
	at = at.Add(wait)
	if _, ok := l.take(at); !ok {
		t.Fatal("refused when it was due")
	}
	// Over a long time exactly the rate comes through, however often one asks.
	through := 0
	for range 10_000 {
		at = at.Add(time.Millisecond)
		if _, ok := l.take(at); ok {
			through++
		}
	}
	if through != 100 {
		t.Errorf("%d requests in 10 s at 10 a second", through)
	}
	// What was not used does not add up beyond the burst.
	at = at.Add(time.Hour)
	for i := range 4 {
		if _, ok := l.take(at); ok != (i < 3) {
			t.Errorf("request %d after an hour: %v", i, ok)
		}
	}
}

// TestRateAfterClockWasSetBack: a key must not be locked out for as long as the clock was wrong.
func TestRateAfterClockWasSetBack(t *testing.T) {
	l := newLimiter(Rate{PerSecond: 1, Burst: 1})
	l.take(start.Add(24 * time.Hour))
	if _, ok := l.take(start); !ok {
		t.Error("locked out")
	}
	if _, ok := l.take(start); ok {
		t.Error("not bounded any more")
	}
}

// TestRateOutOfOrder: a request that was read before others and asks after them does not give the key its burst again.
func TestRateOutOfOrder(t *testing.T) {
	l := newLimiter(Rate{PerSecond: 1000, Burst: 100})
	through := 0
	for i := range 3000 { // every tenth is 20 ms late
		at := start.Add(time.Duration(i) * time.Millisecond)
		for ask := range 8 {
			late := time.Duration(0)
			if (8*i+ask)%10 == 0 {
				late = 20 * time.Millisecond
			}
			if _, ok := l.take(at.Add(-late)); ok {
				through++
			}
		}
	}
	if through < 3000 || through > 3100 {
		t.Errorf("%d requests in 3 s at 1000 a second and 100 at once", through)
	}
}

func TestRateBurstDefault(t *testing.T) {
	l := newLimiter(Rate{PerSecond: 5})
	n := 0
	for range 20 {
		if _, ok := l.take(start); ok {
			n++
		}
	}
	if n != 5 {
		t.Errorf("a burst of %d, want 5", n)
	}
	if newLimiter(Rate{}) != nil {
		t.Error("the zero rate bounds nothing")
	}
}

func TestRetryAfter(t *testing.T) {
	for _, row := range []struct {
		wait     time.Duration
		from, to int
	}{{time.Millisecond, 1, 2}, {1500 * time.Millisecond, 2, 4}, {50 * time.Second, 50, 60}, {time.Hour, 60, 60}} {
		seen := map[int]bool{}
		for range 200 {
			got := retryAfter(row.wait)
			if got < row.from || got > row.to {
				t.Fatalf("%v: %d s, want %d to %d", row.wait, got, row.from, row.to)
			}
			seen[got] = true
		}
		if row.from != row.to && len(seen) < 2 {
			t.Errorf("%v: not spread", row.wait)
		}
	}
}

// TestRateOfKey: the rate is the key's, survives a rebuild of the keyring, and is refused before scopes are told.
func TestRateOfKey(t *testing.T) {
	n := newNode(t)
	slow := n.addKey(Key{Name: "slow", Scopes: ScopeDraw, Rate: Rate{PerSecond: 1, Burst: 2}})
	other := n.addKey(Key{Name: "other", Scopes: ScopeDraw})
	n.gate.Refresh()
	n.check(n.from(slow), ScopeDraw, problem.OK)
	n.check(n.from(slow), ScopeAdmin, problem.Forbidden)
	_, refusal := n.check(n.from(slow), ScopeDraw, problem.RateLimited)
	if refusal.RetryAfter < 1 || refusal.RetryAfter > 60 {
		t.Errorf("Retry-After %d", refusal.RetryAfter)
	}
	n.check(n.from(other), ScopeDraw, problem.OK)

	n.addKey(Key{Name: "one more", Scopes: ScopeDraw})
	n.gate.Refresh()
	n.check(n.from(slow), ScopeDraw, problem.RateLimited)
	n.now = n.now.Add(time.Second)
	n.check(n.from(slow), ScopeDraw, problem.OK)
}
