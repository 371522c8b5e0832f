package engine

import "encoding/binary"

// poolTurn is what a sub-draw takes out of pools.
type poolTurn struct {
	was   [MaxPoolsPerCampaign]Quantity // what was available before the draw
	given bool                          // the sub-draw in hand took units: recordPool
	could bool                          // a pool that the draw can come to has units
	owes  uint64                        // rows of the user as an owner, and of his accounts, that the draw can add: they were counted
	fresh bool                          // he is none yet
	seen  bool                          // at rung 5 some pool could give something
}

// lockPools takes the locks of the version's pools, ascending, behind the campaign's.
func (t *tx) lockPools() {
	for i, p := range t.plan.pools.pools {
		p.mu.Lock()
		t.pooled.was[i] = p.books.Available
	}
}

func (t *tx) unlockPools() {
	for _, p := range t.plan.pools.pools {
		p.mu.Unlock()
	}
}

// endPools says what the draw made of its pools, behind the draw's own records, and lets their locks go.
func (t *tx) endPools(c *Campaign) {
	if t.pooled.owes > 0 {
		added := t.store.view.opened
		if t.pooled.fresh {
			added++
		}
		t.dismissOwner(c, added)
	}
	for i, p := range t.plan.pools.pools {
		t.notePool(p, t.pooled.was[i])
	}
	t.unlockPools()
}

// returning reports whether, as a library, units come back to pools by t.now that the draw must see. A shard is locked.
func (t *tx) returning(c *Campaign) bool {
	return t.library && c.plan.Load().pools != nil && int64(t.now) >= t.world.returns.Load()
}

// poolsGive reports whether some prize from a pool can still be given to somebody: held units do not count, those that no
// opening has released do. A reader counts what comes back within its margin. It takes the pools' locks one by one.
func (t *tx) poolsGive(c *Campaign, s sight) bool {
	t.pooled.seen = false
	for i := range t.plan.prizes {
		z := &t.plan.prizes[i]
		if z.pool == nil || z.absent || c.books[z.cell].Off {
			continue
		}
		p := z.pool.pool
		p.mu.Lock()
		gives := p.gives(z.units, s)
		p.mu.Unlock()
		if gives {
			t.pooled.seen = true
			break
		}
	}
	return t.pooled.seen
}

// gives reports whether the pool has so many units, now or once it opens. mu is held.
func (p *Pool) gives(units Quantity, s sight) bool {
	terms := p.terms.Load()
	if p.fenced != "" {
		return true // the draw says so
	}
	if terms.ClosesAt != 0 && s.logTime >= terms.ClosesAt {
		return false
	}
	second := secondOf(s.now + s.margin)
	return p.books.Available+p.books.Unreleased+p.holds.until(second)+p.spread.until(second) >= units
}

// poolsMoved reports whether, as a library, what rung 5 saw of the pools is no longer so. Their locks are held.
func (t *tx) poolsMoved(c *Campaign) bool {
	if c.winnable.Load() != 0 {
		return false
	}
	now := false
	for i := range t.plan.prizes {
		z := &t.plan.prizes[i]
		now = now || z.pool != nil && !z.absent && !c.books[z.cell].Off && z.pool.pool.gives(z.units, sight{logTime: t.now, now: t.now})
	}
	return now != t.pooled.seen
}

// fencedPool reports whether the books of one of the version's pools were found broken: no draw goes on without them, so
// that a fault of the system never becomes a miss. The pools' locks are held.
func (t *tx) fencedPool() bool {
	for _, p := range t.plan.pools.pools {
		if p.fenced != "" {
			return true
		}
	}
	return false
}

// unbalancedPool returns the rule that the books of one of the version's pools break, before anything is written.
func (t *tx) unbalancedPool() string {
	for _, p := range t.plan.pools.pools {
		if rule := p.unbalanced(); rule != "" {
			return "pool: " + rule
		}
	}
	return ""
}

// meetOwner looks the user up as an owner, if a pool could give him something. The pools' locks are held.
func (t *tx) meetOwner(d *Draw, c *Campaign, natural int) {
	t.pooled.could, t.pooled.owes = false, 0
	for i := range t.plan.prizes {
		t.pooled.could = t.pooled.could || t.canCome(d, natural, i)
	}
	if !t.pooled.could {
		return
	}
	if t.store == nil {
		t.store = new(stocking)
	}
	t.store.n = c.namespace
	v := &t.store.view
	v.load(c.namespace, &d.User)
	v.opened = 0
	if t.pooled.fresh = v.data == nil; t.pooled.fresh {
		t.pooled.owes = 1
	}
	inline := v.empty()
	for _, p := range t.plan.pools.pools {
		if _, known := v.look(p.ref); !known && t.comesTo(d, natural, p) {
			if !inline {
				t.pooled.owes++
			}
			inline = false
		}
	}
}

// comesTo reports whether the draw can win units of a pool.
func (t *tx) comesTo(d *Draw, natural int, p *Pool) bool {
	for i := range t.plan.prizes {
		if z := t.plan.prizes[i].pool; z != nil && z.pool == p && t.canCome(d, natural, i) {
			return true
		}
	}
	return false
}

