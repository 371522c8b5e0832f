package hugepage

import (
	"runtime"
	"testing"
)

func TestAllocGivesZeroedPiecesThatDoNotOverlap(t *testing.T) {
	var a Allocator
	pieces := [][]byte{a.Alloc(4096), a.Alloc(1 << 20), a.Alloc(1 << 20), a.Alloc(7 << 20), a.Alloc(9 << 20)}
	for range 40 {
		pieces = append(pieces, a.Alloc(1<<20))
	}
	for i, p := range pieces {
		for j := range p {
			if p[j] != 0 {
				t.Fatalf("piece %d: byte %d is %d", i, j, p[j])
			}
			p[j] = byte(i + 1)
		}
		if len(p) != cap(p) {
			t.Errorf("piece %d can grow into the next one", i)
		}
	}
	for i, p := range pieces {
		if p[0] != byte(i+1) || p[len(p)-1] != byte(i+1) {
			t.Errorf("piece %d was overwritten", i)
		}
	}
}

func TestNextSlabIsMadeAhead(t *testing.T) {
	var a Allocator
	const piece = 4 << 20
	ready := func() []byte {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.mu.next
	}
	for range (slabBytes - aheadBytes) / piece {
		a.Alloc(piece)
	}
	if a.mu.making || ready() != nil {
		t.Fatal("the next slab is made before it is due")
	}
	a.Alloc(piece)
	for ready() == nil {
		runtime.Gosched()
	}
	next := ready()
	for range aheadBytes/piece - 1 {
		a.Alloc(piece)
	}
	if got := a.Alloc(piece); &got[0] != &next[0] {
		t.Error("the slab that was made ahead is not used")
	}
}
