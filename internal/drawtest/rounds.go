package drawtest

import (
	"fmt"

	"github.com/drawd/drawd/engine"
)

// schedule cuts the campaign's time into sessions with sets of their own, some back to back, some with a gap.
func (w *world) schedule(v *engine.Version) {
	v.Sets = make([]engine.PrizeSet, 1+w.rng.IntN(3))
	span := (v.EndsAt - v.StartsAt) / 6
	at := v.StartsAt
	for n := range 2 + w.rng.IntN(4) {
		s := engine.Session{
			ID: fmt.Sprint("s", n), StartsAt: at, Set: int16(w.rng.IntN(len(v.Sets))), Unsold: engine.Unsold(w.rng.IntN(2)),
		}
		if w.chance(40) {
			s.StartsAt += span / 4
		}
		s.EndsAt = s.StartsAt + span/2
		if w.chance(30) {
			s.EndsAt = at + span
		}
		at = s.EndsAt
		v.Sessions = append(v.Sessions, s)
	}
	if last := &v.Sessions[len(v.Sessions)-1]; w.chance(40) {
		last.EndsAt = v.EndsAt
	}
	w.reset(v)
}

// reset fills the sets of a version anew: prizes may have come, gone and changed places.
func (w *world) reset(v *engine.Version) {
	if len(v.Sessions) == 0 {
		return
	}
	v.Sets = make([]engine.PrizeSet, len(v.Sets))
	for i := range v.Sets {
		has := map[int]bool{}
		for p := range v.Prizes {
			if w.chance(70) {
				for at := p; at >= 0; at = int(v.Prizes[at].Fallback) {
					has[at] = true // nobody falls back to what a session does not have
				}
			}
		}
		for p := range v.Prizes {
			if has[p] {
				v.Sets[i] = append(v.Sets[i], engine.SetPrize{Prize: int16(p), Weight: v.Prizes[p].Weight, Stock: w.units(v, i, p)})
			}
		}
	}
}

// units returns what a session has of its own of a prize. A campaign keeps the answer: stock changes by adjusting.
func (w *world) units(v *engine.Version, set, prize int) engine.Quantity {
	p := &v.Prizes[prize]
	if p.Kind == engine.KindThanks || pays(p) || w.coded[v.Campaign+"/"+p.ID] {
		return engine.StockShared
	}
	key := fmt.Sprint(v.Campaign, "/", set, "/", p.ID)
	if stock, known := w.sets[key]; known {
		return stock
	}
	stock := engine.Quantity(engine.StockShared)
	if w.chance(40) {
		stock = engine.Quantity(w.rng.IntN(5))
	}
	w.sets[key] = stock
	return stock
}

// channels gives a version wheels: all prizes, or some with other weights.
func (w *world) channels(v *engine.Version) {
	v.Channels = nil
	if w.chance(70) {
		return
	}
	for _, id := range []string{"web", "h5", "app"} {
		if w.chance(30) {
			continue
		}
		c := engine.Channel{ID: id, All: w.chance(40) || v.Mode.Kind != engine.ModeWeighted}
		for p := range v.Prizes {
			if c.All {
				break
			}
			z := &v.Prizes[p]
			here := w.chance(70)
			for i := range v.Prizes {
				here = here || v.Prizes[i].Unavailable == engine.OnFallback && int(v.Prizes[i].Fallback) == p
			}
			if here {
				weight := uint32(engine.KeepWeight)
				if w.chance(30) {
					weight = z.Weight / 2
				}
				c.Prizes = append(c.Prizes, engine.ChannelPrize{Prize: int16(p), Weight: weight})
			}
		}
		v.Channels = append(v.Channels, c)
	}
}