// canCome reports whether the draw can come to a prize from a pool which has units for it.
func (t *tx) canCome(d *Draw, natural, prize int) bool {
	z := &t.plan.prizes[prize]
	return z.pool != nil && (d.Times > 1 || t.leadsTo(natural, prize)) && z.pool.pool.books.Available >= z.units
}

// admitOwner counts the rows that the user can get as an owner; false when there is no room for them. As of admitted.
func (t *tx) admitOwner(c *Campaign) bool {
	return countWithin(&c.namespace.stock.rows, t.pooled.owes, t.rules.maxUsers)
}

// dismissOwner takes back what was counted and not added: all of it, when the draw is refused.
func (t *tx) dismissOwner(c *Campaign, added uint64) {
	c.namespace.stock.rows.Add(added - t.pooled.owes)
}

// admitted counts the rows that the draw will add against the namespace's bounds; false when one is reached.
func (t *tx) admitted(c *Campaign) bool {
	users := uint64(0)
	if t.campaign[ScopeUser].data == nil {
		users = 1
	}
	if t.plan.pools == nil {
		return c.namespace.countRows(t.rules, users, 1)
	}
	if t.plan.pools.holds && t.world.minutes.Load()+int64(t.draw.Times) > MaxAgendaMinutes || !t.admitOwner(c) {
		return false
	}
	if c.namespace.countRows(t.rules, users, 1) {
		return true
	}
	t.dismissOwner(c, 0)
	return false
}

// leadsTo reports whether a draw that hits one prize can end at another.
func (t *tx) leadsTo(natural, prize int) bool {
	for at := natural; at >= 0; at = t.plan.prizes[at].fallback {
		if at == prize {
			return true
		}
	}
	return false
}

// outOfPool says why a prize from a pool cannot be given to this user now.
func (t *tx) outOfPool(c *Campaign, prize int) Cause {
	z := &t.plan.prizes[prize]
	p := z.pool.pool
	terms := p.terms.Load()
	switch {
	case t.now < terms.OpensAt:
		return CauseNotReleased
	case terms.ClosesAt != 0 && t.now >= terms.ClosesAt:
		return CauseSoldOut
	case p.books.Available < z.units && p.books.Available+p.books.Unreleased >= z.units:
		return CauseNotReleased
	case p.books.Available < z.units:
		return CauseSoldOut
	}
	if cause := t.withheld(c, prize); cause != CauseNone {
		return cause
	}
	if t.store.view.barred(p, z.units, t.now, z.pool.hold != 0) {
		return CauseUserPrizeCap
	}
	return CauseNone
}

// barred reports whether an owner's bounds in a pool keep him from units of it: what refuses a hold or take.
func (v *ownerView) barred(p *Pool, units Quantity, now UnixMilli, hold bool) bool {
	terms, use := p.terms.Load(), v.use(p, now)
	return hold && v.open(now) >= MaxOpenHolds || use.CooldownUntil > now ||
		terms.MaxUnconfirmed > 0 && use.Unconfirmed >= terms.MaxUnconfirmed ||
		terms.LimitPerOwner > 0 && use.Held+use.Issued+units > terms.LimitPerOwner
}

// drawFromPool gives the units of a prize out of its pool: issued, or held for the user until somebody confirms. The
// campaign's books count them.
func (t *tx) drawFromPool(c *Campaign, p *prizePlan) (left Quantity) {
	x, d, z := t.store, &t.draw, p.pool
	x.count, x.pools[0], x.forfeit = 1, z.pool, z.forfeit
	x.items[0] = heldItem{pool: z.pool.ref, units: p.units}
	x.moves = HoldMoves{Home: RefOf(t.at, &d.User).Home, Count: 1}
	x.view.create()
	deadline := uint32(0)
	if z.hold != 0 {
		x.view.trim(t.now, Location{})
		x.items[0].back = z.pool.putOff(&d.Digest)
		latest := uint32(0)
		deadline, latest = x.times(t.now, z.hold)
		t.holdWon(x, d, deadline, max(latest, deadline))
		x.moves.Deadline = UnixMilli(deadline) * 1000
	}
	t.moveUnits(x, 0, deadline, z.hold == 0)
	x.charge(0, z.hold == 0)
	x.view.load(x.n, &d.User) // a later sub-draw looks at it again
	x.forfeit = false
	c.books[p.cell].Issued += p.units
	t.pooled.given = true
	return z.pool.books.Available
}

// holdWon writes the row of a hold that a draw wins: its place is the draw's record.
func (t *tx) holdWon(x *stocking, d *Draw, deadline, latest uint32) {
	row := x.newRow(HoldRef{t.at, x.moves.Home})
	row[holdCountAt] = 1
	row.setState(byte(StateHeld))
	if x.forfeit {
		row.setState(byte(StateHeld) | holdForfeit)
	}
	row.setDeadline(deadline)
	binary.LittleEndian.PutUint32(row[holdLatestAt:], latest)
	copy(row[holdOwnerAt:], d.User[:subjectKeyBytes])
	row.setItem(0, x.items[0])
	x.view.push(t.at, row)
}

// poolsGive reports whether some prize from a pool can still be given, as of log time. It takes locks.
func (c *Campaign) poolsGive() bool {
	if c.plan.Load().pools == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.world.time()
	t := tx{plan: c.plan.Load()}
	return t.plan.pools != nil && t.poolsGive(c, sight{logTime: now, now: now})
}
