package engine

import (
	"bytes"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// turn moves a switch.
func (x *table) turn(scope SwitchScope, on bool, actor string, edit ...func(c *SetSwitch)) Result {
	x.Helper()
	c := SetSwitch{Namespace: 1, Scope: scope, On: on, Actor: actor, Reason: "why"}
	for _, f := range edit {
		f(&c)
	}
	return x.one(func(b *Batch) { b.AddSwitch(&c) })
}

func breakGlass(c *SetSwitch) { c.BreakGlass = true }

// approvals sets the policy.
func (x *table) approvals(n uint8) Result {
	x.Helper()
	x.people("ann", "bob", "cyd")
	return x.one(func(b *Batch) {
		b.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Actor: "ann", Policy: &NamespacePolicy{TimeZone: "UTC", Approvals: n}})
	})
}

// answerTo approves or rejects the request of a result.
func (x *table) answerTo(asked Result, actor string, edit ...func(c *Approve)) Result {
	x.Helper()
	c := Approve{Namespace: 1, Number: uint32(asked.Value), Actor: actor, Reason: "seen"}
	for _, a := range x.Namespaces()[0].Approvals() {
		if a.Number == c.Number {
			c.Digest = a.Digest
		}
	}
	for _, f := range edit {
		f(&c)
	}
	return x.one(func(b *Batch) { b.AddApprove(&c) })
}

// reload goes through a snapshot and fails when the state is another one behind it.
func (x *table) reload() {
	x.Helper()
	var s bytes.Buffer
	if err := x.WriteSnapshot(&s); err != nil {
		x.Fatal(err)
	}
	e, _ := New(Options{Shards: 2})
	if err := e.ReadSnapshot(bytes.NewReader(s.Bytes())); err != nil {
		x.Fatal(err)
	}
	if e.StateHash() != x.StateHash() {
		x.Fatal("another state behind a snapshot")
	}
	x.Engine, x.out = e, Outcome{}
	if err := x.CheckInvariants(); err != nil {
		x.Fatal(err)
	}
}

func TestSwitchesDenyDraws(t *testing.T) {
	for _, row := range []struct {
		scope SwitchScope
		text  string
	}{
		{SwitchScope{Kind: SwitchGlobal}, "global"},
		{SwitchScope{Kind: SwitchNamespace}, "namespace"},
		{SwitchScope{Kind: SwitchCampaign, Campaign: 1}, "campaign/c"},
	} {
		x := newTable(t)
		c := x.mustPublish(simple())
		x.wantCode("before", x.draw("u", "1"), problem.OK)
		r := x.turn(row.scope, false, "ann")
		x.wantCode(row.text, r, problem.OK)
		rec := x.records(r)[0]
		if rec.Kind != RecordSwitch || string(rec.Name) != row.text || rec.Flags != 0 || string(rec.Actor) != "ann" || string(rec.Reason) != "why" {
			t.Errorf("%s: record %+v", row.text, rec)
		}
		for range 2 {
			d := x.request("u", "2")
			if got, ok := x.Peek(&d, x.now); !ok || got.Code != problem.Killed || got.Cap != uint8(row.scope.Kind) {
				t.Errorf("%s: peek says %+v", row.text, got)
			}
			x.unchanged("a killed draw", func() { x.wantCode(row.text, x.draw("u", "2"), problem.Killed) })
			x.unchanged("off again", func() {
				if r := x.turn(row.scope, false, "ann"); !r.AlreadyLive {
					t.Errorf("%s: %+v", row.text, r)
				}
			})
			if s := x.Namespaces()[0].Switches(); len(s) != 1 || s[0].Scope != row.text || s[0].Actor != "ann" {
				t.Errorf("%s: listed %+v", row.text, s)
			}
			x.reload()
			c, _ = x.CampaignByRef(1)
		}
		if c.Status(x.now) != StatusKilled {
			t.Errorf("%s: status %v", row.text, c.Status(x.now))
		}
		if r := x.draw("u", "1"); !r.Replayed {
			t.Errorf("%s: what was drawn is answered again: %+v", row.text, r)
		}
		x.wantCode("on", x.turn(row.scope, true, "bob"), problem.OK)
		x.wantCode("after", x.draw("u", "2"), problem.OK)
	}
}

// A campaign that comes while the namespace is off is off too.
func TestSwitchReachesNewCampaigns(t *testing.T) {
	x := newTable(t)
	x.turn(SwitchScope{Kind: SwitchNamespace}, false, "ann")
	x.mustPublish(simple())
	x.wantCode("draw", x.draw("u", "1"), problem.Killed)
	x.turn(SwitchScope{Kind: SwitchNamespace}, true, "ann")
	x.wantCode("draw", x.draw("u", "1"), problem.OK)
}

