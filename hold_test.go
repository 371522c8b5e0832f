package drawd_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/drawd/drawd"
	"github.com/drawd/drawd/drawdtest"
	"github.com/drawd/drawd/engine"
	"github.com/zeebo/xxh3"
)

func mustPool(t testing.TB, db *drawdtest.DB, id string, total int64, p drawd.PoolPolicy) *drawd.Pool {
	t.Helper()
	pool, err := db.PutPool(context.Background(), id, total, p)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

func wantStock(t testing.TB, what string, p *drawd.Pool, available, held, issued int64) {
	t.Helper()
	if s := p.Stock(); int64(s.Available) != available || int64(s.Held) != held || int64(s.Issued) != issued {
		t.Errorf("%s: %d available, %d held, %d issued; want %d, %d, %d", what, s.Available, s.Held, s.Issued, available, held, issued)
	}
}

// TestOrderFlow holds, confirms, lets expire, confirms late and gives back, each sent twice with the same key.
func TestOrderFlow(t *testing.T) {
	bothModes(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		seats := mustPool(t, db, "seats", 3, drawd.PoolPolicy{HoldTTL: time.Minute})
		cups := mustPool(t, db, "cups", 1, drawd.PoolPolicy{})
		q := drawd.HoldRequest{Owner: "u1", Key: "order-1", Ref: "o1", Items: []drawd.Item{{Pool: "seats", Units: 2}, {Pool: "cups", Units: 1}}}
		h, err := db.Hold(ctx, q)
		if err != nil || h.State != engine.StateHeld || len(h.Items) != 2 || h.Deadline.Sub(db.Clock.Now()) < time.Minute {
			t.Fatalf("%+v, %v", h, err)
		}
		if again, err := db.Hold(ctx, q); err != nil || !again.Replayed || again.ID != h.ID || again.Deadline != h.Deadline {
			t.Errorf("%+v, %v", again, err)
		}
		wantStock(t, "held", seats, 1, 2, 0)

		// Two pools, one of them short: nothing is held, and the refusal stands.
		short := drawd.HoldRequest{Owner: "u2", Key: "order-2", Items: []drawd.Item{{Pool: "seats", Units: 1}, {Pool: "cups", Units: 1}}}
		for range 2 {
			var e *drawd.Error
			if _, err := db.Hold(ctx, short); !errors.Is(err, drawd.ErrInsufficientStock) || !errors.As(err, &e) || e.Pool != "cups" || !e.MayReturn || e.Key != "order-2" {
				t.Errorf("%+v", err)
			}
		}
		wantStock(t, "one short", seats, 1, 2, 0)

		if c, err := db.Confirm(ctx, h.ID); err != nil || c.State != engine.StateConfirmed || c.Already {
			t.Errorf("%+v, %v", c, err)
		}
		if c, err := db.Confirm(ctx, h.ID); err != nil || !c.Already {
			t.Errorf("%+v, %v", c, err)
		}
		if _, err := db.Release(ctx, h.ID, ""); !errors.Is(err, drawd.ErrHoldFinished) {
			t.Error(err)
		}
		wantStock(t, "confirmed", seats, 1, 0, 2)
		wantStock(t, "confirmed", cups, 0, 0, 1)

		late, err := db.Hold(ctx, drawd.HoldRequest{Owner: "u3", Items: []drawd.Item{{Pool: "seats", Units: 1}}, TTL: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if x, err := db.Extend(ctx, late.ID, 20*time.Second); err != nil || !x.Deadline.After(late.Deadline) {
			t.Errorf("%+v, %v", x, err)
		}
		db.Advance(30 * time.Second)
		wantStock(t, "expired", seats, 1, 0, 2)
		if found, err := db.FindHold(late.ID); err != nil || found.State != engine.StateExpired {
			t.Errorf("%+v, %v", found, err)
		}
		if _, err := db.Confirm(ctx, late.ID); !errors.Is(err, drawd.ErrHoldExpired) {
			t.Error(err)
		}
		if c, err := db.ConfirmLate(ctx, late.ID); err != nil || c.State != engine.StateConfirmed {
			t.Errorf("%+v, %v", c, err)
		}
		wantStock(t, "confirmed late", seats, 0, 0, 3)

		if total, err := seats.Adjust(ctx, 1, "restock-1", "delivery"); err != nil || total != 4 {
			t.Error(total, err)
		}
		for range 2 {
			taken, err := db.Take(ctx, drawd.TakeRequest{Owner: "u4", Key: "t1", Pool: "seats", Units: 1, Ref: "o1"})
			if err != nil || taken.State != engine.StateTaken {
				t.Errorf("%+v, %v", taken, err)
			}
		}
		wantStock(t, "taken", seats, 0, 0, 4)

		// A host that crashed finds what belongs to its order.
		all, err := db.Holds(drawd.HoldQuery{Ref: "o1"})
		if err != nil || len(all) != 2 || all[0].State != engine.StateTaken || all[1].ID != h.ID || all[0].Owner != "u4" || all[1].Ref != "o1" {
			t.Errorf("%+v, %v", all, err)
		}
		if u, err := seats.Owner("u1"); err != nil || u.Issued != 2 || len(u.Open) != 0 {
			t.Errorf("%+v, %v", u, err)
		}
	})
}

// References with one hash are told apart, and a listing goes through all pages.
func TestHoldsByReference(t *testing.T) {
	db, ctx := drawdtest.Open(t), context.Background()
	mustPool(t, db, "p", 1<<30, drawd.PoolPolicy{})
	one, other := sameHash()
	for i, ref := range []string{one, other, one, ""} {
		if _, err := db.Take(ctx, drawd.TakeRequest{Owner: "u" + strconv.Itoa(i), Pool: "p", Units: 1, Ref: ref}); err != nil {
			t.Fatal(err)
		}
	}
	found, err := db.Holds(drawd.HoldQuery{Ref: one})
	if err != nil || len(found) != 2 || found[0].Owner != "u2" || found[1].Owner != "u0" {
		t.Errorf("%+v %v", found, err)
	}
	for i := range 2500 {
		if _, err := db.Take(ctx, drawd.TakeRequest{Owner: "u" + strconv.Itoa(i), Pool: "p", Units: 1}); err != nil {
			t.Fatal(err)
		}
	}
	all := 0
	for _, err := range db.AllHolds(drawd.HoldQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		all++
	}
	if all != 2504 {
		t.Errorf("%d takes, want 2504", all)
	}
	if _, err := db.Take(ctx, drawd.TakeRequest{Owner: "u", Pool: "p", Units: 1, Ref: "two words"}); !errors.Is(err, drawd.ErrInvalidField) {
		t.Error(err)
	}
	if _, err := db.Holds(drawd.HoldQuery{Ref: "\x00"}); !errors.Is(err, drawd.ErrInvalidField) {
		t.Error(err)
	}
}

// sameHash finds two references with one hash of 32 bits, as the engine keeps it.
func sameHash() (one, other string) {
	seen := make(map[uint32]string)
	for i := 0; ; i++ {
		ref := "order-" + strconv.Itoa(i)
		if first, found := seen[uint32(xxh3.HashString(ref))]; found {
			return first, ref
		}
		seen[uint32(xxh3.HashString(ref))] = ref
	}
}

func TestStockFaults(t *testing.T) {
	db, ctx := drawdtest.Open(t), context.Background()
	mustPool(t, db, "p", 1, drawd.PoolPolicy{LimitPerOwner: 1})
	take := func(q drawd.TakeRequest) error { _, err := db.Take(ctx, q); return err }
	hold := func(q drawd.HoldRequest) error { _, err := db.Hold(ctx, q); return err }
	many := make([]drawd.Item, engine.MaxHoldItems+1)
	for i := range many {
		many[i] = drawd.Item{Pool: "p", Units: 1}
	}
	mustPool(t, db, "q", 9, drawd.PoolPolicy{LimitPerOwner: 1})
	if err := take(drawd.TakeRequest{Owner: "u", Pool: "q", Units: 1}); err != nil {
		t.Fatal(err)
	}
	_, before, _ := db.Records(drawd.Cursor{}, 100)
	for _, c := range []struct {
		what string
		err  error
		want error
	}{
		{"no owner", take(drawd.TakeRequest{Pool: "p", Units: 1}), drawd.ErrInvalidField},
		{"owner with a space", take(drawd.TakeRequest{Owner: "a b", Pool: "p", Units: 1}), drawd.ErrInvalidField},
		{"no units", take(drawd.TakeRequest{Owner: "u", Pool: "p"}), drawd.ErrInvalidField},
		{"no pool", take(drawd.TakeRequest{Owner: "u", Pool: "x", Units: 1}), drawd.ErrPoolNotFound},
		{"no items", hold(drawd.HoldRequest{Owner: "u"}), drawd.ErrInvalidField},
		{"too many items", hold(drawd.HoldRequest{Owner: "u", Items: many}), drawd.ErrInvalidField},
		{"too long", hold(drawd.HoldRequest{Owner: "u", TTL: 48 * time.Hour, Items: many[:1]}), drawd.ErrInvalidField},
		{"bad key", hold(drawd.HoldRequest{Owner: "u", Key: "ü", Items: many[:1]}), drawd.ErrInvalidField},
		{"not an id", func() error { _, err := db.Confirm(ctx, "nonsense"); return err }(), drawd.ErrHoldNotFound},
		{"no such hold", func() error { _, err := db.FindHold("nonsense"); return err }(), drawd.ErrHoldNotFound},
		{"no cap", func() error { _, err := db.Hit(ctx, drawd.HitRequest{Cap: "x", User: "u"}); return err }(), drawd.ErrNotFound},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.err, c.want)
		}
	}
	if _, after, _ := db.Records(drawd.Cursor{}, 100); after != before {
		t.Errorf("the faults left records: %v, then %v", before, after)
	}
	var e *drawd.Error
	if err := take(drawd.TakeRequest{Owner: "u", Pool: "q", Units: 1}); !errors.Is(err, drawd.ErrCapped) || !errors.As(err, &e) || e.Cap != "limit_per_owner" || e.Used != 1 || e.Limit != 1 || e.Pool != "q" {
		t.Errorf("%+v", err)
	}
}

