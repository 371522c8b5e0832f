package engine

import (
	"bytes"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// everyStockCommand has each command on pools and holds once or more; places of holds are what a log that begins with it
// gives them.
func everyStockCommand() *Batch {
	k := newKeyer([16]byte{3})
	u := k.User([]byte("u"))
	var b Batch
	b.AddInit(&Init{ClusterID: [16]byte{1}, IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	b.AddPool(&PutPool{Namespace: 1, ID: "a", Total: 20, Actor: "op", Reason: "new", Policy: PoolPolicy{
		OpensAt: start, ClosesAt: start + dayMilli, LimitPerOwner: 9, HoldTTL: 5000, MaxHold: 60_000, Restock: RestockMachine,
		ReturnJitter: 3000, MaxUnconfirmed: 7, Cooldown: 2000, LowStock: 19, Document: []byte(`{"pool":"a"}`),
	}})
	b.AddPool(&PutPool{Namespace: 1, ID: "B.2", Total: 4, Actor: "op"})
	b.AddPoolAdjust(&AdjustPool{Namespace: 1, Pool: 2, Delta: 3, Digest: k.PoolAdjust(2, "op", []byte("k")), Actor: "op", Reason: "found"})
	hold := func(key string, items ...Item) {
		b.AddHold(&Hold{Namespace: 1, Owner: u, OwnerID: []byte("u"), Digest: k.Hold(u, []byte(key)), Ref: []byte("o-" + key), TTL: 4000, Items: items, Actor: "host"})
	}
	hold("1", Item{1, 2}, Item{2, 3})                                                                                                                     // 3, and 4: low
	hold("2", Item{2, 1})                                                                                                                                 // 5
	hold("3", Item{2, 9})                                                                                                                                 // 6: refused
	hold("4", Item{1, 1})                                                                                                                                 // 7
	b.AddTake(&Take{Namespace: 1, Pool: 1, Units: 1, Owner: u, OwnerID: []byte("u"), Digest: k.Take(1, u, []byte("k")), Ref: []byte("r"), Actor: "host"}) // 8
	b.AddExtend(&ExtendHold{Namespace: 1, Hold: RefOf(Location{1, 3}, &u), TTL: 20_000, Actor: "host"})
	b.AddConfirm(&ConfirmHold{Namespace: 1, Hold: RefOf(Location{1, 3}, &u), Items: []Item{{2, 2}}, Actor: "host"})
	b.AddRelease(&ReleaseHold{Namespace: 1, Hold: RefOf(Location{1, 5}, &u), Actor: "host", Reason: "cart"})
	b.AddHoldVoid(&VoidHold{Namespace: 1, Hold: RefOf(Location{1, 3}, &u), Fault: VoidUser, Actor: "op", Reason: "back"})
	b.AddTakeVoid(&VoidTake{Namespace: 1, Take: RefOf(Location{1, 8}, &u), Fault: VoidAbuse, Actor: "op", Reason: "bot"})
	return &b
}

func TestGoldenHolds(t *testing.T) {
	e, _ := New(Options{})
	entry := entryOf(everyStockCommand(), start)
	golden(t, "holds-entry", entry)
	var out Outcome
	if err := e.Apply(1, entry, &out); err != nil {
		t.Fatal(err)
	}
	for i, r := range out.Results {
		if refused := i == 6; (r.Code == problem.OK) == refused {
			t.Errorf("command %d: %+v", i, r)
		}
	}
	golden(t, "holds-records", out.Records)
	golden(t, "holds-meta", metaOf(t, e))
	sum := e.StateHash()
	golden(t, "holds-state-hash", sum[:])
	if err := e.CheckInvariants(); err != nil {
		t.Error(err)
	}
	var again []byte
	for b := out.Records; len(b) > 0; {
		var r Record
		n, err := DecodeRecord(b, &r)
		if err != nil {
			t.Fatal(err)
		}
		again, b = appendOther(again, &r), b[n:]
	}
	if !bytes.Equal(again, out.Records) {
		t.Error("a record does not survive decoding and encoding")
	}
	u := newKeyer([16]byte{3}).User([]byte("u"))
	h := RefOf(Location{1, 3}, &u)
	id := e.AppendHoldID(nil, IDHold, h)
	golden(t, "holds-id", id)
	if got, ok := e.ParseHoldID(IDHold, id); !ok || got != h {
		t.Errorf("the id says %+v", got)
	}
	if _, ok := e.ParseHoldID(IDTake, id); ok {
		t.Error("the id of a hold passes for a take's")
	}
	if _, ok := e.ParseID(IDHold, id); ok {
		t.Error("the id of a hold passes for a place alone")
	}
	id[9] ^= 1
	if _, ok := e.ParseHoldID(IDHold, id); ok {
		t.Error("a changed id passes")
	}
	k := h.key()
	golden(t, "holds-key", k[:])
}

func metaOf(t *testing.T, e *Engine) []byte {
	t.Helper()
	c, err := e.Capture(true)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	return c.Meta()
}

// A place has one key and comes back from it.
func TestHoldKeysArePermutations(t *testing.T) {
	for i := range uint64(5000) {
		h := HoldRef{Location{LogIndex(mixBits(i) >> 24), uint16(mixBits(i + 1<<40))}, uint16(mixBits(i+1<<50) & 1023)}
		k := h.key()
		if got := refOf(&k); got != h {
			t.Fatalf("%+v comes back as %+v", h, got)
		}
		var stored Key
		copy(stored[:], k[:holdKeyBytes])
		if stored != k {
			t.Fatalf("the key of %+v has more bytes than are stored", h)
		}
	}
}

func mixBits(x uint64) uint64 {
	x = (x + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
	return x ^ x>>29
}

// Damaged commands are refused as what no drawd wrote, and damaged states are not loaded.
func TestDamagedStockForms(t *testing.T) {
	x := newTable(t)
	p := x.pool("p", 9)
	damaged := func(what string, add func(b *Batch)) {
		t.Helper()
		var b Batch
		add(&b)
		before := x.StateHash()
		if err := x.Apply(x.index+1, entryOf(&b, x.now), &x.out); err == nil {
			t.Errorf("%s is applied", what)
		}
		if x.StateHash() != before {
			t.Errorf("%s changed the state", what)
		}
	}
	with := func(edit func(h *Hold)) func(b *Batch) {
		h := x.holdRequest("u", "k", one(p))
		edit(h)
		return func(b *Batch) { b.AddHold(h) }
	}
	damaged("a hold of too many items", with(func(h *Hold) { h.Items = make([]Item, MaxHoldItems+1) }))
	damaged("a hold for nobody", with(func(h *Hold) { h.OwnerID = nil }))
	damaged("a hold with a long reference", with(func(h *Hold) { h.Ref = make([]byte, MaxRefBytes+1) }))
	damaged("a hold whose key lives in another shard", with(func(h *Hold) { h.Digest[0] ^= 1 }))
	damaged("an extension by less than nothing", func(b *Batch) { b.AddExtend(&ExtendHold{Namespace: 1, TTL: -1}) })
	damaged("a void by nobody's fault", func(b *Batch) { b.AddHoldVoid(&VoidHold{Namespace: 1}) })
	meta := metaOf(t, x.Engine)
	for i := range meta {
		broken := bytes.Clone(meta)
		broken[i] ^= 0x55
		if _, err := decodeMeta(broken); err == nil {
			t.Fatalf("byte %d of a meta can be anything", i)
		}
	}
}

// FuzzStockForms: no bytes make a decoder of pools panic, and what is taken encodes to the same bytes.
func FuzzStockForms(f *testing.F) {
	e, _ := New(Options{Shards: 1})
	var out Outcome
	if err := e.Apply(1, entryOf(everyStockCommand(), start), &out); err != nil {
		f.Fatal(err)
	}
	n, _ := e.Namespace("default")
	cut := n.cutStock()
	var pools, tables writer
	pools.pools(cut)
	tables.holdTables(cut)
	f.Add(pools.b)
	f.Add(tables.b)
	var m HoldMoves
	m.Count = 2
	f.Add(m.append(nil)[2:])
	f.Fuzz(func(t *testing.T, b []byte) {
		x := new(stockCut)
		if r := (reader{b: b}); true {
			if r.pools(x); r.done() == nil && len(x.pools) > 0 {
				var w writer
				if w.pools(x); !bytes.Equal(w.b, b) {
					t.Errorf("pools: %x\n%x", w.b, b)
				}
			}
		}
		x = new(stockCut)
		if r := (reader{b: b}); true {
			if r.holdTables(x); r.done() == nil {
				var w writer
				if w.holdTables(x); !bytes.Equal(w.b, b) {
					t.Errorf("tables: %x\n%x", w.b, b)
				}
			}
		}
		var m HoldMoves
		if m.decode(b) {
			if again := m.append(nil)[2:]; !bytes.Equal(again, b) {
				t.Errorf("moves: %x\n%x", again, b)
			}
		}
	})
}

// FuzzStockEntry: no entry makes the applier of a state with holds panic.
func FuzzStockEntry(f *testing.F) {
	f.Add(entryOf(everyStockCommand(), start))
	f.Fuzz(func(t *testing.T, entry []byte) {
		e, _ := New(Options{Shards: 1})
		var out Outcome
		if e.Apply(1, entryOf(everyStockCommand(), start), &out) != nil {
			t.Fatal("the seed does not apply")
		}
		if e.Apply(2, entry, &out) != nil {
			return
		}
		if err := e.CheckInvariants(); err != nil {
			t.Error(err)
		}
	})
}
