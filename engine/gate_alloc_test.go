//go:build !race

package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// A gated draw and its denials allocate nothing, on the log and before it.
func TestNoAllocationsPerGatedDraw(t *testing.T) {
	x := newTable(t)
	x.mustPublish(gated(func(v *Version) { v.Caps[0].Limit, v.Prizes[0].Stock = 1_000_000, 1_000_000 }))
	x.list("bad", nil)
	ok := x.passes(1, "SH")
	d := x.request("bad", "k", ok)
	if n := testing.AllocsPerRun(100, func() {
		if r, ok := x.Peek(&d, x.now); !ok || r.Code != problem.Blocked {
			t.Fatal(r)
		}
	}); n != 0 {
		t.Errorf("%v allocations per Peek", n)
	}
	var b Batch
	n := 0
	var entries [][]byte
	for range 300 {
		b.Reset()
		n++
		d := x.request("u", userName(n), ok)
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
		t.Errorf("%v allocations per draw", n)
	}
}
