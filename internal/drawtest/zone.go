package drawtest

import (
	"time"

	"github.com/drawd/drawd/engine"
)

// zone is a time zone as a list of transitions, looked up from the front every time.
type zone []engine.Transition

// local returns what a clock on the wall shows at t, as if it were UTC.
func (z zone) local(t engine.UnixMilli) time.Time {
	var offset int32
	for i, tr := range z {
		if i == 0 || t >= tr.At {
			offset = tr.OffsetSeconds
		}
	}
	return time.UnixMilli(int64(t)).UTC().Add(time.Duration(offset) * time.Second)
}

// period returns the first local instants of the calendar window around t and of the next one.
func (z zone) period(kind engine.WindowKind, t engine.UnixMilli) (from, to time.Time) {
	l := z.local(t)
	year, month, day := l.Date()
	switch kind {
	case engine.WindowHour:
		from = time.Date(year, month, day, l.Hour(), 0, 0, 0, time.UTC)
		return from, from.Add(time.Hour)
	case engine.WindowDay:
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC), time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
	case engine.WindowWeek:
		sinceMonday := (int(l.Weekday()) + 6) % 7
		from = time.Date(year, month, day-sinceMonday, 0, 0, 0, 0, time.UTC)
		return from, from.AddDate(0, 0, 7)
	case engine.WindowMonth:
		return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC), time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
	}
	panic("BUG: not a calendar window")
}

// same reports whether two instants lie in the same calendar window.
func (z zone) same(kind engine.WindowKind, t, u engine.UnixMilli) bool {
	a, _ := z.period(kind, t)
	b, _ := z.period(kind, u)
	return a.Equal(b)
}

// resets returns the first instant after t that lies in another calendar window: the clock on the wall may get there by
// running or by being put forward.
func (z zone) resets(kind engine.WindowKind, t engine.UnixMilli) engine.UnixMilli {
	for {
		_, to := z.period(kind, t)
		reached := t + engine.UnixMilli(to.Sub(z.local(t)).Milliseconds()) // if nobody touches the clock
		next := z.firstTransitionAfter(t)
		if next == 0 || reached < next {
			return reached
		}
		if !z.same(kind, t, next) {
			return next
		}
		t = next
	}
}

// firstTransitionAfter returns 0 when there is none.
func (z zone) firstTransitionAfter(t engine.UnixMilli) engine.UnixMilli {
	for i, tr := range z {
		if i > 0 && tr.At > t {
			return tr.At
		}
	}
	return 0
}
