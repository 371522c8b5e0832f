package engine

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/engine/problem"
)

// stocking is a command on holds on its way. It is reused.
type stocking struct {
	n       *Namespace
	pools   [MaxHoldItems]*Pool
	items   [MaxHoldItems]heldItem // ascending by pool, each pool once
	count   int
	order   []uint8 // the request's items in its order: where they stand in items
	was     [MaxHoldItems]Quantity
	want    [MaxHoldItems]Quantity // of a confirmation
	view    ownerView
	moves   HoldMoves
	forfeit bool // the hold in hand is forfeit unless it is confirmed

	// Of a resolution.
	ref  HoldRef
	part *pages.Table
	row  pages.Row
	data holdRow

	asked   Hold    // of a hold or take: kept here so that nothing is allocated for it
	first   [1]Item // of a take
	orders  [MaxHoldItems]uint8
	section []byte
}

// applyStock decides a command on holds: like a draw it takes its owner's shard, and its pools' locks.
func (t *tx) applyStock(o op, body []byte) (err error) {
	if t.store == nil {
		t.store = new(stocking)
	}
	x, r := t.store, &reader{b: body}
	ok := false
	switch o {
	case opHold:
		x.asked = r.hold()
		if ok = r.done() == nil; ok {
			t.acquire(x, &x.asked, false)
		}
	case opTake:
		if c := r.takeUnits(); r.done() == nil {
			x.first[0] = Item{c.Pool, c.Units}
			x.asked = Hold{Namespace: c.Namespace, Owner: c.Owner, OwnerID: c.OwnerID, Digest: c.Digest, Ref: c.Ref, Items: x.first[:], Actor: c.Actor}
			t.acquire(x, &x.asked, true)
			ok = true
		}
	case opConfirm:
		if c := r.confirmHold(); r.done() == nil {
			t.resolve(x, c.Namespace, c.Hold, func() Result { return t.confirm(x, &c) })
			ok = true
		}
	case opRelease:
		if c := r.releaseHold(); r.done() == nil {
			t.resolve(x, c.Namespace, c.Hold, func() Result { return t.release(x, &c) })
			ok = true
		}
	case opExtend:
		if c := r.extendHold(); r.done() == nil {
			t.resolve(x, c.Namespace, c.Hold, func() Result { return t.extend(x, &c) })
			ok = true
		}
	}
	x.asked = Hold{} // it aliases the entry
	if !ok {
		return fmt.Errorf("%w: operation %d", ErrDamagedEntry, o)
	}
	return nil
}

// demands reports whether c asks for something, and for no more than one hold may. An edge that lets more through is refused
// like any caller: an entry that could not be applied would stop every node.
func (c *Hold) demands() bool {
	sum := Quantity(0)
	for _, x := range c.Items {
		if sum += x.Units; x.Units < 1 || sum > MaxHoldUnits {
			return false
		}
	}
	return sum > 0
}

// lockHome takes the shard of a key, unless a run of draws holds it.
func (t *tx) lockHome(k *Key) *sync.Mutex {
	if t.bulk {
		return nil
	}
	mu := &t.world.shards[t.world.shardOf(k)].mu.Mutex
	mu.Lock()
	return mu
}

func unlockHome(mu *sync.Mutex) {
	if mu != nil {
		mu.Unlock()
	}
}

// acquire decides a hold or take.
func (t *tx) acquire(x *stocking, c *Hold, taken bool) {
	for decided := false; !decided; {
		t.bringStock()
		mu := t.lockHome(&c.Owner)
		decided = t.acquireHome(x, c, taken)
		unlockHome(mu)
	}
}

// bringStock gives back what comes back by the caller's time, as a library, and ends the sessions that end until then.
func (t *tx) bringStock() {
	w := t.world
	if now := max(int64(t.stamp), w.logTime.Load()); t.library && now >= min(w.returns.Load(), w.turns.Load()) {
		t.catchUp()
	}
}

// acquireHome decides a hold or take whose owner's shard is locked. As a library it reports false, having done nothing, when
// something has come back that must be given back first.
func (t *tx) acquireHome(x *stocking, c *Hold, taken bool) bool {
	n := t.world.namespace(c.Namespace)
	if n == nil {
		t.result = refuse(problem.NamespaceNotFound)
		return true
	}
	x.n = n
	print := x.fingerprint(c)
	if t.knownHold(x, c, print) {
		return true
	}
	if bad := x.gather(c.Items); bad != 0 {
		t.result = Result{Code: problem.PoolNotFound, Pool: bad}
		return true
	}
	if !c.demands() || !taken && !x.lasts(c.TTL) {
		t.result = refuse(problem.InvalidField)
		return true
	}
	x.lock()
	defer x.unlock()
	if !t.takeStockPosition() {
		return false
	}
	t.result = t.decideHold(x, c, taken, print)
	return true
}

