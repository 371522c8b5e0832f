package engine

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// meagre is the defensive version of simple and guarded: a tenth of the odds.
func meagre(edit ...func(v *Version)) *Version {
	return simple(append([]func(v *Version){func(v *Version) { v.Prizes[0].Weight, v.Prizes[0].Stock = 10, StockUnstated }}, edit...)...)
}

func (x *table) setDefensive(v *Version, against uint32) Result {
	x.Helper()
	return x.one(func(b *Batch) {
		b.AddSetDefensive(&SetDefensive{Campaign: 1, Version: v, Against: against, Actor: "ann", Reason: "too much is given"})
	})
}

func (x *table) defend(actor string) Result {
	x.Helper()
	return x.one(func(b *Batch) { b.AddDefend(&Defend{Campaign: 1, Actor: actor, Reason: "a leak"}) })
}

// One person switches the defensive version on: it is live at once, forced, with a record of who and why, and it stands no
// more.
func TestDefend(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.unchanged("a switch to nothing", func() { x.wantCode("defend", x.defend("bob"), problem.NotFound) })
	v := meagre()
	v.Salt = [16]byte{9}
	set := x.setDefensive(v, 1)
	x.wantCode("set", set, problem.OK)
	if rec := x.records(set)[0]; rec.Kind != RecordDefensive || rec.Delta != 1 || rec.Flags != 0 || string(rec.Name) != "c" || string(rec.Actor) != "ann" || string(rec.Reason) != "too much is given" {
		t.Errorf("recorded as %+v", rec)
	}
	x.unchanged("the same again", func() {
		if r := x.setDefensive(v, 1); r.Code != problem.OK || !r.AlreadyLive {
			t.Errorf("%+v", r)
		}
	})
	x.reload()
	c, _ := x.CampaignByRef(1)
	if d := c.Defensive(); d == nil || d.Against != 1 || d.Version.Prizes[0].Weight != 10 || d.At != x.now || c.DefensiveFits(x.now) != problem.OK || c.Version().Number != 1 {
		t.Fatalf("stands: %+v", d)
	}
	x.draw("u", "1")
	x.now += 5
	on := x.defend("bob")
	x.wantCode("defend", on, problem.OK)
	rec := x.records(on)[0]
	if rec.Kind != RecordPublish || rec.Flags != PublishDefensive || rec.Version != 2 || string(rec.Actor) != "bob" || string(rec.Reason) != "forced: a leak" || on.Value != 2 {
		t.Errorf("recorded as %+v", rec)
	}
	if live := c.Version(); live.Number != 2 || live.Prizes[0].Weight != 10 || live.Salt != v.Salt || c.Defensive() != nil {
		t.Errorf("live is %+v", live)
	}
	if f := c.Forced(); len(f) != 1 || f[0] != (ForcedVersion{2, x.now, "too much is given"}) {
		t.Errorf("shown as %+v", f)
	}
	x.wantCode("a draw", x.draw("u", "2", func(d *Draw) { d.ExpectVersion = 2 }), problem.OK)
	x.unchanged("twice", func() { x.wantCode("defend", x.defend("bob"), problem.NotFound) })
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
	x.reload()
}

// With approvals it is the setting that waits for a second person; the switch is one person's act.
func TestDefensiveVersionIsApprovedBeforehand(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple())
	x.approvals(1)
	asked := x.setDefensive(meagre(), 1)
	if asked.Code != problem.OK || !asked.Pending || c.Defensive() != nil {
		t.Fatalf("%+v", asked)
	}
	x.unchanged("alone", func() {
		x.wantCode("who asks", x.answerTo(asked, "ann"), problem.Forbidden)
		x.wantCode("defend", x.defend("ann"), problem.NotFound)
	})
	x.reload()
	c, _ = x.CampaignByRef(1)
	x.wantCode("approved", x.answerTo(asked, "bob"), problem.OK)
	x.wantCode("defend", x.defend("ann"), problem.OK)
	if c.Version().Number != 2 {
		t.Errorf("live is %d", c.Version().Number)
	}
	// A request of before another version is live is dropped.
	asked = x.setDefensive(meagre(func(v *Version) { v.Prizes[0].Weight = 5 }), 2)
	x.mustPublish(simple(func(v *Version) { v.Prizes[0].Stock = StockUnstated }))
	x.unchanged("an approval of what was compared before", func() { x.wantCode("approve", x.answerTo(asked, "bob"), problem.NotFound) })
}

