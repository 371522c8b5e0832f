package raftlog

import (
	"fmt"
	"time"

	"github.com/drawd/drawd/engine"
)

// stamper gives entries their time. It is a value with no clock of its own: callers hand it both hands of the clock.
//
// Rules (architecture.md, Time):
//
//   - Log time never goes back. A wall clock behind log time leaves log time where it is, until the clock has passed it.
//   - Log time moves forward with the wall clock, but by no more than the monotonic time since it last moved plus
//     stampSlack. It is counted from the last move and not from the last entry: a clock that was set back and then set
//     right again may catch up, because that time has really passed.
//   - The first stamp of a process has no monotonic time to compare with. It must not be behind the log, nor more than
//     startAhead ahead of it. An empty log takes any clock.
//   - In a cluster the clock must agree with the median of the voters' clocks, and the first stamp of a process may be
//     behind the log by as much as two clocks may differ. The first stamp after entries of another leader is such a first
//     one, too: when such an entry comes says nothing about when it was stamped. A leader that stands still for a moment
//     may have stamped it long before, and the clock of the node that follows it would seem to have jumped.
//   - Whatever breaks a rule is skew: no stamp, until the clock agrees again or an operator accepts it.
type stamper struct {
	last    engine.UnixMilli // log time; 0 before the first entry
	movedAt time.Duration    // monotonic time at which it came to that
	started bool             // a stamp was given, or a clock accepted, by this process
	behind  time.Duration    // what the first stamp may be behind the log
	off     time.Duration    // this clock minus the other voters' median, when that is too much; else 0
}

// skewKind says which rule a clock broke.
type skewKind uint8

const (
	skewNone   skewKind = iota
	skewBehind          // at the start: behind the last stamp
	skewAhead           // at the start: too far ahead of the last stamp
	skewJump            // while running: ahead of what the monotonic clock allows
	skewPeers           // off the other nodes' clocks
)

// skew is a broken rule, and by how much.
type skew struct {
	kind skewKind
	by   time.Duration
}

// String says what is wrong and what to do about it.
func (s skew) String() string {
	const remedy = "; correct the clock, or accept it with: drawd cluster accept-clock"
	switch s.kind {
	case skewBehind:
		return fmt.Sprintf("the clock is %v behind the last entry of the log%s", s.by, remedy)
	case skewAhead:
		return fmt.Sprintf("the clock is %v ahead of the last entry of the log, more than the %v that a restart may take%s", s.by, startAhead, remedy)
	case skewPeers:
		if s.by < 0 {
			return fmt.Sprintf("the clock is %v behind the other nodes': correct it", -s.by)
		}
		return fmt.Sprintf("the clock is %v ahead of the other nodes': correct it", s.by)
	case skewJump:
		return fmt.Sprintf("the clock jumped ahead by %v%s", s.by, remedy)
	}
	return ""
}

// check reports whether a stamp can be given, without giving one.
func (s *stamper) check(wall engine.UnixMilli, mono time.Duration) skew {
	ahead := millis(wall - s.last)
	switch {
	case s.off != 0:
		return skew{skewPeers, s.off}
	case s.last == 0 && !s.started:
		return skew{}
	case !s.started && ahead < -s.behind:
		return skew{skewBehind, -ahead}
	case !s.started && ahead > max(startAhead, mono-s.movedAt+stampSlack): // it may have waited for days to lead
		return skew{skewAhead, ahead}
	case s.started && ahead > mono-s.movedAt+stampSlack:
		return skew{skewJump, ahead - (mono - s.movedAt)}
	}
	return skew{}
}

// stamp returns the time for an entry proposed now.
func (s *stamper) stamp(wall engine.UnixMilli, mono time.Duration) (engine.UnixMilli, skew) {
	if bad := s.check(wall, mono); bad.kind != skewNone {
		return 0, bad
	}
	s.move(wall, mono)
	return s.last, skew{}
}

// accept takes the clock as it is. Log time still never goes back.
func (s *stamper) accept(wall engine.UnixMilli, mono time.Duration) { s.move(wall, mono) }

func (s *stamper) move(wall engine.UnixMilli, mono time.Duration) {
	if wall > s.last || !s.started {
		s.last, s.movedAt = max(s.last, wall), mono
	}
	s.started = true
}

// observe learns the time of an entry that was stamped elsewhere, or by an earlier process.
func (s *stamper) observe(at engine.UnixMilli, mono time.Duration) {
	if at > s.last {
		s.last, s.movedAt = at, mono
		s.started = s.started && s.behind == 0
	}
}

func millis(d engine.UnixMilli) time.Duration { return time.Duration(d) * time.Millisecond }
