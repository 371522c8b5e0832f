package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// The rows follow the order of the ladder: each test sets up what the rungs above it let pass.

func TestIdempotency(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	first := x.draw("u", "k", times(3))
	if first.Code != problem.OK || first.Replayed || first.Records != 3 {
		t.Fatalf("first: %+v", first)
	}
	again := x.draw("u", "k", times(3))
	if !again.Replayed || again.At != first.At || again.Code != problem.OK {
		t.Errorf("again: %+v", again)
	}
	x.unchanged("a mismatch", func() {
		x.wantCode("other times", x.draw("u", "k", times(2)), problem.IdempotencyMismatch)
		x.wantCode("other form", x.draw("u", "k"), problem.IdempotencyMismatch)
		x.wantCode("other channel", x.draw("u", "k", times(3), func(d *Draw) { d.Channel = []byte("h5") }), problem.IdempotencyMismatch)
		x.wantCode("other price", x.draw("u", "k", times(3), func(d *Draw) { d.MaxPrice = 9 }), problem.IdempotencyMismatch)
	})
	if r := x.draw("u", "k", times(3), func(d *Draw) { d.HasDevice, d.Device = true, Key{9} }); !r.Replayed {
		t.Errorf("a device is a fact of the first send: %+v", r)
	}
	if r := x.draw("v", "k"); r.Code != problem.OK || r.Replayed {
		t.Errorf("another user's key is another key: %+v", r)
	}
	x.now = start + 30*dayMilli
	if r := x.draw("u", "k", times(3)); !r.Replayed {
		t.Errorf("after the end the key still answers: %+v", r)
	}
}

func TestAbandonedKey(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	abandon := func(user, key string) Result {
		d := x.request(user, key)
		return x.one(func(b *Batch) {
			b.AddAbandon(&Abandon{Campaign: 1, User: d.User, Digest: d.Digest, UserID: d.UserID, Actor: "host"})
		})
	}
	done := x.draw("u", "done")
	if r := abandon("u", "done"); !r.Replayed || r.At != done.At {
		t.Errorf("abandoning a decided key gives the first answer: %+v", r)
	}
	x.wantCode("abandon", abandon("u", "lost"), problem.KeyAbandoned)
	x.unchanged("a draw under an abandoned key", func() {
		x.wantCode("draw", x.draw("u", "lost"), problem.KeyAbandoned)
		x.wantCode("abandon again", abandon("u", "lost"), problem.KeyAbandoned)
	})
}

func TestCampaignAtLogTime(t *testing.T) {
	x := newTable(t)
	x.unchanged("an unknown campaign", func() { x.wantCode("draw", x.draw("u", "k"), problem.CampaignNotFound) })
	v := simple(func(v *Version) { v.StartsAt, v.EndsAt = start+1000, start+2000 })
	x.mustPublish(v)
	at := func(now UnixMilli, want problem.Code) {
		t.Helper()
		x.now = now
		r := x.draw("u", "k"+userName(int(now)))
		x.wantCode("draw", r, want)
		if want == problem.NotStarted && (r.ResetsAt != v.StartsAt || r.Now != now) {
			t.Errorf("not_started says %+v", r)
		}
	}
	at(start+999, problem.NotStarted)
	at(start+1000, problem.OK)
	at(start+1999, problem.OK)
	at(start+2000, problem.Ended)
	at(start+1500, problem.Ended) // log time never goes back
}

