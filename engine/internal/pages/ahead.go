package pages

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// Ahead is a key on its way: the memory that its row will need is asked for in three steps, each of which looks at what the
// one before asked for, so each comes some time after the other. All of it is a hint: by the time of a step, the row may be
// elsewhere. The table must not be widened, nor its pages moved by somebody else, between two steps.
type Ahead struct {
	table *Table
	page  unsafe.Pointer // its first byte
	head  uint64
	tag   byte

	packed unsafe.Pointer // the first byte of the packed page that may have it; nil for none
	key    uint64         // as packed pages know it
}

// Directory asks for the memory that says in which page a key's row is or would be.
func (a *Ahead) Directory(t *Table, k *Key) {
	a.table, a.head, a.tag = t, keyHead(k), k[t.geo.rest&15]
	d := unsafe.Pointer(&t.dir[uint64(hashOf(a.head))>>(t.shift&63)])
	if a.packed = nil; t.packed != nil {
		var fence unsafe.Pointer
		a.key, fence = t.packed.near(k)
		prefetch(d, fence)
		return
	}
	prefetch(d, d)
}

// Tags asks for the memory that says where in its page the row is or would be.
func (a *Ahead) Tags() {
	t := a.table
	a.page = unsafe.Pointer(unsafe.SliceData(t.arena.bytes(t.dir[uint64(hashOf(a.head))>>(t.shift&63)])))
	group := unsafe.Add(a.page, groupAt(home(a.head, t.geo.slots)))
	// Of the next group too: this one may be full.
	prefetch(group, unsafe.Add(group, 2*groupBytes-1))
	if t.packed != nil {
		a.packed = t.packedAhead(a.key)
	}
}

// Row asks for the memory of the row that Find will find, or Insert will fill.
func (a *Ahead) Row() {
	g := &a.table.geo
	if a.packed != nil {
		packedRowAhead((*page)(a.packed), a.key)
	}
	if a.table.older != 0 {
		return // the page may have another geometry
	}
	row := unsafe.Add(a.page, g.guess(a.page, a.head, a.tag))
	last := g.stride - 1
	prefetch(row, unsafe.Add(row, last))
	for at := cacheLine; at < last; at += 2 * cacheLine { // rows with chances or many caps
		prefetch(unsafe.Add(row, at), unsafe.Add(row, min(at+cacheLine, last)))
	}
}

// Touch takes the first two steps at once: it waits for the directory.
func (t *Table) Touch(k *Key) (a Ahead) {
	a.Directory(t, k)
	a.Tags()
	return a
}

// guess returns the offset of the row that a key has in its home group or the next one, by its tag alone, or would get there.
// It is given the page's first byte, not a slice: whatever is there, it stays within the page.
func (g *geometry) guess(p unsafe.Pointer, head uint64, tag byte) int {
	s := home(head, g.slots)
	first := s &^ (groupSlots - 1)
	for range 2 {
		group := (*[groupBytes]byte)(unsafe.Add(p, groupAt(first)))
		used := group[0]
		w := binary.LittleEndian.Uint64(group[1:]) ^ uint64(tag)*lowBits
		for m := (w - lowBits) &^ w & highBits; m != 0; m &= m - 1 {
			if j := bits.TrailingZeros64(m) >> 3; used>>j&1 != 0 {
				return g.rowAt(first + j)
			}
		}
		if empty := g.full(first) &^ used; empty != 0 {
			return g.rowAt(first + nextOf(empty, s))
		}
		first = g.after(first)
	}
	return g.rowAt(s)
}

const cacheLine = 64

// Warm asks for the memory in which two values begin: for what the caller keeps beside tables.
func Warm[A, B any](a *A, b *B) { prefetch(unsafe.Pointer(a), unsafe.Pointer(b)) }

// WarmAll asks for all values of a slice, up to a KiB.
func WarmAll[T any](s []T) {
	if len(s) == 0 {
		return
	}
	p := unsafe.Pointer(&s[0])
	last := min(unsafe.Sizeof(s[0])*uintptr(len(s)), 1024) - 1
	for at := uintptr(0); at <= last; at += 2 * cacheLine {
		prefetch(unsafe.Add(p, at), unsafe.Add(p, min(at+cacheLine, last)))
	}
}
