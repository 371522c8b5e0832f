package engine

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
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

func (in *wordInput) next(counter uint32) uint64 {
	binary.BigEndian.PutUint32(in[53:], counter)
	sum := sha256.Sum256(in[:])
	return binary.BigEndian.Uint64(sum[:])
}

// scale maps words to [0, n) without bias: Lemire's multiply-and-reject. The chance to reject is below n / 2^64. first is
// the first word.
func (in *wordInput) scale(first uint64, n uint32) (word, value uint64) {
	word = first
	value, low := bits.Mul64(word, uint64(n))
	if low < uint64(n) { // rare: only then can the word be one of the surplus ones
		surplus := -uint64(n) % uint64(n)
		for counter := uint32(1); low < surplus; counter++ {
			value, low = bits.Mul64(in.next(counter), uint64(n))
		}
	}
	return word, value
}

// Further words of one draw, for what is decided by chance besides the prize, come from the same bytes with the counters
// purpose<<24, purpose<<24 + 1, … appended: far beyond what rejection ever reaches, and apart from one another.
const (
	purposeAmount = 1 // the amount of a win: see money.go
	purposeExtra  = 3 // the amount of a prize that a pity gives on top
	purposeShare  = 2 // who gets the share of a prize that is out: see redistribute.go
)

// further maps further words of a purpose to [0, n) without bias, n ≥ 1: Lemire's multiply-and-reject again. Counters go
// on until a word is not rejected.
func (in *wordInput) further(purpose uint32, n uint64) uint64 {
	surplus := -n % n
	for counter := purpose << 24; ; counter++ {
		if value, low := bits.Mul64(in.next(counter), n); low >= surplus {
			return value
		}
	}
}

// scaleWide is scale for numbers that do not fit in 32 bits; for those that do it gives the same.
func (in *wordInput) scaleWide(first, n uint64) (value uint64) {
	value, low := bits.Mul64(first, n)
	if low < n {
		surplus := -n % n
		for counter := uint32(1); low < surplus; counter++ {
			value, low = bits.Mul64(in.next(counter), n)
		}
	}
	return value
}

// wordHasher makes first words. SHA-256 of 53 bytes is one block once it is padded, and the state after that block is the
// digest: one Write of a whole block, and the state taken out, cost half of what Sum256 does with copies of its own.
// A wordHasher belongs to one goroutine at a time; the zero value is ready.
type wordHasher struct {
	sha   hash.Hash
	taker encoding.BinaryAppender // sha
	block [sha256.BlockSize]byte
	state [marshalBytes]byte
}

// The padding of SHA-256 after a word's input, and where its state begins in what the standard library appends (a magic of
// four bytes stands before it: TestFirstWordIsTheDigest holds that against Sum256).
const (
	wordBytes    = 53
	wordPadding  = 0x80
	stateAt      = 4
	marshalBytes = 108
)

// first returns the first word of the input.
func (h *wordHasher) first(in *wordInput) uint64 {
	if h.sha == nil {
		h.sha = sha256.New()
		h.taker = h.sha.(encoding.BinaryAppender)
		h.block[wordBytes] = wordPadding
		binary.BigEndian.PutUint16(h.block[62:], 8*wordBytes)
	}
	*(*[wordBytes]byte)(h.block[:]) = [wordBytes]byte(in[:])
	h.sha.Reset()
	_, _ = h.sha.Write(h.block[:])                // a hash never fails
	state, _ := h.taker.AppendBinary(h.state[:0]) // nor does its state
	return binary.BigEndian.Uint64(state[stateAt:])
}

// pick returns the index of the prize whose share of the denominator value falls into, or NoPrize. sums are the prefix
// sums of the weights, which ascend: the index is how many of them are not above value. Few are counted one by one, as
// nobody can predict the branches of a search for a random number.
func pick(sums []uint32, value uint64) int {
	lo := 0
	if len(sums) <= countedSums {
		lo = len(sums)
		for _, s := range sums {
			lo -= int((value - uint64(s)) >> 63) // 1 where the sum is above value; both are below 2^63
		}
	} else {
		hi := len(sums)
		for lo < hi {
			mid := int(uint(lo+hi) >> 1)
			if uint64(sums[mid]) > value {
				hi = mid
			} else {
				lo = mid + 1
			}
		}
	}
	if lo == len(sums) {
		return NoPrize
	}
	return lo
}

// countedSums is up to how many prizes counting is faster than searching.
const countedSums = 16
