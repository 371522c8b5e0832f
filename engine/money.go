package engine

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// money is what a campaign has paid, as far as some version of it bounds that. It is kept, under the campaign's lock,
// from the first version that asks for it on: over all later versions, like stock.
type money struct {
	spent   int64  // cash, of all prizes
	day     uint32 // the number of the day that today is about
	today   int64  // cash on that day
	round   uint32 // the window of the session that inRound is about
	inRound int64  // cash in that session
	prizes  []paid // of each prize that ever paid an amount, in the order in which they came
}

// paid is what the wins of one prize paid, in all sessions.
type paid struct {
	id    string
	sum   int64
	dealt []Card // how often each amount was dealt from a deck of amounts, ascending
}

// moneyPlan is what a version pays, made ready for the ladder. A plan whose prizes pay no amounts has none.
type moneyPlan struct {
	pays   []payPlan // parallel to plan.prizes
	budget Budget
	tracks bool // Campaign.money is there, and moves
	rounds bool // there are sessions
	user   int  // where a user's row keeps what he was paid; -1 for nowhere
}

type payPlan struct {
	pays  bool
	cash  bool
	at    int // index into money.prizes, -1 where that is not kept
	split Split
	span
	budget int64
	cards  []Card
}

// span is what a win may pay: from least to most.
type span struct{ least, most int64 }

const (
	userBudgetPlace = "budget/user"
	userBudgetBytes = 8
)

func (c *Campaign) compileMoney(v *Version) *moneyPlan {
	m := &moneyPlan{pays: make([]payPlan, len(v.Prizes)), budget: v.Budget, tracks: c.money != nil, rounds: len(v.Sessions) > 0, user: -1}
	some := false
	for i := range v.Prizes {
		p := &v.Prizes[i]
		if !p.Kind.paysAmount() {
			continue
		}
		some = true
		z := payPlan{pays: true, cash: p.Kind == KindCash, span: span{p.Amount, p.Amount}, at: c.money.find(p.ID)}
		if a := v.amountOf(i); a != nil {
			z.split, z.budget, z.cards = a.Split, a.Budget, a.Cards
			if a.Split != SplitFixed {
				z.span = span{a.Least, a.Most}
			}
		}
		m.pays[i] = z
	}
	if place := c.layout.find(userBudgetPlace); place != nil {
		m.user = place.at()
	}
	if !some {
		return nil
	}
	return m
}

// placeBudget reserves the place of a user's budget in his row.
func (x *publication) placeBudget(v *Version) {
	if v.Budget.User != 0 {
		x.layout.reserve(userBudgetPlace, ScopeUser, userBudgetBytes)
	}
}

// openMoney begins to keep what is paid when the version asks for it.
func (c *Campaign) openMoney(v *Version) {
	if c.money == nil {
		if !v.usesMoney() {
			return
		}
		c.money = new(money)
	}
	for i := range v.Prizes {
		if p := &v.Prizes[i]; p.Kind.paysAmount() && c.money.find(p.ID) < 0 {
			c.money.prizes = append(c.money.prizes, paid{id: p.ID})
		}
	}
}

// find returns where the money of a prize stands, -1 for nowhere.
func (k *money) find(id string) int {
	if k == nil {
		return -1
	}
	for i := range k.prizes {
		if k.prizes[i].id == id {
			return i
		}
	}
	return -1
}

// budgeted finds what a win of the prize may pay now under the budgets, in t.pay.
func (t *tx) budgeted(c *Campaign, prize int) Cause {
	m := t.plan.money
	z := &m.pays[prize]
	t.pay = z.span
	if !z.pays || !m.tracks {
		return CauseNone
	}
	k := &c.money.prizes[z.at]
	left := t.budgetLeft(c.money, z)
	if m.budget.User > 0 && z.cash {
		left = min(left, m.budget.User-t.paidToUser())
	}
	switch z.split {
	case SplitDoubleMean:
		t.pay = doubleMean(z.span, max(z.budget-k.sum, 0), c.books[t.plan.prizes[prize].cell].wins(t.plan.prizes[prize].units))
	case SplitDeck:
		t.pay = z.remaining(k, left)
	}
	t.pay.most = min(t.pay.most, left)
	if t.pay.most < t.pay.least {
		return CauseBudget
	}
	return CauseNone
}

