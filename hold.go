package drawd

import (
	"context"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// Item is units of one pool.
type Item struct {
	Pool  string
	Units int64
}

// HoldRequest sets units aside for an owner.
type HoldRequest struct {
	Owner string
	Key   string // idempotency key: the same key gives the same answer, also a refusal. Empty lets the DB make one
	Items []Item // all of them or none
	// TTL is how long the hold lasts, in whole seconds rounded up; 0 for the shortest that its pools say.
	TTL time.Duration
	Ref string // the host's, for instance an order id: 1 to 64 visible ASCII characters
}

// TakeRequest takes units for an owner at once.
type TakeRequest struct {
	Owner string
	Key   string
	Pool  string
	Units int64
	Ref   string
}

// Hold is a hold or a take as it stands.
type Hold struct {
	ID       string // by which it is confirmed, released and extended
	State    engine.HoldState
	Owner    string // empty where only the id was known
	Ref      string // as Owner
	Key      string // of the request that made it
	Items    []Item
	Deadline time.Time // until which it can be confirmed
	Latest   time.Time // how far it can be extended
	// Replayed says that it was made earlier, under the same key; Already that it already was as asked.
	Replayed, Already bool
}

// Hold sets units of one or several pools aside, all or nothing, until the deadline. It is confirmed, released, or comes back
// by itself. What is short is ErrInsufficientStock; that refusal stands under its key too.
func (db *DB) Hold(ctx context.Context, q HoldRequest) (Hold, error) {
	key, err := db.keyOf(q.Key, q.Owner, q.Ref)
	if err != nil {
		return Hold{}, err
	}
	if q.TTL < 0 || q.TTL > engine.MaxHoldLife*time.Millisecond {
		return Hold{}, invalid("TTL is %v: it must be at most %v", q.TTL, engine.MaxHoldLife*time.Millisecond)
	}
	if len(q.Items) == 0 {
		return Hold{}, invalid("a hold needs 1 to %d items", engine.MaxHoldItems)
	}
	k := db.begin()
	defer db.end(k)
	items, err := db.itemsOf(k.items[:0], q.Items...)
	if err != nil {
		return Hold{}, err
	}
	k.user, k.key, k.text = append(k.user[:0], q.Owner...), append(k.key[:0], key...), append(k.text[:0], q.Ref...)
	owner := db.keyer.User(k.user)
	k.batch.AddHold(&engine.Hold{
		Namespace: db.namespace.Ref(), Owner: owner, OwnerID: k.user, Digest: db.keyer.Hold(owner, k.key), Ref: k.text,
		TTL: (q.TTL + time.Millisecond - 1).Milliseconds(), Items: items, Actor: db.options.Actor,
	})
	return db.made(ctx, k, engine.IDHold, owner, q.Owner, key)
}

// Take takes units at once: a hold that is confirmed in the same step.
func (db *DB) Take(ctx context.Context, q TakeRequest) (Hold, error) {
	key, err := db.keyOf(q.Key, q.Owner, q.Ref)
	if err != nil {
		return Hold{}, err
	}
	k := db.begin()
	defer db.end(k)
	items, err := db.itemsOf(k.items[:0], Item{q.Pool, q.Units})
	if err != nil {
		return Hold{}, err
	}
	k.user, k.key, k.text = append(k.user[:0], q.Owner...), append(k.key[:0], key...), append(k.text[:0], q.Ref...)
	owner := db.keyer.User(k.user)
	k.batch.AddTake(&engine.Take{
		Namespace: db.namespace.Ref(), Pool: items[0].Pool, Units: items[0].Units, Owner: owner, OwnerID: k.user,
		Digest: db.keyer.Take(items[0].Pool, owner, k.key), Ref: k.text, Actor: db.options.Actor,
	})
	return db.made(ctx, k, engine.IDTake, owner, q.Owner, key)
}

// keyOf checks who asks and under which key, and makes one where there is none.
func (db *DB) keyOf(key, owner, ref string) (string, error) {
	switch {
	case !names.Subject(owner):
		return "", invalid("Owner must be 1 to %d of the characters A-Z a-z 0-9 . _ ~ : @ = + -", engine.MaxUserBytes)
	case !db.users.allow(db.namespace.Policy(), owner):
		return "", invalid("the policy (user_pattern) does not allow this Owner")
	case ref != "" && !names.Key(ref):
		return "", invalid("Ref must be 1 to %d visible ASCII characters", engine.MaxRefBytes)
	case key == "":
		return db.keyFor()
	case !names.Key(key):
		return "", invalid("Key must be 1 to %d visible ASCII characters", engine.MaxIdempotencyKeyBytes)
	}
	return key, nil
}

// itemsOf appends items with their pools found.
func (db *DB) itemsOf(items []engine.Item, from ...Item) ([]engine.Item, error) {
	if len(from) > engine.MaxHoldItems {
		return nil, invalid("there are %d items; at most %d go together", len(from), engine.MaxHoldItems)
	}
	sum := int64(0)
	for _, x := range from {
		p, ok := db.namespace.Pool([]byte(x.Pool))
		if !ok {
			return nil, &Error{Code: problem.PoolNotFound, Pool: x.Pool}
		}
		if sum += x.Units; x.Units < 1 || x.Units > engine.MaxHoldUnits || sum > engine.MaxHoldUnits {
			return nil, invalid("items have 1 to %d units, all together", engine.MaxHoldUnits)
		}
		items = append(items, engine.Item{Pool: p.Ref(), Units: engine.Quantity(x.Units)})
	}
	return items, nil
}

// made decides a hold or take and tells it as its record has it: as it was made, also when it is asked again.
func (db *DB) made(ctx context.Context, k *call, kind engine.IDKind, owner engine.Key, name, key string) (Hold, error) {
	r, err := db.stock(ctx, k, name, key)
	if err != nil {
		return Hold{}, err
	}
	if err := db.load(k, r); err != nil {
		return Hold{}, err
	}
	m, ok := k.record.Moves()
	if !ok {
		return Hold{}, &Error{Code: problem.Internal, Detail: "BUG: the record of a hold is of something else", User: name, Key: key}
	}
	k.text = db.engine.AppendHoldID(k.text[:0], kind, engine.RefOf(r.At, &owner))
	h := Hold{ID: string(k.text), State: engine.StateHeld, Owner: name, Ref: string(k.record.Reason), Key: key, Replayed: r.Replayed}
	if h.Items = make([]Item, m.Count); kind == engine.IDTake {
		h.State = engine.StateTaken
	} else {
		h.Deadline, h.Latest = timeOf(engine.UnixMilli(k.record.Total)), timeOf(engine.UnixMilli(k.record.Delta))
	}
	for i := range h.Items {
		if p, ok := db.namespace.PoolByRef(m.Items[i].Pool); ok {
			h.Items[i] = Item{p.ID(), int64(m.Items[i].Units)}
		}
	}
	return h, nil
}

// Confirm makes what is held the owner's: all of it or, with items, that part, and the rest comes back. Confirming again is
// Already. After the deadline it is ErrHoldExpired.
func (db *DB) Confirm(ctx context.Context, id string, items ...Item) (Hold, error) {
	return db.confirm(ctx, id, items, false)
}

// ConfirmLate is Confirm for a payment that may come after the deadline: free units are taken then, and when there are none the
// hold is ErrGone.
func (db *DB) ConfirmLate(ctx context.Context, id string, items ...Item) (Hold, error) {
	return db.confirm(ctx, id, items, true)
}

func (db *DB) confirm(ctx context.Context, id string, part []Item, late bool) (Hold, error) {
	items, err := db.itemsOf(nil, part...)
	if err != nil {
		return Hold{}, err
	}
	return db.resolve(ctx, id, func(b *engine.Batch, ref engine.HoldRef) {
		b.AddConfirm(&engine.ConfirmHold{Namespace: db.namespace.Ref(), Hold: ref, Items: items, Reacquire: late, Actor: db.options.Actor})
	})
}

// Release gives what is held back. Releasing again is Already.
func (db *DB) Release(ctx context.Context, id, reason string) (Hold, error) {
	if len(reason) > engine.MaxReasonBytes {
		return Hold{}, invalid("the reason has %d bytes; at most %d are kept", len(reason), engine.MaxReasonBytes)
	}
	return db.resolve(ctx, id, func(b *engine.Batch, ref engine.HoldRef) {
		b.AddRelease(&engine.ReleaseHold{Namespace: db.namespace.Ref(), Hold: ref, Actor: db.options.Actor, Reason: reason})
	})
}

// Extend moves a hold's deadline to so long from now, 0 for the shortest that its pools say. It never comes nearer, and ends
// at Hold.Latest.
func (db *DB) Extend(ctx context.Context, id string, by time.Duration) (Hold, error) {
	if by < 0 || by > engine.MaxHoldLife*time.Millisecond {
		return Hold{}, invalid("a hold is extended by at most %v", engine.MaxHoldLife*time.Millisecond)
	}
	return db.resolve(ctx, id, func(b *engine.Batch, ref engine.HoldRef) {
		b.AddExtend(&engine.ExtendHold{Namespace: db.namespace.Ref(), Hold: ref, TTL: by.Milliseconds(), Actor: db.options.Actor})
	})
}

// resolve decides what becomes of a hold, and tells how it stands then.
func (db *DB) resolve(ctx context.Context, id string, add func(*engine.Batch, engine.HoldRef)) (Hold, error) {
	ref, ok := db.engine.ParseHoldID(engine.IDHold, []byte(id))
	if !ok {
		return Hold{}, &Error{Code: problem.HoldNotFound, Detail: "not the id of a hold"}
	}
	return db.resolveAt(ctx, id, ref, func(b *engine.Batch) { add(b, ref) })
}

func (db *DB) resolveAt(ctx context.Context, id string, ref engine.HoldRef, add func(*engine.Batch)) (Hold, error) {
	k := db.begin()
	defer db.end(k)
	add(&k.batch)
	r, err := db.stock(ctx, k, "", "")
	if err != nil {
		return Hold{}, err
	}
	already := r.AlreadyLive
	h, err := db.holdAt(id, ref)
	h.Already = already
	return h, err
}

// holdAt returns how the hold or take with an id stands now.
func (db *DB) holdAt(id string, ref engine.HoldRef) (Hold, error) {
	v, found := db.engine.Hold(db.namespace, ref)
	if !found {
		return Hold{}, &Error{Code: problem.HoldNotFound}
	}
	return db.viewed(&v, id), nil
}

// FindHold returns how a hold or take stands now.
func (db *DB) FindHold(id string) (Hold, error) {
	ref, ok := db.engine.ParseHoldID(engine.IDHold, []byte(id))
	if !ok {
		ref, ok = db.engine.ParseHoldID(engine.IDTake, []byte(id))
	}
	if !ok {
		return Hold{}, &Error{Code: problem.HoldNotFound}
	}
	return db.holdAt(id, ref)
}
