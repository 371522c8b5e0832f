//go:build !race

package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// A win whose amount is decided in the draw allocates nothing, whatever the mode.
func TestNoAllocationsPerPaidDraw(t *testing.T) {
	for name, mode := range map[string]Mode{"weighted": {}, "paced": {Kind: ModePace, Entries: 1 << 20, MaxBoost: FullPPM}, "deck": {Kind: ModeDeck, Entries: 1 << 20}} {
		x := newTable(t)
		x.mustPublish(packets(1<<19, Amount{Split: SplitDoubleMean, Least: 1, Budget: 1 << 40}, func(v *Version) {
			v.Mode, v.Budget = mode, Budget{Campaign: 1 << 50, Day: 1 << 50, User: 1 << 50}
			if mode.Kind == ModeDeck {
				v.Prizes[0].Weight = 0
			}
		}))
		var entries [][]byte
		for n := range 300 {
			var b Batch
			d := x.request("u", userName(n))
			b.AddDraw(&d)
			entries = append(entries, entryOf(&b, x.now))
		}
		next := 0
		apply := func() {
			x.index++
			if err := x.Apply(x.index, entries[next], &x.out); err != nil || x.out.Results[0].Code != problem.OK {
				t.Fatal(err, x.out.Results)
			}
			next++
		}
		for range 150 {
			apply()
		}
		if n := testing.AllocsPerRun(100, apply); n > 0.1 {
			t.Errorf("%s: %v allocations per draw", name, n)
		}
	}
}
