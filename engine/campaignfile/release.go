package campaignfile

import (
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/drawd/drawd/engine"
)

// releaseEntry is a prize's release schedule as it is read.
type releaseEntry struct {
	windows string // "hourly" or "daily"; empty for a list
	list    []windowEntry
	hours   []int64 // weights of the hours of the day, for hourly; nil for the same each
	avoid   bool
	unsold  engine.Unsold

	at, windowsAt, hoursAt value
}

type windowEntry struct {
	from, to engine.UnixMilli
	weight   int64
	at, toAt value
	fromAt   value
}

// The words of windows.
const (
	windowsHourly = "hourly"
	windowsDaily  = "daily"
)

func (c *campaign) readRelease(v value) *releaseEntry {
	r := &releaseEntry{at: v, unsold: engine.UnsoldCarry}
	c.object(v, []field{
		{name: "windows", required: required, read: func(v value) {
			r.windowsAt = v
			if v.kind == kindList {
				c.list(v, engine.MaxReleaseWindows, func(_ int, v value) { c.readWindow(v, r) })
				return
			}
			if i, ok := c.choice(v, []string{windowsHourly, windowsDaily}); ok {
				r.windows = []string{windowsHourly, windowsDaily}[i]
			}
		}},
		{name: "hours", read: func(v value) {
			r.hoursAt = v
			c.list(v, 24, func(_ int, v value) {
				n, _ := c.integer(v, 0, engine.MaxDenominator)
				r.hours = append(r.hours, n)
			})
			if v.kind == kindList && len(v.items) != 24 {
				c.fault(v, "must be the weights of the 24 hours of a day, from 00:00 on")
			}
		}},
		{name: "avoid_whole_hour", read: func(v value) { r.avoid = c.boolean(v) }},
		{name: "unsold", read: func(v value) {
			i, _ := c.choice(v, unsoldNames)
			r.unsold = engine.Unsold(i)
		}},
	})
	return r
}

func (c *campaign) readWindow(v value, r *releaseEntry) {
	w := windowEntry{at: v, weight: 1}
	c.object(v, []field{
		{name: "starts_at", required: required, read: func(v value) {
			w.fromAt = v
			w.from, _ = c.instant(v)
		}},
		{name: "ends_at", required: required, read: func(v value) {
			w.toAt = v
			w.to, _ = c.instant(v)
		}},
		{name: "weight", read: func(v value) { w.weight, _ = c.integer(v, 1, engine.MaxDenominator) }},
	})
	r.list = append(r.list, w)
}

// checkReleases finds the faults of the schedules and expands them into the version. It stands behind the sessions.
func (c *campaign) checkReleases() {
	if len(c.faults) > 0 {
		return
	}
	v, windows := c.version, 0
	for i := range c.prizes {
		p := &c.prizes[i]
		if p.release == nil {
			continue
		}
		c.checkRelease(i)
		s := engine.Schedule{AvoidWholeHour: p.release.avoid, Expire: p.release.unsold == engine.UnsoldExpire, Windows: c.releaseWindows(p.release)}
		if len(s.Windows) == 0 && len(c.faults) == 0 {
			c.fault(p.release.windowsAt, "there is no window between starts_at and ends_at")
		}
		at := slices.IndexFunc(v.Schedules, func(o engine.Schedule) bool {
			return o.AvoidWholeHour == s.AvoidWholeHour && o.Expire == s.Expire && slices.Equal(o.Windows, s.Windows)
		})
		if at < 0 {
			at = len(v.Schedules)
			v.Schedules = append(v.Schedules, s)
			windows += len(s.Windows)
		}
		v.Releases = append(v.Releases, engine.Release{Prize: int16(i), Schedule: int16(at)})
		if windows > engine.MaxReleaseWindows || len(v.Schedules) > engine.MaxSchedules {
			c.fault(p.release.windowsAt, "makes %d windows; at most %d in %d different schedules are allowed in one file: take daily windows, or list fewer",
				windows, engine.MaxReleaseWindows, engine.MaxSchedules)
			return
		}
		c.checkSessionsHaveWindows(p, &s)
	}
}

