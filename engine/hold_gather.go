package engine

import (
	"encoding/binary"
	"slices"

	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/mutant"
	"github.com/zeebo/xxh3"
)

// fingerprint tells requests under one key apart: what they ask for.
func (x *stocking) fingerprint(c *Hold) uint32 {
	b := x.section[:0]
	for _, item := range c.Items {
		b = binary.LittleEndian.AppendUint32(b, uint32(item.Pool))
		b = binary.LittleEndian.AppendUint32(b, uint32(item.Units))
	}
	x.section = b
	return uint32(xxh3.Hash(b))
}

// knownHold answers a hold or take whose key is known.
func (t *tx) knownHold(x *stocking, c *Hold, print uint32) bool {
	k, code, known := x.n.findHoldKey(&c.Digest)
	if !known {
		return false
	}
	switch {
	case k.fingerprint != print:
		t.result = refuse(problem.IdempotencyMismatch)
	default:
		t.result = Result{Code: code, Replayed: true, At: k.at}
	}
	return true
}

// findHoldKey looks the key of a hold or take up. Its shard is locked.
func (n *Namespace) findHoldKey(digest *Key) (k keyRow, code problem.Code, known bool) {
	if mutant.On(mutant.HoldKeyInProcess) {
		digest = (*Key)(mutant.Scoped((*[16]byte)(digest)))
	}
	days := n.stockDays()
	for i := len(days) - 1; i >= 0; i-- {
		if days[i].keys == nil {
			break
		}
		part := days[i].keys.parts[n.world.shardOf(digest)]
		if row, ok := part.Find((*pages.Key)(digest)); ok {
			b := part.Payload(row)
			return getKeyRow(b), problem.Code(b[keyRowBytes]), true
		}
	}
	return k, problem.OK, false
}

// gather finds the pools of a request and adds its demand up by pool. It returns a pool that there is not.
func (x *stocking) gather(items []Item) (bad PoolRef) {
	x.count, x.order = 0, x.orders[:0]
	for _, item := range items {
		p := x.n.pool(item.Pool)
		if p == nil {
			return max(item.Pool, 1)
		}
		at := 0
		for at < x.count && x.items[at].pool < item.Pool {
			at++
		}
		if at < x.count && x.items[at].pool == item.Pool {
			x.items[at].units += item.Units
			continue
		}
		copy(x.items[at+1:], x.items[at:x.count])
		copy(x.pools[at+1:], x.pools[at:x.count])
		x.items[at], x.pools[at] = heldItem{pool: item.Pool, units: item.Units}, p
		x.count++
	}
	for _, item := range items {
		at := uint8(slices.IndexFunc(x.items[:x.count], func(h heldItem) bool { return h.pool == item.Pool }))
		if !slices.Contains(x.order, at) {
			x.order = append(x.order, at)
		}
	}
	return 0
}

// lasts reports whether a hold may last so long.
func (x *stocking) lasts(ttl int64) bool {
	if ttl == 0 {
		return true
	}
	for _, p := range x.pools[:x.count] {
		if ttl > p.terms.Load().longest() {
			return false
		}
	}
	return ttl >= MinHoldTTL
}

// times returns the deadline of a hold made now, and how far it can be extended, in seconds.
func (x *stocking) times(now UnixMilli, ttl int64) (deadline, latest uint32) {
	shortest, longest := int64(MaxHoldLife), int64(MaxHoldLife)
	for _, p := range x.pools[:x.count] {
		terms := p.terms.Load()
		shortest, longest = min(shortest, terms.ttl()), min(longest, terms.longest())
	}
	if ttl == 0 {
		ttl = min(shortest, longest)
	}
	now = min(now, maxLotTime)
	return secondUp(now + UnixMilli(ttl)), secondUp(now + UnixMilli(longest))
}

// secondUp returns a time in whole seconds, rounded up.
func secondUp(t UnixMilli) uint32 { return secondOf(min(t, maxLotTime) + 999) }

// lock takes the pools' locks, ascending.
func (x *stocking) lock() {
	for _, p := range x.pools[:x.count] {
		p.mu.Lock()
	}
	x.locked = true
}

// unlock lets them go, if that was not done yet.
func (x *stocking) unlock() {
	if !x.locked {
		return
	}
	x.locked = false
	for _, p := range x.pools[:x.count] {
		p.mu.Unlock()
	}
}

func (x *stocking) rememberHold(digest *Key, k keyRow, code problem.Code) {
	if mutant.On(mutant.HoldKeyInProcess) {
		digest = (*Key)(mutant.Scoped((*[16]byte)(digest)))
	}
	days := x.n.stockDays()
	part := days[len(days)-1].keys.parts[x.n.world.shardOf(digest)]
	row := part.Mutable(part.Insert((*pages.Key)(digest)))
	k.put(row)
	row[keyRowBytes] = byte(code)
}

// newRow adds the row of a hold or take: narrow for one item, wide for several.
func (x *stocking) newRow(h HoldRef) holdRow {
	days, k := x.n.stockDays(), h.key()
	table := days[len(days)-1].narrow
	if x.count > 1 {
		table = days[len(days)-1].wide
	}
	part := table.parts[x.n.world.shardOf(&k)]
	return part.Mutable(part.Insert((*pages.Key)(&k)))
}

// putOff returns by how many seconds the return of a hold's units is put off. It depends on the hold's key, so nobody can
// choose it, and every replica finds the same.
func (p *Pool) putOff(digest *Key) uint32 {
	jitter := uint64(secondsUp(p.terms.Load().ReturnJitter))
	if jitter == 0 {
		return 0
	}
	mix := (binary.LittleEndian.Uint64(digest[8:]) ^ uint64(p.ref)) * 0x9E3779B97F4A7C15
	return uint32((mix >> 32) % (jitter + 1))
}

// hashOfRef returns the hash of a host's reference, 0 for none.
func hashOfRef(ref []byte) uint32 {
	if len(ref) == 0 {
		return 0
	}
	return max(uint32(xxh3.Hash(ref)), 1)
}
