package engine

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// fromPool makes the first prize of a version one of a pool.
func fromPool(campaign, pool string, edit ...func(z *PoolPrize)) func(v *Version) {
	return func(v *Version) {
		z := PoolPrize{Pool: pool}
		for _, f := range edit {
			f(&z)
		}
		v.Campaign, v.Prizes[0].Stock = campaign, Unlimited
		v.PoolPrizes = append(v.PoolPrizes, z)
	}
}

func heldFor(ms int64) func(z *PoolPrize) { return func(z *PoolPrize) { z.Hold = ms } }

func forfeited(z *PoolPrize) { z.Forfeit = true }

func in(c *Campaign) func(d *Draw) { return func(d *Draw) { d.Campaign = c.ref } }

// wonHold returns the hold that a draw won.
func (x *table) wonHold(what string, r Result) HoldRef {
	x.Helper()
	if r.Code != problem.OK || r.Records == 0 {
		x.Fatalf("%s: %+v", what, r)
	}
	rec := x.records(r)[0]
	m, ok := rec.Moves()
	if !ok || rec.Prize == NoPrize || m.Deadline == 0 {
		x.Fatalf("%s: no hold: %+v, %+v", what, rec, m)
	}
	return HoldRef{r.At, m.Home}
}

// kindsOf returns the kinds of all records of the last entry.
func (x *table) kindsOf() (all []RecordKind) {
	x.Helper()
	for b := x.out.Records; len(b) > 0; {
		var rec Record
		n, err := DecodeRecord(b, &rec)
		if err != nil {
			x.Fatal(err)
		}
		all, b = append(all, rec.Kind), b[n:]
	}
	return all
}

func TestCampaignsShareAPool(t *testing.T) {
	x := newTable(t)
	p := x.pool("sku", 4, func(p *PoolPolicy) { p.LowStock = 1 })
	c := x.mustPublish(simple(fromPool("c", "sku")))
	d := x.mustPublish(simple(fromPool("d", "sku")))
	r := x.draw("a", "1", in(c))
	rec := x.records(r)[0]
	m, ok := rec.Moves()
	if !ok || rec.Prize != 0 || rec.StockAfter != 3 || m.Count != 1 || m.Items[0] != (HoldMove{Pool: p.ref, Units: 1, Seq: 2, Available: 3}) || m.Deadline != 0 {
		t.Errorf("the record says %+v, %+v", rec, m)
	}
	x.wantCode("the other campaign", x.draw("b", "1", in(d)), problem.OK)
	x.wantCode("a take", x.take("c", "1", p, 1), problem.OK)
	x.wantStock("three gone", p, 1, 0, 3, 0)
	if !slices.Contains(x.kindsOf(), RecordPoolLow) {
		t.Errorf("nobody said that the pool is low: %v", x.kindsOf())
	}
	_, kept := x.draw("d", "1", in(d)), bytes.Clone(x.out.Records)
	if k := x.kindsOf(); len(k) != 2 || k[1] != RecordPoolSoldOut {
		t.Errorf("the last unit: %v", k)
	}
	at := x.out.Results[0].At
	x.reload()
	c, d = x.campaignOf("c"), x.campaignOf("d")
	for _, e := range []*Campaign{c, d} {
		x.unchanged("a draw with nothing left", func() { x.wantCode(e.id, x.draw("e", "1", in(e)), problem.Exhausted) })
		q := x.request("e", "2", in(e))
		if r, ok := x.Peek(&q, x.now); !ok || r.Code != problem.Exhausted || !e.Exhausted() {
			t.Errorf("%s: Peek says %+v, %v", e.id, r, ok)
		}
	}
	p, _ = x.Namespaces()[0].Pool([]byte("sku"))
	epoch := p.Epoch()
	n, err := DecodeRecord(kept, &rec)
	if err != nil {
		t.Fatal(err)
	}
	void := x.one(func(b *Batch) {
		b.AddVoid(&Void{Campaign: d.ref, Draw: kept[:n], At: at, Fault: VoidSystem, Actor: "ann", Reason: "r"})
	})
	x.wantCode("void", void, problem.OK)
	if p.Epoch() == epoch || c.Exhausted() {
		t.Error("nobody learns that a unit came back")
	}
	back := x.records(void)[0]
	if m, _ := back.Moves(); back.Total != 1 || m.Items[0].Available != 1 || back.Flags&VoidStock == 0 {
		t.Errorf("the void says %+v, %+v", back, m)
	}
	x.wantStock("a unit came back", p, 1, 0, 3, 0)
	x.wantCode("the other campaign gets it", x.draw("f", "1", in(c)), problem.OK)
	if _, stock := c.Stock(); stock[0].Issued != 2 || stock[0].Total != Unlimited {
		t.Errorf("c's books: %+v", stock[0])
	}
	if _, stock := d.Stock(); stock[0].Issued != 1 {
		t.Errorf("d's books: %+v", stock[0])
	}
	x.wantStock("all gone", p, 0, 0, 4, 0)
	x.one(func(b *Batch) {
		b.AddPoolAdjust(&AdjustPool{Namespace: 1, Pool: p.ref, Delta: 1, Digest: x.keys.PoolAdjust(p.ref, "op", []byte("1")), Actor: "op"})
	})
	x.wantCode("restocked", x.draw("g", "1", in(d)), problem.OK)
}

