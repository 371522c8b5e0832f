package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// pool makes a pool.
func (x *table) pool(id string, total Quantity, edit ...func(p *PoolPolicy)) *Pool {
	x.Helper()
	c := PutPool{Namespace: 1, ID: id, Total: total, Actor: "op"}
	for _, f := range edit {
		f(&c.Policy)
	}
	if r := x.one(func(b *Batch) { b.AddPool(&c) }); r.Code != problem.OK {
		x.Fatalf("pool %s: %v (%v)", id, r.Code, c.CheckPool())
	}
	p, _ := x.Namespaces()[0].Pool([]byte(id))
	return p
}

func (x *table) holdRequest(owner, key string, items ...Item) *Hold {
	k := x.keys.User([]byte(owner))
	return &Hold{Namespace: 1, Owner: k, OwnerID: []byte(owner), Digest: x.keys.Hold(k, []byte(key)), Ref: []byte("order-" + key), Items: items, Actor: "host"}
}

func (x *table) hold(owner, key string, items ...Item) Result {
	x.Helper()
	return x.one(func(b *Batch) { b.AddHold(x.holdRequest(owner, key, items...)) })
}

func (x *table) take(owner, key string, p *Pool, units Quantity) Result {
	x.Helper()
	k := x.keys.User([]byte(owner))
	return x.one(func(b *Batch) {
		b.AddTake(&Take{Namespace: 1, Pool: p.ref, Units: units, Owner: k, OwnerID: []byte(owner), Digest: x.keys.Take(p.ref, k, []byte(key)), Actor: "host"})
	})
}

// mustHold holds and returns the hold's ref.
func (x *table) mustHold(owner, key string, items ...Item) HoldRef {
	x.Helper()
	r := x.hold(owner, key, items...)
	x.wantCode("hold of "+owner, r, problem.OK)
	k := x.keys.User([]byte(owner))
	return RefOf(r.At, &k)
}

func (x *table) confirm(h HoldRef, items ...Item) Result {
	x.Helper()
	return x.one(func(b *Batch) { b.AddConfirm(&ConfirmHold{Namespace: 1, Hold: h, Items: items, Actor: "host"}) })
}

func (x *table) confirmLate(h HoldRef, items ...Item) Result {
	x.Helper()
	return x.one(func(b *Batch) {
		b.AddConfirm(&ConfirmHold{Namespace: 1, Hold: h, Items: items, Reacquire: true, Actor: "host"})
	})
}

func (x *table) release(h HoldRef) Result {
	x.Helper()
	return x.one(func(b *Batch) { b.AddRelease(&ReleaseHold{Namespace: 1, Hold: h, Actor: "host"}) })
}

func (x *table) extend(h HoldRef, until UnixMilli, ttl int64) Result {
	x.Helper()
	return x.one(func(b *Batch) { b.AddExtend(&ExtendHold{Namespace: 1, Hold: h, Until: until, TTL: ttl, Actor: "host"}) })
}

func (x *table) voidHold(h HoldRef, fault VoidFault) Result {
	x.Helper()
	return x.one(func(b *Batch) {
		b.AddHoldVoid(&VoidHold{Namespace: 1, Hold: h, Fault: fault, Actor: "op", Reason: "r"})
	})
}

func (x *table) voidTake(h HoldRef, fault VoidFault) Result {
	x.Helper()
	return x.one(func(b *Batch) {
		b.AddTakeVoid(&VoidTake{Namespace: 1, Take: h, Fault: fault, Actor: "op", Reason: "r"})
	})
}

// wantStock compares what of a pool is available, held, issued and withdrawn, and checks all invariants.
func (x *table) wantStock(what string, p *Pool, available, held, issued, withdrawn Quantity) {
	x.Helper()
	s := p.Stock()
	if s.Available != available || s.Held != held || s.Issued != issued || s.Withdrawn != withdrawn {
		x.Errorf("%s: %d available, %d held, %d issued, %d withdrawn; want %d, %d, %d, %d", what,
			s.Available, s.Held, s.Issued, s.Withdrawn, available, held, issued, withdrawn)
	}
	if err := x.CheckInvariants(); err != nil {
		x.Errorf("%s: %v", what, err)
	}
}

func (x *table) wait(ms UnixMilli) { x.now += ms }

func (x *table) tick() { x.one(func(b *Batch) { b.AddTick() }) }

