package engine

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// played is one command that a goroutine decided, with what came of it.
type played struct {
	commands []byte
	at       UnixMilli
	index    LogIndex
	r        Result
	recs     []byte
}

// play lets goroutines decide the commands that make gives them, one at a time, and returns those that left a record, in the
// order of their positions.
func (x *table) play(workers, each int, make func(worker, i int, rng *rand.Rand, b *Batch) (stamp UnixMilli)) []played {
	x.Helper()
	all := make2(workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rng := rand.New(rand.NewPCG(uint64(w), 11))
			var b Batch
			for i := range each {
				b.Reset()
				stamp := make(w, i, rng, &b)
				if err := x.Decide(&b, stamp); err != nil {
					x.Error(err)
					return
				}
				if r := b.Results[0]; r.Length > 0 && !r.Replayed {
					all[w] = append(all[w], played{
						append([]byte(nil), b.Commands()...), b.Time, r.At.Index, r,
						append([]byte(nil), b.Records[r.Offset:r.Offset+r.Length]...),
					})
				}
			}
		}()
	}
	wg.Wait()
	var order []played
	for _, part := range all {
		order = append(order, part...)
	}
	sortBy(order, func(a, b played) bool { return a.index < b.index })
	return order
}

func make2(n int) [][]played { return make([][]played, n) }

// decide1 decides one command as a library.
func (x *table) decide1(stamp UnixMilli, add func(b *Batch)) Result {
	x.Helper()
	var b Batch
	add(&b)
	if err := x.Decide(&b, stamp); err != nil {
		x.Fatal(err)
	}
	return b.Results[0]
}

// newLibrary returns an engine that is used as a library. Whoever changes what others look at without a lock lets them look.
func newLibrary(t *testing.T) *table {
	x := newTable(t)
	x.Engine, _ = New(Options{Shards: 8, amid: runtime.Gosched})
	x.decide1(start, func(b *Batch) {
		b.AddInit(&Init{IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	})
	return x
}

// Bounds on users and keys hold for goroutines together, in campaigns with a lock each: one place is left, and eight want it.
func TestLibraryBoundsHoldForAllTogether(t *testing.T) {
	x := newLibrary(t)
	x.stirUp(func(add func(b *Batch)) Result { return x.decide1(start, add) })
	n := x.Namespaces()[0]
	reached := 0
	for round := range 1500 {
		policy := *n.Policy()
		policy.MaxUsers, policy.MaxKeys = n.Users()+1, 1<<40
		if round%2 == 0 {
			policy.MaxUsers, policy.MaxKeys = 1<<40, n.Keys()+1
		}
		x.decide1(start, func(b *Batch) { b.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Policy: &policy}) })
		var begin sync.WaitGroup
		begin.Add(8)
		x.play(8, 1, func(w, _ int, _ *rand.Rand, b *Batch) UnixMilli {
			user := fmt.Sprint("u", round, "-", w)
			b.AddGrant(&Grant{
				Campaign: CampaignRef(1 + w%2), User: x.keys.User([]byte(user)), UserID: []byte(user), Source: "shop", Event: "1", Amount: 1,
				Priority: SourcePriority,
			})
			begin.Done()
			begin.Wait()
			return start
		})
		if n.Users() > policy.MaxUsers || n.Keys() > policy.MaxKeys {
			t.Fatalf("round %d: %d users and %d keys; the bounds are %d and %d", round, n.Users(), n.Keys(), policy.MaxUsers, policy.MaxKeys)
		}
		if n.Users() == policy.MaxUsers || n.Keys() == policy.MaxKeys {
			reached++
		}
	}
	if reached < 1000 {
		t.Errorf("a bound was reached in %d rounds only", reached)
	}
	x.sound()
}

