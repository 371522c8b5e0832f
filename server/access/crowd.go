package access

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// crowdSlots is the length of each of a Crowd's two rows: half a megabyte a row.
const crowdSlots = 1 << 16

// Crowd bounds the requests of each of very many askers on one node, in memory that does not grow: each asker has a place
// in two rows, by a hash that nobody outside can foresee, and is refused only when both are used up. So one who shares a
// place with somebody loud still has the other. With 50,000 askers a second, of whom each asks once, fewer than one in
// 100,000 would be refused for the sake of others.
//
// It may be used by any number of goroutines, and allocates nothing.
type Crowd struct {
	interval, window int64 // as in a limiter
	seed             maphash.Seed
	rows             [2][crowdSlots]atomic.Int64
}

// NewCrowd returns a Crowd with a rate for each asker; nil, which bounds nobody, for the zero Rate.
func NewCrowd(r Rate) *Crowd {
	if r.PerSecond == 0 {
		return nil
	}
	l := newLimiter(r)
	return &Crowd{interval: l.interval, window: l.window, seed: maphash.MakeSeed()}
}

// TakeAddress lets one request from an address through, or says after how many seconds to come back, 1 to 60. IPv6
// counts by /64, and IPv4 in IPv6 as IPv4.
func (c *Crowd) TakeAddress(a netip.Addr, now time.Time) (retryAfter int) {
	if c == nil {
		return 0
	}
	if a = a.Unmap(); a.Is6() {
		b := a.As16()
		clear(b[8:])
		return c.take(maphash.Comparable(c.seed, b), now)
	}
	return c.take(maphash.Comparable(c.seed, a.WithZone("")), now)
}

// TakeUser is TakeAddress for a user of a namespace.
func (c *Crowd) TakeUser(namespace string, user []byte, now time.Time) (retryAfter int) {
	if c == nil {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(c.seed)
	h.WriteString(namespace)
	h.WriteByte(0) // never in a namespace's name
	h.Write(user)
	return c.take(h.Sum64(), now)
}

func (c *Crowd) take(hash uint64, now time.Time) (after int) {
	at := now.UnixNano()
	first, ok := take(&c.rows[0][hash%crowdSlots], at, c.interval, c.window)
	second, also := take(&c.rows[1][hash>>32%crowdSlots], at, c.interval, c.window)
	if ok || also {
		return 0
	}
	return retryAfter(min(first, second))
}
