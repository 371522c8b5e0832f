package pages

import "math/bits"

// Reserve makes pages ahead, so that rows of uniformly distributed keys up to this number seldom meet a full page. The
// new pages are dirty like others: a checkpoint without them could not be told from a damaged one.
func (t *Table) Reserve(rows int) {
	if rows <= 0 {
		return
	}
	if t.dir[0] == 0 {
		t.dir[0] = t.newPage(0, 1<<32-1, false)
	}
	for at := uint64(0); at < 1<<32; {
		n := t.dir[at>>t.shift]
		p := t.arena.page(n)
		if t.chain[n] == 0 {
			want := (t.expected(p, rows)*reserveDivisor - 1) / (t.geo.slots * reserveShare)
			if want > 0 && t.upgradeAll(n) {
				continue // it may be another page by now
			}
			t.carve(n, want+1)
		}
		at = uint64(p.last()) + 1
	}
}

// reserveShare of reserveDivisor slots are taken when the expected rows have come: some pages get more than their share.
const (
	reserveShare   = 4
	reserveDivisor = 5
)

// carve divides a page into so many of which each expects as many rows. The page keeps the first part.
func (t *Table) carve(n uint32, parts int) {
	p := t.arena.page(n)
	from, to := t.span(p)
	for to-from < parts*cellsPerPage && t.double(t.pages+parts-1) {
		from, to = t.span(p)
	}
	if parts = min(parts, to-from); parts < 2 {
		return
	}
	t.arena.mark(n)
	some := t.geo.count(p[:]) > 0
	begin, end := unspread(uint64(p.first())), unspread(uint64(p.last())+1)
	edge := to // of the part behind
	for i := parts - 1; i > 0; i-- {
		x := begin + (end-begin)*uint64(i)/uint64(parts)
		cell := int((uint64(spread(uint32(min(x, 1<<32-1)))) + 1<<t.shift>>1) >> t.shift)
		cell = max(min(cell, edge-1), from+i)
		m := t.newPage(t.hashAt(cell), t.hashAt(edge)-1, false)
		if some {
			t.transfer(n, m, t.hashAt(cell), t.hashAt(edge)-1)
		}
		t.give(cell, edge, m)
		edge = cell
	}
	p.setLast(t.hashAt(edge) - 1)
}

// expected returns how many of so many rows the page will have.
func (t *Table) expected(p *page, rows int) int {
	from, to := unspread(uint64(p.first())), unspread(uint64(p.last())+1)
	hi, lo := bits.Mul64(uint64(rows), to-from)
	return int(min(hi<<32|lo>>32, 1<<30))
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
