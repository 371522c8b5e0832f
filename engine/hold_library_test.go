package engine

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// decidedStock is a command that took a position, as one goroutine saw it.
type decidedStock struct {
	add  func(b *Batch)
	at   Location
	time UnixMilli
	r    Result
	recs string
}

// Many goroutines hold, take, confirm, release and extend at once; the same commands in the order of their positions give the
// same answers, the same records and the same state, and no pool ever gives out more than it has.
func TestGoroutinesDoNotMatterToHolds(t *testing.T) {
	setup := func() *table {
		x := newTable(t)
		x.Engine, _ = New(Options{Shards: 8})
		var b Batch
		b.AddInit(&Init{IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
		b.AddPool(&PutPool{Namespace: 1, ID: "a", Total: 300, Policy: PoolPolicy{HoldTTL: 1000, LimitPerOwner: 40}})
		b.AddPool(&PutPool{Namespace: 1, ID: "b", Total: 200, Policy: PoolPolicy{HoldTTL: 1000, ReturnJitter: 2000}})
		b.AddPool(&PutPool{Namespace: 1, ID: "c", Total: 5000, Policy: PoolPolicy{HoldTTL: 2000, Cooldown: 1000, LowStock: 100}})
		if err := x.Decide(&b, start); err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := setup()
	const workers, each = 8, 1500
	all := make([][]decidedStock, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			all[w] = x.stockWorker(rand.New(rand.NewPCG(uint64(w), 4)), w, each)
		}()
	}
	wg.Wait()
	var order []decidedStock
	for _, part := range all {
		order = append(order, part...)
	}
	sortBy(order, func(a, b decidedStock) bool { return a.at.Less(b.at) })
	y := setup()
	var out Outcome
	for i := range order {
		o := &order[i]
		if i > 0 && order[i-1].at.Index == o.at.Index {
			t.Fatalf("position %d was taken twice", o.at.Index)
		}
		var b Batch
		o.add(&b)
		if err := y.Apply(o.at.Index, entryOf(&b, o.time), &out); err != nil {
			t.Fatal(err)
		}
		got := out.Results[0]
		recs := string(out.Records[got.Offset:]) // what it told of pools stands behind its own record
		if got.Code != o.r.Code || got.Value != o.r.Value || got.State != o.r.State || got.Pool != o.r.Pool || recs != o.recs {
			t.Fatalf("position %v: %+v, decided as %+v\n%x\n%x", o.at, got, o.r, recs, o.recs)
		}
	}
	if len(order) < 5000 {
		t.Errorf("only %d commands took a position", len(order))
	}
	for _, e := range []*table{x, y} {
		var b Batch
		b.AddTick()
		if e == x {
			_ = e.Decide(&b, start+20_000)
		} else if err := e.Apply(1<<30, entryOf(&b, start+20_000), &out); err != nil {
			t.Fatal(err)
		}
		if err := e.CheckInvariants(); err != nil {
			t.Error(err)
		}
	}
	if x.StateHash() != y.StateHash() {
		t.Error("another state")
	}
}

// stockWorker is one goroutine: it knows the holds that it made.
func (x *table) stockWorker(rng *rand.Rand, worker, each int) (done []decidedStock) {
	var b Batch
	var mine []HoldRef
	for i := range each {
		owner := x.keys.User([]byte(userName(rng.IntN(40))))
		var add func(b *Batch)
		made := false
		switch n := rng.IntN(8); {
		case n < 3 || len(mine) == 0:
			h := x.holdRequest(userName(rng.IntN(40)), userName(rng.IntN(1<<30)), Item{PoolRef(1 + rng.IntN(3)), Quantity(1 + rng.IntN(3))})
			if n == 0 {
				h.Items = append(h.Items, Item{PoolRef(1 + rng.IntN(3)), 1})
			}
			owner, made = h.Owner, true
			add = func(b *Batch) { b.AddHold(h) }
		case n < 4:
			k := Take{Namespace: 1, Pool: PoolRef(1 + rng.IntN(3)), Units: 1, Owner: owner, OwnerID: []byte("o"), Digest: x.keys.Take(1, owner, []byte(userName(rng.IntN(1<<30))))}
			add = func(b *Batch) { b.AddTake(&k) }
		case n < 6:
			h := mine[rng.IntN(len(mine))]
			late := rng.IntN(2) == 0
			add = func(b *Batch) { b.AddConfirm(&ConfirmHold{Namespace: 1, Hold: h, Reacquire: late}) }
		case n < 7:
			h := mine[rng.IntN(len(mine))]
			add = func(b *Batch) { b.AddRelease(&ReleaseHold{Namespace: 1, Hold: h}) }
		default:
			h := mine[rng.IntN(len(mine))]
			add = func(b *Batch) { b.AddExtend(&ExtendHold{Namespace: 1, Hold: h, TTL: 3000}) }
		}
		b.Reset()
		add(&b)
		if err := x.Decide(&b, start+UnixMilli(4*i+worker)); err != nil {
			x.Error(err)
			return done
		}
		r := b.Results[0]
		if made && r.Code == problem.OK {
			mine = append(mine, RefOf(r.At, &owner))
		}
		done = append(done, ticksOf(&b, r.At)...)
		if r.Records > 0 {
			done = append(done, decidedStock{add, r.At, b.Time, r, string(b.Records[r.Offset:])})
		}
	}
	return done
}

// ticksOf returns the ticks that a batch took before its command, to give back what was due: those that had records.
func ticksOf(b *Batch, at Location) (done []decidedStock) {
	for j, p := range b.Positions {
		end := len(b.Records)
		if j+1 < len(b.Positions) {
			end = int(b.Positions[j+1].Start)
		}
		if p.Index == at.Index || int(p.Start) == end {
			continue
		}
		var rec Record
		_, _ = DecodeRecord(b.Records[p.Start:end], &rec)
		done = append(done, decidedStock{func(b *Batch) { b.AddTick() }, Location{Index: p.Index}, rec.At, Result{}, string(b.Records[p.Start:end])})
	}
	return done
}