func one(p *Pool) Item { return Item{p.ref, 1} }

func units(p *Pool, n Quantity) Item { return Item{p.ref, n} }

func TestHoldConfirmReleaseExpire(t *testing.T) {
	x := newTable(t)
	p := x.pool("sku", 10)
	a, b, c := x.mustHold("a", "1", units(p, 2)), x.mustHold("b", "1", units(p, 3)), x.mustHold("c", "1", units(p, 4))
	x.wantStock("three holds", p, 1, 9, 0, 0)
	r := x.hold("d", "1", units(p, 2))
	x.wantCode("nothing left", r, problem.InsufficientStock)
	if !r.MayReturn || r.Pool != p.ref || r.Records != 1 {
		t.Errorf("a refused hold says %+v", r)
	}
	r = x.confirm(a)
	x.wantCode("confirm", r, problem.OK)
	if r.State != StateConfirmed || r.Value != 2 || r.AlreadyLive {
		t.Errorf("confirm: %+v", r)
	}
	x.wantStock("confirmed", p, 1, 7, 2, 0)
	x.wantCode("release", x.release(b), problem.OK)
	x.wantStock("released", p, 4, 4, 2, 0)
	x.wait(DefaultHoldTTL - 1)
	x.tick()
	x.wantStock("a moment before the deadline", p, 4, 4, 2, 0)
	if v, ok := x.Hold(x.Namespaces()[0], c); !ok || v.State != StateHeld || v.Deadline != start+DefaultHoldTTL || v.Count != 1 || v.Items[0] != units(p, 4) {
		t.Errorf("the hold is %+v", v)
	}
	x.wait(1)
	if due, ok := x.NextDue(); !ok || due != x.now {
		t.Errorf("next due is %d, want %d", due, x.now)
	}
	x.tick()
	x.wantStock("at the deadline", p, 8, 0, 2, 0)
	if v, ok := x.Hold(x.Namespaces()[0], c); !ok || v.State != StateExpired {
		t.Errorf("the hold is %+v", v)
	}
	for what, again := range map[string]struct {
		r     Result
		code  problem.Code
		state HoldState
		live  bool
	}{
		"confirm again":         {x.confirm(a), problem.OK, StateConfirmed, true},
		"release again":         {x.release(b), problem.OK, StateReleased, true},
		"confirm the released":  {x.confirm(b), problem.HoldFinished, StateReleased, false},
		"release the confirmed": {x.release(a), problem.HoldFinished, StateConfirmed, false},
		"confirm the expired":   {x.confirm(c), problem.HoldExpired, StateExpired, false},
		"release the expired":   {x.release(c), problem.HoldFinished, StateExpired, false},
		"extend the expired":    {x.extend(c, 0, 0), problem.HoldExpired, StateExpired, false},
		"extend the confirmed":  {x.extend(a, 0, 0), problem.HoldFinished, StateConfirmed, false},
	} {
		if again.r.Code != again.code || again.r.State != again.state || again.r.AlreadyLive != again.live {
			t.Errorf("%s: %+v", what, again.r)
		}
	}
	x.wantStock("after all that", p, 8, 0, 2, 0)
}