func TestDefensiveVersionIsRefused(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple())
	drop := func() Result {
		return x.one(func(b *Batch) { b.AddSetDefensive(&SetDefensive{Campaign: 1, Actor: "ann", Reason: "no need"}) })
	}
	for what, row := range map[string]struct {
		v       *Version
		against uint32
		want    problem.Code
	}{
		"no version":            {&Version{Campaign: "c"}, 1, problem.InvalidCampaign},
		"another campaign's":    {meagre(func(v *Version) { v.Campaign = "d" }), 1, problem.InvalidField},
		"compared with another": {meagre(), 2, problem.Conflict},
		"what is live":          {simple(), 1, problem.Conflict},
		"another stock":         {meagre(func(v *Version) { v.Prizes[0].Stock = 5 }), 1, problem.StockChanged},
		"a cap of one id, but another": {meagre(func(v *Version) {
			v.Prizes = append(v.Prizes, Prize{ID: "q", Stock: StockUnstated, Units: 1, Fallback: -1})
		}), 1, problem.InvalidCampaign},
	} {
		x.unchanged(what, func() { x.wantCode(what, x.setDefensive(row.v, row.against), row.want) })
	}
	x.unchanged("what is not there", func() {
		x.wantCode("set", x.one(func(b *Batch) { b.AddSetDefensive(&SetDefensive{Campaign: 7, Version: meagre()}) }), problem.CampaignNotFound)
		x.wantCode("defend", x.one(func(b *Batch) { b.AddDefend(&Defend{Campaign: 7}) }), problem.CampaignNotFound)
		x.wantCode("take away", drop(), problem.NotFound)
	})
	x.wantCode("set", x.setDefensive(meagre(), 1), problem.OK)
	r := drop()
	x.wantCode("take away", r, problem.OK)
	if rec := x.records(r)[0]; rec.Flags != DefensiveDropped || rec.Delta != 1 || c.Defensive() != nil {
		t.Errorf("%+v", rec)
	}
	// What was set against a version that is live no more stays to be seen, and does nothing.
	x.wantCode("set", x.setDefensive(meagre(), 1), problem.OK)
	x.mustPublish(simple(func(v *Version) { v.Prizes[0].Stock, v.Prizes[0].Value = StockUnstated, 9 }))
	x.unchanged("a switch to what does not fit", func() { x.wantCode("defend", x.defend("bob"), problem.Conflict) })
	if c.Defensive() == nil || c.DefensiveFits(x.now) != problem.Conflict {
		t.Error("it is forgotten, or fits")
	}
	x.now = start + 31*dayMilli
	x.unchanged("after the end", func() { x.wantCode("set", x.setDefensive(meagre(), 2), problem.Ended) })
}

