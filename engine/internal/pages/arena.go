package pages

import (
	"fmt"
	"math/bits"
)

const (
	// Page 0 stands alone in chunk 0, pages 1, 2–3, 4–7 … 128–255 in chunks 1 to 8, then 256 pages (1 MiB) to a chunk:
	// an arena of few pages is small, and pages never move.
	smallPages  = 256
	smallChunks = 8
)

// Arena holds the pages of one shard's tables. Not safe for concurrent use.
type Arena struct {
	alloc  func(bytes int) []byte
	chunks [][]byte
	next   uint32 // numbers below were handed out at some time; 0 is the blank page
	limit  uint32 // numbers that LoadPage takes are below
	vacant []span // free numbers below next
	tables map[uint32]*Table
	dirty  bitmap // changed since the last BeginCapture, or in a capture that was not committed
	cut    capture
}

// span is a range of page numbers, from first up to but without end.
type span struct{ first, end uint32 }

// NewArena returns an empty arena. alloc returns zeroed memory, whose size is a multiple of PageSize up to 1 MiB;
// nil means make.
func NewArena(alloc func(bytes int) []byte) *Arena {
	if alloc == nil {
		alloc = func(n int) []byte { return make([]byte, n) }
	}
	return &Arena{
		alloc:  alloc,
		chunks: [][]byte{blank[:]},
		next:   1,
		limit:  MaxPages,
		tables: make(map[uint32]*Table),
		dirty:  make(bitmap, 1),
	}
}

// NewTable adds an empty table. It takes no page before its first row. An id in use, id 0 or rows that do not fit at
// least four times in a page are the caller's bug.
func (a *Arena) NewTable(id uint32, keyBytes, width int) *Table {
	t := new(Table)
	a.PutTable(t, id, keyBytes, width)
	return t
}

// PutTable is NewTable with memory of the caller's for the table.
func (a *Arena) PutTable(t *Table, id uint32, keyBytes, width int) {
	if err := checkGeometry(keyBytes, width); err != nil {
		panic("BUG: " + err.Error())
	}
	if id == 0 || a.tables[id] != nil {
		panic(fmt.Sprintf("BUG: pages: table id %d is zero or taken", id))
	}
	*t = Table{arena: a, id: id, keyBytes: keyBytes, geo: geometryOf(keyBytes, width)}
	t.reset()
	a.tables[id] = t
}

// Table returns the table, nil if there is none.
func (a *Arena) Table(id uint32) *Table { return a.tables[id] }

// Older reports whether some table has pages of an older width: whoever looks at those next moves rows.
func (a *Arena) Older() bool {
	for _, t := range a.tables { // order: any one will do
		if t.older != 0 {
			return true
		}
	}
	return false
}

// Drop removes a table and frees its pages: the next capture shows them all zero. The *Table must not be used again.
func (a *Arena) Drop(id uint32) {
	t := a.tables[id]
	if t == nil {
		return
	}
	t.eachPage(func(n uint32, _ *page) bool {
		a.release(n)
		return true
	})
	if t.packed != nil {
		for _, n := range t.packed.numbers {
			a.release(n)
		}
	}
	t.reset()
	delete(a.tables, id)
}

// Pages returns how many pages the arena has, free ones included.
func (a *Arena) Pages() int { return int(a.next) - 1 }

// FreePages returns how many pages belong to no table.
func (a *Arena) FreePages() (pages int) {
	for _, s := range a.vacant {
		pages += int(s.end - s.first)
	}
	return pages
}

// vacate notes that these numbers are free.
func (a *Arena) vacate(first, end uint32) {
	if last := len(a.vacant) - 1; last >= 0 && a.vacant[last].end == first {
		a.vacant[last].end = end
		return
	}
	a.vacant = append(a.vacant, span{first, end})
}

// locate returns a page's chunk and its index there.
func locate(n uint32) (chunk, index uint32) {
	if n < smallPages {
		c := uint32(bits.Len32(n))
		return c, n &^ (1 << c >> 1)
	}
	return n/smallPages + smallChunks, n % smallPages
}

// chunkEnd returns the first number after the chunk of page n.
func chunkEnd(n uint32) uint32 {
	if n < smallPages {
		return 1 << bits.Len32(n)
	}
	return (n/smallPages + 1) * smallPages
}

// bytes returns a page's bytes. It is for the hot path: to use a *page, the compiler looks at its first byte, in case it is
// nil, and that is one more line of memory to wait for.
func (a *Arena) bytes(n uint32) []byte {
	c, i := locate(n)
	at := int(i) * PageSize
	return a.chunks[c][at : at+PageSize : at+PageSize]
}

func (a *Arena) page(n uint32) *page {
	c, i := locate(n)
	return (*page)(a.chunks[c][i*PageSize:])
}

// held reports whether there is memory for page n. After a load, numbers between loaded pages may have none.
func (a *Arena) held(n uint32) bool {
	c, _ := locate(n)
	return int(c) < len(a.chunks) && a.chunks[c] != nil
}

// hold makes sure that there is memory for page n.
func (a *Arena) hold(n uint32) {
	c, _ := locate(n)
	for int(c) >= len(a.chunks) {
		a.chunks = append(a.chunks, nil)
	}
	if a.chunks[c] == nil {
		size := smallPages
		if n < smallPages {
			size = 1 << c >> 1
		}
		a.chunks[c] = a.alloc(size * PageSize)[:size*PageSize]
	}
	a.dirty.grow(n)
}

// take returns a zero page, marked dirty.
func (a *Arena) take() (uint32, *page) {
	if last := len(a.vacant) - 1; last >= 0 {
		s := &a.vacant[last]
		s.end--
		n := s.end
		if s.first == n {
			a.vacant = a.vacant[:last]
		}
		a.hold(n)
		a.mark(n)
		p := a.page(n)
		clear(p[:])
		return n, p
	}
	if a.next >= MaxPages {
		panic("FATAL: pages: a shard's tables reached 256 GiB; run with more shards")
	}
	n := a.next
	a.next++
	a.hold(n)
	a.mark(n)
	return n, a.page(n)
}

// bitmap is a set of page numbers.
type bitmap []uint64

func (b *bitmap) grow(n uint32) {
	for int(n>>6) >= len(*b) {
		*b = append(*b, 0)
	}
}

func (b bitmap) has(n uint32) bool { return int(n>>6) < len(b) && b[n>>6]>>(n&63)&1 != 0 }
func (b bitmap) set(n uint32)      { b[n>>6] |= 1 << (n & 63) }
func (b bitmap) unset(n uint32)    { b[n>>6] &^= 1 << (n & 63) }
