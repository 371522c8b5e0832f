package engine

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func stockEngine(b *testing.B, pools int, total Quantity) (*Engine, Keyer) {
	e, _ := New(Options{})
	var c Batch
	c.AddInit(&Init{IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	for i := range pools {
		c.AddPool(&PutPool{Namespace: 1, ID: fmt.Sprint("p", i), Total: total})
	}
	var out Outcome
	if err := e.Apply(1, entryOf(&c, start), &out); err != nil {
		b.Fatal(err)
	}
	n, _ := e.Namespace("default")
	return e, n.Keyer()
}

// tableBytes is the memory of all tables of pools and holds, by kind.
func (n *Namespace) tableBytes() (owners, holds, keys int) {
	for s := range n.world.shards {
		owners += n.stock.owners.parts[s].Bytes() + n.stock.accounts.parts[s].Bytes()
		for _, d := range n.stockDays() {
			holds += d.narrow.parts[s].Bytes() + d.wide.parts[s].Bytes()
			keys += d.keys.parts[s].Bytes()
		}
	}
	return owners, holds, keys
}

// A million holds of as many owners that all end in the same second: what a hold costs in memory, and how long the applier
// stands still at that second. Run with -benchtime 1x.
func BenchmarkMillionHoldsExpire(b *testing.B) {
	const holds, per = 1_000_000, 500
	for range b.N {
		e, k := stockEngine(b, 1, holds)
		var c Batch
		var out Outcome
		index := LogIndex(1)
		begun := time.Now()
		for i := 0; i < holds; i += per {
			c.Reset()
			for j := i; j < i+per; j++ {
				owner := []byte(fmt.Sprintf("u%d", j))
				u := k.User(owner)
				c.AddHold(&Hold{Namespace: 1, Owner: u, OwnerID: owner, Digest: k.Hold(u, owner), TTL: 60_000, Items: []Item{{1, 1}}})
			}
			index++
			if err := e.Apply(index, entryOf(&c, start+1+UnixMilli(i%999)), &out); err != nil || len(out.Results) != per {
				b.Fatal(err)
			}
		}
		made := time.Since(begun)
		n, _ := e.Namespace("default")
		p, _ := n.Pool([]byte("p0"))
		if s := p.Stock(); s.Held != holds {
			b.Fatalf("%+v", s)
		}
		c.Reset()
		c.AddTick()
		index++
		begun = time.Now()
		if err := e.Apply(index, entryOf(&c, start+61_000), &out); err != nil {
			b.Fatal(err)
		}
		pause := time.Since(begun)
		if s := p.Stock(); s.Available != holds {
			b.Fatalf("%+v", s)
		}
		owners, rows, keys := n.tableBytes()
		b.ReportMetric(float64(made.Nanoseconds())/holds, "ns/hold")
		b.ReportMetric(float64(pause.Nanoseconds()), "ns/pause")
		b.ReportMetric(float64(rows)/holds, "B/hold")
		b.ReportMetric(float64(owners)/holds, "B/owner")
		b.ReportMetric(float64(keys)/holds, "B/key")
		runtime.KeepAlive(e)
	}
}

// As a library: a hold and its confirmation, by one goroutine and by several.
func BenchmarkLibraryHolds(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("goroutines=%d", workers), func(b *testing.B) {
			e, k := stockEngine(b, 64, 1<<40)
			var next atomic.Uint64
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range workers {
				wg.Add(1)
				go func() {
					defer wg.Done()
					var c Batch
					for {
						i := next.Add(1)
						if i > uint64(b.N) {
							return
						}
						var id [9]byte
						id[0] = 'u'
						binary.BigEndian.PutUint64(id[1:], i)
						u := k.User(id[:])
						c.Reset()
						c.AddHold(&Hold{Namespace: 1, Owner: u, OwnerID: id[:], Digest: k.Hold(u, id[:]), Items: []Item{{PoolRef(1 + (i+uint64(w))%64), 1}}})
						if err := e.Decide(&c, start+UnixMilli(i>>14)); err != nil {
							b.Error(err)
							return
						}
						h := RefOf(c.Results[0].At, &u)
						c.Reset()
						c.AddConfirm(&ConfirmHold{Namespace: 1, Hold: h})
						if err := e.Decide(&c, start+UnixMilli(i>>14)); err != nil {
							b.Error(err)
							return
						}
					}
				}()
			}
			wg.Wait()
		})
	}
}
