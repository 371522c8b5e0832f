package engine

import (
	"sync"
	"sync/atomic"

	"github.com/drawd/drawd/engine/names"
)

// PoolRef is the number of a pool in its namespace, given when it is made, from 1. Zero means none.
type PoolRef uint32

// Restock says who may change a pool's total. Numbers are on disk.
type Restock uint8

// The ways of restocking.
const (
	RestockOne     Restock = iota // one person, the default
	RestockMachine                // a machine's key too
	RestockTwo                    // a person, and another one approves
	restocks       = iota
)

var restockNames = [restocks]string{"one", "machine", "two"}

// String returns the wire name of r.
func (r Restock) String() string { return restockNames[r] }

// ParseRestock returns the rule with the wire name s.
func ParseRestock(s string) (Restock, bool) {
	for r := range restockNames {
		if restockNames[r] == s {
			return Restock(r), true
		}
	}
	return 0, false
}

// PoolPolicy is what a pool allows. Times in ms of log time, intervals in ms; they count in whole seconds, rounded up.
type PoolPolicy struct {
	OpensAt  UnixMilli // 0: at once
	ClosesAt UnixMilli // 0: never
	// LimitPerOwner bounds what one owner holds and has, together; 0 for no bound.
	LimitPerOwner Quantity
	HoldTTL       int64 // how long a hold lasts that does not say; 0 for DefaultHoldTTL
	// MaxHold bounds a hold from its start to its deadline, extensions included; 0 for ten times the TTL, at most MaxHoldLife.
	MaxHold int64
	Restock Restock
	// ReturnJitter spreads units that come back over so much time, so that nobody can lie in wait for them; 0 for none.
	ReturnJitter int64
	// MaxUnconfirmed bounds, for each owner and for the pool's life, the holds that ended without being confirmed; 0 for none.
	MaxUnconfirmed uint16
	Cooldown       int64    // for which an owner whose hold expired cannot hold or take again; 0 for none
	LowStock       Quantity // at which the pool says that it is low; 0 for never
	Document       []byte   // as the caller sent it; not interpreted
}

// PutPool makes a pool, or replaces the policy of one. Repeating it changes nothing.
type PutPool struct {
	Namespace NamespaceRef
	ID        string
	Expect    uint64 // the revision it replaces, 0 for "must not exist"; AnyRevision for whatever it is
	// Total is what a new pool has. Of one that exists it must be what it has, or StockUnstated: AdjustPool changes it.
	Total  Quantity
	Policy PoolPolicy
	Actor  string
	Reason string
}

// AdjustPool changes a pool's total by a delta: a restock, or a withdrawal of units that are available. It is remembered
// under its key.
type AdjustPool struct {
	Namespace NamespaceRef
	Pool      PoolRef
	Delta     Quantity
	Digest    Key  // Keyer.PoolAdjust
	Machine   bool // asked for with a machine's key
	Actor     string
	Reason    string
}

// AddPool appends the making of a pool.
func (b *Batch) AddPool(c *PutPool) {
	w, start := b.begin(opPool)
	w.u32(uint32(c.Namespace))
	w.str(c.ID)
	w.u64(c.Expect)
	w.i64(int64(c.Total))
	w.str(c.Actor)
	w.str(c.Reason)
	w.poolPolicy(&c.Policy)
	b.end(w, start)
}

func (r *reader) putPool() PutPool {
	return PutPool{
		Namespace: NamespaceRef(r.u32()), ID: r.str(MaxIDBytes), Expect: r.u64(), Total: Quantity(r.i64()),
		Actor: r.str(MaxActorBytes), Reason: r.str(MaxReasonBytes), Policy: r.poolPolicy(),
	}
}

