package hugepage

import "sync"

const (
	slabBytes = 32 << 20
	// smallest is the size from which an allocation is worth a place in a slab; smaller ones come from the heap.
	smallest = 16 << 10
	// aheadBytes is how much may be left of a slab when the next one is made: enough to be ready in time, and a small
	// engine that never gets there pays nothing.
	aheadBytes = slabBytes / 2
)

// Allocator cuts slabs into pieces. The zero value is ready to use.
type Allocator struct {
	mu struct {
		sync.Mutex
		slab   []byte // what is left of the newest slab
		next   []byte // the one after it, in memory already; nil if it is not there yet
		making bool   // a goroutine makes next
	}
}

// Alloc returns n zeroed bytes.
func (a *Allocator) Alloc(n int) []byte {
	if n < smallest || n > slabBytes/4 {
		return make([]byte, n)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.mu.slab) < n {
		if a.mu.slab, a.mu.next = a.mu.next, nil; a.mu.slab == nil {
			a.mu.slab = newSlab()
		}
	}
	piece := a.mu.slab[:n:n]
	a.mu.slab = a.mu.slab[n:]
	if len(a.mu.slab) < aheadBytes && a.mu.next == nil && !a.mu.making {
		a.mu.making = true
		go a.makeNext()
	}
	return piece
}

func newSlab() []byte {
	slab := make([]byte, slabBytes)
	advise(slab)
	return slab
}

// makeNext makes the next slab and has the kernel put memory behind it, so that whoever uses it first does not wait for
// that: zeroing a huge page takes as long as hundreds of draws.
func (a *Allocator) makeNext() {
	slab := newSlab()
	populate(slab)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.next, a.mu.making = slab, false
}
