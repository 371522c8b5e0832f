package raftlog

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/storage"
)

// skewed reports whether commands are refused because of the clock.
func (r *rig) skewed() bool {
	var b engine.Batch
	b.AddTick()
	err := r.node.Decide(&b)
	if err != nil && !errors.Is(err, problem.New(problem.ClockSkew, "")) {
		r.t.Fatal(err)
	}
	return err != nil
}

// TestClockJumps sets a running node's clock forward, back, and forward again.
func TestClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		clock := newSetClock()
		r.options.Clock = clock
		r.mustStart()
		logTime := func() int64 { return int64(r.engine.LogTime()) }
		if r.skewed() {
			t.Fatal("skewed from the start")
		}
		before := logTime()
		clock.jump(400 * time.Millisecond)
		if r.skewed() || logTime() != before+400 {
			t.Errorf("400 ms: log time %+d", logTime()-before)
		}
		before = logTime()
		clock.jump(time.Hour)
		if !r.skewed() || logTime() != before {
			t.Errorf("an hour: log time %+d", logTime()-before)
		}
		if s := r.node.Status(); s.Ready || !strings.Contains(s.ClockSkew, "accept-clock") || s.Code != problem.ClockSkew {
			t.Errorf("%+v", s)
		}
		time.Sleep(10 * time.Minute)
		if !r.skewed() {
			t.Error("a jump was forgotten")
		}
		clock.jump(-time.Hour)
		time.Sleep(2 * watchInterval)
		if r.skewed() || !r.node.Status().Ready {
			t.Error("the clock agrees again, yet it is refused")
		}
		before = logTime()
		clock.jump(-time.Hour)
		if r.skewed() || logTime() != before {
			t.Errorf("an hour back: log time %+d", logTime()-before)
		}
		time.Sleep(10 * time.Minute)
		clock.jump(time.Hour)
		if r.skewed() || logTime() < before+600_000 { // these minutes have really passed
			t.Errorf("set right again: log time %+d", logTime()-before)
		}
		before = logTime()
		clock.jump(-time.Minute)
		time.Sleep(time.Minute + time.Second)
		if r.skewed() || logTime() < before+1000 {
			t.Errorf("the clock has passed log time, which stands at %+d", logTime()-before)
		}
		before = logTime()
		clock.jump(48 * time.Hour)
		if !r.skewed() {
			t.Error("two days were taken")
		}
		if err := r.node.AcceptClock(); err != nil || r.skewed() || logTime() < before+48*3600_000 {
			t.Errorf("accepted: %v, log time %+d", err, logTime()-before)
		}
		if !strings.Contains(r.logged.String(), "accepted by an operator") {
			t.Error("the acceptance is not in the log output")
		}
	})
}

// TestClockAtStart restarts with a clock that is behind the log, or far ahead of it.
func TestClockAtStart(t *testing.T) {
	for _, test := range []struct {
		name   string
		offset time.Duration
		skewed bool
	}{
		{"right", 0, false}, {"behind", -time.Minute, true}, {"a day ahead", 23 * time.Hour, false}, {"too far ahead", 25 * time.Hour, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := storage.NewCrashFS()
				r := newRig(t, fs)
				r.mustStart()
				r.publish(testVersion(time.Now(), 10))
				before := r.engine.LogTime()
				r.stop()
				r = newRig(t, fs)
				clock := newSetClock()
				clock.jump(test.offset)
				r.options.Clock = clock
				r.mustStart() // it serves reads in any case
				if got := r.skewed(); got != test.skewed {
					t.Errorf("skewed %v: %s", got, r.node.Status().ClockSkew)
				}
				if !test.skewed {
					return
				}
				if err := r.node.AcceptClock(); err != nil || r.skewed() || r.engine.LogTime() < before {
					t.Errorf("accepted: %v, log time %+d", err, r.engine.LogTime()-before)
				}
			})
		})
	}
}

// TestTicks: what becomes due happens on time while nobody asks for anything, and costs nothing while nothing is due.
func TestTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		r.mustStart()
		entries := func() uint64 { return r.node.metrics.entries.Get() }
		quiet := entries()
		time.Sleep(10 * time.Minute)
		if entries() != quiet {
			t.Errorf("%d entries in ten minutes without a campaign", entries()-quiet)
		}
		v := testVersion(time.Now(), 10)
		begin := time.Now().Add(5 * time.Minute)
		v.StartsAt, v.EndsAt = engine.UnixMilli(begin.UnixMilli()), engine.UnixMilli(begin.Add(5*time.Minute).UnixMilli())
		r.publish(v)
		published := entries()
		time.Sleep(time.Until(begin) - time.Second)
		if entries() != published {
			t.Errorf("%d entries before the start", entries()-published)
		}
		time.Sleep(time.Second + tickInterval)
		if entries() != published+1 || r.engine.LogTime() < v.StartsAt {
			t.Errorf("%d entries at the start, log time %+d", entries()-published, r.engine.LogTime()-v.StartsAt)
		}
		time.Sleep(5 * time.Minute)
		if r.engine.LogTime() < v.EndsAt || entries() > published+3 {
			t.Errorf("%d entries at the end, log time %+d", entries()-published, r.engine.LogTime()-v.EndsAt)
		}
	})
}

// TestTicksAreSpaced: something that stays due is ticked every tickInterval, not more often, and not while commands are
// on their way.
func TestTicksAreSpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		due, m := new(trivial), new(slowMachine)
		m.machine = due
		r.wrapMachine = func(machine) machine { return m }
		r.mustStart()
		entries := func() uint64 { return r.node.metrics.entries.Get() }
		before := entries()
		due.due.Store(1)
		r.node.ticker.kick()
		time.Sleep(time.Second)
		if n := entries() - before; n < 19 || n > 21 {
			t.Errorf("%d ticks in a second", n)
		}
		time.Sleep(tickInterval / 2) // between two ticks: none may be on its way itself when the commands are
		release := m.block()
		c := decide(r.node.proposer, new(engine.Batch))
		synctest.Wait()
		time.Sleep(time.Second)
		if n := r.node.metrics.old.Get(); n != 0 {
			t.Errorf("%d ticks waited behind commands that were on their way", n)
		}
		close(release)
		<-c.done
	})
}
