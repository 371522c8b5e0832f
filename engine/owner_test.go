package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// An owner's row and each further pool of his count against max_users, for holds, takes and wins alike; what he has goes on.
func TestAccountsCountAsUsers(t *testing.T) {
	x := newTable(t)
	p, q, s := x.pool("p", 100), x.pool("q", 100), x.pool("s", 100)
	c := x.mustPublish(simple(fromPool("c", "s")))
	d := x.mustPublish(simple(fromPool("d", "p")))
	x.wantCode("policy", x.policy(&NamespacePolicy{TimeZone: "UTC", MaxUsers: 3}), problem.OK)
	rows := func(want uint64) {
		t.Helper()
		if got := x.Namespaces()[0].stock.rows.Load(); got != want {
			t.Fatalf("%d rows are counted, want %d", got, want)
		}
		if err := x.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
	}
	x.wantCode("first pool", x.take("u", "1", p, 1), problem.OK)
	rows(1)
	x.wantCode("second pool, with the first", x.hold("u", "2", one(p), one(q)), problem.OK)
	rows(2)
	x.unchanged("two rows where one is left", func() {
		x.wantCode("another owner in two pools", x.hold("v", "3", one(p), one(q)), problem.Capacity)
	})
	x.wantCode("third pool, won", x.draw("u", "4", in(c)), problem.OK)
	rows(3)
	x.unchanged("all rows are there", func() {
		x.wantCode("another owner", x.take("v", "5", p, 1), problem.Capacity)
		x.wantCode("another winner", x.draw("v", "6", in(c)), problem.Capacity)
		x.wantCode("another winner elsewhere", x.draw("v", "7", in(d)), problem.Capacity)
	})
	x.reload()
	for _, pool := range []*Pool{p, q, s} {
		x.wantCode("what he has goes on in "+pool.id, x.take("u", "8"+pool.id, pool, 1), problem.OK)
	}
	x.wantCode("and wins", x.draw("u", "9", in(c)), problem.OK)
	rows(3)
}

// A draw that can come to several pools counts for all of them, and gives back what it did not need.
func TestDrawsGiveBackAccounts(t *testing.T) {
	x := newTable(t)
	x.pool("p", 1)
	x.pool("q", 100)
	c := x.mustPublish(simple(func(v *Version) {
		v.Prizes = append(v.Prizes, v.Prizes[0])
		v.Prizes[1].ID, v.Prizes[1].Weight, v.Prizes[0].Fallback = "other", 0, 1
		v.Prizes[0].Unavailable = OnFallback
	}, fromPool("c", "p"), func(v *Version) {
		v.Prizes[1].Stock = Unlimited
		v.PoolPrizes = append(v.PoolPrizes, PoolPrize{Prize: 1, Pool: "q"})
	}))
	for i, want := range []uint64{1, 2, 2} { // p, then q since p is out, then q again
		x.wantCode("draw", x.draw("u", userName(i), in(c)), problem.OK)
		if got := x.Namespaces()[0].stock.rows.Load(); got != want {
			t.Errorf("draw %d: %d rows, want %d", i, got, want)
		}
		if err := x.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
	}
}

// The minutes in which units come back are bounded over all pools: a meta holds them. What is there is confirmed, given back and expires.
func TestAgendasAreBounded(t *testing.T) {
	x := newTable(t)
	p, q := x.pool("p", 100), x.pool("q", 100, func(p *PoolPolicy) { p.ReturnJitter = 3600_000 })
	c := x.mustPublish(simple(fromPool("c", "p", heldFor(60_000))))
	h, g := x.mustHold("u", "1", one(p)), x.mustHold("u", "2", one(p), one(q))
	w := x.world.Load()
	had := w.minutes.Load()
	if had < 2 {
		t.Fatalf("%d minutes", had)
	}
	w.minutes.Add(MaxAgendaMinutes - had) // as if other pools had so many
	x.wantCode("in a minute that is there", x.hold("v", "1", one(p)), problem.OK)
	x.now += 120_000 - 1
	x.unchanged("in another minute", func() {
		x.wantCode("hold", x.hold("v", "2", one(p)), problem.Capacity)
		x.wantCode("of two pools", x.hold("v", "2", one(q), one(p)), problem.Capacity)
		x.wantCode("win", x.draw("v", "3", in(c)), problem.Capacity)
		x.wantCode("longer", x.one(func(b *Batch) { b.AddExtend(&ExtendHold{Namespace: 1, Hold: h, TTL: 600_000}) }), problem.Capacity)
	})
	x.wantCode("take", x.take("v", "4", p, 1), problem.OK)
	x.wantCode("confirm", x.confirm(h), problem.OK)
	x.wantCode("release, spread over minutes of its own", x.release(g), problem.OK)
	w.minutes.Add(had - MaxAgendaMinutes)
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
	x.reload()
	x.now += 2 * 3600_000
	x.tick()
	if n := x.world.Load().minutes.Load(); n != 0 {
		t.Errorf("%d minutes are counted, and none is there", n)
	}
}