func twoPrizes(v *Version) {
	v.Denominator = 100
	v.Prizes[0].Weight = 60
	v.Prizes = append(v.Prizes, Prize{ID: "q", Weight: 40, Stock: 1000, Units: 1, Fallback: 0, Unavailable: OnFallback, Slot: -1})
}

// The weight of a prize that is off is an ordinary miss: it consumes, takes no fallback, and the cause is recorded.
func TestPrizeSwitch(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(twoPrizes))
	q := SwitchScope{Kind: SwitchPrize, Campaign: 1, Prize: "q"}
	x.wantCode("off", x.turn(q, false, "ann"), problem.OK)
	x.reload()
	c, _ := x.CampaignByRef(1)
	off := 0
	for i := range 200 {
		rec := x.records(x.draw(userName(i), "1"))[0]
		switch {
		case rec.Natural == 1 && (rec.Prize != NoPrize || rec.Cause != CauseSwitchedOff):
			t.Fatalf("a prize that is off: %+v", rec)
		case rec.Natural == 0 && rec.Prize != 0:
			t.Fatalf("the other prize: %+v", rec)
		case rec.Natural == 1:
			off++
		}
	}
	if _, stock := c.Stock(); off < 40 || stock[1].Issued != 0 || stock[0].Issued != Quantity(200-off) {
		t.Errorf("%d of 200 draws named the prize; %+v", off, stock)
	}
	if x.UserState(c, x.keys.User([]byte("u0")), x.now).Draws != 1 {
		t.Error("a miss by switch consumes")
	}
	x.wantCode("on", x.turn(q, true, "ann"), problem.OK)
	for i := range 50 {
		if rec := x.records(x.draw(userName(i), "2"))[0]; rec.Cause != CauseNone {
			t.Fatalf("on again: %+v", rec)
		}
	}
}

// For exhaustion a prize that is off is out, and comes back.
func TestExhaustionCountsSwitchedOffAsOut(t *testing.T) {
	for policy, want := range map[Policy]problem.Code{Deny: problem.Exhausted, Miss: problem.OK, End: problem.Ended} {
		x := newTable(t)
		x.mustPublish(simple(twoPrizes, func(v *Version) { v.Exhausted = policy }))
		for _, id := range []string{"p", "q"} {
			x.wantCode("before", x.draw("u", id), problem.OK)
			x.turn(SwitchScope{Kind: SwitchPrize, Campaign: 1, Prize: id}, false, "ann")
		}
		x.wantCode("all off", x.draw("u", "3"), want)
		x.one(func(b *Batch) { b.AddAdjust(&Adjust{Campaign: 1, Prize: "p", Delta: 5, Digest: Key{9}}) })
		x.wantCode("more of what is off", x.draw("u", "4"), want)
		x.turn(SwitchScope{Kind: SwitchPrize, Campaign: 1, Prize: "p"}, true, "ann")
		x.wantCode("one on again", x.draw("u", "5"), problem.OK)
	}
}

func TestSwitchRefusals(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.one(func(b *Batch) { b.AddNamespace(&NewNamespace{Name: "other", Secret: [16]byte{9}}) })
	for _, row := range []struct {
		what  string
		scope SwitchScope
		ns    NamespaceRef
		want  problem.Code
	}{
		{"no namespace", SwitchScope{Kind: SwitchNamespace}, 7, problem.NamespaceNotFound},
		{"global from another namespace", SwitchScope{Kind: SwitchGlobal}, 2, problem.InvalidField},
		{"no campaign", SwitchScope{Kind: SwitchCampaign, Campaign: 2}, 1, problem.CampaignNotFound},
		{"a campaign of another namespace", SwitchScope{Kind: SwitchCampaign, Campaign: 1}, 2, problem.CampaignNotFound},
		{"no prize", SwitchScope{Kind: SwitchPrize, Campaign: 1, Prize: "x"}, 1, problem.PrizeNotFound},
	} {
		x.unchanged(row.what, func() {
			x.wantCode(row.what, x.turn(row.scope, false, "ann", func(c *SetSwitch) { c.Namespace = row.ns }), row.want)
		})
	}
	x.unchanged("on what is on", func() {
		if r := x.turn(SwitchScope{Kind: SwitchGlobal}, true, "ann"); !r.AlreadyLive {
			t.Errorf("%+v", r)
		}
	})
}

