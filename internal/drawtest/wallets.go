package drawtest

import (
	"fmt"

	"github.com/drawd/drawd/engine"
)

// earn gives a version chances: what a draw costs, who grants, what milestones and prizes give.
func (w *world) earn(v *engine.Version) {
	mode, known := w.modes[v.Campaign]
	if !known || w.chance(10) {
		mode = w.anyMode()
		w.modes[v.Campaign] = mode
	}
	was := v.Chances
	v.Chances = nil
	if mode < 0 {
		w.unearn(v)
		return
	}
	x := &engine.Chances{Mode: engine.ChanceMode(mode), Price: 1}
	v.Chances = x
	if w.chance(25) {
		x.Price = 2
	}
	switch x.Mode {
	case engine.ChancesFree:
		x.Price = uint32(w.rng.IntN(3))
	case engine.ChancesGranted:
		x.Lots = uint8(1 + w.rng.IntN(4))
		if was != nil && was.Lots != 0 && w.chance(90) {
			x.Lots = was.Lots // every larger number takes a new place in the rows, and rows are bounded
		}
		x.Sources = w.grantors(v.Campaign)
	case engine.ChancesPurse:
		x.Purse = []string{"gold", "silver"}[w.rng.IntN(2)]
		if w.ref.purse(x.Purse) == nil && w.chance(80) {
			x.Mode, x.Purse = engine.ChancesFree, ""
		}
	}
	if x.Price > 0 && w.chance(40) {
		at := w.now
		for range 1 + w.rng.IntN(3) {
			from := at + engine.UnixMilli(w.rng.IntN(2)*w.rng.IntN(10))*minute
			at = from + engine.UnixMilli(1+w.rng.IntN(20))*minute
			x.Periods = append(x.Periods, engine.PricePeriod{From: from, To: at, Price: 1 + uint32(w.rng.IntN(3))})
		}
	}
	if x.Mode != engine.ChancesFree {
		w.milestones(x)
	}
	w.chancePrizes(v)
}

func (w *world) anyMode() int {
	switch n := w.rng.IntN(100); {
	case n < 50:
		return -1
	case n < 58:
		return int(engine.ChancesFree)
	case n < 85:
		return int(engine.ChancesGranted)
	}
	return int(engine.ChancesPurse)
}

// unearn makes other prizes of those that gave chances.
func (w *world) unearn(v *engine.Version) {
	for i := range v.Prizes {
		if p := &v.Prizes[i]; p.Kind == engine.KindChance {
			p.Kind, p.Amount = engine.KindPhysical, 0
		}
	}
}

// grantors returns sources: an account's are mostly the same, with limits that a few grants reach.
func (w *world) grantors(account string) (all []engine.ChanceSource) {
	for i, id := range []string{"share", "shop", "visit"} {
		key := account + "/" + id
		s, known := w.givers[key]
		if !known || w.chance(10) {
			s = engine.ChanceSource{ID: id, Priority: uint8(w.rng.IntN(2))}
			if i != 1 {
				s.DailyLimit = 3 + uint32(w.rng.IntN(6))
			}
			if w.chance(30) {
				s.ExpiresAfter = int64([]engine.UnixMilli{1500, minute, hour}[w.rng.IntN(3)])
			}
			w.givers[key] = s
		}
		if i == 0 || w.chance(85) {
			all = append(all, s)
		}
	}
	if w.chance(20) {
		all[0], all[len(all)-1] = all[len(all)-1], all[0]
	}
	return all
}

func (w *world) milestones(x *engine.Chances) {
	if w.chance(50) {
		x.Milestones = append(x.Milestones, engine.Milestone{ID: "n", Draws: 1 + uint32(w.rng.IntN(4)), Repeat: w.chance(50), Amount: 1 + uint32(w.rng.IntN(2))})
	}
	if w.chance(50) {
		x.Milestones = append(x.Milestones, engine.Milestone{ID: "s", StreakDays: 1 + uint32(w.rng.IntN(3)), Repeat: w.chance(50), Amount: 1})
	}
}

// chancePrizes makes some prizes pay chances, here or in another campaign.
func (w *world) chancePrizes(v *engine.Version) {
	w.unearn(v)
	x := v.Chances
	for i := range v.Prizes {
		p := &v.Prizes[i]
		if pays(p) || p.Kind == engine.KindThanks || !w.chance(30) {
			continue
		}
		other := ""
		if c := w.soonOver(); c != nil && c.id != v.Campaign && w.chance(70) {
			if _, counts := accountOf(c); counts || w.chance(2) {
				other = c.id
			}
		}
		if other == "" && x.Mode == engine.ChancesFree {
			continue
		}
		p.Kind, p.Amount = engine.KindChance, 1+int64(w.rng.IntN(3))
		if other != "" {
			x.Prizes = append(x.Prizes, engine.ChancePrize{Prize: uint16(i), Campaign: other})
		}
	}
}

