package render

import (
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/drawd/drawd/engine"
)

// holdIDs makes the ids of holds and takes, too.
type holdIDs struct{ plainIDs }

func (holdIDs) AppendHoldID(dst []byte, kind engine.IDKind, h engine.HoldRef) []byte {
	return fmt.Appendf(dst, "%c%015dn%05dh%04d", kind, h.At.Index, h.At.Ordinal, h.Home)
}

// unitsWorld is an engine with two pools, and what happened to them: every kind of record that is about pools, holds and takes, in the
// order of their numbers, as the engine makes them.
func unitsWorld(t *testing.T) (ns *engine.Namespace, records []engine.Record, at []engine.Location) {
	t.Helper()
	e, err := engine.New(engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := engine.UnixMilli(1794327723123)
	var b engine.Batch
	do := func(add func()) engine.Result {
		t.Helper()
		b.Reset()
		add()
		if err := e.Decide(&b, now); err != nil {
			t.Fatal(err)
		}
		for i := range b.Positions {
			end := len(b.Records)
			if i+1 < len(b.Positions) {
				end = int(b.Positions[i+1].Start)
			}
			rest, ordinal := append([]byte(nil), b.Records[b.Positions[i].Start:end]...), uint16(0)
			for len(rest) > 0 {
				var r engine.Record
				n, err := engine.DecodeRecord(rest, &r)
				if err != nil {
					t.Fatal(err)
				}
				records, at, rest = append(records, r), append(at, engine.Location{Index: b.Positions[i].Index, Ordinal: ordinal}), rest[n:]
				ordinal++
			}
		}
		return b.Results[0]
	}
	do(func() { b.AddInit(&engine.Init{Namespace: engine.NewNamespace{Name: "default", Secret: [16]byte{3}}}) })
	for _, id := range []string{"seats", "parking"} {
		do(func() {
			b.AddPool(&engine.PutPool{Namespace: 1, ID: id, Total: 6, Policy: engine.PoolPolicy{HoldTTL: 1000, LowStock: 3}, Actor: "op", Reason: "opening"})
		})
	}
	ns = e.Namespaces()[0]
	keys := ns.Keyer()
	owner := keys.User([]byte("ann"))
	hold := func(key string, reason string, items ...engine.Item) engine.HoldRef {
		r := do(func() {
			b.AddHold(&engine.Hold{Namespace: 1, Owner: owner, OwnerID: []byte("ann"), Digest: keys.Hold(owner, []byte(key)), Ref: []byte(reason), Items: items, Actor: "shop"})
		})
		return engine.RefOf(r.At, &owner)
	}
	two := []engine.Item{{Pool: 1, Units: 2}, {Pool: 2, Units: 1}}
	first := hold("k1", "order-1", two...)
	do(func() { b.AddExtend(&engine.ExtendHold{Namespace: 1, Hold: first, TTL: 5000, Actor: "shop"}) })
	do(func() { b.AddConfirm(&engine.ConfirmHold{Namespace: 1, Hold: first, Items: two[:1], Actor: "shop"}) })
	do(func() {
		b.AddHoldVoid(&engine.VoidHold{Namespace: 1, Hold: first, Fault: engine.VoidUser, Actor: "op", Reason: "changed his mind"})
	})
	second := hold("k2", "", two[1])
	do(func() {
		b.AddRelease(&engine.ReleaseHold{Namespace: 1, Hold: second, Actor: "shop", Reason: "cart emptied"})
	})
	late := hold("k3", "order-3", two[1])
	now += 2000
	do(func() { b.AddConfirm(&engine.ConfirmHold{Namespace: 1, Hold: late, Reacquire: true, Actor: "shop"}) })
	hold("k4", "order-4", engine.Item{Pool: 2, Units: 7}) // refused
	do(func() {
		b.AddTake(&engine.Take{Namespace: 1, Pool: 2, Units: 5, Owner: owner, OwnerID: []byte("ann"), Digest: keys.Take(2, owner, []byte("k5")), Ref: []byte("order-5"), Actor: "shop"})
	})
	do(func() {
		b.AddPoolAdjust(&engine.AdjustPool{Namespace: 1, Pool: 2, Delta: 4, Digest: keys.PoolAdjust(2, "op", []byte("k6")), Actor: "op", Reason: "delivery"})
	})
	return ns, records, at
}

// The feed's line of every kind of record about pools, holds and takes, byte for byte.
func TestFeedOfUnits(t *testing.T) {
	ns, records, at := unitsWorld(t)
	// No command breaks a pool's books; what tells of it is made by hand.
	records, at = append(records, engine.Record{Kind: engine.RecordPoolFence, Namespace: 1, Seq: 9, At: 1794327726000, Name: []byte("seats"), Reason: []byte("stock of seats")}),
		append(at, engine.Location{Index: 99})
	u := Units{IDs: holdIDs{}, Pools: ns}
	seen := map[engine.RecordKind]bool{}
	var out []byte
	for i := range records {
		if !IsUnits(records[i].Kind) {
			continue
		}
		seen[records[i].Kind] = true
		out = append(u.AppendFeed(out, at[i], &records[i]), '\n')
	}
	for k := engine.RecordPool; IsUnits(k); k++ {
		if !seen[k] {
			t.Errorf("no line tells of kind %d", k)
		}
	}
	golden(t, "feed-units.ndjson", out)
}

// A win that is a hold, in every form.
func TestWinIsAHold(t *testing.T) {
	v := wheel()
	v.PoolPrizes = []engine.PoolPrize{{Prize: 0, Pool: "phones", Hold: 60_000}}
	won := with(func(r *engine.Record) {
		r.Natural, r.Prize = 0, 0
		r.Sections = []byte{
			9, 2 + 24 + 4, // section, its length
			7, 0, // home
			1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, // pool, units, back, seq, available
			0, 0, 0xf4, 0x6a, // deadline, seconds
		}
	})
	s := subdraw{ids: holdIDs{}, version: v, campaign: "wheel", at: engine.Location{Index: 9, Ordinal: 1}, record: &won}
	if h, until, ok := s.hold(); !ok || h.Home != 7 || until != 0x6af40000*1000 {
		t.Fatalf("%+v %d %v", h, until, ok)
	}
	golden(t, "draw1-hold.json", append(renderers[1].json(nil, &s), '\n'))
	golden(t, "draw1-hold.hex", []byte(hex.Dump(renderers[1].binary(nil, &s))))
	golden(t, "draw1-hold.resp", renderers[1].resp(nil, &s))
}
