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
	n        *Namespace
	pools    [MaxHoldItems]*Pool
	items    [MaxHoldItems]heldItem // ascending by pool, each pool once
	count    int
	order    []uint8                    // the request's items in its order: where they stand in items
	locked   bool                       // the pools' locks are held
	want     [MaxHoldItems]Quantity     // of a confirmation
	accounts [MaxHoldItems]ownerAccount // the owner's in the pools, as they stood when the locks were taken
	owes     uint64                     // rows of him and of his accounts that a hold of him adds
	news     [MaxHoldItems]poolNews     // what is to be told of the pools behind the command's own record
	view     ownerView
	moves    HoldMoves
	forfeit  bool // the hold in hand is forfeit unless it is confirmed

	// Of a resolution.
	ref  HoldRef
	part *pages.Table
	row  pages.Row
	data holdRow

	// Kept here so that nothing is allocated for a command.
	asked   Hold // of a hold or take
	confirm ConfirmHold
	release ReleaseHold
	extend  ExtendHold
	void    VoidHold
	reuse   reused
	orders  [MaxHoldItems]uint8
	record  Record
	actor   []byte
	reason  []byte
	section []byte
}

// applyStock decides a command on holds: like a draw it takes its owner's shard, and its pools' locks.
func (t *tx) applyStock(o op, body []byte) (err error) {
	if t.store == nil {
		t.store = new(stocking)
	}
	x := t.store
	r := reader{b: body, kept: &x.reuse}
	ok := false
	switch o {
	case opHold:
		x.asked = r.hold()
		if ok = r.done() == nil; ok {
			t.acquire(x, &x.asked, false)
		}
	case opTake:
		c := r.takeUnits()
		x.asked = Hold{
			Namespace: c.Namespace, Owner: c.Owner, OwnerID: c.OwnerID, Digest: c.Digest, Ref: c.Ref,
			Items: append(x.reuse.items[:0], Item{c.Pool, c.Units}), Actor: c.Actor,
		}
		if ok = r.done() == nil; ok {
			t.acquire(x, &x.asked, true)
		}
	case opConfirm:
		x.confirm = r.confirmHold()
		if ok = r.done() == nil; ok {
			t.resolve(x, x.confirm.Namespace, x.confirm.Hold, (*tx).confirm)
		}
	case opRelease:
		x.release = r.releaseHold()
		if ok = r.done() == nil; ok {
			t.resolve(x, x.release.Namespace, x.release.Hold, (*tx).release)
		}
	case opExtend:
		x.extend = r.extendHold()
		if ok = r.done() == nil; ok {
			t.resolve(x, x.extend.Namespace, x.extend.Hold, (*tx).extend)
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
	x.meet(&c.Owner)
	x.lock()
	defer x.unlock()
	if !t.takeStockPosition(!taken) {
		return false
	}
	t.result = t.decideHold(x, c, taken, print)
	return true
}

// meet looks the owner up, with his accounts in the pools: what his shard's lock covers is read before the pools' locks are
// taken, which other owners wait for.
func (x *stocking) meet(owner *Key) {
	v := &x.view
	v.load(x.n, owner)
	x.owes = 0
	if v.data == nil {
		x.owes = 1
	}
	inline := v.empty()
	for i := range x.count {
		a, known := v.look(x.pools[i].ref)
		x.accounts[i] = a
		if !known && !inline {
			x.owes++
		}
		inline = inline && known
	}
}

// takeStockPosition takes the position of a command on holds, as a library; returns says that units may come back by what it does.
// false says that something has become due meanwhile.
func (t *tx) takeStockPosition(returns bool) bool {
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
	if returns {
		// Whatever the command does, nothing of it comes back before the next second begins. Said here, so that no later
		// position is given out in ignorance of it.
		w.returnsBy(secondOf(now) + 1)
	}
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
	r, item := x.refusal(t.now, taken)
	rules, owners := x.n.rules.Load(), uint64(0)
	if r.Code == problem.OK {
		owners = x.owes
	}
	if r.Code == problem.OK && !taken && !x.roomToReturn(t.now, c) || !x.n.countStock(rules, owners) {
		return refuse(problem.Capacity)
	}
	if r.Code != problem.OK {
		return t.rememberRefusal(x, c, taken, print, r, item)
	}
	return t.commitHold(x, c, taken, print)
}

// roomToReturn reports whether the pools' agendas have room for what a hold adds to them. As a library goroutines that ask at once may pass
// the bound by as many minutes as they are.
func (x *stocking) roomToReturn(now UnixMilli, c *Hold) bool {
	deadline, _ := x.times(now, c.TTL)
	more := int64(0)
	for _, p := range x.pools[:x.count] {
		more += p.holds.opens(deadline + p.putOff(&c.Digest))
	}
	return more == 0 || x.n.world.minutes.Load()+more <= MaxAgendaMinutes
}

// countStock counts the rows of an owner with his accounts and of a key that are about to be added; false when that would pass a bound. As of
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
	use := x.view.useOf(p, x.accounts[i], now)
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
	x.moves.Home, x.moves.Count = RefOf(t.at, &c.Owner).Home, uint8(x.count)
	for i := range x.count {
		p := x.pools[i]
		x.moves.Items[i] = HoldMove{Pool: p.ref, Units: x.items[i].units, Seq: p.mu.seq, Available: p.books.Available}
	}
	x.unlock()
	at := t.at
	rec := x.holdRecord(c, taken)
	rec.refusal(&r, item)
	t.noteMoves(x, &r)
	x.rememberHold(&c.Digest, keyRow{at, print}, r.Code)
	return r
}

func (x *stocking) holdRecord(c *Hold, taken bool) *Record {
	kind := RecordHold
	if taken {
		kind = RecordTake
	}
	x.actor = append(x.actor[:0], c.Actor...)
	x.record = Record{Kind: kind, Namespace: x.n.ref, Name: c.OwnerID, Actor: x.actor, Reason: c.Ref}
	return &x.record
}

// noteMoves appends x.record with what was moved, and puts its place into the result.
func (t *tx) noteMoves(x *stocking, r *Result) {
	x.section = x.moves.append(x.section[:0])
	x.record.Sections = x.section
	start := len(t.out.records)
	r.At, r.Records = t.at, 1
	t.keep(&x.record)
	r.Offset, r.Length = uint32(start), uint32(len(t.out.records)-start)
	x.record.Name, x.record.Reason = nil, nil // they alias the entry
}

// commitHold does all of a hold or take. It cannot refuse any more. The pools' locks are let go as soon as the books are changed:
// rows and record are the owner's, and most of the work, and other owners wait for the books only.
func (t *tx) commitHold(x *stocking, c *Hold, taken bool, print uint32) Result {
	at, v := t.at, &x.view
	deadline, latest := x.times(t.now, c.TTL)
	state, sum := byte(StateHeld), Quantity(0)
	if taken {
		deadline, latest, state = secondOf(t.now), 0, byte(StateTaken)|holdTaken
	}
	x.moves.Home, x.moves.Count = RefOf(at, &c.Owner).Home, uint8(x.count)
	for i := range x.count {
		p, item := x.pools[i], &x.items[i]
		if !taken {
			item.back = p.putOff(&c.Digest)
		}
		was := p.books.Available
		t.moveUnits(x, i, deadline, taken)
		x.news[i] = p.learn(was)
		sum += item.units
	}
	x.unlock()
	v.create()
	v.trim(t.now, Location{})
	for i := range x.count {
		x.charge(i, taken)
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
	rec := x.holdRecord(c, taken)
	r := Result{Value: uint64(sum), State: HoldState(state & holdStateMask)}
	if !taken {
		v.push(at, row)
		rec.Delta, rec.Total = int64(latest)*1000, Quantity(deadline)*1000
		r.Value = uint64(deadline) * 1000
	}
	x.rememberHold(&c.Digest, keyRow{at, print}, problem.OK)
	t.noteMoves(x, &r)
	t.tellAll(x)
	return r
}

// moveUnits takes an item's units out of what is available. The pool's lock is held.
func (t *tx) moveUnits(x *stocking, i int, deadline uint32, taken bool) {
	p, item := x.pools[i], &x.items[i]
	cell := &p.books
	if cell.Available < item.units || !cell.balanced() {
		panic("BUG: taking from a pool that was not checked: " + p.id)
	}
	cell.Available -= item.units
	if taken {
		cell.Issued += item.units
	} else {
		cell.Held += item.units
		p.agendaOf(x.forfeit).add(deadline+item.back, item.units)
		t.world.returnsBy(deadline + item.back)
	}
	x.moved(i, item.units, 0)
}

// charge writes an item's units down in the owner's account, which was created.
func (x *stocking) charge(i int, taken bool) {
	p, item := x.pools[i], &x.items[i]
	a := x.view.account(p.ref)
	if taken {
		a.issued = saturate(a.issued, uint32(item.units))
	} else {
		a.made += uint16(min(1, maxMade-a.made))
	}
	x.view.keep(p.ref, a)
}

// moved notes what was moved in a pool, for the record. Its lock is held.
func (x *stocking) moved(i int, units, back Quantity) {
	p := x.pools[i]
	p.mu.seq++
	x.moves.Items[i] = HoldMove{Pool: p.ref, Units: units, Back: back, Seq: p.mu.seq, Available: p.books.Available}
}

// tellAll tells what became of the pools.
func (t *tx) tellAll(x *stocking) {
	for i := range x.count {
		t.tell(x.pools[i], &x.news[i])
	}
}
