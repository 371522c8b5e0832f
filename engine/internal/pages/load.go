package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"
)

// ErrDamaged is wrapped by every error about the content of a page or of a set of pages.
var ErrDamaged = errors.New("damaged page")

// LimitLoad makes LoadPage refuse page numbers above the given count, which is Pages() of the arena that was captured.
// Without it only MaxPages bounds the memory that wrong page numbers can ask for.
func (a *Arena) LimitLoad(pages int) {
	a.limit = uint32(min(max(pages, 0)+1, MaxPages))
}

// LoadPage takes over one page of a capture. It is meant for an arena without rows; each page comes at most once, in any
// order. A page that is all zero is free and ignored. Loaded pages are clean.
func (a *Arena) LoadPage(n uint32, data []byte) error {
	if bytes.Equal(data, blank[:]) {
		return nil
	}
	if err := checkPage(data); err != nil {
		return fmt.Errorf("pages: page %d: %w", n, err)
	}
	p := (*page)(data)
	switch at := binary.LittleEndian.Uint32(p[atNumber:]); {
	case n == 0 || n >= a.limit:
		return fmt.Errorf("pages: page %d: %w: numbers end at %d", n, ErrDamaged, a.limit-1)
	case at != n:
		return fmt.Errorf("pages: page %d: %w: it says that it is page %d", n, ErrDamaged, at)
	}
	a.hold(n)
	if !a.page(n).free() {
		return fmt.Errorf("pages: page %d: %w: loaded twice", n, ErrDamaged)
	}
	*a.page(n) = *p
	a.next = max(a.next, n+1)
	return nil
}

// checkPage says whether a page that is not all zero is whole and makes sense by itself.
func checkPage(data []byte) error {
	if len(data) != PageSize {
		return fmt.Errorf("%w: %d bytes", ErrDamaged, len(data))
	}
	q := *(*page)(data)
	q.setChecksum(0)
	p := (*page)(data)
	if p.checksum() != xxh3.Hash(q[:]) {
		return fmt.Errorf("%w: wrong checksum", ErrDamaged)
	}
	if m, v := binary.LittleEndian.Uint16(p[atMagic:]), p[atVersion]; m != pageMagic || v != formatVersion {
		return fmt.Errorf("%w: magic %#x, format version %d: only version %d is known", ErrDamaged, m, v, formatVersion)
	}
	keyBytes := int(p[atKeyBytes])
	if err := checkGeometry(keyBytes, p.width()); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	g := geometryOf(keyBytes, p.width())
	if p.table() == 0 || p.depth() > maxDepth || p[atOverflow] > 1 ||
		uint64(p.prefix())<<p.depth()&(1<<32-1) != 0 {
		return fmt.Errorf("%w: impossible header", ErrDamaged)
	}
	return checkSlots(p, &g)
}

// checkSlots says whether every row is where a search finds it.
func checkSlots(p *page, g *geometry) error {
	for s := 0; s < g.slots; s++ {
		first := s &^ (groupSlots - 1)
		if p[groupAt(s)]&^g.full(first) != 0 {
			return fmt.Errorf("%w: slots from %d on: more rows than slots", ErrDamaged, first)
		}
		if !occupied(p, s) {
			continue
		}
		head := g.head(p, s)
		if !covers(p, hashOf(head)) {
			return fmt.Errorf("%w: the row in slot %d belongs to another page", ErrDamaged, s)
		}
		for h := home(head, g.slots) &^ (groupSlots - 1); h != first; h = g.after(h) {
			if p[groupAt(h)] != g.full(h) {
				return fmt.Errorf("%w: the row in slot %d cannot be reached", ErrDamaged, s)
			}
		}
	}
	return nil
}