// AddPoolAdjust appends a change of a pool's total.
func (b *Batch) AddPoolAdjust(c *AdjustPool) {
	w, start := b.begin(opPoolAdjust)
	w.u32(uint32(c.Namespace))
	w.u32(uint32(c.Pool))
	w.i64(int64(c.Delta))
	w.raw(c.Digest[:])
	w.flag(c.Machine)
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

func (r *reader) adjustPool() AdjustPool {
	return AdjustPool{
		Namespace: NamespaceRef(r.u32()), Pool: PoolRef(r.u32()), Delta: Quantity(r.i64()), Digest: r.key(), Machine: r.flag(),
		Actor: r.str(MaxActorBytes), Reason: r.str(MaxReasonBytes),
	}
}

func (w *writer) poolPolicy(p *PoolPolicy) {
	w.i64(int64(p.OpensAt))
	w.i64(int64(p.ClosesAt))
	w.i64(int64(p.LimitPerOwner))
	w.i64(p.HoldTTL)
	w.i64(p.MaxHold)
	w.u8(uint8(p.Restock))
	w.i64(p.ReturnJitter)
	w.u16(p.MaxUnconfirmed)
	w.i64(p.Cooldown)
	w.i64(int64(p.LowStock))
	w.bytes(p.Document)
}

func (r *reader) poolPolicy() PoolPolicy {
	return PoolPolicy{
		OpensAt: UnixMilli(r.i64()), ClosesAt: UnixMilli(r.i64()), LimitPerOwner: Quantity(r.i64()), HoldTTL: r.i64(),
		MaxHold: r.i64(), Restock: Restock(r.enum(restocks)), ReturnJitter: r.i64(), MaxUnconfirmed: r.u16(), Cooldown: r.i64(),
		LowStock: Quantity(r.i64()), Document: clone(r.bytes(MaxPoolDocument)),
	}
}

// Validate reports the first rule that p breaks.
func (p *PoolPolicy) Validate() error {
	switch {
	case p.OpensAt < 0 || p.OpensAt > maxLotTime || p.ClosesAt < 0 || p.ClosesAt > maxLotTime || p.ClosesAt != 0 && p.ClosesAt <= p.OpensAt:
		return invalid("opens_at and closes_at: a pool closes after it opens")
	case p.LimitPerOwner < 0 || p.LimitPerOwner > MaxCapLimit:
		return invalid("limit_per_owner: 0 to 2147483647 units")
	case p.HoldTTL != 0 && (p.HoldTTL < MinHoldTTL || p.HoldTTL > MaxHoldLife):
		return invalid("hold_ttl: 1 s to 24 h")
	case p.MaxHold != 0 && (p.MaxHold < p.ttl() || p.MaxHold > MaxHoldLife):
		return invalid("max_hold: from hold_ttl to 24 h")
	case p.Restock >= restocks:
		return invalid("restock: machine, one or two")
	case p.ReturnJitter < 0 || p.ReturnJitter > MaxReturnJitter:
		return invalid("return_jitter: up to 1 h")
	case p.Cooldown < 0 || p.Cooldown > MaxHoldCooldown:
		return invalid("cooldown: up to 72 h")
	case p.LowStock < 0 || p.LowStock > MaxStock:
		return invalid("low_stock: a number of units")
	case len(p.Document) > MaxPoolDocument:
		return invalid("the pool's document is too long")
	}
	return nil
}

// ttl returns how long a hold lasts that does not say, in ms.
func (p *PoolPolicy) ttl() int64 {
	if p.HoldTTL == 0 {
		return DefaultHoldTTL
	}
	return p.HoldTTL
}

// longest returns the longest that a hold may last, in ms.
func (p *PoolPolicy) longest() int64 {
	if p.MaxHold == 0 {
		return min(10*p.ttl(), MaxHoldLife)
	}
	return p.MaxHold
}

// CheckPool reports why the engine would refuse c: what PutPool answers with invalid_field, in words.
func (c *PutPool) CheckPool() error {
	switch {
	case !names.Pool(c.ID):
		return invalid("pool id: [A-Za-z0-9][A-Za-z0-9._-]{0,62}")
	case c.Total != StockUnstated && (c.Total < 0 || c.Total > MaxStock):
		return invalid("total: a number of units")
	}
	return c.Policy.Validate()
}

// Pool is stock that is held and taken, without a draw or by draws of the campaigns that share it. Its methods take no locks unless they say so.
type Pool struct {
	namespace *Namespace
	ref       PoolRef
	id        string

	terms atomic.Pointer[poolTerms] // every shard is locked when they change; replaced, never changed
	epoch atomic.Uint64             // moved under mu: PoolStock.Epoch
	mu    struct {
		sync.Mutex
		seq uint64
	}
	books    cell   // under mu, like all that follows
	holds    agenda // units held, by the second at which they come back unless somebody confirms
	spread   agenda // units given back that return_jitter keeps for later; they count as held
	forfeits agenda // units held that are expired at their second unless somebody confirms: see PoolPrize.Forfeit
	low      bool   // said to be low, and not above it since
	fenced   string // the rule that the books broke; empty for none
	_        [64]byte
}

// poolTerms are a pool's policy with the number of its revision.
type poolTerms struct {
	PoolPolicy
	revision uint64
}

// Ref returns p's number in its namespace.
func (p *Pool) Ref() PoolRef { return p.ref }

// ID returns p's id.
func (p *Pool) ID() string { return p.id }

// Namespace returns whose p is.
func (p *Pool) Namespace() *Namespace { return p.namespace }

// Policy returns the policy in force and the number of its revision. It must not be modified.
func (p *Pool) Policy() (*PoolPolicy, uint64) {
	t := p.terms.Load()
	return &t.PoolPolicy, t.revision
}

// Epoch moves whenever units come back or come in.
func (p *Pool) Epoch() uint64 { return p.epoch.Load() }
