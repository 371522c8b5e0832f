package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

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
	var p page
	if err := checkPage(data, &p); err != nil {
		return fmt.Errorf("pages: page %d: %w", n, err)
	}
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
	*a.page(n) = p
	a.next = max(a.next, n+1)
	return nil
}

// checkPage says whether a page that is not all zero is whole and makes sense by itself. p becomes the page in the current
// format.
func checkPage(data []byte, p *page) error {
	if len(data) != PageSize {
		return fmt.Errorf("%w: %d bytes", ErrDamaged, len(data))
	}
	*p = page(data)
	sum := p.checksum()
	p.setChecksum(0)
	if sum != xxh3.Hash(p[:]) {
		return fmt.Errorf("%w: wrong checksum", ErrDamaged)
	}
	p.setChecksum(sum)
	m, v := binary.LittleEndian.Uint16(p[atMagic:]), p[atVersion]
	if m != pageMagic || v != formatVersion && v != prefixVersion && v != packedVersion {
		return fmt.Errorf("%w: magic %#x, format version %d: only versions to %d are known", ErrDamaged, m, v, packedVersion)
	}
	if v == packedVersion {
		return checkPacked(p)
	}
	if v == prefixVersion && !p.unprefix() {
		return fmt.Errorf("%w: impossible header", ErrDamaged)
	}
	keyBytes := int(p[atKeyBytes])
	if err := checkGeometry(keyBytes, p.width()); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	g := geometryOf(keyBytes, p.width())
	if p.table() == 0 || p.depth() > maxDepth || p[atOverflow] > 1 || p[atDepth] != 0 || p.first() > p.last() {
		return fmt.Errorf("%w: impossible header", ErrDamaged)
	}
	return checkSlots(p, &g)
}

// unprefix brings a page of the first version to the second, and reports whether its header makes sense.
func (p *page) unprefix() bool {
	depth := int(p[atDepth])
	if depth > maxDepth || uint64(p.first())<<depth&(1<<32-1) != 0 {
		return false
	}
	p.setLast(p.first() | uint32(1<<(32-depth)-1))
	p[atVersion], p[atDepth] = formatVersion, 0
	return true
}

// depth returns how many leading bits tell the hashes of the page from those of pages beside it.
func (p *page) depth() int { return 32 - bits.TrailingZeros32(p.first()|(p.last()+1)) }

