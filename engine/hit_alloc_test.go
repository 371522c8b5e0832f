//go:build !race

package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// A hit, its replay and its refusal allocate nothing, on the log and before it.
func TestNoAllocationsPerHit(t *testing.T) {
	x := fatigued(t)
	x.wantCode("", x.hit("day", "full", "k", 5), problem.OK)
	h := x.hitOf("day", "full", "l", 1)
	if n := testing.AllocsPerRun(100, func() {
		if r, ok := x.PeekHit(&h, x.now); !ok || r.Code != problem.Capped {
			t.Fatal(r)
		}
	}); n != 0 {
		t.Errorf("%v allocations per PeekHit", n)
	}
	var b Batch
	var entries [][]byte
	for i := range 300 {
		b.Reset()
		h := x.hitOf("week", "u", userName(i), 1)
		b.AddHit(&h)
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
		t.Errorf("%v allocations per hit", n)
	}
}
