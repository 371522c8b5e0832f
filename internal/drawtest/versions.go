package drawtest

import (
	"fmt"

	"github.com/drawd/drawd/engine"
)

func (w *world) newCampaign() Command {
	w.named++ // also when it is refused: in another order it may not be
	v := &engine.Version{
		Campaign: fmt.Sprint("c", w.named), TimeZone: "Test/Zone", Transitions: zones[w.zone],
		StartsAt:  w.now + engine.UnixMilli(w.rng.IntN(3))*engine.UnixMilli(w.rng.IntN(60_000)) - 1000,
		Exhausted: engine.Policy(w.rng.IntN(3)), UserExhausted: engine.Policy(w.rng.IntN(2)),
		Title: []byte(`{"en":"t"}`), Document: []byte(`{}`),
	}
	v.EndsAt = v.StartsAt + []engine.UnixMilli{hour, day, 10 * day, 40 * day}[w.rng.IntN(4)]
	v.Denominator = []uint32{1, 10, 100, 1_000_000, engine.MaxDenominator}[w.rng.IntN(5)]
	for range 1 + w.rng.IntN(8) {
		v.Prizes = append(v.Prizes, w.newPrize(fmt.Sprint("p", len(v.Prizes))))
	}
	w.weigh(v)
	if w.drips[v.Campaign] = w.chance(35); w.drips[v.Campaign] {
		w.fill(v)
	}
	w.style(v)
	w.encode(v)
	if v.Mode.Kind == engine.ModeWeighted && w.chance(35) {
		w.schedule(v)
	}
	w.channels(v)
	w.admit(v)
	for range w.rng.IntN(6) {
		v.Caps = append(v.Caps, w.newCap(v))
	}
	w.promise(v)
	w.bound(v)
	w.earn(v)
	w.agree(v)
	w.drip(v)
	w.withCodes(v)
	w.guarded[v.Campaign] = w.chance(25)
	w.watch(v)
	return w.publishing(v)
}

func (w *world) publishing(v *engine.Version) Command {
	v.Guaranteed = w.guaranteed(v)
	for _, x := range v.Releases {
		v.Guaranteed = v.Guaranteed && v.Prizes[x.Prize].Unavailable == engine.OnFallback
	}
	if err := v.Validate(); err != nil {
		panic("BUG: the generator made a version that cannot be: " + err.Error())
	}
	c := Command{Publish: &engine.Publish{Namespace: 1, Version: v, Actor: "op", Reason: "go", Expect: w.expecting(v)}}
	for i := range v.Salt {
		v.Salt[i], c.Seed[i] = byte(w.rng.Uint32()), byte(w.rng.Uint32())
	}
	c.Publish.SealedSeed = engine.SealSeed(ClusterKey, [12]byte(c.Seed[:12]), c.Seed)
	return c
}

func (w *world) newPrize(id string) engine.Prize {
	p := engine.Prize{
		ID: id, Kind: engine.PrizeKind(w.rng.IntN(7)), Stock: engine.Quantity(w.rng.IntN(7)), Units: 1, Fallback: -1, Slot: -1,
		Title: []byte(`{"en":"p"}`), Value: int64(w.rng.IntN(4)) * 10,
	}
	if w.chance(25) || p.Kind == engine.KindThanks {
		p.Stock = engine.Unlimited
	}
	if w.chance(20) {
		p.Units = 2 + uint32(w.rng.IntN(2))
	}
	return p
}

