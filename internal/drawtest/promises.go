package drawtest

import (
	"fmt"

	"github.com/drawd/drawd/engine"
)

// promise gives a version pities: short rows, tight reserves, groups that overlap.
func (w *world) promise(v *engine.Version) {
	v.Pity = nil
	var winnable []int
	for i := range v.Prizes {
		if v.Prizes[i].Kind != engine.KindThanks {
			winnable = append(winnable, i)
		}
	}
	if len(winnable) == 0 || w.chance(50) {
		return
	}
	for n := range 1 + w.rng.IntN(3) {
		y := engine.Pity{
			ID: fmt.Sprint("y", n), Within: 1 + uint32(w.rng.IntN(6)), Extra: w.chance(60), Shared: n == 2, AnyWin: w.chance(25),
		}
		if n == 0 && v.Mode.Kind == engine.ModeWeighted && w.chance(30) {
			y.Soft = w.soften(v)
			if w.chance(50) || y.Soft != nil && y.Within != 0 && y.Soft[len(y.Soft)-1].From >= y.Within {
				y.Within, y.Extra = 0, false
			}
			if y.Soft == nil && y.Within == 0 {
				y.Within = 2
			}
		}
		most := 3
		if y.Extra && y.Soft == nil { // so that something comes on top often
			y.Within, y.AnyWin, most = 1+uint32(w.rng.IntN(2)), false, 1
		}
		for _, p := range winnable {
			if y.Within > 0 && len(y.List) < most && !divided(v, p) && w.chance(60) && (!w.coded[v.Campaign+"/"+v.Prizes[p].ID] || w.chance(20)) {
				y.List = append(y.List, engine.PityPrize{Prize: int16(p), Reserve: w.reserve(v, y.ID, p)})
				y.Group = append(y.Group, int16(p))
			} else if w.chance(15) {
				y.Group = append(y.Group, int16(p))
			}
		}
		if y.Within > 0 && len(y.List) == 0 || !y.AnyWin && len(y.Group) == 0 {
			continue
		}
		if y.AnyWin {
			y.Group = nil
		}
		w.rng.Shuffle(len(y.List), func(i, j int) { y.List[i], y.List[j] = y.List[j], y.List[i] })
		v.Pity = append(v.Pity, y)
	}
}

// divided reports whether some session has units of its own of the prize: nothing is reserved of those.
func divided(v *engine.Version, prize int) bool {
	for _, set := range v.Sets {
		for _, p := range set {
			if int(p.Prize) == prize && p.Stock != engine.StockShared {
				return true
			}
		}
	}
	return false
}

// reserve returns units to set aside: none of an unlimited prize, sometimes more than there are.
func (w *world) reserve(v *engine.Version, pity string, prize int) engine.Quantity {
	p := &v.Prizes[prize]
	if p.Stock == engine.Unlimited {
		return 0
	}
	if c := w.known(v.Campaign); c != nil && c.stock[p.ID] != nil {
		if c.stock[p.ID].unlimited && p.Stock < 0 {
			return 0
		}
		if s := c.reserves[setAside{pity, p.ID}]; s != nil && w.chance(90) {
			return max(s.given+engine.Quantity(w.rng.IntN(3)), engine.Quantity(p.Units))
		}
	}
	return engine.Quantity(p.Units) + engine.Quantity(w.rng.IntN(2))
}

// soften returns steps whose weights still fit the denominator; nil when the version cannot have any.
func (w *world) soften(v *engine.Version) (steps []engine.SoftStep) {
	sum := uint64(0)
	for i := range v.Prizes {
		sum += uint64(v.Prizes[i].Weight)
	}
	at := w.rng.IntN(len(v.Prizes))
	from := uint32(2)
	for range 1 + w.rng.IntN(2) {
		room := uint64(v.Denominator) - sum + uint64(v.Prizes[at].Weight)
		weight := uint32(w.rng.Uint64N(room + 1))
		if sum == uint64(v.Denominator) {
			weight = v.Prizes[at].Weight // the version may be guaranteed: nothing is left for the miss
		}
		steps = append(steps, engine.SoftStep{From: from, Weights: []engine.SoftWeight{{Prize: int16(at), Weight: weight}}})
		from += 1 + uint32(w.rng.IntN(2))
	}
	return steps
}

// bound gives a version's cash and points amounts and budgets.
func (w *world) bound(v *engine.Version) {
	v.Amounts, v.Budget = nil, engine.Budget{}
	for i := range v.Prizes {
		p := &v.Prizes[i]
		p.Amount = 0
		if !pays(p) {
			continue
		}
		p.Amount = 1 + int64(w.rng.IntN(20))
		if a, ok := w.split(v, i); ok && w.chance(60) {
			v.Amounts = append(v.Amounts, a)
			if a.Split != engine.SplitFixed {
				p.Amount = 0
			}
		}
	}
	tight := func() int64 {
		if w.chance(70) {
			return 0
		}
		return 1 + int64(w.rng.IntN(60))
	}
	v.Budget = engine.Budget{Campaign: tight(), Day: tight(), User: tight()}
	if len(v.Sessions) > 0 {
		v.Budget.Session = max(tight(), tight())
	}
}

func (w *world) split(v *engine.Version, prize int) (a engine.Amount, ok bool) {
	p := &v.Prizes[prize]
	wins, counted := w.winsOf(v, p)
	a = engine.Amount{Prize: int16(prize), Split: engine.Split(w.rng.IntN(4))}
	switch a.Split {
	case engine.SplitFixed:
		a.Budget = 1 + int64(w.rng.IntN(60))
		return a, true
	case engine.SplitUniform:
		a.Least = 1 + int64(w.rng.IntN(5))
		a.Most = a.Least + int64(w.rng.IntN(9))
		if w.chance(50) {
			a.Budget = 1 + int64(w.rng.IntN(80))
		}
		return a, true
	case engine.SplitDoubleMean:
		a.Least = 1 + int64(w.rng.IntN(3))
		a.Budget = max(1, a.Least*wins+int64(w.rng.IntN(40)))
		if w.chance(40) && wins > 0 {
			a.Most = (a.Budget+wins-1)/wins + int64(w.rng.IntN(4))
		}
		return a, counted
	}
	left, amount := wins, int64(0)
	for left > 0 {
		n := 1 + w.rng.Int64N(left)
		amount += 1 + int64(w.rng.IntN(9))
		a.Cards = append(a.Cards, engine.Card{Amount: amount, Count: uint32(n)})
		a.Budget += amount * n
		left -= n
	}
	return a, counted && wins > 0
}

// winsOf returns how many wins the whole stock of a prize makes; counted is false when that is no whole number.
func (w *world) winsOf(v *engine.Version, p *engine.Prize) (wins int64, counted bool) {
	total := p.Stock
	if c := w.known(v.Campaign); p.Stock == engine.StockUnstated && c != nil && c.stock[p.ID] != nil {
		total = c.stock[p.ID].total()
	}
	if total < 0 {
		return 0, false
	}
	return int64(total) / int64(p.Units), int64(total)%int64(p.Units) == 0
}

// agree unshares, mostly, the pities that cannot be shared with what others have.
func (w *world) agree(v *engine.Version) {
	for i := range v.Pity {
		if y := &v.Pity[i]; y.Shared && !w.ref.pitiesAgree(v.Campaign, v) && w.chance(85) {
			y.Shared = false
		}
	}
}
