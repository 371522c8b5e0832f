package release

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
)

const (
	hour = 3600 * 1000
	// Margin is how far from a whole hour an instant is at least, in ms, where whole hours are avoided: people who wait for
	// the hour and retry for a minute see nothing.
	Margin = 2 * 60 * 1000
	// room is what an hour has left between the margins of its two ends.
	room = hour - 2*Margin
	// MaxInstants bounds the instants of one window: more parts than that share them.
	MaxInstants = 4096
)

// Span is a time [From, To) in ms, in which the local clock is ahead of UTC by Offset ms.
type Span struct{ From, To, Offset int64 }

// Share returns floor(total · part / whole): cumulative shares, whose differences sum to total exactly whatever the weights
// are. part is at most whole, whole is above 0.
func Share(total, part, whole uint64) uint64 {
	hi, lo := bits.Mul64(total, part)
	q, _ := bits.Div64(hi, lo, whole) // hi < whole, because part ≤ whole and total < 2^64
	return q
}

// allowed returns the number of milliseconds of the local clock, from its beginning up to local, that are not within Margin
// of a whole hour. local is not below 0.
func allowed(local int64) int64 {
	return local/hour*room + min(max(local%hour-Margin, 0), room)
}

// Room returns how many milliseconds of the spans instants may fall into.
func Room(spans []Span, avoid bool) (total int64) {
	for _, s := range spans {
		total += s.room(avoid)
	}
	return total
}

func (s Span) room(avoid bool) int64 {
	if !avoid {
		return max(s.To-s.From, 0)
	}
	return max(allowed(s.To+s.Offset)-allowed(s.From+s.Offset), 0)
}

// at returns the n-th allowed millisecond of the span, from 0.
func (s Span) at(n int64, avoid bool) int64 {
	if !avoid {
		return s.From + n
	}
	n += allowed(s.From + s.Offset)
	return n/room*hour + Margin + n%room - s.Offset
}

// Instants appends n instants inside the spans, ascending: order statistics of the uniform, from the key. Spans without
// room give none.
func Instants(dst []int64, key *[32]byte, n int, spans []Span, avoid bool) []int64 {
	total := uint64(Room(spans, avoid))
	if total == 0 {
		return dst
	}
	start, s := len(dst), stream{key: *key}
	for range n {
		at := int64(s.below(total))
		for _, span := range spans {
			if here := span.room(avoid); at >= here {
				at -= here
				continue
			}
			dst = append(dst, span.at(at, avoid))
			break
		}
	}
	slices.Sort(dst[start:])
	return dst
}

// stream makes numbers of a key: SHA-256(key ‖ u32 block, big-endian), each block four numbers of 8 bytes, big-endian.
type stream struct {
	key   [32]byte
	block uint32
	sum   [32]byte
	left  int
}

func (s *stream) next() uint64 {
	if s.left == 0 {
		var in [36]byte
		copy(in[:], s.key[:])
		binary.BigEndian.PutUint32(in[32:], s.block)
		s.sum = sha256.Sum256(in[:])
		s.block++
		s.left = 4
	}
	s.left--
	return binary.BigEndian.Uint64(s.sum[8*(3-s.left):])
}

// below returns a number under n without bias: multiply, and reject the surplus.
func (s *stream) below(n uint64) uint64 {
	surplus := -n % n
	for {
		if hi, lo := bits.Mul64(s.next(), n); lo >= surplus {
			return hi
		}
	}
}

// Count returns how many of ascending instants are at or before t.
func Count(instants []int64, t int64) int {
	return sort.Search(len(instants), func(i int) bool { return instants[i] > t })
}
