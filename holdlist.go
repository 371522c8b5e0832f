package drawd

import (
	"errors"
	"iter"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// HoldQuery chooses holds and takes. Zero fields choose all.
type HoldQuery struct {
	Owner string
	Ref   string
	State engine.HoldState
	Pool  string
	Limit int // of Holds, 1 to 1000; 0 for 100
}

// Holds lists holds and takes, newest first: how a host that crashed finds what it had asked for. Without an Owner it looks through
// all of them, the newest day first, and never longer than a moment under a lock; within a day of more than some 2^16, the order is
// that of stretches.
func (db *DB) Holds(q HoldQuery) ([]Hold, error) {
	if q.Limit < 0 || q.Limit > engine.MaxHoldPage {
		return nil, invalid("Limit is %d: it must be at most %d", q.Limit, engine.MaxHoldPage)
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	all := make([]Hold, 0, min(q.Limit, 100))
	for h, err := range db.AllHolds(q) {
		if err != nil {
			return nil, err
		}
		if all = append(all, h); len(all) == q.Limit {
			break
		}
	}
	return all, nil
}

// AllHolds goes through all holds and takes of a query, in the order of Holds. What is made meanwhile may come or not; what was there
// comes once, as it stands when it comes. An error ends it.
func (db *DB) AllHolds(q HoldQuery) iter.Seq2[Hold, error] {
	return func(yield func(Hold, error) bool) {
		from, err := db.holdQuery(&q)
		if err != nil {
			yield(Hold{}, err)
			return
		}
		k := db.begin()
		defer db.end(k)
		for done := false; !done; done = from.After.Done() {
			var found []engine.HoldView
			found, from.After = db.engine.Holds(db.namespace, &from)
			for i := range found {
				h, ok, err := db.listed(k, &found[i], &q)
				if err != nil || ok {
					if !yield(h, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

func (db *DB) holdQuery(q *HoldQuery) (from engine.HoldQuery, err error) {
	from = engine.HoldQuery{Ref: []byte(q.Ref), State: q.State, Limit: engine.MaxHoldPage}
	if q.Limit > 0 {
		from.Limit = min(q.Limit, engine.MaxHoldPage)
	}
	if q.Ref != "" && !names.Key(q.Ref) {
		return from, invalid("Ref must be 1 to %d visible ASCII characters", engine.MaxRefBytes)
	}
	if q.Owner != "" {
		if !names.Subject(q.Owner) {
			return from, invalid("Owner must be of the characters A-Z a-z 0-9 . _ ~ : @ = + -")
		}
		owner := db.keyer.User([]byte(q.Owner))
		from.Owner = &owner
	}
	if q.Pool != "" {
		p, ok := db.namespace.Pool([]byte(q.Pool))
		if !ok {
			return from, &Error{Code: problem.PoolNotFound, Pool: q.Pool}
		}
		from.Pool = p.Ref()
	}
	return from, nil
}

// listed tells a hold with what its record says of it, if that is kept still; false when it has another reference than asked for: the
// engine chooses by a hash of it.
func (db *DB) listed(k *call, v *engine.HoldView, q *HoldQuery) (h Hold, chosen bool, err error) {
	h = db.viewed(v, "")
	h.Owner = q.Owner
	switch err := db.load(k, &engine.Result{Replayed: true, At: v.Ref.At}); {
	case errors.Is(err, ErrRecordGone):
		return h, true, nil
	case err != nil:
		return Hold{}, false, err
	case k.record.Kind == engine.RecordDraw: // a win
		h.Owner = string(k.record.User)
	default:
		h.Owner, h.Ref = string(k.record.Name), string(k.record.Reason)
	}
	return h, q.Ref == "" || q.Ref == h.Ref, nil
}

// viewed tells a hold or take as the engine sees it; without an id it finds that.
func (db *DB) viewed(v *engine.HoldView, id string) Hold {
	if id == "" {
		kind := engine.IDHold
		if v.Taken {
			kind = engine.IDTake
		}
		id = string(db.engine.AppendHoldID(nil, kind, v.Ref))
	}
	h := Hold{ID: id, State: v.State, Items: make([]Item, 0, v.Count)}
	for _, x := range v.Items[:v.Count] {
		if p, ok := db.namespace.PoolByRef(x.Pool); ok {
			h.Items = append(h.Items, Item{p.ID(), int64(x.Units)})
		}
	}
	if v.Deadline != 0 {
		h.Deadline, h.Latest = timeOf(v.Deadline), timeOf(v.Latest)
	}
	return h
}
