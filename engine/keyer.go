package engine

import (
	"encoding/binary"
	"net/netip"

	"github.com/dchest/siphash"
)

// Keyer derives the 128-bit keys of one namespace: SipHash-2-4-128 under the namespace's secret. Keyed, so that chosen
// ids can neither flood a shard nor collide; 128 bits, so that the key can stand for the id in tables, words and
// receipts. A Keyer is a value and safe to copy.
type Keyer struct{ k0, k1 uint64 }

func newKeyer(secret [16]byte) Keyer {
	return Keyer{binary.LittleEndian.Uint64(secret[:8]), binary.LittleEndian.Uint64(secret[8:])}
}

// Domains of the keyed hash: its first byte. Numbers are part of every key, so they are append-only.
const (
	domainUser   = 1
	domainDevice = 2
	domainIP     = 3
	// domainAttribute is of a value that caps count by, domainAttributes of all that was known of a draw.
	domainAttribute  = 4
	domainAttributes = 5
	domainAccount    = 6  // of an owner in a pool
	domainDigest     = 16 // + DigestOp
)

// DigestOp separates idempotency keys of different operations.
type DigestOp uint8

// The operations that remember keys.
const (
	DigestDraw DigestOp = 1 + iota
	DigestAdjust
	DigestGrant // in its scope: source, event and purse; see grant
	DigestAward // the key is the ticket
	DigestHit   // of the cap with the number
	DigestHelp  // of the helper
	DigestMove  // of an award: the key is the draw's seq
)

// Of pools.
const (
	DigestPoolAdjust DigestOp = 40 + iota
	DigestTake
	DigestHold
)

// User returns the subject key of a user.
func (k Keyer) User(id []byte) Key { return k.subject(domainUser, id) }

// Device returns the subject key of a device.
func (k Keyer) Device(id []byte) Key { return k.subject(domainDevice, id) }

// IP returns the subject key of a client address: IPv4-mapped addresses are folded, IPv6 counts by /64.
func (k Keyer) IP(addr netip.Addr) Key {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		a := addr.As4()
		return k.subject(domainIP, a[:])
	}
	a := addr.As16()
	return k.subject(domainIP, a[:8])
}

// Attribute returns the subject key of a value of an attribute: what caps count by. The same value of another type is
// another subject.
func (k Keyer) Attribute(name string, v *Value) Key {
	var buf [2 + MaxAttributeBytes + 1 + 8 + MaxAttributeText]byte
	b := append(buf[:0], domainAttribute, byte(len(name)))
	b = append(append(b, name...), byte(v.Type))
	b = binary.LittleEndian.AppendUint64(b, uint64(v.Int))
	return k.sum(append(b, v.Text...))
}

// Attributes returns the digest of what was known of a draw when a was asked: for its stamp and its record.
func (k Keyer) Attributes(a *Audience, values *Values) uint64 {
	var buf [512]byte
	sum := k.sum(a.appendValues(append(buf[:0], domainAttributes), values))
	return binary.LittleEndian.Uint64(sum[:])
}

func (k Keyer) subject(domain byte, id []byte) Key {
	var buf [1 + MaxUserBytes]byte
	buf[0] = domain
	n := copy(buf[1:], id)
	return k.sum(buf[:1+n])
}

// Digest hashes an idempotency key in its scope: operation, campaign, and the user or actor. Its first ten bits are the
// subject's, so that the key's row lives in the subject's shard and one lock covers both.
func (k Keyer) Digest(op DigestOp, c CampaignRef, subject Key, key []byte) Key {
	var buf [1 + 4 + 16 + MaxIdempotencyKeyBytes]byte
	buf[0] = domainDigest + byte(op)
	binary.LittleEndian.PutUint32(buf[1:], uint32(c))
	copy(buf[5:], subject[:])
	n := copy(buf[21:], key)
	d := k.sum(buf[:21+n])
	d[0] = subject[0]
	d[1] = subject[1]&0xC0 | d[1]&0x3F
	return d
}

// PoolAdjust hashes the key of a change of a pool's total in its scope: pool and actor.
func (k Keyer) PoolAdjust(p PoolRef, actor string, key []byte) Key {
	return k.Digest(DigestPoolAdjust, CampaignRef(p), k.User([]byte(actor)), key)
}

// Take hashes the key of a take in its scope: pool and owner.
func (k Keyer) Take(p PoolRef, owner Key, key []byte) Key {
	return k.Digest(DigestTake, CampaignRef(p), owner, key)
}

// Hold hashes the key of a hold in its scope: the owner, as a hold may be of several pools.
func (k Keyer) Hold(owner Key, key []byte) Key { return k.Digest(DigestHold, 0, owner, key) }

// account returns the key of an owner's account in a pool. Its first ten bits are the owner's.
func (k Keyer) account(owner *Key, p PoolRef) Key {
	var buf [1 + subjectKeyBytes + 4]byte
	buf[0] = domainAccount
	copy(buf[1:], owner[:subjectKeyBytes])
	binary.LittleEndian.PutUint32(buf[1+subjectKeyBytes:], uint32(p))
	d := k.sum(buf[:])
	d[0] = owner[0]
	d[1] = owner[1]&0xC0 | d[1]&0x3F
	return d
}

// grant hashes what a grant is known by: campaign or purse, user, source and event. Its first ten bits are the user's.
func (k Keyer) grant(c CampaignRef, purse string, user *Key, source, event string) Key {
	var buf [1 + 4 + 16 + 2 + MaxIDBytes + MaxEventBytes + MaxIDBytes]byte
	b := append(buf[:0], domainDigest+byte(DigestGrant))
	b = binary.LittleEndian.AppendUint32(b, uint32(c))
	b = append(b, user[:]...)
	b = append(append(b, byte(len(source))), source...)
	b = append(append(b, byte(len(event))), event...)
	d := k.sum(append(b, purse...))
	d[0] = user[0]
	d[1] = user[1]&0xC0 | d[1]&0x3F
	return d
}

func (k Keyer) sum(b []byte) (out Key) {
	lo, hi := siphash.Hash128(k.k0, k.k1, b)
	binary.LittleEndian.PutUint64(out[:8], lo)
	binary.LittleEndian.PutUint64(out[8:], hi)
	return out
}