// weigh gives out the denominator among prizes and miss, and ties fallbacks: always to a later prize, so never in a ring.
func (w *world) weigh(v *engine.Version) {
	left := v.Denominator
	v.Boosts = nil
	for i := range v.Prizes {
		p := &v.Prizes[i]
		p.Weight = 0
		if left > 0 && w.chance(90) {
			p.Weight = uint32(w.rng.Int64N(int64(left) + 1))
		}
		left -= p.Weight
		p.Unavailable, p.Fallback = engine.OnMiss, -1
		if i+1 < len(v.Prizes) && i < engine.MaxFallbackHops && w.chance(40) {
			p.Unavailable, p.Fallback = engine.OnFallback, int16(i+1+w.rng.IntN(len(v.Prizes)-i-1))
		}
	}
	if w.chance(40) {
		v.Prizes[w.rng.IntN(len(v.Prizes))].Weight += left // nothing is left for the miss
	}
	sharing := w.chance(40)
	for i := range v.Prizes {
		if p := &v.Prizes[i]; sharing && p.Unavailable == engine.OnMiss && p.Weight > 0 && w.chance(50) {
			p.Unavailable = engine.OnRedistribute
			b := engine.Boost{Prize: int16(i), Max: million + 1 + uint32(w.rng.IntN(3*million))}
			switch {
			case w.chance(30):
				b.Max = 1000 * million
			case w.chance(50): // a bound that the shares of two reach
				b.Max = million + million/5
			}
			if p.Stock > 0 && w.chance(40) && w.known(v.Campaign) == nil {
				p.Stock = 0
			}
			v.Boosts = append(v.Boosts, b)
		}
	}
}

// guaranteed reports whether the version may promise that nobody misses for want of stock, and whether it does.
func (w *world) guaranteed(v *engine.Version) bool {
	sum := uint32(0)
	for i := range v.Prizes {
		p := &v.Prizes[i]
		sum += p.Weight
		for p.Unavailable == engine.OnFallback {
			p = &v.Prizes[p.Fallback]
		}
		c := w.known(v.Campaign)
		unlimited := p.Stock == engine.Unlimited || p.Stock == engine.StockUnstated && c != nil && c.stock[p.ID].unlimited
		if v.Prizes[i].Weight > 0 && !unlimited {
			return false
		}
	}
	return sum == v.Denominator && v.Mode.Kind == engine.ModeWeighted && len(v.Boosts) == 0 && len(v.Sessions) == 0 && len(v.Channels) == 0 && w.chance(80)
}

func (w *world) known(id string) *campaign {
	for _, c := range w.ref.campaigns {
		if c.id == id {
			return c
		}
	}
	return nil
}

// definition is what a cap's id means for the campaign's life; only limits change.
type definition struct {
	cap   engine.Cap
	prize string // id, empty for any
}

// newCap makes a cap that a handful of draws reach.
func (w *world) newCap(v *engine.Version) engine.Cap {
	for n := 0; ; n++ {
		id := fmt.Sprint("k", n+w.rng.IntN(4))
		def, ok := w.caps[v.Campaign+"/"+id]
		if taken(v, id) || ok && def.prize != "" && indexOf(v, def.prize) < 0 {
			continue
		}
		if !ok {
			def = w.define(v, id)
			w.caps[v.Campaign+"/"+id] = def
		}
		k := def.cap
		k.Limit = w.limit(k.Window)
		if def.prize != "" {
			k.Prize = int16(indexOf(v, def.prize))
		}
		return k
	}
}

func (w *world) define(v *engine.Version, id string) definition {
	def := definition{cap: engine.Cap{
		ID: id, Counts: engine.Counts(w.rng.IntN(2)), Scope: w.scope(), Window: w.window(engine.WindowCampaign), Prize: -1,
	}}
	if attributed(v) && w.chance(50) {
		def.cap.Scope, def.cap.Attribute = engine.ScopeAttribute, uint8(w.rng.IntN(2))
	}
	if len(v.Sessions) > 0 && w.chance(25) {
		def.cap.Window = engine.Window{Kind: engine.WindowSession}
	}
	if def.cap.Window.Kind != engine.WindowRolling && def.cap.Window.Kind != engine.WindowCooldown && w.chance(25) {
		def.cap.Counts = engine.CountAmount
	}
	if def.cap.Counts != engine.CountDraws {
		def.cap.DenyWhenReached = w.chance(40)
		if w.chance(55) {
			def.prize = v.Prizes[w.rng.IntN(len(v.Prizes))].ID
		}
	}
	return def
}

