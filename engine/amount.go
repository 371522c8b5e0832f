package engine

import (
	"math"
	"math/bits"
)

// Amount says how the amount of a prize is decided, and what all its wins may pay together. A prize of kind cash or
// points whose every win pays Prize.Amount, without a budget, needs none.
type Amount struct {
	Prize  int16 // index into Version.Prizes; ascending, none twice
	Split  Split
	Least  int64  // the least that a win pays, minor units, ≥ 1; of SplitFixed and SplitDeck 0
	Most   int64  // the most; of SplitDoubleMean 0 for no bound
	Budget int64  // what all wins pay together over the campaign's life, minor units; 0 for no bound
	Cards  []Card // of SplitDeck, ascending by amount
}

// Card is a part of a deck of amounts: so many wins pay this much.
type Card struct {
	Amount int64
	Count  uint32
}

// Split is how a budget becomes the amounts of wins. Numbers are on disk.
type Split uint8

// The splits. Where the count of wins is known (SplitDoubleMean, SplitDeck), the amounts sum to the budget exactly once
// every unit was given out; before that, and with the other splits always, they sum to at most the budget.
const (
	SplitFixed      Split = iota // Prize.Amount, every time
	SplitUniform                 // each amount from Least to Most with the same chance
	SplitDoubleMean              // up to twice what is left on average: see doubleMean
	SplitDeck                    // one of the cards that are left, each with the same chance
	splits
)

// Budget bounds the cash that a campaign pays, in minor units; 0 means no bound. Points are not money: prizes of that
// kind have a budget of their own (Amount.Budget), or none.
type Budget struct {
	Campaign int64 // over the campaign's life
	Session  int64 // over one session
	Day      int64 // over one day, in the campaign's zone
	User     int64 // to one user, over the campaign's life
}

// usesMoney reports whether the version needs to know what was paid before.
func (v *Version) usesMoney() bool { return len(v.Amounts) > 0 || v.Budget != (Budget{}) }

// amountOf returns how the amount of a prize is decided; nil when that is Prize.Amount without a budget.
func (v *Version) amountOf(prize int) *Amount {
	for i := range v.Amounts {
		if int(v.Amounts[i].Prize) == prize {
			return &v.Amounts[i]
		}
	}
	return nil
}

// paysAmount reports whether wins of the kind pay an amount.
func (k PrizeKind) paysAmount() bool { return k == KindCash || k == KindPoints }

// addAmounts adds two amounts; ok is false when the sum is no int64.
func addAmounts(a, b int64) (sum int64, ok bool) {
	s, carry := bits.Add64(uint64(a), uint64(b), 0)
	return int64(s), carry == 0 && a >= 0 && b >= 0 && s <= math.MaxInt64
}

// timesAmount multiplies an amount; ok is false when the product is no int64.
func timesAmount(a, n int64) (product int64, ok bool) {
	hi, lo := bits.Mul64(uint64(a), uint64(n))
	return int64(lo), hi == 0 && a >= 0 && n >= 0 && lo <= math.MaxInt64
}

func (v *Version) validateMoney() error {
	for _, b := range [...]int64{v.Budget.Campaign, v.Budget.Session, v.Budget.Day, v.Budget.User} {
		if b < 0 || b > MaxAmount {
			return invalid("budget")
		}
	}
	if v.Budget.Session > 0 && len(v.Sessions) == 0 {
		return invalid("budget of a session: there are no sessions")
	}
	last := int16(-1)
	for i := range v.Amounts {
		a := &v.Amounts[i]
		if a.Prize <= last || int(a.Prize) >= len(v.Prizes) {
			return invalid("prize of an amount")
		}
		last = a.Prize
		if p := &v.Prizes[a.Prize]; !p.Kind.paysAmount() || !a.valid(p) {
			return invalid("amount of prize " + p.ID)
		}
	}
	for i := range v.Prizes {
		p := &v.Prizes[i]
		if p.Amount < 0 || p.Amount > MaxAmount {
			return invalid("amount of prize " + p.ID)
		}
	}
	return nil
}

