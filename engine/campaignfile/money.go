package campaignfile

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// amountEntry is a prize's amount as it is read.
type amountEntry struct {
	engine.Amount
	faulty bool // some value could not be read: the checks are skipped

	at, fixedAt, minAt, maxAt, budgetAt, cardsAt value
}

// splitNames are the wire names of engine.Split, by number; the first is written as "fixed: n".
var splitNames = []string{"fixed", "uniform", "double_mean", "deck"}

func (c *campaign) readAmount(v value, p *prizeEntry) {
	if v.kind == kindNumber {
		c.fault(v, "must be {fixed: %s}, in minor units", v.node.text)
		return
	}
	before := len(c.faults)
	a := &amountEntry{at: v}
	money := func(into *int64, at *value) func(value) {
		return func(v value) {
			*at = v
			*into, _ = c.integer(v, 1, maxValue)
		}
	}
	c.object(v, []field{
		{name: "fixed", required: !hasKey(v, "split"), read: money(&p.Amount, &a.fixedAt)},
		{name: "split", read: func(v value) {
			i, _ := c.choice(v, splitNames[engine.SplitUniform:])
			a.Split = engine.Split(i + 1)
		}},
		{name: "min", read: money(&a.Least, &a.minAt)},
		{name: "max", read: money(&a.Most, &a.maxAt)},
		{name: "budget", read: money(&a.Budget, &a.budgetAt)},
		{name: "cards", read: func(v value) {
			a.cardsAt = v
			c.list(v, engine.MaxCards, func(_ int, v value) { c.readCard(v, a) })
		}},
	})
	a.faulty = len(c.faults) > before
	p.pays = a
}

func (c *campaign) readCard(v value, a *amountEntry) {
	var card engine.Card
	c.object(v, []field{
		{name: "amount", required: required, read: func(v value) { card.Amount, _ = c.integer(v, 1, maxValue) }},
		{name: "count", required: required, read: func(v value) {
			n, _ := c.integer(v, 1, maxCards)
			card.Count = uint32(n)
		}},
	})
	if n := len(a.Cards); n > 0 && card.Amount <= a.Cards[n-1].Amount {
		c.fault(v, "amounts must ascend, and none may come twice")
	}
	a.Cards = append(a.Cards, card)
}

// checkSplit finds what does not fit together in a prize's amount.
func (c *campaign) checkSplit(p *prizeEntry) {
	a := p.pays
	if a == nil || a.faulty {
		return
	}
	need := func(at value, name, why string) {
		if at.node == nil {
			c.add(a.at.pointer+"/"+name, problem.InvalidField, a.at.at, "%s is missing: %s", name, why)
		}
	}
	refuse := func(at value, name string) {
		if at.node != nil {
			c.fault(at, "%s says nothing of a split %s: remove it", name, splitNames[a.Split])
		}
	}
	switch a.Split {
	case engine.SplitFixed:
		refuse(a.minAt, "min")
		refuse(a.maxAt, "max")
		refuse(a.cardsAt, "cards")
	case engine.SplitUniform:
		refuse(a.fixedAt, "fixed")
		refuse(a.cardsAt, "cards")
		need(a.minAt, "min", "every amount from min to max has the same chance")
		need(a.maxAt, "max", "every amount from min to max has the same chance")
	case engine.SplitDoubleMean:
		refuse(a.fixedAt, "fixed")
		refuse(a.cardsAt, "cards")
		need(a.minAt, "min", "no win pays less")
		need(a.budgetAt, "budget", "it is what the wins share, to the last unit")
	case engine.SplitDeck:
		refuse(a.fixedAt, "fixed")
		refuse(a.minAt, "min")
		refuse(a.maxAt, "max")
		need(a.cardsAt, "cards", "a deck is a list like [{amount: 100, count: 50}, …]")
	}
	if a.minAt.node != nil && a.maxAt.node != nil && a.Least > a.Most {
		c.fault(a.maxAt, "is %d, less than min", a.Most)
	}
	c.checkCount(p)
}

