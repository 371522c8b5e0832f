package drawtest

import (
	"github.com/drawd/drawd/engine"
)

// zones are time zones in whose changes calendars go wrong: at midnight both ways, by half an hour, over a whole day.
var zones = []zone{
	{{OffsetSeconds: 0}},
	{{OffsetSeconds: 8 * 3600}},
	{{OffsetSeconds: 20700}},
	{{OffsetSeconds: 3600}, {At: instant("2026-03-29T01:00:00Z"), OffsetSeconds: 7200}, {At: instant("2026-10-25T01:00:00Z"), OffsetSeconds: 3600}},
	{{OffsetSeconds: -18000}, {At: instant("2026-03-08T07:00:00Z"), OffsetSeconds: -14400}, {At: instant("2026-11-01T06:00:00Z"), OffsetSeconds: -18000}},
	{{OffsetSeconds: -18000}, {At: instant("2026-03-08T05:00:00Z"), OffsetSeconds: -14400}, {At: instant("2026-11-01T05:00:00Z"), OffsetSeconds: -18000}},
	{{OffsetSeconds: 7200}, {At: instant("2026-03-28T22:00:00Z"), OffsetSeconds: 10800}, {At: instant("2026-10-24T21:00:00Z"), OffsetSeconds: 7200}},
	{{OffsetSeconds: 39600}, {At: instant("2026-04-04T15:00:00Z"), OffsetSeconds: 37800}, {At: instant("2026-10-03T15:30:00Z"), OffsetSeconds: 39600}},
	{{OffsetSeconds: -39600}, {At: instant("2026-06-30T10:00:00Z"), OffsetSeconds: 46800}},
}

const (
	second = engine.UnixMilli(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// firstInstant lies some hours before a change of the zone when it has one, or anywhere.
func (w *world) firstInstant() engine.UnixMilli {
	switch n := w.rng.IntN(100); {
	case n < 10: // a leap day
		return instant("2028-02-28T06:00:00Z") + engine.UnixMilli(w.rng.Int64N(int64(36*hour)))
	case n < 15: // a year's end, in a week that both years share
		return instant("2026-12-31T06:00:00Z") + engine.UnixMilli(w.rng.Int64N(int64(24*hour)))
	}
	z := zones[w.zone]
	if len(z) > 1 && w.chance(70) {
		return z[1+w.rng.IntN(len(z)-1)].At - engine.UnixMilli(w.rng.Int64N(int64(6*hour)))
	}
	return instant("2026-01-01T00:00:00Z") + engine.UnixMilli(w.rng.Int64N(int64(300*day)))
}

// nextInstant moves time on: mostly a little, often to just before, at or after something interesting.
func (w *world) nextInstant() engine.UnixMilli {
	if w.still > 0 { // so that several see the same edge
		w.still--
		return w.now
	}
	w.guest = nil
	if len(w.ref.holds) > 0 && w.chance(70) { // holds are short: most is done while they last
		return w.now + engine.UnixMilli(w.rng.IntN(900))
	}
	switch n := w.rng.IntN(100); {
	case n < 65:
		return w.now + engine.UnixMilli(w.rng.IntN(300))
	case n < 80:
		return w.now + engine.UnixMilli(w.rng.Int64N(int64(5*minute)))
	}
	edge := w.edge()
	if edge <= w.now || w.tooFar(edge) {
		return w.now
	}
	w.still = w.rng.IntN(6)
	return edge + engine.UnixMilli(w.rng.IntN(3)) - 1
}

// tooFar keeps a script where something can still happen.
func (w *world) tooFar(t engine.UnixMilli) bool {
	for _, c := range w.ref.campaigns {
		if t <= c.endsAt()+hour {
			return false
		}
	}
	return true
}

// edge returns an instant at which something changes.
func (w *world) edge() engine.UnixMilli {
	c := w.anyCampaign()
	z := zone(c.live().Transitions)
	if p := w.ref.policies[c.namespace]; len(p.Transitions) > 0 && w.chance(30) {
		z = p.Transitions
	}
	if len(w.ref.holds) > 0 && w.chance(50) {
		return w.holdEdge()
	}
	if len(w.ref.waiting) > 0 && w.chance(25) {
		return w.ref.waiting[0].At
	}
	if len(c.drips) > 0 && w.chance(35) {
		return w.releaseEdge(c)
	}
	switch n := w.rng.IntN(100); {
	case n < 25:
		return z.resets(engine.WindowHour, w.now)
	case n < 35:
		return z.resets(engine.WindowDay, w.now)
	case n < 37:
		return z.resets(engine.WindowWeek, w.now)
	case n < 38:
		return z.resets(engine.WindowMonth, w.now)
	case n < 45:
		return z.firstTransitionAfter(w.now)
	case n < 55:
		return c.live().StartsAt
	case n < 57:
		return c.endsAt()
	case n < 70:
		if t := w.lotEdge(); t != 0 {
			return t
		}
	case n < 75:
		return w.leaving()
	case n < 80 && c.live().Chances != nil && len(c.live().Chances.Periods) > 0:
		p := c.live().Chances.Periods[w.rng.IntN(len(c.live().Chances.Periods))]
		return []engine.UnixMilli{p.From, p.To}[w.rng.IntN(2)]
	}
	return w.expiry()
}

// expiry returns when a recent draw leaves the window of some rolling cap or cooldown.
func (w *world) expiry() engine.UnixMilli {
	if len(w.ref.events) == 0 {
		return 0
	}
	e := w.ref.events[len(w.ref.events)-1-w.rng.IntN(min(20, len(w.ref.events)))]
	rules := w.ref.rules(e.campaign)
	for range 4 {
		if len(rules) == 0 {
			break
		}
		if k := rules[w.rng.IntN(len(rules))]; k.window.Duration > 0 {
			return e.at + engine.UnixMilli(k.window.Duration)
		}
	}
	return 0
}
