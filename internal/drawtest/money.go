package drawtest

import (
	"math"
	"math/big"

	"github.com/drawd/drawd/engine"
)

// winning is one prize of an event, with what it paid.
type winning struct {
	prize  string
	amount int64
	cash   bool
	// Of budgets: what was paid counts from the first version on that bounds it, and against a user's budget from the
	// first version with one.
	bounded, ofUser bool
}

// bounds is what a win may pay.
type bounds struct{ least, most int64 }

func pays(p *engine.Prize) bool { return p.Kind == engine.KindCash || p.Kind == engine.KindPoints }

func amountOf(v *engine.Version, prize string) *engine.Amount {
	for i := range v.Amounts {
		if v.Prizes[v.Amounts[i].Prize].ID == prize {
			return &v.Amounts[i]
		}
	}
	return nil
}

func asksForMoney(v *engine.Version) bool { return len(v.Amounts) > 0 || v.Budget != engine.Budget{} }

// paid sums what the campaign paid, of the winnings that fit.
func (r *Reference) paid(c *campaign, fits func(e *event, w *winning) bool) int64 {
	sum := int64(0)
	for _, e := range r.events {
		if e.campaign != c {
			continue
		}
		for i := range e.wins {
			if w := &e.wins[i]; w.bounded && fits(e, w) {
				sum += w.amount
			}
		}
	}
	return sum
}

// room returns what one more win of the prize may pay at most under every budget.
func (r *Reference) room(c *campaign, who *subject, p *engine.Prize) int64 {
	v, left := c.live(), int64(math.MaxInt64)
	within := func(budget, spent int64) {
		if budget > 0 {
			left = min(left, budget-spent)
		}
	}
	if a := amountOf(v, p.ID); a != nil {
		within(a.Budget, r.paid(c, func(_ *event, w *winning) bool { return w.prize == p.ID }))
	}
	if p.Kind == engine.KindCash {
		within(v.Budget.Campaign, r.paid(c, func(_ *event, w *winning) bool { return w.cash }))
		within(v.Budget.Day, r.paid(c, func(e *event, w *winning) bool {
			return w.cash && zone(v.Transitions).same(engine.WindowDay, e.at, r.now)
		}))
		within(v.Budget.Session, r.paid(c, func(e *event, w *winning) bool { return w.cash && e.session == r.sessionStart(c, r.now) }))
		if who == nil { // whoever it is
			return left
		}
		within(v.Budget.User, r.paid(c, func(e *event, w *winning) bool { return w.cash && w.ofUser && e.user == who.user }))
	}
	return left
}

// span returns what a win of the prize may pay now, budgets included; ok is false when not even the least is left.
func (r *Reference) span(c *campaign, who *subject, p *engine.Prize) (b bounds, ok bool) {
	b = bounds{p.Amount, p.Amount}
	if !c.bounded {
		return b, true
	}
	room := r.room(c, who, p)
	if a := amountOf(c.live(), p.ID); a != nil {
		switch a.Split {
		case engine.SplitUniform:
			b = bounds{a.Least, a.Most}
		case engine.SplitDoubleMean:
			spent := r.paid(c, func(_ *event, w *winning) bool { return w.prize == p.ID })
			stock := c.stock[p.ID]
			b = doubleMean(a, max(a.Budget-spent, 0), int64((stock.unreleased+stock.available+stock.reserved)/engine.Quantity(p.Units)))
		case engine.SplitDeck:
			b = bounds{math.MaxInt64, 0}
			for _, card := range r.cardsLeft(c, a, p.ID) {
				if card <= room {
					b.least, b.most = min(b.least, card), max(b.most, card)
				}
			}
		}
	}
	b.most = min(b.most, room)
	return b, b.least <= b.most
}

// doubleMean returns what the next of so many wins may pay of what is left of a budget.
func doubleMean(a *engine.Amount, left, wins int64) bounds {
	n := func(x int64) *big.Int { return big.NewInt(x) }
	most := func(x *big.Int) *big.Int {
		if a.Most > 0 && x.Cmp(n(a.Most)) > 0 {
			return n(a.Most)
		}
		return x
	}
	if wins <= 1 { // the last one takes all
		high := most(n(left)).Int64()
		return bounds{max(high, a.Least), high}
	}
	spare := new(big.Int).Sub(n(left), new(big.Int).Mul(n(a.Least), n(wins)))
	if spare.Sign() < 0 {
		return bounds{a.Least, min(a.Least, left)}
	}
	above := new(big.Int).Quo(new(big.Int).Mul(n(2), spare), n(wins))
	b := bounds{a.Least, most(new(big.Int).Add(n(a.Least), above)).Int64()}
	if a.Most > 0 { // what the others cannot take must be taken now
		others := new(big.Int).Mul(n(a.Most-a.Least), n(wins-1))
		if must := new(big.Int).Sub(spare, others); must.Sign() > 0 {
			b.least = min(a.Least+must.Int64(), b.most)
		}
	}
	return b
}

