package drawtest

import (
	"testing"
	"time"
	_ "time/tzdata" // zones of the test, also where the system has none

	"github.com/drawd/drawd/engine"
)

// TestZonesOfTheWorld holds the reference's calendar against package time in zones that put their clocks at odd hours.
func TestZonesOfTheWorld(t *testing.T) {
	kinds := []engine.WindowKind{engine.WindowHour, engine.WindowDay, engine.WindowWeek, engine.WindowMonth}
	for _, name := range []string{
		"UTC", "Asia/Shanghai", "Asia/Kathmandu", "Europe/Berlin", "America/New_York", "America/Havana", "Asia/Beirut",
		"Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca", "Pacific/Chatham",
	} {
		location, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		from, to := instant("2026-01-01T00:00:00Z"), instant("2027-01-01T00:00:00Z")
		z := transitions(location, from, to)
		for at := from; at < to; at += 37*minute + 11 {
			for _, kind := range kinds {
				checkReset(t, z, location, kind, at)
			}
		}
	}
}

// transitions finds a zone's changes by looking at every quarter of an hour.
func transitions(l *time.Location, from, to engine.UnixMilli) zone {
	offset := func(t engine.UnixMilli) int32 {
		_, seconds := time.UnixMilli(int64(t)).In(l).Zone()
		return int32(seconds)
	}
	z := zone{{At: 0, OffsetSeconds: offset(from)}}
	for t := from; t < to; t += 15 * minute {
		if o := offset(t); o != z[len(z)-1].OffsetSeconds {
			z = append(z, engine.Transition{At: t, OffsetSeconds: o})
		}
	}
	return z
}

// checkReset: just before the reset the clock on the wall is still in the window, at the reset it is not.
func checkReset(t *testing.T, z zone, l *time.Location, kind engine.WindowKind, at engine.UnixMilli) {
	t.Helper()
	reset := z.resets(kind, at)
	if reset <= at || label(l, kind, reset-1) != label(l, kind, at) || label(l, kind, reset) == label(l, kind, at) {
		t.Errorf("%s: window of kind %d at %s resets at %s", l, kind, show3339(at, l), show3339(reset, l))
	}
}

func show3339(at engine.UnixMilli, l *time.Location) string {
	return time.UnixMilli(int64(at)).In(l).Format(time.RFC3339Nano)
}

// label names the window that an instant lies in, by the clock on the wall.
func label(l *time.Location, kind engine.WindowKind, at engine.UnixMilli) string {
	w := time.UnixMilli(int64(at)).In(l)
	switch kind {
	case engine.WindowHour:
		return w.Format("2006-01-02 15")
	case engine.WindowDay:
		return w.Format("2006-01-02")
	case engine.WindowWeek:
		year, week := w.ISOWeek()
		return time.Date(year, 1, week, 0, 0, 0, 0, time.UTC).String()
	}
	return w.Format("2006-01")
}
