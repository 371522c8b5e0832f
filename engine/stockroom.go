package engine

import (
	"slices"
	"sync/atomic"

	"github.com/drawd/drawd/engine/internal/pages"
)

// stockroom is what a namespace has of pools and holds.
type stockroom struct {
	byID     atomic.Pointer[poolIndex]   // replaced, never changed; every shard is locked when it is
	days     atomic.Pointer[[]*stockDay] // ascending; like byID
	owners   *rowTable                   // nil before the first pool
	accounts *rowTable                   // of owners in pools beyond their first
	// rows counts owners and accounts, keys the keys of holds and takes: the policy's max_users and max_keys bound them.
	rows, keys atomic.Uint64
}

// poolIndex is all pools of a namespace.
type poolIndex struct {
	all   []*Pool // by ref - 1
	pools map[string]*Pool
}

// stockDay is the tables of what was made on one day of log time, in UTC. They go as a whole.
type stockDay struct {
	number uint32   // of the day since 1970
	first  LogIndex // no hold of an earlier day stands at it or behind
	narrow *rowTable
	wide   *rowTable // holds of several items
	keys   *rowTable // of holds and takes
	desk   *rowTable // keys of changes of totals; nil before the first one
}

// Tables of the stockroom: their ids have this bit beside ofNamespace and not ofFatigue, the lower 15 bits of the day's
// number from bit 14 on, the namespace's and their kind. Numbers are on disk.
const (
	ofStock       = 1 << 29
	tableOwners   = 0
	tableAccounts = 1
	tableNarrow   = 2
	tableWide     = 3
	tableHoldKeys = 4
	tableDesk     = 5
)

func (n *Namespace) stockTable(day uint32, kind uint32) uint32 {
	return ofNamespace | ofStock | day&0x7FFF<<14 | uint32(n.ref)<<3 | kind
}

// Days are kept for as long as a hold of theirs can be resolved, and HoldKeyRetention; those that have keys of changes of
// totals for a week.
const (
	holdDayLife = MaxHoldLife + HoldLateness + HoldKeyRetention
	deskDayLife = 7 * dayMilli
)

func (d *stockDay) ended() UnixMilli { return UnixMilli(d.number+1) * dayMilli }

// stockDays returns the days, oldest first.
func (n *Namespace) stockDays() []*stockDay { return *n.stock.days.Load() }

// openStock makes what the first pool of a namespace needs. Every shard is locked.
func (n *Namespace) openStock() {
	s := &n.stock
	if s.owners == nil {
		s.owners = n.world.newRowTable(n.stockTable(0, tableOwners), subjectKeyBytes, ownerRowBytes)
		s.accounts = n.world.newRowTable(n.stockTable(0, tableAccounts), subjectKeyBytes, accountBytes)
	}
}

// newDay makes the tables of a day.
func (n *Namespace) newDay(number uint32, first LogIndex) *stockDay {
	w := n.world
	return &stockDay{
		number: number, first: first,
		narrow: w.newRowTable(n.stockTable(number, tableNarrow), holdKeyBytes, holdRowBytes(1)),
		wide:   w.newRowTable(n.stockTable(number, tableWide), holdKeyBytes, holdRowBytes(MaxHoldItems)),
		keys:   w.newRowTable(n.stockTable(number, tableHoldKeys), digestKeyBytes, holdKeyRowBytes),
	}
}

// turnDay opens the day of now, lets old ones go, and returns when it wants to be asked again. Days end with the seconds of 32
// bits, in 2106: the last one has no end. Every shard is locked.
func (n *Namespace) turnDay(now UnixMilli, index LogIndex) UnixMilli {
	today := uint32(min(max(now, 0), maxLotTime) / dayMilli)
	days := slices.Clone(n.stockDays())
	if len(days) == 0 || days[len(days)-1].number < today {
		days = append(days, n.newDay(today, index))
	}
	days = slices.DeleteFunc(days, func(d *stockDay) bool {
		if d.number >= today {
			return false
		}
		if d.narrow != nil && now >= d.ended()+holdDayLife {
			n.stock.keys.Add(-d.keys.rows())
			for _, t := range [...]**rowTable{&d.narrow, &d.wide, &d.keys} {
				n.world.dropRowTable(*t)
				*t = nil
			}
		}
		if now < d.ended()+deskDayLife && (d.narrow != nil || d.desk != nil) {
			return false
		}
		if d.desk != nil {
			n.world.dropRowTable(d.desk)
			d.desk = nil
		}
		return d.narrow == nil
	})
	n.stock.days.Store(&days)
	return days[len(days)-1].turns()
}

