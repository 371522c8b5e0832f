package engine

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// One applier, with readers and a checkpoint beside it: for the race detector, and for what readers may see.
func TestReadersBesideTheApplier(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(busy())
	requests := make([]Draw, 200)
	for i := range requests {
		requests[i] = x.request(userName(i), "never", func(d *Draw) { d.HasDevice, d.Device = true, Key{byte(i)} })
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	read := func(f func(rng *rand.Rand)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rng := rand.New(rand.NewPCG(1, 2))
			for {
				select {
				case <-stop:
					return
				default:
					f(rng)
				}
			}
		}()
	}
	read(func(rng *rand.Rand) {
		d := &requests[rng.IntN(len(requests))]
		if r, ok := x.Peek(d, start); ok && r.Code != problem.Capped && r.Code != problem.Exhausted {
			t.Errorf("peek: %+v", r)
		}
		u := x.UserState(c, d.User, start)
		for _, k := range u.Caps {
			if k.Used > k.Limit {
				t.Errorf("a reader sees %q at %d of %d", k.ID, k.Used, k.Limit)
			}
		}
	})
	read(func(*rand.Rand) {
		_, stock := c.Stock()
		for _, s := range stock {
			if s.Total != s.Available+s.Issued {
				t.Errorf("a reader sees books that do not add up: %+v", s)
			}
		}
		_, _ = x.NextDue()
		_ = x.RunningHash()
	})
	for round := range 20 {
		x.crowd(uint64(round), 300, 30)
		cut, err := x.Capture(false)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			buf := make([]byte, PageSize)
			for ok := true; ok; {
				_, ok = cut.Next(buf)
			}
			_ = cut.Meta()
			cut.Commit()
		}()
		v := busy()
		v.Prizes[0].Stock, v.Prizes[1].Stock = StockUnstated, StockUnstated
		for i := range round {
			v.Caps = append(v.Caps[:4:4], Cap{ID: fmt.Sprintf("r%d", i), Window: Window{WindowRolling, 1000}, Limit: 2, Prize: -1})
		}
		x.publish(v) // pages are rewritten wider, by whoever finds them
		x.crowd(uint64(round), 300, 30)
		<-done
	}
	close(stop)
	wg.Wait()
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// Many goroutines decide at once; the same commands in the order of their positions give the same state.
func TestLibraryDecisionsReplayByPosition(t *testing.T) {
	for _, policy := range []Policy{Deny, Miss, End} {
		libraryReplay(t, policy)
	}
}

type decided struct {
	draw Draw
	at   UnixMilli
	r    Result
	recs []byte
}

func libraryReplay(t *testing.T, policy Policy) {
	version := func(id string) *Version {
		v := busy()
		v.Campaign, v.Exhausted, v.Caps = id, policy, append(v.Caps[:0:0], v.Caps[0], v.Caps[3])
		v.Prizes[0].Stock = 700
		if id == "d" { // its wins come from a reserve, too
			v.Pity = []Pity{{ID: "y", Within: 3, Group: []int16{0, 1}, List: []PityPrize{{0, 300}}}}
		}
		return v
	}
	setup := func() (*table, *Batch) {
		x := newTable(t)
		x.Engine, _ = New(Options{Shards: 8})
		var b Batch
		b.AddInit(&Init{IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
		for _, id := range []string{"c", "d"} {
			b.AddPublish(&Publish{Namespace: 1, Version: version(id), SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
		}
		b.AddPolicy(&PutPolicy{Namespace: 1, Policy: &NamespacePolicy{MaxUsers: 350, AggregateCaps: []AggregateCap{{ID: "all", Window: Window{WindowRolling, 500}, Limit: 30}}}})
		if err := x.Decide(&b, start); err != nil {
			t.Fatal(err)
		}
		return x, &b
	}
	x, _ := setup()
	const workers, each = 8, 1500
	all := make([][]decided, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rng := rand.New(rand.NewPCG(uint64(w), 9))
			var b Batch
			for i := range each {
				d := x.request(userName(rng.IntN(200)), userName(rng.IntN(3000)), func(d *Draw) { d.Campaign = CampaignRef(1 + rng.IntN(2)) })
				b.Reset()
				b.AddDraw(&d)
				if err := x.Decide(&b, start+UnixMilli(i)); err != nil {
					t.Error(err)
					return
				}
				if r := b.Results[0]; r.Code == problem.OK && !r.Replayed {
					all[w] = append(all[w], decided{d, b.Time, r, append([]byte(nil), b.Records...)})
				}
			}
		}()
	}
	wg.Wait()
	var order []decided
	for _, part := range all {
		order = append(order, part...)
	}
	sortBy(order, func(a, b decided) bool { return a.r.At.Less(b.r.At) })
	y, _ := setup()
	var b Batch
	for i := range order {
		o := &order[i]
		b.Reset()
		b.AddDraw(&o.draw)
		if err := y.Decide(&b, o.at); err != nil {
			t.Fatal(err)
		}
		got := b.Results[0]
		if got.Code != problem.OK || got.Replayed || string(b.Records[18:64]) != string(o.recs[18:64]) {
			t.Fatalf("policy %d, position %v: %+v, decided as %+v", policy, o.r.At, got, o.r)
		}
	}
	if len(order) < 1000 {
		t.Fatalf("only %d draws were decided: the test has no contention", len(order))
	}
	// Denials move time as well; after a common last tick the states must be the same.
	b.Reset()
	b.AddTick()
	for _, e := range []*table{x, y} {
		if err := e.Decide(&b, start+each); err != nil {
			t.Fatal(err)
		}
		if err := e.CheckInvariants(); err != nil {
			t.Error(err)
		}
	}
	if x.StateHash() != y.StateHash() {
		t.Errorf("policy %d: another state", policy)
	}
}