// checkCount compares splits that need the count of wins with the stock.
func (c *campaign) checkCount(p *prizeEntry) {
	a := p.pays
	if a.Split != engine.SplitDoubleMean && a.Split != engine.SplitDeck || a.Split == engine.SplitDeck && len(a.Cards) == 0 {
		return
	}
	var sum, count int64
	for _, card := range a.Cards {
		if card.Amount > (maxValue-sum)/int64(card.Count) {
			c.fault(a.cardsAt, "the cards sum to more than %d", int64(maxValue))
			return
		}
		sum, count = sum+card.Amount*int64(card.Count), count+int64(card.Count)
	}
	if a.Split == engine.SplitDeck {
		if a.budgetAt.node != nil && a.Budget != sum {
			c.fault(a.budgetAt, "is %d, the cards sum to %d: write that, or remove budget", a.Budget, sum)
		}
		a.Budget = sum
	}
	switch wins := int64(p.Stock) / int64(max(p.Units, 1)); {
	case p.Stock == engine.Unlimited:
		c.fault(p.stockAt, "a split %s needs to know how many wins share the budget: write a number of units", splitNames[a.Split])
	case p.Stock < 0: // unstated: the engine compares with the stock that is there
	case p.Stock%engine.Quantity(max(p.Units, 1)) != 0:
		c.fault(p.stockAt, "is %d, no multiple of the %d units of one win: part of the budget could not be paid", p.Stock, p.Units)
	case a.Split == engine.SplitDeck && count != wins:
		c.fault(a.cardsAt, "are %d, the stock allows %d wins", count, wins)
	case a.Split == engine.SplitDoubleMean && a.Least > 0 && a.Budget > 0 && wins > a.Budget/a.Least:
		c.fault(a.budgetAt, "is %d, less than %d wins of at least %d need", a.Budget, wins, a.Least)
	case a.Split == engine.SplitDoubleMean && a.Most > 0 && wins < (a.Budget+a.Most-1)/a.Most:
		c.fault(a.budgetAt, "is %d, more than %d wins of at most %d can pay", a.Budget, wins, a.Most)
	}
}

func (c *campaign) readBudget(v value) {
	b := &c.version.Budget
	money := func(into *int64) func(value) {
		return func(v value) { *into, _ = c.integer(v, 1, maxValue) }
	}
	c.budgetAt = v
	c.object(v, []field{
		{name: "campaign", read: money(&b.Campaign)},
		{name: "session", read: func(v value) {
			c.roundAt = v
			b.Session, _ = c.integer(v, 1, maxValue)
		}},
		{name: "day", read: money(&b.Day)},
		{name: "user", read: money(&b.User)},
	})
	if v.kind == kindMap && len(v.keys) == 0 {
		c.fault(v, "must bound something: campaign, session, day or user, in minor units")
	}
}

// checkMoney finds what is wrong with amounts, budgets and caps on amounts together.
func (c *campaign) checkMoney() {
	cash := false
	for i := range c.prizes {
		c.checkSplit(&c.prizes[i])
		cash = cash || c.prizes[i].stated && c.prizes[i].Kind == engine.KindCash
	}
	if c.roundAt.node != nil && c.sessions == nil {
		c.fault(c.roundAt, "there are no sessions: use campaign or day")
	}
	if c.budgetAt.node != nil && !cash {
		c.warn(c.budgetAt, "budget_without_cash", "no prize is of kind cash: the budget bounds nothing")
	}
	for i := range c.caps {
		e := &c.caps[i]
		if e.Counts != engine.CountAmount || !e.counted {
			continue
		}
		if at := c.prize(e.prize); e.prizeAt.node != nil && at >= 0 && c.prizes[at].amountAt.node == nil {
			c.fault(e.prizeAt, "prize %q pays no amount", e.prize)
		} else if e.prizeAt.node == nil && !cash {
			c.warn(e.at, "cap_without_cash", "no prize is of kind cash: cap %q counts nothing", e.ID)
		}
	}
}

