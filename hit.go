package drawd

import (
	"context"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// HitRequest asks a fatigue cap of the policy (fatigue_caps) for so many more of what it counts.
type HitRequest struct {
	Cap, User string
	Key       string // idempotency key: the same key counts once. Empty lets the DB make one
	Quantity  int    // all or none of them; 0 for one
}

// Hit is what was counted.
type Hit struct {
	Cap, User, Key string
	Replayed       bool // this was counted earlier, under the same key
	Quantity       int
	Used, Limit    int       // of the cap, after it
	ResetsAt       time.Time // when more fits, zero for never or for now
}

// Hit counts what fits under a cap, once for the request's key, and refuses what does not: ErrCapped.
func (db *DB) Hit(ctx context.Context, q HitRequest) (Hit, error) {
	if q.Key == "" {
		key, err := db.keyFor()
		if err != nil {
			return Hit{}, err
		}
		q.Key = key
	}
	quantity := max(q.Quantity, 1)
	number, known := db.namespace.FatigueCap([]byte(q.Cap))
	if err := db.checkUser(q.User); err != nil {
		return Hit{}, err
	}
	switch {
	case !names.Key(q.Key):
		return Hit{}, invalid("Key must be 1 to %d visible ASCII characters", engine.MaxIdempotencyKeyBytes)
	case q.Quantity < 0 || quantity > engine.MaxHit:
		return Hit{}, invalid("Quantity is %d: it must be 1 to %d", q.Quantity, engine.MaxHit)
	case !known:
		return Hit{}, &Error{Code: problem.NotFound, Detail: "the policy has no fatigue cap " + q.Cap, User: q.User, Key: q.Key}
	}
	k := db.begin()
	defer db.end(k)
	k.user, k.key = append(k.user[:0], q.User...), append(k.key[:0], q.Key...)
	user := db.keyer.User(k.user)
	k.hit = engine.Hit{
		Namespace: db.namespace.Ref(), Cap: number, User: user, UserID: k.user, Digest: db.keyer.Hit(number, user, k.key),
		Quantity: uint32(quantity),
	}
	if db.log.peeks() {
		if r, ok := db.engine.PeekHit(&k.hit, db.now()); ok {
			if h, err := db.hitOf(k, &q, &r); !r.Replayed || err == nil {
				return h, err
			} // its record is being stored at this moment: the log answers
		}
	}
	k.batch.AddHit(&k.hit)
	if err := db.decide(ctx, k, "", q.User, q.Key); err != nil {
		return Hit{}, err
	}
	return db.hitOf(k, &q, &k.batch.Results[0])
}

// hitOf turns a result into what was counted, or into a refusal.
func (db *DB) hitOf(k *call, q *HitRequest, r *engine.Result) (Hit, error) {
	if r.Code != problem.OK {
		e := &Error{Code: r.Code, User: q.User, Key: q.Key}
		if r.Code == problem.Capped {
			e.Cap, e.Used, e.Limit, e.Allowed = q.Cap, r.Used, r.Limit, int(r.Value)
			e.Now = timeOf(r.Now)
		}
		if r.ResetsAt != 0 {
			e.ResetsAt = timeOf(r.ResetsAt)
		}
		return Hit{}, e
	}
	if err := db.load(k, r); err != nil {
		return Hit{}, err
	}
	n, ok := k.record.Hit()
	if !ok {
		return Hit{}, &Error{Code: problem.Internal, Detail: "BUG: the record of a hit is of something else", User: q.User, Key: q.Key}
	}
	h := Hit{Cap: q.Cap, User: q.User, Key: q.Key, Replayed: r.Replayed, Quantity: int(k.record.Delta), Used: int(k.record.Total), Limit: int(n.Limit)}
	if n.ResetsAt != 0 {
		h.ResetsAt = timeOf(n.ResetsAt)
	}
	return h, nil
}

// load decodes the record of a result into k, from the batch or, of a replay, from where records are kept.
func (db *DB) load(k *call, r *engine.Result) error {
	b := k.batch.Records
	if r.Replayed {
		var err error
		if k.records, err = db.log.records(k.records[:0], r.At, 1); err != nil {
			return &Error{Code: problem.Internal, Detail: "decided before", cause: err}
		}
		b = k.records
	} else {
		b = b[r.Offset : r.Offset+r.Length]
	}
	_, err := engine.DecodeRecord(b, &k.record)
	return err
}

// Peek returns where a user stands with a fatigue cap. It counts nothing.
func (db *DB) Peek(cap, user string) (Hit, error) {
	number, known := db.namespace.FatigueCap([]byte(cap))
	if !known || !names.Subject(user) {
		return Hit{}, &Error{Code: problem.NotFound, Detail: "the policy has no fatigue cap " + cap, User: user}
	}
	u, ok := db.engine.Fatigue(db.namespace, number, db.keyer.User([]byte(user)), max(db.now(), db.engine.LogTime()))
	if !ok {
		return Hit{}, &Error{Code: problem.NotFound, Detail: "the policy has no fatigue cap " + cap, User: user}
	}
	h := Hit{Cap: cap, User: user, Used: int(u.Used), Limit: int(u.Limit)}
	if u.ResetsAt != 0 {
		h.ResetsAt = timeOf(u.ResetsAt)
	}
	return h, nil
}
