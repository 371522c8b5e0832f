package engine

import (
	"bytes"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// What operators and readers do around the draws.

func TestRepublish(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple(func(v *Version) {
		v.Prizes = append(v.Prizes, Prize{ID: "q", Stock: 10, Units: 1, Fallback: -1, Slot: -1})
		v.Caps = []Cap{{ID: "day", Window: Window{Kind: WindowDay}, Limit: 2, Prize: -1}}
	}))
	x.draw("u", "1")
	x.draw("u", "2")
	again := simple(func(v *Version) {
		v.Prizes = append(v.Prizes, Prize{ID: "q", Stock: 10, Units: 1, Fallback: -1, Slot: -1})
		v.Caps = []Cap{{ID: "day", Window: Window{Kind: WindowDay}, Limit: 2, Prize: -1}}
	})
	x.unchanged("the identical form", func() {
		if r := x.publish(again); !r.AlreadyLive || r.Value != 1 {
			t.Errorf("got %+v", r)
		}
	})
	x.unchanged("another stock", func() {
		x.wantCode("publish", x.publish(simple(func(v *Version) { v.Prizes[0].Stock = 999 })), problem.StockChanged)
	})
	x.unchanged("a cap id that means something else", func() {
		x.wantCode("publish", x.publish(simple(func(v *Version) {
			v.Caps = []Cap{{ID: "day", Window: Window{Kind: WindowHour}, Limit: 9, Prize: -1}}
		})), problem.InvalidCampaign)
	})
	// q is dropped, r comes; the cap is raised and a wider counter stands before it in the file.
	r := x.publish(simple(func(v *Version) {
		v.Prizes[0].Stock = StockUnstated
		v.Prizes = append(v.Prizes, Prize{ID: "r", Stock: 3, Units: 1, Fallback: -1, Slot: -1})
		v.Caps = []Cap{
			{ID: "roll", Window: Window{WindowRolling, 60_000}, Limit: 5, Prize: -1},
			{ID: "day", Window: Window{Kind: WindowDay}, Limit: 3, Prize: -1},
		}
	}))
	if r.Code != problem.OK || r.Value != 2 {
		t.Fatalf("second version: %+v", r)
	}
	rec := x.records(x.draw("u", "3"))[0]
	if rec.Version != 2 || rec.Used[0] != 1 || rec.Used[1] != 3 {
		t.Errorf("counters carry over: %+v", rec)
	}
	x.wantCode("the raised cap holds", x.draw("u", "4"), problem.Capped)
	seq, stock := c.Stock()
	if seq != 3 || len(stock) != 3 || stock[0].Issued != 3 || stock[1].ID != "r" || stock[2].ID != "q" || stock[2].Withdrawn != 10 || stock[2].Available != 0 {
		t.Errorf("seq %d, stock %+v", seq, stock)
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

func TestAdjust(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) { v.Prizes[0].Stock = 10 }))
	x.draw("u", "1", times(4))
	adjust := func(delta Quantity, key byte) Result {
		return x.one(func(b *Batch) { b.AddAdjust(&Adjust{Campaign: 1, Prize: "p", Delta: delta, Digest: Key{key}}) })
	}
	x.unchanged("taking back what is gone", func() {
		x.wantCode("-7", adjust(-7, 1), problem.InsufficientStock)
		x.wantCode("overflow", adjust(1<<62, 1), problem.InsufficientStock)
	})
	if r := adjust(-6, 2); r.Code != problem.OK || r.Value != 4 {
		t.Errorf("-6: %+v", r)
	}
	if r := adjust(-6, 2); !r.Replayed || r.Value != 4 {
		t.Errorf("repeated: %+v", r)
	}
	x.wantCode("same key, other delta", adjust(5, 2), problem.IdempotencyMismatch)
	x.wantCode("exhausted", x.draw("u", "2"), problem.Exhausted)
	x.wantCode("+1", adjust(1, 3), problem.OK)
	x.wantCode("stock is back", x.draw("u", "3"), problem.OK)
	r := x.one(func(b *Batch) { b.AddAdjust(&Adjust{Campaign: 1, Prize: "nope", Delta: 1, Digest: Key{9}}) })
	x.wantCode("unknown prize", r, problem.PrizeNotFound)
}

