package engine

import (
	"github.com/drawd/drawd/engine/problem"
)

// PoolStock is a pool's books in one cut, as of log time: units whose time has come are available.
type PoolStock struct {
	Seq   uint64 // of the last change
	Epoch uint64 // moves whenever units come back or come in: what was said to be sold out is to be asked again
	// Total is the sum of the others.
	Total, Unreleased, Available, Reserved, Held, Issued, Expired, Withdrawn Quantity
	Fenced                                                                   string // the rule that the books broke; empty for none
}

// HoldView is a hold or a take as it is at log time.
type HoldView struct {
	Ref   HoldRef
	State HoldState
	Owner [subjectKeyBytes]byte // of the owner's key
	// Items are what is held, or what the owner has of it; of other ends what was held, in ascending order of pools.
	Items [MaxHoldItems]Item
	Count uint8
	// Deadline of a hold that is open or expired; Latest is how far it can be extended.
	Deadline, Latest UnixMilli
	ResolvedAt       UnixMilli // of any other, by the second
	Part             bool      // only a part was confirmed
	Taken            bool      // it is a take
}

// OwnerUse is what one owner has of one pool, at log time.
type OwnerUse struct {
	Held, Issued  Quantity
	Unconfirmed   uint16
	CooldownUntil UnixMilli // 0 for none
}

// Pool returns the pool with the id. It allocates nothing.
func (n *Namespace) Pool(id []byte) (*Pool, bool) {
	p, ok := n.stock.byID.Load().pools[string(id)]
	return p, ok
}

// PoolByRef returns a pool by its number.
func (n *Namespace) PoolByRef(r PoolRef) (*Pool, bool) {
	p := n.pool(r)
	return p, p != nil
}

func (n *Namespace) pool(r PoolRef) *Pool {
	all := n.stock.byID.Load().all
	if r == 0 || int(r) > len(all) {
		return nil
	}
	return all[r-1]
}

// Pools returns all pools of n, by ref.
func (n *Namespace) Pools() []*Pool { return n.stock.byID.Load().all }

// Stock returns the pool's books in one cut. It takes a lock.
func (p *Pool) Stock() PoolStock {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, second := &p.books, secondOf(UnixMilli(p.namespace.world.logTime.Load()))
	back, forfeit := p.holds.until(second)+p.spread.until(second), p.forfeits.until(second)
	return PoolStock{
		Seq: p.mu.seq, Epoch: p.epoch.Load(), Total: c.Total, Unreleased: c.Unreleased, Available: c.Available + back, Reserved: c.Reserved,
		Held: c.Held - back - forfeit, Issued: c.Issued, Expired: c.Expired + forfeit, Withdrawn: c.Withdrawn, Fenced: p.fenced,
	}
}

// secondOf returns the whole seconds that have passed: what comes back at them has come back.
func secondOf(t UnixMilli) uint32 { return uint32(min(max(t, 0)/1000, neverEnds-1)) }

// Hold returns a hold or take; ok is false when there is none, or it is forgotten. It takes a lock.
func (e *Engine) Hold(n *Namespace, h HoldRef) (v HoldView, ok bool) {
	home := h.homeKey()
	mu := &n.world.shards[n.world.shardOf(&home)].mu
	mu.Lock()
	defer mu.Unlock()
	part, row, ok := n.findHold(h)
	if !ok {
		return v, false
	}
	return viewHold(h, part.Payload(row), n.world.time()), true
}

// time is log time, for readers.
func (w *world) time() UnixMilli { return UnixMilli(w.logTime.Load()) }

func viewHold(h HoldRef, row holdRow, now UnixMilli) HoldView {
	v := HoldView{Ref: h, State: row.state(), Count: uint8(row.count()), Part: row.part(), Taken: row.taken()}
	copy(v.Owner[:], row[holdOwnerAt:holdItemsAt])
	for i := range row.count() {
		x := row.item(i)
		v.Items[i] = Item{x.pool, x.units}
	}
	if v.State == StateHeld {
		v.Deadline, v.Latest = UnixMilli(row.deadline())*1000, UnixMilli(row.latest())*1000
		if !row.open(now) {
			v.State = StateExpired
		}
	} else {
		v.ResolvedAt = UnixMilli(row.deadline()) * 1000
	}
	return v
}

func (r holdRow) has(p PoolRef) bool {
	for i := range r.count() {
		if r.item(i).pool == p {
			return true
		}
	}
	return false
}

// Owner returns what an owner has of a pool, and his open holds, newest first. It takes a lock.
func (e *Engine) Owner(p *Pool, owner Key) (u OwnerUse, open []HoldView) {
	w := p.namespace.world
	mu := &w.shards[w.shardOf(&owner)].mu
	mu.Lock()
	defer mu.Unlock()
	var v ownerView
	v.load(p.namespace, &owner)
	now := w.time()
	for i := range v.count {
		if c := &v.chain[i]; c.data.open(now) {
			open = append(open, viewHold(RefOf(c.at, &owner), c.data, now))
		}
	}
	return v.use(p, now), open
}

// FindHoldKey returns where the first answer to the key of a hold, a take or a change of a pool's total stands. code is
// KeyUnknown when there is none; refused is why that was a refusal, or OK. It takes a lock.
func (e *Engine) FindHoldKey(n *Namespace, digest Key) (at Location, refused, code problem.Code) {
	w := n.world
	mu := &w.shards[w.shardOf(&digest)].mu
	mu.Lock()
	defer mu.Unlock()
	if k, refused, known := n.findHoldKey(&digest); known {
		return k.at, refused, problem.OK
	}
	if k, known := n.findDeskKey(&digest); known {
		return k.at, problem.OK, problem.OK
	}
	return at, problem.OK, problem.KeyUnknown
}

// AppendHoldID appends the public id of a hold or take. It allocates nothing beyond dst.
func (e *Engine) AppendHoldID(dst []byte, kind IDKind, h HoldRef) []byte {
	return e.appendID(dst, kind, h.At, h.Home)
}

// ParseHoldID returns the hold or take in a public id; ok is false for anything that AppendHoldID did not make.
func (e *Engine) ParseHoldID(kind IDKind, id []byte) (h HoldRef, ok bool) {
	h.At, h.Home, ok = e.parseID(kind, id)
	return h, ok && h.Home < 1<<10 && h.At.Index < 1<<40
}
