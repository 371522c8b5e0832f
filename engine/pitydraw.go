package engine

import "encoding/binary"

// pityTurn is what the pities do in one sub-draw.
type pityTurn struct {
	before   [MaxPities]uint16
	rule     int   // index of the pity that gives a prize; -1 for none
	reserve  int   // index of the reserve that the prize comes from; -1 for none
	unfunded uint8 // a bit for each pity that was due and had nothing left to give
}

// table returns the set that the sub-draw picks from: with a soft pity that of the user's counter.
func (t *tx) table() *set {
	if len(t.set.soft) == 0 {
		return t.set
	}
	draw := int(t.plan.pity.rules[t.plan.pity.soft].counter(t)) + 1
	best := t.set
	for i := range t.set.soft {
		if s := &t.set.soft[i]; s.from <= draw {
			best = &s.set
		}
	}
	return best
}

// pity is rung 8, before anything of the sub-draw is written: prize is what it would give by itself, what comes back is
// what it gives. The first pity of the file that is due decides: a win of its group stays as it is, anything else is
// replaced by the first prize of its list that can be given. A pity that is due and has nothing to give lets the next
// one decide.
func (t *tx) pity(c *Campaign, prize int) int {
	turn := &t.turn
	*turn = pityTurn{rule: -1, reserve: -1}
	p := t.plan.pity
	for i := range p.rules {
		turn.before[i] = p.rules[i].counter(t)
	}
	for i := range p.rules {
		r := &p.rules[i]
		if !r.due(turn.before[i]) {
			continue
		}
		if r.ends(prize) {
			break
		}
		if r.extra && prize != NoPrize {
			turn.rule = i // on top of the win: what can be given is known when the win is counted
			break
		}
		if given, reserve := t.fund(c, i); given != NoPrize {
			turn.rule, turn.reserve = i, reserve
			return given
		}
	}
	return prize
}

// extra gives the prize of a pity that leaves the draw's own win alone, and returns it.
func (t *tx) extra(c *Campaign, prize int) int {
	turn := &t.turn
	if turn.rule < 0 || prize == NoPrize || t.plan.pity.rules[turn.rule].ends(prize) {
		return NoPrize
	}
	rule := turn.rule
	turn.rule = -1
	given, reserve := t.fund(c, rule)
	if given != NoPrize {
		turn.rule, turn.reserve = rule, reserve
		t.award(c, given)
		t.countWin(given)
	}
	return given
}

// fund returns the first prize of a pity's list that can be given to this user, and the reserve that it comes from.
// When every reserve is out, the pity is unfunded.
func (t *tx) fund(c *Campaign, rule int) (prize, reserve int) {
	r, funded := &t.plan.pity.rules[rule], false
	for _, z := range r.prizes {
		if z.reserve >= 0 && c.reserves[z.reserve].left < t.plan.prizes[z.prize].units {
			continue
		}
		funded = true
		if !c.books[c.pityCell(t, z)].Off && t.withheld(c, z.prize) == CauseNone {
			return z.prize, z.reserve
		}
	}
	if !funded {
		t.turn.unfunded |= 1 << rule
	}
	return NoPrize, -1
}

// pityCell returns the books that a pity's prize comes from: the reserve's, or of an unlimited prize its own. A reserve
// is of the campaign's stock, so a pity gives its prizes in every session, also in one that does not have them.
func (c *Campaign) pityCell(t *tx, z pityPrize) int {
	if z.reserve >= 0 {
		return c.reserves[z.reserve].cell
	}
	return t.plan.prizes[z.prize].cell
}

// unbalancedPity returns the rule that the books of the pities that are due break, before anything is written.
func (t *tx) unbalancedPity(c *Campaign) string {
	for i := range t.plan.pity.rules {
		r := &t.plan.pity.rules[i]
		if !r.due(r.counter(t)) {
			continue
		}
		for _, z := range r.prizes {
			if z.reserve < 0 {
				continue
			}
			own := &c.reserves[z.reserve]
			if cell := &c.books[own.cell]; !cell.balanced() || own.left < 0 || c.reserves.sum(own.cell) != cell.Reserved {
				return "reserve of " + cell.ID
			}
		}
	}
	return ""
}

