package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// delivered is a campaign whose wins are delivered in steps: a phone that must be claimed within an hour.
func delivered(edit ...func(v *Version)) *Version {
	return simple(append([]func(v *Version){func(v *Version) {
		v.Deliveries = []Delivery{{Prize: 0, ClaimWithin: hourMilli}}
	}}, edit...)...)
}

func (x *table) move(draw []byte, at Location, m AwardMove) Result {
	x.Helper()
	return x.one(func(b *Batch) {
		b.AddMoveAward(&MoveAward{Campaign: 1, Draw: draw, At: at, Move: m, Actor: "key:pay", Reason: "payout 4711"})
	})
}

func (x *table) stands(draw []byte) AwardView {
	x.Helper()
	var rec Record
	if _, err := DecodeRecord(draw, &rec); err != nil {
		x.Fatal(err)
	}
	c, _ := x.CampaignByRef(1)
	a, _ := c.AwardOf(&rec, x.now)
	a.rule = Delivery{}
	return a
}

// Every move from every state, in the order of the states: it leads on, is done already, or is refused and changes nothing.
func TestAwardMoves(t *testing.T) {
	const (
		on = iota
		already
		no
	)
	path := map[AwardState][]AwardMove{
		AwardWon: {}, AwardClaimed: {MoveClaim}, AwardDelivering: {MoveClaim, MoveDeliver},
		AwardDelivered: {MoveClaim, MoveDeliver, MoveDone}, AwardPayoutFailed: {MoveClaim, MoveDeliver, MoveFail},
	}
	for _, row := range []struct {
		from AwardState
		want [awardMoves]int // claim, deliver, done, fail
	}{
		{AwardWon, [awardMoves]int{on, no, no, no}},
		{AwardClaimed, [awardMoves]int{already, on, no, no}},
		{AwardDelivering, [awardMoves]int{already, already, on, on}},
		{AwardDelivered, [awardMoves]int{already, no, already, no}},
		{AwardPayoutFailed, [awardMoves]int{already, on, no, already}},
	} {
		for m, want := range row.want {
			x := newTable(t)
			x.mustPublish(delivered())
			draw, at := x.encoded(x.draw("u", "1"))
			for _, before := range path[row.from] {
				x.wantCode("before", x.move(draw, at, before), problem.OK)
			}
			x.now += 7
			what := fmt.Sprintf("move %d from %v", m, row.from)
			if want != on {
				x.unchanged(what, func() {
					r := x.move(draw, at, AwardMove(m))
					if (r.Code == problem.OK) != (want == already) || r.AlreadyLive != (want == already) || r.Value != uint64(row.from) || want == no && r.Code != problem.Conflict {
						t.Errorf("%s: %+v", what, r)
					}
				})
				continue
			}
			r := x.move(draw, at, AwardMove(m))
			x.wantCode(what, r, problem.OK)
			rec := x.records(r)[0]
			if to := moves[m].to; rec.Kind != RecordDelivery || AwardState(rec.Flags) != to || r.Value != uint64(to) || rec.VoidLocation() != at || string(rec.Name) != "p" || string(rec.Actor) != "key:pay" || string(rec.Reason) != "payout 4711" {
				t.Errorf("%s: recorded as %+v", what, rec)
			} else if a := x.stands(draw); a != (AwardView{State: to, At: x.now}) {
				t.Errorf("%s: stands at %+v", what, a)
			}
			x.reload()
			x.sound()
			if a := x.stands(draw); a.State != moves[m].to {
				t.Errorf("%s: behind a snapshot at %v", what, a.State)
			}
		}
	}
}

// What is not claimed in time has expired by log time alone; what was claimed waits for as long as it takes.
func TestAwardsExpire(t *testing.T) {
	x := newTable(t)
	x.mustPublish(delivered())
	late, lateAt := x.encoded(x.draw("u", "1"))
	kept, keptAt := x.encoded(x.draw("u", "2"))
	if a := x.stands(late); a != (AwardView{State: AwardWon, At: start, ExpiresAt: start + hourMilli}) {
		t.Errorf("%+v", a)
	}
	x.now = start + hourMilli - 1
	x.wantCode("in time", x.move(kept, keptAt, MoveClaim), problem.OK)
	x.now++
	x.unchanged("too late", func() {
		if r := x.move(late, lateAt, MoveClaim); r.Code != problem.Conflict || AwardState(r.Value) != AwardExpired {
			t.Errorf("%+v", r)
		}
		x.wantCode("expired awards are not delivered", x.move(late, lateAt, MoveDeliver), problem.Conflict)
	})
	if a := x.stands(late); a != (AwardView{State: AwardExpired, At: start + hourMilli}) {
		t.Errorf("%+v", a)
	}
	x.now += 99 * dayMilli
	if a := x.stands(kept); a.State != AwardClaimed {
		t.Errorf("%+v", a)
	}
	x.wantCode("months later", x.move(kept, keptAt, MoveDeliver), problem.OK)
}

