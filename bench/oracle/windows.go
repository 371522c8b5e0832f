package oracle

import (
	"time"

	"github.com/drawd/drawd/engine"
)

// calendar numbers the calendar windows of one instant. Many draws share an instant, so the last one is kept.
type calendar struct {
	zone    *time.Location
	at      int64
	known   bool
	numbers [engine.WindowMonth + 1]int64
}

// number returns the window of kind that the instant (ms) is in; windows count from 1, so that 0 means none yet.
func (c *calendar) number(kind engine.WindowKind, at int64) int64 {
	if !c.known || at != c.at {
		c.at, c.known = at, true
		local := time.UnixMilli(at).In(c.zone)
		year, month, day := local.Date()
		// A date as an instant of UTC: days since 1970 in local time, whatever the zone does to its hours.
		days := time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400
		monday := days - int64(local.Weekday()+6)%7
		c.numbers = [...]int64{
			engine.WindowCampaign: 1,
			engine.WindowHour:     1 + days*24 + int64(local.Hour()),
			engine.WindowDay:      1 + days,
			engine.WindowWeek:     1 + monday,
			engine.WindowMonth:    1 + int64(year)*12 + int64(month),
		}
	}
	return c.numbers[kind]
}

// counter is one user's use of one cap.
type counter struct {
	window int64 // calendar window; last time for a cooldown
	count  uint32
}

// fatigue counts one cap for all users.
type fatigue struct {
	cap      Cap
	counters []counter // by user; not for rolling windows
	rolling  map[int32][]int64
}

func newFatigue(c Cap) *fatigue {
	f := &fatigue{cap: c}
	if c.Window.Kind == engine.WindowRolling {
		f.rolling = map[int32][]int64{}
	}
	return f
}

// used returns what user has used at the instant, before anything is added.
func (f *fatigue) used(user int32, at int64, cal *calendar) uint32 {
	switch kind := f.cap.Window.Kind; kind {
	case engine.WindowRolling:
		times := f.rolling[user]
		for len(times) > 0 && times[0] <= at-f.cap.Window.Duration {
			times = times[1:]
		}
		f.rolling[user] = times
		return uint32(len(times))
	case engine.WindowCooldown:
		c := f.at(user)
		if c.count > 0 && at < c.window+f.cap.Window.Duration {
			return 1
		}
		return 0
	default:
		// Where the zone sets its clocks back over a border, what was counted in the later window still counts.
		c := f.at(user)
		if c.count > 0 && c.window >= cal.number(kind, at) {
			return c.count
		}
		return 0
	}
}

// add counts one more.
func (f *fatigue) add(user int32, at int64, cal *calendar) {
	used := f.used(user, at, cal)
	switch kind := f.cap.Window.Kind; kind {
	case engine.WindowRolling:
		f.rolling[user] = append(f.rolling[user], at)
	case engine.WindowCooldown:
		*f.at(user) = counter{window: at, count: 1}
	default:
		c := f.at(user)
		*c = counter{window: max(c.window, cal.number(kind, at)), count: used + 1}
	}
}

func (f *fatigue) at(user int32) *counter {
	for int(user) >= len(f.counters) {
		f.counters = append(f.counters, counter{})
	}
	return &f.counters[user]
}