// TestHoldsOfManyGoroutines holds, confirms, releases and lets expire from 64 goroutines, and counts.
func TestHoldsOfManyGoroutines(t *testing.T) {
	bothModes(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		pools := []*drawd.Pool{mustPool(t, db, "a", 100, drawd.PoolPolicy{}), mustPool(t, db, "b", 200, drawd.PoolPolicy{})}
		var confirmed [2]int64
		var sum sync.Mutex
		var all sync.WaitGroup
		for g := range 64 {
			all.Add(1)
			go func() {
				defer all.Done()
				rng := rand.New(rand.NewPCG(uint64(g), 1))
				for i := range 12 {
					owner, units := fmt.Sprint("u", g), 1+rng.Int64N(2)
					h, err := db.Hold(ctx, drawd.HoldRequest{
						Owner: owner, Key: fmt.Sprint(i), Items: []drawd.Item{{Pool: "a", Units: units}, {Pool: "b", Units: 2 * units}},
					})
					if errors.Is(err, drawd.ErrInsufficientStock) {
						continue
					}
					if err == nil && rng.IntN(4) == 0 {
						if _, err = db.Confirm(ctx, h.ID); err == nil {
							sum.Lock()
							confirmed[0], confirmed[1] = confirmed[0]+units, confirmed[1]+2*units
							sum.Unlock()
						}
					} else if err == nil && rng.IntN(3) > 0 {
						_, err = db.Release(ctx, h.ID, "changed his mind")
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		all.Wait()
		db.Advance(time.Hour)
		for i, total := range []int64{100, 200} {
			wantStock(t, pools[i].ID(), pools[i], total-confirmed[i], 0, confirmed[i])
		}
		if confirmed[0] == 0 {
			t.Error("nothing was confirmed")
		}
	})
}

const pushes = `
time_zone: UTC
fatigue_caps:
  - {id: push, window: day, limit: 3}
`

func TestHit(t *testing.T) {
	bothModes(t, func(t *testing.T, db *drawdtest.DB) {
		ctx := context.Background()
		if err := db.SetPolicy(ctx, []byte(pushes)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			h, err := db.Hit(ctx, drawd.HitRequest{Cap: "push", User: "u", Key: "m1", Quantity: 2})
			if err != nil || h.Used != 2 || h.Limit != 3 || h.Quantity != 2 {
				t.Fatalf("%+v, %v", h, err)
			}
		}
		if h, err := db.Hit(ctx, drawd.HitRequest{Cap: "push", User: "u", Key: "m1", Quantity: 2}); err != nil || !h.Replayed {
			t.Errorf("%+v, %v", h, err)
		}
		var e *drawd.Error
		_, err := db.Hit(ctx, drawd.HitRequest{Cap: "push", User: "u", Key: "m2", Quantity: 2})
		if !errors.Is(err, drawd.ErrCapped) || !errors.As(err, &e) || e.Cap != "push" || e.Used != 2 || e.Allowed != 1 || e.ResetsAt.Sub(db.Clock.Now()) != 24*time.Hour {
			t.Errorf("%+v", e)
		}
		if h, err := db.Peek("push", "u"); err != nil || h.Used != 2 || h.Limit != 3 {
			t.Errorf("%+v, %v", h, err)
		}
		db.Advance(24 * time.Hour)
		if h, err := db.Hit(ctx, drawd.HitRequest{Cap: "push", User: "u", Quantity: 3}); err != nil || h.Used != 3 || h.Key == "" {
			t.Errorf("%+v, %v", h, err)
		}
	})
}