// Claims and deliveries go on over a pause, a switch, the end, and the day on which keys are forgotten.
func TestAwardsOutliveTheCampaign(t *testing.T) {
	x := newTable(t)
	x.mustPublish(delivered(func(v *Version) { v.Deliveries[0].ClaimWithin = 0 }))
	draw, at := x.encoded(x.draw("u", "1"))
	again, againAt := x.encoded(x.draw("u", "2"))
	x.turn(SwitchScope{Kind: SwitchGlobal}, false, "ann")
	x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionPause, Actor: "ann"}) })
	x.wantCode("in a pause", x.move(draw, at, MoveClaim), problem.OK)
	x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionEnd, Actor: "ann"}) })
	x.now += 60 * dayMilli
	x.one(func(b *Batch) { b.AddTick() })
	x.wantCode("long after the end", x.move(again, againAt, MoveClaim), problem.OK)
	x.wantCode("delivery", x.move(draw, at, MoveDeliver), problem.OK)
	x.wantCode("done", x.move(draw, at, MoveDone), problem.OK)
	x.sound()
}

// The rule is that of the version under which the prize was won.
func TestAwardsKeepTheirVersion(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	plain, plainAt := x.encoded(x.draw("u", "1"))
	stock := func(v *Version) { v.Prizes[0].Stock = StockUnstated }
	x.mustPublish(delivered(stock))
	strict, strictAt := x.encoded(x.draw("u", "2"))
	x.mustPublish(delivered(stock, func(v *Version) { v.Deliveries[0] = Delivery{Unclaimed: true} }))
	easy, easyAt := x.encoded(x.draw("u", "3"))
	x.mustPublish(simple(stock))
	x.reload()
	x.unchanged("what has no states", func() {
		if r := x.move(plain, plainAt, MoveClaim); r.Code != problem.Conflict || r.Value != 0 {
			t.Errorf("%+v", r)
		}
	})
	x.wantCode("without a claim", x.move(easy, easyAt, MoveDeliver), problem.OK)
	x.unchanged("with one", func() { x.wantCode("unclaimed", x.move(strict, strictAt, MoveDeliver), problem.Conflict) })
	x.wantCode("claimed", x.move(strict, strictAt, MoveClaim), problem.OK)
	x.sound()
}

// Of a prize and one on top the award is of both.
func TestAwardOfTwoPrizes(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) {
		v.Prizes = append(v.Prizes, Prize{ID: "q", Stock: 50, Units: 1, Fallback: -1, Slot: -1})
		v.Pity = []Pity{{ID: "luck", Within: 2, Extra: true, Group: []int16{1}, List: []PityPrize{{Prize: 1, Reserve: 9}}}}
		v.Deliveries = []Delivery{{Prize: 0, Unclaimed: true}, {Prize: 1, ClaimWithin: 5000}}
	}))
	x.draw("u", "1")
	both, at := x.encoded(x.draw("u", "2"))
	var rec Record
	if _, err := DecodeRecord(both, &rec); err != nil {
		t.Fatal(err)
	}
	if m, _ := rec.Pity(); m.Extra != 1 {
		t.Fatalf("%+v", m)
	}
	if a := x.stands(both); a.ExpiresAt != start+5000 {
		t.Errorf("%+v", a)
	}
	x.unchanged("a claim is asked for one of them", func() { x.wantCode("deliver", x.move(both, at, MoveDeliver), problem.Conflict) })
}

