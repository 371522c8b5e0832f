package engine

import "github.com/drawd/drawd/engine/problem"

// resolution decides what becomes of the hold that a stocking has found: refuses, or does all of it.
type resolution func(*tx, *stocking) Result

// resolve finds a hold and decides what becomes of it. Nothing refuses that but the hold itself and broken books.
func (t *tx) resolve(x *stocking, ref NamespaceRef, h HoldRef, decide resolution) {
	x.ref = h
	if x.n = t.world.namespace(ref); x.n == nil {
		t.result = refuse(problem.NamespaceNotFound)
		return
	}
	home := h.homeKey()
	for decided := false; !decided; {
		t.bringStock()
		mu := t.lockHome(&home)
		decided = t.resolveHome(x, false, true, decide)
		unlockHome(mu)
	}
}

// resolveHome decides what becomes of a hold or take whose home's shard is locked. place: it takes a position; what it
// reports is as of acquireHome.
func (t *tx) resolveHome(x *stocking, taken, place bool, decide resolution) bool {
	part, row, ok := x.n.findHold(x.ref)
	if !ok || holdRow(part.Payload(row)).taken() != taken {
		t.result = refuse(problem.HoldNotFound)
		return true
	}
	x.part, x.row, x.data = part, row, part.Payload(row)
	x.count = x.data.count()
	for i := range x.count {
		x.items[i] = x.data.item(i)
		x.pools[i] = x.n.pool(x.items[i].pool)
	}
	owner := x.data.owner()
	x.meet(&owner)
	x.lock()
	defer x.unlock()
	if place && !t.takeStockPosition(true) {
		return false
	}
	if r, sound := t.sound(x); !sound {
		t.result = r
		return true
	}
	t.result = decide(t, x)
	return true
}

// resolved begins the record of what became of the hold.
func (x *stocking) resolved(kind RecordKind, actor, reason string) *Record {
	x.actor, x.reason = append(x.actor[:0], actor...), append(x.reason[:0], reason...)
	x.record = Record{Kind: kind, Namespace: x.n.ref, Actor: x.actor, Reason: x.reason, Delta: x.ref.packed()}
	return &x.record
}

// ended is the answer to what cannot be done to a hold any more: how it ended.
func (x *stocking) ended(now UnixMilli) Result {
	r := Result{Code: problem.HoldFinished, State: x.data.state(), Now: now}
	if r.State == StateHeld {
		r.State = StateExpired
	}
	return r
}

// finish writes the end of the hold into its row, and takes it off its owner's chain. The pools' locks need not be held.
func (t *tx) finish(x *stocking, state byte) {
	x.view.create()
	x.view.trim(t.now, x.ref.At)
	x.part.Change(x.row)
	x.data.setState(state | x.data[holdStateAt]&holdForfeit)
	x.data.setDeadline(secondOf(t.now))
}

// moving begins what is moved of the hold.
func (x *stocking) moving() { x.moves.Home, x.moves.Count = x.ref.Home, uint8(x.count) }

// packed is the hold as a record names it: Record.HoldLocation.
func (h HoldRef) packed() int64 { return int64(h.At.Index)<<16 | int64(h.At.Ordinal) }

// wanted puts into x.want what a confirmation asks for of each item; false when the hold has no such units.
func (x *stocking) wanted(items []Item) bool {
	if len(items) == 0 {
		for i := range x.count {
			x.want[i] = x.items[i].units
		}
		return true
	}
	clear(x.want[:])
	sum := Quantity(0)
	for _, item := range items {
		at := 0
		for at < x.count && x.items[at].pool != item.Pool {
			at++
		}
		if at == x.count || item.Units < 0 || item.Units > MaxHoldUnits {
			return false
		}
		x.want[at] += item.Units
		sum += item.Units
	}
	return sum > 0
}

// confirm makes a hold's units the owner's.
func (t *tx) confirm(x *stocking) Result {
	c := &x.confirm
	if !x.wanted(c.Items) {
		return refuse(problem.InvalidField)
	}
	switch x.data.state() {
	case StateHeld:
	case StateConfirmed:
		return x.again(c)
	default:
		return x.ended(t.now)
	}
	for i := range x.count {
		if x.want[i] > x.items[i].units {
			return refuse(problem.InvalidField)
		}
	}
	late := !x.data.open(t.now)
	if late {
		if r := t.reacquirable(x, c); r.Code != problem.OK {
			return r
		}
	}
	if p := x.missing(t.now); p != nil {
		t.fencePool(p, "holds of "+p.id)
		return Result{Code: problem.CampaignFenced, Pool: p.ref}
	}
	return t.commitConfirm(x, c, late)
}

// again answers a confirmation of a hold that is confirmed.
func (x *stocking) again(c *ConfirmHold) Result {
	r := Result{AlreadyLive: true, State: StateConfirmed}
	same := len(c.Items) > 0 || !x.data.part()
	for i := range x.count {
		same = same && x.want[i] == x.items[i].units
		r.Value += uint64(x.items[i].units)
	}
	if !same {
		return Result{Code: problem.HoldFinished, State: StateConfirmed}
	}
	return r
}