func TestPauseResumeEnd(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple(func(v *Version) { v.EndsAt = start + 10_000 }))
	control := func(a Action, extend bool) Result {
		return x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: a, ExtendByPause: extend}) })
	}
	x.now = start + 4_000
	x.wantCode("pause", control(ActionPause, false), problem.OK)
	if c.Status(x.now) != StatusPaused {
		t.Errorf("status %v", c.Status(x.now))
	}
	x.unchanged("pausing again, and a draw", func() {
		if r := control(ActionPause, false); !r.AlreadyLive {
			t.Errorf("pause again: %+v", r)
		}
		x.wantCode("draw", x.draw("u", "1"), problem.Paused)
	})
	x.now = start + 7_000
	x.wantCode("resume", control(ActionResume, true), problem.OK)
	if c.EndsAt() != start+13_000 {
		t.Errorf("the end moved to start%+d ms, 3 s of pause should be added", c.EndsAt()-start)
	}
	x.now = start + 12_999
	x.wantCode("draw in the added time", x.draw("u", "2"), problem.OK)
	x.wantCode("end", control(ActionEnd, false), problem.OK)
	x.wantCode("draw in the same millisecond", x.draw("u", "3"), problem.Ended)
	x.wantCode("pause after the end", control(ActionPause, false), problem.Ended)
	x.wantCode("publish after the end", x.publish(simple(func(v *Version) { v.EndsAt = start + 90_000 })), problem.Ended)
}

func TestExpectedVersion(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	expect := func(n uint32) func(d *Draw) { return func(d *Draw) { d.ExpectVersion = n } }
	x.wantCode("version 1", x.draw("u", "1", expect(1)), problem.OK)
	x.unchanged("a draw for another version", func() {
		x.wantCode("version 2", x.draw("u", "2", expect(2)), problem.VersionChanged)
	})
	x.wantCode("publish", x.publish(simple(func(v *Version) { v.Prizes[0].Value = 5 })), problem.OK)
	x.wantCode("version 1 after 2", x.draw("u", "3", expect(1)), problem.VersionChanged)
}

func TestScopeValueMissing(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) {
		v.Caps = []Cap{{ID: "dev", Scope: ScopeDevice, Limit: 1, Prize: -1}, {ID: "ip", Scope: ScopeIP, Limit: 2, Prize: -1}}
	}))
	device := func(n byte) func(d *Draw) { return func(d *Draw) { d.HasDevice, d.Device = true, Key{n} } }
	ip := func(n byte) func(d *Draw) { return func(d *Draw) { d.HasIP, d.IP = true, Key{n, 1} } }
	x.unchanged("missing values", func() {
		x.wantCode("nothing", x.draw("u", "1"), problem.ScopeValueMissing)
		x.wantCode("device only", x.draw("u", "1", device(1)), problem.ScopeValueMissing)
	})
	x.wantCode("both", x.draw("u", "1", device(1), ip(1)), problem.OK)
	r := x.draw("v", "2", device(1), ip(1))
	if r.Code != problem.Capped || x.CapName(&r) != "dev" {
		t.Errorf("another user on the same device: %+v", r)
	}
	x.wantCode("third device", x.draw("w", "3", device(2), ip(1)), problem.OK)
	r = x.draw("y", "4", device(3), ip(1))
	if r.Code != problem.Capped || x.CapName(&r) != "ip" || r.Used != 2 || r.Limit != 2 {
		t.Errorf("third user on one ip: %+v", r)
	}
}

// Of several caps that reset together the first of the file is named, whatever they count (found by the comparison with
// the reference).
func TestCapsThatResetTogether(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) {
		v.Prizes[0].Kind, v.Prizes[0].Amount = KindCash, 5
		v.Caps = []Cap{
			{ID: "money", Counts: CountAmount, Window: Window{Kind: WindowDay}, Limit: 5, Prize: -1, DenyWhenReached: true},
			{ID: "wins", Counts: CountWins, Window: Window{Kind: WindowDay}, Limit: 1, Prize: -1, DenyWhenReached: true},
		}
	}))
	x.wantCode("first", x.draw("u", "a"), problem.OK)
	if r := x.draw("u", "b"); r.Code != problem.Capped || x.CapName(&r) != "money" {
		t.Errorf("%+v: cap %s, want money", r, x.CapName(&r))
	}
}

