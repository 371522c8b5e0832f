package engine

// plan is a version, in one of its sessions, made ready for the ladder: prefix sums, and caps and prizes resolved to their
// places. Immutable.
type plan struct {
	version  *Version
	zone     zone
	whole    set         // every prize of the session
	prizes   []prizePlan // in file order
	draws    []counter   // caps counting draws, in file order, of all scopes
	wins     []counter   // caps counting wins
	amounts  []counter   // caps counting amounts
	money    *moneyPlan  // nil when no prize pays an amount
	mode     *modePlan   // nil when draws go by weights
	ofUser   []counter   // caps of the user's scope, in file order: what a record keeps
	rows     scopeSet    // whose rows of the campaign a draw needs
	shared   scopeSet    // whose rows of the namespace, for more than its policy
	denyWins bool        // some cap on wins or amounts denies when it is reached
	pity     *pityPlan   // nil for none
	helps    *helpPlan   // nil: users cannot help each other
	codes    []codePlan  // by prize; nil when none hands out unique codes
	places   []uint8     // of each cap of the version, its number in the campaign's layout
	calendar calendar
	channels []set // by index into Version.Channels; nil when the version has none

	audience *Audience           // the version's; nil lets everybody draw
	stamped  bool                // a draw needs the audience's stamp
	slots    [MaxAttributes]int8 // of each attribute its slot in attributeRows, -1 for none
	sparing  bool                // the version names valuable prizes
	chances  *chancePlan         // nil: free
	pools    *poolsPlan          // nil: no prize comes from a pool
	apart    bool                // what a draw takes from the books is done before its rows are touched: see tx.commit
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
	absent   bool      // not in the session in force
	valuable bool      // a restricted user cannot win it
	boosts   bool      // its weight goes to the others while it is out
	pool     *poolPlan // whose units it gives; nil: its own
}

// compile resolves a version, in one of its sessions, against the campaign's layout and cells, which must have claimed its
// caps and prizes. The plan of another session is another plan.
func (c *Campaign) compile(v *Version, in calendar) *plan {
	p := &plan{version: v, zone: zone{v.Transitions}, calendar: in, rows: setOf(ScopeUser)}
	prizes := v.SetOf(in.live)
	p.whole = compileSet(prizes, nil)
	for i := range v.Channels {
		p.channels = append(p.channels, compileSet(prizes, &v.Channels[i]))
	}
	cells := v.cellsIn(in.live)
	for i := range v.Prizes {
		z := &v.Prizes[i]
		p.prizes = append(p.prizes, prizePlan{
			cell: c.cell(cells[i]), units: Quantity(z.Units), fallback: int(z.Fallback), thanks: z.Kind == KindThanks,
			absent: true,
		})
	}
	for _, z := range prizes {
		p.prizes[z.Prize].absent = false
	}
	if p.chances = c.compileChances(v); p.chances != nil && p.chances.purse {
		p.shared = setOf(ScopeUser)
	}
	p.codes = c.compileCodes(v)
	if p.pity = c.compilePity(v); p.pity != nil {
		if p.pity.shared {
			p.shared = setOf(ScopeUser)
		}
		p.pity.soften(&p.whole, p.whole.weights())
		for i := range p.channels {
			p.pity.soften(&p.channels[i], p.channels[i].weights())
		}
	}
	for i := range v.Caps {
		p.places = append(p.places, c.number(&v.Caps[i]))
		k := c.counter(v, i)
		k.prize, k.deny = v.Caps[i].Prize, v.Caps[i].DenyWhenReached
		if !v.Caps[i].Counts.ofHelps() {
			p.rows |= setOf(k.scope)
		}
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
	p.money, p.mode = c.compileMoney(v), compileMode(v)
	for _, b := range v.Boosts {
		p.prizes[b.Prize].boosts = true
	}
	p.compileHelps(c)
	c.compilePools(p, v)
	p.compileAudience(c)
	p.apart = p.pools == nil && p.money == nil && p.mode == nil && p.chances == nil && p.codes == nil && (p.pity == nil || !p.pity.extra())
	return p
}