func (x *table) campaignOf(id string) *Campaign {
	x.Helper()
	c, ok := x.Namespaces()[0].Campaign([]byte(id))
	if !ok {
		x.Fatalf("no campaign %q", id)
	}
	return c
}

// A prize whose pool cannot give falls back, and the record says why.
func TestWhyAPoolGivesNothing(t *testing.T) {
	fallback := func(v *Version) {
		v.Prizes[0].Unavailable, v.Prizes[0].Fallback = OnFallback, 1
		v.Prizes = append(v.Prizes, Prize{ID: "q", Stock: Unlimited, Units: 1, Fallback: -1, Slot: -1})
		v.Guaranteed = true
	}
	for _, row := range []struct {
		what  string
		total Quantity
		edit  func(p *PoolPolicy)
		want  Cause
	}{
		{"empty", 0, func(*PoolPolicy) {}, CauseSoldOut},
		{"not open yet", 5, func(p *PoolPolicy) { p.OpensAt = start + 1 }, CauseNotReleased},
		{"closed", 5, func(p *PoolPolicy) { p.ClosesAt = start }, CauseSoldOut},
		{"too few", 1, func(*PoolPolicy) {}, CauseSoldOut},
		{"beyond limit_per_owner", 5, func(p *PoolPolicy) { p.LimitPerOwner = 1 }, CauseUserPrizeCap},
		{"there", 5, func(*PoolPolicy) {}, CauseNone},
	} {
		x := newTable(t)
		p := x.pool("sku", row.total, row.edit)
		x.mustPublish(simple(fromPool("c", "sku"), fallback, func(v *Version) { v.Prizes[0].Units = 2 }))
		rec := x.records(x.draw("a", "1"))[0]
		wantPrize := 1
		if row.want == CauseNone {
			wantPrize = 0
		}
		if rec.Cause != row.want || rec.Prize != wantPrize {
			t.Errorf("%s: prize %d, cause %v, want %d, %v", row.what, rec.Prize, rec.Cause, wantPrize, row.want)
		}
		if err := x.CheckInvariants(); err != nil {
			t.Errorf("%s: %v", row.what, err)
		}
		if s := p.Stock(); s.Issued != 0 && row.want != CauseNone {
			t.Errorf("%s: %+v", row.what, s)
		}
	}
}

// A pool that is fenced refuses the draw: a fault of the system never becomes a miss.
func TestFencedPoolRefusesDraws(t *testing.T) {
	x := newTable(t)
	p := x.pool("sku", 3)
	c := x.mustPublish(simple(fromPool("c", "sku")))
	p.books.Available++
	x.wantCode("broken books", x.draw("a", "1"), problem.CampaignFenced)
	if !strings.Contains(c.FencedBy(), "pool") {
		t.Errorf("fenced by %q", c.FencedBy())
	}
	y := newTable(t)
	p = y.pool("sku", 3)
	y.mustPublish(simple(fromPool("c", "sku")))
	p.fenced = "stock of sku"
	y.unchanged("a fenced pool", func() { y.wantCode("fenced", y.draw("a", "1"), problem.CampaignFenced) })
}