func TestDocuments(t *testing.T) {
	x := newTable(t)
	put := func(name string, expect uint64, body string, remove bool) Result {
		return x.one(func(b *Batch) {
			b.AddDocument(&PutDocument{Namespace: 1, Name: name, Expect: expect, Body: []byte(body), Delete: remove})
		})
	}
	first := put("draft/a", 0, "one", false)
	x.wantCode("create", first, problem.OK)
	x.unchanged("stale writes", func() {
		x.wantCode("create again", put("draft/a", 0, "x", false), problem.VersionConflict)
		x.wantCode("stale", put("draft/a", first.Value+9, "x", false), problem.VersionConflict)
		x.wantCode("delete nothing", put("draft/z", AnyRevision, "", true), problem.NotFound)
	})
	second := put("draft/a", first.Value, "two", false)
	put("key/b", AnyRevision, "k", false)
	put("draft/b", AnyRevision, "b", false)
	if d, ok := x.Document(1, "draft/a"); !ok || string(d.Body) != "two" || d.Revision != second.Value {
		t.Errorf("got %+v", d)
	}
	if all := x.Documents(1, "draft/"); len(all) != 2 || all[0].Name != "draft/a" || all[1].Name != "draft/b" {
		t.Errorf("got %+v", all)
	}
	x.wantCode("delete", put("draft/a", second.Value, "", true), problem.OK)
	if _, ok := x.Document(1, "draft/a"); ok {
		t.Error("still there")
	}
	if third := put("draft/a", 0, "three", false); third.Value <= second.Value {
		t.Errorf("a revision comes back: %d after %d", third.Value, second.Value)
	}
}

func TestPeekRefusesOnlyWhatStaysRefused(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple(func(v *Version) {
		v.StartsAt, v.EndsAt = start+10_000, start+100_000
		v.Caps = []Cap{{ID: "cool", Window: Window{WindowCooldown, 20_000}, Limit: 1, Prize: -1}}
	}))
	peek := func(key string, now UnixMilli) (problem.Code, bool) {
		d := x.request("u", key)
		r, ok := x.Peek(&d, now)
		return r.Code, ok
	}
	want := func(what, key string, now UnixMilli, code problem.Code, ok bool) {
		t.Helper()
		if c, o := peek(key, now); c != code || o != ok {
			t.Errorf("%s: %v %v, want %v %v", what, c, o, code, ok)
		}
	}
	want("long before", "1", start, problem.NotStarted, true)
	want("a second before", "1", start+9_000, problem.OK, false)
	want("long after by the reader's clock only", "1", start+200_000, problem.OK, false)
	x.now = start + 10_000
	first := x.draw("u", "1")
	d := x.request("u", "1")
	if r, ok := x.Peek(&d, start); !ok || !r.Replayed || r.At != first.At {
		t.Errorf("replay: %+v %v", r, ok)
	}
	want("cooling", "2", start+28_999, problem.Capped, true)
	want("nearly cooled", "2", start+29_000, problem.OK, false)
	x.now = start + 100_000
	x.one(func(b *Batch) { b.AddTick() })
	want("ended by log time", "2", start, problem.Ended, true)
	x.unchanged("peeking", func() { want("again", "3", start, problem.Ended, true) })
	if c.Namespace().Users() != 1 || c.Namespace().Keys() != 1 {
		t.Error("peeking made rows")
	}
}

func TestNextDueAndForgottenKeys(t *testing.T) {
	x := newTable(t)
	if due, ok := x.NextDue(); ok {
		t.Errorf("nothing is due, yet %d", due)
	}
	c := x.mustPublish(simple(func(v *Version) { v.StartsAt, v.EndsAt = start+1_000, start+2_000 }))
	tick := func(now UnixMilli, want UnixMilli, ok bool) {
		t.Helper()
		x.now = now
		x.one(func(b *Batch) { b.AddTick() })
		if due, any := x.NextDue(); any != ok || any && due != want {
			t.Errorf("at start%+d: due start%+d %v, want start%+d %v", now-start, due-start, any, want-start, ok)
		}
	}
	tick(start, start+1_000, true)
	tick(start+1_000, start+2_000, true)
	x.draw("u", "k")
	tick(start+2_000, start+2_000+KeyRetention, true)
	if c.Namespace().Keys() != 1 {
		t.Fatal("the key is gone at the end")
	}
	tick(start+1_999+KeyRetention, start+2_000+KeyRetention, true)
	if c.Namespace().Keys() != 1 {
		t.Fatal("the key is gone early")
	}
	tick(start+2_000+KeyRetention, 0, false)
	if c.Namespace().Keys() != 0 || c.Namespace().Users() != 1 {
		t.Error("keys are kept too long, or users lost")
	}
	x.wantCode("draw", x.draw("u", "k"), problem.Ended)
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

func TestIDs(t *testing.T) {
	x := newTable(t)
	l := Location{1 << 39, 1<<16 - 1}
	id := x.AppendID(nil, IDDraw, l)
	if len(id) != 27 || id[0] != 'd' || bytes.ToLower(id) == nil {
		t.Fatalf("id %q", id)
	}
	if got, ok := x.ParseID(IDDraw, id); !ok || got != l {
		t.Errorf("%q gives %+v %v", id, got, ok)
	}
	if _, ok := x.ParseID(IDRequest, append([]byte("r"), id[1:]...)); ok {
		t.Error("a draw's id passes as a request's")
	}
	for i := range id {
		for _, c := range []byte("a7z!") {
			forged := bytes.Clone(id)
			if forged[i] == c {
				continue
			}
			forged[i] = c
			if got, ok := x.ParseID(IDDraw, forged); ok {
				t.Errorf("%q gives %+v", forged, got)
			}
		}
	}
}