// A void ends an award; one by abuse freezes the user's others until somebody thaws them. What has begun is told as it ended.
func TestVoidFreezesAwards(t *testing.T) {
	x := newTable(t)
	x.mustPublish(delivered())
	first, firstAt := x.encoded(x.draw("u", "1"))
	second, secondAt := x.encoded(x.draw("u", "2"))
	third, thirdAt := x.encoded(x.draw("u", "3"))
	other, otherAt := x.encoded(x.draw("v", "1"))
	x.move(second, secondAt, MoveClaim)
	x.move(third, thirdAt, MoveClaim)
	x.move(third, thirdAt, MoveDeliver)
	x.wantCode("void", x.void(first, firstAt, VoidAbuse), problem.OK)
	x.reload()
	c, _ := x.CampaignByRef(1)
	if a := x.stands(first); a.State != AwardVoided {
		t.Errorf("%+v", a)
	}
	if a := x.stands(second); a.State != AwardClaimed || !a.Frozen {
		t.Errorf("%+v", a)
	}
	x.unchanged("what is frozen, or void", func() {
		if r := x.move(second, secondAt, MoveDeliver); r.Code != problem.Conflict || !r.Limited || AwardState(r.Value) != AwardClaimed {
			t.Errorf("%+v", r)
		}
		if r := x.move(first, firstAt, MoveClaim); r.Code != problem.Conflict || AwardState(r.Value) != AwardVoided {
			t.Errorf("%+v", r)
		}
		if r := x.void(third, thirdAt, VoidUser); r.Code != problem.Conflict || r.Value != 0 {
			t.Errorf("a void of what is being delivered: %+v", r)
		}
	})
	x.wantCode("what had begun", x.move(third, thirdAt, MoveFail), problem.OK)
	x.wantCode("another's", x.move(other, otherAt, MoveClaim), problem.OK)
	thaw := func() Result {
		return x.one(func(b *Batch) {
			b.AddThaw(&Thaw{Campaign: 1, User: x.keys.User([]byte("u")), UserID: []byte("u"), Actor: "bob", Reason: "a mistake"})
		})
	}
	r := thaw()
	x.wantCode("thaw", r, problem.OK)
	if rec := x.records(r)[0]; rec.Kind != RecordThaw || string(rec.Name) != "u" || string(rec.Actor) != "bob" {
		t.Errorf("%+v", rec)
	}
	x.unchanged("twice", func() {
		if r := thaw(); !r.AlreadyLive {
			t.Errorf("%+v", r)
		}
	})
	x.wantCode("thawed", x.move(second, secondAt, MoveDeliver), problem.OK)
	// What was delivered does not come back into the stock.
	x.move(second, secondAt, MoveDone)
	before := c.books[0]
	x.wantCode("void", x.void(second, secondAt, VoidUser), problem.OK)
	if is := c.books[0]; is.Available != before.Available || is.Withdrawn != before.Withdrawn+1 || is.Issued != before.Issued-1 {
		t.Errorf("books %+v, were %+v", is, before)
	}
	x.sound()
}

// A payout switch stops deliveries of its kind from its place of the log on, and nothing else.
func TestPayoutSwitch(t *testing.T) {
	x := newTable(t)
	x.mustPublish(delivered(func(v *Version) {
		v.Prizes[0].Kind, v.Prizes[0].Amount, v.Prizes[0].Weight = KindCash, 5, 50
		v.Prizes = append(v.Prizes, Prize{ID: "q", Weight: 50, Stock: 900, Units: 1, Fallback: -1, Slot: -1})
		v.Deliveries = append(v.Deliveries, Delivery{Prize: 1})
	}))
	type won struct {
		draw []byte
		at   Location
	}
	var all [2][]won
	for i := range 40 {
		r := x.draw(userName(i), "1")
		draw, at := x.encoded(r)
		prize := x.records(r)[0].Prize
		all[prize] = append(all[prize], won{draw, at})
		x.move(draw, at, MoveClaim)
	}
	cash, thing := all[0], all[1]
	x.wantCode("before", x.move(cash[0].draw, cash[0].at, MoveDeliver), problem.OK)
	x.approvals(1)
	scope := SwitchScope{Kind: SwitchPayout, Prize: "cash"}
	x.wantCode("off", x.turn(scope, false, "ann"), problem.OK)
	x.reload()
	if s := x.Namespaces()[0].Switches(); len(s) != 1 || s[0].Scope != "payout/cash" {
		t.Errorf("%+v", s)
	}
	x.unchanged("a delivery of that kind", func() {
		if r := x.move(cash[1].draw, cash[1].at, MoveDeliver); r.Code != problem.Killed || SwitchKind(r.Cap) != SwitchPayout {
			t.Errorf("%+v", r)
		}
	})
	x.wantCode("what had begun", x.move(cash[0].draw, cash[0].at, MoveDone), problem.OK)
	x.wantCode("another kind", x.move(thing[0].draw, thing[0].at, MoveDeliver), problem.OK)
	x.wantCode("wins go on", x.draw("z", "1"), problem.OK)
	x.unchanged("what must not be", func() {
		for _, c := range []SetSwitch{{Scope: scope, BreakGlass: true, On: true}, {Scope: SwitchScope{Kind: SwitchPayout, Prize: "thanks"}}, {Scope: SwitchScope{Kind: SwitchPayout, Prize: "gold"}}} {
			c.Namespace, c.Actor = 1, "bob"
			x.wantCode("switch", x.one(func(b *Batch) { b.AddSwitch(&c) }), problem.InvalidField)
		}
	})
	x.now += UndoWindow
	asked := x.turn(scope, true, "ann")
	if !asked.Pending {
		t.Fatalf("on again: %+v", asked)
	}
	x.wantCode("approved", x.answerTo(asked, "bob"), problem.OK)
	x.wantCode("on", x.move(cash[1].draw, cash[1].at, MoveDeliver), problem.OK)
	x.sound()
}

