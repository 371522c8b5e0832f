package drawtest

import (
	"github.com/drawd/drawd/engine"
)

// encode lets some coupons of a new campaign hand out codes: those of their own have the stock that is imported.
func (w *world) encode(v *engine.Version) {
	for i := range v.Prizes {
		p := &v.Prizes[i]
		if p.Kind != engine.KindCoupon && p.Kind != engine.KindCode || !w.chance(40) {
			continue
		}
		unique := w.chance(75)
		if unique {
			p.Stock, p.Units = 0, 1
		}
		w.coded[v.Campaign+"/"+p.ID] = unique
	}
}

// withCodes says which prizes of a version hand out codes, those that can.
func (w *world) withCodes(v *engine.Version) {
	v.Codes = nil
	for i := range v.Prizes {
		p := &v.Prizes[i]
		unique, some := w.coded[v.Campaign+"/"+p.ID]
		if !some && w.chance(2) && (p.Kind == engine.KindCoupon || p.Kind == engine.KindCode) {
			unique, some = true, true
		}
		if !some || w.chance(3) {
			continue
		}
		x := engine.PrizeCodes{Prize: int16(i)}
		if unique {
			x.LowWater = uint32(w.rng.IntN(4))
		} else {
			x.Shared = "SAME-FOR-ALL"
		}
		before := v.Codes
		if v.Codes = append(v.Codes[:len(v.Codes):len(v.Codes)], x); v.Validate() != nil {
			v.Codes = before
		}
	}
}

// watch gives a version a guard that some draws reach.
func (w *world) watch(v *engine.Version) {
	v.Guard = nil
	if !w.guarded[v.Campaign] {
		return
	}
	g := &engine.Guard{Wins: uint64(w.rng.IntN(7))}
	for i := range v.Prizes {
		if v.Prizes[i].Kind == engine.KindCash && w.chance(85) {
			g.Amount = 1 + int64(w.rng.IntN(25))
			if w.chance(60) {
				g.Wins = 0
			}
			break
		}
	}
	if g.Wins > 0 || g.Amount > 0 {
		v.Guard = g
	}
}

// importing adds codes to a prize, a few of them again.
func (w *world) importing() Command {
	c := w.anyCampaign()
	for range 6 {
		if len(c.boxes) > 0 {
			break
		}
		c = w.anyCampaign()
	}
	prize := c.live().Prizes[w.rng.IntN(len(c.live().Prizes))].ID
	if len(c.boxes) > 0 && w.chance(95) {
		prize = c.boxes[w.rng.IntN(len(c.boxes))].prize
	}
	k := &engine.ImportCodes{Campaign: c.ref, Prize: prize, Actor: "op", Reason: "more"}
	for range 1 + w.rng.IntN(6) {
		n := w.rng.IntN(w.minted + 1)
		if w.chance(85) {
			w.minted++
			n = w.minted
		}
		seal := hashed("code", prize, n)
		k.Codes = append(k.Codes, engine.SealedCode{Print: hashed("print", prize, n), Sealed: append(seal[:], seal[:]...)})
	}
	return Command{Import: k}
}

// later lets a version become live at a time, mostly soon.
func (w *world) later() Command {
	c := w.nextVersion()
	if w.chance(15) && len(w.ref.campaigns) < 10 {
		c = w.newCampaign()
	}
	at := w.now + engine.UnixMilli(w.rng.Int64N(int64([]engine.UnixMilli{second, minute, day}[w.rng.IntN(3)]))) - 10
	return Command{PublishAt: &PublishAt{*c.Publish, at}, Seed: c.Seed}
}

func (w *world) withdraw() Command {
	k := &engine.Withdraw{Namespace: 1, Campaign: w.anyCampaign().id, Actor: "op", Reason: "why"}
	if n := len(w.ref.waiting); n > 0 && w.chance(80) {
		k.Campaign = w.ref.waiting[w.rng.IntN(n)].Version.Campaign
	}
	return Command{Withdraw: k}
}

// expecting names the version that a publish was compared with, mostly the right one.
func (w *world) expecting(v *engine.Version) uint32 {
	if w.chance(80) {
		return 0
	}
	c := w.known(v.Campaign)
	switch {
	case w.chance(20):
		return 1 + uint32(w.rng.IntN(3))
	case c == nil:
		return engine.NoVersion
	}
	return uint32(len(c.versions))
}
