package pages

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/drawd/drawd/internal/mutant"
)

// packed are the packed pages of a table, ascending.
type packed struct {
	fences  []uint64 // the key of each page's first row
	numbers []uint32
	rows    int
}

// find returns the page that a key's row would be in, -1 for none. Keys are spread evenly, so it begins near.
func (c *packed) find(key uint64) int {
	n := len(c.fences)
	guess, _ := bits.Mul64(key, uint64(n))
	lo, hi := -1, n // fences[lo] <= key < fences[hi], as if there were fences outside
	if at := int(guess); at < n && c.fences[at] <= key {
		lo = at
		for step := 1; lo+step < n; step *= 2 {
			if c.fences[lo+step] > key {
				hi = lo + step
				break
			}
			lo += step
		}
	} else if n > 0 {
		hi = at
		for step := 1; hi-step >= 0; step *= 2 {
			if c.fences[hi-step] <= key {
				lo = hi - step
				break
			}
			hi -= step
		}
	}
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; c.fences[mid] <= key {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// Recall looks for a row that was packed, and writes its payload, of the table's width.
func (t *Table) Recall(k *Key, payload []byte) bool {
	c := t.packed
	if c == nil {
		return false
	}
	key, head := packedKey(k)
	i := c.find(key)
	return i >= 0 && t.arena.page(c.numbers[i]).recall(key, head, payload)
}

// near returns a key as packed pages know it, and the memory that says in which of them it may be.
func (c *packed) near(k *Key) (key uint64, fence unsafe.Pointer) {
	key, _ = packedKey(k)
	guess, _ := bits.Mul64(key, uint64(len(c.fences)))
	return key, unsafe.Pointer(&c.fences[guess])
}

// packedAhead asks for the memory that says where in its packed page a row may be.
func (t *Table) packedAhead(key uint64) unsafe.Pointer {
	i := t.packed.find(key)
	if i < 0 {
		return nil
	}
	p := unsafe.Pointer(unsafe.SliceData(t.arena.bytes(t.packed.numbers[i])))
	prefetch(p, unsafe.Add(p, cacheLine))
	prefetch(unsafe.Add(p, 2*cacheLine), unsafe.Add(p, 2*cacheLine))
	return p
}

// packedRowAhead asks for the memory of the rows that a search will look at. Whatever page that is by now, it stays within it.
func packedRowAhead(p *page, key uint64) {
	if b := (key - p.base()) >> p.shift(); b < maxBuckets {
		at := atRests + p.bucket(int(b))*int(p.shift())>>3
		at = min(at, PageSize-2*cacheLine)
		prefetch(unsafe.Pointer(&p[at]), unsafe.Pointer(&p[at+cacheLine]))
	}
}

// Packed returns how many rows of Len are packed, and in how many pages.
func (t *Table) Packed() (rows, pages int) {
	if t.packed == nil {
		return 0, 0
	}
	return t.packed.rows, len(t.packed.numbers)
}

// Packer packs rows of tables whose keys have 10 bytes. It may be used for one table after the other.
type Packer struct {
	// Columns are the sizes of the integers, little endian, that a payload consists of: up to three, of up to eight bytes.
	Columns []uint8
	// Old says whether a row does not change any more and is packed.
	Old func(payload []byte) bool

	sizes  []uint8
	fresh  []packedRow // rows that come
	there  []packedRow // rows of packed pages in their way
	merged []packedRow
	m      measure
}

// rowsAhead is how many rows of packed pages may be in the way of each page of a step: about two pages. What a step costs is the
// rows that it writes.
const rowsAhead = 800

// Step packs what is old among the rows from a place on, of so many pages at most, and returns the place from which the next
// step goes on; done says that the table's end was reached. It begins at 0. Between two steps the table may change. It writes
// as many rows as those pages have at the most, rowsAhead for each of them, and those of two packed pages.
//
// A packed row is found by Recall, no longer by Find or Seek. Pages that rows leave give the rest to the page beside them and
// become free.
func (x *Packer) Step(t *Table, from uint64, pages int) (next uint64, done bool) {
	if t.keyBytes != packedKeyBytes || len(x.Columns) >= maxColumns {
		panic(fmt.Sprintf("BUG: pages: rows with keys of %d bytes and %d columns cannot be packed", t.keyBytes, len(x.Columns)))
	}
	x.sizes = append(append(x.sizes[:0], 2), x.Columns...)
	end := t.reach(from, pages)
	first := 0
	if c := t.packed; c != nil {
		// The page before the place may have room left from the step before.
		if first = max(c.find(from), 0); first > 0 && c.fences[first] == from {
			first--
		}
		if stop := c.after(t.arena, first, pages*rowsAhead); stop < len(c.fences) {
			end = min(end, c.fences[stop]-1)
		}
	}
	x.fresh = x.fresh[:0]
	for at := int(uint64(spread(uint32(from>>32))) >> t.shift); at < len(t.dir) && t.dir[at] != 0; {
		p := t.arena.page(t.dir[at])
		if uint64(p.first()) > uint64(spread(uint32(end>>32))) {
			break
		}
		n := t.dir[at]
		_, at = t.span(p)
		x.take(t, n, from, end)
	}
	if len(x.fresh) > 0 {
		slices.SortFunc(x.fresh, func(a, b packedRow) int {
			switch {
			case a.key < b.key:
				return -1
			case a.key > b.key:
				return 1
			}
			return 0
		})
		x.rewrite(t, first, end)
	}
	return end + 1, end == 1<<64-1
}

// after returns the first packed page behind those from one on that have so many rows, and one at the least.
func (c *packed) after(a *Arena, first, rows int) int {
	for i := first; i < len(c.numbers); i++ {
		if rows -= a.page(c.numbers[i]).packedRows(); rows < 0 {
			return i + 1
		}
	}
	return len(c.numbers)
}

// reach returns the last key of the so-many-th page from a key on.
func (t *Table) reach(from uint64, pages int) uint64 {
	at := int(uint64(spread(uint32(from>>32))) >> t.shift)
	for ; pages > 0 && at < len(t.dir) && t.dir[at] != 0; pages-- {
		_, at = t.span(t.arena.page(t.dir[at]))
	}
	if at >= len(t.dir) || t.dir[at] == 0 {
		return 1<<64 - 1
	}
	return unspread(uint64(t.hashAt(at)))<<32 - 1
}

// take takes the old rows with keys in a range out of a page. Pages with overflow pages, or of an older width, keep theirs.
func (x *Packer) take(t *Table, n uint32, from, end uint64) {
	g, p := &t.geo, t.arena.page(n)
	if t.chain[n] != 0 || p.width() != g.width {
		return
	}
	var gone [PageSize / minKeyBytes / 8]byte
	count := len(x.fresh)
	for s := range g.slots {
		if !occupied(p[:], s) {
			continue
		}
		row := g.row(p[:], s)
		if key := rowKey(g, p, s); key < from || key > end || !x.Old(row[g.rest:]) {
			continue
		}
		gone[s>>3] |= 1 << (s & 7)
		x.fresh = append(x.fresh, x.apart(g, p, s))
	}
	if count = len(x.fresh) - count; count == 0 {
		return
	}
	t.arena.mark(n)
	was := *p
	clear(p[headerSize:])
	for s := range g.slots {
		if occupied(was[:], s) && gone[s>>3]>>(s&7)&1 == 0 {
			copy(p[g.place(p[:], g.head(was[:], s), tagOf(was[:], s)):], g.row(was[:], s))
		}
	}
	t.rows -= count
	t.join(n)
}

// rowKey returns bytes 2 to 9 of the key in a slot.
func rowKey(g *geometry, p *page, s int) uint64 {
	return binary.BigEndian.Uint64(g.row(p[:], s)[1:])<<8&^0xFF | uint64(tagOf(p[:], s))
}

// apart takes the row in a slot apart.
func (x *Packer) apart(g *geometry, p *page, s int) (r packedRow) {
	row := g.row(p[:], s)
	r.key, r.values[0] = rowKey(g, p, s), uint64(binary.BigEndian.Uint16(row))
	payload := row[g.rest:]
	for j, size := range x.Columns {
		for k := range size {
			r.values[j+1] |= uint64(payload[k]) << (8 * k)
		}
		payload = payload[size:]
	}
	return r
}

// join gives the rows of a page to the one before it, when both fill half a page, and frees it.
func (t *Table) join(n uint32) {
	p := t.arena.page(n)
	from, to := t.span(p)
	into, rows := t.beside(from - 1)
	if into == 0 || rows+t.geo.count(p[:]) > t.geo.slots/2 {
		return
	}
	t.arena.mark(into)
	q, g := t.arena.page(into), &t.geo
	for s := range g.slots {
		if occupied(p[:], s) {
			copy(q[g.place(q[:], g.head(p[:], s), tagOf(p[:], s)):], g.row(p[:], s))
		}
	}
	q.setLast(p.last())
	t.give(from, to, into)
	t.arena.release(n)
	t.pages--
}

// release frees a page.
func (a *Arena) release(n uint32) {
	a.mark(n)
	clear(a.page(n)[:headerSize]) // the rest is cleared when the page is used again
	a.vacate(n, n+1)
}

// rewrite merges the rows that come with those of the packed pages from one on whose rows are in the range, and writes full
// pages in their place: the last one may have room left.
func (x *Packer) rewrite(t *Table, first int, end uint64) {
	if t.packed == nil {
		t.packed = new(packed)
	}
	c, last := t.packed, first
	x.there = x.there[:0]
	for ; last < len(c.fences) && c.fences[last] <= end; last++ {
		x.there = t.arena.page(c.numbers[last]).unpack(x.there)
		t.arena.release(c.numbers[last])
	}
	if mutant.On(mutant.PackForgets) {
		x.there = x.there[:0]
	}
	x.merge()
	c.rows += len(x.fresh)
	var fences []uint64
	var numbers []uint32
	for rest := x.merged; len(rest) > 0; rest = rest[x.m.rows:] {
		x.m.fit(rest, x.sizes)
		n, p := t.arena.take()
		p.pack(n, t.id, &x.m, rest[:x.m.rows])
		if mutant.On(mutant.PackUnmarked) {
			t.arena.dirty[n>>6] &^= 1 << (n & 63)
		}
		fences, numbers = append(fences, x.m.base), append(numbers, n)
	}
	c.fences, c.numbers = slices.Replace(c.fences, first, last, fences...), slices.Replace(c.numbers, first, last, numbers...)
}

func (x *Packer) merge() {
	x.merged = x.merged[:0]
	a, b := x.there, x.fresh
	for len(a) > 0 && len(b) > 0 {
		if a[0].key <= b[0].key {
			x.merged, a = append(x.merged, a[0]), a[1:]
		} else {
			x.merged, b = append(x.merged, b[0]), b[1:]
		}
	}
	x.merged = append(append(x.merged, a...), b...)
}

// eachPacked calls fn for the packed rows until it returns false, as Range does.
func (t *Table) eachPacked(fn func(k Key, payload []byte) bool) {
	if t.packed == nil {
		return
	}
	for _, n := range t.packed.numbers {
		if !t.arena.page(n).eachPacked(make([]byte, t.geo.width), fn) {
			return
		}
	}
}

// eachPacked calls fn for the rows of a packed page until it returns false; payload is where it puts theirs.
func (p *page) eachPacked(payload []byte, fn func(k Key, payload []byte) bool) bool {
	for i, r := range p.unpack(make([]packedRow, 0, p.packedRows())) {
		var k Key
		binary.BigEndian.PutUint16(k[:], uint16(r.values[0]))
		binary.BigEndian.PutUint64(k[2:], r.key)
		p.payload(i, payload)
		if !fn(k, payload) {
			return false
		}
	}
	return true
}

// admitPacked checks that a packed page's rows are the table's, and counts them.
func (t *Table) admitPacked(n uint32, p *page) error {
	width := 0
	for j := 1; j < p.columns(); j++ {
		width += p.column(j).bytes
	}
	if t.keyBytes != packedKeyBytes || width != t.geo.width || p.column(0).bytes != 2 {
		return fmt.Errorf("%w: packed rows of %d+%d bytes, must be %d+%d", ErrDamaged, packedKeyBytes, width, t.keyBytes, t.geo.width)
	}
	if t.packed == nil {
		t.packed = new(packed)
	}
	c := t.packed
	c.fences, c.numbers, c.rows = append(c.fences, p.base()), append(c.numbers, n), c.rows+p.packedRows()
	return nil
}

// arrange brings the packed pages of a load into their order.
func (t *Table) arrange() error {
	c := t.packed
	if c == nil {
		return nil
	}
	slices.SortFunc(c.numbers, func(a, b uint32) int {
		if t.arena.page(a).base() < t.arena.page(b).base() {
			return -1
		}
		return 1
	})
	for i, n := range c.numbers {
		c.fences[i] = t.arena.page(n).base()
		if i > 0 && t.arena.page(c.numbers[i-1]).lastKey() >= c.fences[i] {
			return fmt.Errorf("pages: page %d: table %d: %w: overlaps page %d", n, t.id, ErrDamaged, c.numbers[i-1])
		}
	}
	return nil
}

// packedRowsOf is Rows of a packed page.
func packedRowsOf(p *page, fn func(table uint32, keyBytes int, k Key, payload []byte) error) (err error) {
	width := 0
	for j := 1; j < p.columns(); j++ {
		width += p.column(j).bytes
	}
	p.eachPacked(make([]byte, width), func(k Key, payload []byte) bool {
		err = fn(p.table(), packedKeyBytes, k, payload)
		return err == nil
	})
	return err
}