// issueReserved takes the units of a prize out of a pity's reserve.
func (c *Campaign) issueReserved(p *prizePlan, reserve int) {
	r := &c.reserves[reserve]
	cell := &c.books[r.cell]
	if r.left < p.units || cell.Reserved < r.left || !cell.balanced() {
		panic("BUG: issuing from a reserve that was not checked: " + cell.ID)
	}
	r.left, r.given = r.left-p.units, r.given+p.units
	cell.Reserved -= p.units
	cell.Issued += p.units
}

// settlePity gives what comes on top, moves the counters, and appends both to what the record says.
func (t *tx) settlePity(c *Campaign, prize int) {
	turn, p, extra := &t.turn, t.plan.pity, t.extra(c, prize)
	t.more = append(t.more, recordPity, byte(pityFixed+pityEach*len(p.rules)), byte(turn.rule+1), turn.unfunded)
	t.more = binary.LittleEndian.AppendUint16(t.more, uint16(extra))
	for i := range p.rules {
		r, n := &p.rules[i], turn.before[i]
		switch {
		case r.ends(prize) || r.ends(extra):
			n = 0
		case n < r.most:
			n++
		}
		binary.LittleEndian.PutUint16(r.row(t)[r.at:], n)
		t.more = binary.LittleEndian.AppendUint16(t.more, turn.before[i])
		t.more = binary.LittleEndian.AppendUint16(t.more, n)
	}
}

// The section of a record that holds the pities: u8 1 + index of the pity that gave a prize (0 none), u8 a bit for each
// pity that was due and unfunded, i16 extra prize (-1 none), then for each pity of the version u16 before, u16 after.
const (
	pityFixed = 4
	pityEach  = 4
)

// PityMoves is what the pities of a version did in one sub-draw.
type PityMoves struct {
	Given    int   // index into Version.Pity of the one that gave a prize; -1 for none
	Extra    int   // prize given on top of the record's own; NoPrize for none
	Unfunded uint8 // a bit for each pity that was due and had nothing left in reserve
	Count    int   // number of pities; 0 for a version without
	Before   [MaxPities]uint16
	After    [MaxPities]uint16
}

// Pity returns what the pities did in a draw. ok is false for a record of a version without pity.
func (r *Record) Pity() (m PityMoves, ok bool) {
	for b := r.Sections; len(b) > 0; {
		tag, body, rest, ok := nextSection(b)
		if !ok {
			break
		}
		if tag == recordPity {
			return m, m.decode(body)
		}
		b = rest
	}
	return PityMoves{Given: -1, Extra: NoPrize}, false
}

func (m *PityMoves) decode(b []byte) bool {
	n := (len(b) - pityFixed) / pityEach
	if n < 1 || n > MaxPities || len(b) != pityFixed+n*pityEach || int(b[0]) > n || int(b[1])>>n != 0 {
		return false
	}
	*m = PityMoves{Given: int(b[0]) - 1, Unfunded: b[1], Extra: int(int16(binary.LittleEndian.Uint16(b[2:]))), Count: n}
	if m.Extra < NoPrize || m.Extra >= MaxPrizes || m.Extra != NoPrize && m.Given < 0 {
		return false
	}
	for i := range n {
		m.Before[i] = binary.LittleEndian.Uint16(b[pityFixed+i*pityEach:])
		m.After[i] = binary.LittleEndian.Uint16(b[pityFixed+2+i*pityEach:])
	}
	return true
}

// PityUse is one pity as a user sees it.
type PityUse struct {
	ID      string
	Counter uint32 // draws in a row without a win of the group
	Within  uint32 // the draw of the row that is a win; 0 for a pity that is soft only
	Due     bool   // the next draw is a win of the group, if there is anything left to give
}

// pityUse returns the counters of the user whose rows were looked at.
func (t *tx) pityUse() (all []PityUse) {
	if t.plan.pity == nil {
		return nil
	}
	for i := range t.plan.pity.rules {
		r, y := &t.plan.pity.rules[i], &t.plan.version.Pity[i]
		n := r.counter(t)
		all = append(all, PityUse{ID: y.ID, Counter: uint32(n), Within: y.Within, Due: r.due(n)})
	}
	return all
}
