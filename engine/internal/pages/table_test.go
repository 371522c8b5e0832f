package pages

import (
	"testing"
)

func TestLookupsDoNotAllocate(t *testing.T) {
	table := NewArena(nil).NewTable(1, 12, 52)
	fill(table, 0, 10000)
	i, sum := uint64(0), byte(0)
	if n := testing.AllocsPerRun(1000, func() {
		k := benchKey(i % 20000)
		i += 7
		table.Touch(&k)
		if r, ok := table.Find(&k); ok {
			sum += table.Payload(r)[0]
			table.Mutable(r)[1]++
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Inserting allocates chunks and directories only: amortised nothing.
func TestInsertsDoNotAllocate(t *testing.T) {
	table := NewArena(nil).NewTable(1, 10, 9)
	fill(table, 0, 200_000)
	i := 200_000
	if n := testing.AllocsPerRun(50_000, func() {
		k := benchKey(uint64(i))
		i++
		table.Insert(&k)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Small arenas are small: nothing before the first row, then one page, and never more than twice what is used.
func TestSmallArenas(t *testing.T) {
	total := 0
	a := NewArena(func(n int) []byte { total += n; return make([]byte, n) })
	table := a.NewTable(1, 12, 52)
	k := benchKey(1)
	if _, ok := table.Find(&k); ok || total != 0 {
		t.Errorf("an empty table found a row or took %d bytes", total)
	}
	table.Touch(&k)
	table.Range(func(Key, []byte) bool { t.Error("row in an empty table"); return false })
	for i := range 60000 {
		fill(table, i, i+1)
		if used := a.Pages() * PageSize; total > max(2*used, used+smallPages*PageSize) {
			t.Fatalf("%d bytes taken for %d", total, used)
		}
	}
	if blank != (page{}) {
		t.Error("page 0 was written")
	}
}

// The prefix of a page can be split until nothing is left of it when keys are chosen: the table degrades, and neither
// panics nor grows its directory beyond bounds.
func TestKeysWithEqualHash(t *testing.T) {
	for _, s := range []shape{{12, 52, 60}, {10, 9, 20}, {16, 900, 950}} {
		a := NewArena(nil)
		table := a.NewTable(1, s.keyBytes, s.width)
		key := func(i int) Key {
			k := benchKey(uint64(i))
			if i%10 != 0 {
				copy(k[2:7], "equal") // the place in the page too
			}
			return k
		}
		const rows = 3000
		for i := range rows {
			k := key(i)
			if _, ok := table.Find(&k); ok {
				t.Fatalf("%v: row %d is there", s, i)
			}
			write(table.Mutable(table.Insert(&k)), i)
		}
		check := func(a *Arena) {
			t.Helper()
			table := a.Table(1)
			for i := range rows {
				k := key(i)
				r, ok := table.Find(&k)
				if want := make([]byte, 4); ok {
					write(want, i)
					if string(table.Payload(r)[:4]) != string(want) {
						t.Fatalf("%v: row %d reads %x", s, i, table.Payload(r))
					}
				} else {
					t.Fatalf("%v: row %d lost", s, i)
				}
			}
			if most := rows/table.geo.slots*3 + 100; table.pages > most || len(table.dir) > 128*table.pages {
				t.Errorf("%v: %d pages, want at most %d; directory of %d", s, table.pages, most, len(table.dir))
			}
		}
		check(a)
		if table.chain == nil {
			t.Fatalf("%v: no overflow pages", s)
		}
		b, err := loaded(t, snapshot(a), shape{s.keyBytes, s.width, 0})
		if err != nil {
			t.Fatal(err)
		}
		check(b)
		b.Table(1).Widen(s.widest)
		check(b)
		b.Drop(1)
		if b.FreePages() != b.Pages() {
			t.Errorf("%v: %d of %d pages freed", s, b.FreePages(), b.Pages())
		}
	}
}

// A key of zeros finds nothing in empty slots, which are zero.
func TestZeroKey(t *testing.T) {
	for _, keyBytes := range []int{8, 9, 12, 16} {
		table := NewArena(nil).NewTable(1, keyBytes, 8)
		var zero Key
		for i := range 2000 {
			fill(table, i, i+1)
			if _, ok := table.Find(&zero); ok {
				t.Fatalf("%d key bytes: zero key found", keyBytes)
			}
		}
		write(table.Mutable(table.Insert(&zero)), 77)
		if r, ok := table.Find(&zero); !ok || table.Payload(r)[0] != 77 {
			t.Fatalf("%d key bytes: zero key lost", keyBytes)
		}
	}
}

// Keys that differ in one byte only are different.
func TestEveryKeyByteCounts(t *testing.T) {
	for keyBytes := minKeyBytes; keyBytes <= maxKeyBytes; keyBytes++ {
		table := NewArena(nil).NewTable(1, keyBytes, 3)
		k := benchKey(1)
		r := table.Insert(&k)
		for i := range maxKeyBytes {
			other := k
			other[i] ^= 1
			if got, ok := table.Find(&other); ok != (i >= keyBytes) || ok && got != r {
				t.Errorf("%d key bytes, byte %d differs: found %v", keyBytes, i, ok)
			}
		}
	}
}

// Comparing eight tags at once also reports a tag that is one above the wanted one, after a slot whose tag is the wanted
// one: such a row is another key.
func TestNeighbouringTags(t *testing.T) {
	for keyBytes := minKeyBytes; keyBytes <= maxKeyBytes; keyBytes++ {
		table := NewArena(nil).NewTable(1, keyBytes, 3)
		first, second := benchKey(1), benchKey(2)
		copy(second[2:7], first[2:7]) // the same place
		first[keyBytes-1], second[keyBytes-1] = 6, 7
		table.Insert(&first)
		table.Insert(&second)
		second[keyBytes-1] = 6
		if _, ok := table.Find(&second); ok {
			t.Errorf("%d key bytes: found a key that differs in the tag", keyBytes)
		}
	}
}

func TestWidenIsLazy(t *testing.T) {
	a := NewArena(nil)
	table := a.NewTable(1, 12, 20)
	fill(table, 0, 20000)
	a.BeginCapture(false)
	drain(a)
	a.EndCapture(true)
	table.Widen(45)
	k := benchKey(1 << 50)
	table.Find(&k)
	rows := 0
	table.Range(func(_ Key, payload []byte) bool {
		rows++
		if len(payload) != 45 {
			t.Fatalf("payload of %d bytes", len(payload))
		}
		return true
	})
	if n := a.BeginCapture(false); n != 0 || rows != 20000 {
		t.Errorf("%d pages are dirty after Widen, an absent key and Range; %d rows", n, rows)
	}
	a.EndCapture(true)
	k = benchKey(5)
	r, ok := table.Find(&k)
	if p := table.Payload(r); !ok || len(p) != 45 || p[0] != 5 || p[44] != 0 {
		t.Fatalf("row 5 reads %x", p)
	}
	if n := a.BeginCapture(false); n < 1 || n > 3 {
		t.Errorf("%d pages are dirty after one row was found", n)
	}
	a.EndCapture(false)
	for i := range 20000 {
		k := benchKey(uint64(i))
		table.Find(&k)
	}
	if table.older != 0 {
		t.Errorf("%d pages of an older width are left", table.older)
	}
}

func TestReserve(t *testing.T) {
	for _, s := range []shape{{12, 52, 0}, {10, 9, 0}} {
		a := NewArena(nil)
		table := a.NewTable(1, s.keyBytes, s.width)
		table.Reserve(0)
		table.Reserve(100_000)
		before := a.Pages()
		fill(table, 0, 100_000)
		if split := a.Pages() - before; split > before/50 {
			t.Errorf("%v: %d of %d pages split after Reserve", s, split, before)
		}
		if most := 100_000 / table.geo.slots * 4; before > most {
			t.Errorf("%v: %d pages reserved, want at most %d", s, before, most)
		}
	}
}

// Reserve brings pages to the current width first. Where that ends in overflow pages, there is nothing left to split.
func TestReserveAfterWiden(t *testing.T) {
	for i := range 30 * 60 {
		rows, reserve := 5+i/60, 1+i%60
		a := NewArena(nil)
		table := a.NewTable(1, 16, 700)
		for i := range rows {
			k := benchKey(uint64(i))
			copy(k[2:7], "\x00\x00\x00\x00\x00") // the hash of the first page, at any depth
			table.Insert(&k)
		}
		table.Widen(990)
		table.Reserve(reserve)
		if _, err := loaded(t, snapshot(a), shape{16, 990, 0}); err != nil {
			t.Fatalf("%d rows, %d reserved: %v", rows, reserve, err)
		}
	}
}

// Memory per row must not swing with the number of rows, which an even spread of keys over the directory would make it
// do: see spread.
func TestFillIsSteady(t *testing.T) {
	for _, s := range []shape{{12, 52, 0}, {10, 9, 0}} {
		table := NewArena(nil).NewTable(1, s.keyBytes, s.width)
		rows := 0
		for n := 60_000; n < 240_000; n = n * 5 / 4 {
			fill(table, rows, n)
			rows = n
			if fill := rows * 1000 / (table.pages * table.geo.slots); fill < 760 || fill > 860 {
				t.Errorf("%v: fill is %d ‰ with %d rows", s, fill, rows)
			}
		}
	}
}

func TestMisuse(t *testing.T) {
	a := NewArena(nil)
	table := a.NewTable(1, 12, 52)
	mustPanic(t, "id in use", func() { a.NewTable(1, 12, 52) })
	mustPanic(t, "id zero", func() { a.NewTable(0, 12, 52) })
	mustPanic(t, "7 key bytes", func() { a.NewTable(2, 7, 52) })
	mustPanic(t, "17 key bytes", func() { a.NewTable(2, 17, 52) })
	mustPanic(t, "no payload", func() { a.NewTable(2, 12, 0) })
	mustPanic(t, "three rows a page", func() { a.NewTable(2, 16, 1010) })
	mustPanic(t, "narrower", func() { table.Widen(51) })
	mustPanic(t, "too wide", func() { table.Widen(2000) })
	mustPanic(t, "Mutable of no row", func() { table.Mutable(Row{}) })
	a.Drop(99)
}