// checkSlots says whether every row is where a search finds it.
func checkSlots(p *page, g *geometry) error {
	last := (g.groups - 1) * groupSlots
	if p[groupAt(last)]&^g.full(last) != 0 {
		return fmt.Errorf("%w: more rows than slots", ErrDamaged)
	}
	for s := 0; s < g.slots; s++ {
		first := s &^ (groupSlots - 1)
		if !occupied(p[:], s) {
			continue
		}
		head := g.head(p[:], s)
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
	a.vacant = a.vacant[:0]
	for _, step := range [...]func(t *Table, n uint32, p *page) error{
		(*Table).admit, (*Table).enter, (*Table).link,
	} {
		if err := a.eachLoaded(step); err != nil {
			return err
		}
	}
	for _, t := range a.tables { // order: any damage will do
		if err := t.arrange(); err != nil {
			return err
		}
	}
	for n := uint32(1); n < a.next; n++ {
		if !a.held(n) {
			end := min(a.next, chunkEnd(n))
			a.vacate(n, end)
			n = end - 1
		} else if a.page(n).free() {
			a.vacate(n, n+1)
		}
	}
	return nil
}

// eachLoaded calls fn for the pages that are in use, ascending.
func (a *Arena) eachLoaded(fn func(t *Table, n uint32, p *page) error) error {
	for n := uint32(1); n < a.next; n++ {
		if !a.held(n) {
			n = chunkEnd(n) - 1
			continue
		}
		p := a.page(n)
		if p.free() {
			continue
		}
		t := a.tables[p.table()]
		if t == nil {
			return fmt.Errorf("pages: page %d: %w: unknown table %d", n, ErrDamaged, p.table())
		}
		if err := fn(t, n, p); err != nil {
			return fmt.Errorf("pages: page %d: table %d: %w", n, t.id, err)
		}
	}
	return nil
}

// admit checks that the page's rows are the table's, and counts them.
func (t *Table) admit(n uint32, p *page) error {
	if p.packed() {
		return t.admitPacked(n, p)
	}
	if int(p[atKeyBytes]) != t.keyBytes || p.width() > t.geo.width {
		return fmt.Errorf("%w: rows of %d+%d bytes, must be %d+%d", ErrDamaged,
			p[atKeyBytes], p.width(), t.keyBytes, t.geo.width)
	}
	g := geometryOf(t.keyBytes, p.width())
	t.pages++
	t.rows += g.count(p[:])
	if p.width() != t.geo.width {
		t.older++
	}
	t.shift = min(t.shift, uint8(32-p.depth()))
	return nil
}

// enter puts a page that is no overflow page into the directory. All pages are admitted.
func (t *Table) enter(n uint32, p *page) error {
	if p.packed() {
		return nil
	}
	depth := 32 - int(t.shift)
	if depth > t.loadLimit() {
		return fmt.Errorf("%w: depth %d with %d pages", ErrDamaged, depth, t.pages)
	}
	if len(t.dir) != 1<<depth {
		t.dir = make([]uint32, 1<<depth)
	}
	if p.overflow() {
		return nil
	}
	from, to := t.span(p)
	for i := from; i < to; i++ {
		if t.dir[i] != 0 {
			return fmt.Errorf("%w: overlaps page %d", ErrDamaged, t.dir[i])
		}
		t.dir[i] = n
	}
	return nil
}

// loadLimit is depthLimit of a table as it may have been before rows were packed: its borders lie as close as they did, and
// packed pages are at least a quarter as many as those that the rows had.
func (t *Table) loadLimit() int {
	_, packed := t.Packed()
	if packed == 0 {
		return depthLimit(t.pages)
	}
	return min(depthLimit(t.pages+packed)+2, maxDepth)
}

// link puts an overflow page behind its first page, and looks for gaps beside the others. All pages are entered.
func (t *Table) link(n uint32, p *page) error {
	if p.packed() {
		return nil
	}
	from, to := t.span(p)
	if !p.overflow() {
		if from > 0 && t.dir[from-1] == 0 || to < len(t.dir) && t.dir[to] == 0 {
			return fmt.Errorf("%w: the page beside it is missing", ErrDamaged)
		}
		return nil
	}
	head := t.dir[from]
	if h := t.arena.page(head); head == 0 || h.first() != p.first() || h.last() != p.last() {
		return fmt.Errorf("%w: overflow of a page that is not there", ErrDamaged)
	}
	t.chainAfter(head, n)
	return nil
}

// Rows decodes one page of a capture without an arena, for rows that go elsewhere (another number of shards). The
// payload has the width that the page had, which may be less than the table's: the missing bytes are zero. k has only
// its first keyBytes bytes set. An error of fn ends it. A page that is all zero has no rows.
func Rows(data []byte, fn func(table uint32, keyBytes int, k Key, payload []byte) error) error {
	if bytes.Equal(data, blank[:]) {
		return nil
	}
	p := new(page)
	if err := checkPage(data, p); err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	if p.packed() {
		return packedRowsOf(p, fn)
	}
	g := geometryOf(int(p[atKeyBytes]), p.width())
	for s := 0; s < g.slots; s++ {
		if !occupied(p[:], s) {
			continue
		}
		if err := fn(p.table(), int(p[atKeyBytes]), g.key(p[:], s), g.row(p[:], s)[g.rest:]); err != nil {
			return err
		}
	}
	return nil
}
