package pages

import "fmt"

// Table is one hash table of an arena. Not safe for concurrent use.
type Table struct {
	arena *Arena
	dir   []uint32 // page numbers by the leading bits of the hash; one zero entry while the table is empty
	shift uint8    // 32 - number of leading bits
	geo   geometry // of the current width

	older    int               // pages that have not got the current width yet
	chain    map[uint32]uint32 // page → next overflow page; nil in a table that has none, which is the rule
	packed   *packed           // rows that were packed; nil for none
	rows     int               // not counting those
	pages    int               // like rows
	keyBytes int
	id       uint32
}

// Row is the place of a row, valid until the next Insert, Fill, Widen or Reserve on its table, or its Drop.
type Row struct {
	page uint32
	at   uint16 // offset of the payload in the page
}

func (t *Table) reset() {
	t.dir, t.shift = []uint32{0}, 32
	t.rows, t.pages, t.older, t.chain, t.packed = 0, 0, 0, nil, nil
}

// Len returns the number of rows, packed ones included.
func (t *Table) Len() int {
	packed, _ := t.Packed()
	return t.rows + packed
}

// Width returns the payload bytes per row.
func (t *Table) Width() int { return t.geo.width }

// KeyBytes returns how many bytes of a key are stored.
func (t *Table) KeyBytes() int { return t.keyBytes }

// Pages returns how many pages have rows that were not packed.
func (t *Table) Pages() int { return t.pages }

// Bytes returns the memory that the table takes: its pages and its directories.
func (t *Table) Bytes() int {
	n := t.pages*PageSize + cap(t.dir)*4
	if c := t.packed; c != nil {
		n += len(c.numbers)*PageSize + cap(c.numbers)*4 + cap(c.fences)*8
	}
	return n
}

// Find returns the row of a key. It may rewrite the key's page at the current width, which leaves other rows that were
// found before where they are. A row that was packed is not found: see Recall.
func (t *Table) Find(k *Key) (Row, bool) {
	head := keyHead(k)
	n := t.dir[uint64(hashOf(head))>>(t.shift&63)]
	if t.older == 0 {
		if at, _ := t.geo.search(t.arena.bytes(n), head, k); at != 0 {
			return Row{page: n, at: uint16(at)}, true
		}
		if t.chain == nil {
			return Row{}, false
		}
	}
	return t.findSlow(n, head, k)
}

// findSlow looks through a page of an older width or with overflow pages.
func (t *Table) findSlow(n uint32, head uint64, k *Key) (Row, bool) {
	for ; n != 0; n = t.chain[n] {
		p := t.arena.page(n)
		if p.width() == t.geo.width {
			if at, _ := t.geo.search(p[:], head, k); at != 0 {
				return Row{page: n, at: uint16(at)}, true
			}
			continue
		}
		old := geometryOf(t.keyBytes, p.width())
		if at, _ := old.search(p[:], head, k); at != 0 {
			t.upgrade(n)
			return t.Find(k) // every row of this page is at the current width now
		}
	}
	return Row{}, false
}

// Insert adds a row with a zero payload. The key must be absent: the caller has looked.
func (t *Table) Insert(k *Key) Row {
	head := keyHead(k)
	tag := k[t.geo.rest&15]
	n, at := t.dir[uint64(hashOf(head))>>(t.shift&63)], 0
	if t.older == 0 && n != 0 {
		t.arena.mark(n)
		at = t.geo.place(t.arena.bytes(n), head, tag)
	}
	if at == 0 {
		n, at = t.room(head, tag, false)
	}
	t.geo.name(t.arena.bytes(n), at, k)
	t.rows++
	return Row{page: n, at: uint16(at + t.geo.rest)}
}

// Spot is where the row of a key that was not found would go. The zero Spot is nowhere in particular. It is valid until
// the next Insert, Fill, Widen or Reserve on its table, or its Drop.
type Spot struct {
	page  uint32
	group uint16 // first slot of the group
}

// Seek is Find for a key that is likely to be inserted: when it is absent, Fill goes on from where Seek ended.
func (t *Table) Seek(k *Key) (Row, Spot, bool) {
	head := keyHead(k)
	n := t.dir[uint64(hashOf(head))>>(t.shift&63)]
	if t.older != 0 || t.chain != nil || n == 0 {
		r, ok := t.findSlow(n, head, k)
		return r, Spot{}, ok
	}
	at, room := t.geo.search(t.arena.bytes(n), head, k)
	switch {
	case at != 0:
		return Row{page: n, at: uint16(at)}, Spot{}, true
	case room < 0:
		return Row{}, Spot{}, false
	}
	return Row{}, Spot{page: n, group: uint16(room)}, false
}