// The guard makes the defensive version live behind the request that reaches the limit: the next draw of the same entry is
// decided by it, in long runs under all locks too. A second time there is none, and it pauses.
func TestGuardDefends(t *testing.T) {
	for _, per := range []int{1, 7, 300} {
		x := newTable(t)
		c := x.mustPublish(guarded(Guard{Wins: 20, Then: GuardDefensive}))
		x.setDefensive(meagre(func(v *Version) { v.Guard = &Guard{Wins: 15, Then: GuardDefensive} }), 1)
		var by [3]int // wins by version
		var records []Record
		denied := 0
		for from := 0; from < 600; from += per {
			var b Batch
			for i := range min(per, 600-from) {
				d := x.request(userName(from+i), "k")
				b.AddDraw(&d)
			}
			for _, r := range x.apply(&b) {
				switch r.Code {
				case problem.OK:
					if rec := x.records(r)[0]; r.Records != 1 || rec.Kind != RecordDraw {
						t.Fatalf("answered with %+v", rec)
					} else if rec.Prize != NoPrize {
						by[rec.Version]++
					}
				case problem.Paused:
					denied++
				default:
					t.Fatalf("%+v", r)
				}
			}
			for _, rec := range decodeAll(t, bytes.Clone(x.out.Records)) {
				if rec.Kind != RecordDraw {
					records = append(records, rec)
				}
			}
		}
		if by != [3]int{0, 20, 15} || denied == 0 || len(records) != 2 {
			t.Fatalf("entries of %d: wins by version %v, %d denied, %d records", per, by, denied, len(records))
		}
		if r := records[0]; r.Kind != RecordPublish || r.Flags != PublishDefensive || r.Version != 2 || string(r.Actor) != GuardActor || string(r.Reason) != "forced: wins: 20 in a minute, limit 20" {
			t.Errorf("recorded as %+v", r)
		}
		if r := records[1]; r.Kind != RecordControl || r.Version != 2 || string(r.Reason) != "wins: 15 in a minute, limit 15; there is no defensive version" {
			t.Errorf("recorded as %+v, %s", r, r.Reason)
		}
		if f := c.Forced(); len(f) != 1 || f[0].Reason != "too much is given" {
			t.Errorf("shown as %+v", f)
		}
		if err := x.CheckInvariants(); err != nil {
			t.Error(err)
		}
		x.reload()
	}
}

// What was set against another version than the live one is not switched on: the guard pauses and says so.
func TestGuardPausesWhereTheDefensiveVersionDoesNotFit(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(guarded(Guard{Wins: 3, Then: GuardDefensive}))
	x.setDefensive(meagre(), 1)
	x.mustPublish(guarded(Guard{Wins: 2, Then: GuardDefensive}, func(v *Version) { v.Prizes[0].Stock = StockUnstated }))
	if n := x.wins(4); n != 2 || c.Status(x.now) != StatusPaused || c.Version().Number != 2 {
		t.Errorf("%d wins, %v", n, c.Status(x.now))
	}
	if rec := x.last(); string(rec.Reason) != "wins: 2 in a minute, limit 2; the defensive version does not fit: conflict" {
		t.Errorf("recorded as %q", rec.Reason)
	}
	// The last of the stock ends a campaign, and there is nothing to defend.
	y := newTable(t)
	d := y.mustPublish(guarded(Guard{Wins: 2, Then: GuardDefensive}, func(v *Version) { v.Prizes[0].Stock, v.Exhausted = 2, End }))
	y.setDefensive(meagre(), 1)
	y.draw("a", "1")
	y.wantCode("the last", y.draw("b", "1"), problem.OK)
	y.wantCode("after it", y.draw("c", "1"), problem.Ended)
	if d.Version().Number != 1 || d.Status(y.now) != StatusEnded {
		t.Errorf("version %d, %v", d.Version().Number, d.Status(y.now))
	}
}

// The switch depends neither on entries nor on a restore.
func TestGuardDefendsAtOnePlaceOfTheLog(t *testing.T) {
	var first []byte
	var hash [16]byte
	for run, per := range []int{1, 7, 240, 60} {
		x := newTable(t)
		x.mustPublish(guarded(Guard{Wins: 50, Then: GuardDefensive}, func(v *Version) { v.Prizes[0].Weight = 40 }))
		// A cap that the live version does not have makes rows wider.
		x.wantCode("set", x.setDefensive(meagre(func(v *Version) {
			v.Caps = []Cap{{ID: "day", Window: Window{Kind: WindowDay}, Limit: 30, Prize: -1}}
		}), 1), problem.OK)
		var seen bytes.Buffer
		for from := 0; from < 240; from += per {
			if run == 3 && from == 60 {
				x.Engine = reload(t, x.Engine)
			}
			var b Batch
			for i := range min(per, 240-from) {
				d := x.request(userName((from+i)%9), fmt.Sprint("k", from+i), times(uint8(1+(from+i)%3)))
				b.AddDraw(&d)
			}
			for _, r := range x.apply(&b) {
				fmt.Fprintln(&seen, r.Code)
				for _, rec := range x.records(r) {
					fmt.Fprintln(&seen, rec.Version, rec.DrawNumber, rec.Word, rec.Prize, rec.Seq, rec.StockAfter)
				}
			}
		}
		x.one(func(b *Batch) { b.AddTick() })
		if c, _ := x.CampaignByRef(1); c.Version().Number != 2 {
			t.Fatal("it never tripped")
		}
		if run == 0 {
			first, hash = seen.Bytes(), x.StateHash()
			continue
		}
		if !bytes.Equal(first, seen.Bytes()) || x.StateHash() != hash {
			t.Errorf("entries of %d give something else", per)
		}
	}
}

