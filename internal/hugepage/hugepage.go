// Package hugepage hands out memory for the engine's table pages that the kernel may back with huge pages.
//
// A draw looks at a few random cache lines of a table that is far larger than the translation caches cover with 4 KiB
// pages; on a virtual machine each such miss walks two page tables. Where transparent huge pages are set to "madvise"
// (the default of most distributions), memory gets them only when asked for.
//
// The memory is the Go heap's own: slabs are collected once nothing of them is referenced. Safe for concurrent use.
package hugepage

import "sync"

const (
	slabBytes = 32 << 20
	// smallest is the size from which an allocation is worth a place in a slab; smaller ones come from the heap.
	smallest = 1 << 20
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