// Fill is Insert at the Spot that Seek gave for this key. It returns the row's payload for writing, as Mutable does.
func (t *Table) Fill(k *Key, s Spot) []byte {
	if s.page == 0 {
		return t.Mutable(t.Insert(k))
	}
	t.arena.mark(s.page)
	p, g := t.arena.bytes(s.page), &t.geo
	at := g.fill(p, int(s.group), home(keyHead(k), g.slots), k[g.rest&15])
	g.name(p, at, k)
	t.rows++
	return p[at+g.rest : at+g.stride : at+g.stride]
}

// Look is Find and Payload; payload is nil when there is no row.
func (t *Table) Look(k *Key) (r Row, payload []byte) {
	if t.older != 0 || t.chain != nil {
		if r, ok := t.Find(k); ok {
			return r, t.Payload(r)
		}
		return Row{}, nil
	}
	head := keyHead(k)
	n := t.dir[uint64(hashOf(head))>>(t.shift&63)]
	p := t.arena.bytes(n)
	at, _ := t.geo.search(p, head, k)
	if at == 0 {
		return Row{}, nil
	}
	return Row{page: n, at: uint16(at)}, p[at : at+t.geo.width : at+t.geo.width]
}

// Payload returns a row's payload for reading.
func (t *Table) Payload(r Row) []byte {
	at, w := int(r.at), t.geo.width
	return t.arena.bytes(r.page)[at : at+w : at+w]
}

// Change lets what Payload returned for a row be written. The page counts as changed, and a pending capture keeps its old
// content, so the slice must not be written after the next BeginCapture.
func (t *Table) Change(r Row) {
	if r.page == 0 {
		panic("BUG: pages: Change of the zero Row")
	}
	t.arena.mark(r.page)
}

// Mutable returns a row's payload for writing: Payload and Change.
func (t *Table) Mutable(r Row) []byte {
	t.Change(r)
	return t.Payload(r)
}

// Range calls fn for each row until it returns false, in no particular order. k has only the stored bytes set. fn must
// not change the table nor keep or write the payload. Pages of an older width are read as they will be, not rewritten.
func (t *Table) Range(fn func(k Key, payload []byte) bool) {
	var wide []byte
	more := true
	t.eachPage(func(_ uint32, p *page) bool {
		more = t.rangePage(p, 0, &wide, fn)
		return more
	})
	if more {
		t.eachPacked(fn)
	}
}

// Walk is Range in steps, between which the table may change: it calls fn for the rows from a place on, of so many pages with what
// hangs on them, and returns the place from which the next step goes on; done says that there is no more. It begins at 0. A row that is
// there from the first step to the last is seen once. Packed rows are not seen.
func (t *Table) Walk(from uint32, pages int, fn func(k Key, payload []byte)) (next uint32, done bool) {
	var wide []byte
	each := func(k Key, payload []byte) bool {
		fn(k, payload)
		return true
	}
	for at := int(uint64(from) >> (t.shift & 63)); pages > 0; pages-- {
		n := t.dir[at]
		if n == 0 {
			return 0, true
		}
		first := t.arena.page(n)
		for ; n != 0; n = t.chain[n] {
			t.rangePage(t.arena.page(n), from, &wide, each)
		}
		if _, at = t.span(first); at >= len(t.dir) {
			return 0, true
		}
		from = first.last() + 1
	}
	return from, false
}

// rangePage calls fn for the rows of a page whose hash is not below from, until it returns false.
func (t *Table) rangePage(p *page, from uint32, wide *[]byte, fn func(k Key, payload []byte) bool) bool {
	g := &t.geo
	if p.width() != t.geo.width {
		old := geometryOf(t.keyBytes, p.width())
		g, *wide = &old, make([]byte, t.geo.width)
	}
	for s := 0; s < g.slots; s++ {
		if !occupied(p[:], s) || from > 0 && hashOf(g.head(p[:], s)) < from {
			continue
		}
		payload := g.row(p[:], s)[g.rest:]
		if g != &t.geo {
			copy(*wide, payload)
			payload = *wide
		}
		if !fn(g.key(p[:], s), payload) {
			return false
		}
	}
	return true
}

// Widen makes rows wider: the new bytes at their end are zero. It takes no time; pages follow when they are next used.
func (t *Table) Widen(width int) {
	if err := checkGeometry(t.keyBytes, width); err != nil {
		panic("BUG: " + err.Error())
	}
	if width < t.geo.width {
		panic(fmt.Sprintf("BUG: pages: payloads only grow: %d after %d", width, t.geo.width))
	}
	if width > t.geo.width {
		t.geo = geometryOf(t.keyBytes, width)
		t.older = t.pages
	}
}

// eachPage calls fn for the pages of the table in the directory's order, overflow pages after their first, until fn
// returns false. fn may free the page.
func (t *Table) eachPage(fn func(n uint32, p *page) bool) {
	for i := 0; i < len(t.dir); {
		n := t.dir[i]
		if n == 0 {
			return
		}
		_, i = t.span(t.arena.page(n))
		for ; n != 0; n = t.chain[n] {
			if !fn(n, t.arena.page(n)) {
				return
			}
		}
	}
}