// affords reports whether the budgets leave enough for one more win, whoever gets it.
func (t *tx) affords(c *Campaign, prize int) bool {
	z := &t.plan.money.pays[prize]
	if !z.pays || !t.plan.money.tracks {
		return true
	}
	left := t.budgetLeft(c.money, z)
	switch k := &c.money.prizes[z.at]; z.split {
	case SplitDoubleMean:
		s := doubleMean(z.span, max(z.budget-k.sum, 0), c.books[t.plan.prizes[prize].cell].wins(t.plan.prizes[prize].units))
		return s.least <= min(s.most, left)
	case SplitDeck:
		s := z.remaining(k, left)
		return s.least <= s.most
	}
	return z.least <= left
}

// budgetLeft returns what one more win may pay at most under every budget but one user's.
func (t *tx) budgetLeft(k *money, z *payPlan) int64 {
	m, p := t.plan.money, &k.prizes[z.at]
	left := math.MaxInt64 - p.sum // so that no sum overflows
	if z.budget > 0 {
		left = min(left, z.budget-p.sum)
	}
	if !z.cash {
		return left
	}
	left = min(left, math.MaxInt64-k.spent)
	if m.budget.Campaign > 0 {
		left = min(left, m.budget.Campaign-k.spent)
	}
	if m.budget.Day > 0 {
		left = min(left, m.budget.Day-k.on(t.own.windows[WindowDay]))
	}
	if m.budget.Session > 0 {
		left = min(left, m.budget.Session-k.inSession(t.own.windows[WindowSession]))
	}
	return left
}

// on returns what was paid on a day. A clock set back may repeat the end of a day that is over: what was paid since
// still counts.
func (k *money) on(day uint32) int64 {
	if day > k.day {
		return 0
	}
	return k.today
}

// inSession returns what was paid in the session of a window.
func (k *money) inSession(window uint32) int64 {
	if window > k.round {
		return 0
	}
	return k.inRound
}

func (t *tx) paidToUser() int64 {
	row := t.campaign[ScopeUser].data
	if row == nil {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(row[t.plan.money.user:]))
}

// wins returns how many wins of so many units the cell still holds, whoever gets them.
func (c *cell) wins(units Quantity) int64 {
	return int64((c.Available + c.Unreleased + c.Reserved) / units)
}

// doubleMean returns what the next of so many wins may pay of what is left of a budget: from the least to as much above
// it as makes the mean what an equal share would be. Whatever is paid in that span, the rest can still be split among the
// other wins within their bounds, and the last win takes all of it: so the amounts sum to the budget exactly.
//
// With s = left − least·wins (what is to be split above the least) the span is least + [0, ⌊2s/wins⌋]. A bound on the
// most narrows it on both sides: nobody gets more, and enough must be taken now that the others can take the rest.
func doubleMean(bounds span, left, wins int64) span {
	if wins <= 1 {
		if bounds.most > 0 {
			left = min(left, bounds.most) // units were taken back and no money
		}
		return span{max(left, bounds.least), left} // empty, so not given, when not even the least is left
	}
	low, ok := timesAmount(bounds.least, wins)
	if !ok || low > left { // units were added and no money: the least while it lasts
		return span{bounds.least, min(bounds.least, left)}
	}
	spare := left - low
	hi, lo := bits.Mul64(uint64(spare), 2)
	most, _ := bits.Div64(hi, lo, uint64(wins)) // wins ≥ 2, so it is at most spare
	s := span{bounds.least, bounds.least + int64(most)}
	if bounds.most > 0 {
		width := bounds.most - bounds.least
		s.most = min(s.most, bounds.most)
		if others, ok := timesAmount(width, wins-1); ok && spare > others {
			s.least = min(bounds.least+spare-others, s.most)
		}
	}
	return s
}

