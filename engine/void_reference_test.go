package engine

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// Faults in voids and awards that the comparison with the reference engine found.

// refundsOf returns what the record of a void says that was given back.
func (x *table) refundsOf(r Result) uint32 {
	x.Helper()
	x.wantCode("void", r, problem.OK)
	_, refunds := VoidFlags(x.records(r)[0].Flags)
	return refunds
}

func cooling(v *Version) {
	v.Caps = []Cap{{ID: "cool", Window: Window{WindowCooldown, 1000}, Limit: 1, Prize: -1}}
}

// A cooldown that is over gives nothing back, and its record says so.
func TestVoidAfterACooldown(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(cooling))
	draw, at := x.encoded(x.draw("u", "1"))
	x.now += 1000
	if refunds := x.refundsOf(x.void(draw, at, VoidSystem)); refunds != VoidStock {
		t.Errorf("refunds %b", refunds)
	}
}

// A cooldown counts a request once, so it is free again when nothing of the request is left.
func TestVoidOfAWholeRequest(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(cooling))
	r := x.draw("u", "1", times(2))
	x.wantCode("draw", r, problem.OK)
	all := bytes.Clone(x.out.Records[r.Offset : r.Offset+r.Length])
	var first Record
	n, err := DecodeRecord(all, &first)
	if err != nil {
		t.Fatal(err)
	}
	if refunds := x.refundsOf(x.void(all[:n], r.At, VoidSystem)); refunds != VoidStock {
		t.Errorf("half of it: %b", refunds)
	}
	x.wantCode("a draw beside the other half", x.draw("u", "2"), problem.Capped)
	second := Location{r.At.Index, r.At.Ordinal + 1}
	if refunds := x.refundsOf(x.void(all[n:], second, VoidSystem)); refunds != VoidStock|VoidCaps {
		t.Errorf("all of it: %b", refunds)
	}
	x.wantCode("a draw after that", x.draw("u", "3"), problem.OK)
}

// The draw of another campaign is not found, also where this one has voided a draw of the same seq.
func TestVoidOfAnotherCampaignsDraw(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.mustPublish(simple(func(v *Version) { v.Campaign = "d" }))
	mine, at := x.encoded(x.draw("u", "1"))
	other, where := x.encoded(x.draw("u", "1", func(d *Draw) { d.Campaign = 2 }))
	x.wantCode("void", x.void(mine, at, VoidSystem), problem.OK)
	x.unchanged("another campaign's draw", func() {
		x.wantCode("another campaign's draw", x.void(other, where, VoidSystem), problem.DrawNotFound)
	})
}

// An aggregate cap that came after a draw did not count it: its void leaves the draws that were counted.
func TestVoidAndYoungerAggregateCaps(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	draw, at := x.encoded(x.draw("u", "1"))
	x.now++
	day := &NamespacePolicy{TimeZone: "UTC", AggregateCaps: []AggregateCap{{ID: "day", Window: Window{Kind: WindowDay}, Limit: 2}}}
	x.wantCode("policy", x.policy(day), problem.OK)
	x.wantCode("draw", x.draw("u", "2"), problem.OK)
	x.reload()
	if refunds := x.refundsOf(x.void(draw, at, VoidSystem)); refunds != VoidStock {
		t.Errorf("refunds %b", refunds)
	}
	x.wantCode("the second that counts", x.draw("u", "3"), problem.OK)
	x.wantCode("the third", x.draw("u", "4"), problem.Capped)
}

// What a draw cost comes back to the purse that paid, whatever a later version takes chances from.
func TestRefundsGoToThePurseThatPaid(t *testing.T) {
	x := newTable(t)
	x.wantCode("policy", x.policy(purses(4, "gold", "silver")), problem.OK)
	from := func(purse string) func(v *Version) {
		return func(v *Version) { v.Chances = &Chances{Mode: ChancesPurse, Purse: purse, Price: 1} }
	}
	x.mustPublish(simple(from("gold")))
	x.wantCode("grant", x.grantTo("u", "shop", "e", 2, func(g *Grant) { g.Campaign, g.Namespace, g.Purse = 0, 1, "gold" }), problem.OK)
	draw, at := x.encoded(x.draw("u", "1"))
	x.mustPublish(simple(from("silver")))
	if refunds := x.refundsOf(x.void(draw, at, VoidSystem)); refunds != VoidStock|VoidChances {
		t.Errorf("refunds %b", refunds)
	}
	n := x.Namespaces()[0]
	gold, _ := n.Purse("gold", x.keys.User([]byte("u")), x.now)
	silver, _ := n.Purse("silver", x.keys.User([]byte("u")), x.now)
	if gold.Spendable != 2 || silver.Sums != (ChanceSums{}) {
		t.Errorf("gold %+v, silver %+v", gold, silver)
	}
	x.sound()
}