// turns is when the next day begins.
func (d *stockDay) turns() UnixMilli {
	if d.ended() > maxLotTime {
		return maxTime
	}
	return d.ended()
}

// dayOf returns the day of a hold, nil when it is gone.
func (n *Namespace) dayOf(at Location) *stockDay {
	days := n.stockDays()
	for i := len(days) - 1; i >= 0; i-- {
		if days[i].first <= at.Index {
			if days[i].narrow == nil {
				return nil
			}
			return days[i]
		}
	}
	return nil
}

// settleRecords is how many records settleStock begins to make: those of every pool of four namespaces. Together with the
// records of an entry's commands they must stay within MaxEntryRecords.
const settleRecords = 4 * MaxPools

// settleStock gives back, in every pool, what comes back by now, and opens the day. What makes too many records for one entry
// comes back with the next one, which is due at once. Every shard is locked.
func (t *tx) settleStock() {
	w, next, first := t.world, maxTime, len(t.out.offsets)
	for _, n := range *w.namespaces.Load() {
		pools := n.Pools()
		if len(pools) == 0 {
			continue
		}
		next = min(next, n.turnDay(t.now, t.at.Index))
		for _, p := range pools {
			p.mu.Lock()
			if len(t.out.offsets)-first < settleRecords {
				t.comeBack(p)
			}
			next = min(next, p.returns())
			p.mu.Unlock()
		}
	}
	w.returns.Store(int64(next))
}

// due reports whether something is due at the command's time.
func (t *tx) due() bool {
	return int64(t.now) >= min(t.world.due.Load(), t.world.returns.Load(), t.world.packs.Load())
}

// bringUp does what has become due at the command's time: stock that comes back comes first. Every shard is locked.
func (t *tx) bringUp() {
	if int64(t.now) >= t.world.returns.Load() {
		t.settleStock()
	}
	if int64(t.now) >= t.world.due.Load() {
		t.settle()
	}
	if int64(t.now) >= t.world.packs.Load() {
		t.packKeys()
	}
}

// findReturns finds when settleStock has something to do next. Every shard is locked.
func (w *world) findReturns() {
	next := maxTime
	for _, n := range *w.namespaces.Load() {
		if len(n.Pools()) == 0 {
			continue
		}
		days := n.stockDays()
		next = min(next, days[len(days)-1].turns())
		for _, p := range n.Pools() {
			p.mu.Lock()
			next = min(next, p.returns())
			p.mu.Unlock()
		}
	}
	w.returns.Store(int64(next))
}

// returnsBy says that units come back at a second.
func (w *world) returnsBy(second uint32) {
	for at := int64(second) * 1000; ; {
		was := w.returns.Load()
		if was <= at || w.returns.CompareAndSwap(was, at) {
			return
		}
	}
}

// returns is when the next units of a pool come back. mu is held.
func (p *Pool) returns() UnixMilli {
	next := maxTime
	if p.fenced != "" {
		return next
	}
	for _, a := range [...]*agenda{&p.holds, &p.spread, &p.forfeits} {
		if second := a.next(); second != 0 {
			next = min(next, UnixMilli(second)*1000)
		}
	}
	return next
}

