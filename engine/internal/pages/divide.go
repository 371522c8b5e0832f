package pages

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

const (
	// cellsPerPage is how many directory entries there are for each page at the least: what pages can give each other.
	cellsPerPage = 6
	// A page with at most so many of its slots taken takes rows of a full page beside it; if there is none, two pages
	// become three. With more, pages are fuller on average, and rows move more often: short rows are the keys of draws,
	// which come with each draw, long ones users, who come once. See docs/adr/0026.
	roomyShort   = 22
	roomyLong    = 26
	roomyDivisor = 32
	shortSlots   = 128 // so many in a page make a row short
)

// divide gives rows of page n, which is full, to other pages. It reports false when the directory cannot tell them apart.
// While rows move to a new width (moving), pages beside it stay as they are.
func (t *Table) divide(n uint32, moving bool) bool {
	alone := t.chain[n] == 0
	if moving && !alone {
		return false
	}
	for len(t.dir) < cellsPerPage*t.pages && t.double(t.pages) {
	}
	from, to := t.span(t.arena.page(n))
	if to-from < 2 && !t.double(t.pages) {
		return false
	}
	if moving || !alone || !t.share(n) {
		t.halve(n)
	}
	return true
}

// span returns the directory entries of a page.
func (t *Table) span(p *page) (from, to int) {
	return int(uint64(p.first()) >> t.shift), int(uint64(p.last())>>t.shift) + 1
}

// hashAt returns the first hash of a directory entry; of the one after the last, zero.
func (t *Table) hashAt(cell int) uint32 { return uint32(uint64(cell) << t.shift) }

// give makes a page that of some directory entries.
func (t *Table) give(from, to int, n uint32) {
	for i := from; i < to; i++ {
		t.dir[i] = n
	}
}

// share moves rows of page n, which is full, to a page beside it; when those are full too, two pages become three. It
// reports false when the directory is too coarse for that.
func (t *Table) share(n uint32) bool {
	t.warm(n)
	from, to := t.span(t.arena.page(n))
	if from > 0 {
		t.warmTags(t.dir[from-1])
	}
	if to < len(t.dir) {
		t.warmTags(t.dir[to])
	}
	left, lefts := t.beside(from - 1)
	right, rights := t.beside(to)
	roomy := t.geo.slots * roomyLong / roomyDivisor
	if t.geo.slots >= shortSlots {
		roomy = t.geo.slots * roomyShort / roomyDivisor
	}
	switch {
	case left != 0 && lefts <= roomy && (right == 0 || lefts <= rights):
		t.warm(left)
		return t.balance(left, n)
	case right != 0 && rights <= roomy:
		t.warm(right)
		return t.balance(n, right)
	case left != 0 && (right == 0 || lefts >= rights):
		t.warm(left)
		return t.third(left, n, lefts, t.geo.slots)
	case right != 0:
		t.warm(right)
		return t.third(n, right, t.geo.slots, rights)
	}
	return false
}

// beside returns the page of a directory entry and its rows; none if there is no entry, or if the page has overflow pages
// or an older width.
func (t *Table) beside(cell int) (n uint32, rows int) {
	if cell < 0 || cell >= len(t.dir) {
		return 0, 0
	}
	n = t.dir[cell]
	if t.chain[n] != 0 || t.older != 0 && t.arena.page(n).width() != t.geo.width {
		return 0, 0
	}
	return n, t.geo.count(t.arena.bytes(n))
}

// balance moves the border between two pages to where both have as many rows.
func (t *Table) balance(a, b uint32) bool {
	p, q := t.arena.page(a), t.arena.page(b)
	var c census
	c.take(t, p, q)
	cut, below := c.cut(c.rows / 2)
	_, border := t.span(p)
	if cut == border || max(below, c.rows-below) >= t.geo.slots {
		return false
	}
	h := t.hashAt(cut)
	if cut < border {
		t.transfer(a, b, h, p.last())
		t.give(cut, border, b)
	} else {
		t.transfer(b, a, q.first(), h-1)
		t.give(border, cut, a)
	}
	p.setLast(h - 1)
	q.setFirst(h)
	return true
}