// A refund is a compensation where there is room: lots that have ended take none.
func TestRefundsFindRoom(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) {
		v.Chances = &Chances{Mode: ChancesGranted, Price: 1, Lots: 2, Sources: []ChanceSource{{ID: "shop"}}}
	}))
	x.wantCode("grant", x.grantTo("u", "shop", "e1", 2, func(g *Grant) { g.Priority = 1 }), problem.OK)
	x.wantCode("grant", x.grantTo("u", "shop", "e2", 1, func(g *Grant) { g.ExpiresAt, g.Priority = x.now+1000, 0 }), problem.OK)
	draw, at := x.encoded(x.draw("u", "1"))
	x.wantCode("grant", x.grantTo("u", "shop", "e3", 1, func(g *Grant) { g.ExpiresAt = x.now + 1000 }), problem.OK)
	x.now += 1000
	x.refundsOf(x.void(draw, at, VoidSystem))
	lots := x.use(1, "u").Lots
	if len(lots) != 2 || lots[0].Source != "compensation" && lots[1].Source != "compensation" {
		t.Errorf("lots %+v", lots)
	}
}

// A prize that a set has which no session uses has no books: awarding it is refused, and no replica panics.
func TestAwardOfAPrizeWithoutBooks(t *testing.T) {
	x := newTable(t)
	x.now = open
	x.mustPublish(rounds(func(v *Version) {
		v.Prizes = append(v.Prizes, Prize{ID: "z", Stock: StockUnstated, Units: 1, Fallback: -1, Slot: -1})
		v.Sets = append(v.Sets, PrizeSet{{Prize: 2, Stock: 1}})
	}))
	x.unchanged("award", func() { x.wantCode("award", x.award("z", "u", "t", "ann"), problem.InsufficientStock) })
}

// A release window that ends in a pause does not count as the end of a session.
func TestAWindowThatEndsInAPauseClosesNoSession(t *testing.T) {
	x := newTable(t)
	x.now = open
	c := x.mustPublish(rounds(func(v *Version) {
		v.Sets[0][0].Stock = 4
		v.Sessions = v.Sessions[:1]
		v.Sessions[0].EndsAt, v.Sessions[0].Unsold = v.EndsAt, UnsoldExpire
		v.Sets = v.Sets[:1]
		v.Schedules = []Schedule{{Windows: []ReleaseWindow{{open, v.EndsAt, 1}}, Expire: true}}
		v.Releases = []Release{{0, 0}}
	}))
	control := func(a Action) {
		x.wantCode(a.String(), x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: a}) }), problem.OK)
	}
	x.now = open + 9*hourMilli
	control(ActionPause)
	x.now = open + 11*hourMilli
	control(ActionResume)
	if s := x.stockOf(c, "one", "a"); s.Expired != 4 {
		t.Errorf("after the end: %+v", s)
	}
}

// An end by hand leaves the sessions where they are, whatever else becomes due later.
func TestSessionsStandStillAfterAnEndByHand(t *testing.T) {
	x := newTable(t)
	x.now = open
	x.mustPublish(rounds(func(v *Version) { v.Prizes[1].Stock = 5 }))
	x.mustPublish(simple(func(v *Version) { v.Campaign, v.StartsAt = "other", open+2*hourMilli }))
	x.wantCode("end", x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionEnd}) }), problem.OK)
	x.now = open + 2*hourMilli // session two would begin, and another campaign does
	x.wantCode("award", x.award("b", "u", "t", "ann"), problem.InsufficientStock)
}

// Under a version that is due nobody is denied by the one before it, although the log has not got there yet.
func TestPeekBeforeAVersionThatIsDue(t *testing.T) {
	x := newTable(t)
	limit := func(n uint32) func(v *Version) {
		return func(v *Version) { v.Caps = []Cap{{ID: "k", Limit: n, Prize: -1}} }
	}
	x.mustPublish(simple(limit(1)))
	x.wantCode("draw", x.draw("u", "1"), problem.OK)
	x.wantCode("later", x.publishAt(simple(limit(2)), start+5000), problem.OK)
	d := x.request("u", "2")
	if r, ok := x.Peek(&d, start+1000); !ok || r.Code != problem.Capped {
		t.Errorf("long before: %+v %v", r, ok)
	}
	for _, now := range []UnixMilli{start + 5000 - peekMargin, start + 5000, start + 9000} {
		if r, ok := x.Peek(&d, now); ok {
			t.Errorf("at start%+d: %+v", now-start, r)
		}
	}
	y := newTable(t)
	y.mustPublish(tree(func(v *Version) { v.Caps[2].Limit = 1 }))
	y.wantCode("help", y.help("a", "b", "1"), problem.OK)
	y.wantCode("later", y.publishAt(tree(func(v *Version) { v.Caps[2].Limit = 2 }), start+5000), problem.OK)
	h := y.helpOf("c", "b", "2")
	if r, ok := y.PeekHelp(&h, start+1000); !ok || r.Code != problem.Capped {
		t.Errorf("a help long before: %+v %v", r, ok)
	}
	if r, ok := y.PeekHelp(&h, start+5000-peekMargin); ok {
		t.Errorf("a help when it is due: %+v", r)
	}
}