// A grant behind a session's end does not leave the session open: whoever moves time brings about what is due.
func TestLibraryGrantClosesTheSession(t *testing.T) {
	x := newLibrary(t)
	publish := rounds(func(v *Version) {
		v.Chances = &Chances{Mode: ChancesGranted, Price: 1, Lots: 4, Sources: []ChanceSource{{ID: "shop"}}}
	})
	x.decide1(start, func(b *Batch) {
		b.AddPublish(&Publish{Namespace: 1, Version: publish, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
	})
	c, _ := x.CampaignByRef(1)
	x.decide1(open, func(b *Batch) { b.AddTick() })
	if due, _ := x.NextDue(); due != open+hourMilli {
		t.Fatalf("the session ends at %d", due)
	}
	r := x.decide1(open+hourMilli+1, func(b *Batch) {
		b.AddGrant(&Grant{Campaign: 1, User: x.keys.User([]byte("u")), UserID: []byte("u"), Source: "shop", Event: "1", Amount: 1, Priority: SourcePriority})
	})
	if r.Code != problem.OK || r.Value != 1 {
		t.Fatalf("%+v", r)
	}
	if due, _ := x.NextDue(); due <= x.LogTime() {
		t.Errorf("log time is %d, and what was due at %d was not done", x.LogTime(), due)
	}
	x.wantBooks(c, "one", "a", 0, 0, 0, 0) // carried to the session that follows
}

// Draws that win chances for another campaign decide by that campaign as it stands at their position, also while it ends
// under other goroutines' draws.
func TestLibraryChancesReplayByPosition(t *testing.T) {
	for round := range 200 {
		setup := func() *table {
			x := newLibrary(t)
			one := func(v *Version) {
				if r := x.decide1(start, func(b *Batch) {
					b.AddPublish(&Publish{Namespace: 1, Version: v, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
				}); r.Code != problem.OK {
					t.Fatalf("%+v", r)
				}
			}
			one(earned(func(v *Version) { v.Prizes[0].Stock, v.Exhausted = 6, End }))
			one(simple(func(v *Version) {
				v.Campaign, v.Chances = "d", &Chances{Mode: ChancesFree, Prizes: []ChancePrize{{0, "c"}}}
				v.Prizes[0].Kind, v.Prizes[0].Amount, v.Prizes[0].Stock = KindChance, 1, Unlimited
			}))
			return x
		}
		x := setup()
		for i := range 8 {
			x.decide1(start, func(b *Batch) {
				user := userName(i)
				b.AddGrant(&Grant{Campaign: 1, User: x.keys.User([]byte(user)), UserID: []byte(user), Source: "shop", Event: "1", Amount: 1, Priority: SourcePriority})
			})
		}
		order := x.play(4, 8, func(w, i int, _ *rand.Rand, b *Batch) UnixMilli {
			user := userName((2*w + i) % 8)
			d := x.request(user, fmt.Sprint(w, i), func(d *Draw) { d.Campaign = CampaignRef(1 + w%2) })
			b.AddDraw(&d)
			return start
		})
		y := setup()
		for i := range 8 {
			y.decide1(start, func(b *Batch) {
				user := userName(i)
				b.AddGrant(&Grant{Campaign: 1, User: x.keys.User([]byte(user)), UserID: []byte(user), Source: "shop", Event: "1", Amount: 1, Priority: SourcePriority})
			})
		}
		y.replayPlayed(order)
		if x.StateHash() != y.StateHash() {
			t.Fatalf("round %d: another state", round)
		}
		x.sound()
	}
}

// replayPlayed decides commands one after another and wants the same records, but for the places in them.
func (x *table) replayPlayed(order []played) {
	x.Helper()
	var b Batch
	for i := range order {
		o := &order[i]
		b.Reset()
		b.commands = append(b.commands, o.commands...)
		b.count = 1
		if err := x.Decide(&b, o.at); err != nil {
			x.Fatal(err)
		}
		got, want := records1(x, b.Records), records1(x, o.recs)
		if b.Results[0].Code != o.r.Code || got != want {
			x.Fatalf("position %d: %s, decided as %s", o.index, got, want)
		}
	}
}

// records1 tells what the first record says, without places in the log.
func records1(x *table, b []byte) string {
	if len(b) == 0 {
		return "nothing"
	}
	var r Record
	if _, err := DecodeRecord(b, &r); err != nil {
		x.Fatal(err)
	}
	r.Previous, r.PrevWin, r.Digest = Location{}, Location{}, Key{}
	return fmt.Sprintf("%+v", r)
}

// Hits and holds do not move time past what is due either.
func TestLibraryHitsAndHoldsCloseTheSession(t *testing.T) {
	begun := func() (*table, *Campaign) {
		x := newLibrary(t)
		x.decide1(start, func(b *Batch) {
			b.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Policy: &NamespacePolicy{TimeZone: "UTC", FatigueCaps: []FatigueCap{{ID: "push", Window: Window{Kind: WindowDay}, Limit: 5}}}})
		})
		x.decide1(start, func(b *Batch) { b.AddPool(&PutPool{Namespace: 1, ID: "p", Total: 5}) })
		x.decide1(start, func(b *Batch) {
			b.AddPublish(&Publish{Namespace: 1, Version: rounds(), SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
		})
		x.decide1(open, func(b *Batch) { b.AddTick() })
		c, _ := x.CampaignByRef(1)
		return x, c
	}
	first, _ := begun()
	keys := first.Namespaces()[0].Keyer()
	push, ok := first.Namespaces()[0].FatigueCap([]byte("push"))
	if !ok {
		t.Fatal("no such cap")
	}
	user := keys.User([]byte("u"))
	for what, add := range map[string]func(b *Batch){
		"hit": func(b *Batch) {
			b.AddHit(&Hit{Namespace: 1, Cap: push, User: user, UserID: []byte("u"), Digest: keys.Hit(push, user, []byte("k")), Quantity: 1})
		},
		"hold": func(b *Batch) {
			b.AddHold(&Hold{Namespace: 1, Owner: user, OwnerID: []byte("u"), Digest: keys.Hold(user, []byte("k")), Items: []Item{{1, 1}}})
		},
		"take": func(b *Batch) {
			b.AddTake(&Take{Namespace: 1, Pool: 1, Units: 1, Owner: user, OwnerID: []byte("u"), Digest: keys.Take(1, user, []byte("k"))})
		},
	} {
		x, c := begun()
		if r := x.decide1(open+hourMilli+1, add); r.Code != problem.OK {
			t.Errorf("%s: %+v", what, r)
		}
		if s := x.stockOf(c, "one", "a"); s.Total != 0 {
			t.Errorf("after a %s the session that ended still has %d", what, s.Total)
		}
	}
}