func TestOnAgainNeedsAnotherPerson(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.approvals(1)
	scope := SwitchScope{Kind: SwitchCampaign, Campaign: 1}
	x.turn(scope, false, "ann")
	asked := x.turn(scope, true, "bob")
	if asked.Code != problem.OK || !asked.Pending || asked.Value != 1 {
		t.Fatalf("asked: %+v", asked)
	}
	if rec := x.records(asked)[0]; rec.Kind != RecordApproval || rec.Flags != ApprovalRequested || string(rec.Name) != "switch on campaign/c" || rec.Delta != 1 {
		t.Errorf("record %+v", rec)
	}
	x.unchanged("asking twice", func() {
		if r := x.turn(scope, true, "bob"); !r.Pending || !r.AlreadyLive || r.Value != 1 {
			t.Errorf("asked again: %+v", r)
		}
	})
	x.unchanged("what must not be", func() {
		x.wantCode("still off", x.draw("u", "1"), problem.Killed)
		x.wantCode("who asks", x.answerTo(asked, "bob"), problem.Forbidden)
		x.wantCode("another digest", x.answerTo(asked, "ann", func(c *Approve) { c.Digest[3] ^= 1 }), problem.Conflict)
		x.wantCode("no such request", x.answerTo(Result{Value: 2}, "ann"), problem.NotFound)
		x.wantCode("no such namespace", x.answerTo(asked, "ann", func(c *Approve) { c.Namespace = 9 }), problem.NamespaceNotFound)
	})
	x.reload()
	done := x.answerTo(asked, "ann")
	x.wantCode("approved", done, problem.OK)
	recs := x.records(done)
	if len(recs) != 2 || recs[0].Kind != RecordSwitch || recs[0].Flags != SwitchTurnedOn|SwitchApproved || string(recs[0].Actor) != "bob" ||
		recs[1].Kind != RecordApproval || recs[1].Flags != ApprovalDone || string(recs[1].Actor) != "ann" {
		t.Errorf("records %+v", recs)
	}
	x.wantCode("on", x.draw("u", "1"), problem.OK)
	x.wantCode("twice", x.answerTo(asked, "ann"), problem.NotFound)
	x.reload()
}

func TestUndo(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.approvals(1)
	scope := SwitchScope{Kind: SwitchPrize, Campaign: 1, Prize: "p"}
	x.turn(scope, false, "ann")
	x.now += UndoWindow - 1
	undone := x.turn(scope, true, "ann")
	if undone.Pending || x.records(undone)[0].Flags != SwitchTurnedOn|SwitchUndone {
		t.Errorf("in time: %+v", undone)
	}
	x.turn(scope, false, "ann")
	x.now += UndoWindow
	if r := x.turn(scope, true, "ann"); !r.Pending {
		t.Errorf("too late: %+v", r)
	}
	x.answerTo(Result{Value: 1}, "bob")
	x.turn(scope, false, "ann")
	x.turn(scope, false, "bob") // he wants it off too
	for _, actor := range []string{"ann", "bob"} {
		if r := x.turn(scope, true, actor); !r.Pending {
			t.Errorf("%s undid what two people did: %+v", actor, r)
		}
	}
	if s := x.Namespaces()[0].Switches(); len(s) != 1 || s[0].UndoUntil != 0 {
		t.Errorf("%+v", s)
	}
}

// A request is about the state in which it was made: when the switch moves, it goes.
func TestARequestGoesWithItsReason(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.approvals(1)
	scope := SwitchScope{Kind: SwitchCampaign, Campaign: 1}
	x.turn(scope, false, "ann")
	asked := x.turn(scope, true, "bob")
	x.turn(scope, false, "cyd")
	x.unchanged("an approval of what is no more", func() { x.wantCode("approve", x.answerTo(asked, "ann"), problem.NotFound) })
	asked = x.turn(scope, true, "bob")
	x.wantCode("reject", x.answerTo(asked, "bob", func(c *Approve) { c.Reject = true }), problem.OK)
	x.wantCode("rejected", x.answerTo(asked, "ann"), problem.NotFound)
	asked = x.turn(scope, true, "bob")
	x.now += ApprovalLife
	x.unchanged("an approval too late", func() { x.wantCode("approve", x.answerTo(asked, "ann"), problem.NotFound) })
	if n := len(x.Namespaces()[0].Approvals()); n != 0 {
		t.Errorf("%d wait", n)
	}
}

func TestTwoApprovals(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.approvals(2)
	scope := SwitchScope{Kind: SwitchGlobal}
	x.turn(scope, false, "ann")
	asked := x.turn(scope, true, "bob")
	if r := x.answerTo(asked, "ann"); !r.Pending || x.records(r)[0].Flags != ApprovalGiven {
		t.Fatalf("first: %+v", r)
	}
	x.reload()
	x.unchanged("the same person again", func() {
		if r := x.answerTo(asked, "ann"); !r.Pending || !r.AlreadyLive {
			t.Errorf("%+v", r)
		}
	})
	x.wantCode("off", x.draw("u", "1"), problem.Killed)
	if r := x.answerTo(asked, "cyd"); r.Pending {
		t.Fatalf("second: %+v", r)
	}
	x.wantCode("on", x.draw("u", "1"), problem.OK)
}

