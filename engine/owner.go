package engine

import (
	"encoding/binary"

	"github.com/drawd/drawd/engine/internal/pages"
)

// ownerView is an owner's row and the holds on his chain, newest first: those that are open, and those that have expired
// since somebody wrote it. His shard is locked.
type ownerView struct {
	n     *Namespace
	owner Key // its first subjectKeyBytes
	part  *pages.Table
	row   pages.Row
	data  []byte // nil: there is no row
	chain [MaxOpenHolds]chainedHold
	count int
	// opened counts the rows of accounts that keep added, until somebody sets it back.
	opened uint64
}

type chainedHold struct {
	at   Location
	part *pages.Table
	row  pages.Row
	data holdRow
}

// load looks an owner up.
func (v *ownerView) load(n *Namespace, owner *Key) {
	v.n, v.count, v.data = n, 0, nil
	v.owner = Key{}
	copy(v.owner[:subjectKeyBytes], owner[:])
	v.part = n.stock.owners.parts[n.world.shardOf(owner)]
	row, ok := v.part.Find((*pages.Key)(&v.owner))
	if !ok {
		return
	}
	v.row, v.data = row, v.part.Payload(row)
	for at := getLocation(v.data[ownerHeadAt:]); !at.IsZero() && v.count < MaxOpenHolds; v.count++ {
		c := &v.chain[v.count]
		part, row, ok := n.findHold(RefOf(at, owner))
		if !ok {
			break // so old that its day is gone: what comes behind is older still
		}
		*c = chainedHold{at, part, row, part.Payload(row)}
		at = c.data.next()
	}
}

// create makes a row for an owner without one.
func (v *ownerView) create() {
	if v.data == nil {
		v.row = v.part.Insert((*pages.Key)(&v.owner))
		v.data = v.part.Payload(v.row)
	}
	v.part.Change(v.row)
}

// open returns how many holds are open at a time.
func (v *ownerView) open(now UnixMilli) (n int) {
	for i := range v.count {
		if v.chain[i].data.open(now) {
			n++
		}
	}
	return n
}

// use returns what the owner has of a pool at a time.
func (v *ownerView) use(p *Pool, now UnixMilli) OwnerUse { return v.useOf(p, v.account(p.ref), now) }

// useOf is use of a pool where his account is a.
func (v *ownerView) useOf(p *Pool, a ownerAccount, now UnixMilli) (u OwnerUse) {
	cool, open := a.cool, uint16(0)
	cooldown := secondsUp(p.terms.Load().Cooldown)
	for i := range v.count {
		row := v.chain[i].data
		units := row.unitsOf(p.ref)
		switch {
		case units == 0 || row.state() != StateHeld:
		case row.open(now):
			u.Held += units
			open++
		case cooldown > 0:
			cool = max(cool, row.deadline()+cooldown)
		}
	}
	u.Issued = Quantity(a.issued)
	u.Unconfirmed = a.made - min(open, a.made)
	if until := UnixMilli(cool) * 1000; until > now {
		u.CooldownUntil = until
	}
	return u
}

// account returns the owner's account in a pool.
func (v *ownerView) account(p PoolRef) ownerAccount {
	a, _ := v.look(p)
	return a
}

// look is account; known says that there is one.
func (v *ownerView) look(p PoolRef) (a ownerAccount, known bool) {
	if v.data == nil {
		return a, false
	}
	if v.inline(p) {
		return getAccount(v.data[ownerAccountAt:]), true
	}
	part, k := v.accountRow(p)
	if row, ok := part.Find((*pages.Key)(&k)); ok {
		return getAccount(part.Payload(row)), true
	}
	return a, false
}

// empty reports whether no account stands in the owner's row yet: the first one needs none of its own.
func (v *ownerView) empty() bool { return v.data == nil || v.inline(0) }

// keep writes the owner's account in a pool. create was called.
func (v *ownerView) keep(p PoolRef, a ownerAccount) {
	if binary.LittleEndian.Uint16(v.data[ownerPoolAt:]) == 0 {
		binary.LittleEndian.PutUint16(v.data[ownerPoolAt:], uint16(p))
	}
	if v.inline(p) {
		a.put(v.data[ownerAccountAt:])
		return
	}
	part, k := v.accountRow(p)
	row, ok := part.Find((*pages.Key)(&k))
	if !ok {
		row = part.Insert((*pages.Key)(&k))
		v.opened++
	}
	a.put(part.Mutable(row))
}

// inline reports whether the owner's account in a pool stands in his row.
func (v *ownerView) inline(p PoolRef) bool {
	return binary.LittleEndian.Uint16(v.data[ownerPoolAt:]) == uint16(p)
}

func (v *ownerView) accountRow(p PoolRef) (*pages.Table, Key) {
	k := v.n.keyer.account(&v.owner, p)
	return v.n.stock.accounts.parts[v.n.world.shardOf(&k)], k
}

// trim takes off the chain what is not open at a time any more, and the hold at drop. Who let a hold expire cools down.
// create was called.
func (v *ownerView) trim(now UnixMilli, drop Location) {
	kept := 0
	for i := range v.count {
		c := v.chain[i]
		if c.at != drop && c.data.open(now) {
			v.chain[kept] = c
			kept++
			continue
		}
		if c.data.state() == StateHeld && !c.data.open(now) {
			v.coolDown(c.data)
		}
	}
	if kept == v.count {
		return
	}
	v.count = kept
	next := Location{}
	for i := kept - 1; i >= 0; i-- {
		c := &v.chain[i]
		if c.data.next() != next {
			c.part.Change(c.row)
			c.data.setNext(next)
		}
		next = c.at
	}
	putLocation(v.data[ownerHeadAt:], next)
}

// coolDown lets an owner cool down for a hold of his that has expired.
func (v *ownerView) coolDown(row holdRow) {
	for i := range row.count() {
		p := v.n.pool(row.item(i).pool)
		cooldown := secondsUp(p.terms.Load().Cooldown)
		if cooldown == 0 {
			continue
		}
		if a := v.account(p.ref); a.cool < row.deadline()+cooldown {
			a.cool = row.deadline() + cooldown
			v.keep(p.ref, a)
		}
	}
}

// push puts a hold at the head of the chain, which has room. create was called.
func (v *ownerView) push(at Location, row holdRow) {
	row.setNext(getLocation(v.data[ownerHeadAt:]))
	putLocation(v.data[ownerHeadAt:], at)
}

// unitsOf returns the units of a pool in a row.
func (r holdRow) unitsOf(p PoolRef) Quantity {
	for i := range r.count() {
		if x := r.item(i); x.pool == p {
			return x.units
		}
	}
	return 0
}

// secondsUp returns an interval in whole seconds, rounded up.
func secondsUp(ms int64) uint32 { return uint32((ms + 999) / 1000) }
