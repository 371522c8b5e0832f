package engine

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// poolScript makes the commands of a random history over two campaigns, takes, holds, expiry and voids.
type poolScript struct {
	*table
	rng   *rand.Rand
	holds []HoldRef
	draws []drawnOnce
}

type drawnOnce struct {
	campaign CampaignRef
	at       Location
	bytes    []byte
}

func newPoolScript(x *table, seed uint64) *poolScript {
	x.pool("a", 60, func(p *PoolPolicy) { p.LimitPerOwner, p.ReturnJitter, p.LowStock = 6, 3000, 5 })
	x.pool("b", 30, func(p *PoolPolicy) { p.Cooldown, p.HoldTTL = 2000, 5000 })
	second := func(v *Version) {
		v.Prizes[0].Weight, v.Exhausted = 50, Miss
		v.Prizes = append(v.Prizes, Prize{ID: "q", Weight: 40, Stock: Unlimited, Units: 2, Fallback: -1, Slot: -1})
	}
	x.mustPublish(simple(fromPool("c", "a", heldFor(4000)), second, func(v *Version) {
		v.PoolPrizes = append(v.PoolPrizes, PoolPrize{Prize: 1, Pool: "b"})
	}))
	x.mustPublish(simple(fromPool("d", "a"), second, func(v *Version) {
		v.Exhausted = Deny
		v.PoolPrizes = append(v.PoolPrizes, PoolPrize{Prize: 1, Pool: "b", Hold: 3000, Forfeit: true})
	}))
	return &poolScript{table: x, rng: rand.New(rand.NewPCG(seed, 29))}
}

// step returns the next command.
func (s *poolScript) step(i int) func(b *Batch) {
	user := userName(s.rng.IntN(25))
	owner := s.keys.User([]byte(user))
	key := userName(i)
	switch n := s.rng.IntN(12); {
	case n < 5:
		d := s.request(user, key, func(d *Draw) { d.Campaign = CampaignRef(1 + s.rng.IntN(2)) })
		if s.rng.IntN(4) == 0 {
			d.Times, d.Listed = 3, true
		}
		return func(b *Batch) { b.AddDraw(&d) }
	case n < 6:
		k := Take{Namespace: 1, Pool: PoolRef(1 + s.rng.IntN(2)), Units: 1, Owner: owner, OwnerID: []byte(user), Digest: s.keys.Take(1, owner, []byte(key))}
		return func(b *Batch) { b.AddTake(&k) }
	case n < 7:
		h := s.holdRequest(user, key, Item{PoolRef(1 + s.rng.IntN(2)), 1})
		return func(b *Batch) { b.AddHold(h) }
	case n < 8 && len(s.draws) > 0:
		d := s.draws[s.rng.IntN(len(s.draws))]
		fault := VoidFault(1 + s.rng.IntN(3))
		return func(b *Batch) {
			b.AddVoid(&Void{Campaign: d.campaign, Draw: d.bytes, At: d.at, Fault: fault, Actor: "ann", Reason: "r"})
		}
	case len(s.holds) == 0:
		return func(b *Batch) { b.AddTick() }
	}
	h := s.holds[s.rng.IntN(len(s.holds))]
	switch s.rng.IntN(5) {
	case 0:
		return func(b *Batch) { b.AddRelease(&ReleaseHold{Namespace: 1, Hold: h}) }
	case 1:
		return func(b *Batch) { b.AddExtend(&ExtendHold{Namespace: 1, Hold: h, TTL: 3000}) }
	case 2:
		return func(b *Batch) {
			b.AddHoldVoid(&VoidHold{Namespace: 1, Hold: h, Fault: VoidSystem, Actor: "ann", Reason: "r"})
		}
	}
	late := s.rng.IntN(2) == 0
	return func(b *Batch) { b.AddConfirm(&ConfirmHold{Namespace: 1, Hold: h, Reacquire: late}) }
}

// learn remembers the draws and holds of a result.
func (s *poolScript) learn(r Result, recs []byte) {
	at := r.At
	for b := recs; len(b) > 0; at.Ordinal++ {
		var rec Record
		n, err := DecodeRecord(b, &rec)
		if err != nil {
			s.Fatal(err)
		}
		m, _ := rec.Moves()
		switch rec.Kind {
		case RecordDraw:
			s.draws = append(s.draws, drawnOnce{rec.Campaign, at, bytes.Clone(b[:n])})
			if m.Deadline != 0 {
				s.holds = append(s.holds, HoldRef{at, m.Home})
			}
		case RecordHold:
			if r.Code == problem.OK {
				s.holds = append(s.holds, HoldRef{at, m.Home})
			}
		}
		b = b[n:]
	}
}