// FinishLoad builds the directories of all tables from the loaded pages. The caller has called NewTable, with the
// current widths, for every table before. Pages of unknown tables, with other key bytes or wider rows, and sets of
// pages that overlap or leave a gap are errors, after which the arena is of no use. A table without pages is empty:
// whoever knows how many rows there must be compares Len.
func (a *Arena) FinishLoad() error {
	first := make(map[uint32][]uint32)
	var overflow []uint32
	for n := uint32(1); n < a.next; n++ {
		if !a.held(n) || a.page(n).free() {
			a.vacant = append(a.vacant, n)
			continue
		}
		p := a.page(n)
		t := a.tables[p.table()]
		switch {
		case t == nil:
			return fmt.Errorf("pages: page %d: %w: unknown table %d", n, ErrDamaged, p.table())
		case int(p[atKeyBytes]) != t.keyBytes || p.width() > t.geo.width:
			return fmt.Errorf("pages: page %d: %w: rows of %d+%d bytes, table %d has %d+%d", n, ErrDamaged,
				p[atKeyBytes], p.width(), t.id, t.keyBytes, t.geo.width)
		}
		t.pages++
		g := geometryOf(t.keyBytes, p.width())
		t.rows += g.count(p)
		if p.width() != t.geo.width {
			t.older++
		}
		if p.overflow() {
			overflow = append(overflow, n)
		} else {
			first[t.id] = append(first[t.id], n)
		}
	}
	for id, list := range first {
		if err := a.tables[id].rebuild(list); err != nil {
			return err
		}
	}
	for _, n := range overflow {
		if err := a.tables[a.page(n).table()].rejoin(n); err != nil {
			return err
		}
	}
	return nil
}

// rebuild makes the directory from the pages that are no overflow pages.
func (t *Table) rebuild(list []uint32) error {
	depth := 0
	for _, n := range list {
		depth = max(depth, t.arena.page(n).depth())
	}
	if depth > t.depthLimit() {
		return fmt.Errorf("pages: table %d: %w: depth %d with %d pages", t.id, ErrDamaged, depth, t.pages)
	}
	t.dir, t.shift = make([]uint32, 1<<depth), uint8(32-depth)
	for _, n := range list {
		p := t.arena.page(n)
		from := uint64(p.prefix()) >> t.shift
		for i := from; i < from+1<<(depth-p.depth()); i++ {
			if t.dir[i] != 0 {
				return fmt.Errorf("pages: table %d: %w: pages %d and %d overlap", t.id, ErrDamaged, t.dir[i], n)
			}
			t.dir[i] = n
		}
	}
	for i, n := range t.dir {
		if n == 0 {
			return fmt.Errorf("pages: table %d: %w: no page for prefix %#x/%d", t.id, ErrDamaged, i, depth)
		}
	}
	return nil
}

// rejoin puts an overflow page behind its first page.
func (t *Table) rejoin(n uint32) error {
	p := t.arena.page(n)
	head := t.dir[uint64(p.prefix())>>t.shift]
	if h := t.arena.page(head); head == 0 || h.prefix() != p.prefix() || h.depth() != p.depth() {
		return fmt.Errorf("pages: page %d: %w: overflow of a page that is not there", n, ErrDamaged)
	}
	t.link(head, n)
	return nil
}

// Rows decodes one page of a capture without an arena, for rows that go elsewhere (another number of shards). The
// payload has the width that the page had, which may be less than the table's: the missing bytes are zero. k has only
// its first keyBytes bytes set. An error of fn ends it. A page that is all zero has no rows.
func Rows(data []byte, fn func(table uint32, keyBytes int, k Key, payload []byte) error) error {
	if bytes.Equal(data, blank[:]) {
		return nil
	}
	if err := checkPage(data); err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	p := (*page)(data)
	g := geometryOf(int(p[atKeyBytes]), p.width())
	for s := 0; s < g.slots; s++ {
		if !occupied(p, s) {
			continue
		}
		if err := fn(p.table(), int(p[atKeyBytes]), g.key(p, s), g.row(p, s)[g.rest:]); err != nil {
			return err
		}
	}
	return nil
}