func taken(v *engine.Version, id string) bool {
	for i := range v.Caps {
		if v.Caps[i].ID == id {
			return true
		}
	}
	return false
}

func (w *world) scope() engine.Scope {
	if w.chance(70) {
		return engine.ScopeUser
	}
	return engine.Scope(1 + w.rng.IntN(2))
}

func (w *world) window(least engine.WindowKind) engine.Window {
	out := engine.Window{Kind: least + engine.WindowKind(w.rng.IntN(int(engine.WindowCooldown-least)+1))}
	switch out.Kind {
	case engine.WindowRolling:
		out.Duration = int64([]engine.UnixMilli{second, minute, hour, day, 31 * day}[w.rng.IntN(5)])
	case engine.WindowCooldown:
		out.Duration = int64([]engine.UnixMilli{100, second, minute, 2 * day}[w.rng.IntN(4)])
	}
	return out
}

func (w *world) limit(win engine.Window) uint32 {
	if win.Kind == engine.WindowCooldown {
		return 1
	}
	if win.Kind == engine.WindowRolling {
		return 1 + uint32(w.rng.IntN(5)) // every raise takes a new place in the rows, and rows are bounded
	}
	if w.chance(10) {
		return 12 + uint32(w.rng.IntN(52))
	}
	return 1 + uint32(w.rng.IntN(8))
}

// nextVersion changes a campaign: odds, prizes, caps, end.
func (w *world) nextVersion() Command {
	c := w.anyCampaign()
	v := *c.live()
	v.Number, v.Hash = 0, [32]byte{}
	v.Prizes = append([]engine.Prize(nil), v.Prizes...)
	v.Caps = append([]engine.Cap(nil), v.Caps...)
	if w.chance(20) {
		return w.publishing(&v) // the same again
	}
	if w.chance(20) {
		v.EndsAt += hour
	}
	w.changePrizes(c, &v)
	w.weigh(&v)
	w.style(&v)
	w.reset(&v)
	w.channels(&v)
	w.reopen(&v)
	w.changeCaps(&v)
	w.promise(&v)
	w.bound(&v)
	w.earn(&v)
	w.agree(&v)
	w.drip(&v)
	w.withCodes(&v)
	w.watch(&v)
	return w.publishing(&v)
}

func (w *world) changePrizes(c *campaign, v *engine.Version) {
	named := map[string]bool{} // prizes that a cap names stay: the cap would count nothing
	at := map[int16]string{}
	for i := range v.Caps {
		if p := v.Caps[i].Prize; p >= 0 {
			named[v.Prizes[p].ID], at[p] = true, v.Prizes[p].ID
		}
	}
	if i := w.rng.IntN(len(v.Prizes)); len(v.Prizes) > 1 && w.chance(30) && !named[v.Prizes[i].ID] {
		v.Prizes = append(v.Prizes[:i], v.Prizes[i+1:]...)
	}
	if w.chance(40) {
		id := fmt.Sprint("p", w.rng.IntN(12)) // may be one that was dropped
		if p := w.newPrize(id); indexOf(v, id) < 0 {
			if c.stock[id] != nil && p.Kind == engine.KindThanks {
				p.Kind = engine.KindPhysical // what had a stock keeps it, and thanks have none
			}
			v.Prizes = append(v.Prizes, p)
		}
	}
	if w.chance(30) {
		w.rng.Shuffle(len(v.Prizes), func(i, j int) { v.Prizes[i], v.Prizes[j] = v.Prizes[j], v.Prizes[i] })
	}
	for i := range v.Caps {
		if v.Caps[i].Prize >= 0 {
			v.Caps[i].Prize = int16(indexOf(v, at[v.Caps[i].Prize]))
		}
	}
	if w.chance(8) {
		v.Prizes[w.rng.IntN(len(v.Prizes))].Units = 1 + uint32(w.rng.IntN(3))
	}
	for i := range v.Prizes {
		p := &v.Prizes[i]
		b := c.stock[p.ID]
		switch {
		case b == nil:
		case w.chance(3) && p.Kind != engine.KindThanks:
			p.Stock = max(0, b.total()+1) // what the file says is not what is there
		case w.chance(30):
			p.Stock = b.total()
		default:
			p.Stock = engine.StockUnstated
		}
	}
}

