package engine

import "github.com/drawd/drawd/engine/problem"

// poolGiving returns the pool that a prize of a version gives from, nil for none.
func (c *Campaign) poolGiving(v *Version, prize int) *Pool {
	z, ok := v.PoolOf(prize)
	if !ok {
		return nil
	}
	p, _ := c.namespace.Pool([]byte(z.Pool))
	return p
}

// soundPools checks the books of the pools that a void moves. Every shard is locked.
func (t *tx) soundPools(x *voiding) problem.Code {
	for i := range x.given {
		if p := x.given[i].pool; p != nil {
			p.mu.Lock()
			broken := p.fenced != "" || p.unbalanced() != ""
			p.mu.Unlock()
			if broken {
				return problem.CampaignFenced
			}
		}
	}
	return problem.OK
}

// takeBackPool takes what a draw gave out of a pool back into it, or out of the game: the units that were issued, or the hold
// that was won, as far as it has not ended by itself. Every shard is locked.
func (t *tx) takeBackPool(v *voiding, g *givenBack) {
	c, p, fault := v.campaign, g.pool, v.command.Fault
	p.mu.Lock()
	defer p.mu.Unlock()
	c.books[g.cell].Issued -= g.units
	if t.store == nil {
		t.store = new(stocking)
	}
	x := t.store
	x.n = c.namespace
	m, _ := v.draw.Moves()
	if m.Deadline != 0 {
		t.takeBackHold(x, v, g, HoldRef{v.command.At, m.Home})
		return
	}
	if p.books.Issued < g.units || v.gone(g) {
		return
	}
	x.view.load(x.n, &t.draw.User)
	p.books.Issued -= g.units
	v.backTo(g, g.units)
	if a := x.view.account(p.ref); x.view.data != nil && fault == VoidSystem {
		x.view.create()
		a.issued -= min(a.issued, uint32(g.units))
		x.view.keep(p.ref, a)
	}
}

// backTo gives units back to a pool, or withdraws them. mu is held.
func (v *voiding) backTo(g *givenBack, n Quantity) {
	p := g.pool
	p.mu.seq++
	if v.command.Fault == VoidAbuse {
		p.books.Withdrawn += n
	} else {
		p.books.Available += n
		p.rise()
		v.refunds |= VoidStock
	}
	g.move = HoldMove{Pool: p.ref, Units: n, Seq: p.mu.seq, Available: p.books.Available}
}

// note puts into the record of a void what it moved in a pool.
func (g *givenBack) note(v *voiding, rec *Record) {
	if g.pool == nil {
		return
	}
	if rec.Total = g.move.Units; rec.Total > 0 {
		m, _ := v.draw.Moves()
		m = HoldMoves{Home: m.Home, Count: 1, Items: [MaxHoldItems]HoldMove{g.move}}
		rec.Sections = m.append(nil)
	}
}

// takeBackHold ends the hold that a draw won.
func (t *tx) takeBackHold(x *stocking, v *voiding, g *givenBack, h HoldRef) {
	p := g.pool
	part, row, ok := x.n.findHold(h)
	if !ok {
		return // forgotten: it has ended long ago
	}
	x.ref, x.part, x.row, x.data = h, part, row, part.Payload(row)
	owner := x.data.owner()
	if string(owner[:subjectKeyBytes]) != string(t.draw.User[:subjectKeyBytes]) || x.data.count() != 1 {
		return // another's: the command names another place
	}
	x.count, x.items[0], x.pools[0] = 1, x.data.item(0), p
	item, deadline, state, open := x.items[0], x.data.deadline(), x.data.state(), x.data.open(t.now)
	agenda := p.agendaOf(x.data.forfeit())
	switch {
	case open && !agenda.has(deadline+item.back, item.units), state == StateConfirmed && p.books.Issued < item.units:
		return
	case state != StateHeld && state != StateConfirmed:
		return // it was given back, or voided by itself
	}
	x.view.load(x.n, &owner)
	t.finish(x, byte(StateVoided)|x.data[holdStateAt]&holdPart|byte(v.command.Fault)<<holdFaultShift)
	a := x.view.account(p.ref)
	switch {
	case state == StateConfirmed:
		p.books.Issued -= item.units
		v.backTo(g, item.units)
		a.issued -= min(a.issued, uint32(item.units))
	case open:
		agenda.remove(deadline+item.back, item.units)
		p.books.Held -= item.units
		v.backTo(g, item.units)
		if a.made < maxMade {
			a.made -= min(a.made, 1)
		}
	default: // it has expired, and its units with it; what return_jitter still keeps is kept
		p.spreadOn(agenda, deadline+item.back, item.units, t.now)
		return
	}
	if v.command.Fault == VoidSystem {
		x.view.keep(p.ref, a)
	}
}

// spreadOn keeps units of an expired hold that have not come back yet, now that the hold's row says voided.
func (p *Pool) spreadOn(from *agenda, second uint32, n Quantity, now UnixMilli) {
	if second > secondOf(now) && from == &p.holds && from.has(second, n) {
		from.remove(second, n)
		p.spread.add(second, n)
	}
}