// kept reports whether the units of an item have not come back yet.
func (x *stocking) kept(i int, now UnixMilli) bool {
	return x.data.deadline()+x.items[i].back > secondOf(now)
}

// missing returns a pool that does not have the units of the hold on its agenda, nil when all have.
func (x *stocking) missing(now UnixMilli) *Pool {
	for i := range x.count {
		if x.kept(i, now) && !x.pools[i].agendaOf(x.data.forfeit()).has(x.data.deadline()+x.items[i].back, x.items[i].units) {
			return x.pools[i]
		}
	}
	return nil
}

// reacquirable refuses to confirm a hold that has expired, unless there are units for it.
func (t *tx) reacquirable(x *stocking, c *ConfirmHold) Result {
	if !c.Reacquire {
		return Result{Code: problem.HoldExpired, State: StateExpired, Now: t.now}
	}
	deadline := UnixMilli(x.data.deadline()) * 1000
	for i := range x.count {
		p := x.pools[i]
		if t.now >= deadline+HoldLateness || !x.kept(i, t.now) && p.books.Available < x.want[i] {
			return Result{Code: problem.Gone, State: StateExpired, Pool: p.ref, Now: t.now}
		}
	}
	for i := range x.count {
		use, limit := x.view.useOf(x.pools[i], x.accounts[i], t.now), x.pools[i].terms.Load().LimitPerOwner
		if has := use.Held + use.Issued; limit > 0 && x.want[i] > 0 && has+x.want[i] > limit {
			return Result{
				Code: problem.Capped, Cap: uint8(HoldCapLimit), Used: uint32(min(has, MaxCapLimit)), Limit: uint32(limit),
				Pool: x.pools[i].ref, State: StateExpired, Now: t.now,
			}
		}
	}
	return Result{}
}

// commitConfirm does all of a confirmation: the books, then, without the pools' locks, rows and record. As of commitHold.
func (t *tx) commitConfirm(x *stocking, c *ConfirmHold, late bool) Result {
	r := Result{State: StateConfirmed}
	x.moving()
	state := byte(StateConfirmed)
	for i := range x.count {
		if x.want[i] != x.items[i].units {
			state |= holdPart
		}
		was := x.pools[i].books.Available
		x.moved(i, x.want[i], t.issueHeld(x, i, late))
		x.news[i] = x.pools[i].learn(was)
		r.Value += uint64(x.want[i])
	}
	x.unlock()
	t.finish(x, state)
	for i := range x.count {
		p, want := x.pools[i], x.want[i]
		a := x.view.account(p.ref)
		a.issued = saturate(a.issued, uint32(want))
		if want > 0 && a.made > 0 && a.made < maxMade {
			a.made--
		}
		x.view.keep(p.ref, a)
		x.items[i].units = want
		x.data.setItem(i, x.items[i])
	}
	rec := x.resolved(RecordConfirm, c.Actor, "")
	if late {
		rec.Flags |= ConfirmedLate
	}
	if state&holdPart != 0 {
		rec.Flags |= ConfirmedPart
	}
	t.noteMoves(x, &r)
	t.tellAll(x)
	return r
}

// issueHeld makes the wanted units of an item the owner's in the pool's books, and returns how many go back. The pool's lock is held.
func (t *tx) issueHeld(x *stocking, i int, late bool) (back Quantity) {
	p, item, want, deadline := x.pools[i], x.items[i], x.want[i], x.data.deadline()
	p.books.Issued += want
	if !x.kept(i, t.now) {
		p.books.Available -= want
		return 0
	}
	back = item.units - want
	p.agendaOf(x.data.forfeit()).remove(deadline+item.back, item.units)
	p.books.Held -= want
	second := t.laterBy(item.back)
	if late {
		second = deadline + item.back
	}
	t.giveBack(p, back, second)
	return back
}

// laterBy returns the second at which units come back whose return is put off; 0 for at once.
func (t *tx) laterBy(back uint32) uint32 {
	if back == 0 {
		return 0
	}
	return secondUp(t.now) + back
}

// giveBack gives units that were held back: at once, or at a second. They are off the pool's agenda of holds.
func (t *tx) giveBack(p *Pool, n Quantity, second uint32) {
	switch {
	case n == 0:
	case second == 0:
		p.books.Held -= n
		p.books.Available += n
		p.rise()
	default:
		p.spread.add(second, n)
		t.world.returnsBy(second)
	}
}

