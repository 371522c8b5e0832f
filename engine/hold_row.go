package engine

import "encoding/binary"

// A row of a hold or take, little-endian. Seconds are of log time since 1970.
//
//	0  u8   bits 0–2 state; holdTaken, holdPart; bits 5–6 the fault of a void; holdForfeit
//	1  u8   number of items
//	2  u32  deadline, seconds; of what is resolved: when that was
//	6  u32  latest deadline that it can be extended to
//	10 u32  hash of the host's reference, 0 for none
//	14 7 B  the owner's open hold before this one, zero for none
//	21 12 B the owner's key
//	33 …    items, ascending by pool: u16 pool, u32 units, u16 seconds by which their return is put off
const (
	holdStateAt    = 0
	holdCountAt    = 1
	holdDeadlineAt = 2
	holdLatestAt   = 6
	holdHashAt     = 10
	holdNextAt     = 14
	holdOwnerAt    = holdNextAt + locationBytes
	holdItemsAt    = holdOwnerAt + subjectKeyBytes
	holdItemBytes  = 8

	holdStateMask  = 7
	holdTaken      = 1 << 3
	holdPart       = 1 << 4
	holdFaultShift = 5
	holdFaultMask  = 3
	holdForfeit    = 1 << 7 // units that nobody confirms in time are expired
)

func holdRowBytes(items int) int { return holdItemsAt + items*holdItemBytes }

type holdRow []byte

// heldItem is an item in a row.
type heldItem struct {
	pool  PoolRef
	units Quantity
	back  uint32 // seconds by which the return is put off
}

func (r holdRow) state() HoldState { return HoldState(r[holdStateAt] & holdStateMask) }
func (r holdRow) taken() bool      { return r[holdStateAt]&holdTaken != 0 }
func (r holdRow) part() bool       { return r[holdStateAt]&holdPart != 0 }
func (r holdRow) fault() VoidFault {
	return VoidFault(r[holdStateAt] >> holdFaultShift & holdFaultMask)
}
func (r holdRow) forfeit() bool        { return r[holdStateAt]&holdForfeit != 0 }
func (r holdRow) count() int           { return int(r[holdCountAt]) }
func (r holdRow) deadline() uint32     { return binary.LittleEndian.Uint32(r[holdDeadlineAt:]) }
func (r holdRow) latest() uint32       { return binary.LittleEndian.Uint32(r[holdLatestAt:]) }
func (r holdRow) hash() uint32         { return binary.LittleEndian.Uint32(r[holdHashAt:]) }
func (r holdRow) next() Location       { return getLocation(r[holdNextAt:]) }
func (r holdRow) setState(s byte)      { r[holdStateAt] = s }
func (r holdRow) setDeadline(s uint32) { binary.LittleEndian.PutUint32(r[holdDeadlineAt:], s) }
func (r holdRow) setNext(l Location)   { putLocation(r[holdNextAt:], l) }

// owner returns the owner's key as far as it is kept: enough to find his rows.
func (r holdRow) owner() (k Key) {
	copy(k[:], r[holdOwnerAt:holdItemsAt])
	return k
}

func (r holdRow) item(i int) heldItem {
	b := r[holdItemsAt+i*holdItemBytes:]
	return heldItem{PoolRef(binary.LittleEndian.Uint16(b)), Quantity(binary.LittleEndian.Uint32(b[2:])), uint32(binary.LittleEndian.Uint16(b[6:]))}
}

func (r holdRow) setItem(i int, x heldItem) {
	b := r[holdItemsAt+i*holdItemBytes:]
	binary.LittleEndian.PutUint16(b, uint16(x.pool))
	binary.LittleEndian.PutUint32(b[2:], uint32(x.units))
	binary.LittleEndian.PutUint16(b[6:], uint16(x.back))
}

// open reports whether the hold is held at a time: one whose deadline has passed has expired, whatever its row says.
func (r holdRow) open(now UnixMilli) bool {
	return r.state() == StateHeld && now < UnixMilli(r.deadline())*1000
}

// sound reports whether a row read from disk is one that can be.
func (r holdRow) sound(items int) bool {
	n := r.count()
	return n >= 1 && n <= items && r.state() >= StateHeld && r.state() < holdStates && r.state() != StateExpired
}

// holdKeyBytes of a hold's key are stored: ten bits of its home and a permutation of its place, 62 bits wide.
const holdKeyBytes = 9

// The permutation: odd factors, and shifts that leave the upper half of the bits.
const (
	placeBits    = 62
	placeMask    = 1<<placeBits - 1
	placeFactor  = 0x1E3779B97F4A7C15
	placeFactor2 = 0x3F58476D1CE4E5B9 & placeMask
)

// key returns the key of the row of a hold.
func (h HoldRef) key() (k Key) {
	x := uint64(h.At.Index)<<16 | uint64(h.At.Ordinal)
	x ^= x >> 31
	x = x * placeFactor & placeMask
	x ^= x >> 31
	x = x * placeFactor2 & placeMask
	x ^= x >> 31
	k[0], k[1] = byte(h.Home>>2), byte(h.Home<<6)|byte(x>>56)
	for i := range 7 {
		k[2+i] = byte(x >> (48 - 8*i))
	}
	return k
}

// refOf is the inverse of key.
func refOf(k *Key) (h HoldRef) {
	h.Home = uint16(k[0])<<2 | uint16(k[1])>>6
	x := uint64(k[1] & 0x3F)
	for i := range 7 {
		x = x<<8 | uint64(k[2+i])
	}
	x ^= x >> 31
	x = x * inverse(placeFactor2) & placeMask
	x ^= x >> 31
	x = x * inverse(placeFactor) & placeMask
	x ^= x >> 31
	h.At = Location{LogIndex(x >> 16), uint16(x)}
	return h
}

// inverse returns the inverse of an odd number modulo 2^64, by Newton's iteration.
func inverse(a uint64) uint64 {
	x := a // right in the last three bits
	for range 5 {
		x *= 2 - a*x
	}
	return x
}

// homeKey returns a key in the shard of a home.
func (h HoldRef) homeKey() (k Key) {
	k[0], k[1] = byte(h.Home>>2), byte(h.Home<<6)
	return k
}

// A row of an owner: 7 B the newest of the holds on his chain, u16 the pool that he came to first, his account there. The
// chain runs from the newest to the oldest; what has expired is taken off when somebody writes it.
const (
	ownerHeadAt    = 0
	ownerPoolAt    = ownerHeadAt + locationBytes
	ownerAccountAt = ownerPoolAt + 2
	ownerRowBytes  = ownerAccountAt + accountBytes
)

// An account is what an owner has of a pool: u32 units issued, u16 holds that were made and not confirmed, u32 the second
// until which he cools down. What he holds is on his chain.
const accountBytes = 4 + 2 + 4

type ownerAccount struct {
	issued uint32
	made   uint16 // holds not confirmed, those that are open included; stays at its maximum
	cool   uint32
}

func getAccount(b []byte) ownerAccount {
	return ownerAccount{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint32(b[6:])}
}

func (a ownerAccount) put(b []byte) {
	binary.LittleEndian.PutUint32(b, a.issued)
	binary.LittleEndian.PutUint16(b[4:], a.made)
	binary.LittleEndian.PutUint32(b[6:], a.cool)
}

// maxMade is where an account stops to count.
const maxMade = 1<<16 - 1

// A row of a key: where the record of the first answer stands, the fingerprint of the request, the code of the answer.
const holdKeyRowBytes = keyRowBytes + 1