// remaining returns the smallest and the largest card that is left of a deck and at most as large as room.
func (z *payPlan) remaining(p *paid, room int64) span {
	s := span{math.MaxInt64, 0}
	for i := range z.cards {
		if c := &z.cards[i]; c.Amount <= room && c.Count > p.times(c.Amount) {
			s.least, s.most = min(s.least, c.Amount), c.Amount
		}
	}
	return s
}

// times returns how often an amount was dealt.
func (p *paid) times(amount int64) uint32 {
	for i := range p.dealt {
		if p.dealt[i].Amount == amount {
			return p.dealt[i].Count
		}
	}
	return 0
}

// deal notes that an amount was dealt.
func (p *paid) deal(amount int64) {
	i := 0
	for i < len(p.dealt) && p.dealt[i].Amount < amount {
		i++
	}
	if i == len(p.dealt) || p.dealt[i].Amount != amount {
		p.dealt = append(p.dealt, Card{})
		copy(p.dealt[i+1:], p.dealt[i:])
		p.dealt[i] = Card{Amount: amount}
	}
	p.dealt[i].Count++
}

// amountCapped lets the caps that count amounts narrow what a win of the prize may pay.
func (t *tx) amountCapped(prize int) Cause {
	z := &t.plan.money.pays[prize]
	if !z.pays {
		return CauseNone
	}
	for i := range t.plan.amounts {
		if k := &t.plan.amounts[i]; k.covers(prize, z) {
			t.pay.most = min(t.pay.most, int64(k.free(t.campaign[k.scope].data, &t.own)))
		}
	}
	for i := range t.rules.amounts {
		if k := &t.rules.amounts[i]; z.cash {
			t.pay.most = min(t.pay.most, int64(k.free(t.everyone[k.scope].data, &t.shared)))
		}
	}
	if t.pay.most < t.pay.least {
		return CauseAmountCap
	}
	return CauseNone
}

// covers reports whether a cap on amounts counts what the prize pays: its own, or all cash.
func (k *counter) covers(prize int, z *payPlan) bool {
	return int(k.prize) == prize || k.prize < 0 && z.cash
}

// payOut decides the amount of a win, which was found possible, and books it. The units are not issued yet: a split that
// shares a budget counts this win too.
func (t *tx) payOut(c *Campaign, prize int) {
	m := t.plan.money
	z := &m.pays[prize]
	if !z.pays {
		return
	}
	if t.budgeted(c, prize) != CauseNone || t.amountCapped(prize) != CauseNone {
		panic("BUG: a win that was not checked against its budgets")
	}
	rec, d, purpose := &t.record, &t.draw, uint32(purposeAmount)
	to := &rec.AmountPaid
	if prize != rec.Prize || to.Amount != 0 {
		to, purpose = &rec.ExtraAmount, purposeExtra
	}
	amount := t.pay.least
	if t.pay.most > t.pay.least {
		in := newWordInput(&c.seed, &d.User, rec.DrawNumber, &d.Digest)
		if z.split == SplitDeck {
			amount = z.draw(&c.money.prizes[z.at], t.pay.most, purpose, &in)
		} else {
			amount += int64(in.further(purpose, uint64(t.pay.most-t.pay.least)+1))
		}
	}
	t.countAmount(prize, z, amount)
	if c.burn != nil && z.cash {
		c.burn.at(t.now).pay(amount)
	}
	if !m.tracks {
		return
	}
	*to = AmountPaid{amount, t.pay.least, t.pay.most}
	k := c.money
	p := &k.prizes[z.at]
	p.sum = mustAdd(p.sum, amount)
	if z.split == SplitDeck {
		p.deal(amount)
	}
	if !z.cash {
		return
	}
	k.spent = mustAdd(k.spent, amount)
	day := t.own.windows[WindowDay]
	k.today = mustAdd(k.on(day), amount)
	k.day = max(k.day, day)
	if m.rounds {
		round := t.own.windows[WindowSession]
		k.inRound = mustAdd(k.inSession(round), amount)
		k.round = max(k.round, round)
	}
	if m.user >= 0 {
		row := t.campaign[ScopeUser].data
		binary.LittleEndian.PutUint64(row[m.user:], uint64(mustAdd(t.paidToUser(), amount)))
	}
}

