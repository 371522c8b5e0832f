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
		t.Run(fmt.Sprint("policy ", policy), func(t *testing.T) { libraryReplay(t, policy) })
	}
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
	setup := func() *table {
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
		return x
	}
	x := setup()
	acts := x.together(1500, func(b *Batch, rng *rand.Rand, _, i int) UnixMilli {
		d := x.request(userName(rng.IntN(200)), userName(rng.IntN(3000)), func(d *Draw) { d.Campaign = CampaignRef(1 + rng.IntN(2)) })
		b.AddDraw(&d)
		return start + UnixMilli(i)
	})
	if len(acts) < 1000 {
		t.Fatalf("only %d draws were decided: the test has no contention", len(acts))
	}
	setup().again(x, acts, start+1500, func(records []byte) []byte { return records[18:64] }) // without positions
}
