package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// The word of a draw (D5): the first 8 bytes, big-endian, of
//
//	SHA-256(0x01 ‖ seed 16 B ‖ user key 16 B ‖ draw number u32 big-endian ‖ key digest 16 B)
//
// 53 bytes, one compression. The draw number counts this user's draws in this campaign. No index, ordinal, time or
// leader's entropy enters: neither timing nor order nor a change of leader nor drop-and-retry can change a word. When
// scaling rejects a word, the next one is made with a u32 counter (1, 2, …, big-endian) appended to the same bytes.
type wordInput [57]byte

func newWordInput(seed *[16]byte, user *Key, number uint32, digest *Key) (in wordInput) {
	in[0] = 0x01
	copy(in[1:17], seed[:])
	copy(in[17:33], user[:])
	binary.BigEndian.PutUint32(in[33:37], number)
	copy(in[37:53], digest[:])
	return in
}

func (in *wordInput) first() uint64 {
	sum := sha256.Sum256(in[:53])
	return binary.BigEndian.Uint64(sum[:])
}

func (in *wordInput) next(counter uint32) uint64 {
	binary.BigEndian.PutUint32(in[53:], counter)
	sum := sha256.Sum256(in[:])
	return binary.BigEndian.Uint64(sum[:])
}

// scale maps words to [0, n) without bias: Lemire's multiply-and-reject. The chance to reject is below n / 2^64.
func (in *wordInput) scale(n uint32) (word, value uint64) {
	word = in.first()
	value, low := bits.Mul64(word, uint64(n))
	if low < uint64(n) { // rare: only then can the word be one of the surplus ones
		surplus := -uint64(n) % uint64(n)
		for counter := uint32(1); low < surplus; counter++ {
			value, low = bits.Mul64(in.next(counter), uint64(n))
		}
	}
	return word, value
}

// pick returns the index of the prize whose share of the denominator value falls into, or NoPrize. sums are the prefix
// sums of the weights.
func pick(sums []uint32, value uint64) int {
	lo, hi := 0, len(sums)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if uint64(sums[mid]) > value {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	if lo == len(sums) {
		return NoPrize
	}
	return lo
}
