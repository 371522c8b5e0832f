package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// The first word is made from the padded block and the state behind it: it must be what SHA-256 says of the 53 bytes,
// whatever was hashed before.
func TestFirstWordIsTheDigest(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var h wordHasher
	var in wordInput
	for i := range 2000 {
		for j := range in {
			in[j] = byte(rng.Uint32()) // the counter's bytes too: they must not count
		}
		sum := sha256.Sum256(in[:53])
		if got, want := h.first(&in), binary.BigEndian.Uint64(sum[:]); got != want {
			t.Fatalf("input %d: word %x, SHA-256 says %x", i, got, want)
		}
	}
}

func BenchmarkFirstWord(b *testing.B) {
	var h wordHasher
	var seed [16]byte
	var user, digest Key
	var sum uint64
	number := uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		number++
		in := newWordInput(&seed, &user, number, &digest)
		sum += h.first(&in)
	}
	b.Log(sum)
}

// A share is found by counting or by searching: both must give the first sum above the value.
func TestPickFindsTheShare(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for n := range 40 {
		sums := make([]uint32, n)
		sum := uint32(0)
		for i := range sums {
			sum += rng.Uint32N(4) // shares of nothing too
			sums[i] = sum
		}
		for value := range uint64(sum) + 3 {
			want := NoPrize
			for i := n - 1; i >= 0; i-- {
				if uint64(sums[i]) > value {
					want = i
				}
			}
			if got := pick(sums, value); got != want {
				t.Fatalf("sums %v, value %d: %d, want %d", sums, value, got, want)
			}
		}
	}
}
