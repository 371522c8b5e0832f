package engine

import (
	"fmt"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// earned is a campaign whose draws cost one chance, granted by "share" (3 a day) and "shop".
func earned(edit ...func(v *Version)) *Version {
	return simple(append([]func(v *Version){func(v *Version) {
		v.Chances = &Chances{Mode: ChancesGranted, Price: 1, Lots: 4, Sources: []ChanceSource{{ID: "share", DailyLimit: 3}, {ID: "shop", Priority: 5}}}
	}}, edit...)...)
}

func (x *table) grantTo(user, source, event string, amount uint32, edit ...func(g *Grant)) Result {
	x.Helper()
	g := Grant{Campaign: 1, UserID: []byte(user), User: x.keys.User([]byte(user)), Source: source, Event: event, Amount: amount, Priority: SourcePriority}
	for _, f := range edit {
		f(&g)
	}
	r := x.one(func(b *Batch) { b.AddGrant(&g) })
	x.sound()
	return r
}

func (x *table) revoke(user, source, event string, expires UnixMilli) Result {
	x.Helper()
	r := x.one(func(b *Batch) {
		b.AddRevoke(&Revoke{Campaign: 1, UserID: []byte(user), User: x.keys.User([]byte(user)), Source: source, Event: event, ExpiresAt: expires})
	})
	x.sound()
	return r
}

// sound holds the conserved sum, per user and per campaign, and everything else that must always be true.
func (x *table) sound() {
	x.Helper()
	if err := x.CheckInvariants(); err != nil {
		x.Fatal(err)
	}
}

func (x *table) use(ref CampaignRef, user string) *ChanceUse {
	c, _ := x.CampaignByRef(ref)
	return x.UserState(c, x.keys.User([]byte(user)), x.now).Chances
}

func (x *table) wantSums(what, user string, granted, consumed, remaining, expired, revoked, debt uint64) {
	x.Helper()
	if got, want := x.use(1, user).Sums, (ChanceSums{granted, consumed, remaining, expired, revoked, debt}); got != want {
		x.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

func wantGrant(t *table, what string, r Result, granted uint64, reason GrantReason, already bool) {
	t.Helper()
	if r.Code != problem.OK || r.Value != granted || GrantReason(r.Cap) != reason || r.AlreadyLive != already {
		t.Errorf("%s: %+v, want %d %q already=%v", what, r, granted, reason, already)
	}
}

func TestGrants(t *testing.T) {
	x := newTable(t)
	x.mustPublish(earned())
	x.unchanged("a draw without a chance", func() { x.wantCode("draw", x.draw("u", "k0"), problem.NoChances) })
	wantGrant(x, "first", x.grantTo("u", "share", "e1", 2), 2, GrantedAll, false)
	x.unchanged("the same event", func() { wantGrant(x, "again", x.grantTo("u", "share", "e1", 9), 2, GrantedAll, true) })
	wantGrant(x, "the same event of another user", x.grantTo("v", "share", "e1", 1), 1, GrantedAll, false)
	wantGrant(x, "the same event of another source", x.grantTo("u", "shop", "e1", 1), 1, GrantedAll, false)
	wantGrant(x, "cut", x.grantTo("u", "share", "e2", 5), 1, GrantDailyLimit, false)
	wantGrant(x, "cut to nothing", x.grantTo("u", "share", "e3", 1), 0, GrantDailyLimit, false)
	wantGrant(x, "and remembered", x.grantTo("u", "share", "e3", 1), 0, GrantDailyLimit, true)
	wantGrant(x, "late", x.grantTo("u", "share", "e4", 1, func(g *Grant) { g.OccurredAt = x.now - grantLate - 1 }), 0, GrantLateEvent, false)
	wantGrant(x, "yesterday's limit is another", x.grantTo("u", "share", "e5", 4, func(g *Grant) { g.OccurredAt = x.now - grantLate }), 3, GrantDailyLimit, false)
	wantGrant(x, "5 s ahead", x.grantTo("u", "shop", "e6", 1, func(g *Grant) { g.OccurredAt = x.now + grantAhead }), 1, GrantedAll, false)
	wantGrant(x, "over before it came", x.grantTo("u", "shop", "e7", 1, func(g *Grant) { g.ExpiresAt = x.now }), 0, GrantExpired, false)
	x.wantSums("u", "u", 8, 0, 8, 0, 0, 0)
	rec := x.records(x.grantTo("u", "share", "e8", 1))[0]
	n, ok := rec.Grant()
	if !ok || rec.Kind != RecordGrant || string(rec.Name) != "u" || string(n.Source) != "share" || string(n.Event) != "e8" || n.Reason != GrantDailyLimit || n.Remaining != 8 || rec.Delta != 0 || rec.Total != 1 {
		t.Errorf("record %+v %+v %v", rec, n, ok)
	}
	refused := func(what string, r Result, code problem.Code, fault GrantFault) {
		t.Helper()
		if r.Code != code || GrantFault(r.Cap) != fault {
			t.Errorf("%s: %+v", what, r)
		}
	}
	x.unchanged("refused grants", func() {
		refused("unknown source", x.grantTo("u", "nobody", "f", 1), problem.InvalidField, FaultSource)
		refused("ahead", x.grantTo("u", "shop", "f", 1, func(g *Grant) { g.OccurredAt = x.now + grantAhead + 1 }), problem.InvalidField, FaultOccurred)
		refused("begins after its end", x.grantTo("u", "shop", "f", 1, func(g *Grant) { g.EffectiveAt, g.ExpiresAt = x.now+2000, x.now+1000 }), problem.InvalidField, FaultEffective)
		refused("beyond all times", x.grantTo("u", "shop", "f", 1, func(g *Grant) { g.ExpiresAt = 1 << 43 }), problem.InvalidField, FaultExpires)
		refused("unknown campaign", x.grantTo("u", "shop", "f", 1, func(g *Grant) { g.Campaign = 9 }), problem.CampaignNotFound, 0)
		refused("unknown purse", x.grantTo("u", "shop", "f", 1, func(g *Grant) { g.Campaign, g.Namespace, g.Purse = 0, 1, "p" }), problem.NotFound, 0)
		refused("unknown grant", x.revoke("u", "shop", "f", 0), problem.KeyUnknown, 0)
	})
}

func TestGrantsOfFreeCampaigns(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.unchanged("a grant where nobody counts", func() { x.wantCode("grant", x.grantTo("u", "share", "e", 1), problem.Conflict) })
}

func TestDailyLimitFollowsTheEvents(t *testing.T) {
	x := newTable(t)
	x.mustPublish(earned(func(v *Version) {
		// The first day is 23 h long: 24 h back from 00:30 is two days earlier.
		v.Transitions = []Transition{{0, 0}, {start + 12*hourMilli, 3600}}
	}))
	x.now = start + 23*hourMilli + 30*60_000 // 00:30 local time, after a day of 23 h
	at := func(back int64) func(g *Grant) {
		return func(g *Grant) { g.OccurredAt = x.now - UnixMilli(back) }
	}
	wantGrant(x, "today", x.grantTo("u", "share", "1", 3), 3, GrantedAll, false)
	wantGrant(x, "yesterday", x.grantTo("u", "share", "2", 3, at(hourMilli)), 3, GrantedAll, false)
	wantGrant(x, "the day before, within 24 h", x.grantTo("u", "share", "3", 3, at(grantLate)), 3, GrantedAll, false)
	for i, back := range []int64{0, hourMilli, grantLate} {
		wantGrant(x, "full", x.grantTo("u", "share", fmt.Sprint("full", i), 1, at(back)), 0, GrantDailyLimit, false)
	}
	x.now += 5 * dayMilli
	wantGrant(x, "days later", x.grantTo("u", "share", "4", 3), 3, GrantedAll, false)
	wantGrant(x, "and the day before that", x.grantTo("u", "share", "5", 2, at(dayMilli)), 2, GrantedAll, false)
}

func TestSpendOrder(t *testing.T) {
	x := newTable(t)
	x.mustPublish(earned(func(v *Version) { v.Chances.Lots = 8 }))
	end := func(after UnixMilli, priority uint8) func(g *Grant) {
		return func(g *Grant) { g.ExpiresAt, g.Priority = start+after, priority }
	}
	x.grantTo("u", "shop", "never", 1)
	x.grantTo("u", "shop", "late", 1, end(9000, 1))
	x.grantTo("u", "share", "soon", 1, end(5000, 1))
	x.grantTo("u", "shop", "soon, first", 1, end(5000, 9))
	x.grantTo("u", "shop", "soon, younger", 1, end(5000, 1))
	x.grantTo("u", "shop", "not yet", 1, func(g *Grant) { g.EffectiveAt, g.ExpiresAt, g.Priority = start+3000, start+4000, 0 })
	var order []string
	for i := range 5 {
		r := x.draw("u", fmt.Sprint("k", i))
		m, ok := x.records(r)[0].Chances()
		n, at := m.Spent()
		if !ok || n != 1 || m.Price != 1 || m.Remaining != uint32(5-i) {
			t.Fatalf("draw %d: %+v %v", i, m, ok)
		}
		source, _ := at(0)
		c, _ := x.CampaignByRef(1)
		order = append(order, c.Version().ChanceSource(source))
	}
	if got := fmt.Sprint(order); got != "[shop share shop shop shop]" {
		t.Error(got)
	}
	r := x.draw("u", "k5")
	x.wantCode("not yet effective", r, problem.NoChances)
	if u := x.use(1, "u"); u.Remaining != 1 || u.Spendable != 0 {
		t.Errorf("%+v", u)
	}
	x.now = start + 3000
	x.wantCode("effective", x.draw("u", "k5"), problem.OK)
}

func TestExpiry(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(earned(func(v *Version) { v.Chances.Sources[1].ExpiresAfter = 10_000 }))
	x.grantTo("u", "shop", "1", 2)
	x.grantTo("u", "share", "1", 1)
	x.wantCode("spent", x.draw("u", "k1"), problem.OK)
	x.now = start + 9_999
	if u := x.use(1, "u"); u.Remaining != 2 || len(u.Lots) != 2 || u.Lots[0].ExpiresAt != start+10_000 {
		t.Errorf("%+v", u)
	}
	x.now = start + 10_000
	x.wantSums("expired", "u", 3, 1, 1, 1, 0, 0)
	x.wantCode("two", x.draw("u", "k2", times(2)), problem.NoChances)
	x.wantCode("the rest", x.draw("u", "k2"), problem.OK)
	x.wantSums("seen by a draw", "u", 3, 2, 0, 1, 0, 0)
	x.grantTo("u", "share", "2", 2)
	x.now = c.EndsAt()
	x.wantSums("the end takes the rest", "u", 5, 2, 0, 3, 0, 0)
	if s, _ := c.ChanceSums(x.now); s != (ChanceSums{5, 2, 0, 3, 0, 0}) {
		t.Errorf("%+v", s)
	}
	wantGrant(x, "after the end", x.grantTo("u", "shop", "2", 1), 0, GrantAfterEnd, false)
	x.wantCode("revoked after the end", x.revoke("u", "share", "2", 0), problem.Ended)
	x.now += KeyRetention
	x.unchanged("a grant when keys are forgotten", func() { x.wantCode("grant", x.grantTo("u", "shop", "3", 1), problem.Ended) })
}

func TestNoChances(t *testing.T) {
	x := newTable(t)
	x.mustPublish(earned(func(v *Version) { v.Chances.Price = 3 }))
	x.grantTo("u", "shop", "1", 8)
	x.unchanged("a denial", func() {
		r := x.draw("u", "k", times(3))
		if r.Code != problem.NoChances || r.Allowed != 2 || r.Limit != 3 || r.Used != 8 {
			t.Errorf("%+v", r)
		}
	})
	r := x.draw("u", "k", times(2))
	x.wantCode("two", r, problem.OK)
	for i, rec := range x.records(r) {
		if m, ok := rec.Chances(); !ok || m.Remaining != uint32(8-3*(i+1)) {
			t.Errorf("%d: %+v", i, m)
		}
	}
	d := x.request("u", "k9")
	if r, ok := x.Peek(&d, x.now); !ok || r.Code != problem.NoChances || r.Allowed != 0 {
		t.Errorf("peek: %+v %v", r, ok)
	}
	x.grantTo("u", "shop", "2", 1, func(g *Grant) { g.EffectiveAt = x.now + peekMargin })
	if r, ok := x.Peek(&d, x.now); ok {
		t.Errorf("a chance that may have begun when the log decides: %+v", r)
	}
	x.wantCode("a replay needs none", x.draw("u", "k", times(2)), problem.OK)
}

func TestRevocation(t *testing.T) {
	x := newTable(t)
	x.mustPublish(earned())
	x.grantTo("u", "shop", "1", 3)
	x.grantTo("u", "share", "1", 2)
	x.draw("u", "k1")
	x.draw("u", "k2")
	x.draw("u", "k3") // of the shop's: the higher priority
	r := x.revoke("u", "share", "1", 0)
	if r.Code != problem.OK || r.Value != 2 || r.Used != 0 {
		t.Errorf("%+v", r)
	}
	x.wantSums("taken", "u", 5, 3, 0, 0, 2, 0)
	x.unchanged("once more", func() {
		if r := x.revoke("u", "share", "1", 0); !r.AlreadyLive {
			t.Errorf("%+v", r)
		}
	})
	x.unchanged("granting it again", func() { wantGrant(x, "revoked", x.grantTo("u", "share", "1", 2), 2, GrantedAll, true) })
	r = x.revoke("u", "shop", "1", 0)
	if r.Value != 0 || r.Used != 3 || r.Limit != 0 {
		t.Errorf("%+v", r)
	}
	n, _ := x.records(r)[0].Grant()
	if x.records(r)[0].Kind != RecordRevoke || n.Debt != 3 {
		t.Errorf("%+v", n)
	}
	x.wantSums("debt", "u", 5, 3, 0, 0, 2, 3)
	if r := x.grantTo("u", "shop", "2", 2); r.Value != 2 || r.Used != 2 || r.Limit != 0 {
		t.Errorf("pays debt: %+v", r)
	}
	x.wantCode("nothing left", x.draw("u", "k4"), problem.NoChances)
	if r := x.grantTo("u", "shop", "3", 2); r.Used != 1 || r.Limit != 1 {
		t.Errorf("pays the rest: %+v", r)
	}
	x.wantSums("paid", "u", 9, 3, 1, 0, 5, 0)
	x.grantTo("u", "shop", "4", 4, func(g *Grant) { g.ExpiresAt = x.now + 1000 })
	x.now += 1000
	if r := x.revoke("u", "shop", "4", start+1000); r.Value != 0 || r.Used != 0 {
		t.Errorf("what has ended is not owed: %+v", r)
	}
	x.wantSums("ended", "u", 13, 3, 1, 4, 5, 0)
}

func TestLotsAreBounded(t *testing.T) {
	x := newTable(t)
	x.mustPublish(earned(func(v *Version) {
		v.Chances.Milestones = []Milestone{{ID: "m", Draws: 1, Amount: 7}}
	}))
	full := func(i int) Result {
		return x.grantTo("u", "shop", fmt.Sprint("e", i), 1, func(g *Grant) { g.ExpiresAt = x.now + UnixMilli(i+1)*60_000 })
	}
	for i := range 4 {
		wantGrant(x, "lot", full(i), 1, GrantedAll, false)
	}
	x.unchanged("a fifth end", func() { x.wantCode("grant", full(4), problem.ChancesFull) })
	wantGrant(x, "equal ones merge", x.grantTo("u", "shop", "m", 5, func(g *Grant) { g.ExpiresAt = x.now + 60_000 }), 5, GrantedAll, false)
	wantGrant(x, "sources share a lot", x.grantTo("u", "share", "m", 2, func(g *Grant) { g.ExpiresAt, g.Priority = x.now+60_000, 5 }), 2, GrantedAll, false)
	if u := x.use(1, "u"); len(u.Lots) != 4 || u.Lots[0].Remaining != 8 || u.Lots[0].Source != "" {
		t.Errorf("%+v", u.Lots)
	}
	x.wantCode("a milestone always has a place", x.draw("u", "k"), problem.OK)
	if u := x.use(1, "u"); len(u.Lots) != 5 || u.Lots[4].Remaining != 7 || u.Lots[4].Source != "milestone" {
		t.Errorf("%+v", u.Lots)
	}
	// A later version has room for more: what is there moves with the first write.
	x.publish(earned(func(v *Version) { v.Chances.Lots, v.Prizes[0].Stock = 6, StockUnstated }))
	x.wantSums("read where it was", "u", 18, 1, 17, 0, 0, 0)
	wantGrant(x, "the fifth end", full(4), 1, GrantedAll, false)
	x.wantSums("moved", "u", 19, 1, 18, 0, 0, 0)
	x.now += 60_000
	wantGrant(x, "what has ended makes room", full(6), 1, GrantedAll, false)
}

func TestPrices(t *testing.T) {
	x := newTable(t)
	x.mustPublish(earned(func(v *Version) {
		v.Chances.Price = 2
		v.Chances.Periods = []PricePeriod{{start + 10_000, start + 20_000, 1}, {start + 20_000, start + 30_000, 5}}
	}))
	x.grantTo("u", "shop", "1", 100)
	price := func(want uint32) {
		t.Helper()
		m, _ := x.records(x.draw("u", fmt.Sprint("p", x.now)))[0].Chances()
		if m.Price != want {
			t.Errorf("at start%+d: %d, want %d", x.now-start, m.Price, want)
		}
	}
	most := func(n uint32) func(d *Draw) { return func(d *Draw) { d.MaxPrice = n } }
	price(2)
	x.unchanged("too dear", func() { x.wantCode("draw", x.draw("u", "x1", most(1)), problem.VersionChanged) })
	d := x.request("u", "x1", most(1))
	if _, ok := x.Peek(&d, start+8_999); !ok {
		t.Error("it stays too dear for a second")
	}
	if r, ok := x.Peek(&d, start+9_000); ok {
		t.Errorf("it may be cheap enough when the log decides: %+v", r)
	}
	x.now = start + 10_000
	price(1)
	x.wantCode("as expected", x.draw("u", "x1", most(1)), problem.OK)
	x.now = start + 20_000
	price(5)
	x.wantCode("dear day", x.draw("u", "x2", most(4)), problem.VersionChanged)
	x.now = start + 30_000
	price(2)
	x.wantSums("sum", "u", 100, 11, 89, 0, 0, 0)
}

func TestPriceOfTheHostsWallet(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) { v.Chances = &Chances{Price: 50} }))
	x.wantCode("too dear", x.draw("u", "k", func(d *Draw) { d.MaxPrice = 49 }), problem.VersionChanged)
	m, ok := x.records(x.draw("u", "k", func(d *Draw) { d.MaxPrice = 50 }))[0].Chances()
	if !ok || m.Price != 50 || m.Mode != ChancesFree {
		t.Errorf("%+v %v", m, ok)
	}
}

