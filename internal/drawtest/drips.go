package drawtest

import (
	"slices"

	"github.com/drawd/drawd/engine"
)

// drip gives some prizes of a version release schedules. A prize keeps its schedule mostly; what a schedule cannot be with
// loses it.
func (w *world) drip(v *engine.Version) {
	v.Schedules, v.Releases = nil, nil
	if v.Mode.Kind != engine.ModeWeighted {
		return
	}
	c := w.known(v.Campaign)
	for i := range v.Prizes {
		p := &v.Prizes[i]
		key := v.Campaign + "/" + p.ID
		s, known := w.schedules[key]
		switch {
		case known && w.chance(5):
			delete(w.schedules, key) // dropped
			continue
		case known && w.chance(15):
			s = w.newSchedule(v)
		case !known && (c != nil && c.stock[p.ID] != nil && !w.chance(2) || !w.drips[v.Campaign] || !w.chance(50)):
			continue
		case !known:
			s = w.newSchedule(v)
		}
		before := *v
		v.Releases = append(slices.Clip(v.Releases), engine.Release{Prize: int16(i), Schedule: int16(len(v.Schedules))})
		v.Schedules = append(slices.Clip(v.Schedules), s)
		if n := len(before.Schedules); n > 0 && w.chance(20) { // two prizes with the same schedule
			v.Schedules = before.Schedules
			v.Releases[len(v.Releases)-1].Schedule = int16(w.rng.IntN(n))
			s = v.Schedules[v.Releases[len(v.Releases)-1].Schedule]
		}
		if p.Kind == engine.KindThanks || v.Validate() != nil {
			v.Schedules, v.Releases = before.Schedules, before.Releases
			continue
		}
		w.schedules[key] = s
	}
}

// fill gives prizes units enough that there is something to release.
func (w *world) fill(v *engine.Version) {
	for i := range v.Prizes {
		if p := &v.Prizes[i]; p.Stock >= 0 && w.chance(40) {
			p.Stock = engine.Quantity(3 + w.rng.IntN(40))
			if w.chance(1) {
				p.Stock = engine.Quantity(4000 + w.rng.IntN(9000)) // more than a window has instants
			}
		}
	}
}

// newSchedule cuts the campaign's time into windows, most of them around now, where something happens.
func (w *world) newSchedule(v *engine.Version) (s engine.Schedule) {
	s.AvoidWholeHour, s.Expire = w.chance(40), w.chance(40)
	at := v.StartsAt
	if w.chance(30) {
		at = max(at, w.now-engine.UnixMilli(w.rng.Int64N(int64(hour))))
	}
	for range 1 + w.rng.IntN(6) {
		if w.chance(30) {
			at += engine.UnixMilli(w.rng.Int64N(int64(10 * minute)))
		}
		lengths := []engine.UnixMilli{5 * second, 2 * minute, hour, day}
		x := engine.ReleaseWindow{StartsAt: at, Weight: 1 + uint32(w.rng.IntN(9))}
		x.EndsAt = at + 1 + engine.UnixMilli(w.rng.Int64N(int64(lengths[w.rng.IntN(4)])))
		if at >= v.EndsAt {
			break
		}
		x.EndsAt = min(x.EndsAt, v.EndsAt)
		at = x.EndsAt
		s.Windows = append(s.Windows, x)
	}
	if n := len(s.Windows); n > 0 && w.chance(50) {
		s.Windows[n-1].EndsAt = v.EndsAt
	}
	if len(s.Windows) == 0 {
		s.Windows = []engine.ReleaseWindow{{StartsAt: v.StartsAt, EndsAt: v.EndsAt, Weight: 1}}
	}
	return s
}

// releaseEdge returns when a campaign releases something next, or a window of a schedule begins or ends.
func (w *world) releaseEdge(c *campaign) engine.UnixMilli {
	if w.chance(60) {
		return w.ref.nextRelease(c)
	}
	if len(c.live().Schedules) == 0 {
		return 0
	}
	windows := c.live().Schedules[w.rng.IntN(len(c.live().Schedules))].Windows
	x := windows[w.rng.IntN(len(windows))]
	return []engine.UnixMilli{x.StartsAt, x.EndsAt}[w.rng.IntN(2)]
}
