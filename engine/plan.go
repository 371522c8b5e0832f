package engine

// plan is a version made ready for the ladder: prefix sums, and caps and prizes resolved to their places. Immutable.
type plan struct {
	version  *Version
	zone     zone
	whole    set         // every prize: the set of a version without sessions and channels
	prizes   []prizePlan // in file order
	draws    []counter   // caps counting draws, in file order, of all scopes
	wins     []counter   // caps counting wins
	amounts  []counter   // caps counting amounts
	money    *moneyPlan  // nil when no prize pays an amount
	ofUser   []counter   // caps of the user's scope, in file order: what a record keeps
	needs    [scopes]bool
	denyWins bool         // some cap on wins or amounts denies when it is reached
	shares   [scopes]bool // of the namespace's rows too, for more than its policy
	pity     *pityPlan    // nil for none
	places   []uint8      // of each cap of the version, its number in the campaign's layout
}

// set is what a draw can win: the prizes of its session and channel, with their weights.
type set struct {
	sums     []uint32  // prefix sums of the weights
	ordinals []int16   // of each, its index in plan.prizes
	soft     []softSet // under soft pity, by draw of the row, ascending
}

// pick returns the prize, an index into plan.prizes, whose share of the denominator value falls into; or NoPrize.
func (s *set) pick(value uint64) int {
	if at := pick(s.sums, value); at != NoPrize {
		return int(s.ordinals[at])
	}
	return NoPrize
}

// prizePlan is a prize with its cell.
type prizePlan struct {
	cell     int // index into Campaign.cells
	units    Quantity
	fallback int // index into plan.prizes, or -1
	thanks   bool
}

// compile resolves a version against the campaign's layout and cells, which must have claimed its caps and prizes.
func (c *Campaign) compile(v *Version) *plan {
	p := &plan{version: v, zone: zone{v.Transitions}}
	var sum uint32
	for i := range v.Prizes {
		z := &v.Prizes[i]
		sum += z.Weight
		p.whole.sums = append(p.whole.sums, sum)
		p.whole.ordinals = append(p.whole.ordinals, int16(i))
		p.prizes = append(p.prizes, prizePlan{
			cell: c.books.find(z.ID), units: Quantity(z.Units), fallback: int(z.Fallback), thanks: z.Kind == KindThanks,
		})
	}
	if p.pity = c.compilePity(v); p.pity != nil {
		p.shares[ScopeUser] = p.pity.shared
		own := make([]uint32, len(v.Prizes))
		for i := range v.Prizes {
			own[i] = v.Prizes[i].Weight
		}
		p.pity.soften(&p.whole, own)
	}
	for i := range v.Caps {
		p.places = append(p.places, c.layout.number(v.Caps[i].ID))
		k := newCounter(c.layout.find(v.Caps[i].ID), i, v.Caps[i].Limit)
		k.prize, k.deny = v.Caps[i].Prize, v.Caps[i].DenyWhenReached
		p.needs[k.scope] = true
		switch v.Caps[i].Counts {
		case CountDraws:
			p.draws = append(p.draws, k)
		case CountWins:
			p.wins = append(p.wins, k)
		case CountAmount:
			p.amounts = append(p.amounts, k)
		}
		p.denyWins = p.denyWins || k.deny
		if k.scope == ScopeUser {
			p.ofUser = append(p.ofUser, k)
		}
	}
	p.money = c.compileMoney(v)
	return p
}
