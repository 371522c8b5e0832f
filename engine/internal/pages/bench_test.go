package pages

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// benchKey returns key i of an endless sequence that looks like the output of a keyed hash.
func benchKey(i uint64) (k Key) {
	binary.LittleEndian.PutUint64(k[:], mix(i))
	binary.LittleEndian.PutUint64(k[8:], mix(i+1<<40))
	return k
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// benchShapes are the rows of a user with three caps and a pity, and of a key.
var benchShapes = []shape{{12, 44, 44}, {10, 11, 11}}

func (s shape) String() string { return fmt.Sprintf("key=%d/width=%d", s.keyBytes, s.width) }

func filled(s shape, rows int) *Table {
	t := NewArena(nil).NewTable(1, s.keyBytes, s.width)
	for i := range rows {
		k := benchKey(uint64(i))
		t.Insert(&k)
	}
	return t
}

func BenchmarkFind(b *testing.B) {
	for _, s := range benchShapes {
		for _, rows := range []int{2000, 20_000, 1_000_000} {
			b.Run(fmt.Sprintf("%v/rows=%d", s, rows), func(b *testing.B) {
				t := filled(s, rows)
				keys := make([]Key, min(rows, 1<<16))
				for i := range keys {
					keys[i] = benchKey(uint64(i) * uint64(rows) / uint64(len(keys)))
				}
				i := 0
				for b.Loop() {
					if _, ok := t.Find(&keys[i]); !ok {
						b.Fatal("lost")
					}
					if i++; i == len(keys) {
						i = 0
					}
				}
			})
		}
	}
}

func BenchmarkFindAbsent(b *testing.B) {
	for _, s := range benchShapes {
		b.Run(s.String(), func(b *testing.B) {
			t := filled(s, 20_000)
			keys := make([]Key, 1<<14)
			for i := range keys {
				keys[i] = benchKey(uint64(i) + 1<<32)
			}
			i := 0
			for b.Loop() {
				if _, ok := t.Find(&keys[i&(1<<14-1)]); ok {
					b.Fatal("found")
				}
				i++
			}
		})
	}
}

// BenchmarkTouchFind finds rows in a table larger than the caches, in batches of 256, with and without Touch, in memory
// of small and of huge pages.
func BenchmarkTouchFind(b *testing.B) {
	const rows = 4_000_000
	for _, huge := range []bool{false, true} {
		for _, s := range benchShapes {
			var alloc func(int) []byte
			if huge {
				alloc = hugeAlloc()
			}
			t := NewArena(alloc).NewTable(1, s.keyBytes, s.width)
			for i := range uint64(rows) {
				k := benchKey(i)
				t.Insert(&k)
			}
			keys := make([]Key, 1<<20)
			for i := range keys {
				keys[i] = benchKey(mix(uint64(i)) % rows)
			}
			for _, touch := range []bool{false, true} {
				b.Run(fmt.Sprintf("huge=%v/%v/touch=%v", huge, s, touch), func(b *testing.B) {
					benchTouchFind(b, t, keys, touch)
				})
			}
		}
	}
}

func benchTouchFind(b *testing.B, t *Table, keys []Key, touch bool) {
	const batch = 256
	var sum byte
	next := 0
	for b.Loop() {
		part := keys[next : next+batch]
		next = (next + batch) & (len(keys) - 1)
		if touch {
			for i := range part {
				t.Touch(&part[i])
			}
		}
		for i := range part {
			r, _ := t.Find(&part[i])
			sum ^= t.Payload(r)[0]
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/find")
	if sum == 1 {
		b.Log("sum")
	}
}

// BenchmarkInsert fills tables up to a number of rows, over and over, with and without touching 16 keys ahead.
func BenchmarkInsert(b *testing.B) {
	for _, s := range benchShapes {
		for _, rows := range []int{20_000, 1_000_000} {
			for _, ahead := range []int{0, 16} {
				b.Run(fmt.Sprintf("%v/rows=%d/ahead=%d", s, rows, ahead), func(b *testing.B) {
					keys := make([]Key, rows+ahead)
					for i := range keys {
						keys[i] = benchKey(uint64(i))
					}
					a := NewArena(nil)
					t, i, sum := a.NewTable(1, s.keyBytes, s.width), 0, byte(0)
					for b.Loop() {
						if i == rows {
							a.Drop(1)
							t, i = a.NewTable(1, s.keyBytes, s.width), 0
						}
						if ahead > 0 {
							t.Touch(&keys[i+ahead])
						}
						t.Insert(&keys[i])
						i++
					}
					if sum == 1 {
						b.Log("sum")
					}
				})
			}
		}
	}
}

// BenchmarkMemory reports bytes per row over 64 arenas: pages and directories of the tables, and what the arenas took.
func BenchmarkMemory(b *testing.B) {
	for _, s := range benchShapes {
		for _, rows := range []int{1_000_000, 3_000_000, 10_000_000} {
			b.Run(fmt.Sprintf("%v/rows=%d", s, rows), func(b *testing.B) {
				for b.Loop() {
					taken, used, slots := 0, 0, 0
					var tables [64]*Table
					for i := range tables {
						a := NewArena(func(n int) []byte { taken += n; return make([]byte, n) })
						tables[i] = a.NewTable(1, s.keyBytes, s.width)
					}
					for i := range uint64(rows) {
						k := benchKey(i)
						tables[k[0]>>2].Insert(&k)
					}
					for _, t := range tables {
						used += t.Bytes()
						slots += t.pages * t.geo.slots
					}
					b.ReportMetric(float64(used)/float64(rows), "B/row")
					b.ReportMetric(float64(taken)/float64(rows), "taken-B/row")
					b.ReportMetric(float64(rows)/float64(slots), "fill")
				}
			})
		}
	}
}

func BenchmarkMutable(b *testing.B) {
	t := filled(benchShapes[0], 20_000)
	k := benchKey(77)
	r, _ := t.Find(&k)
	for b.Loop() {
		t.Mutable(r)[0]++
	}
}

func BenchmarkBeginCapture(b *testing.B) {
	var arenas []*Arena
	for range 64 {
		a := NewArena(nil)
		a.NewTable(1, 12, 52).Reserve(110_000)
		arenas = append(arenas, a)
	}
	pages := 0
	for b.Loop() {
		pages = 0
		for _, a := range arenas {
			pages += a.BeginCapture(true)
		}
		b.StopTimer()
		for _, a := range arenas {
			a.EndCapture(false)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(pages), "pages")
}

func BenchmarkNextCapture(b *testing.B) {
	a := filled(benchShapes[0], 100_000).arena
	a.BeginCapture(true)
	buf := make([]byte, PageSize)
	for b.Loop() {
		if _, ok := a.NextCapture(buf); !ok {
			a.EndCapture(false)
			a.BeginCapture(true)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	t := filled(benchShapes[0], 100_000)
	pages := map[uint32][]byte{}
	readAll(t.arena, pages)
	for b.Loop() {
		a := NewArena(nil)
		a.NewTable(1, 12, 52)
		for n, data := range pages {
			if err := a.LoadPage(n, data); err != nil {
				b.Fatal(err)
			}
		}
		if err := a.FinishLoad(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(pages)), "ns/page")
}

// readAll captures every page.
func readAll(a *Arena, into map[uint32][]byte) {
	a.BeginCapture(true)
	buf := make([]byte, PageSize)
	for {
		n, ok := a.NextCapture(buf)
		if !ok {
			break
		}
		into[n] = append([]byte(nil), buf...)
	}
	a.EndCapture(true)
}