// takeStockPosition takes the position of a command on holds, as a library. false says that something has become due meanwhile.
func (t *tx) takeStockPosition() bool {
	if !t.library {
		return true
	}
	w := t.world
	w.clock.Lock()
	defer w.clock.Unlock()
	now := max(w.clock.now, t.stamp)
	if int64(now) >= min(w.returns.Load(), w.turns.Load()) {
		return false
	}
	t.now = now
	t.placeLocked()
	// Whatever the command does, nothing of it comes back before the next second begins. Said here, so that no later position
	// is given out in ignorance of it.
	w.returnsBy(secondOf(now) + 1)
	return true
}

// sound refuses what a pool with broken books is asked for. All locks are held and nothing was written yet.
func (t *tx) sound(x *stocking) (r Result, ok bool) {
	for _, p := range x.pools[:x.count] {
		if p.fenced == "" {
			if rule := p.unbalanced(); rule != "" {
				t.fencePool(p, rule)
			}
		}
		if p.fenced != "" {
			return Result{Code: problem.CampaignFenced, Pool: p.ref}, false
		}
	}
	return r, true
}

// decideHold is the ladder of a hold or take behind its key: one check, one early return and one named code each. Nothing
// is written before the last check. What it says of stock is remembered, also a refusal.
func (t *tx) decideHold(x *stocking, c *Hold, taken bool, print uint32) Result {
	if kind := x.n.stopped(); kind != 0 {
		return Result{Code: problem.Killed, Cap: uint8(kind)}
	}
	if r, ok := t.sound(x); !ok {
		return r
	}
	x.view.load(x.n, &c.Owner)
	r, item := x.refusal(t.now, taken)
	rules, owners := x.n.rules.Load(), uint64(0)
	if x.view.data == nil && r.Code == problem.OK {
		owners = 1
	}
	if !x.n.countStock(rules, owners) {
		return refuse(problem.Capacity)
	}
	if r.Code != problem.OK {
		return t.rememberRefusal(x, c, taken, print, r, item)
	}
	return t.commitHold(x, c, taken, print)
}

// countStock counts the rows of an owner and of a key that are about to be added; false when that would pass a bound. As of
// countRows.
func (n *Namespace) countStock(r *rules, owners uint64) bool {
	if !countWithin(&n.stock.keys, 1, r.maxKeys) {
		return false
	}
	if !countWithin(&n.stock.rows, owners, r.maxUsers) {
		n.stock.keys.Add(^uint64(0))
		return false
	}
	return true
}

// stopped returns the widest switch that denies holds and takes in n, 0 for none. Some shard is locked.
func (n *Namespace) stopped() SwitchKind {
	switch all := *n.world.namespaces.Load(); {
	case isOff(all[0].acts.off, SwitchGlobal):
		return SwitchGlobal
	case isOff(n.acts.off, SwitchNamespace):
		return SwitchNamespace
	}
	return 0
}

// refusal is what a hold or take is refused for, and the index of the item whose pool refuses it.
func (x *stocking) refusal(now UnixMilli, taken bool) (r Result, item int) {
	r.Now = now
	for _, i := range x.order {
		switch terms := x.pools[i].terms.Load(); {
		case now < terms.OpensAt:
			r.Code, r.ResetsAt, r.Pool = problem.NotStarted, terms.OpensAt, x.pools[i].ref
			return r, int(i)
		case terms.ClosesAt != 0 && now >= terms.ClosesAt:
			r.Code, r.Pool = problem.Ended, x.pools[i].ref
			return r, int(i)
		}
	}
	if open := x.view.open(now); !taken && open >= MaxOpenHolds {
		r.Code, r.Cap, r.Used, r.Limit, r.Pool = problem.Capped, uint8(HoldCapOpen), uint32(open), MaxOpenHolds, x.pools[x.order[0]].ref
		return r, int(x.order[0])
	}
	for _, i := range x.order {
		if x.capped(&r, int(i), now); r.Code != problem.OK {
			return r, int(i)
		}
	}
	for _, i := range x.order {
		if cell := &x.pools[i].books; cell.Available < x.items[i].units {
			r.Code, r.Pool, r.MayReturn = problem.InsufficientStock, x.pools[i].ref, cell.Held+cell.Unreleased > 0
			return r, int(i)
		}
	}
	return r, 0
}

// capped refuses what an owner's bounds in one pool do not allow.
func (x *stocking) capped(r *Result, i int, now UnixMilli) {
	p, terms := x.pools[i], x.pools[i].terms.Load()
	use := x.view.use(p, now)
	switch has := use.Held + use.Issued; {
	case use.CooldownUntil > now:
		r.Cap, r.ResetsAt = uint8(HoldCapCooldown), use.CooldownUntil
	case terms.MaxUnconfirmed > 0 && use.Unconfirmed >= terms.MaxUnconfirmed:
		r.Cap, r.Used, r.Limit = uint8(HoldCapUnconfirmed), uint32(use.Unconfirmed), uint32(terms.MaxUnconfirmed)
	case terms.LimitPerOwner > 0 && has+x.items[i].units > terms.LimitPerOwner:
		r.Cap, r.Used, r.Limit = uint8(HoldCapLimit), uint32(min(has, MaxCapLimit)), uint32(terms.LimitPerOwner)
	default:
		return
	}
	r.Code, r.Pool = problem.Capped, p.ref
}