// cardsLeft lists the amounts of a deck that were not dealt yet, one by one, ascending.
func (r *Reference) cardsLeft(c *campaign, a *engine.Amount, prize string) (left []int64) {
	for _, card := range a.Cards {
		dealt := uint32(0)
		for _, e := range r.events {
			for i := range e.wins {
				if w := &e.wins[i]; e.campaign == c && w.bounded && w.prize == prize && w.amount == card.Amount && c.dealt[e] {
					dealt++
				}
			}
		}
		for range int(card.Count) - int(min(dealt, card.Count)) {
			left = append(left, card.Amount)
		}
	}
	return left
}

// narrow lets the caps on amounts lower what a win may pay; ok is false when less than the least is left.
func (r *Reference) narrow(who *subject, rules []rule, p *engine.Prize, b bounds) (bounds, bool) {
	if !pays(p) {
		return b, true
	}
	for i := range rules {
		if k := &rules[i]; k.counts == engine.CountAmount && k.covers(p) {
			b.most = min(b.most, int64(k.limit-min(r.used(k, who), k.limit)))
		}
	}
	return b, b.least <= b.most
}

// covers reports whether a cap on amounts counts what the prize pays.
func (k *rule) covers(p *engine.Prize) bool {
	if k.prize != "" {
		return k.prize == p.ID
	}
	return p.Kind == engine.KindCash
}

// lowest returns the least that any win of the prize pays.
func lowest(v *engine.Version, p *engine.Prize) int64 {
	if a := amountOf(v, p.ID); a != nil {
		switch a.Split {
		case engine.SplitUniform, engine.SplitDoubleMean:
			return a.Least
		case engine.SplitDeck:
			return a.Cards[0].Amount
		}
	}
	return p.Amount
}

// further makes a number in [0, n) of a draw's further words: those of one purpose begin at purpose × 2^24.
func further(c *campaign, d *engine.Draw, drawNumber, purpose uint32, n int64) int64 {
	size, two64 := big.NewInt(n), new(big.Int).Lsh(big.NewInt(1), 64)
	uneven := new(big.Int).Mod(two64, size)
	for counter := purpose << 24; ; counter++ {
		w := new(big.Int).SetUint64(word(c.seed, d.User, drawNumber, d.Digest, counter))
		high, low := new(big.Int).DivMod(new(big.Int).Mul(w, size), two64, new(big.Int))
		if low.Cmp(uneven) >= 0 {
			return high.Int64()
		}
	}
}

// pay decides what a win pays. The stock still holds its units.
func (r *Reference) pay(c *campaign, who *subject, rules []rule, e *event, p *engine.Prize, purpose uint32) (w winning, told engine.AmountPaid) {
	w = winning{prize: p.ID, cash: p.Kind == engine.KindCash}
	if !pays(p) {
		return w, told
	}
	b, _ := r.span(c, who, p)
	b, ok := r.narrow(who, rules, p, b)
	if !ok {
		panic("BUG: a win that should have been withheld")
	}
	a := amountOf(c.live(), p.ID)
	w.amount = b.least
	if b.most > b.least {
		if a.Split == engine.SplitDeck {
			var fit []int64
			for _, card := range r.cardsLeft(c, a, p.ID) {
				if card <= b.most {
					fit = append(fit, card)
				}
			}
			w.amount = fit[further(c, e.draw, e.number, purpose, int64(len(fit)))]
		} else {
			w.amount += further(c, e.draw, e.number, purpose, b.most-b.least+1)
		}
	}
	if c.bounded {
		w.bounded, w.ofUser = true, c.boundsUsers
		told = engine.AmountPaid{Amount: w.amount, AmountLeast: b.least, AmountMost: b.most}
		if a != nil && a.Split == engine.SplitDeck {
			c.dealt[e] = true
		}
	}
	return w, told
}

// sharable reports whether the splits of a version that need the count of wins fit the stock.
func (c *campaign) sharable(v *engine.Version) bool {
	for i := range v.Amounts {
		a := &v.Amounts[i]
		p := &v.Prizes[a.Prize]
		b := c.stock[p.ID]
		if a.Split != engine.SplitDoubleMean && a.Split != engine.SplitDeck {
			continue
		}
		total, units := big.NewInt(int64(b.total())), big.NewInt(int64(p.Units))
		wins, rest := new(big.Int).QuoRem(total, units, new(big.Int))
		if b.unlimited || rest.Sign() != 0 {
			return false
		}
		if a.Split == engine.SplitDeck {
			cards := int64(0)
			for _, card := range a.Cards {
				cards += int64(card.Count)
			}
			if wins.Int64() != cards {
				return false
			}
			continue
		}
		budget := big.NewInt(a.Budget)
		if new(big.Int).Mul(big.NewInt(a.Least), wins).Cmp(budget) > 0 ||
			a.Most > 0 && new(big.Int).Mul(big.NewInt(a.Most), wins).Cmp(budget) < 0 {
			return false
		}
	}
	return true
}