// As a library: however many callers draw at once, nobody draws by the live version beyond the limit.
func TestGuardOfTheLibraryDefends(t *testing.T) {
	x := newTable(t)
	x.Engine, _ = New(Options{Shards: 8})
	var b Batch
	b.AddInit(&Init{IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	b.AddPublish(&Publish{Namespace: 1, Version: guarded(Guard{Wins: 300, Then: GuardDefensive}), SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
	b.AddSetDefensive(&SetDefensive{Campaign: 1, Version: meagre(func(v *Version) { v.Prizes[0].Weight = 0 }), Against: 1, Actor: "ann", Reason: "r"})
	if err := x.Decide(&b, start); err != nil {
		t.Fatal(err)
	}
	var given, missed atomic.Int64
	var all sync.WaitGroup
	for w := range 6 {
		all.Go(func() {
			var b Batch
			for i := range 100 {
				d := x.request(fmt.Sprint("w", w), fmt.Sprint(i))
				b.Reset()
				b.AddDraw(&d)
				if err := x.Decide(&b, start+1); err != nil {
					t.Error(err)
					return
				}
				r := &b.Results[0]
				var rec Record
				if _, err := DecodeRecord(b.Records[r.Offset:], &rec); r.Code != problem.OK || err != nil {
					t.Errorf("%v %v", r.Code, err)
				}
				if rec.Prize != NoPrize {
					given.Add(1)
				} else if missed.Add(1); rec.Version != 2 {
					t.Errorf("a miss by version %d", rec.Version)
				}
			}
		})
	}
	all.Wait()
	if given.Load() != 300 || missed.Load() != 300 {
		t.Errorf("%d given, %d missed", given.Load(), missed.Load())
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// A state that was kept between the trip and what follows it goes on from there.
func TestTrippedGuardSurvives(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(guarded(Guard{Wins: 3, Then: GuardDefensive}))
	x.setDefensive(meagre(), 1)
	c.burn.wins, c.burn.minute, c.burn.tripped = 3, int64(start/60_000), true
	x.reload()
	if due, _ := x.NextDue(); due > x.now {
		t.Errorf("due at %d", due)
	}
	x.one(func(b *Batch) { b.AddTick() })
	if c, _ = x.CampaignByRef(1); c.Version().Number != 2 || c.burn.waits() {
		t.Errorf("version %d", c.Version().Number)
	}
}

// As a library, whoever comes between the request that trips the guard and what follows it does that first.
func TestNobodyDrawsBetweenTheTripAndTheSwitch(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(guarded(Guard{Wins: 3, Then: GuardDefensive}))
	x.setDefensive(meagre(), 1)
	c.burn.minute, c.burn.wins = int64(x.now/60_000), 3
	first := &tx{world: x.Engine.world.Load(), library: true, plan: c.plan.Load(), now: x.now}
	if first.watch(c); !first.tripped || c.Version().Number != 1 {
		t.Fatal("it did not trip")
	}
	d := x.request("u", "1")
	var b Batch
	b.AddDraw(&d)
	if err := x.Decide(&b, x.now); err != nil {
		t.Fatal(err)
	}
	var rec Record
	r := &b.Results[0]
	if _, err := DecodeRecord(b.Records[r.Offset:], &rec); err != nil || rec.Kind != RecordDraw || rec.Version != 2 {
		t.Errorf("drawn by %+v, %v", rec, err)
	}
	first.actBehind() // finds that it was done
	if c.Version().Number != 2 || c.Status(x.now) != StatusRunning {
		t.Errorf("version %d, %v", c.Version().Number, c.Status(x.now))
	}
}