func TestPoolPrizeRules(t *testing.T) {
	x := newTable(t)
	x.pool("sku", 3)
	pool := fromPool("c", "sku")
	for _, row := range []struct {
		what string
		edit func(v *Version)
	}{
		{"stock of its own", func(v *Version) { v.Prizes[0].Stock = 5 }},
		{"no such pool", func(v *Version) { v.PoolPrizes[0].Pool = "other" }},
		{"no id of a pool", func(v *Version) { v.PoolPrizes[0].Pool = "" }},
		{"no such prize", func(v *Version) { v.PoolPrizes[0].Prize = 1 }},
		{"a prize twice", func(v *Version) { v.PoolPrizes = append(v.PoolPrizes, v.PoolPrizes[0]) }},
		{"thanks", func(v *Version) { v.Prizes[0].Kind = KindThanks }},
		{"end", func(v *Version) { v.Exhausted = End }},
		{"deck", func(v *Version) { v.Mode = Mode{Kind: ModeDeck, Entries: 10}; v.Prizes[0].Weight = 0 }},
		{"pace", func(v *Version) { v.Mode = Mode{Kind: ModePace, Entries: 10, MaxBoost: FullPPM} }},
		{"redistribution", func(v *Version) {
			v.Prizes[0].Unavailable, v.Boosts = OnRedistribute, []Boost{{Prize: 0, Max: 2 * FullPPM}}
		}},
		{"a hold that is too short", func(v *Version) { v.PoolPrizes[0].Hold = 1 }},
		{"a hold that is too long", func(v *Version) { v.PoolPrizes[0].Hold = MaxHoldLife + 1 }},
		{"forfeit without a hold", func(v *Version) { v.PoolPrizes[0].Forfeit = true }},
		{"a hold that is claimed", func(v *Version) {
			v.PoolPrizes[0].Hold, v.Deliveries = 60_000, []Delivery{{Prize: 0}}
		}},
		{"pity", func(v *Version) {
			v.Pity = []Pity{{ID: "ten", Within: 10, AnyWin: true, List: []PityPrize{{Prize: 0}}}}
		}},
	} {
		x.unchanged(row.what, func() { x.wantCode(row.what, x.publish(simple(pool, row.edit)), problem.InvalidCampaign) })
	}
	x.wantCode("the rule", x.publish(simple(pool)), problem.OK)
	x.unchanged("an adjustment of the prize", func() {
		r := x.one(func(b *Batch) {
			b.AddAdjust(&Adjust{Campaign: 1, Prize: "p", Delta: 1, Digest: x.keys.Digest(DigestAdjust, 1, Key{}, []byte("1")), Actor: "op", Reason: "r"})
		})
		x.wantCode("adjust", r, problem.Conflict)
	})
	x.unchanged("an award", func() { x.wantCode("award", x.award("p", "u", "T1", "ann"), problem.Conflict) })
}

// A win that is a hold: confirmed it is the user's, not confirmed somebody else wins the unit.
func TestAwardIsAHold(t *testing.T) {
	x := newTable(t)
	p := x.pool("sku", 2)
	x.mustPublish(simple(fromPool("c", "sku", heldFor(60_000))))
	a, b := x.wonHold("a", x.draw("a", "1")), x.wonHold("b", x.draw("b", "1"))
	x.wantStock("two holds", p, 0, 2, 0, 0)
	x.wantCode("held units do not count", x.draw("c", "1"), problem.Exhausted)
	q := x.request("c", "2")
	if r, ok := x.Peek(&q, x.now); !ok || r.Code != problem.Exhausted {
		t.Errorf("Peek: %+v %v", r, ok)
	}
	if r, ok := x.Peek(&q, x.now+59_000); ok {
		t.Errorf("Peek denies what may be there when the log decides: %+v", r)
	}
	v, ok := x.Hold(x.Namespaces()[0], a)
	if !ok || v.State != StateHeld || v.Deadline != start+60_000 || v.Items[0] != one(p) {
		t.Errorf("%+v %v", v, ok)
	}
	if again := x.draw("a", "1"); !again.Replayed || again.At != a.At {
		t.Errorf("%+v", again)
	}
	x.reload()
	p, c := x.Namespaces()[0].Pools()[0], x.campaignOf("c")
	x.wantCode("confirm", x.confirm(a), problem.OK)
	x.wait(60_000)
	if c.Exhausted() {
		x.tick()
		if c.Exhausted() {
			t.Error("what has come back does not count")
		}
	}
	x.wantCode("too late", x.confirm(b), problem.HoldExpired)
	x.wantStock("b let it go", p, 1, 0, 1, 0)
	x.wonHold("c", x.draw("c", "3"))
	x.wantStock("c holds it", p, 0, 1, 1, 0)
	if due, ok := x.NextDue(); !ok || due != x.now+60_000 {
		t.Errorf("due %v %v", due, ok)
	}
}

func TestForfeitedHold(t *testing.T) {
	x := newTable(t)
	x.pool("sku", 3)
	x.mustPublish(simple(fromPool("c", "sku", heldFor(60_000), forfeited)))
	a := x.wonHold("a", x.draw("a", "1"))
	b := x.wonHold("b", x.draw("b", "1"))
	x.wonHold("c", x.draw("c", "1"))
	x.reload()
	p, c := x.Namespaces()[0].Pools()[0], x.campaignOf("c")
	x.wantCode("confirm", x.confirm(a), problem.OK)
	x.wantCode("given back by himself", x.release(b), problem.OK)
	x.wantStock("one held", p, 1, 1, 1, 0)
	x.wait(60_000)
	if s := p.Stock(); s.Expired != 0 {
		t.Error("log time has not moved yet")
	}
	x.tick()
	if s := p.Stock(); s.Expired != 1 || s.Held != 0 || s.Available != 1 || s.Total != 3 {
		t.Errorf("%+v", s)
	}
	x.reload()
	p = x.Namespaces()[0].Pools()[0]
	x.wantStock("one is forfeit", p, 1, 0, 1, 0)
	x.wonHold("d", x.draw("d", "1"))
	x.wantCode("what is forfeit does not come back", x.draw("e", "1"), problem.Exhausted)
	_ = c
}

