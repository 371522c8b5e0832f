package drawd

import (
	"context"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// PoolPolicy is what a pool allows. Zero values mean no bound, but for HoldTTL and MaxHold.
type PoolPolicy struct {
	OpensAt, ClosesAt time.Time
	LimitPerOwner     int64         // of what one owner holds and has, together
	HoldTTL           time.Duration // how long a hold lasts that does not say; 0 for two minutes
	MaxHold           time.Duration // from a hold's start to its last deadline, extensions included; 0 for ten times HoldTTL
	ReturnJitter      time.Duration // units that come back are spread over so much time
	MaxUnconfirmed    int           // holds of one owner that ended without being confirmed, for the pool's life
	Cooldown          time.Duration // for which an owner whose hold expired cannot hold or take again
	LowStock          int64         // at which the pool says, in a record, that it is low
}

// Pool is stock that holds and takes draw on.
type Pool struct {
	db *DB
	p  *engine.Pool
}

// CurrentTotal, as the total given to PutPool, leaves the total of a pool that exists as it is.
const CurrentTotal = int64(engine.StockUnstated)

// PutPool makes a pool with a total, or replaces the policy of one. The total of a pool that exists must be what it has, or
// CurrentTotal: Adjust changes it. Repeating it does nothing.
func (db *DB) PutPool(ctx context.Context, id string, total int64, policy PoolPolicy) (*Pool, error) {
	if policy.MaxUnconfirmed < 0 || policy.MaxUnconfirmed > 1<<16-1 {
		return nil, invalid("MaxUnconfirmed is %d: it must be at most %d", policy.MaxUnconfirmed, 1<<16-1)
	}
	c := engine.PutPool{
		Namespace: db.namespace.Ref(), ID: id, Expect: engine.AnyRevision, Total: engine.Quantity(total), Actor: db.options.Actor,
		Policy: engine.PoolPolicy{
			OpensAt: instant(policy.OpensAt), ClosesAt: instant(policy.ClosesAt), LimitPerOwner: engine.Quantity(policy.LimitPerOwner),
			HoldTTL: policy.HoldTTL.Milliseconds(), MaxHold: policy.MaxHold.Milliseconds(), Restock: engine.RestockMachine,
			ReturnJitter: policy.ReturnJitter.Milliseconds(), MaxUnconfirmed: uint16(policy.MaxUnconfirmed),
			Cooldown: policy.Cooldown.Milliseconds(), LowStock: engine.Quantity(policy.LowStock),
		},
	}
	if err := c.CheckPool(); err != nil {
		return nil, invalid("%v", err)
	}
	k := db.begin()
	defer db.end(k)
	k.batch.AddPool(&c)
	if _, err := db.stock(ctx, k, "", ""); err != nil {
		return nil, err
	}
	p, ok := db.Pool(id)
	if !ok {
		return nil, &Error{Code: problem.Internal, Pool: id, Detail: "BUG: a pool that was made is not there"}
	}
	return p, nil
}

// instant is a time as the engine counts, 0 for none.
func instant(t time.Time) engine.UnixMilli {
	if t.IsZero() {
		return 0
	}
	return engine.UnixMilli(t.UnixMilli())
}

// Pool returns the pool with an id; false when there is none.
func (db *DB) Pool(id string) (*Pool, bool) {
	p, ok := db.namespace.Pool([]byte(id))
	return &Pool{db, p}, ok
}

// ID returns the pool's id.
func (p *Pool) ID() string { return p.p.ID() }

// Stock returns the pool's books in one cut.
func (p *Pool) Stock() engine.PoolStock { return p.p.Stock() }

// Adjust changes the pool's total by a delta, once for its key, and returns the new one.
func (p *Pool) Adjust(ctx context.Context, delta int64, key, reason string) (total int64, err error) {
	switch {
	case !names.Key(key):
		return 0, invalid("an adjustment needs a key of 1 to %d visible ASCII characters", engine.MaxIdempotencyKeyBytes)
	case delta == 0 || delta > engine.MaxStock || delta < -engine.MaxStock:
		return 0, invalid("an adjustment is by 1 to %d units, either way", int64(engine.MaxStock))
	case len(reason) > engine.MaxReasonBytes:
		return 0, invalid("the reason has %d bytes; at most %d are kept", len(reason), engine.MaxReasonBytes)
	}
	k := p.db.begin()
	defer p.db.end(k)
	k.batch.AddPoolAdjust(&engine.AdjustPool{
		Namespace: p.db.namespace.Ref(), Pool: p.p.Ref(), Delta: engine.Quantity(delta), Machine: true, Actor: p.db.options.Actor,
		Reason: reason, Digest: p.db.keyer.PoolAdjust(p.p.Ref(), p.db.options.Actor, []byte(key)),
	})
	r, err := p.db.stock(ctx, k, "", key)
	if err != nil {
		return 0, err
	}
	return int64(r.Value), nil
}

// OwnerUse is what an owner has of a pool.
type OwnerUse struct {
	Held, Issued  int64
	Unconfirmed   int       // his holds that ended without being confirmed
	CooldownUntil time.Time // zero for none
	Open          []Hold    // his open holds, of all pools, newest first
}

// Owner returns what an owner has of the pool.
func (p *Pool) Owner(owner string) (OwnerUse, error) {
	if !names.Subject(owner) {
		return OwnerUse{}, invalid("Owner must be 1 to %d of the characters A-Z a-z 0-9 . _ ~ : @ = + -", engine.MaxUserBytes)
	}
	from, open := p.db.engine.Owner(p.p, p.db.keyer.User([]byte(owner)))
	u := OwnerUse{Held: int64(from.Held), Issued: int64(from.Issued), Unconfirmed: int(from.Unconfirmed)}
	if from.CooldownUntil != 0 {
		u.CooldownUntil = timeOf(from.CooldownUntil)
	}
	for i := range open {
		u.Open = append(u.Open, p.db.viewed(&open[i], ""))
		u.Open[i].Owner = owner
	}
	return u, nil
}

// stock decides a command on stock and returns its result, whose details are in k's record when it has one.
func (db *DB) stock(ctx context.Context, k *call, owner, key string) (*engine.Result, error) {
	if err := db.decide(ctx, k, "", owner, key); err != nil {
		return nil, err
	}
	r := &k.batch.Results[0]
	switch {
	case r.Code != problem.OK && r.Replayed: // a refusal that was remembered: its record says the rest
		if err := db.load(k, r); err != nil {
			return nil, err
		}
		if first, ok := k.record.HoldRefusal(); ok {
			return nil, db.refused(&first, owner, key)
		}
		return nil, db.refused(r, owner, key)
	case r.Code != problem.OK:
		return nil, db.refused(r, owner, key)
	case r.Pending:
		return nil, &Error{Code: problem.Conflict, Detail: "it waits for approval, which the daemon takes", Key: key}
	}
	return r, nil
}

// refused returns the error of a command on stock.
func (db *DB) refused(r *engine.Result, owner, key string) error {
	e := &Error{Code: r.Code, User: owner, Key: key, MayReturn: r.MayReturn, kept: r.Records > 0}
	if p, ok := db.namespace.PoolByRef(r.Pool); ok {
		e.Pool = p.ID()
	}
	if r.State != 0 {
		e.State = r.State.String()
	}
	if r.Code == problem.Capped {
		e.Cap, e.Used, e.Limit = engine.HoldCap(r.Cap).String(), r.Used, r.Limit
	}
	if r.ResetsAt != 0 {
		e.ResetsAt = timeOf(r.ResetsAt)
	}
	if r.Now != 0 {
		e.Now = timeOf(r.Now)
	}
	return e
}