// third makes three pages of two with so many rows: the new one takes the upper rows of the first and the lower rows of the
// second.
func (t *Table) third(a, b uint32, rowsA, rowsB int) bool {
	p, q := t.arena.page(a), t.arena.page(b)
	begin, border := t.span(p)
	_, end := t.span(q)
	share := (rowsA + rowsB) / 3
	var lower, upper int // the entries of the new page
	if t.geo.slots >= shortSlots {
		// Keys are spread evenly over a page. The new one gets two thirds of its slots, and is not filled by chance.
		lower = begin + ((border-begin)*share+rowsA/2)/rowsA
		upper = end - ((end-border)*share+rowsB/2)/rowsB
	} else {
		var c census
		var below, upto int
		c.take(t, p, q)
		lower, below = c.cut(share)
		upper, upto = c.cut(2 * share)
		if max(below, upto-below, c.rows-upto) >= t.geo.slots {
			return false
		}
	}
	if lower >= border || lower == begin || upper <= border || upper == end {
		return false
	}
	from, last := t.hashAt(lower), t.hashAt(upper)-1
	m := t.newPage(from, last, false)
	t.warm(m)
	t.transfer(a, m, from, p.last())
	t.transfer(b, m, q.first(), last)
	p.setLast(from - 1)
	q.setFirst(last + 1)
	t.give(lower, upper, m)
	return true
}

// halve moves the upper part of the hashes of page n, and of its overflow pages, to a new page. All have the current width.
func (t *Table) halve(n uint32) {
	p := t.arena.page(n)
	from, to := t.span(p)
	cut := (from + to) / 2
	if t.chain[n] == 0 {
		var c census
		c.take(t, p, p)
		if at, below := c.cut(c.rows / 2); below > 0 && below < c.rows {
			cut = at
		}
	}
	h := t.hashAt(cut)
	up := t.newPage(h, p.last(), false)
	last := up
	for m := n; m != 0; m = t.chain[m] {
		q := t.arena.page(m)
		last = t.transfer(m, last, h, q.last())
		q.setLast(h - 1)
	}
	t.give(cut, to, up)
}

// census counts the rows of one page or two by directory entry, or by a few entries of a page that has very many.
type census struct {
	from, to int // entries
	shift    int // entries of a count, as a power of two
	rows     int
	counts   [64]uint16
}

// take counts the rows of two pages beside each other; of one that is given twice.
func (c *census) take(t *Table, p, q *page) {
	c.from, _ = t.span(p)
	_, c.to = t.span(q)
	for (c.to-c.from-1)>>c.shift >= len(c.counts) {
		c.shift++
	}
	c.add(t, p)
	if p != q {
		c.add(t, q)
	}
}

func (c *census) add(t *Table, p *page) {
	g := t.geo // locals: the compiler would load them again for each row
	base, shift := uint32(c.from)<<(t.shift&31), (int(t.shift)+c.shift)&63
	rows := 0
	for first := 0; first < g.slots; first += groupSlots {
		used := p[groupAt(first)]
		rows += bits.OnesCount8(used)
		for at := g.rowAt(first); used != 0; used &= used - 1 {
			row := at + bits.TrailingZeros8(used)*g.stride
			c.counts[(hashOf(binary.BigEndian.Uint64(p[row:row+8]))-base)>>shift&63]++
		}
	}
	c.rows += rows
}

// cut returns the entry, not the first one, that has nearest to so many rows below it, and how many.
func (c *census) cut(want int) (cell, below int) {
	best := 1 << 30
	sum := 0
	for i := range (c.to - c.from - 1) >> c.shift {
		sum += int(c.counts[i])
		off := max(sum-want, want-sum)
		if off > best {
			break
		}
		if off < best {
			best, cell, below = off, c.from+(i+1)<<c.shift, sum
		}
	}
	return cell, below
}