func TestCapsOnDraws(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) {
		v.Caps = []Cap{
			{ID: "hour", Window: Window{Kind: WindowHour}, Limit: 3, Prize: -1},
			{ID: "day", Window: Window{Kind: WindowDay}, Limit: 5, Prize: -1},
		}
	}))
	x.now = start + 10*60_000
	x.unchanged("four where three fit", func() {
		r := x.draw("u", "a", times(4))
		if r.Code != problem.Capped || r.Allowed != 3 || x.CapName(&r) != "hour" || r.ResetsAt != 0 { // no hour holds four: waiting does not help
			t.Errorf("got %+v", r)
		}
	})
	x.wantCode("three", x.draw("u", "b", times(3)), problem.OK)
	r := x.draw("u", "c")
	if r.Code != problem.Capped || r.Used != 3 || r.Limit != 3 || r.Allowed != 0 || r.ResetsAt != start+hourMilli || r.Now != x.now {
		t.Errorf("got %+v", r)
	}
	x.now = start + hourMilli
	r = x.draw("u", "d", times(3))
	if r.Code != problem.Capped || x.CapName(&r) != "day" || r.Allowed != 2 || r.ResetsAt != start+dayMilli {
		t.Errorf("the day resets later than the hour and is named: %+v", r)
	}
	x.wantCode("two", x.draw("u", "e", times(2)), problem.OK)
	x.now = start + dayMilli
	x.wantCode("next day", x.draw("u", "f", times(3)), problem.OK)
}

func TestRollingAndCooldown(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) {
		v.Caps = []Cap{
			{ID: "roll", Window: Window{WindowRolling, 60_000}, Limit: 2, Prize: -1},
			{ID: "cool", Window: Window{WindowCooldown, 5_000}, Limit: 1, Prize: -1},
		}
	}))
	step := func(at UnixMilli, n uint8, want problem.Code, cap string, resets UnixMilli) {
		t.Helper()
		x.now = start + at
		r := x.draw("u", "k"+userName(int(at)), times(n))
		x.wantCode("draw", r, want)
		if want == problem.Capped && (x.CapName(&r) != cap || r.ResetsAt != start+resets) {
			t.Errorf("at %d: %q resets at %d, want %q at %d", at, x.CapName(&r), r.ResetsAt-start, cap, resets)
		}
	}
	step(0, 1, problem.OK, "", 0)
	step(4_999, 1, problem.Capped, "cool", 5_000)
	step(5_000, 1, problem.OK, "", 0)
	step(10_000, 1, problem.Capped, "roll", 60_000)
	step(59_999, 1, problem.Capped, "roll", 60_000)
	step(60_000, 2, problem.Capped, "roll", 65_000) // two need both to leave
	step(60_001, 1, problem.OK, "", 0)
	step(65_001, 1, problem.OK, "", 0)
	step(200_000, 2, problem.OK, "", 0) // a cooldown counts a request once
	step(200_001, 1, problem.Capped, "roll", 260_000)
}

func TestAggregateCapsCountOverCampaigns(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.mustPublish(simple(func(v *Version) { v.Campaign = "d" }))
	policy := func(expect uint64, limit uint32) Result {
		p := &NamespacePolicy{AggregateCaps: []AggregateCap{
			{ID: "all", Window: Window{Kind: WindowDay}, Limit: limit},
			{ID: "wins", Counts: CountWins, Limit: 2},
		}}
		return x.one(func(b *Batch) { b.AddPolicy(&PutPolicy{Namespace: 1, Expect: expect, Policy: p}) })
	}
	in := func(c CampaignRef) func(d *Draw) { return func(d *Draw) { d.Campaign = c } }
	x.wantCode("before the policy", x.draw("u", "0"), problem.OK)
	x.wantCode("policy", policy(0, 3), problem.OK)
	if r := policy(0, 3); r.Code != problem.VersionConflict || r.Value != 1 {
		t.Errorf("stale revision: %+v", r)
	}
	x.wantCode("first campaign", x.draw("u", "1"), problem.OK)
	x.wantCode("second campaign", x.draw("u", "2", in(2)), problem.OK)
	x.wantCode("two wins over both", x.draw("u", "3"), problem.NothingLeftForUser)
	x.wantCode("raise nothing", policy(1, 2), problem.OK)
	r := x.draw("u", "4", in(2))
	if r.Code != problem.Capped || x.CapName(&r) != "ns/all" || r.ResetsAt != start+dayMilli {
		t.Errorf("got %v %q %+v", r.Code, x.CapName(&r), r)
	}
}