// rememberRefusal records a refusal and keeps it under the key.
func (t *tx) rememberRefusal(x *stocking, c *Hold, taken bool, print uint32, r Result, item int) Result {
	rec := t.holdRecord(x, c, taken)
	rec.refusal(&r, item)
	x.moves.Home, x.moves.Count = RefOf(t.at, &c.Owner).Home, uint8(x.count)
	for i := range x.count {
		p := x.pools[i]
		x.moves.Items[i] = HoldMove{Pool: p.ref, Units: x.items[i].units, Seq: p.mu.seq, Available: p.books.Available}
	}
	at := t.at
	r = t.noteMoves(x, rec, r)
	x.rememberHold(&c.Digest, keyRow{at, print}, r.Code)
	return r
}

func (t *tx) holdRecord(x *stocking, c *Hold, taken bool) Record {
	rec := Record{Kind: RecordHold, Namespace: x.n.ref, Name: c.OwnerID, Actor: []byte(c.Actor), Reason: c.Ref}
	if taken {
		rec.Kind = RecordTake
	}
	return rec
}

// noteMoves appends a record with what was moved.
func (t *tx) noteMoves(x *stocking, rec Record, r Result) Result {
	x.section = x.moves.append(x.section[:0])
	rec.Sections = x.section
	return t.note(rec, r)
}

// commitHold does all of a hold or take. It cannot refuse any more.
func (t *tx) commitHold(x *stocking, c *Hold, taken bool, print uint32) Result {
	at, v := t.at, &x.view
	v.create()
	v.trim(t.now, Location{})
	deadline, latest := x.times(t.now, c.TTL)
	state, sum := byte(StateHeld), Quantity(0)
	if taken {
		deadline, latest, state = secondOf(t.now), 0, byte(StateTaken)|holdTaken
	}
	x.moves.Home, x.moves.Count = RefOf(at, &c.Owner).Home, uint8(x.count)
	for i := range x.count {
		item := &x.items[i]
		if !taken {
			item.back = x.pools[i].putOff(&c.Digest)
		}
		t.moveHold(x, i, deadline, taken)
		sum += item.units
	}
	row := x.newRow(HoldRef{at, x.moves.Home})
	row[holdCountAt] = byte(x.count)
	row.setState(state)
	row.setDeadline(deadline)
	binary.LittleEndian.PutUint32(row[holdLatestAt:], latest)
	binary.LittleEndian.PutUint32(row[holdHashAt:], hashOfRef(c.Ref))
	copy(row[holdOwnerAt:], c.Owner[:subjectKeyBytes])
	for i := range x.count {
		row.setItem(i, x.items[i])
	}
	rec := t.holdRecord(x, c, taken)
	r := Result{Value: uint64(sum), State: HoldState(state & holdStateMask)}
	if !taken {
		v.push(at, row)
		rec.Delta, rec.Total = int64(latest)*1000, Quantity(deadline)*1000
		r.Value = uint64(deadline) * 1000
	}
	x.rememberHold(&c.Digest, keyRow{at, print}, problem.OK)
	r = t.noteMoves(x, rec, r)
	for i := range x.count {
		t.notePool(x.pools[i], x.was[i])
	}
	return r
}

// moveHold takes an item's units out of what is available.
func (t *tx) moveHold(x *stocking, i int, deadline uint32, taken bool) {
	p, item := x.pools[i], &x.items[i]
	cell := &p.books
	if cell.Available < item.units || !cell.balanced() {
		panic("BUG: taking from a pool that was not checked: " + p.id)
	}
	x.was[i] = cell.Available
	cell.Available -= item.units
	a := x.view.account(p.ref)
	if taken {
		cell.Issued += item.units
		a.issued = saturate(a.issued, uint32(item.units))
	} else {
		cell.Held += item.units
		p.agendaOf(x.forfeit).add(deadline+item.back, item.units)
		t.world.returnsBy(deadline + item.back)
		a.made += uint16(min(1, maxMade-a.made))
	}
	x.view.keep(p.ref, a)
	x.moved(i, item.units, 0)
}

// moved notes what was moved in a pool, for the record.
func (x *stocking) moved(i int, units, back Quantity) {
	p := x.pools[i]
	p.mu.seq++
	x.moves.Items[i] = HoldMove{Pool: p.ref, Units: units, Back: back, Seq: p.mu.seq, Available: p.books.Available}
}
