package engine

import (
	"testing"
	"time"
	_ "time/tzdata"
)

// compileZone lists the offsets of a zone by asking the standard library every quarter of an hour.
func compileZone(t *testing.T, name string, from, to time.Time) []Transition {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	var ts []Transition
	last := 1 << 30
	for at := from; at.Before(to); at = at.Add(15 * time.Minute) {
		if _, offset := at.In(loc).Zone(); offset != last {
			ts = append(ts, Transition{UnixMilli(at.UnixMilli()), int32(offset)})
			last = offset
		}
	}
	return ts
}

// civil names the window of kind that local time t is in, by calendar fields only.
func civil(kind WindowKind, t time.Time) [4]int {
	y, m, d := t.Date()
	switch kind {
	case WindowHour:
		return [4]int{y, int(m), d, t.Hour()}
	case WindowDay:
		return [4]int{y, int(m), d}
	case WindowWeek:
		y, w := t.ISOWeek()
		return [4]int{y, w}
	}
	return [4]int{y, int(m)}
}

func TestWindowsAgreeWithTheCalendar(t *testing.T) {
	for _, name := range []string{"UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia"} {
		from, to := time.Date(2027, 12, 20, 0, 0, 0, 0, time.UTC), time.Date(2028, 12, 1, 0, 0, 0, 0, time.UTC) // a leap year
		if name == "Pacific/Apia" {
			from, to = time.Date(2011, 9, 1, 0, 0, 0, 0, time.UTC), time.Date(2012, 3, 1, 0, 0, 0, 0, time.UTC) // skipped a day
		}
		loc, _ := time.LoadLocation(name)
		z := zone{compileZone(t, name, from.Add(-24*time.Hour), to.Add(40*24*time.Hour))}
		for kind := WindowHour; kind <= WindowMonth; kind++ {
			var m moment
			for at := from; at.Before(to); at = at.Add(30 * time.Minute) {
				m = moment{}
				m.set(&z, UnixMilli(at.UnixMilli()))
				end := time.UnixMilli(int64(m.end(kind))).In(loc)
				here := civil(kind, at.In(loc))
				if !end.After(at) {
					t.Fatalf("%s kind %d at %v: ends at %v", name, kind, at.In(loc), end)
				}
				if civil(kind, end) == here {
					t.Fatalf("%s kind %d at %v: said to end at %v, which is the same window", name, kind, at.In(loc), end)
				}
				// Just before the end the window has not changed, but where the clock was set back into an earlier one.
				if before := civil(kind, end.Add(-time.Millisecond)); before != here && later(before, here) {
					t.Fatalf("%s kind %d at %v: ends at %v, but is over before", name, kind, at.In(loc), end)
				}
			}
		}
	}
}

func later(a, b [4]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	return false
}

func TestDaysAreCountedAsTheCalendarDoes(t *testing.T) {
	for day := int64(-800_000); day < 800_000; day += 13 {
		date := time.Unix(day*86400, 0).UTC()
		y, m := civilMonth(day)
		if int64(date.Year()) != y || int64(date.Month()) != m {
			t.Fatalf("day %d is %v, got %d-%d", day, date, y, m)
		}
		first := time.Date(date.Year(), date.Month(), 1, 0, 0, 0, 0, time.UTC).Unix() / 86400
		if date.Year() > 0 && daysBefore(y, m) != first {
			t.Fatalf("first of %v is day %d, got %d", date, first, daysBefore(y, m))
		}
	}
}

// A day that the clock repeats is one day: what was counted before the change still counts after it.
func TestClockSetBackGivesNothingTwice(t *testing.T) {
	x := newTable(t)
	x.now = start
	x.mustPublish(simple(func(v *Version) {
		// At start+2h the local clock goes from 02:00 back to 01:00; at start+24h+10min from 00:10 the next day back to
		// 23:40 the day before.
		v.Transitions = []Transition{{start - dayMilli, 0}, {start + 2*hourMilli, -3600}, {start + 25*hourMilli + 600_000, -3600 - 1800}}
		v.Caps = []Cap{
			{ID: "hour", Window: Window{Kind: WindowHour}, Limit: 1, Prize: -1},
			{ID: "day", Window: Window{Kind: WindowDay}, Limit: 3, Prize: -1},
		}
	}))
	at := func(what string, ms UnixMilli, key string, capped string) {
		t.Helper()
		x.now = start + ms
		r := x.draw("u", key)
		if got := map[bool]string{true: x.CapName(&r)}[r.Code != 0]; got != capped {
			t.Errorf("%s: capped by %q, want %q", what, got, capped)
		}
	}
	at("01:30", 90*60_000, "1", "")
	at("01:30 again", 150*60_000, "2", "hour")
	at("02:00", 3*hourMilli, "3", "")
	at("23:50", 24*hourMilli+50*60_000, "4", "")
	at("00:05 next day", 25*hourMilli+5*60_000, "5", "")
	at("23:50 again", 25*hourMilli+20*60_000, "6", "hour") // the hour of 00 has begun and is not left again
	at("00:30", 26*hourMilli, "7", "hour")
	at("01:00", 26*hourMilli+30*60_000, "8", "")
}
