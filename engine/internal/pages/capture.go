package pages

import "math/bits"

// capture is a cut of the arena that is read out while the owner goes on. It takes one bit a page, and a copy of each
// page that is changed before it was read out: in the worst case as much memory as the cut has pages.
//
// Invariant: a page that is pending and has no saved copy is as it was at BeginCapture; its dirty bit is not set.
type capture struct {
	active  bool
	dirty   bitmap           // what was dirty at BeginCapture
	pending bitmap           // pages of the cut that were not read out yet
	word    int              // pending words below are empty
	saved   map[uint32]*page // old content of pending pages that were changed since
	spare   []*page          // copies to use again
}

// BeginCapture starts a cut of the pages changed since the last committed capture, or of all pages, and returns how
// many. Nothing is copied now. One capture at a time.
func (a *Arena) BeginCapture(full bool) int {
	c := &a.cut
	if c.active {
		panic("BUG: pages: BeginCapture during a capture")
	}
	c.active, c.word = true, 0
	c.pending = append(c.pending[:0], a.dirty...)
	if full {
		for n := uint32(1); n < a.next; n++ {
			c.pending.set(n)
		}
	}
	c.dirty, a.dirty = a.dirty, c.dirty
	a.dirty.grow(uint32(len(c.dirty))*64 - 1)
	clear(a.dirty)
	count := 0
	for _, w := range c.pending {
		count += bits.OnesCount64(w)
	}
	return count
}

// NextCapture copies one page, as it was at BeginCapture, and its checksum into buf; a free page is all zero. ok is
// false when no page is left. The caller holds the shard's lock.
func (a *Arena) NextCapture(buf []byte) (number uint32, ok bool) {
	c := &a.cut
	if !c.active {
		panic("BUG: pages: NextCapture without a capture")
	}
	for ; c.word < len(c.pending); c.word++ {
		w := c.pending[c.word]
		if w == 0 {
			continue
		}
		n := uint32(c.word*64 + bits.TrailingZeros64(w))
		c.pending.unset(n)
		a.readOut(n, (*page)(buf))
		return n, true
	}
	return 0, false
}

func (a *Arena) readOut(n uint32, to *page) {
	c := &a.cut
	if old := c.saved[n]; old != nil {
		*to = *old
		delete(c.saved, n)
		c.spare = append(c.spare, old)
	} else if a.held(n) {
		*to = *a.page(n)
	} else {
		*to = blank
	}
	if to.free() {
		clear(to[:])
		return
	}
	to.seal()
}

// EndCapture ends the cut. Unless it was committed, what was dirty before is so again: a full cut that goes elsewhere (a
// snapshot stream) and is then dropped changes nothing for the next incremental one.
func (a *Arena) EndCapture(committed bool) {
	c := &a.cut
	if !c.active {
		panic("BUG: pages: EndCapture without a capture")
	}
	if committed {
		for _, w := range c.pending[c.word:] {
			if w != 0 {
				panic("BUG: pages: a capture was committed before it was read out")
			}
		}
	} else {
		for i, w := range c.dirty {
			a.dirty[i] |= w
		}
	}
	c.active = false
	c.saved, c.spare = nil, nil
}

// mark must be called before a page is changed: it sets its dirty bit and keeps the old content for a pending capture.
func (a *Arena) mark(n uint32) {
	if a.dirty[n>>6]>>(n&63)&1 == 0 {
		a.markFirst(n)
	}
}

func (a *Arena) markFirst(n uint32) {
	a.dirty.set(n)
	c := &a.cut
	if !c.active || !c.pending.has(n) {
		return
	}
	var old *page
	if last := len(c.spare) - 1; last >= 0 {
		old, c.spare = c.spare[last], c.spare[:last]
	} else {
		old = new(page)
	}
	*old = *a.page(n)
	if c.saved == nil {
		c.saved = make(map[uint32]*page)
	}
	c.saved[n] = old
}