// valid reports whether a fits the prize: splits that need the count of wins need a stock, in whole wins, that fits the
// budget.
func (a *Amount) valid(p *Prize) bool {
	if a.Least < 0 || a.Most < 0 || a.Budget < 0 || a.Most > MaxAmount || a.Budget > MaxAmount || (len(a.Cards) > 0) != (a.Split == SplitDeck) {
		return false
	}
	counted := p.Stock >= 0 && p.Units > 0
	wins := int64(-1)
	if counted {
		wins = int64(p.Stock) / int64(p.Units)
	}
	switch a.Split {
	case SplitFixed:
		return p.Amount > 0 && a.Budget > 0 && a.Least == 0 && a.Most == 0
	case SplitUniform:
		return p.Amount == 0 && a.Least >= 1 && a.Least <= a.Most
	case SplitDoubleMean:
		if p.Amount != 0 || a.Least < 1 || a.Budget < 1 || p.Stock == Unlimited || a.Most != 0 && a.Most < a.Least {
			return false
		}
		return !counted || int64(p.Stock)%int64(p.Units) == 0 && a.fits(wins)
	}
	sum, count, ok := a.deck()
	return ok && p.Amount == 0 && a.Least == 0 && a.Most == 0 && sum == a.Budget && p.Stock != Unlimited &&
		(!counted || count == wins && int64(p.Stock)%int64(p.Units) == 0)
}

// fits reports whether so many wins can share the budget.
func (a *Amount) fits(wins int64) bool {
	low, ok := timesAmount(a.Least, wins)
	if !ok || low > a.Budget {
		return false
	}
	high, ok := timesAmount(a.Most, wins)
	return a.Most == 0 || !ok || high >= a.Budget
}

// deck returns what the cards sum to and how many they are; ok is false when that is out of bounds or out of order.
func (a *Amount) deck() (sum, count int64, ok bool) {
	last := int64(0)
	for _, c := range a.Cards {
		product, fine := timesAmount(c.Amount, int64(c.Count))
		total, fits := addAmounts(sum, product)
		if !fine || !fits || c.Amount <= last || c.Count == 0 || total > MaxAmount {
			return 0, 0, false
		}
		last, sum, count = c.Amount, total, count+int64(c.Count)
	}
	return sum, count, len(a.Cards) > 0 && len(a.Cards) <= MaxCards
}

// amounts appends the section versionAmounts.
func (w *writer) amounts(v *Version) {
	if !v.usesMoney() {
		return
	}
	for _, b := range [...]int64{v.Budget.Campaign, v.Budget.Session, v.Budget.Day, v.Budget.User} {
		w.i64(b)
	}
	w.u32(uint32(len(v.Amounts)))
	for i := range v.Amounts {
		a := &v.Amounts[i]
		w.u16(uint16(a.Prize))
		w.u8(uint8(a.Split))
		w.i64(a.Least)
		w.i64(a.Most)
		w.i64(a.Budget)
		w.u32(uint32(len(a.Cards)))
		for _, c := range a.Cards {
			w.i64(c.Amount)
			w.u32(c.Count)
		}
	}
}

func (r *reader) amounts(v *Version) {
	v.Budget = Budget{r.i64(), r.i64(), r.i64(), r.i64()}
	for range r.count(MaxPrizes) {
		a := Amount{Prize: int16(r.u16()), Split: Split(r.enum(uint8(splits))), Least: r.i64(), Most: r.i64(), Budget: r.i64()}
		for range r.count(MaxCards) {
			a.Cards = append(a.Cards, Card{r.i64(), r.u32()})
		}
		v.Amounts = append(v.Amounts, a)
	}
	r.fail = r.fail || !v.usesMoney()
}