func TestMovesAreRefused(t *testing.T) {
	x := newTable(t)
	x.mustPublish(delivered(func(v *Version) { v.Prizes[0].Weight = 50 }))
	var win, miss []byte
	var at Location
	for i := 0; win == nil || miss == nil; i++ {
		r := x.draw(userName(i), "1")
		if rec := x.records(r)[0]; rec.Prize == NoPrize {
			miss, _ = x.encoded(r)
		} else {
			win, at = x.encoded(r)
		}
	}
	other := bytes.Clone(win)
	other[4] = 2 // another campaign's
	future := bytes.Clone(win)
	future[18] = 99 // a seq that is not there yet
	x.unchanged("what is not there", func() {
		x.wantCode("a miss", x.move(miss, at, MoveClaim), problem.Conflict)
		x.wantCode("another campaign's draw", x.move(other, at, MoveClaim), problem.DrawNotFound)
		x.wantCode("a draw of the future", x.move(future, at, MoveClaim), problem.DrawNotFound)
		x.wantCode("no campaign", x.one(func(b *Batch) { b.AddMoveAward(&MoveAward{Campaign: 7, Draw: win}) }), problem.CampaignNotFound)
		x.wantCode("no campaign", x.one(func(b *Batch) { b.AddThaw(&Thaw{Campaign: 7}) }), problem.CampaignNotFound)
	})
	x.wantCode("policy", x.policy(&NamespacePolicy{TimeZone: "UTC", MaxKeys: x.Namespaces()[0].Keys()}), problem.OK)
	x.unchanged("no room", func() { x.wantCode("claim", x.move(win, at, MoveClaim), problem.Capacity) })
	for what, m := range map[string]MoveAward{
		"no record": {Campaign: 1}, "half of one": {Campaign: 1, Draw: win[:40]}, "a new move": {Campaign: 1, Draw: win, Move: awardMoves},
	} {
		var b Batch
		b.AddMoveAward(&m)
		if err := x.Apply(x.index+1, entryOf(&b, x.now), &x.out); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
	for what, d := range map[string][]Delivery{
		"no prize": {{Prize: 9}}, "twice": {{}, {}}, "too long": {{ClaimWithin: MaxClaimWithin + 1}}, "too short": {{ClaimWithin: 5}},
		"a time without a claim": {{Unclaimed: true, ClaimWithin: hourMilli}},
	} {
		if delivered(func(v *Version) { v.Deliveries = d }).Validate() == nil {
			t.Errorf("%s is valid", what)
		}
	}
	if delivered(func(v *Version) { v.Prizes[0].Kind, v.Prizes[0].Stock = KindThanks, Unlimited }).Validate() == nil {
		t.Error("thanks are delivered")
	}
}

// However draws, moves and voids follow each other: the sums hold, an award never goes back but for a delivery that begins
// again, and a restore changes nothing.
func TestAwardsAtRandom(t *testing.T) {
	var want [16]byte
	for run := range 3 {
		rng := rand.New(rand.NewPCG(24, 25))
		x := newTable(t)
		x.mustPublish(delivered(func(v *Version) { v.Prizes[0].Weight = 70 }))
		type won struct {
			draw []byte
			at   Location
		}
		var all []won
		for i := range 600 {
			x.now += UnixMilli(rng.IntN(100_000))
			switch n := rng.IntN(10); {
			case n < 4 || len(all) == 0:
				r := x.draw(userName(rng.IntN(9)), fmt.Sprint(i))
				draw, at := x.encoded(r)
				all = append(all, won{draw, at})
			case n < 9:
				w := &all[rng.IntN(len(all))]
				before, m := x.stands(w.draw), AwardMove(rng.IntN(4))
				r := x.move(w.draw, w.at, m)
				if after := x.stands(w.draw); r.Code == problem.OK && !r.AlreadyLive && after.State == before.State || r.Code != problem.OK && after != before ||
					after.State < before.State && !(before.State == AwardPayoutFailed && m == MoveDeliver) {
					t.Fatalf("move %d of %+v: %+v, then %+v", m, before, r, after)
				}
			default:
				w := &all[rng.IntN(len(all))]
				x.void(w.draw, w.at, VoidFault(1+rng.IntN(3)))
			}
			if run == 1 && i%97 == 0 {
				x.reload()
			}
			if run == 2 && i%50 == 0 {
				x.Engine = reload(t, x.Engine)
			}
		}
		x.sound()
		if run == 0 {
			want = x.StateHash()
		} else if x.StateHash() != want {
			t.Errorf("run %d ends in another state", run)
		}
	}
}