// conserved checks every pool's sum, and that wins have left the pools once.
func (s *poolScript) conserved(i int) {
	s.Helper()
	for j, p := range s.Namespaces()[0].Pools() {
		x := p.Stock()
		sum := x.Available + x.Held + x.Issued + x.Expired + x.Withdrawn
		if want := []Quantity{60, 30}[j]; sum != want || x.Total != want || min(x.Available, x.Held, x.Issued, x.Expired, x.Withdrawn) < 0 {
			s.Fatalf("step %d: pool %s: %+v", i, p.id, x)
		}
	}
	if err := s.CheckInvariants(); err != nil {
		s.Fatalf("step %d: %v", i, err)
	}
}

// Whatever happens to a pool through two campaigns, takes, holds, their ends and voids: its sum stays. A snapshot in the
// middle, and another number of shards behind it, change nothing.
func TestPoolsConserveWhateverDraws(t *testing.T) {
	for seed := range uint64(6) {
		s := newPoolScript(newTable(t), seed)
		other := newPoolScript(newTable(t), seed)
		var b Batch
		for i := range 700 {
			s.now += UnixMilli(s.rng.IntN(900))
			other.now, other.rng = s.now, s.rng
			b.Reset()
			s.step(i)(&b)
			r := s.apply(&b)[0]
			recs := s.out.Records[r.Offset:][:r.Length]
			if again := other.apply(&b)[0]; again != r || !bytes.Equal(other.out.Records, s.out.Records) {
				t.Fatalf("seed %d, step %d: %+v, behind a snapshot %+v", seed, i, r, again)
			}
			s.learn(r, recs)
			s.conserved(i)
			if i%100 == 99 {
				other.reload()
			}
		}
		if s.StateHash() != other.StateHash() {
			t.Errorf("seed %d: another state", seed)
		}
		if len(s.holds) < 30 || len(s.draws) < 150 {
			t.Errorf("seed %d: %d holds, %d draws", seed, len(s.holds), len(s.draws))
		}
	}
}

// Goroutines that draw from two campaigns, take and hold at once decide what the same commands in the order of their positions do.
func TestGoroutinesDoNotMatterToPoolPrizes(t *testing.T) {
	x, y := newTable(t), newTable(t)
	for _, e := range []*table{x, y} {
		newPoolScript(e, 1)
	}
	tail := x.index
	x.world.Load().clock.index = tail
	var all []decidedStock
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s := &poolScript{table: &table{T: t, Engine: x.Engine, keys: x.keys, now: start}, rng: rand.New(rand.NewPCG(uint64(w), 31))}
			var b Batch
			for i := range 700 {
				add := s.step(w*1_000_000 + i)
				b.Reset()
				add(&b)
				if err := x.Decide(&b, start+UnixMilli(12*i+w)); err != nil {
					t.Error(err)
					return
				}
				r := b.Results[0]
				recs := string(b.Records[r.Offset:][:r.Length])
				s.learn(r, []byte(recs))
				done := ticksOf(&b, r.At)
				if r.Records > 0 {
					done = append(done, decidedStock{add, r.At, b.Time, r, recs})
				}
				mu.Lock()
				all = append(all, done...)
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	sortBy(all, func(a, b decidedStock) bool { return a.at.Less(b.at) })
	var out Outcome
	wins := 0
	for i := range all {
		o := &all[i]
		var b Batch
		o.add(&b)
		if err := y.Apply(o.at.Index, entryOf(&b, o.time), &out); err != nil {
			t.Fatal(err)
		}
		got := out.Results[0]
		recs := string(out.Records[got.Offset:][:got.Length])
		if o.r.Records > 0 && (got.Code != o.r.Code || got.Value != o.r.Value || recs != o.recs) {
			t.Fatalf("position %v: %+v, decided as %+v\n%x\n%x", o.at, got, o.r, recs, o.recs)
		}
		wins += len(out.Wins)
	}
	if wins < 60 {
		t.Errorf("only %d wins", wins)
	}
	for _, e := range []*table{x, y} {
		var b Batch
		b.AddTick()
		if e == x {
			_ = e.Decide(&b, start+60_000)
		} else if err := e.Apply(1<<30, entryOf(&b, start+60_000), &out); err != nil {
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
