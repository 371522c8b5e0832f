package raftlog

import (
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
)

const hour = engine.UnixMilli(time.Hour / time.Millisecond)

// TestStamper follows the rules of architecture.md, Time, one clock reading after the other.
func TestStamper(t *testing.T) {
	type reading struct {
		wall  engine.UnixMilli
		mono  time.Duration
		stamp engine.UnixMilli // 0: refused
		bad   skewKind
	}
	const t0 = 1_000_000 * 3600 // some day
	tests := []struct {
		name     string
		last     engine.UnixMilli // of the log at the start
		readings []reading
	}{
		{"an empty log takes any clock", 0, []reading{{t0, 0, t0, skewNone}}},
		{"a clock that keeps pace", t0, []reading{
			{t0, 0, t0, skewNone},
			{t0 + 10, 10 * time.Millisecond, t0 + 10, skewNone},
			{t0 + 10, 10 * time.Millisecond, t0 + 10, skewNone},
			{t0 + 10 + 5*hour, 5*time.Hour + 10*time.Millisecond, t0 + 10 + 5*hour, skewNone},
		}},
		{"a start behind the log, until the clock agrees", t0, []reading{
			{t0 - 1, 0, 0, skewBehind},
			{t0 - 500, time.Second, 0, skewBehind},
			{t0, 2 * time.Second, t0, skewNone},
		}},
		{"a start a day ahead", t0, []reading{{t0 + 24*hour, 0, t0 + 24*hour, skewNone}}},
		{"a start more than a day ahead, until the clock agrees", t0, []reading{
			{t0 + 24*hour + 1, 0, 0, skewAhead},
			{t0 + 9000*hour, time.Hour, 0, skewAhead},
			{t0 + 24*hour, time.Hour, t0 + 24*hour, skewNone},
		}},
		{"forward by what passed and 500 ms", t0, []reading{
			{t0, 0, t0, skewNone},
			{t0 + 1500, time.Second, t0 + 1500, skewNone},
			{t0 + 3001, 2 * time.Second, 0, skewJump},
			{t0 + 3000, 2 * time.Second, t0 + 3000, skewNone},
		}},
		{"a jump forward does not heal by waiting", t0, []reading{
			{t0, 0, t0, skewNone},
			{t0 + hour, time.Second, 0, skewJump},
			{t0 + 2*hour, time.Hour + time.Second, 0, skewJump},
			{t0 + hour + 1000, time.Hour + time.Second, t0 + hour + 1000, skewNone},
		}},
		{"a clock set back: log time stays, then goes on", t0, []reading{
			{t0, 0, t0, skewNone},
			{t0 - hour, time.Second, t0, skewNone},
			{t0 - 1, time.Hour, t0, skewNone},
			{t0 + 1, time.Hour + 2*time.Millisecond, t0 + 1, skewNone},
		}},
		{"a clock set back and then right again may catch up with the time that passed", t0, []reading{
			{t0, 0, t0, skewNone},
			{t0 - hour, 10 * time.Minute, t0, skewNone},
			{t0 - hour + 600_000, 20 * time.Minute, t0, skewNone},
			{t0 + 1_800_000, 30 * time.Minute, t0 + 1_800_000, skewNone},
		}},
		{"but by no more than that", t0, []reading{
			{t0, 0, t0, skewNone},
			{t0 - hour, 10 * time.Minute, t0, skewNone},
			{t0 + 1_800_501, 30 * time.Minute, 0, skewJump},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := stamper{last: test.last}
			for i, r := range test.readings {
				stamp, bad := s.stamp(r.wall, r.mono)
				if stamp != r.stamp || bad.kind != r.bad {
					t.Fatalf("reading %d: stamp %d (log %+d), %v; want %d, kind %d", i, stamp, stamp-test.last, bad, r.stamp, r.bad)
				}
				if (bad.kind == skewNone) != (bad.String() == "") {
					t.Errorf("reading %d: kind %d says %q", i, bad.kind, bad)
				}
			}
		})
	}
}

func TestStamperAccept(t *testing.T) {
	const t0 = 1_000_000 * 3600
	tests := []struct {
		name            string
		before          func(*stamper)
		wall            engine.UnixMilli
		accepted, later engine.UnixMilli // the stamps at once, and one second later
	}{
		{"a jump", func(s *stamper) { s.stamp(t0, 0) }, t0 + 48*hour, t0 + 48*hour, t0 + 48*hour + 1000},
		{"a start far ahead", func(*stamper) {}, t0 + 48*hour, t0 + 48*hour, t0 + 48*hour + 1000},
		{"a start behind: log time never goes back", func(*stamper) {}, t0 - hour, t0, t0},
		{"a start just behind", func(*stamper) {}, t0 - 400, t0, t0 + 600},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := stamper{last: t0}
			test.before(&s)
			const mono = 10 * time.Second
			if bad := s.check(test.wall, mono); bad.kind == skewNone {
				t.Fatal("there was nothing to accept")
			}
			s.accept(test.wall, mono)
			if got, bad := s.stamp(test.wall, mono); got != test.accepted || bad.kind != skewNone {
				t.Errorf("stamp %+d, %v; want %+d", got-t0, bad, test.accepted-t0)
			}
			if got, bad := s.stamp(test.wall+1000, mono+time.Second); got != test.later || bad.kind != skewNone {
				t.Errorf("a second later: %+d, %v; want %+d", got-t0, bad, test.later-t0)
			}
		})
	}
}

// TestStamperObserve: an entry of another leader moves time, and counts as the last move.
func TestStamperObserve(t *testing.T) {
	const t0 = 1_000_000 * 3600
	s := stamper{last: t0}
	s.stamp(t0, 0)
	s.observe(t0+hour, time.Hour)
	s.observe(t0+5, time.Hour) // older
	if got, bad := s.stamp(t0+hour+1000, time.Hour+time.Second); got != t0+hour+1000 {
		t.Errorf("stamp %+d, %v", got-t0, bad)
	}
}

// A leader stamps an entry and stands still; the entry comes two seconds later, to a node that led before. When that node leads
// again its clock is ahead of log time by more than the monotonic time since the entry came, and is right nevertheless.
func TestLateEntriesOfAnotherLeader(t *testing.T) {
	const t0 = 1_000_000 * 3600
	s := stamper{behind: clockTolerance}
	if at, bad := s.stamp(t0, 0); at != t0 || bad.kind != skewNone {
		t.Fatal(at, bad)
	}
	s.observe(t0+1000, 3*time.Second) // stamped at 1 s, applied here at 3 s
	if at, bad := s.stamp(t0+3100, 3100*time.Millisecond); at != t0+3100 || bad.kind != skewNone {
		t.Fatalf("the first stamp after another leader's entries: %d, %s", at, bad)
	}
	if _, bad := s.stamp(t0+3100+1000, 3200*time.Millisecond); bad.kind != skewJump {
		t.Fatalf("a jump while it leads: %v", bad.kind)
	}
	alone := stamper{}
	alone.stamp(t0, 0)
	alone.observe(t0+1, time.Second)
	if _, bad := alone.stamp(t0+3000, 2*time.Second); bad.kind != skewJump {
		t.Fatalf("a node that runs alone has nobody to compare with: %v", bad.kind)
	}
}