func TestBreakGlass(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.approvals(1)
	scope := SwitchScope{Kind: SwitchCampaign, Campaign: 1}
	x.turn(scope, false, "ann")
	x.now += UndoWindow
	asked := x.turn(scope, true, "ann", breakGlass)
	if !asked.Pending || x.records(asked)[0].Flags != ApprovalGlass {
		t.Fatalf("asked: %+v", asked)
	}
	if a := x.Namespaces()[0].Approvals(); len(a) != 1 || a[0].EffectAt != x.now+BreakGlassDelay {
		t.Errorf("waiting: %+v", a)
	}
	x.now += BreakGlassDelay - 1
	x.wantCode("before", x.draw("u", "1"), problem.Killed)
	x.reload()
	if due, ok := x.NextDue(); !ok || due != x.now+1 {
		t.Errorf("due %d, now %d", due, x.now)
	}
	x.now++
	r := x.draw("u", "1") // the first entry of that time carries it out
	x.wantCode("after", r, problem.OK)
	if r.At.Ordinal != 2 {
		t.Errorf("the draw stands behind two records: %+v", r)
	}
	var kinds []RecordKind
	for _, from := range x.out.Offsets {
		var rec Record
		if _, err := DecodeRecord(x.out.Records[from:], &rec); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, rec.Kind)
		if rec.Kind == RecordSwitch && rec.Flags != SwitchTurnedOn|SwitchGlass || rec.Kind == RecordApproval && rec.Flags != ApprovalFell {
			t.Errorf("%+v", rec)
		}
	}
	if len(kinds) != 3 {
		t.Errorf("records %v", kinds)
	}
	// Somebody is faster than the glass.
	x.turn(scope, false, "ann")
	x.now += UndoWindow
	asked = x.turn(scope, true, "ann", breakGlass)
	x.answerTo(asked, "bob", func(c *Approve) { c.Reject = true })
	x.now += BreakGlassDelay
	x.wantCode("rejected", x.draw("u", "2"), problem.Killed)
}

// Whoever asks for approvals cannot be rid of them alone.
func TestFewerApprovalsNeedApproval(t *testing.T) {
	x := newTable(t)
	x.approvals(2)
	asked := x.approvals(0)
	if !asked.Pending || x.Namespaces()[0].Policy().Approvals != 2 {
		t.Fatalf("%+v", asked)
	}
	x.answerTo(asked, "bob")
	if r := x.answerTo(asked, "cyd"); r.Pending || r.Code != problem.OK || x.Namespaces()[0].Policy().Approvals != 0 {
		t.Errorf("%+v", r)
	}
	x.reload()
}

// What waits is bounded.
func TestApprovalsAreBounded(t *testing.T) {
	x := newTable(t)
	x.approvals(1)
	for i := range MaxApprovals + 1 {
		x.mustPublish(simple(func(v *Version) { v.Campaign = userName(i) }))
		scope := SwitchScope{Kind: SwitchCampaign, Campaign: CampaignRef(i + 1)}
		x.turn(scope, false, "ann")
		if i < MaxApprovals {
			x.wantCode("ask", x.turn(scope, true, "bob"), problem.OK)
			continue
		}
		x.unchanged("one too many", func() { x.wantCode("ask", x.turn(scope, true, "bob"), problem.Capacity) })
	}
}

// A prize stays off over versions, also where a version gives it books of its own in sessions, and goes on by its id.
func TestPrizeSwitchOverVersions(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(twoPrizes))
	q := SwitchScope{Kind: SwitchPrize, Campaign: 1, Prize: "q"}
	x.turn(q, false, "ann")
	second := simple(twoPrizes, func(v *Version) {
		v.Prizes[0].Stock, v.Prizes[1].Stock = StockUnstated, StockUnstated
		v.Sessions = []Session{{ID: "am", StartsAt: start, EndsAt: start + 30*dayMilli}}
		v.Sets = []PrizeSet{{{Prize: 0, Weight: 50, Stock: 100}, {Prize: 1, Weight: 50, Stock: 100}}}
	})
	x.mustPublish(second)
	x.reload()
	wins := func(key string) (n int) {
		for i := range 60 {
			if rec := x.records(x.draw(userName(i), key))[0]; rec.Prize == 1 {
				n++
			}
		}
		return n
	}
	if n := wins("1"); n != 0 {
		t.Errorf("%d wins of a prize that is off", n)
	}
	if r := x.turn(q, true, "ann"); r.Code != problem.OK || r.AlreadyLive {
		t.Fatalf("on: %+v", r)
	}
	if n := wins("2"); n < 10 {
		t.Errorf("%d of 60 draws won what is on", n)
	}
}