// transfer moves the rows of page m whose hash is from first to last to another page; once that is full, to new overflow
// pages behind it. It returns the page that has room. Other rows stay where they are, but for those that found no place in
// their home group: there may be one now, and a search would end at it.
func (t *Table) transfer(m, to, first, last uint32) uint32 {
	t.arena.mark(m)
	t.arena.mark(to)
	g := t.geo
	p, q, head := t.arena.page(m), t.arena.page(to), to
	var strays page // those whose home group comes later
	var tags [PageSize / minKeyBytes]byte
	n, row0, at, span := 0, g.rows, headerSize, last-first
	for slot := 0; slot < g.slots; slot += groupSlots {
		group := (*[groupBytes]byte)(p[at:])
		gone := byte(0)
		for used := group[0]; used != 0; used &= used - 1 {
			s := bits.TrailingZeros8(used)
			row := row0 + s*g.stride
			key := binary.BigEndian.Uint64((*[8]byte)(p[row:])[:])
			tag := &group[1+s&(groupSlots-1)]
			if hashOf(key)-first <= span {
				into := g.seat(q, key, *tag)
				if into == 0 {
					to = t.extend(head)
					q = t.arena.page(to)
					into = g.seat(q, key, *tag)
				}
				takeRow(q, into, p, row, g.stride)
			} else if h := home(key, g.slots) &^ (groupSlots - 1); h == slot {
				continue
			} else if h < slot {
				into := g.seatBefore(p, key, *tag, slot)
				if into == 0 {
					continue
				}
				takeRow(p, into, p, row, g.stride)
			} else {
				tags[n] = *tag
				takeRow(&strays, n*g.stride, p, row, g.stride)
				n++
			}
			gone |= 1 << s
			*tag = 0
		}
		group[0] &^= gone
		at += groupBytes
		row0 += groupSlots * g.stride
	}
	for i := range n {
		at := i * g.stride
		takeRow(p, g.seat(p, binary.BigEndian.Uint64(strays[at:at+8]), tags[i]), &strays, at, g.stride)
	}
	return to
}

// takeRow moves a row from one page to a slot, which is empty, of another. Rows have eight bytes or more: the last eight may
// overlap the ones before.
func takeRow(q *page, to int, p *page, from, stride int) {
	_, _ = q[to:to+stride], p[from:from+stride] // the only check of bounds
	d, s, n := unsafe.Pointer(&q[to]), unsafe.Pointer(&p[from]), uintptr(stride-8)
	*(*uint64)(unsafe.Add(d, n)) = *(*uint64)(unsafe.Add(s, n))
	for i := uintptr(0); i < n; i += 8 {
		word := (*uint64)(unsafe.Add(s, i))
		*(*uint64)(unsafe.Add(d, i)) = *word
		*word = 0
	}
	*(*uint64)(unsafe.Add(s, n)) = 0
}

// seat is place for a whole page at hand.
func (g *geometry) seat(p *page, head uint64, tag byte) int {
	s := home(head, g.slots)
	first := s &^ (groupSlots - 1)
	for {
		at := groupAt(first)
		group := (*[groupBytes]byte)(p[at:])
		if free := g.full(first) &^ group[0]; free != 0 {
			j := nextOf(free, s)
			group[0] |= 1 << j
			group[1+j&(groupSlots-1)] = tag
			return g.rowAt(first + j)
		}
		if first = g.after(first); first == s&^(groupSlots-1) {
			return 0
		}
	}
}

// seatBefore is seat as far as the group that begins with a slot behind the key's home.
func (g *geometry) seatBefore(p *page, head uint64, tag byte, end int) int {
	s := home(head, g.slots)
	for first := s &^ (groupSlots - 1); first < end; first += groupSlots {
		group := (*[groupBytes]byte)(p[groupAt(first):])
		if free := (1<<groupSlots - 1) &^ group[0]; free != 0 { // it is not the last group
			j := nextOf(free, s)
			group[0] |= 1 << j
			group[1+j&(groupSlots-1)] = tag
			return g.rowAt(first + j)
		}
	}
	return 0
}

// warm asks for the memory of a whole page: all of it at once comes sooner than one line after the other.
func (t *Table) warm(n uint32) {
	p := t.arena.bytes(n)
	for at := 0; at < PageSize; at += 2 * cacheLine {
		prefetch(unsafe.Pointer(&p[at]), unsafe.Pointer(&p[at+cacheLine]))
	}
}

// warmTags asks for the memory that says how many rows a page has.
func (t *Table) warmTags(n uint32) {
	p := t.arena.bytes(n)
	for at := 0; at < headerSize+t.geo.groups*groupBytes; at += 2 * cacheLine {
		prefetch(unsafe.Pointer(&p[at]), unsafe.Pointer(&p[at+cacheLine]))
	}
}
