package drawtest

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"

	"github.com/drawd/drawd/engine"
)

// word is the random number of a draw (D5): the first 8 bytes of a hash over 53 bytes. Word 0 is the draw's; further ones
// have their number appended.
func word(seed [16]byte, user engine.Key, drawNumber uint32, digest engine.Key, further uint32) uint64 {
	b := []byte{0x01}
	b = append(b, seed[:]...)
	b = append(b, user[:]...)
	b = binary.BigEndian.AppendUint32(b, drawNumber)
	b = append(b, digest[:]...)
	if further > 0 {
		b = binary.BigEndian.AppendUint32(b, further)
	}
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:8])
}

// scale maps a word to [0, denominator); ok is false when the word must be thrown away for the map to be even.
func scale(word uint64, denominator uint32) (n uint64, ok bool) {
	d := new(big.Int).SetUint64(uint64(denominator))
	two64 := new(big.Int).Lsh(big.NewInt(1), 64)
	product := new(big.Int).Mul(new(big.Int).SetUint64(word), d)
	high, low := new(big.Int).DivMod(product, two64, new(big.Int))
	uneven := new(big.Int).Mod(new(big.Int).Sub(two64, d), d)
	return high.Uint64(), low.Cmp(uneven) >= 0
}

// weightsOf returns the weights of a version's prizes.
func weightsOf(v *engine.Version) (out []uint32) {
	for i := range v.Prizes {
		out = append(out, v.Prizes[i].Weight)
	}
	return out
}

// pick returns the word that decides and the prize it names by the weights.
func pick(denominator uint32, weights []uint32, seed [16]byte, user engine.Key, drawNumber uint32, digest engine.Key) (w uint64, prize int) {
	var n uint64
	for further := uint32(0); ; further++ {
		w = word(seed, user, drawNumber, digest, further)
		var ok bool
		if n, ok = scale(w, denominator); ok {
			break
		}
	}
	sum := new(big.Int)
	for i := range weights {
		sum.Add(sum, big.NewInt(int64(weights[i])))
		if new(big.Int).SetUint64(n).Cmp(sum) < 0 {
			return w, i
		}
	}
	return w, engine.NoPrize
}
