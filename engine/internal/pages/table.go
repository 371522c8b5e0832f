package pages

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Table is one hash table of an arena. Not safe for concurrent use.
type Table struct {
	arena *Arena
	dir   []uint32 // page numbers by the leading bits of the hash; one zero entry while the table is empty
	shift uint8    // 32 - number of leading bits
	geo   geometry // of the current width

	second   int    // offset in a row of the second 8 bytes to compare; they overlap the first
	mask     uint64 // of the bytes to compare in both
	keyBytes int
	id       uint32
	rows     int
	pages    int
	chain    map[uint32]uint32 // page → next overflow page; nil in a table that has none, which is the rule
}

// Row is the place of a row, valid until the next Insert, Widen or Reserve on its table, or its Drop.
type Row struct {
	page uint32
	at   uint16 // offset of the payload in the page
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

func (t *Table) reset() {
	t.dir, t.shift = []uint32{0}, 32
	t.rows, t.pages, t.chain = 0, 0, nil
}

func (t *Table) setWidth(width int) {
	t.geo = geometryOf(t.keyBytes, width)
	if t.geo.rest >= 8 {
		t.second = t.geo.rest - 8
	} else {
		t.mask = 1<<(8*t.geo.rest) - 1
	}
}

// Len returns the number of rows.
func (t *Table) Len() int { return t.rows }

// Width returns the payload bytes per row.
func (t *Table) Width() int { return t.geo.width }

// KeyBytes returns how many bytes of a key are stored.
func (t *Table) KeyBytes() int { return t.keyBytes }

// Bytes returns the memory that the table takes: its pages and its directory.
func (t *Table) Bytes() int { return t.pages*PageSize + cap(t.dir)*4 }

// Find returns the row of a key. It may rewrite the key's page at the current width, which leaves other rows that were
// found before where they are.
func (t *Table) Find(k *Key) (Row, bool) {
	n := t.dir[uint64(keyHash(k))>>(t.shift&63)]
	p := t.arena.page(n)
	wc := p.widthCount()
	if int(wc&0xffff) == t.geo.width {
		if at := t.search(p, &t.geo, int(wc>>16), k); at != 0 {
			return Row{page: n, at: uint16(at)}, true
		}
		if t.chain == nil {
			return Row{}, false
		}
	}
	return t.findSlow(n, k)
}

// search returns the offset of the key's payload in the page, 0 if it is not there.
func (t *Table) search(p *page, g *geometry, count int, k *Key) int {
	first := binary.LittleEndian.Uint64(k[:8])
	second := binary.LittleEndian.Uint64(k[t.second&7 : t.second&7+8])
	tag := k[g.rest&15]
	pattern := uint64(tag) * lowBits
	for i := 0; i < count; i += 8 {
		w := binary.LittleEndian.Uint64(p[headerSize+i:headerSize+i+8]) ^ pattern
		// A byte of m is set where the tag fits; sometimes also above such a byte.
		m := (w - lowBits) &^ w & highBits
		for ; m != 0; m &= m - 1 {
			s := i + bits.TrailingZeros64(m)>>3
			if s >= count {
				break
			}
			row := p[g.rows+s*g.stride:]
			if (binary.LittleEndian.Uint64(row)^first)&t.mask == 0 &&
				(binary.LittleEndian.Uint64(row[t.second:])^second)&t.mask == 0 && p[headerSize+s] == tag {
				return g.rows + s*g.stride + g.rest
			}
		}
	}
	return 0
}

// findSlow looks through a page of an older width or with overflow pages.
func (t *Table) findSlow(n uint32, k *Key) (Row, bool) {
	for ; n != 0; n = t.chain[n] {
		p := t.arena.page(n)
		if p.width() == t.geo.width {
			if at := t.search(p, &t.geo, p.count(), k); at != 0 {
				return Row{page: n, at: uint16(at)}, true
			}
			continue
		}
		old := geometryOf(t.keyBytes, p.width())
		if t.search(p, &old, p.count(), k) != 0 {
			t.upgrade(n)
			return t.Find(k) // every row of this page is at the current width now
		}
	}
	return Row{}, false
}

// Insert adds a row with a zero payload. The key must be absent: the caller has looked.
func (t *Table) Insert(k *Key) Row {
	h := keyHash(k)
	n := t.dir[uint64(h)>>(t.shift&63)]
	p := t.arena.page(n)
	wc := p.widthCount()
	if int(wc&0xffff) != t.geo.width || int(wc>>16) >= t.geo.limit {
		n = t.room(h, false)
		p = t.arena.page(n)
	}
	row, at := t.push(n, p, k[t.geo.rest])
	copy(row, k[:t.geo.rest])
	clear(row[t.geo.rest:])
	t.rows++
	return Row{page: n, at: uint16(at + t.geo.rest)}
}

// push adds a row to a page of the current width that has room, and returns it for the caller to write.
func (t *Table) push(n uint32, p *page, tag byte) (row []byte, at int) {
	t.arena.mark(n)
	c := p.count()
	p.setCount(c + 1)
	p[headerSize+c] = tag
	at = t.geo.rows + c*t.geo.stride
	return p[at : at+t.geo.stride], at
}

// Payload returns a row's payload for reading.
func (t *Table) Payload(r Row) []byte {
	at, w := int(r.at), t.geo.width
	return t.arena.page(r.page)[at : at+w : at+w]
}

// Mutable returns a row's payload for writing. The page counts as changed, and a pending capture keeps its old content,
// so the slice must not be written after the next BeginCapture.
func (t *Table) Mutable(r Row) []byte {
	if r.page == 0 {
		panic("BUG: pages: Mutable of the zero Row")
	}
	t.arena.mark(r.page)
	at, w := int(r.at), t.geo.width
	return t.arena.page(r.page)[at : at+w : at+w]
}

// Touch loads what Find reads first (directory, header, tags), so that a Find soon after does not wait for memory. The
// result has no meaning; use it (for example sum it up) so that the loads are not optimised away.
func (t *Table) Touch(k *Key) byte {
	p := t.arena.page(t.dir[uint64(keyHash(k))>>(t.shift&63)])
	b := p[0] ^ p[64]
	if t.geo.limit > 128-headerSize {
		b ^= p[128] ^ p[192]
	}
	return b
}

// Range calls fn for each row until it returns false, in no particular order. k has only the stored bytes set. fn must
// not change the table nor keep or write the payload. Pages of an older width are read as they will be, not rewritten.
func (t *Table) Range(fn func(k Key, payload []byte) bool) {
	var wide []byte
	t.eachPage(func(_ uint32, p *page) bool {
		g := &t.geo
		if p.width() != t.geo.width {
			old := geometryOf(t.keyBytes, p.width())
			g = &old
			wide = make([]byte, t.geo.width)
		}
		for i, c := 0, p.count(); i < c; i++ {
			payload := g.row(p, i)[g.rest:]
			if g != &t.geo {
				copy(wide, payload)
				payload = wide
			}
			if !fn(g.key(p, i), payload) {
				return false
			}
		}
		return true
	})
}

// Widen makes rows wider: the new bytes at their end are zero. It takes no time; pages follow when they are next used.
func (t *Table) Widen(width int) {
	if err := checkGeometry(t.keyBytes, width); err != nil {
		panic("BUG: " + err.Error())
	}
	if width < t.geo.width {
		panic(fmt.Sprintf("BUG: pages: payloads only grow: %d after %d", width, t.geo.width))
	}
	t.setWidth(width)
}

// eachPage calls fn for the pages of the table in the directory's order, overflow pages after their first, until fn
// returns false. fn may free the page.
func (t *Table) eachPage(fn func(n uint32, p *page) bool) {
	for i := 0; i < len(t.dir); {
		n := t.dir[i]
		if n == 0 {
			return
		}
		i += 1 << (32 - int(t.shift) - t.arena.page(n).depth())
		for ; n != 0; n = t.chain[n] {
			if !fn(n, t.arena.page(n)) {
				return
			}
		}
	}
}
