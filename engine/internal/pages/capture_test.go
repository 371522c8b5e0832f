package pages

import (
	"bytes"
	"testing"
)

// fill inserts rows first..end-1 of benchKey, whose payload begins with their number.
func fill(t *Table, first, end int) {
	for i := first; i < end; i++ {
		k := benchKey(uint64(i))
		write(t.Mutable(t.Insert(&k)), i)
	}
}

func write(payload []byte, i int) {
	for j := range min(len(payload), 4) {
		payload[j] = byte(i >> (8 * j))
	}
}

// drain reads a capture out.
func drain(a *Arena) map[uint32][]byte {
	into := map[uint32][]byte{}
	buf := make([]byte, PageSize)
	for n, ok := a.NextCapture(buf); ok; n, ok = a.NextCapture(buf) {
		into[n] = bytes.Clone(buf)
	}
	return into
}

func equalPages(t *testing.T, what string, got, want map[uint32][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d pages, want %d", what, len(got), len(want))
	}
	for n := range want {
		if !bytes.Equal(got[n], want[n]) {
			t.Errorf("%s: page %d differs", what, n)
		}
	}
}

func snapshot(a *Arena) map[uint32][]byte {
	a.BeginCapture(true)
	defer a.EndCapture(false)
	return drain(a)
}

func TestCaptureIsTheCut(t *testing.T) {
	changes := []struct {
		name string
		do   func(a *Arena)
	}{
		{"nothing", func(a *Arena) {}},
		{"every row", func(a *Arena) {
			for i := range 5000 {
				k := benchKey(uint64(i))
				r, _ := a.Table(1).Find(&k)
				write(a.Table(1).Mutable(r), -1)
			}
		}},
		{"every row twice", func(a *Arena) {
			for i := range 10000 {
				k := benchKey(uint64(i % 5000))
				r, _ := a.Table(1).Find(&k)
				a.Table(1).Mutable(r)[0]++
			}
		}},
		{"inserts and splits", func(a *Arena) { fill(a.Table(1), 5000, 9000) }},
		{"drop", func(a *Arena) { a.Drop(1) }},
		{"drop, pages used again", func(a *Arena) {
			a.Drop(1)
			fill(a.NewTable(3, 8, 30), 0, 5000)
		}},
		{"widen", func(a *Arena) {
			a.Table(1).Widen(40)
			for i := range 5000 {
				k := benchKey(uint64(i))
				a.Table(1).Find(&k)
			}
		}},
		{"reserve", func(a *Arena) { a.Table(1).Reserve(50000) }},
	}
	for _, c := range changes {
		a := NewArena(nil)
		fill(a.NewTable(1, 12, 20), 0, 5000)
		fill(a.NewTable(2, 9, 300), 0, 100)
		want := snapshot(a)
		a.BeginCapture(true)
		got := map[uint32][]byte{}
		buf := make([]byte, PageSize)
		for range 7 { // some pages are out before the change
			n, _ := a.NextCapture(buf)
			got[n] = bytes.Clone(buf)
		}
		c.do(a)
		for n, data := range drain(a) {
			if got[n] != nil {
				t.Errorf("%s: page %d came twice", c.name, n)
			}
			got[n] = data
		}
		a.EndCapture(true)
		equalPages(t, c.name, got, want)

		// What changed meanwhile comes with the next capture: together they are the state.
		a.BeginCapture(false)
		for n, data := range drain(a) {
			got[n] = data
		}
		a.EndCapture(true)
		equalPages(t, c.name+", next capture", got, snapshot(a))
	}
}

func TestCaptureTakesWhatChanged(t *testing.T) {
	a := NewArena(nil)
	table := a.NewTable(1, 12, 52)
	fill(table, 0, 10000)
	all := a.Pages()
	begin := func(full bool, want int) map[uint32][]byte {
		t.Helper()
		if got := a.BeginCapture(full); got != want {
			t.Errorf("%d pages to capture, want %d", got, want)
		}
		got := drain(a)
		if len(got) != want {
			t.Errorf("%d pages captured, want %d", len(got), want)
		}
		return got
	}
	begin(false, all)
	a.EndCapture(true)
	begin(false, 0)
	a.EndCapture(true)

	k := benchKey(7)
	r, _ := table.Find(&k)
	table.Payload(r)
	begin(false, 0)
	a.EndCapture(true)
	table.Mutable(r)[3] = 9
	first := begin(false, 1)
	a.EndCapture(false)
	equalPages(t, "an aborted capture comes again", begin(false, 1), first)
	a.EndCapture(true)

	table.Mutable(r)[3] = 10
	begin(true, all)
	a.EndCapture(false)
	begin(false, 1) // an aborted full capture makes no page dirty
	table.Mutable(r)[3] = 11
	a.EndCapture(false)
	begin(false, 1)
	a.EndCapture(true)
	begin(true, all)
	a.EndCapture(true)
	begin(false, 0)
	a.EndCapture(true)

	a.Drop(1)
	for n, data := range begin(false, all) {
		if !bytes.Equal(data, blank[:]) {
			t.Fatalf("page %d was dropped and is not zero", n)
		}
	}
	a.EndCapture(true)
	if a.FreePages() != all || a.Table(1) != nil {
		t.Errorf("%d free pages, want %d", a.FreePages(), all)
	}
	fill(a.NewTable(1, 12, 52), 0, 10000)
	if a.Pages() != all {
		t.Errorf("%d pages: dropped ones were not used again, want %d", a.Pages(), all)
	}
}

// A capture that ends before it is read out leaves nothing behind.
func TestCaptureAbortedHalfway(t *testing.T) {
	a := NewArena(nil)
	table := a.NewTable(1, 12, 52)
	fill(table, 0, 3000)
	a.BeginCapture(false)
	buf := make([]byte, PageSize)
	a.NextCapture(buf)
	fill(table, 3000, 6000)
	a.EndCapture(false)
	if got, want := a.BeginCapture(false), a.Pages(); got != want {
		t.Fatalf("%d pages after an aborted capture, want all %d", got, want)
	}
	got := drain(a)
	a.EndCapture(true)
	equalPages(t, "after an aborted capture", got, snapshot(a))
}

func TestCaptureMisuse(t *testing.T) {
	a := NewArena(nil)
	fill(a.NewTable(1, 12, 52), 0, 10)
	mustPanic(t, "NextCapture without a capture", func() { a.NextCapture(make([]byte, PageSize)) })
	mustPanic(t, "EndCapture without a capture", func() { a.EndCapture(true) })
	a.BeginCapture(true)
	mustPanic(t, "a second BeginCapture", func() { a.BeginCapture(true) })
	mustPanic(t, "a commit before the end", func() { a.EndCapture(true) })
}

func mustPanic(t *testing.T, what string, fn func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: no panic", what)
		}
	}()
	fn()
}
