package drawtest

import (
	"fmt"
	"slices"

	"github.com/drawd/drawd/engine"
)

// order makes a command on pools and holds: few units, few owners, short holds, and the same again.
func (w *world) order() Command {
	s := &Stock{}
	switch n := w.rng.IntN(100); {
	case len(w.ref.pools) < 3 && (len(w.ref.pools) == 0 || n < 20) || n < 5:
		s.Pool = w.pool()
	case n < 11:
		p := w.ref.pools[w.rng.IntN(len(w.ref.pools))]
		s.Adjust = &engine.AdjustPool{
			Namespace: 1, Pool: p.ref, Delta: engine.Quantity(w.rng.IntN(8) - 3), Digest: hashed("restock", p.ref, w.rng.IntN(150)),
			Machine: w.chance(20), Actor: "op", Reason: "more",
		}
		if s.Adjust.Delta == 0 {
			s.Adjust.Delta = 4
		}
		if w.chance(2) {
			s.Adjust.Pool = 99
		}
	case n < 55 || len(w.ordered) == 0:
		w.reserving(s)
	default:
		w.settle(s)
	}
	return Command{Stock: s}
}

// pool makes a pool, or another policy for one.
func (w *world) pool() *engine.PutPool {
	n := w.rng.IntN(3)
	c := &engine.PutPool{Namespace: 1, ID: fmt.Sprint("pool", n), Expect: engine.AnyRevision, Total: engine.Quantity(2 + w.rng.IntN(30)*(1+w.rng.IntN(6))), Actor: "op", Reason: "why"}
	p := &c.Policy
	p.HoldTTL = int64([]engine.UnixMilli{0, 1500, 20 * second, 5 * minute}[w.rng.IntN(4)])
	p.LimitPerOwner = engine.Quantity(w.rng.IntN(3) * w.rng.IntN(8))
	p.LowStock = engine.Quantity(w.rng.IntN(5))
	p.Restock = []engine.Restock{engine.RestockOne, engine.RestockMachine}[w.rng.IntN(2)]
	if n == 1 {
		p.ReturnJitter = int64(5500 * (1 + w.rng.IntN(4)))
	}
	if n == 2 {
		p.Cooldown = 45_300 // what an owner cools down by is his pool's for good: a policy that changes it in between is not compared
	}
	if w.chance(12) {
		p.MaxUnconfirmed = uint16(1 + w.rng.IntN(12))
	}
	if w.chance(30) {
		ttl, _ := lasts(p)
		p.MaxHold = ttl + int64(w.rng.IntN(90))*1000
	}
	if w.chance(15) {
		p.OpensAt = w.now + engine.UnixMilli(w.rng.Int64N(int64(hour))) - 30*minute
	}
	if w.chance(15) {
		p.ClosesAt = max(w.now, p.OpensAt) + engine.UnixMilli(w.rng.Int64N(int64(w.span()))) + 1
	}
	for _, known := range w.ref.pools {
		if known.id != c.ID {
			continue
		}
		c.Total = engine.StockUnstated
		if w.chance(10) {
			c.Total = known.total + engine.Quantity(w.rng.IntN(2))
		}
		if w.chance(20) {
			c.Expect = known.revision + uint64(w.rng.IntN(2))
		}
		if w.chance(15) {
			*p = known.policy // the same again
		}
	}
	return c
}

