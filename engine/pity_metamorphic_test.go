package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// pityWorld is two campaigns with every form of pity, one of them shared.
func pityWorld(x *table) {
	version := func(id string) *Version {
		return simple(func(v *Version) {
			v.Campaign, v.Exhausted = id, Miss
			v.Prizes[0].Weight, v.Prizes[0].Stock = 5, 300
			other("q", 20, 400)(v)
			other("r", 3, Unlimited)(v)
			v.Prizes[1].Units, v.Prizes[1].Unavailable, v.Prizes[1].Fallback = 2, OnFallback, 2
			v.Caps = []Cap{{ID: "q", Counts: CountWins, Window: Window{Kind: WindowDay}, Limit: 9, Prize: 1}}
			v.Pity = []Pity{
				{ID: "all", Within: 9, Shared: true, Group: []int16{0}, List: []PityPrize{{0, 40}}},
				{ID: "extra", Within: 4, Extra: true, Group: []int16{1, 2}, List: []PityPrize{{1, 60}, {2, 0}}},
				{ID: "soft", AnyWin: true, Soft: []SoftStep{{2, []SoftWeight{{0, 9}, {1, 30}}}, {5, []SoftWeight{{2, 60}}}}},
			}
		})
	}
	x.mustPublish(version("c"))
	x.mustPublish(version("d"))
}

// What pity gives does not depend on how draws share entries, on shards, or on a restore in the middle.
func TestPityDoesNotDependOnEntries(t *testing.T) {
	for seed := range uint64(3) {
		var first []byte
		var hash [16]byte
		for run, per := range []int{1, 7, 200, 64} {
			x := newTable(t)
			pityWorld(x)
			rng := rand.New(rand.NewPCG(seed, 5))
			var seen bytes.Buffer
			for from := 0; from < 2000; from += per {
				if run == 3 && from == 640 {
					x.snapshot() // into another number of shards
				}
				var b Batch
				for i := range min(per, 2000-from) {
					d := x.request(userName(rng.IntN(25)), fmt.Sprint("k", from+i), func(d *Draw) {
						d.Campaign = CampaignRef(1 + rng.IntN(2))
						d.Times, d.Listed = uint8(1+rng.IntN(3)), true
					})
					b.AddDraw(&d)
				}
				for _, r := range x.apply(&b) {
					for _, rec := range x.records(r) {
						m, _ := rec.Pity()
						fmt.Fprintln(&seen, rec.Campaign, rec.DrawNumber, rec.Word, rec.Natural, rec.Prize, rec.Cause, rec.StockAfter, m)
					}
				}
			}
			if err := x.CheckInvariants(); err != nil {
				t.Fatal(err)
			}
			x.one(func(b *Batch) { b.AddTick() })
			if run == 0 {
				first, hash = seen.Bytes(), x.StateHash()
				continue
			}
			if !bytes.Equal(first, seen.Bytes()) || x.StateHash() != hash {
				t.Errorf("seed %d: entries of %d give something else", seed, per)
			}
		}
	}
}
