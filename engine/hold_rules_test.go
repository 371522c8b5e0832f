package engine

import (
	"bytes"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

func (x *table) adjustPool(p *Pool, key string, delta Quantity, edit ...func(c *AdjustPool)) Result {
	x.Helper()
	c := AdjustPool{Namespace: 1, Pool: p.ref, Delta: delta, Actor: "op", Reason: "r"}
	for _, f := range edit {
		f(&c)
	}
	c.Digest = x.keys.PoolAdjust(p.ref, c.Actor, []byte(key))
	return x.one(func(b *Batch) { b.AddPoolAdjust(&c) })
}

func TestHoldKeys(t *testing.T) {
	x := newTable(t)
	p, q := x.pool("p", 5), x.pool("q", 5)
	first := x.hold("u", "k", units(p, 3))
	no := x.hold("v", "k", units(p, 3))
	x.wantCode("refused", no, problem.InsufficientStock)
	took := x.take("u", "k", p, 1)
	x.wantCode("take under the same words: another operation", took, problem.OK)
	x.unchanged("repeated commands", func() {
		again := x.hold("u", "k", units(p, 3))
		if again.Code != problem.OK || !again.Replayed || again.At != first.At {
			t.Errorf("hold again: %+v", again)
		}
		again = x.hold("v", "k", units(p, 3))
		if again.Code != problem.InsufficientStock || !again.Replayed || again.At != no.At {
			t.Errorf("refused hold again: %+v", again)
		}
		again = x.take("u", "k", p, 1)
		if again.Code != problem.OK || !again.Replayed || again.At != took.At {
			t.Errorf("take again: %+v", again)
		}
		x.wantCode("other units", x.hold("u", "k", units(p, 2)), problem.IdempotencyMismatch)
		x.wantCode("another pool", x.hold("u", "k", units(q, 3)), problem.IdempotencyMismatch)
		x.wantCode("other units", x.take("u", "k", p, 2), problem.IdempotencyMismatch)
	})
	x.wait(DefaultHoldTTL)
	x.tick()
	x.wantStock("all is back but what was taken", p, 4, 0, 1, 0)
	if again := x.hold("v", "k", units(p, 3)); again.Code != problem.InsufficientStock || !again.Replayed {
		t.Errorf("a late duplicate of a refused hold: %+v", again)
	}
	x.wantStock("a late duplicate takes nothing", p, 4, 0, 1, 0)
	u := x.keys.User([]byte("u"))
	if at, refused, code := x.FindHoldKey(x.Namespaces()[0], x.keys.Hold(u, []byte("k"))); at != first.At || refused != problem.OK || code != problem.OK {
		t.Errorf("the key says %v, %v, %v", at, refused, code)
	}
	if _, _, code := x.FindHoldKey(x.Namespaces()[0], x.keys.Hold(u, []byte("other"))); code != problem.KeyUnknown {
		t.Errorf("a key that nobody used: %v", code)
	}
}

func TestHoldOfSeveralPools(t *testing.T) {
	x := newTable(t)
	a, b, c := x.pool("a", 5), x.pool("b", 2), x.pool("c", 9)
	h := x.mustHold("u", "1", units(c, 1), units(a, 2), units(c, 3))
	x.wantStock("a", a, 3, 2, 0, 0)
	x.wantStock("c, added up", c, 5, 4, 0, 0)
	r := x.hold("u", "2", units(b, 2), units(a, 2), units(a, 2))
	if r.Code != problem.InsufficientStock || r.Pool != a.ref || !r.MayReturn {
		t.Errorf("demand on one pool adds up: %+v", r)
	}
	x.wantStock("all or nothing", b, 2, 0, 0, 0)
	r = x.hold("u", "3", units(b, 3), units(a, 9))
	if r.Code != problem.InsufficientStock || r.Pool != b.ref || r.MayReturn {
		t.Errorf("the first short pool of the request: %+v", r)
	}
	x.unchanged("confirmations of what is not held", func() {
		x.wantCode("more than held", x.confirm(h, units(a, 3)), problem.InvalidField)
		x.wantCode("more than held, in two parts", x.confirm(h, units(c, 3), units(c, 2)), problem.InvalidField)
		x.wantCode("another pool", x.confirm(h, units(b, 1)), problem.InvalidField)
		x.wantCode("nothing", x.confirm(h, Item{a.ref, 0}), problem.InvalidField)
	})
	r = x.confirm(h, units(c, 3))
	if r.Code != problem.OK || r.Value != 3 {
		t.Errorf("confirm a part: %+v", r)
	}
	rec := x.records(r)[0]
	m, ok := rec.Moves()
	if !ok || rec.Flags != ConfirmedPart || rec.HoldLocation() != h.At || m.Count != 2 || m.Items[0].Units != 0 || m.Items[0].Back != 2 || m.Items[1].Units != 3 || m.Items[1].Back != 1 {
		t.Errorf("the record says %+v", m)
	}
	x.wantStock("a came back", a, 5, 0, 0, 0)
	x.wantStock("a part of c", c, 6, 0, 3, 0)
	if again := x.confirm(h, units(c, 1), units(c, 2)); !again.AlreadyLive || again.Value != 3 {
		t.Errorf("the same part again: %+v", again)
	}
	x.wantCode("all of it", x.confirm(h), problem.HoldFinished)
	x.wantCode("another part", x.confirm(h, units(c, 2)), problem.HoldFinished)
	v, _ := x.Hold(x.Namespaces()[0], h)
	if v.State != StateConfirmed || !v.Part || v.Items[1].Units != 3 {
		t.Errorf("the hold is %+v", v)
	}
}

func TestLateConfirmation(t *testing.T) {
	x := newTable(t)
	p := x.pool("p", 4, func(p *PoolPolicy) { p.LimitPerOwner, p.MaxUnconfirmed = 3, 9 })
	h := x.mustHold("u", "1", units(p, 3))
	x.wait(DefaultHoldTTL)
	x.unchanged("a confirmation at the deadline", func() {
		x.wantCode("at the deadline", x.confirm(h), problem.HoldExpired)
	})
	taken := x.take("v", "1", p, 2)
	x.wantCode("take what came back", taken, problem.OK)
	x.unchanged("a late confirmation without units", func() {
		r := x.confirmLate(h)
		if r.Code != problem.Gone || r.Pool != p.ref {
			t.Errorf("gone: %+v", r)
		}
	})
	r := x.confirmLate(h, units(p, 2))
	x.wantCode("a part is there", r, problem.OK)
	if rec := x.records(r)[0]; rec.Flags != ConfirmedLate|ConfirmedPart {
		t.Errorf("flags %d", rec.Flags)
	}
	x.wantStock("taken again", p, 0, 0, 4, 0)
	if r := x.confirmLate(h, units(p, 2)); !r.AlreadyLive {
		t.Errorf("late and again: %+v", r)
	}
	if use, _ := x.Owner(p, x.keys.User([]byte("u"))); use.Issued != 2 || use.Unconfirmed != 0 || use.Held != 0 {
		t.Errorf("the owner has %+v", use)
	}
	x.wantCode("restock", x.adjustPool(p, "1", 9), problem.OK)
	h = x.mustHold("w", "1", units(p, 2))
	x.wait(DefaultHoldTTL)
	x.wantCode("another hold meanwhile", x.hold("w", "2", units(p, 2)), problem.OK)
	x.unchanged("a late confirmation beyond the limit", func() {
		r := x.confirmLate(h)
		if r.Code != problem.Capped || HoldCap(r.Cap) != HoldCapLimit || r.Used != 2 || r.Limit != 3 {
			t.Errorf("limit: %+v", r)
		}
	})
	h = x.mustHold("y", "1", units(p, 1))
	x.wait(DefaultHoldTTL + HoldLateness - 1)
	x.wantCode("just in time", x.confirmLate(h), problem.OK)
	x.wait(1) // deadlines are whole seconds again
	h = x.mustHold("z", "1", units(p, 1))
	x.wait(DefaultHoldTTL + HoldLateness)
	x.wantCode("too late", x.confirmLate(h), problem.Gone)
}

func TestExtendHold(t *testing.T) {
	x := newTable(t)
	p := x.pool("p", 4, func(p *PoolPolicy) { p.HoldTTL, p.MaxHold = 10_000, 60_000 })
	h := x.mustHold("u", "1", units(p, 3))
	x.wait(1)
	x.unchanged("an extension that does not extend", func() {
		if r := x.extend(h, x.now+5000, 0); !r.AlreadyLive || r.Value != uint64(start+10_000) {
			t.Errorf("to an earlier time: %+v", r)
		}
	})
	if r := x.extend(h, 0, 20_000); r.Value != uint64(start+21_000) || r.AlreadyLive {
		t.Errorf("rounded up to a second: %+v, want %d", r, start+21_000)
	}
	if r := x.extend(h, start+30_000, 0); r.Value != uint64(start+30_000) {
		t.Errorf("to a time: %+v", r)
	}
	if r := x.extend(h, start+30_000, 0); !r.AlreadyLive {
		t.Errorf("to the same time again: %+v", r)
	}
	x.wait(29_998)
	x.tick()
	x.wantStock("before the new deadline", p, 1, 3, 0, 0)
	if r := x.extend(h, start+dayMilli, 0); r.Value != uint64(start+60_000) {
		t.Errorf("no further than the pool allows: %+v", r)
	}
	x.wait(30_001)
	x.tick()
	x.wantStock("at the last deadline", p, 4, 0, 0, 0)
	x.wantCode("expired", x.extend(h, start+dayMilli, 0), problem.HoldExpired)
	x.wantCode("expired", x.confirm(h), problem.HoldExpired)
}

// Units come back spread over the jitter, at seconds that follow from the holds' keys, and nobody can take them before.
func TestReturnJitter(t *testing.T) {
	x := newTable(t)
	p := x.pool("p", 100, func(p *PoolPolicy) { p.HoldTTL, p.ReturnJitter = 1000, 10_000 })
	var all []HoldRef
	for i := range 100 {
		all = append(all, x.mustHold(userName(i), "1", one(p)))
	}
	for _, h := range all[:50] {
		x.wantCode("release", x.release(h), problem.OK)
	}
	back := make(map[Quantity]bool)
	for range 12 {
		x.tick()
		s := p.Stock()
		back[s.Available] = true
		if s.Available+s.Held != 100 {
			t.Fatalf("%+v", s)
		}
		if err := x.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
		x.wait(1000)
	}
	x.wantStock("in the end", p, 100, 0, 0, 0)
	if len(back) < 8 {
		t.Errorf("units came back at %d different times", len(back))
	}
	h := x.mustHold("late", "5", one(p))
	x.wait(1000)
	if s := p.Stock(); s.Held != 1 {
		t.Fatalf("the unit came back at once: %+v", s)
	}
	x.wantCode("nobody else's meanwhile", x.take("o", "1", p, 100), problem.InsufficientStock)
	x.wantCode("his own", x.confirmLate(h), problem.OK)
	x.wantStock("confirmed late, before it came back", p, 99, 0, 1, 0)
	h = x.mustHold("late", "6", units(p, 2))
	x.wait(1000)
	x.wait(1000) // a second after the deadline
	whole := x.now - 1000 + UnixMilli(p.putOff(&x.holdRequest("late", "6").Digest))*1000
	x.wantCode("a part of his own", x.confirmLate(h, one(p)), problem.OK)
	x.now = whole - 1
	x.tick()
	x.wantStock("the rest is on its way", p, 97, 1, 2, 0)
	x.now = whole
	x.tick()
	x.wantStock("the rest came when all of it would have", p, 98, 0, 2, 0)
	x.wait(20_000)
	x.tick()
	x.wantStock("the rest is back", p, 98, 0, 2, 0)
}

func TestVoidHoldsAndTakes(t *testing.T) {
	x := newTable(t)
	p := x.pool("p", 10, func(p *PoolPolicy) { p.LimitPerOwner = 4 })
	u := x.keys.User([]byte("u"))
	h := x.mustHold("u", "1", units(p, 1))
	x.unchanged("voids of what is not there to be voided", func() {
		if r := x.voidHold(h, VoidUser); r.Code != problem.Conflict || r.State != StateHeld {
			t.Errorf("an open hold: %+v", r)
		}
		x.wantCode("a hold as a take", x.voidTake(h, VoidUser), problem.HoldNotFound)
		x.wantCode("no such hold", x.voidHold(HoldRef{Location{99, 0}, h.Home}, VoidUser), problem.HoldNotFound)
		x.wantCode("another home", x.voidHold(HoldRef{h.At, h.Home ^ 1}, VoidUser), problem.HoldNotFound)
	})
	x.wantCode("confirm", x.confirm(h), problem.OK)
	var takes []HoldRef
	for i := range 3 {
		takes = append(takes, RefOf(x.take("u", userName(i), p, 1).At, &u))
	}
	x.wantCode("the limit", x.take("u", "more", p, 1), problem.Capped)
	x.wantCode("a take as a hold", x.voidHold(takes[0], VoidUser), problem.HoldNotFound)
	x.wantCode("a take cannot be confirmed", x.confirm(takes[0]), problem.HoldNotFound)
	x.wantCode("user", x.voidHold(h, VoidUser), problem.OK)
	x.wantStock("by the user", p, 7, 0, 3, 0)
	x.wantCode("abuse", x.voidTake(takes[0], VoidAbuse), problem.OK)
	x.wantStock("by abuse", p, 7, 0, 2, 1)
	x.wantCode("still the limit", x.take("u", "more2", p, 1), problem.Capped)
	x.wantCode("system", x.voidTake(takes[1], VoidSystem), problem.OK)
	x.wantStock("by the system", p, 8, 0, 1, 1)
	x.wantCode("one more fits", x.take("u", "more3", p, 1), problem.OK)
	if r := x.voidTake(takes[1], VoidSystem); !r.AlreadyLive || r.State != StateVoided {
		t.Errorf("again: %+v", r)
	}
	if r := x.voidTake(takes[1], VoidUser); r.Code != problem.Conflict || r.Value != uint64(VoidSystem) {
		t.Errorf("by another fault: %+v", r)
	}
	x.wantCode("a voided hold cannot be confirmed", x.confirm(h), problem.HoldFinished)
}

func TestPoolPolicyAndRestock(t *testing.T) {
	x := newTable(t)
	p := x.pool("p", 10)
	put := func(expect uint64, total Quantity, edit func(p *PoolPolicy)) Result {
		t.Helper()
		c := PutPool{Namespace: 1, ID: "p", Expect: expect, Total: total, Actor: "op"}
		edit(&c.Policy)
		return x.one(func(b *Batch) { b.AddPool(&c) })
	}
	same := func(*PoolPolicy) {}
	two := func(p *PoolPolicy) { p.Restock = RestockTwo }
	x.unchanged("puts that are refused or change nothing", func() {
		x.wantCode("another revision", put(7, StockUnstated, two), problem.VersionConflict)
		x.wantCode("must not exist", put(0, StockUnstated, two), problem.VersionConflict)
		if r := put(1, 11, two); r.Code != problem.StockChanged || r.Value != 10 {
			t.Errorf("another total: %+v", r)
		}
		if r := put(1, 10, same); !r.AlreadyLive || r.Value != 1 {
			t.Errorf("the same: %+v", r)
		}
		for what, edit := range map[string]func(p *PoolPolicy){
			"closes before it opens": func(p *PoolPolicy) { p.OpensAt, p.ClosesAt = 9, 9 },
			"limit":                  func(p *PoolPolicy) { p.LimitPerOwner = -1 },
			"ttl":                    func(p *PoolPolicy) { p.HoldTTL = 999 },
			"ttl too long":           func(p *PoolPolicy) { p.HoldTTL = MaxHoldLife + 1 },
			"max_hold":               func(p *PoolPolicy) { p.MaxHold = 999 },
			"jitter":                 func(p *PoolPolicy) { p.ReturnJitter = MaxReturnJitter + 1 },
			"cooldown":               func(p *PoolPolicy) { p.Cooldown = MaxHoldCooldown + 1 },
			"low":                    func(p *PoolPolicy) { p.LowStock = -1 },
		} {
			x.wantCode(what, put(1, StockUnstated, edit), problem.InvalidField)
		}
		for _, id := range []string{"", "-p", "a b", "über", string(bytes.Repeat([]byte("a"), MaxIDBytes+1))} {
			if c := (PutPool{ID: id}); c.CheckPool() == nil {
				t.Errorf("pool id %q passes", id)
			}
		}
		x.wantCode("a machine", x.adjustPool(p, "m", 1, func(c *AdjustPool) { c.Machine = true }), problem.Forbidden)
		x.wantCode("nothing", x.adjustPool(p, "0", 0), problem.InvalidField)
		x.wantCode("more than available", x.adjustPool(p, "1", -11), problem.InsufficientStock)
	})
	if r := x.adjustPool(p, "a", -3); r.Code != problem.OK || r.Value != 7 {
		t.Errorf("withdraw: %+v", r)
	}
	if r := x.adjustPool(p, "a", -3); !r.Replayed || r.Value != 7 {
		t.Errorf("again: %+v", r)
	}
	x.wantCode("another delta", x.adjustPool(p, "a", 3), problem.IdempotencyMismatch)
	x.wantCode("two people", put(1, StockUnstated, two), problem.OK)
	r := x.adjustPool(p, "b", 5)
	if !r.Pending {
		t.Fatalf("a restock by one of two: %+v", r)
	}
	if again := x.adjustPool(p, "b", 5); !again.Pending || again.Value != r.Value {
		t.Errorf("asked again: %+v", again)
	}
	weaker := put(2, StockUnstated, same)
	if !weaker.Pending {
		t.Errorf("a weaker rule by one of two: %+v", weaker)
	}
	x.wantStock("nothing yet", p, 7, 0, 0, 0)
	x.people("ann")
	x.reload()
	p, _ = x.Namespaces()[0].Pool([]byte("p"))
	for _, asked := range []Result{r, weaker} {
		x.wantCode("approve", x.answerTo(asked, "ann"), problem.OK)
	}
	x.wantStock("approved", p, 12, 0, 0, 0)
	if terms, revision := p.Policy(); terms.Restock != RestockOne || revision != 3 {
		t.Errorf("revision %d: %+v", revision, terms)
	}
	if r := x.adjustPool(p, "b", 5); !r.Replayed || r.Value != 12 {
		t.Errorf("the approved one again: %+v", r)
	}
}

func TestPoolEvents(t *testing.T) {
	x := newTable(t)
	p := x.pool("p", 10, func(p *PoolPolicy) { p.LowStock = 3 })
	kinds := func() (k []RecordKind) {
		for b := x.out.Records; len(b) > 0; {
			var r Record
			n, err := DecodeRecord(b, &r)
			if err != nil {
				t.Fatal(err)
			}
			k, b = append(k, r.Kind), b[n:]
		}
		return k
	}
	want := func(what string, all ...RecordKind) {
		t.Helper()
		if got := kinds(); string(kindBytes(got)) != string(kindBytes(all)) {
			t.Errorf("%s: records of kinds %v, want %v", what, got, all)
		}
	}
	x.take("a", "1", p, 6)
	want("6 of 10", RecordTake)
	h := x.mustHold("b", "1", units(p, 1))
	want("low", RecordHold, RecordPoolLow)
	c := x.mustHold("c", "1", units(p, 3))
	want("sold out", RecordHold, RecordPoolSoldOut)
	x.extend(c, 0, DefaultHoldTTL)
	x.confirm(x.mustHold("c", "2", units(x.pool("q", 1), 1)))
	want("what sells nothing", RecordConfirm)
	epoch := p.Epoch()
	x.release(h)
	want("released", RecordRelease)
	if p.Epoch() <= epoch {
		t.Error("a release does not move the epoch")
	}
	x.take("a", "2", p, 1)
	want("still low", RecordTake, RecordPoolSoldOut)
	epoch = p.Epoch()
	x.wait(DefaultHoldTTL)
	x.tick()
	want("came back", RecordPoolReturn)
	if p.Epoch() <= epoch {
		t.Error("a return does not move the epoch")
	}
	x.adjustPool(p, "1", 9)
	want("restocked", RecordPoolAdjust)
	x.take("a", "3", p, 9)
	want("low again", RecordTake, RecordPoolLow)
}

func kindBytes(kinds []RecordKind) (b []byte) {
	for _, k := range kinds {
		b = append(b, byte(k))
	}
	return b
}
