package pages

import (
	"bytes"
	"slices"
	"testing"
)

// Rows whose hash is at either end of the range move, those beside it stay, all are found, and what they left is zero.
func TestTransferTakesTheWholeRange(t *testing.T) {
	for _, s := range []shape{{8, 1, 1}, {10, 11, 11}, {12, 44, 44}, {16, 900, 900}} {
		for seed := range uint64(20) {
			table := NewArena(nil).NewTable(1, s.keyBytes, s.width)
			g := &table.geo
			var hashes []uint32
			keys := map[uint32]Key{}
			for i := range uint64(g.slots) {
				k := benchKey(i + seed<<32)
				table.Insert(&k)
				h := hashOf(keyHead(&k))
				hashes, keys[h] = append(hashes, h), k
			}
			slices.Sort(hashes)
			from, last := hashes[len(hashes)/4], hashes[len(hashes)*3/4]
			p, to := table.arena.page(table.dir[0]), table.newPage(from, last, false)
			q := table.arena.page(to)
			if got := table.transfer(table.dir[0], to, from, last); got != to {
				t.Fatalf("%v: there is room in page %d, not in page %d", s, to, got)
			}
			for h, k := range keys {
				inP, _ := g.search(p[:], keyHead(&k), &k)
				inQ, _ := g.search(q[:], keyHead(&k), &k)
				if moves := from <= h && h <= last; moves != (inQ != 0) || moves == (inP != 0) {
					t.Fatalf("%v: the row of hash %x, moved from %x to %x, is at %d and %d", s, h, from, last, inP, inQ)
				}
			}
			if n := g.count(p[:]) + g.count(q[:]); n != g.slots {
				t.Fatalf("%v: %d rows, were %d", s, n, g.slots)
			}
			for _, p := range []*page{p, q} {
				if err := checkSlots(p, g); err != nil {
					t.Fatal(s, err)
				}
				zeroWhereEmpty(t, p, g)
			}
		}
	}
}

func zeroWhereEmpty(t *testing.T, p *page, g *geometry) {
	t.Helper()
	zero := make([]byte, g.stride)
	for slot := range g.slots {
		if !occupied(p[:], slot) && (tagOf(p[:], slot) != 0 || !bytes.Equal(g.row(p[:], slot), zero)) {
			t.Fatalf("empty slot %d is not zero", slot)
		}
	}
}

// However keys come, pages cover all hashes without a gap, hold what they cover, and are known to the directory.
func TestPagesCoverTheirHashes(t *testing.T) {
	for _, s := range []shape{{10, 11, 11}, {12, 44, 44}, {16, 900, 900}} {
		table := NewArena(nil).NewTable(1, s.keyBytes, s.width)
		for i := range uint64(8000) {
			k := benchKey(i)
			if i%3 == 0 {
				k[2] = byte(i >> 9) // crowds that wander
			}
			if _, ok := table.Find(&k); !ok {
				table.Insert(&k)
			}
			if i%251 != 0 {
				continue
			}
			next, rows := uint64(0), 0
			for at := 0; at < len(table.dir); {
				n := table.dir[at]
				p := table.arena.page(n)
				from, to := table.span(p)
				if from != at || uint64(p.first()) != next || p.first() != table.hashAt(from) || p.last() != table.hashAt(to)-1 {
					t.Fatalf("%v, %d keys: page %d covers %x to %x, entries %d to %d; expected from %x, %d",
						s, i, n, p.first(), p.last(), from, to, next, at)
				}
				for ; at < to; at++ {
					if table.dir[at] != n {
						t.Fatalf("%v, %d keys: entry %d is page %d, want %d", s, i, at, table.dir[at], n)
					}
				}
				next = uint64(p.last()) + 1
				for ; n != 0; n = table.chain[n] {
					rows += table.geo.count(table.arena.bytes(n))
					if err := checkSlots(table.arena.page(n), &table.geo); err != nil {
						t.Fatal(s, i, err)
					}
				}
			}
			if next != 1<<32 || rows != table.Len() {
				t.Fatalf("%v, %d keys: pages end at %x with %d rows, want %d", s, i, next, rows, table.Len())
			}
		}
	}
}
