package drawtest

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine"
)

// ageing gives an engine and the reference commands of half a month, so that keys grow old and are packed meanwhile.
type ageing struct {
	*testing.T
	*pair
	rng   *rand.Rand
	now   engine.UnixMilli
	sent  []engine.Draw
	count int
}

func newAgeing(t *testing.T, seed uint64) *ageing {
	x := &ageing{T: t, rng: rand.New(rand.NewPCG(seed, 48)), now: instant("2026-11-11T00:00:00Z")}
	x.pair = &pair{Applier: start(t, 1, x.now), ref: NewReference(x.now)}
	x.do(fortnight(x.now))
	return x
}

// fortnight publishes a campaign of two weeks.
func fortnight(at engine.UnixMilli) Command {
	v := &engine.Version{
		Campaign: "c", Transitions: zones[0], StartsAt: at, EndsAt: at + 14*day, Denominator: 10,
		Prizes: []engine.Prize{{ID: "p", Weight: 3, Stock: 1_000_000, Units: 1, Fallback: -1, Slot: -1}},
	}
	return Command{Stamp: at, Publish: &engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed(ClusterKey, [12]byte{}, [16]byte{})}}
}

func (x *ageing) do(c Command) {
	x.Helper()
	c.Stamp = x.now
	if d := x.step(&c); d != "" {
		x.Fatalf("%s\n%s", &c, d)
	}
}

// next is mostly a new draw; else something under a key of any age.
func (x *ageing) next() Command {
	n := x.rng.IntN(100)
	if n < 55 || len(x.sent) == 0 {
		x.count++
		user := hashed("user", x.rng.IntN(40))
		x.sent = append(x.sent, engine.Draw{Campaign: 1, User: user, UserID: []byte("u"), Digest: digest(user, x.count), Times: 1})
		return Command{Draw: &x.sent[len(x.sent)-1]}
	}
	d := x.sent[x.rng.IntN(len(x.sent))]
	switch {
	case n < 80:
		return Command{Draw: &d}
	case n < 85:
		d.Times, d.Listed = 2, true
		return Command{Draw: &d}
	case n < 90:
		return Command{Abandon: &engine.Abandon{Campaign: 1, User: d.User, Digest: d.Digest, UserID: d.UserID, Actor: "caller"}}
	case n < 95:
		x.count++
		d.Digest = digest(d.User, x.count)
		x.sent = append(x.sent, d)
		return Command{Abandon: &engine.Abandon{Campaign: 1, User: d.User, Digest: d.Digest, UserID: d.UserID, Actor: "caller"}}
	case n < 97:
		return Command{Adjust: &engine.Adjust{Campaign: 1, Prize: "p", Delta: 5, Digest: d.Digest, Actor: "op"}}
	}
	return Command{}
}

// TestOldKeysAgainstTheReference: whatever the age of a key, what came of it is known: the same answer, byte for byte, a
// changed request, an abandoned key. A snapshot in the middle and another number of shards change nothing.
func TestOldKeysAgainstTheReference(t *testing.T) {
	for seed := range uint64(2) {
		x, most := newAgeing(t, seed), uint64(0)
		for i := range 5000 {
			x.now += engine.UnixMilli(x.rng.Int64N(6 * 60_000))
			x.do(x.next())
			if i%500 == 499 {
				x.move(1 << x.rng.IntN(2))
			}
			most = max(most, x.Engine.PackedKeys())
		}
		if most < 1000 {
			t.Errorf("seed %d: %d keys were packed, of %d", seed, most, len(x.sent))
		}
		for x.now < instant("2026-11-28T00:00:00Z") {
			x.now += day / 4
			x.do(Command{})
		}
		if n, _ := x.Engine.Namespace("default"); n.Keys() != 0 || x.Engine.PackedKeys() != 0 {
			t.Errorf("seed %d: %d keys, %d of them packed, 72 hours after the end", seed, n.Keys(), x.Engine.PackedKeys())
		}
	}
}

// move goes on with an engine that was loaded from a snapshot.
func (x *ageing) move(shards int) {
	x.Helper()
	var stream bytes.Buffer
	if err := x.Engine.WriteSnapshot(&stream); err != nil {
		x.Fatal(err)
	}
	e, err := engine.New(engine.Options{Shards: shards, ClusterKey: ClusterKey})
	if err != nil {
		x.Fatal(err)
	}
	if err := e.ReadSnapshot(&stream); err != nil {
		x.Fatal(err)
	}
	if e.StateHash() != x.Engine.StateHash() || e.RunningHash() != x.Engine.RunningHash() {
		x.Fatal("the snapshot has another state")
	}
	x.Engine = e
}

// TestPackingDoesNotMatter: an engine that packs keys, one with so many shards that none has enough to pack, and one that is
// loaded again now and then, in the middle of a step too, agree after every entry.
func TestPackingDoesNotMatter(t *testing.T) {
	x := newAgeing(t, 7)
	loose := start(t, 1024, instant("2026-11-11T00:00:00Z"))
	again := newAgeing(t, 7)
	feed := func(a *Applier, c Command) {
		t.Helper()
		if _, err := a.Apply(c.Stamp, &c); err != nil {
			t.Fatal(err)
		}
	}
	feed(loose, fortnight(x.now))
	for i := range 3000 {
		x.now += engine.UnixMilli(x.rng.Int64N(6 * 60_000))
		c := x.next()
		c.Stamp = x.now
		for _, a := range []*Applier{x.Applier, loose, again.Applier} {
			feed(a, c)
		}
		if i%97 == 0 {
			again.move(1)
			if a, b := x.Engine.StateHash(), loose.Engine.StateHash(); a != b || again.Engine.StateHash() != a {
				t.Fatalf("entry %d: state hash %x, %x without packing", i, a, b)
			}
		}
		if a, b := x.Engine.RunningHash(), loose.Engine.RunningHash(); a != b || again.Engine.RunningHash() != a {
			t.Fatalf("entry %d: running hash %x, %x without packing", i, a, b)
		}
	}
	if x.Engine.PackedKeys() < 200 || again.Engine.PackedKeys() < 200 || loose.Engine.PackedKeys() != 0 {
		t.Errorf("packed: %d, %d and %d keys", x.Engine.PackedKeys(), again.Engine.PackedKeys(), loose.Engine.PackedKeys())
	}
}
