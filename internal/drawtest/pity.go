package drawtest

import (
	"fmt"

	"github.com/drawd/drawd/engine"
)

// row names the counter of one pity for one user: in a campaign, or in the namespace (campaign is nil) when it is shared.
type row struct {
	namespace engine.NamespaceRef
	campaign  *campaign
	pity      string
	user      engine.Key
}

func rowOf(c *campaign, y *engine.Pity, user engine.Key) row {
	if y.Shared {
		return row{namespace: c.namespace, pity: y.ID, user: user}
	}
	return row{namespace: c.namespace, campaign: c, pity: y.ID, user: user}
}

// setAside names the units of one prize that one pity keeps for itself.
type setAside struct{ pity, prize string }

// slice is such units: what the pity can still give and what it gave in the campaign's life.
type slice struct{ left, given engine.Quantity }

// setAsides moves units into the reserves that a version states; ok is false when that cannot be. Stocks and reserves are
// the caller's to throw away then.
func (c *campaign) setAsides(v *engine.Version) (ok bool) {
	for k, s := range c.reserves {
		c.stock[k.prize].reserved -= s.left
		c.stock[k.prize].available += s.left
		s.left = 0
	}
	for i := range v.Pity {
		for _, z := range v.Pity[i].List {
			k := setAside{v.Pity[i].ID, v.Prizes[z.Prize].ID}
			b := c.stock[k.prize]
			if b.unlimited {
				if z.Reserve != 0 {
					return false
				}
				continue
			}
			if c.reserves[k] == nil {
				c.reserves[k] = &slice{}
			}
			s := c.reserves[k]
			more := z.Reserve - s.given // a reserve is stated for the campaign's life
			if z.Reserve == 0 || more < 0 || more > b.available {
				return false
			}
			s.left = more
			b.available -= more
			b.reserved += more
		}
	}
	return true
}

// soft returns the weights that a soft pity replaces for this user, from a certain draw of the row on.
func (r *Reference) soft(c *campaign, user engine.Key) map[int]uint32 {
	v := c.live()
	out := map[int]uint32{}
	for i := range v.Pity {
		draw := r.rows[rowOf(c, &v.Pity[i], user)] + 1
		var step *engine.SoftStep
		for j := range v.Pity[i].Soft {
			if s := &v.Pity[i].Soft[j]; s.From <= draw && (step == nil || s.From > step.From) {
				step = s
			}
		}
		if step != nil {
			for _, x := range step.Weights {
				out[int(x.Prize)] = x.Weight
			}
		}
	}
	return out
}

// ends reports whether a win of the prize ends the row of a pity.
func ends(y *engine.Pity, prize int) bool {
	if prize == engine.NoPrize {
		return false
	}
	for _, p := range y.Group {
		if int(p) == prize {
			return true
		}
	}
	return y.AnyWin
}

// turn is what the pities do in one sub-draw.
type turn struct {
	engine.PityMoves
	aside *slice // where the prize that a pity gives comes from; nil for the open stock
	extra bool   // it comes on top
}

// pity overrides what a sub-draw would give.
func (r *Reference) pity(c *campaign, who *subject, rules []rule, prize int) (int, turn) {
	v := c.live()
	t := turn{PityMoves: engine.PityMoves{Given: -1, Extra: engine.NoPrize, Count: len(v.Pity)}}
	for i := range v.Pity {
		t.Before[i] = uint16(r.rows[rowOf(c, &v.Pity[i], who.user)])
	}
	for i := range v.Pity {
		y := &v.Pity[i]
		if y.Within == 0 || uint32(t.Before[i])+1 < y.Within {
			continue // not due
		}
		if ends(y, prize) {
			break // the draw keeps the promise by itself
		}
		if y.Extra && prize != engine.NoPrize {
			t.Given, t.extra = i, true
			break
		}
		if p, aside, ok := r.fund(c, who, rules, &t, i); ok {
			t.Given, t.aside = i, aside
			return p, t
		}
	}
	return prize, t
}

// fund returns the first prize of a pity's list that can be given to the user.
func (r *Reference) fund(c *campaign, who *subject, rules []rule, t *turn, i int) (prize int, aside *slice, ok bool) {
	v := c.live()
	some := false
	for _, z := range v.Pity[i].List {
		p := &v.Prizes[z.Prize]
		s := c.reserves[setAside{v.Pity[i].ID, p.ID}]
		if !c.stock[p.ID].unlimited && s.left < engine.Quantity(p.Units) {
			continue
		}
		if c.stock[p.ID].unlimited {
			s = nil
		}
		some = true
		if !c.off[p.ID] && r.withheld(c, who, rules, p) == engine.CauseNone {
			return int(z.Prize), s, true
		}
	}
	if !some {
		t.Unfunded |= 1 << i
	}
	return engine.NoPrize, nil, false
}

// onTop gives the prize of a pity that leaves the draw's own win alone.
func (r *Reference) onTop(c *campaign, who *subject, rules []rule, e *event, t *turn, prize int) (told engine.AmountPaid) {
	if !t.extra || prize == engine.NoPrize {
		return told
	}
	i := t.Given
	t.Given = -1
	if p, aside, ok := r.fund(c, who, rules, t, i); ok {
		t.Given, t.Extra = i, p
		told = r.award(c, who, rules, e, p, aside)
	}
	return told
}

// count moves the counters: back to nothing by a win of the group, else on by one, up to the draw that is due.
func (r *Reference) count(c *campaign, who *subject, t *turn, prize int) {
	v := c.live()
	for i := range v.Pity {
		y := &v.Pity[i]
		n := t.Before[i]
		switch {
		case ends(y, prize) || ends(y, t.Extra):
			n = 0
		case uint32(n) < mostOf(y):
			n++
		}
		t.After[i] = n
		r.rows[rowOf(c, y, who.user)] = uint32(n)
	}
}

// mostOf is where the counter of a pity stays: at the draw that is due.
func mostOf(y *engine.Pity) uint32 {
	if y.Within == 0 {
		return y.Soft[len(y.Soft)-1].From - 1
	}
	return y.Within - 1
}

// pitiesAgree reports whether a version may share its pities with the campaigns that have them and are not over: those
// have the same price and the same audience.
func (r *Reference) pitiesAgree(id string, v *engine.Version) bool {
	for i := range v.Pity {
		for _, c := range r.campaigns {
			if !v.Pity[i].Shared || c.id == id || r.over(c) || !shares(c.live(), v.Pity[i].ID) {
				continue
			}
			if priceList(c.live()) != priceList(v) || whoMayDraw(c.live()) != whoMayDraw(v) {
				return false
			}
		}
	}
	return true
}

func shares(v *engine.Version, pity string) bool {
	for i := range v.Pity {
		if v.Pity[i].ID == pity && v.Pity[i].Shared {
			return true
		}
	}
	return false
}

// priceList is all that the draws of a version ever cost.
func priceList(v *engine.Version) string {
	if v.Chances == nil {
		return fmt.Sprint(uint32(0), []engine.PricePeriod{})
	}
	return fmt.Sprint(v.Chances.Price, v.Chances.Periods)
}

// keyOf names a reserve.
func (c *campaign) keyOf(s *slice) *setAside {
	for k, x := range c.reserves {
		if x == s {
			return &k
		}
	}
	panic("BUG: a reserve that nobody states")
}