// soonOver returns a campaign that ends early; nil when there is none at all.
func (w *world) soonOver() (c *campaign) {
	for range min(2, len(w.ref.campaigns)) {
		if other := w.anyCampaign(); c == nil || other.endsAt() < c.endsAt() {
			c = other
		}
	}
	return c
}

// purses returns the purses of a policy: those that there are stay, or the policy is refused.
func (w *world) purses() (all []engine.Purse) {
	for _, id := range []string{"gold", "silver"} {
		p := w.ref.purse(id)
		if p == nil && w.chance(50) || p != nil && w.chance(2) {
			continue
		}
		lots := uint8(1 + w.rng.IntN(4))
		if p != nil && w.chance(90) {
			lots = p.Lots
		}
		all = append(all, engine.Purse{ID: id, Lots: lots, Sources: w.grantors("purse " + id)})
	}
	return all
}

// grant gives somebody chances, for an event that is mostly new.
func (w *world) grant() Command {
	c := w.counting()
	user := fmt.Sprint("u", w.rng.IntN(5))
	g := &engine.Grant{
		Campaign: c.ref, User: w.user(user), UserID: []byte(user), Source: []string{"share", "shop", "visit"}[w.rng.IntN(3)],
		Amount: 1 + uint32(w.rng.IntN(6)), Priority: engine.SourcePriority, Actor: "host", Reason: "why",
	}
	if len(w.ref.policies[1].Purses) > 0 && w.chance(15) {
		g.Campaign, g.Namespace, g.Purse = 0, 1, []string{"gold", "silver"}[w.rng.IntN(2)]
	}
	w.events++
	g.Event = fmt.Sprint("e", w.events)
	if w.chance(15) {
		g.Event = fmt.Sprint("e", 1+w.rng.IntN(w.events))
	}
	switch n := w.rng.IntN(100); {
	case n < 2:
		g.Source = "nobody"
	case n < 8:
		g.Source = "compensation"
	}
	switch n := w.rng.IntN(100); {
	case n < 20:
		g.OccurredAt = w.now - engine.UnixMilli(w.rng.Int64N(int64(26*hour)))
	case n < 24:
		g.OccurredAt = w.now - 24*hour + engine.UnixMilli(w.rng.IntN(3)) - 1
	case n < 28:
		g.OccurredAt = w.now + 5*second + engine.UnixMilli(w.rng.IntN(3)) - 1
	case n < 30:
		g.OccurredAt = w.now + engine.UnixMilli(w.rng.Int64N(int64(6*second)))
	}
	soon := func() engine.UnixMilli {
		return w.now + engine.UnixMilli(w.rng.Int64N(int64([]engine.UnixMilli{3 * second, 5 * minute, 30 * hour}[w.rng.IntN(3)])))
	}
	if w.chance(12) {
		g.EffectiveAt = soon()
	}
	if w.chance(35) {
		g.ExpiresAt = soon()
		if w.chance(10) {
			g.ExpiresAt = w.now - second*engine.UnixMilli(w.rng.IntN(3))
		}
	}
	if w.chance(25) {
		g.Priority = uint8(w.rng.IntN(3))
	}
	w.given = append(w.given, g)
	return Command{Grant: g}
}

// counting returns a campaign, mostly one that counts chances.
func (w *world) counting() *campaign {
	c := w.anyCampaign()
	for range 5 {
		if _, counts := accountOf(c); counts {
			break
		}
		c = w.anyCampaign()
	}
	return c
}

// counted reports whether some campaign counts chances.
func (w *world) counted() bool {
	for _, c := range w.ref.campaigns {
		if _, counts := accountOf(c); counts {
			return true
		}
	}
	return false
}

// revoke takes back what was granted, mostly a while ago.
func (w *world) revoke() Command {
	if len(w.given) == 0 {
		return w.grant()
	}
	g := w.given[w.rng.IntN(len(w.given))]
	v := &engine.Revoke{
		Campaign: g.Campaign, Namespace: g.Namespace, Purse: g.Purse, User: g.User, UserID: g.UserID, Source: g.Source, Event: g.Event,
		Actor: "host", Reason: "cancelled",
	}
	if w.chance(3) {
		v.Event = "never"
	}
	if a, _, code := w.ref.accountFor(v.Campaign, v.Purse); code == 0 {
		if k := w.ref.grants[grantKey{a, v.User, v.Source, v.Event}]; k != nil && k.end != never {
			v.ExpiresAt = k.end // as the record of the grant says
		}
	}
	return Command{Revoke: v}
}

// lotEdge returns when some lot of chances begins or ends.
func (w *world) lotEdge() engine.UnixMilli {
	for range 3 {
		if len(w.given) == 0 {
			break
		}
		g := w.given[w.rng.IntN(len(w.given))]
		a, _, code := w.ref.accountFor(g.Campaign, g.Purse)
		if code != 0 {
			continue
		}
		for _, l := range w.ref.wallet(a, g.User).lots {
			if l.begin > w.now {
				return l.begin
			}
			if l.end != never {
				return l.end
			}
		}
	}
	return 0
}
