package engine

import (
	"math/rand/v2"
	"testing"
)

// Large entries, whose draws are decided in runs under all locks, give what entries of one command give: also where other
// commands, another campaign or draws of many parts end a run.
func TestRunsOfDrawsGiveTheSameState(t *testing.T) {
	large, single := newTable(t), newTable(t)
	for _, x := range []*table{large, single} {
		for _, id := range []string{"c", "d"} {
			v := busy()
			v.Campaign = id
			x.mustPublish(v)
		}
	}
	rng := rand.New(rand.NewPCG(11, 12))
	longest := 0
	for round := range 12 {
		var all, one Batch
		var results []Result
		n := 60 + rng.IntN(600)
		for i := range n {
			one.Reset()
			for _, b := range []*Batch{&all, &one} {
				switch at := (round*1000 + i) % 97; {
				case at == 0:
					b.AddTick()
				case at == 50:
					b.AddAdjust(&Adjust{Campaign: 2, Prize: "q", Delta: 1, Digest: Key{1, 0, byte(round), byte(i >> 8), byte(i)}})
				default:
					d := large.request(userName(i*7%90), userName(i*round%1500), func(d *Draw) {
						d.Campaign, d.HasDevice, d.Device = CampaignRef(1+i/5%2), true, Key{byte(i % 7)}
						if round%3 == 0 {
							d.Times, d.Listed = 9, true
						}
					})
					b.AddDraw(&d)
				}
			}
			results = append(results, single.apply(&one)...)
		}
		got := large.apply(&all)
		longest = max(longest, len(large.out.Offsets))
		if large.step.bulk || large.step.holds != nil {
			t.Fatal("a run goes on after its entry")
		}
		for i := range got {
			if got[i].Code != results[i].Code || got[i].Replayed != results[i].Replayed || got[i].Records != results[i].Records {
				t.Fatalf("round %d, command %d: %+v in a run, %+v alone", round, i, got[i], results[i])
			}
		}
		if large.StateHash() != single.StateHash() { // takes every lock as well
			t.Fatalf("round %d: another state", round)
		}
	}
	if longest <= bulkRecords {
		t.Fatalf("the longest entry has %d records: no run was ended by them", longest)
	}
}