// reserving holds or takes units, mostly under a new key.
func (w *world) reserving(s *Stock) {
	if len(w.ordered) > 0 && w.chance(20) {
		again := w.ordered[w.rng.IntN(len(w.ordered))]
		s.Hold, s.Take = again.Hold, again.Take
		if h := s.Hold; h != nil && w.chance(15) {
			other := *h
			other.Items = append(slices.Clip(h.Items), engine.Item{Pool: 1, Units: 1})[:min(8, len(h.Items)+1)]
			s.Hold = &other
		}
		return
	}
	w.fresh++
	id := fmt.Sprint("u", w.rng.IntN(5))
	owner := w.user(id)
	unit := func() engine.Item {
		it := engine.Item{Pool: engine.PoolRef(1 + w.rng.IntN(max(1, len(w.ref.pools)))), Units: 1 + engine.Quantity(w.rng.IntN(3))}
		if w.chance(1) {
			it.Pool = 77
		}
		return it
	}
	ref := []byte(nil)
	if w.chance(30) {
		ref = fmt.Append(nil, "order", w.rng.IntN(20))
	}
	if w.chance(15) {
		it := unit()
		s.Take = &engine.Take{Namespace: 1, Pool: it.Pool, Units: it.Units, Owner: owner, OwnerID: []byte(id), Digest: digestOf("take", owner, w.fresh), Ref: ref, Actor: "shop"}
	} else {
		h := &engine.Hold{Namespace: 1, Owner: owner, OwnerID: []byte(id), Digest: digestOf("hold", owner, w.fresh), Ref: ref, Actor: "shop"}
		for range 1 + w.rng.IntN(3)*w.rng.IntN(3) {
			h.Items = append(h.Items, unit())
		}
		if w.chance(35) {
			h.TTL = int64(800 + w.rng.IntN(40_000))
		}
		s.Hold = h
	}
	w.ordered = append(w.ordered, s)
}

// span is a time, short or long.
func (w *world) span() engine.UnixMilli {
	return []engine.UnixMilli{minute, hour, 20 * day}[w.rng.IntN(3)]
}

// settle resolves a hold, mostly one of the last.
func (w *world) settle(s *Stock) {
	at := len(w.ordered) - 1 - w.rng.IntN(min(len(w.ordered), 14))
	if w.chance(15) {
		at = w.rng.IntN(len(w.ordered))
	}
	of := w.ordered[at]
	if of.Hold != nil {
		s.Of, s.Owner = of.Hold.Digest, of.Hold.Owner
	} else {
		s.Of, s.Owner = of.Take.Digest, of.Take.Owner
	}
	switch n := w.rng.IntN(100); {
	case n < 50:
		c := &engine.ConfirmHold{Namespace: 1, Reacquire: w.chance(50), Actor: "shop"}
		if of.Hold != nil && w.chance(30) {
			for _, it := range of.Hold.Items {
				if w.chance(60) {
					c.Items = append(c.Items, engine.Item{Pool: it.Pool, Units: engine.Quantity(w.rng.IntN(int(it.Units) + 1))})
				}
			}
			if w.chance(3) {
				c.Items = append(c.Items, engine.Item{Pool: 3, Units: 9})
			}
			c.Items = c.Items[:min(8, len(c.Items))]
		}
		s.Confirm = c
	case n < 65:
		s.Release = &engine.ReleaseHold{Namespace: 1, Actor: "shop", Reason: "changed his mind"}
	case n < 82:
		s.Extend = &engine.ExtendHold{Namespace: 1, Actor: "shop", TTL: int64(w.rng.IntN(3)) * int64(w.rng.IntN(60_000))}
		if w.chance(30) {
			s.Extend.Until = w.now + engine.UnixMilli(w.rng.IntN(90_000))
		}
	default:
		s.Void = &engine.VoidHold{Namespace: 1, Fault: engine.VoidSystem + engine.VoidFault(w.rng.IntN(3)), Actor: "op", Reason: "why"}
		s.OfTake = of.Take != nil && w.chance(90) || w.chance(3)
	}
}

// holdEdge returns when units of some hold come back, or the hold is late for good.
func (w *world) holdEdge() engine.UnixMilli {
	for range 4 {
		h := w.ref.holds[len(w.ref.holds)-1-w.rng.IntN(min(len(w.ref.holds), 20))]
		x := h.items[w.rng.IntN(len(h.items))]
		for i, t := range []engine.UnixMilli{x.until, h.deadline, h.deadline + wholeSeconds(x.pool.policy.Cooldown), h.deadline + 24*hour} {
			if t > w.now && w.chance([]int{70, 70, 70, 5}[i]) {
				return t
			}
		}
	}
	return 0
}