func indexOf(v *engine.Version, prize string) int {
	for i := range v.Prizes {
		if v.Prizes[i].ID == prize {
			return i
		}
	}
	return -1
}

func (w *world) changeCaps(v *engine.Version) {
	if len(v.Caps) > 0 && w.chance(30) {
		i := w.rng.IntN(len(v.Caps))
		v.Caps = append(v.Caps[:i], v.Caps[i+1:]...)
	}
	for i := range v.Caps {
		if w.chance(30) {
			v.Caps[i].Limit = w.limit(v.Caps[i].Window)
		}
	}
	if len(v.Caps) < 6 && w.chance(40) {
		v.Caps = append(v.Caps, w.newCap(v))
	}
}

func (w *world) aggregateCaps() []engine.AggregateCap {
	var out []engine.AggregateCap
	for i := range 5 {
		out = append(out, engine.AggregateCap{
			ID: fmt.Sprint("a", i), Counts: engine.Counts(w.rng.IntN(2)), Scope: w.scope(), Window: w.window(engine.WindowHour),
		})
	}
	return out
}

func (w *world) policy() Command {
	p := &engine.NamespacePolicy{TimeZone: "Test/Zone", Transitions: zones[w.policyZone], Document: []byte(`{}`)}
	for _, a := range w.totals {
		if len(p.AggregateCaps) < engine.MaxAggregateCaps && w.chance(35) {
			a.Limit = w.limit(a.Window)
			if a.Window.Kind < engine.WindowRolling && w.chance(60) { // rolling limits stay low: see limit
				a.Limit = min(a.Limit*8, engine.MaxRollingLimit)
			}
			p.AggregateCaps = append(p.AggregateCaps, a)
		}
	}
	p.Purses = w.purses()
	if w.chance(40) {
		p.AwardLimit = 10 * int64(w.rng.IntN(8))
	}
	if w.chance(10) {
		p.MaxUsers = 1 + uint64(w.rng.IntN(8))
	}
	if w.chance(10) {
		p.MaxKeys = uint64(len(w.ref.keys) + w.rng.IntN(30))
	}
	put := &engine.PutPolicy{Namespace: 1, Expect: engine.AnyRevision, Policy: p, Actor: "op"}
	if w.chance(50) {
		put.Expect = w.ref.policies[1].Revision + uint64(w.rng.IntN(2))
	}
	return Command{Policy: put}
}

// style gives some campaigns a mode: a deck, or pacing.
func (w *world) style(v *engine.Version) {
	kind, known := w.styles[v.Campaign]
	if !known || w.chance(5) && len(v.Sessions) == 0 {
		kind = []engine.ModeKind{engine.ModeWeighted, engine.ModeWeighted, engine.ModeWeighted, engine.ModeDeck, engine.ModePace}[w.rng.IntN(5)]
		w.styles[v.Campaign] = kind
	}
	v.Mode = engine.Mode{Kind: kind}
	switch kind {
	case engine.ModeDeck:
		v.Boosts = nil
		v.Mode.Entries = 1 + uint64(w.rng.IntN(80))
		for i := range v.Prizes {
			p := &v.Prizes[i]
			p.Weight = 0
			if p.Kind == engine.KindThanks {
				p.Kind = engine.KindPhysical
			}
			if p.Stock == engine.Unlimited {
				p.Stock = engine.Quantity(w.rng.IntN(7))
			}
			if p.Unavailable == engine.OnRedistribute {
				p.Unavailable = engine.OnMiss
			}
		}
	case engine.ModePace:
		v.Mode.Entries = []uint64{1, 10, 60, 2500, 5000}[w.rng.IntN(5)]
		v.Mode.MaxBoost = million + uint32(w.rng.IntN(5*million))
	}
}