// release gives a hold's units back.
func (t *tx) release(x *stocking) Result {
	c := &x.release
	switch {
	case x.data.state() == StateReleased:
		return Result{AlreadyLive: true, State: StateReleased}
	case !x.data.open(t.now):
		return x.ended(t.now)
	}
	if p := x.missing(t.now); p != nil {
		t.fencePool(p, "holds of "+p.id)
		return Result{Code: problem.CampaignFenced, Pool: p.ref}
	}
	deadline := x.data.deadline()
	x.moving()
	for i := range x.count {
		p, item := x.pools[i], x.items[i]
		p.agendaOf(x.data.forfeit()).remove(deadline+item.back, item.units)
		t.giveBack(p, item.units, t.laterBy(item.back))
		x.moved(i, item.units, item.units)
	}
	x.unlock()
	t.finish(x, byte(StateReleased))
	x.resolved(RecordRelease, c.Actor, c.Reason)
	r := Result{State: StateReleased}
	t.noteMoves(x, &r)
	return r
}

// extend moves a hold's deadline.
func (t *tx) extend(x *stocking) Result {
	c := &x.extend
	if !x.data.open(t.now) {
		r := x.ended(t.now)
		if r.State == StateExpired {
			r.Code = problem.HoldExpired
		}
		return r
	}
	was := x.data.deadline()
	until := secondUp(c.Until)
	if c.Until == 0 {
		until, _ = x.times(t.now, c.TTL)
	}
	until = min(until, x.data.latest())
	if until <= was {
		return Result{AlreadyLive: true, State: StateHeld, Value: uint64(was) * 1000}
	}
	if p := x.missing(t.now); p != nil {
		t.fencePool(p, "holds of "+p.id)
		return Result{Code: problem.CampaignFenced, Pool: p.ref}
	}
	if !x.roomToExtend(until) {
		return refuse(problem.Capacity)
	}
	x.moving()
	for i := range x.count {
		p, item := x.pools[i], x.items[i]
		p.agendaOf(x.data.forfeit()).remove(was+item.back, item.units)
		p.agendaOf(x.data.forfeit()).add(until+item.back, item.units)
		t.world.returnsBy(until + item.back)
		x.moved(i, item.units, 0)
	}
	x.unlock()
	x.part.Change(x.row)
	x.data.setDeadline(until)
	x.resolved(RecordExtend, c.Actor, "").Total = Quantity(until) * 1000
	r := Result{State: StateHeld, Value: uint64(until) * 1000}
	t.noteMoves(x, &r)
	return r
}

// roomToExtend is roomToReturn for another deadline.
func (x *stocking) roomToExtend(until uint32) bool {
	more := int64(0)
	for i, p := range x.pools[:x.count] {
		more += p.agendaOf(x.data.forfeit()).opens(until + x.items[i].back)
	}
	return more == 0 || x.n.world.minutes.Load()+more <= MaxAgendaMinutes
}

// applyVoidUnits takes a confirmed hold or a take back, once. Every shard is locked.
func (t *tx) applyVoidUnits(c *VoidHold, taken bool) Result {
	if t.store == nil {
		t.store = new(stocking)
	}
	x := t.store
	x.ref = c.Hold
	if x.n = t.world.namespace(c.Namespace); x.n == nil {
		return refuse(problem.NamespaceNotFound)
	}
	x.void = *c
	t.resolveHome(x, taken, false, (*tx).voidUnits)
	return t.result
}

func (t *tx) voidUnits(x *stocking) Result {
	c := &x.void
	switch state := x.data.state(); {
	case state == StateVoided && x.data.fault() == c.Fault:
		return Result{AlreadyLive: true, State: state, Value: uint64(c.Fault)}
	case state == StateVoided:
		return Result{Code: problem.Conflict, State: state, Value: uint64(x.data.fault())}
	case x.data.open(t.now):
		return Result{Code: problem.Conflict, State: state} // there is nothing to take back yet: release it
	case state != StateConfirmed && state != StateTaken:
		return x.ended(t.now)
	}
	for i := range x.count {
		if x.pools[i].books.Issued < x.items[i].units {
			t.fencePool(x.pools[i], "units of "+x.pools[i].id)
			return Result{Code: problem.CampaignFenced, Pool: x.pools[i].ref}
		}
	}
	t.finish(x, byte(StateVoided)|x.data[holdStateAt]&(holdTaken|holdPart)|byte(c.Fault)<<holdFaultShift)
	x.moving()
	for i := range x.count {
		p, item := x.pools[i], x.items[i]
		p.books.Issued -= item.units
		if c.Fault == VoidAbuse {
			p.books.Withdrawn += item.units
		} else {
			p.books.Available += item.units
			p.rise()
		}
		if a := x.view.account(p.ref); c.Fault == VoidSystem {
			a.issued -= min(a.issued, uint32(item.units))
			x.view.keep(p.ref, a)
		}
		x.moved(i, item.units, 0)
	}
	x.resolved(RecordHoldVoid, c.Actor, c.Reason).Flags = uint32(c.Fault)
	r := Result{State: StateVoided, Value: uint64(c.Fault)}
	t.noteMoves(x, &r)
	return r
}
