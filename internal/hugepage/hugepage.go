package hugepage

import "sync"

const (
	slabBytes = 32 << 20
	// smallest is the size from which an allocation is worth a place in a slab; smaller ones come from the heap.
	smallest = 16 << 10
)

// Allocator cuts slabs into pieces. The zero value is ready to use.
type Allocator struct {
	mu struct {
		sync.Mutex
		slab []byte // what is left of the newest slab
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
		a.mu.slab = make([]byte, slabBytes)
		advise(a.mu.slab)
	}
	piece := a.mu.slab[:n:n]
	a.mu.slab = a.mu.slab[n:]
	return piece
}