func (c *campaign) compileAmounts() {
	for i := range c.prizes {
		a := c.prizes[i].pays
		if a == nil || a.Split == engine.SplitFixed && a.Budget == 0 {
			continue
		}
		a.Prize = int16(i)
		c.version.Amounts = append(c.version.Amounts, a.Amount)
	}
}

// amountForm returns the canonical form of what a prize pays; nil for nothing.
func amountForm(v *engine.Version, prize int) *amountDocument {
	for i := range v.Amounts {
		a := &v.Amounts[i]
		if int(a.Prize) != prize || a.Split == engine.SplitFixed {
			continue
		}
		d := &amountDocument{Split: splitNames[a.Split], Min: a.Least, Max: a.Most, Budget: a.Budget}
		if a.Split == engine.SplitDeck {
			d.Budget = 0 // the cards say it
		}
		for _, card := range a.Cards {
			d.Cards = append(d.Cards, cardDocument(card))
		}
		return d
	}
	if v.Prizes[prize].Amount == 0 {
		return nil
	}
	d := &amountDocument{Fixed: v.Prizes[prize].Amount}
	for i := range v.Amounts {
		if int(v.Amounts[i].Prize) == prize {
			d.Budget = v.Amounts[i].Budget
		}
	}
	return d
}

type cardDocument struct {
	Amount int64  `json:"amount"`
	Count  uint32 `json:"count"`
}

type budgetDocument struct {
	Campaign int64 `json:"campaign,omitempty"`
	Session  int64 `json:"session,omitempty"`
	Day      int64 `json:"day,omitempty"`
	User     int64 `json:"user,omitempty"`
}

func budgetForm(b engine.Budget) *budgetDocument {
	if b == (engine.Budget{}) {
		return nil
	}
	d := budgetDocument(b)
	return &d
}

// worseMoney reports how next pays less than live: budgets and amounts may only rise. A budget that goes away favours
// users, one that comes does not.
func worseMoney(live, next *engine.Version, take func(string, string, ...any)) {
	was, now := live.Budget, next.Budget
	for _, b := range []struct {
		name     string
		was, now int64
	}{
		{"campaign", was.Campaign, now.Campaign}, {"session", was.Session, now.Session}, {"day", was.Day, now.Day}, {"user", was.User, now.User},
	} {
		if tighter(b.was, b.now) {
			take("/budget/"+b.name, "was %s: a budget may only rise", bound(b.was))
		}
	}
	for i := range live.Prizes {
		for j := range next.Prizes {
			if next.Prizes[j].ID == live.Prizes[i].ID {
				worseAmount(amountIn(live, i), amountIn(next, j), j, take)
			}
		}
	}
}

func tighter(was, now int64) bool { return now != 0 && (was == 0 || now < was) }

func bound(n int64) any {
	if n == 0 {
		return "not bounded"
	}
	return n
}

// amountIn returns what a prize pays as a split, also when that is the same every time.
func amountIn(v *engine.Version, prize int) engine.Amount {
	for i := range v.Amounts {
		if int(v.Amounts[i].Prize) == prize {
			return v.Amounts[i]
		}
	}
	return engine.Amount{}
}

func worseAmount(was, now engine.Amount, prize int, take func(string, string, ...any)) {
	pointer := pointerTo("prizes", prize, "amount")
	switch {
	case was.Split != now.Split:
		take(pointer, "was split otherwise: %s", splitNames[was.Split])
	case tighter(was.Budget, now.Budget):
		take(pointer, "the budget was %s: it may only rise", bound(was.Budget))
	case now.Least < was.Least:
		take(pointer, "min was %d: it may only rise", was.Least)
	case tighter(was.Most, now.Most):
		take(pointer, "max was %s: it may only rise", bound(was.Most))
	}
	for _, card := range was.Cards {
		left := uint32(0)
		for _, c := range now.Cards {
			if c.Amount == card.Amount {
				left = c.Count
			}
		}
		if left < card.Count {
			take(pointer, "there were %d cards of %d: their count may only rise", card.Count, card.Amount)
		}
	}
}