// What was asked for by breaking the glass happens by itself: from its time on nobody is denied by the switch that it turns on,
// neither by what a reader knows nor, as a library, by a draw that comes before the tick.
func TestNobodyIsDeniedBehindABrokenGlass(t *testing.T) {
	x := newTable(t)
	x.mustPublish(tree())
	x.approvals(1)
	for _, scope := range []SwitchScope{{Kind: SwitchCampaign, Campaign: 1}, {Kind: SwitchGlobal}, {Kind: SwitchPrize, Campaign: 1, Prize: "p"}} {
		x.turn(scope, false, "ann")
		asked := x.now + UndoWindow
		x.now = asked
		if r := x.turn(scope, true, "ann", breakGlass); !r.Pending {
			t.Fatalf("%+v", r)
		}
		x.reload()
		due := asked + BreakGlassDelay
		d, h := x.request("u", fmt.Sprint(scope)), x.helpOf("a", "b", "k")
		if r, ok := x.Peek(&d, due-peekMargin-1); !ok || r.Code == problem.OK {
			t.Errorf("%v: long before: %+v %v", scope, r, ok)
		}
		for _, now := range []UnixMilli{due - peekMargin, due, due + 9000} {
			if r, ok := x.Peek(&d, now); ok {
				t.Errorf("%v: %+d ms after: %+v", scope, now-due, r)
			}
			if r, ok := x.PeekHelp(&h, now); ok {
				t.Errorf("%v: a help %+d ms after: %+v", scope, now-due, r)
			}
		}
		if x.now = due; scope.Kind == SwitchPrize { // the library's way
			var b Batch
			b.AddDraw(&d)
			if err := x.Decide(&b, due); err != nil || b.Results[0].Code != problem.OK {
				t.Errorf("%v: as a library: %+v, %v", scope, b.Results[0], err)
			}
			return
		}
		x.wantCode("a draw", x.draw("u", fmt.Sprint(scope)), problem.OK)
	}
}

// What was paid before a version bounded what a user is paid does not count against that, so its void gives nothing back to it.
func TestVoidOfWhatNoUserBudgetCounted(t *testing.T) {
	x := newTable(t)
	paying := func(user int64) func(v *Version) {
		return func(v *Version) {
			v.Prizes[0].Kind, v.Prizes[0].Amount, v.Budget = KindCash, 10, Budget{Campaign: 1000, User: user}
		}
	}
	x.mustPublish(simple(paying(0)))
	draw, at := x.encoded(x.draw("u", "1"))
	x.mustPublish(simple(paying(20)))
	won := func(key string) int {
		r := x.draw("u", key)
		x.wantCode(key, r, problem.OK)
		return x.records(r)[0].Prize
	}
	if won("2") != 0 {
		t.Error("the first that counts")
	}
	x.wantCode("void", x.void(draw, at, VoidSystem), problem.OK)
	if won("3") != 0 || won("4") != NoPrize {
		t.Error("the budget of 20 holds two wins")
	}
}

// A win that was paid before its prize got a deck of amounts was no card: its void puts none back.
func TestVoidOfWhatNoDeckDealt(t *testing.T) {
	x := newTable(t)
	paying := func(edit func(v *Version)) *Version {
		return simple(func(v *Version) {
			v.Prizes[0].Kind, v.Prizes[0].Amount, v.Prizes[0].Stock = KindCash, 5, 3
			v.Budget = Budget{Campaign: 1000}
			edit(v)
		})
	}
	c := x.mustPublish(paying(func(*Version) {}))
	draw, at := x.encoded(x.draw("u", "1"))
	x.mustPublish(paying(func(v *Version) {
		v.Prizes[0].Amount = 0
		v.Amounts = []Amount{{Prize: 0, Split: SplitDeck, Budget: 25, Cards: []Card{{5, 1}, {10, 2}}}}
	}))
	for i := 0; len(c.money.prizes[0].dealt) == 0 || c.money.prizes[0].dealt[0].Amount != 5; i++ {
		x.wantCode("draw", x.draw(userName(i), "2"), problem.OK)
		if i == 2 {
			t.Fatalf("no card of 5: %+v", c.money.prizes[0].dealt)
		}
	}
	x.wantCode("void", x.void(draw, at, VoidSystem), problem.OK)
	if n := c.money.prizes[0].times(5); n != 1 {
		t.Errorf("the card of 5 was dealt %d times", n)
	}
}