// checkRelease finds what keeps a prize from having a schedule.
func (c *campaign) checkRelease(i int) {
	p := &c.prizes[i]
	unlimited := p.Stock == engine.Unlimited
	for _, set := range c.version.Sets {
		for _, z := range set {
			unlimited = unlimited || int(z.Prize) == i && z.Stock == engine.Unlimited
		}
	}
	switch {
	case unlimited:
		c.fault(p.release.at, "prize %q is unlimited: a schedule shares out a stock", p.ID)
	case c.version.Guaranteed && p.Unavailable != engine.OnFallback:
		c.fault(p.release.at, "in a guaranteed campaign a prize with release needs a fallback: it is given while nothing is released")
	case c.isPityPrize(p.ID):
		c.fault(p.release.at, "pity reserves prize %q: it cannot be released by a schedule", p.ID)
	case p.release.windows != windowsHourly && p.release.hoursAt.node != nil:
		c.fault(p.release.hoursAt, "only windows: hourly has weights of hours")
	}
}

// releaseWindows expands the windows of a schedule.
func (c *campaign) releaseWindows(r *releaseEntry) (all []engine.ReleaseWindow) {
	v := c.version
	if r.windows == "" {
		last := v.StartsAt
		for i := range r.list {
			w := &r.list[i]
			switch {
			case w.to <= w.from:
				c.fault(w.toAt, "must be after starts_at")
			case w.from < last && i > 0:
				c.fault(w.fromAt, "is before the window in front of it ends: windows stand in their order and do not overlap")
			case w.from < v.StartsAt:
				c.fault(w.fromAt, "is before the campaign starts")
			case w.to > v.EndsAt:
				c.fault(w.toAt, "is after the campaign ends")
			case r.avoid && !c.hasRoom(w.from, w.to):
				c.fault(w.at, "has no moment that is %s away from a whole hour", formatDuration(engine.WholeHourMargin))
			}
			last = w.to
			all = append(all, engine.ReleaseWindow{StartsAt: w.from, EndsAt: w.to, Weight: uint32(w.weight)})
		}
		return all
	}
	for from := v.StartsAt; from < v.EndsAt && len(all) <= engine.MaxReleaseWindows; {
		local := time.UnixMilli(int64(from)).In(c.zone)
		to, weight := c.endOf(r.windows, local), int64(1)
		if r.hours != nil {
			weight = r.hours[local.Hour()]
		}
		to = min(to, v.EndsAt)
		if weight > 0 && (!r.avoid || c.hasRoom(from, to)) {
			all = append(all, engine.ReleaseWindow{StartsAt: from, EndsAt: to, Weight: uint32(weight)})
		}
		from = to
	}
	return all
}

// endOf returns when the hour or day of the local clock ends.
func (c *campaign) endOf(windows string, local time.Time) engine.UnixMilli {
	if windows == windowsDaily {
		next := time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, c.zone)
		return engine.UnixMilli(next.UnixMilli())
	}
	const hour = 3600 * 1000
	_, offset := local.Zone()
	clock := local.UnixMilli() + int64(offset)*1000
	return engine.UnixMilli(local.UnixMilli() + hour - clock%hour)
}

// hasRoom reports whether a window has a moment away from the whole hours.
func (c *campaign) hasRoom(from, to engine.UnixMilli) bool {
	const hour = 3600 * 1000
	if to-from > 2*engine.WholeHourMargin {
		return true
	}
	_, offset := time.UnixMilli(int64(from)).In(c.zone).Zone()
	for at := from; at < to; at++ { // at most four minutes
		if past := (int64(at) + int64(offset)*1000) % hour; past >= engine.WholeHourMargin && past < hour-engine.WholeHourMargin {
			return true
		}
	}
	return false
}