// mustAdd adds amounts whose sum was bounded before.
func mustAdd(a, b int64) int64 {
	sum, ok := addAmounts(a, b)
	if !ok {
		panic("BUG: a sum of amounts that was not bounded")
	}
	return sum
}

// draw takes one of the cards that are left and at most as large as most, each with the same chance.
func (z *payPlan) draw(p *paid, most int64, purpose uint32, in *wordInput) int64 {
	left := uint64(0)
	for i := range z.cards {
		if c := &z.cards[i]; c.Amount <= most {
			left += uint64(c.Count - min(c.Count, p.times(c.Amount)))
		}
	}
	at := in.further(purpose, left)
	for i := range z.cards {
		c := &z.cards[i]
		n := uint64(c.Count - min(c.Count, p.times(c.Amount)))
		if at < n {
			return c.Amount
		}
		at -= n
	}
	panic("BUG: a card beyond the deck")
}

// countAmount moves the caps on amounts.
func (t *tx) countAmount(prize int, z *payPlan, amount int64) {
	for i := range t.plan.amounts {
		if k := &t.plan.amounts[i]; k.covers(prize, z) {
			k.add(t.campaign[k.scope].data, &t.own, uint32(amount)) // at most what was free, so it fits
		}
	}
	for i := range t.rules.amounts {
		if k := &t.rules.amounts[i]; z.cash {
			k.add(t.everyone[k.scope].data, &t.shared, uint32(amount))
		}
	}
}

// amountOut reports whether the caps on amounts leave less than the prize pays at least; for a reader: will for a while.
func (t *tx) amountOut(prize int, s sight) bool {
	if t.plan.money == nil {
		return false
	}
	z := &t.plan.money.pays[prize]
	if !z.pays {
		return false
	}
	need := uint32(min(max(z.lowest(), 1), math.MaxUint32))
	for i := range t.plan.amounts {
		if k := &t.plan.amounts[i]; k.covers(prize, z) && !k.deny && k.short(t.campaign[k.scope].data, &t.own, s, need) {
			return true
		}
	}
	for i := range t.rules.amounts {
		if k := &t.rules.amounts[i]; z.cash && k.short(t.everyone[k.scope].data, &t.shared, s, need) {
			return true
		}
	}
	return false
}

// lowest returns the least that any win of the prize can pay.
func (z *payPlan) lowest() int64 {
	if z.split == SplitDeck {
		return z.cards[0].Amount
	}
	return z.least
}

// short reports whether less than need fits, and for a reader: will for a while.
func (k *counter) short(row []byte, m *moment, s sight, need uint32) bool {
	if k.free(row, m) >= need {
		return false
	}
	resets := k.resets(row, m, need)
	return resets == 0 || resets > s.now+s.margin
}

// checkAmounts compares splits that need the count of wins with the books: a stock that a version leaves out is the one
// that is there.
func (x *publication) checkAmounts(v *Version) error {
	for i := range v.Amounts {
		a := &v.Amounts[i]
		p := &v.Prizes[a.Prize]
		if a.Split != SplitDoubleMean && a.Split != SplitDeck || p.Stock != StockUnstated {
			continue
		}
		cell := &x.books[x.books.find(p.ID)]
		known := *p
		if known.Stock = cell.Total; cell.Unlimited {
			known.Stock = Unlimited
		}
		if !a.valid(&known) {
			return fmt.Errorf("prize %q has %d units: its amounts do not fit that", p.ID, cell.left())
		}
	}
	return nil
}
