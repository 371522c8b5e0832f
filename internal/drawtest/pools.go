package drawtest

import (
	"fmt"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Stock is a command on pools and holds (semantics.md §4, docs/adr/0022). Exactly one of the pointers is set. What becomes of a
// hold names it by the key of the request that made it: a script does not know its place in the log. Where there is none, the
// command is a tick.
type Stock struct {
	Pool   *engine.PutPool
	Adjust *engine.AdjustPool
	Hold   *engine.Hold
	Take   *engine.Take

	Of      engine.Key // the hold or take, of the following
	Owner   engine.Key
	Confirm *engine.ConfirmHold
	Release *engine.ReleaseHold
	Extend  *engine.ExtendHold
	Void    *engine.VoidHold
	OfTake  bool // the void is asked for as one of a take
}

// names reports whether the command needs the place of a hold.
func (s *Stock) names() bool {
	return s.Pool == nil && s.Adjust == nil && s.Hold == nil && s.Take == nil
}

// addTo encodes the command, or a tick.
func (s *Stock) addTo(b *engine.Batch) {
	switch {
	case s.Pool != nil:
		b.AddPool(s.Pool)
	case s.Adjust != nil:
		b.AddPoolAdjust(s.Adjust)
	case s.Hold != nil:
		b.AddHold(s.Hold)
	case s.Take != nil:
		b.AddTake(s.Take)
	default:
		b.AddTick()
	}
}

// AddWith encodes a command that names a hold or take, whose record stands at l.
func (s *Stock) AddWith(b *engine.Batch, l engine.Location) { s.addWith(b, engine.RefOf(l, &s.Owner)) }

// addWith encodes the command about a hold.
func (s *Stock) addWith(b *engine.Batch, h engine.HoldRef) {
	switch {
	case s.Confirm != nil:
		c := *s.Confirm
		c.Hold = h
		b.AddConfirm(&c)
	case s.Release != nil:
		c := *s.Release
		c.Hold = h
		b.AddRelease(&c)
	case s.Extend != nil:
		c := *s.Extend
		c.Hold = h
		b.AddExtend(&c)
	case s.OfTake:
		v := s.Void
		b.AddTakeVoid(&engine.VoidTake{Namespace: 1, Take: h, Fault: v.Fault, Actor: v.Actor, Reason: v.Reason})
	default:
		c := *s.Void
		c.Hold = h
		b.AddHoldVoid(&c)
	}
}

// String returns the command as a line of a script.
func (s *Stock) String() string {
	switch {
	case s.Pool != nil:
		return fmt.Sprintf("pool %s expect=%d total=%d %+v", s.Pool.ID, s.Pool.Expect, s.Pool.Total, s.Pool.Policy)
	case s.Adjust != nil:
		return fmt.Sprintf("restock pool %d by %+d machine=%v key=%x", s.Adjust.Pool, s.Adjust.Delta, s.Adjust.Machine, s.Adjust.Digest[:4])
	case s.Hold != nil:
		return fmt.Sprintf("hold %s %v ttl=%d key=%x", s.Hold.OwnerID, s.Hold.Items, s.Hold.TTL, s.Hold.Digest[:4])
	case s.Take != nil:
		return fmt.Sprintf("take %s %d of %d key=%x", s.Take.OwnerID, s.Take.Units, s.Take.Pool, s.Take.Digest[:4])
	case s.Confirm != nil:
		return fmt.Sprintf("confirm hold %x %v reacquire=%v", s.Of[:4], s.Confirm.Items, s.Confirm.Reacquire)
	case s.Release != nil:
		return fmt.Sprintf("release hold %x", s.Of[:4])
	case s.Extend != nil:
		return fmt.Sprintf("extend hold %x ttl=%d until=%d", s.Of[:4], s.Extend.TTL, s.Extend.Until)
	}
	return fmt.Sprintf("void %x of a take=%v: %s", s.Of[:4], s.OfTake, s.Void.Fault)
}

// pool is stock that is held and taken without a draw. What is available is what the rest leaves.
type pool struct {
	ref              engine.PoolRef
	id               string
	policy           engine.PoolPolicy
	revision         uint64
	seq, rises       uint64
	total, withdrawn engine.Quantity
	low              bool
}

// hold is a hold or a take from its making on.
type hold struct {
	at       engine.Location
	made     engine.UnixMilli
	owner    engine.Key
	taken    bool
	items    []*piece // ascending by pool
	deadline engine.UnixMilli
	latest   engine.UnixMilli
	state    engine.HoldState // StateHeld also when it has expired
	resolved engine.UnixMilli
	part     bool
	cooled   bool // it expired, also if it was confirmed late
	fault    engine.VoidFault
}

// piece is units of one pool in a hold.
type piece struct {
	pool    *pool
	units   engine.Quantity  // held; what was confirmed of them, later
	putOff  engine.UnixMilli // how much later they come back
	away    engine.Quantity  // units on their way back, or held
	until   engine.UnixMilli // when they are back
	issued  engine.Quantity
	counted engine.Quantity // of the issued, against the owner's limit
	kept    bool            // some of it was confirmed once
}

// stockKey is what is remembered under the key of a hold, take or adjustment.
type stockKey struct {
	at    engine.Location
	made  engine.UnixMilli
	code  problem.Code
	print string
	hold  *hold // nil for a refusal
	desk  bool
}

// wholeSeconds rounds an interval up.
func wholeSeconds(ms int64) engine.UnixMilli { return engine.UnixMilli((ms + 999) / 1000 * 1000) }

// held sums the units of a pool that are held or on their way back.
func (r *Reference) held(p *pool, at engine.UnixMilli) (n engine.Quantity) {
	for _, h := range r.holds {
		for _, x := range h.items {
			if x.pool == p && x.until > at {
				n += x.away
			}
		}
	}
	return n
}

func (r *Reference) issued(p *pool) (n engine.Quantity) {
	for _, h := range r.holds {
		for _, x := range h.items {
			if x.pool == p {
				n += x.issued
			}
		}
	}
	return n
}

func (r *Reference) available(p *pool) engine.Quantity {
	return p.total - p.withdrawn - r.held(p, r.now) - r.issued(p)
}

// returnStock tells what has come back since the last command: one record for each pool.
func (r *Reference) returnStock(last engine.UnixMilli) {
	for _, p := range r.pools {
		n := engine.Quantity(0)
		for _, h := range r.holds {
			for _, x := range h.items {
				if x.pool == p && x.away > 0 && last < x.until && x.until <= r.now {
					n += x.away
					x.away = 0
				}
			}
		}
		if n == 0 {
			continue
		}
		r.reach("units come back")
		p.seq++
		r.rise(p)
		r.aside = append(r.aside, engine.Record{
			Kind: engine.RecordPoolReturn, Namespace: 1, Seq: p.seq, At: r.now, Name: []byte(p.id), Delta: int64(n), Total: r.available(p),
		})
	}
}

// rise notices that units came back or in.
func (r *Reference) rise(p *pool) {
	p.rises++
	if r.available(p) > p.policy.LowStock {
		p.low = false
	}
}

// tell notes that a pool is low, or that its last unit has gone. was is what was available before.
func (r *Reference) tell(p *pool, was engine.Quantity) {
	left := r.available(p)
	rec := engine.Record{Namespace: 1, Seq: p.seq, At: r.now, Name: []byte(p.id), Total: left}
	if p.policy.LowStock > 0 && left <= p.policy.LowStock && !p.low {
		p.low = true
		rec.Kind = engine.RecordPoolLow
		r.aside = append(r.aside, rec)
		r.reach("pool low")
	}
	if left == 0 && was > 0 {
		rec.Kind = engine.RecordPoolSoldOut
		r.aside = append(r.aside, rec)
		r.reach("pool sold out")
	}
}

// stock decides a command on pools and holds.
func (r *Reference) stock(s *Stock) Decided {
	switch {
	case s.Pool != nil:
		return r.putPool(s.Pool)
	case s.Adjust != nil:
		return r.adjustPool(s.Adjust)
	case s.Hold != nil:
		return r.hold(s.Hold, false)
	case s.Take != nil:
		t := s.Take
		return r.hold(&engine.Hold{
			Owner: t.Owner, OwnerID: t.OwnerID, Digest: t.Digest, Ref: t.Ref, Items: []engine.Item{{Pool: t.Pool, Units: t.Units}}, Actor: t.Actor,
		}, true)
	}
	k := r.stockKeys[s.Of]
	if k == nil {
		return Decided{} // a tick
	}
	h := k.hold
	if h == nil || h.taken != (s.Void != nil && s.OfTake) || r.holdGone(h.made) {
		return refuse(0, problem.HoldNotFound)
	}
	switch {
	case s.Confirm != nil:
		return r.confirm(h, s.Confirm)
	case s.Release != nil:
		return r.releaseHold(h, s.Release)
	case s.Extend != nil:
		return r.extend(h, s.Extend)
	}
	return r.voidUnits(h, s.Void)
}

// holdGone reports whether what was made at a time is forgotten: whole days are.
func (r *Reference) holdGone(made engine.UnixMilli) bool {
	return r.now >= (made/day+1)*day+24*hour+24*hour+72*hour
}

func (r *Reference) deskGone(made engine.UnixMilli) bool { return r.now >= (made/day+1)*day+7*day }

func (r *Reference) poolOf(ref engine.PoolRef) *pool {
	if ref == 0 || int(ref) > len(r.pools) {
		return nil
	}
	return r.pools[ref-1]
}

// putPool makes a pool or replaces its policy.
func (r *Reference) putPool(c *engine.PutPool) Decided {
	var p *pool
	for _, known := range r.pools {
		if known.id == c.ID {
			p = known
		}
	}
	switch {
	case p == nil && c.Expect != engine.AnyRevision && c.Expect != 0:
		return refuse(0, problem.VersionConflict)
	case p == nil && c.Total == engine.StockUnstated:
		return refuse(0, problem.InvalidField)
	case p == nil:
		p = &pool{ref: engine.PoolRef(len(r.pools) + 1), id: c.ID, seq: 1, total: c.Total}
		r.pools = append(r.pools, p)
	case c.Expect != engine.AnyRevision && c.Expect != p.revision:
		return Decided{Result: engine.Result{Code: problem.VersionConflict, Value: p.revision, Pool: p.ref}}
	case c.Total != engine.StockUnstated && c.Total != p.total:
		return Decided{Result: engine.Result{Code: problem.StockChanged, Value: uint64(p.total), Pool: p.ref}}
	case fmt.Sprint(p.policy) == fmt.Sprint(c.Policy):
		return Decided{Result: engine.Result{AlreadyLive: true, Value: p.revision, Pool: p.ref}}
	}
	p.policy = c.Policy
	p.revision++
	p.low = p.low && r.available(p) <= p.policy.LowStock
	return Decided{
		Result: engine.Result{At: r.here(0), Records: 1, Value: p.revision, Pool: p.ref},
		Records: []engine.Record{{
			Kind: engine.RecordPool, Namespace: 1, Seq: p.seq, At: r.now, Name: []byte(p.id), Actor: []byte(c.Actor), Reason: []byte(c.Reason),
			Delta: int64(p.revision), Total: p.total,
		}},
	}
}

// adjustPool changes a pool's total, once for its key.
func (r *Reference) adjustPool(c *engine.AdjustPool) Decided {
	p := r.poolOf(c.Pool)
	if p == nil {
		return Decided{Result: engine.Result{Code: problem.PoolNotFound, Pool: c.Pool}}
	}
	print := fmt.Sprint(c.Pool, c.Delta)
	if k := r.stockKeys[c.Digest]; k != nil && !r.deskGone(k.made) {
		if k.print != print {
			return Decided{Result: engine.Result{Code: problem.IdempotencyMismatch, Pool: p.ref}}
		}
		return Decided{Result: engine.Result{Replayed: true, At: k.at, Pool: p.ref, Value: uint64(p.total)}}
	}
	was := r.available(p)
	switch {
	case c.Machine && p.policy.Restock != engine.RestockMachine:
		return Decided{Result: engine.Result{Code: problem.Forbidden, Pool: p.ref}}
	case was+c.Delta < 0:
		return Decided{Result: engine.Result{Code: problem.InsufficientStock, Pool: p.ref, MayReturn: r.held(p, r.now) > 0}}
	case r.stockKeyCount() >= r.maxKeys():
		return Decided{Result: engine.Result{Code: problem.Capacity, Pool: p.ref}}
	}
	p.total += c.Delta
	p.seq++
	if c.Delta > 0 {
		r.rise(p)
	}
	out := Decided{
		Result: engine.Result{At: r.here(0), Records: 1, Value: uint64(p.total), Pool: p.ref},
		Records: []engine.Record{{
			Kind: engine.RecordPoolAdjust, Namespace: 1, Seq: p.seq, At: r.now, Name: []byte(p.id), Actor: []byte(c.Actor), Reason: []byte(c.Reason),
			Delta: int64(c.Delta), Total: p.total,
		}},
	}
	r.stockKeys[c.Digest] = &stockKey{at: out.Result.At, made: r.now, print: print, desk: true}
	r.tell(p, was)
	return out
}

// stockKeyCount counts the keys of holds and takes that are remembered.
func (r *Reference) stockKeyCount() (n uint64) {
	for _, k := range r.stockKeys {
		if !k.desk && !r.holdGone(k.made) {
			n++
		}
	}
	return n
}

func (r *Reference) maxKeys() uint64 {
	if limit := r.policies[1].MaxKeys; limit != 0 {
		return limit
	}
	return engine.DefaultMaxKeys
}
