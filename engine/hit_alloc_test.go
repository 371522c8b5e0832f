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

// Neither does a help between users who are known, nor its refusal.
func TestNoAllocationsPerHelp(t *testing.T) {
	x := newTable(t)
	x.mustPublish(growing())
	full := x.helpOf("a", "b", "x")
	for i := range 3 {
		x.wantCode("", x.help(userName(i), "b", userName(i)), problem.OK)
	}
	if n := testing.AllocsPerRun(100, func() {
		if r, ok := x.PeekHelp(&full, x.now); !ok || r.Code != problem.Capped {
			t.Fatal(r)
		}
	}); n != 0 {
		t.Errorf("%v allocations per PeekHelp", n)
	}
	var b Batch
	var entries [][]byte
	for i := range 300 {
		b.Reset()
		h := x.helpOf("a", "b", userName(i))
		b.AddHelp(&h)
		entries = append(entries, entryOf(&b, x.now+UnixMilli(i)*dayMilli/20))
	}
	next := 0
	apply := func() {
		x.index++
		if err := x.Apply(x.index, entries[next], &x.out); err != nil {
			t.Fatal(err)
		}
		next++
	}
	for range 150 {
		apply()
	}
	if n := testing.AllocsPerRun(100, apply); n > 0.1 {
		t.Errorf("%v allocations per help", n)
	}
}