func TestMilestones(t *testing.T) {
	x := newTable(t)
	x.mustPublish(earned(func(v *Version) {
		v.Chances.Milestones = []Milestone{
			{ID: "third", Draws: 3, Amount: 2}, {ID: "every-four", Draws: 4, Repeat: true, Amount: 1}, {ID: "streak", StreakDays: 3, Amount: 10},
		}
	}))
	x.grantTo("u", "shop", "1", 20)
	var won string
	draw := func(i int) {
		t.Helper()
		r := x.draw("u", fmt.Sprint("k", i))
		m, _ := x.records(r)[0].Chances()
		n, at := m.Won()
		for j := range n {
			milestone, chances := at(j)
			won += fmt.Sprintf(" %d:%d+%d", i, milestone, chances)
		}
		x.sound()
	}
	for i := 1; i <= 8; i++ {
		draw(i)
	}
	for i, day := range []UnixMilli{1, 1, 2, 4, 5, 6, 7} { // day 3 is missing
		x.now = start + day*dayMilli
		draw(10 + i)
	}
	if want := " 3:0+2 4:1+1 8:1+1 12:2+10 13:1+1 15:2+10"; won != want {
		t.Errorf("%q, want %q", won, want)
	}
}

func TestChancesAsAPrize(t *testing.T) {
	x := newTable(t)
	x.mustPublish(earned())
	again := func(v *Version) {
		v.Campaign = "d"
		v.Prizes[0].Kind, v.Prizes[0].Amount = KindChance, 2
		v.Chances.Prizes = []ChancePrize{{0, "c"}}
	}
	if r := x.publish(earned(again, func(v *Version) { v.Chances.Prizes[0].Campaign = "nowhere" })); r.Code != problem.InvalidCampaign {
		t.Errorf("%+v", r)
	}
	d := x.mustPublish(earned(again))
	in := func(d *Draw) { d.Campaign = 2 }
	x.grantTo("u", "shop", "1", 3, func(g *Grant) { g.Campaign = 2 })
	m, _ := x.records(x.draw("u", "k1", in))[0].Chances()
	if n, at := m.Won(); n != 1 || m.Remaining != 2 {
		t.Errorf("%+v", m)
	} else if milestone, chances := at(0); milestone != -1 || chances != 2 {
		t.Errorf("%d %d", milestone, chances)
	}
	x.sound()
	x.wantSums("in the other campaign", "u", 2, 0, 2, 0, 0, 0)
	if n := d.Namespace().Users(); n != 2 {
		t.Errorf("%d users", n)
	}
	x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionEnd}) })
	rec := x.records(x.draw("u", "k2", in))[0]
	if rec.Prize != NoPrize || rec.Cause != CauseChancesClosed {
		t.Errorf("%+v", rec)
	}
	// Of its own: a win gives back more than the draw cost.
	y := newTable(t)
	y.mustPublish(earned(func(v *Version) { v.Prizes[0].Kind, v.Prizes[0].Amount = KindChance, 1 }))
	y.grantTo("u", "shop", "1", 1)
	for i := range 5 {
		y.wantCode("on and on", y.draw("u", fmt.Sprint("k", i), times(1)), problem.OK)
	}
	y.wantSums("own", "u", 6, 5, 1, 0, 0, 0)
	y.sound()
}