// The rungs of a hold, in the order of the code: each request would also be refused by all that stand behind.
func TestHoldLadder(t *testing.T) {
	x := newTable(t)
	x.one(func(b *Batch) {
		b.AddPolicy(&PutPolicy{Namespace: 1, Policy: &NamespacePolicy{MaxKeys: 24, MaxUsers: 20}})
	})
	never := func(p *PoolPolicy) { p.OpensAt = start + dayMilli }
	p, early := x.pool("p", 1, func(p *PoolPolicy) { p.LimitPerOwner, p.MaxUnconfirmed, p.Cooldown = 1, 1, 1000 }), x.pool("early", 0, never)
	closed := x.pool("closed", 0, func(p *PoolPolicy) { p.ClosesAt = start })
	wide := x.pool("wide", 100)
	spare := x.pool("spare", 100)
	x.unchanged("what no hold can be", func() {
		x.wantCode("no namespace", x.one(func(b *Batch) {
			h := x.holdRequest("u", "k", one(p))
			h.Namespace = 9
			b.AddHold(h)
		}), problem.NamespaceNotFound)
		r := x.hold("u", "k", one(p), Item{99, 1})
		x.wantCode("no pool", r, problem.PoolNotFound)
		if r.Pool != 99 {
			t.Errorf("the unknown pool is %d", r.Pool)
		}
		h := x.holdRequest("u", "k", one(p))
		for _, ttl := range []int64{1, MinHoldTTL - 1, 10*DefaultHoldTTL + 1} {
			h.TTL = ttl
			x.wantCode("a TTL out of bounds", x.one(func(b *Batch) { b.AddHold(h) }), problem.InvalidField)
		}
		// What an edge let through must be an answer: an entry that cannot be applied stops every node for good.
		for what, items := range map[string][]Item{
			"nothing": nil, "no units": {{p.ref, 0}}, "too many units": {{p.ref, MaxHoldUnits + 1}},
			"too many units together": {{p.ref, MaxHoldUnits}, {p.ref, 1}}, "too many of two pools": {{p.ref, MaxHoldUnits}, {wide.ref, MaxHoldUnits}},
		} {
			x.wantCode(what, x.hold("u", "k", items...), problem.InvalidField)
		}
		x.wantCode("a take of too many", x.take("u", "k", p, MaxHoldUnits+1), problem.InvalidField)
	})
	off := func(on bool) {
		x.one(func(b *Batch) {
			b.AddSwitch(&SetSwitch{Namespace: 1, Scope: SwitchScope{Kind: SwitchNamespace}, On: on, Actor: "op"})
		})
	}
	off(false)
	x.unchanged("a hold in a namespace that is off", func() {
		x.wantCode("killed", x.hold("u", "k", one(p), one(early)), problem.Killed)
		x.wantCode("killed", x.take("u", "k", p, 1), problem.Killed)
	})
	off(true)
	refused := func(what string, r Result, code problem.Code, pool *Pool, rule HoldCap) {
		t.Helper()
		if r.Code != code || r.Pool != pool.ref || HoldCap(r.Cap) != rule {
			t.Errorf("%s: %+v", what, r)
		}
		rec := x.records(r)[0]
		first, ok := rec.HoldRefusal()
		if !ok || first.Code != r.Code || first.Cap != r.Cap || first.Pool != r.Pool || first.Used != r.Used || first.Limit != r.Limit ||
			first.ResetsAt != r.ResetsAt || first.MayReturn != r.MayReturn || first.Now != r.Now {
			t.Errorf("%s: the record says %+v, the answer %+v", what, first, r)
		}
	}
	r := x.hold("u", "early", units(p, 2), units(early, 1), units(closed, 1))
	refused("not open yet", r, problem.NotStarted, early, 0)
	if r.ResetsAt != start+dayMilli || r.Now != x.now {
		t.Errorf("not open yet: %+v", r)
	}
	refused("closed", x.hold("u", "closed", units(p, 2), units(closed, 1), units(early, 1)), problem.Ended, closed, 0)
	var held [MaxOpenHolds]HoldRef
	for i := range held {
		held[i] = x.mustHold("u", userName(i), one(wide))
	}
	refused("open holds", x.hold("u", "open", units(p, 2)), problem.Capped, p, HoldCapOpen)
	x.wantCode("a take is no open hold", x.take("u", "open", wide, 1), problem.OK)
	x.wantCode("release", x.release(held[0]), problem.OK)
	h := x.holdRequest("u", "short", one(p))
	h.TTL = 1000
	x.wantCode("the only unit", x.one(func(b *Batch) { b.AddHold(h) }), problem.OK)
	x.wantCode("release", x.release(held[3]), problem.OK)
	x.wait(1000)
	r = x.hold("u", "cool", units(p, 2))
	refused("cooldown", r, problem.Capped, p, HoldCapCooldown)
	if r.ResetsAt != x.now+1000 {
		t.Errorf("the cooldown ends at %d, want %d", r.ResetsAt, x.now+1000)
	}
	x.wait(1000)
	refused("unconfirmed", x.hold("u", "again", units(p, 2)), problem.Capped, p, HoldCapUnconfirmed)
	r = x.hold("v", "1", units(p, 2))
	refused("limit", r, problem.Capped, p, HoldCapLimit)
	if r.Used != 0 || r.Limit != 1 {
		t.Errorf("limit: %+v", r)
	}
	x.unchanged("a hold for which there are no keys left", func() { // 1 taken, 16 held, 1 short, 7 refused of 24
		x.wantCode("capacity", x.hold("w", "1", units(spare, 1000)), problem.Capacity)
	})
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}
