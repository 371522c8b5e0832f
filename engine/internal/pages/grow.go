package pages

import "math/bits"

// room finds a slot for a key, makes one if there is none, and returns the page and the offset of the row. While the
// rows of a page are moving to a new width (moving), rows of other pages stay where they are, so that what was found
// before remains valid: a page with overflow pages then gets one more instead of being divided.
func (t *Table) room(head uint64, tag byte, moving bool) (uint32, int) {
	for {
		n := t.dir[uint64(hashOf(head))>>(t.shift&63)]
		if n == 0 {
			n = t.newPage(0, 1<<32-1, false)
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
		if !t.divide(n, moving) {
			m := t.extend(n)
			return m, t.geo.place(t.arena.bytes(m), head, tag)
		}
	}
}

// depthLimit bounds the bits that choose a directory entry, and with them the directory of a table with so many pages: see
// the package comment.
func depthLimit(pages int) int { return min(maxDepth, bits.Len(uint(pages))+depthSlack) }

func (t *Table) newPage(first, last uint32, overflow bool) uint32 {
	n, p := t.arena.take()
	p.format(n, t.id, t.keyBytes, t.geo.width, first, last, overflow)
	t.pages++
	return n
}

// extend adds an overflow page after page n.
func (t *Table) extend(n uint32) uint32 {
	p := t.arena.page(n)
	m := t.newPage(p.first(), p.last(), true)
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

// double makes the directory twice as long, unless that is too long for so many pages.
func (t *Table) double(pages int) bool {
	if 32-int(t.shift) >= depthLimit(pages) {
		return false
	}
	dir := make([]uint32, 2*len(t.dir))
	for i, n := range t.dir {
		dir[2*i], dir[2*i+1] = n, n
	}
	t.dir = dir
	t.shift--
	return true
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
func covers(p *page, h uint32) bool { return p.first() <= h && h <= p.last() }
