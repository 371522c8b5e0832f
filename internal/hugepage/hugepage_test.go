package hugepage

import "testing"

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