func TestExhaustion(t *testing.T) {
	for _, policy := range []Policy{Deny, Miss, End} {
		x := newTable(t)
		c := x.mustPublish(simple(func(v *Version) { v.Prizes[0].Stock, v.Prizes[0].Units, v.Exhausted = 5, 2, policy }))
		r := x.draw("u", "k", times(3))
		recs := x.records(r)
		if recs[0].Prize != 0 || recs[1].Prize != 0 || recs[2].Prize != NoPrize || recs[2].Cause != CauseSoldOut || recs[1].StockAfter != 1 {
			t.Fatalf("policy %d: %+v", policy, recs)
		}
		if !c.Exhausted() {
			t.Errorf("one unit is left, two are needed: nothing can be won")
		}
		want := map[Policy]problem.Code{Deny: problem.Exhausted, Miss: problem.OK, End: problem.Ended}[policy]
		x.wantCode("draw", x.draw("v", "k"), want)
		adjust := x.one(func(b *Batch) { b.AddAdjust(&Adjust{Campaign: 1, Prize: "p", Delta: 1, Digest: Key{1}}) })
		if adjust.Code != problem.OK || adjust.Value != 6 {
			t.Errorf("adjust: %+v", adjust)
		}
		want = map[Policy]problem.Code{Deny: problem.OK, Miss: problem.OK, End: problem.Ended}[policy]
		x.wantCode("draw after stock returned", x.draw("w", "k"), want)
		if err := x.CheckInvariants(); err != nil {
			t.Error(err)
		}
	}
}

func TestWinsCaps(t *testing.T) {
	two := func(v *Version) {
		v.Prizes = []Prize{
			{ID: "a", Weight: 100, Stock: 100, Units: 1, Unavailable: OnFallback, Fallback: 1, Slot: -1},
			{ID: "b", Stock: 100, Units: 1, Fallback: -1, Slot: -1},
		}
	}
	x := newTable(t)
	x.mustPublish(simple(two, func(v *Version) {
		v.Caps = []Cap{{ID: "a1", Counts: CountWins, Limit: 1, Prize: 0}, {ID: "b1", Counts: CountWins, Limit: 1, Prize: 1}}
	}))
	recs := x.records(x.draw("u", "1", times(3)))
	want := []struct {
		prize int
		cause Cause
	}{{0, CauseNone}, {1, CauseUserPrizeCap}, {NoPrize, CauseUserPrizeCap}}
	for i, w := range want {
		if recs[i].Prize != w.prize || recs[i].Cause != w.cause || recs[i].Natural != 0 {
			t.Errorf("sub-draw %d: prize %d cause %v, want %d %v", i, recs[i].Prize, recs[i].Cause, w.prize, w.cause)
		}
	}
	x.wantCode("both caps reached", x.draw("u", "2"), problem.NothingLeftForUser)

	x = newTable(t)
	x.mustPublish(simple(two, func(v *Version) {
		v.UserExhausted = Miss
		v.Caps = []Cap{{ID: "one", Counts: CountWins, Limit: 1, Prize: -1}}
	}))
	x.draw("u", "1")
	if rec := x.records(x.draw("u", "2"))[0]; rec.Prize != NoPrize || rec.Cause != CauseWinCap {
		t.Errorf("win beyond the cap: %+v", rec)
	}

	x = newTable(t)
	x.mustPublish(simple(two, func(v *Version) {
		v.Caps = []Cap{{ID: "one", Counts: CountWins, Limit: 1, Prize: -1, DenyWhenReached: true}}
	}))
	x.draw("u", "1")
	if r := x.draw("u", "2"); r.Code != problem.Capped || x.CapName(&r) != "one" || r.ResetsAt != 0 {
		t.Errorf("a cap that denies: %+v", r)
	}
}