// checkSessionsHaveWindows holds that every session with units of its own can release them.
func (c *campaign) checkSessionsHaveWindows(p *prizeEntry, s *engine.Schedule) {
	v, prize := c.version, c.prize(p.ID)
	for i := range v.Sessions {
		x := &v.Sessions[i]
		own := slices.ContainsFunc(v.Sets[x.Set], func(z engine.SetPrize) bool { return int(z.Prize) == prize && z.Stock > 0 })
		if own && !slices.ContainsFunc(s.Windows, func(w engine.ReleaseWindow) bool { return w.StartsAt < x.EndsAt && w.EndsAt > x.StartsAt }) {
			c.fault(p.release.windowsAt, "no window is in session %q, which has units of prize %q", x.ID, p.ID)
		}
	}
}

// releaseDocument is the canonical form of a schedule.
type releaseDocument struct {
	Windows        any     `json:"windows"`
	Hours          []int64 `json:"hours,omitempty"`
	AvoidWholeHour bool    `json:"avoid_whole_hour,omitempty"`
	Unsold         string  `json:"unsold,omitempty"`
}

type windowDocument struct {
	StartsAt string `json:"starts_at"`
	EndsAt   string `json:"ends_at"`
	Weight   int64  `json:"weight,omitempty"`
}

func releaseForm(r *releaseEntry) *releaseDocument {
	if r == nil {
		return nil
	}
	d := &releaseDocument{Windows: r.windows, Hours: r.hours, AvoidWholeHour: r.avoid}
	if r.unsold == engine.UnsoldExpire {
		d.Unsold = unsoldNames[engine.UnsoldExpire]
	}
	if r.windows == "" {
		list := []windowDocument{}
		for _, w := range r.list {
			x := windowDocument{StartsAt: formatInstant(w.from), EndsAt: formatInstant(w.to), Weight: w.weight}
			if w.weight == 1 {
				x.Weight = 0
			}
			list = append(list, x)
		}
		d.Windows = list
	}
	return d
}

// releasesSize bounds the bytes of the section of schedules from above.
func releasesSize(v *engine.Version) int {
	const perSchedule, perWindow, perRelease = 6, 20, 4
	size := 16 + len(v.Releases)*perRelease
	for i := range v.Schedules {
		size += perSchedule + len(v.Schedules[i].Windows)*perWindow
	}
	return size
}

// slowerRelease reports a schedule that gives less than the live one's at some time.
func slowerRelease(live, next *engine.Version, take func(string, string, ...any)) {
	for _, was := range live.Releases {
		id := live.Prizes[was.Prize].ID
		for _, r := range next.Releases {
			if next.Prizes[r.Prize].ID != id {
				continue
			}
			before, after := &live.Schedules[was.Schedule], &next.Schedules[r.Schedule]
			if after.Expire && !before.Expire {
				take(pointerTo("prizes", int(r.Prize), "release"), "what a window left over was carried on")
			}
			if slower(before, after) {
				take(pointerTo("prizes", int(r.Prize), "release"), "releases later than the live version")
			}
		}
	}
}

// slower reports whether after has released a smaller share than before at the end of one of before's windows.
func slower(before, after *engine.Schedule) bool {
	whole, of := big.NewInt(sumOf(before, math.MaxInt64)), big.NewInt(sumOf(after, math.MaxInt64))
	for _, w := range before.Windows {
		now, then := big.NewInt(sumOf(after, w.EndsAt)), big.NewInt(sumOf(before, w.EndsAt))
		if now.Mul(now, whole).Cmp(then.Mul(then, of)) < 0 {
			return true
		}
	}
	return false
}

// sumOf returns the weights of the windows that end by t together.
func sumOf(s *engine.Schedule, t engine.UnixMilli) (sum int64) {
	for _, w := range s.Windows {
		if w.EndsAt <= t {
			sum += int64(w.Weight)
		}
	}
	return sum
}
