package engine

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

const hour = UnixMilli(3600_000)

// remembering is a table that packs keys, in one shard, with a campaign of 30 days.
func remembering(t *testing.T) *table {
	x := newTableOf(t, 1)
	x.one(func(b *Batch) { b.AddRaise(&Raise{Level: NewestLevel}) })
	x.mustPublish(simple(func(v *Version) { v.Prizes[0].Stock = 100_000 }))
	return x
}

// drawn makes n draws, each under a key of its own, from a number on.
func (x *table) drawn(from, n int) {
	x.Helper()
	var b Batch
	for i := range n {
		d := x.request(fmt.Sprint("u", i%300), fmt.Sprint("k", from+i))
		b.AddDraw(&d)
	}
	for i, r := range x.apply(&b) {
		x.wantCode(fmt.Sprint("draw ", i), r, problem.OK)
	}
}

// ticks lets time pass, to an hour after the start.
func (x *table) ticks(to UnixMilli) {
	x.Helper()
	for x.now < start+to {
		x.now = min(x.now+hour, start+to)
		x.one(func(b *Batch) { b.AddTick() })
	}
	for range 200 { // steps
		x.now++
		x.one(func(b *Batch) { b.AddTick() })
	}
}

// A key is packed once it is 48 hours old, and not before: until then it may stand in the table that is looked at first.
func TestOnlyOldKeysArePacked(t *testing.T) {
	x := remembering(t)
	x.drawn(0, 500)
	x.ticks(12 * hour) // noted: what comes now is younger
	x.drawn(500, 300)
	x.ticks(59 * hour)
	if n := x.PackedKeys(); n != 0 {
		t.Errorf("%d keys are packed, and none is known to be 48 hours old", n)
	}
	x.ticks(60*hour + 1)
	if n := x.PackedKeys(); n != 500 {
		t.Errorf("%d keys are packed: 500 are from before the note", n)
	}
	x.ticks(73 * hour)
	if n := x.PackedKeys(); n != 800 {
		t.Errorf("%d keys of 800 are packed", n)
	}
	r := x.draw("u7", "k7")
	if !r.Replayed || r.At.Ordinal != 7 {
		t.Errorf("a key of before: %+v", r)
	}
	x.wantCode("another request under it", x.draw("u7", "k7", times(2)), problem.IdempotencyMismatch)
	d := x.request("u7", "k7")
	if r, ok := x.Peek(&d, x.now); !ok || !r.Replayed || r.At.Ordinal != 7 {
		t.Errorf("Peek: %+v, %v", r, ok)
	}
	var b Batch
	if b.AddDraw(&d); x.AddsKeys(b.Commands(), 1) {
		t.Error("a packed key would be added")
	}
	if at, code := x.FindKey(x.Namespaces()[0].Campaigns()[0], d.User, d.Digest); code != problem.OK || at.Ordinal != 7 {
		t.Errorf("FindKey: %v, %v", at, code)
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// Below the level nothing of it is in a checkpoint: an older build can read it.
func TestKeysAreNotPackedBelowTheLevel(t *testing.T) {
	x := newTableOf(t, 1)
	x.mustPublish(simple(func(v *Version) { v.Prizes[0].Stock = 100_000 }))
	x.drawn(0, 800)
	x.ticks(100 * hour)
	if n := x.PackedKeys(); n != 0 || len((*x.world.Load().campaigns.Load())[0].moments) != 0 {
		t.Errorf("%d keys are packed at level 1", n)
	}
	x.one(func(b *Batch) { b.AddRaise(&Raise{Level: NewestLevel}) })
	x.ticks(149 * hour)
	if n := x.PackedKeys(); n != 800 {
		t.Errorf("%d keys of 800 are packed 48 hours after the raise", n)
	}
}

// The notes of a campaign survive a snapshot, and a damaged section of them is refused.
func TestKeyMomentsAreKept(t *testing.T) {
	x := remembering(t)
	x.drawn(0, 800)
	x.ticks(30 * hour)
	var stream bytes.Buffer
	if err := x.WriteSnapshot(&stream); err != nil {
		t.Fatal(err)
	}
	before := (*x.world.Load().campaigns.Load())[0].moments
	e, _ := New(Options{Shards: 1})
	if err := e.ReadSnapshot(&stream); err != nil {
		t.Fatal(err)
	}
	x.Engine = e
	if after := (*x.world.Load().campaigns.Load())[0].moments; len(before) != 3 || fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("notes %v, were %v", after, before)
	}
	x.ticks(60*hour + 1)
	if n := x.PackedKeys(); n != 800 {
		t.Errorf("%d keys of 800 are packed", n)
	}
	for _, bad := range [][]keyMoment{{{2, 1}, {1, 2}}, {{hour, 3}, {hour + keysEvery, 2}}, make([]keyMoment, maxKeyMoments+1)} {
		var w writer
		w.keyMoments(bad)
		if r := (reader{b: w.b}); r.keyMoments() != nil || !r.fail {
			t.Errorf("%v is accepted", bad)
		}
	}
}

// Events of grants stand in the same table as the keys of draws, and a grant that is taken back changes its row: a campaign that has
// ever granted chances packs nothing, and an event counts once however old it is.
func TestEventsOfGrantsAreNotPacked(t *testing.T) {
	x := newTableOf(t, 1)
	x.one(func(b *Batch) { b.AddRaise(&Raise{Level: NewestLevel}) })
	x.mustPublish(earned(func(v *Version) { v.Prizes[0].Stock = 100_000 }))
	for i := range 800 {
		x.grantTo(fmt.Sprint("u", i), "shop", "e1", 2)
	}
	x.ticks(20 * 24 * hour)
	wantGrant(x, "again, much later", x.grantTo("u7", "shop", "e1", 2), 2, GrantedAll, true)
	x.wantCode("taken back", x.revoke("u7", "shop", "e1", 0), problem.OK)
	if r := x.revoke("u7", "shop", "e1", 0); !r.AlreadyLive {
		t.Errorf("taken back twice: %+v", r)
	}
	wantGrant(x, "after that", x.grantTo("u7", "shop", "e1", 2), 2, GrantedAll, true)
	x.wantSums("u7", "u7", 2, 0, 0, 0, 2, 0)
	if n := x.PackedKeys(); n != 0 {
		t.Errorf("%d events are packed", n)
	}
}
