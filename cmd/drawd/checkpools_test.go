package main

import (
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
)

// told is a record and where it stands.
type told struct {
	at     engine.Location
	record []byte
}

// stocked decides commands on pools of every kind and returns the engine and its records.
func stocked(t *testing.T) (*engine.Engine, []told) {
	t.Helper()
	e, err := engine.New(engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all []told
	decide := func(at engine.UnixMilli, add func(b *engine.Batch)) engine.Result {
		var b engine.Batch
		add(&b)
		if err := e.Decide(&b, at); err != nil {
			t.Fatal(err)
		}
		var r engine.Record
		for i, p := range b.Positions {
			end := len(b.Records)
			if i+1 < len(b.Positions) {
				end = int(b.Positions[i+1].Start)
			}
			for ordinal, rest := uint16(0), b.Records[p.Start:end]; len(rest) > 0; ordinal++ {
				n, err := engine.DecodeRecord(rest, &r)
				if err != nil {
					t.Fatal(err)
				}
				all, rest = append(all, told{engine.Location{Index: p.Index, Ordinal: ordinal}, rest[:n]}), rest[n:]
			}
		}
		return b.Results[0]
	}
	decide(1000, func(b *engine.Batch) { b.AddInit(&engine.Init{Namespace: engine.NewNamespace{Name: "default"}}) })
	n, _ := e.Namespace("default")
	k := n.Keyer()
	u := k.User([]byte("u"))
	hold := func(at engine.UnixMilli, key string, units engine.Quantity) engine.HoldRef {
		return engine.RefOf(decide(at, func(b *engine.Batch) {
			b.AddHold(&engine.Hold{Namespace: 1, Owner: u, OwnerID: []byte("u"), Digest: k.Hold(u, []byte(key)), Items: []engine.Item{{Pool: 1, Units: units}}})
		}).At, &u)
	}
	pool := engine.PutPool{Namespace: 1, ID: "sku", Total: 10, Policy: engine.PoolPolicy{HoldTTL: 2000, LowStock: 3}}
	decide(1000, func(b *engine.Batch) { b.AddPool(&pool) })
	pool.Total, pool.Expect, pool.Policy.ReturnJitter = engine.StockUnstated, 1, 3000
	decide(1000, func(b *engine.Batch) { b.AddPool(&pool) })
	decide(1100, func(b *engine.Batch) {
		b.AddPoolAdjust(&engine.AdjustPool{Namespace: 1, Pool: 1, Delta: -1, Digest: k.PoolAdjust(1, "", []byte("k"))})
	})
	first, second := hold(1200, "a", 3), hold(1300, "b", 4)
	hold(1400, "c", 9) // refused
	decide(1500, func(b *engine.Batch) {
		b.AddConfirm(&engine.ConfirmHold{Namespace: 1, Hold: first, Items: []engine.Item{{Pool: 1, Units: 2}}})
	})
	decide(1600, func(b *engine.Batch) { b.AddExtend(&engine.ExtendHold{Namespace: 1, Hold: second, TTL: 5000}) })
	decide(1700, func(b *engine.Batch) { b.AddRelease(&engine.ReleaseHold{Namespace: 1, Hold: second}) })
	late := hold(1800, "d", 1)
	decide(9000, func(b *engine.Batch) { b.AddConfirm(&engine.ConfirmHold{Namespace: 1, Hold: late, Reacquire: true}) })
	decide(9100, func(b *engine.Batch) {
		b.AddHoldVoid(&engine.VoidHold{Namespace: 1, Hold: first, Fault: engine.VoidAbuse})
	})
	taken := decide(9200, func(b *engine.Batch) {
		b.AddTake(&engine.Take{Namespace: 1, Pool: 1, Units: 2, Owner: u, OwnerID: []byte("u"), Digest: k.Take(1, u, []byte("t"))})
	})
	decide(9300, func(b *engine.Batch) {
		b.AddTakeVoid(&engine.VoidTake{Namespace: 1, Take: engine.RefOf(taken.At, &u), Fault: engine.VoidUser})
	})
	return e, all
}

// The recount of pools agrees with the books, and notices any record of a change that is missing or told twice.
func TestTallyOfPools(t *testing.T) {
	e, all := stocked(t)
	n, _ := e.Namespace("default")
	faults := func(all []told) []string {
		x := &audit{engine: e, tally: newTally(e)}
		for _, r := range all {
			if _, err := x.tally.add(r.at, r.record); err != nil {
				t.Fatal(err)
			}
		}
		x.comparePools(n)
		return append(x.tally.faults, x.Faults...)
	}
	if got := faults(all); len(got) > 0 {
		t.Fatalf("right records give %q", got)
	}
	p, _ := n.Pool([]byte("sku"))
	if s := p.Stock(); s.Available != 6 || s.Issued != 1 || s.Withdrawn != 2 || s.Total != 9 || s.Held != 0 {
		t.Errorf("the books are %+v", s)
	}
	moved := 0
	for i := range all {
		var r engine.Record
		if _, err := engine.DecodeRecord(all[i].record, &r); err != nil {
			t.Fatal(err)
		}
		_, refused := r.HoldRefusal()
		if r.Kind == engine.RecordPoolLow || r.Kind == engine.RecordPoolSoldOut || refused || r.Kind == engine.RecordPool && r.Delta > 1 {
			continue
		}
		moved++
		without := append(append([]told(nil), all[:i]...), all[i+1:]...)
		if got := strings.Join(faults(without), "\n"); !strings.Contains(got, "seq") && !strings.Contains(got, "books") {
			t.Errorf("record %d of kind %d is missing, and nobody notices: %q", i, r.Kind, got)
		}
		twice := append(append([]told(nil), all[:i+1]...), all[i:]...)
		if len(faults(twice)) == 0 {
			t.Errorf("record %d of kind %d is told twice, and nobody notices", i, r.Kind)
		}
	}
	if moved < 12 {
		t.Errorf("only %d records move something", moved)
	}
}
