package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// remembers sets up everything that remembers keys.
func remembers(t *testing.T) (x *table, pool *Pool) {
	x = newTable(t)
	p := purses(4, "points")
	p.FatigueCaps = fatigueCaps()
	x.wantCode("policy", x.putPolicy(p), problem.OK)
	x.mustPublish(earned(func(v *Version) { v.Caps = tree().Caps }))
	return x, x.pool("p", 1000)
}

// How long a key is remembered, by what it was sent for: docs/scale.md has the same table. A first request would add a key, the
// same one again would not, and both for as long as it says here.
func TestHowLongKeysAreRemembered(t *testing.T) {
	const ends = 30*dayMilli + KeyRetention // of the campaign
	straight := func(g *Grant) { g.Campaign, g.Namespace, g.Purse = 0, 1, "points" }
	for _, k := range []struct {
		of    string
		kept  UnixMilli // after the start, which is a day's start; 0: for good
		act   func(x *table, p *Pool) Result
		front bool // asked for by callers, not by operators
	}{
		{"draw", ends, func(x *table, _ *Pool) Result { return x.draw("u", "k") }, true},
		{"help", ends, func(x *table, _ *Pool) Result { return x.help("o", "u", "k") }, true},
		{"grant", ends, func(x *table, _ *Pool) Result { return x.grantTo("u", "shop", "e", 1) }, true},
		{"grant into a purse", 0, func(x *table, _ *Pool) Result { return x.grantTo("u", "shop", "e", 1, straight) }, true},
		{"hit", UnixMilli(periodOf(start)+keyGenerations)*keyPeriod - start, func(x *table, _ *Pool) Result { return x.hit("week", "u", "k", 1) }, true},
		{"hold", 6 * dayMilli, func(x *table, p *Pool) Result { return x.hold("u", "k", units(p, 1)) }, true},
		{"take", 6 * dayMilli, func(x *table, p *Pool) Result { return x.take("u", "k", p, 1) }, true},
		{"change of a pool's total", 8 * dayMilli, func(x *table, p *Pool) Result { return x.adjustPool(p, "k", 1) }, false},
	} {
		x, p := remembers(t)
		x.grantTo("u", "shop", "for the draw", 1)
		adds := false
		x.heard = func(commands []byte) { adds = x.AddsKeys(commands, 1) }
		if r := k.act(x, p); r.Code != problem.OK || r.Replayed || adds != k.front {
			t.Errorf("%s: %+v, adds a key: %v", k.of, r, adds)
		}
		for _, at := range []UnixMilli{0, k.kept - 1} {
			if k.kept == 0 && at != 0 {
				at = 1000 * dayMilli
			}
			x.now = start + at
			x.tick()
			if r := k.act(x, p); r.Code != problem.OK || !r.Replayed || adds {
				t.Errorf("%s, %d ms later: %+v, adds a key: %v", k.of, at, r, adds)
			}
		}
		if k.kept == 0 {
			continue
		}
		x.now = start + k.kept
		x.tick()
		want := k.front && k.kept != ends // nothing is remembered for a campaign that is over
		if r := k.act(x, p); r.Replayed || adds != want {
			t.Errorf("%s, when it may be forgotten: %+v, adds a key: %v", k.of, r, adds)
		}
	}
}

// Only what comes under a new key adds one: nothing of what is not known here, or cannot be read.
func TestWhatAddsNoKey(t *testing.T) {
	x, _ := remembers(t)
	for what, add := range map[string]func(b *Batch){
		"nothing":                 func(*Batch) {},
		"a tick":                  func(b *Batch) { b.AddTick() },
		"a campaign that is not":  func(b *Batch) { d := x.request("u", "k", func(d *Draw) { d.Campaign = 9 }); b.AddDraw(&d) },
		"a namespace that is not": func(b *Batch) { h := x.hitOf("week", "u", "k", 1); h.Namespace = 9; b.AddHit(&h) },
		"a pool's namespace":      func(b *Batch) { h := x.holdRequest("u", "k", Item{1, 1}); h.Namespace = 9; b.AddHold(h) },
		"a purse that is not": func(b *Batch) {
			b.AddGrant(&Grant{Namespace: 1, Purse: "x", UserID: []byte("u"), Source: "s", Event: "e", Amount: 1})
		},
		"an operator":              func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionPause, Actor: "op"}) },
		"a draw without its times": func(b *Batch) { b.AddDraw(&Draw{Campaign: 1, UserID: []byte("u")}) },
	} {
		var b Batch
		add(&b)
		if x.AddsKeys(b.Commands(), b.Len()) {
			t.Errorf("%s would add a key", what)
		}
		d := x.request("u", "k")
		if b.AddDraw(&d); !x.AddsKeys(b.Commands(), b.Len()) && what != "a draw without its times" {
			t.Errorf("a draw behind %s would add no key", what)
		}
	}
	if x.AddsKeys([]byte{1, 2, 3}, 1) {
		t.Error("damage would add a key")
	}
}

// The memory of rows is counted in whole pages, and what a campaign's keys took comes back when they may be forgotten.
func TestBytes(t *testing.T) {
	x := newTableOf(t, 1)
	x.mustPublish(simple(func(v *Version) { v.Prizes[0].Stock = 100_000 }))
	none := x.Bytes()
	x.drawn(0, 2000)
	if n := x.Bytes(); n < 2000*27 || n > 2000*27*3 || n%4096 != 0 {
		t.Errorf("%d bytes of 2000 keys and 300 users", n)
	}
	users := x.Bytes() - uint64((*x.world.Load().campaigns.Load())[0].keys.parts[0].Pages())*4096
	x.now = start + 30*dayMilli + KeyRetention
	x.tick()
	if n := x.Bytes(); n != users || none > n {
		t.Errorf("%d bytes when the keys may be forgotten, %d are not keys", n, users)
	}
}