func TestThanksIsAMissWithAName(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) {
		v.Guaranteed = true
		v.Prizes = []Prize{
			{ID: "p", Weight: 0, Stock: 1, Units: 1, Fallback: -1, Slot: -1},
			{ID: "thanks", Kind: KindThanks, Weight: 100, Stock: Unlimited, Units: 1, Fallback: -1, Slot: 4},
		}
		v.Caps = []Cap{{ID: "one", Counts: CountWins, Limit: 1, Prize: -1}}
	}))
	for i := range 3 {
		rec := x.records(x.draw("u", userName(i)))[0]
		if rec.Prize != NoPrize || rec.Natural != 1 || rec.Cause != CauseNone || rec.Used[0] != 0 {
			t.Errorf("got %+v", rec)
		}
	}
}

func TestRecordChainsAndCounters(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) { v.Caps = []Cap{{ID: "day", Window: Window{Kind: WindowDay}, Limit: 100, Prize: -1}} }))
	a := x.draw("u", "1", times(2))
	first := x.records(a)
	b := x.draw("u", "2", func(d *Draw) { d.Channel = []byte("h5") })
	rec := x.records(b)[0]
	if rec.Previous != (Location{a.At.Index, 1}) || rec.PrevWin != rec.Previous || first[0].Previous != (Location{}) {
		t.Errorf("chain: %+v", rec)
	}
	if rec.Seq != 3 || rec.DrawNumber != 3 || first[0].Used[0] != 2 || rec.Used[0] != 3 || string(rec.User) != "u" || string(rec.Channel) != "h5" {
		t.Errorf("record: %+v", rec)
	}
	if rec.StockAfter != 997 || rec.At != x.now || rec.Times != 1 || rec.Listed || !first[1].Listed || first[1].Part != 1 {
		t.Errorf("record: %+v", rec)
	}
}

func TestCapacityRefusesTheUnknownOnly(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.draw("known", "1")
	p := &NamespacePolicy{MaxUsers: 1, MaxKeys: 3}
	x.one(func(b *Batch) { b.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Policy: p}) })
	x.unchanged("a refused user", func() { x.wantCode("new user", x.draw("new", "1"), problem.Capacity) })
	x.wantCode("known user", x.draw("known", "2"), problem.OK)
	x.wantCode("known user", x.draw("known", "3"), problem.OK)
	x.unchanged("a refused key", func() { x.wantCode("fourth key", x.draw("known", "4"), problem.Capacity) })
	if r := x.draw("known", "3"); !r.Replayed {
		t.Errorf("known keys go on: %+v", r)
	}
}

func TestFencedCampaign(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple())
	x.draw("u", "1")
	c.books[0].Issued++ // what no code does: the books no longer add up
	before := c.books[0]
	r := x.draw("u", "2")
	x.wantCode("draw", r, problem.CampaignFenced)
	if c.books[0] != before || c.FencedBy() != "stock of p" || c.Status(x.now) != StatusFenced {
		t.Errorf("fenced by %q, books %+v", c.FencedBy(), c.books[0])
	}
	if rec := x.records(r); len(rec) != 1 || rec[0].Kind != RecordFence || string(rec[0].Name) != "stock of p" {
		t.Errorf("the fence is recorded: %+v", rec)
	}
	x.wantCode("next draw", x.draw("v", "3"), problem.CampaignFenced)
	if r := x.draw("u", "1"); !r.Replayed {
		t.Errorf("what was answered stands: %+v", r)
	}
	if x.CheckInvariants() == nil {
		t.Error("CheckInvariants sees nothing")
	}
}
