package pages

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// A walk in steps sees every row that was there before it once, and no row twice, while rows are inserted between the steps and
// pages divide, share and get another width; also where keys share their hashes' first bits and pages overflow.
func TestWalkWhileTheTableGrows(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 9))
		table := NewArena(nil).NewTable(1, 9, 40)
		insert := func(n int) (keys []Key) {
			for range n {
				var k Key
				binary.LittleEndian.PutUint64(k[:], rng.Uint64())
				if seed%4 == 3 {
					k[2], k[3], k[4], k[5] = 7, 7, 7, 7
				}
				k = cutKey(k, 9)
				if _, found := table.Find(&k); !found {
					table.Insert(&k)
					keys = append(keys, k)
				}
			}
			return keys
		}
		before := insert(rng.IntN(5000))
		seen := make(map[Key]int)
		for place, done := uint32(0), false; !done; {
			place, done = table.Walk(place, 1+rng.IntN(3), func(k Key, payload []byte) {
				if seen[k]++; len(payload) != table.Width() {
					t.Fatalf("seed %d: a payload of %d bytes", seed, len(payload))
				}
			})
			insert(rng.IntN(300))
			if rng.IntN(20) == 0 {
				table.Widen(min(table.Width()+8, 200))
			}
		}
		for _, k := range before {
			if seen[k] == 0 {
				t.Fatalf("seed %d: %x was not seen", seed, k)
			}
		}
		for k, times := range seen {
			if times != 1 {
				t.Fatalf("seed %d: %x was seen %d times", seed, k, times)
			}
		}
	}
}
