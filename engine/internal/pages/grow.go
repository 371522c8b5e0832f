package pages

import (
	"encoding/binary"
	"math/bits"
)

// room finds a slot for a key, makes one if there is none, and returns the page and the offset of the row. While the
// rows of a page are moving to a new width (moving), rows of other pages stay where they are, so that what was found
// before remains valid: a page with overflow pages then gets one more instead of being split.
func (t *Table) room(head uint64, tag byte, moving bool) (uint32, int) {
	for {
		n := t.dir[uint64(hashOf(head))>>(t.shift&63)]
		if n == 0 {
			n = t.newPage(0, 0, false)
			t.dir[0] = n
		}
		if !moving && t.upgradeAll(n) {
			continue // the directory may have changed
		}
		for m := n; m != 0; m = t.chain[m] {
			p := t.arena.page(m)
			if p.width() != t.geo.width {
				continue
			}
			t.arena.mark(m)
			if at := t.geo.place(p[:], head, tag); at != 0 {
				return m, at
			}
		}
		if t.arena.page(n).depth() < t.depthLimit() && (!moving || t.chain[n] == 0) {
			t.split(n)
			continue
		}
		m := t.extend(n)
		return m, t.geo.place(t.arena.bytes(m), head, tag)
	}
}

// depthLimit bounds the depth of pages, and with it the directory: see the package comment.
func (t *Table) depthLimit() int { return min(maxDepth, bits.Len(uint(t.pages))+depthSlack) }

func (t *Table) newPage(prefix uint32, depth int, overflow bool) uint32 {
	n, p := t.arena.take()
	p.format(n, t.id, t.keyBytes, t.geo.width, prefix, depth, overflow)
	t.pages++
	return n
}

// extend adds an overflow page after page n.
func (t *Table) extend(n uint32) uint32 {
	p := t.arena.page(n)
	m := t.newPage(p.prefix(), p.depth(), true)
	t.chainAfter(n, m)
	return m
}

// chainAfter puts overflow page m behind page n.
func (t *Table) chainAfter(n, m uint32) {
	if t.chain == nil {
		t.chain = make(map[uint32]uint32)
	}
	if next := t.chain[n]; next != 0 {
		t.chain[m] = next
	}
	t.chain[n] = m
}

// split moves the upper half of the hashes of page n, and of its overflow pages, to a new page. All have the current
// width.
func (t *Table) split(n uint32) {
	p := t.arena.page(n)
	prefix, depth := p.prefix(), p.depth()
	if depth == 32-int(t.shift) {
		t.double()
	}
	bit := uint32(1) << (31 - depth)
	up := t.newPage(prefix|bit, depth+1, false)
	from, to := t.span(t.arena.page(up))
	for i := from; i < to; i++ {
		t.dir[i] = up
	}
	last := up
	for m := n; m != 0; m = t.chain[m] {
		t.arena.mark(m)
		last = t.moveUpper(t.arena.page(m), up, last, bit)
	}
}

// moveUpper rebuilds p, one level deeper, without the rows that have the bit: they go to page to, or once that is full
// to new overflow pages of up. It returns the page that has room.
func (t *Table) moveUpper(p *page, up, to uint32, bit uint32) uint32 {
	g := &t.geo
	old := *p
	clear(p[headerSize:])
	p.setDepth(p.depth() + 1)
	q := t.arena.page(to)
	for first := 0; first < g.slots; first += groupSlots {
		at := groupAt(first)
		group := old[at : at+groupBytes]
		for used := group[0]; used != 0; used &= used - 1 {
			s := bits.TrailingZeros8(used)
			row, tag, into := g.row(old[:], first+s), group[1+s], p[:]
			head := binary.BigEndian.Uint64(row)
			if hashOf(head)&bit != 0 {
				into = q[:]
			}
			at := g.place(into, head, tag)
			if at == 0 {
				to = t.extend(up)
				q = t.arena.page(to)
				into, at = q[:], g.place(q[:], head, tag)
			}
			copy(into[at:], row)
		}
	}
	return to
}

// double makes the directory twice as long.
func (t *Table) double() {
	dir := make([]uint32, 2*len(t.dir))
	for i, n := range t.dir {
		dir[2*i], dir[2*i+1] = n, n
	}
	t.dir = dir
	t.shift--
}

// upgradeAll brings page n and its overflow pages to the current width; it reports whether there was anything to do.
func (t *Table) upgradeAll(n uint32) (changed bool) {
	for n != 0 {
		next := t.chain[n] // new overflow pages are at the current width
		if t.arena.page(n).width() != t.geo.width {
			t.upgrade(n)
			changed = true
		}
		n = next
	}
	return changed
}

// upgrade rewrites a page at the current width. Rows that no longer fit go to new pages.
func (t *Table) upgrade(n uint32) {
	t.arena.mark(n)
	p := t.arena.page(n)
	old := *p
	g := geometryOf(t.keyBytes, old.width())
	p.setWidth(t.geo.width)
	clear(p[headerSize:])
	t.older--
	for s := 0; s < g.slots; s++ {
		if !occupied(old[:], s) {
			continue
		}
		head, tag := g.head(old[:], s), tagOf(old[:], s)
		into, at := p, 0
		if covers(p, hashOf(head)) {
			at = t.geo.place(p[:], head, tag)
		}
		if at == 0 {
			var m uint32
			m, at = t.room(head, tag, true)
			into = t.arena.page(m)
		}
		copy(into[at:], g.row(old[:], s)) // the bytes after it are zero
	}
}

// covers reports whether rows with this hash belong to the page.
func covers(p *page, h uint32) bool {
	return uint64(h^p.prefix())>>(32-p.depth()) == 0
}

// Reserve splits pages ahead, so that rows of uniformly distributed keys up to this number seldom meet a full page. The
// new pages are dirty like others: a checkpoint without them could not be told from a damaged one.
func (t *Table) Reserve(rows int) {
	if rows <= 0 {
		return
	}
	if t.dir[0] == 0 {
		t.dir[0] = t.newPage(0, 0, false)
	}
	for t.reserveOnce(rows) {
	}
}

// reserveOnce splits each page that is too full for so many rows once, and reports whether there was one.
func (t *Table) reserveOnce(rows int) (again bool) {
	for i := 0; i < len(t.dir); {
		n := t.dir[i]
		p := t.arena.page(n)
		if t.chain[n] == 0 && p.depth() < t.depthLimit() && t.expected(p, rows) > t.geo.slots {
			again = true
			if !t.upgradeAll(n) { // else it may be another page by now: next time
				t.split(n)
				_, i = t.span(p)
				p = t.arena.page(t.dir[i]) // the other half
			}
		}
		_, i = t.span(p)
	}
	return again
}

// expected returns how many of so many rows the page must be ready for: the mean and three standard deviations.
func (t *Table) expected(p *page, rows int) int {
	from := unspread(uint64(p.prefix()))
	to := unspread(uint64(p.prefix()) + 1<<(32-p.depth()))
	hi, lo := bits.Mul64(uint64(rows), to-from)
	mean := hi<<32 | lo>>32
	sd := uint64(0)
	for sd*sd < mean {
		sd++
	}
	return int(min(mean+3*sd, 1<<30))
}

// unspread returns the first x with spread(x) >= y, 1<<32 if there is none.
func unspread(y uint64) uint64 {
	lo, hi := uint64(0), uint64(1)<<32
	for lo < hi {
		mid := (lo + hi) / 2
		if uint64(spread(uint32(mid))) < y {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
