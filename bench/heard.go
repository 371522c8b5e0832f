package bench

import (
	"math/bits"
	"math/rand/v2"
	"slices"
)

// heard remembers which requests of a workload were answered with draws, a bit each: who measures capacity keeps no journal, and what
// he remembers must not slow him down. It belongs to the loop that sends the workload; others read it when the loop has ended.
type heard struct {
	numbers []uint64 // by the request's id in the present run: its number in the workload
	yes     []uint64 // bits, by number
	count   uint64
}

// sent notes the number of a request. Ids run from 0 in each run, numbers go on.
func (h *heard) sent(id uint32, number uint64) {
	for uint64(id) >= uint64(len(h.numbers)) {
		h.numbers = append(h.numbers, 0)
	}
	h.numbers[id] = number
}

// decided notes that a request was answered with all of its draws.
func (h *heard) decided(id uint32) {
	n := h.numbers[id]
	for n/64 >= uint64(len(h.yes)) {
		h.yes = append(h.yes, 0)
	}
	if bit := uint64(1) << (n % 64); h.yes[n/64]&bit == 0 {
		h.yes[n/64] |= bit
		h.count++
	}
}

// pick returns up to n numbers of requests that were answered, chosen by the seed, ascending.
func (h *heard) pick(n int, seed uint64) []uint64 {
	wanted := map[uint64]bool{} // which ones of those that were answered
	if rng := rand.New(rand.NewPCG(seed, 0x6865617264)); h.count > uint64(n) {
		for len(wanted) < n {
			wanted[rng.Uint64N(h.count)] = true
		}
	}
	all, seen := make([]uint64, 0, n), uint64(0)
	for i, word := range h.yes {
		for ; word != 0; word &= word - 1 {
			if h.count <= uint64(n) || wanted[seen] {
				all = append(all, uint64(i)*64+uint64(bits.TrailingZeros64(word)))
			}
			seen++
		}
	}
	slices.Sort(all)
	return all
}

// drawn is one draw that a workload was answered with, so that it can be asked for again.
type drawn struct {
	campaign int // the workload's
	user     uint32
	key      string
}

// remembering is a workload that can say what it was answered with.
type remembering interface {
	// acknowledged is how many draws it was answered with, by campaign.
	acknowledged() []uint64
	// some returns up to n of them, chosen by the seed.
	some(n int, seed uint64) []drawn
}
