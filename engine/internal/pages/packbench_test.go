package pages

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// BenchmarkPacked packs a million rows of a shard, adds a tenth and packs those, and looks rows up.
func BenchmarkPacked(b *testing.B) {
	const rows = 1_000_000
	x := Packer{Columns: []uint8{5, 2, 4}, Old: func([]byte) bool { return true }}
	fill := func(t *Table, rng *rand.Rand, n int) {
		for i := range n {
			k := drawnKey(rng)
			p := t.Mutable(t.Insert(&k))
			binary.LittleEndian.PutUint32(p, uint32(i/256))
			binary.LittleEndian.PutUint16(p[5:], uint16(i&255))
			binary.LittleEndian.PutUint32(p[7:], 0x9E3779B9)
		}
	}
	pack := func(t *Table) {
		for from, done := uint64(0), false; !done; {
			from, done = x.Step(t, from, 16)
		}
	}
	b.Run("pack", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			t, rng := NewArena(nil).NewTable(1, 10, 11), rand.New(rand.NewPCG(1, 1))
			fill(t, rng, rows)
			b.StartTimer()
			pack(t)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
			b.ReportMetric(float64(t.Bytes())/rows, "B/row")
			b.StopTimer()
			fill(t, rng, rows/10)
			b.StartTimer()
		}
	})
	t, rng := NewArena(nil).NewTable(1, 10, 11), rand.New(rand.NewPCG(1, 1))
	fill(t, rng, rows)
	pack(t)
	var payload [11]byte
	b.Run("hit", func(b *testing.B) {
		rng := rand.New(rand.NewPCG(1, 1))
		for n := 0; b.Loop(); n++ {
			if n%rows == 0 {
				rng = rand.New(rand.NewPCG(1, 1))
			}
			k := drawnKey(rng)
			if !t.Recall(&k, payload[:]) {
				b.Fatal("lost")
			}
		}
	})
	b.Run("miss", func(b *testing.B) {
		rng := rand.New(rand.NewPCG(2, 2))
		for b.Loop() {
			k := drawnKey(rng)
			if t.Recall(&k, payload[:]) {
				b.Fatal("found")
			}
		}
	})
}

func drawnKey(rng *rand.Rand) (k Key) {
	binary.LittleEndian.PutUint64(k[:], rng.Uint64())
	binary.LittleEndian.PutUint64(k[8:], rng.Uint64())
	k[0] &= 3 // one of 64 shards
	return k
}