// comeBack gives back what comes back by now. mu is held.
func (t *tx) comeBack(p *Pool) {
	if p.returns() > t.now {
		return
	}
	if rule := p.unbalanced(); rule != "" {
		t.fencePool(p, rule)
		return
	}
	p.expire(t)
	n := p.holds.due(secondOf(t.now)) + p.spread.due(secondOf(t.now))
	if n == 0 {
		return
	}
	p.books.Held -= n
	p.books.Available += n
	p.mu.seq++
	p.rise()
	t.note(Record{
		Kind: RecordPoolReturn, Namespace: p.namespace.ref, Seq: p.mu.seq, Name: []byte(p.id), Delta: int64(n), Total: p.books.Available,
	}, Result{})
}

// rise notices that units came back or in.
func (p *Pool) rise() {
	p.epoch.Add(1)
	if p.books.Available > p.terms.Load().LowStock {
		p.low = false
	}
}

// unbalanced returns the rule that the pool's books break, or nothing: what is asked before every change.
func (p *Pool) unbalanced() string {
	if !p.books.balanced() {
		return "stock of " + p.id
	}
	return ""
}

// fencePool stops a pool whose books broke a rule: nothing moves in it until people have looked. mu is held, and nothing was
// written yet.
func (t *tx) fencePool(p *Pool, rule string) {
	p.fenced = rule
	t.note(Record{Kind: RecordPoolFence, Namespace: p.namespace.ref, Seq: p.mu.seq, Name: []byte(p.id), Reason: []byte(rule)}, Result{})
}

// poolNews is what a change made of a pool, as far as it is told: that it has become low, that its last unit has gone.
type poolNews struct {
	low, soldOut bool
	left         Quantity
	seq          uint64
}

// learn finds what a change made of the pool. was is what was available before. mu is held.
func (p *Pool) learn(was Quantity) poolNews {
	left := p.books.Available
	n := poolNews{soldOut: left == 0 && was > 0, left: left, seq: p.mu.seq}
	if low := p.terms.Load().LowStock; low > 0 && left <= low && !p.low {
		p.low, n.low = true, true
	}
	return n
}

// tell records the news of a pool, behind the record of the command that made them.
func (t *tx) tell(p *Pool, n *poolNews) {
	if !n.low && !n.soldOut {
		return
	}
	rec := Record{Namespace: p.namespace.ref, Seq: n.seq, Name: []byte(p.id), Total: n.left}
	if n.low {
		rec.Kind = RecordPoolLow
		t.note(rec, Result{})
	}
	if n.soldOut {
		rec.Kind = RecordPoolSoldOut
		t.note(rec, Result{})
	}
}

// notePool is learn and tell. mu is held.
func (t *tx) notePool(p *Pool, was Quantity) {
	n := p.learn(was)
	t.tell(p, &n)
}

// findHold returns the row of a hold or take. Its home's shard is locked.
func (n *Namespace) findHold(h HoldRef) (part *pages.Table, row pages.Row, ok bool) {
	if n.stock.owners == nil || h.Home >= 1<<10 || h.At.Index >= 1<<40 {
		return nil, row, false
	}
	d := n.dayOf(h.At)
	if d == nil {
		return nil, row, false
	}
	k := h.key()
	for _, t := range [...]*rowTable{d.narrow, d.wide} {
		part = t.parts[n.world.shardOf(&k)]
		if row, ok = part.Find((*pages.Key)(&k)); ok {
			return part, row, true
		}
	}
	return nil, row, false
}

// agendaOf returns where a pool keeps the seconds of holds: of those that are forfeit unless they are confirmed, or of the others.
func (p *Pool) agendaOf(forfeit bool) *agenda {
	if forfeit {
		return &p.forfeits
	}
	return &p.holds
}

// expire writes off what is forfeit by now. mu is held.
func (p *Pool) expire(t *tx) {
	n := p.forfeits.due(secondOf(t.now))
	if n == 0 {
		return
	}
	p.books.Held -= n
	p.books.Expired += n
	p.mu.seq++
	t.note(Record{
		Kind: RecordPoolReturn, Namespace: p.namespace.ref, Seq: p.mu.seq, Name: []byte(p.id), Delta: int64(n), Total: p.books.Available,
		Flags: PoolForfeit,
	}, Result{})
}

// PoolForfeit is the flag of a RecordPoolReturn whose units did not come back: they are expired.
const PoolForfeit = 1