// A pause may still be resumed with its time given back, so the campaign is not over: what is granted meanwhile counts.
func TestGrantsInAPauseOverTheEnd(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(earned())
	x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionPause}) })
	x.now = c.EndsAt() + KeyRetention
	wantGrant(x, "three days after the end", x.grantTo("u", "shop", "1", 2), 2, GrantedAll, false)
	x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionResume, ExtendByPause: true}) })
	x.wantCode("and spent", x.draw("u", "k", times(2)), problem.OK)
}

// A namespace that is full of users still gives chances to those whom the other campaign knows.
func TestChancesForAUserWhoIsThere(t *testing.T) {
	x := newTable(t)
	x.mustPublish(earned())
	x.mustPublish(earned(func(v *Version) {
		v.Campaign = "d"
		v.Prizes[0].Kind, v.Prizes[0].Amount, v.Chances.Prizes = KindChance, 2, []ChancePrize{{0, "c"}}
	}))
	in := func(g *Grant) { g.Campaign = 2 }
	x.grantTo("u", "shop", "1", 1)
	x.grantTo("u", "shop", "2", 2, in)
	x.grantTo("w", "shop", "3", 1, in)
	x.wantCode("policy", x.policy(&NamespacePolicy{TimeZone: "UTC", MaxUsers: 3}), problem.OK)
	for user, want := range map[string]Cause{"u": CauseNone, "w": CauseChancesClosed} {
		rec := x.records(x.draw(user, "k", func(d *Draw) { d.Campaign = 2 }))[0]
		if rec.Cause != want || (rec.Prize == NoPrize) == (want == CauseNone) {
			t.Errorf("%s: prize %d, cause %q", user, rec.Prize, rec.Cause)
		}
	}
	x.sound()
}