// A void ends the hold that the draw won, whatever its state.
func TestVoidOfAHeldWin(t *testing.T) {
	for _, row := range []struct {
		what                               string
		then                               func(x *table, h HoldRef)
		fault                              VoidFault
		available, held, issued, withdrawn Quantity
		state                              HoldState
		stock                              bool
	}{
		{"open", func(*table, HoldRef) {}, VoidSystem, 2, 0, 0, 0, StateVoided, true},
		{"open, abuse", func(*table, HoldRef) {}, VoidAbuse, 1, 0, 0, 1, StateVoided, false},
		{"confirmed", func(x *table, h HoldRef) { x.confirm(h) }, VoidUser, 2, 0, 0, 0, StateVoided, true},
		{"confirmed, abuse", func(x *table, h HoldRef) { x.confirm(h) }, VoidAbuse, 1, 0, 0, 1, StateVoided, false},
		{"released", func(x *table, h HoldRef) { x.release(h) }, VoidSystem, 2, 0, 0, 0, StateReleased, false},
		{"expired", func(x *table, _ HoldRef) { x.wait(60_000) }, VoidSystem, 2, 0, 0, 0, StateVoided, false},
		{"voided by itself", func(x *table, h HoldRef) { x.confirm(h); x.voidHold(h, VoidUser) }, VoidUser, 2, 0, 0, 0, StateVoided, false},
	} {
		x := newTable(t)
		p := x.pool("sku", 2)
		c := x.mustPublish(simple(fromPool("c", "sku", heldFor(60_000))))
		r := x.draw("a", "1")
		kept := bytes.Clone(x.out.Records[r.Offset:][:r.Length])
		h := x.wonHold(row.what, r)
		row.then(x, h)
		v := x.void(kept, h.At, row.fault)
		x.wantCode(row.what, v, problem.OK)
		if rec := x.records(v)[0]; (rec.Flags&VoidStock != 0) != row.stock {
			t.Errorf("%s: %+v", row.what, rec)
		}
		x.wantStock(row.what, p, row.available, row.held, row.issued, row.withdrawn)
		if view, _ := x.Hold(x.Namespaces()[0], h); view.State != row.state {
			t.Errorf("%s: the hold is %v", row.what, view.State)
		}
		if _, stock := c.Stock(); stock[0].Issued != 0 {
			t.Errorf("%s: the campaign's books say %d", row.what, stock[0].Issued)
		}
	}
}

// Several sub-draws win several holds, as far as the pool's bounds allow.
func TestPoolBoundsCountEverySubDraw(t *testing.T) {
	x := newTable(t)
	p := x.pool("sku", 50, func(p *PoolPolicy) { p.LimitPerOwner = 3 })
	x.mustPublish(simple(fromPool("c", "sku", heldFor(60_000))))
	x.wantCode("a take before", x.take("a", "1", p, 1), problem.OK)
	wins := 0
	for _, rec := range x.records(x.draw("a", "1", times(5))) {
		if rec.Prize == 0 {
			wins++
		} else if rec.Cause != CauseUserPrizeCap {
			t.Errorf("%+v", rec)
		}
	}
	if use, open := x.Owner(p, x.keys.User([]byte("a"))); wins != 2 || use.Held != 2 || use.Issued != 1 || len(open) != 2 {
		t.Errorf("%d wins, %+v, %d open", wins, use, len(open))
	}
	x.wantStock("two wins and a take", p, 47, 2, 1, 0)
}

// As a library a draw looks again when a pool was emptied, or filled, between its look at it and its locks.
func TestDrawSeesThatAPoolMoved(t *testing.T) {
	x := newTable(t)
	p := x.pool("sku", 1)
	c := x.mustPublish(simple(fromPool("c", "sku")))
	step := tx{world: x.world.Load(), plan: c.plan.Load(), library: true, now: x.now}
	now := sight{logTime: x.now, now: x.now}
	if !step.poolsGive(c, now) || step.poolsMoved(c) {
		t.Error("a unit is there, and nobody took it")
	}
	x.take("a", "1", p, 1)
	if !step.poolsMoved(c) {
		t.Error("the unit was taken")
	}
	if step.poolsGive(c, now) || step.poolsMoved(c) {
		t.Error("nothing is there, and nothing came back")
	}
}
