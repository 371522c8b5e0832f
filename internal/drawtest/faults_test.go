package drawtest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Faults that the comparison found, one test each, so that the shortest script stays.

// desk gives commands to an engine, one campaign, one user.
type desk struct {
	t *testing.T
	*Applier
	now  engine.UnixMilli
	keys int
}

func newDesk(t *testing.T, change func(*engine.Version)) *desk {
	t.Helper()
	x := &desk{t: t, now: instant("2026-11-11T00:00:00Z")}
	x.Applier = start(t, 4, x.now)
	x.publish(change, problem.OK)
	return x
}

// publish publishes the campaign: one prize of which there are 100 units, no caps, a day long, and what change does to it.
func (x *desk) publish(change func(*engine.Version), want problem.Code) {
	x.t.Helper()
	begin := instant("2026-11-11T00:00:00Z")
	v := &engine.Version{
		Campaign: "c", Transitions: zones[0], StartsAt: begin, EndsAt: begin + day, Denominator: 1,
		Prizes: []engine.Prize{{ID: "p", Weight: 1, Stock: 100, Units: 1, Fallback: -1, Slot: -1}},
	}
	change(v)
	x.give(&Command{Publish: &engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed(ClusterKey, [12]byte{}, [16]byte{})}}, want)
}

func (x *desk) give(c *Command, want problem.Code) Decided {
	x.t.Helper()
	out, err := x.Apply(x.now, c)
	if err != nil {
		x.t.Fatal(err)
	}
	if out[0].Result.Code != want {
		x.t.Fatalf("got %+v, want %s", out[0].Result, want)
	}
	return out[0]
}

func (x *desk) draw(want problem.Code) Decided {
	x.t.Helper()
	x.keys++
	user := hashed("user")
	return x.give(&Command{Draw: &engine.Draw{Campaign: 1, User: user, UserID: []byte("u"), Digest: digest(user, x.keys), Times: 1}}, want)
}

func winCap(id string, limit uint32, prize int16) engine.Cap {
	return engine.Cap{ID: id, Counts: engine.CountWins, Limit: limit, Prize: prize}
}

func TestEndedByHandBeforeTheStartIsEnded(t *testing.T) {
	x := newDesk(t, func(v *engine.Version) { v.StartsAt += hour })
	x.draw(problem.NotStarted)
	x.give(&Command{Control: &engine.Control{Campaign: 1, Action: engine.ActionEnd}}, problem.OK)
	x.draw(problem.Ended)
}

func TestALoweredLimitShowsWhatWasUsed(t *testing.T) {
	limit := func(n uint32) func(*engine.Version) {
		return func(v *engine.Version) { v.Caps = []engine.Cap{{ID: "k", Limit: n, Prize: -1}} }
	}
	x := newDesk(t, limit(3))
	x.draw(problem.OK)
	x.draw(problem.OK)
	x.draw(problem.OK)
	x.publish(limit(1), problem.OK)
	if r := x.draw(problem.Capped).Result; r.Used != 3 || r.Limit != 1 || r.Allowed != 0 {
		t.Errorf("used %d of %d, %d allowed; want 3 of 1, 0", r.Used, r.Limit, r.Allowed)
	}
}

func TestTheNarrowerCapIsTheCause(t *testing.T) {
	x := newDesk(t, func(v *engine.Version) {
		v.UserExhausted = engine.Miss
		v.Caps = []engine.Cap{winCap("all", 1, -1), winCap("one", 1, 0)}
	})
	x.draw(problem.OK)
	if rec := x.draw(problem.OK).Records[0]; rec.Prize != engine.NoPrize || rec.Cause != engine.CauseUserPrizeCap {
		t.Errorf("prize %d, cause %s", rec.Prize, rec.Cause)
	}
}

func TestANewPrizeNeedsAStock(t *testing.T) {
	x := newDesk(t, func(*engine.Version) {})
	forgotten := func(v *engine.Version) {
		v.Prizes = append(v.Prizes, engine.Prize{ID: "q", Stock: engine.StockUnstated, Units: 1, Fallback: -1, Slot: -1})
	}
	x.publish(forgotten, problem.InvalidCampaign)
}

func TestAUserSeesWhatCapsCount(t *testing.T) {
	x := newDesk(t, func(v *engine.Version) {
		v.Caps = []engine.Cap{winCap("wins", 1, -1), {ID: "draws", Limit: 1, Prize: -1}}
	})
	c, _ := x.Engine.CampaignByRef(1)
	caps := x.Engine.UserState(c, hashed("user"), x.now).Caps
	if len(caps) != 2 || caps[0].Counts != engine.CountWins || caps[1].Counts != engine.CountDraws {
		t.Errorf("caps %+v", caps)
	}
}

func TestKeysGoInTimeAfterAnEndByExhaustion(t *testing.T) {
	x := newDesk(t, func(v *engine.Version) {
		v.Exhausted, v.Prizes[0].Stock = engine.End, 1
		v.EndsAt += 100 * day
	})
	x.draw(problem.OK)
	n, _ := x.Engine.Namespace("default")
	x.now += engine.KeyRetention - 1
	x.draw(problem.Ended)
	if n.Keys() != 1 {
		t.Errorf("%d keys just before they may go, want 1", n.Keys())
	}
	x.now++
	x.draw(problem.Ended)
	if n.Keys() != 0 {
		t.Errorf("%d keys, 72 hours after the end", n.Keys())
	}
}

// As a library: a draw that is refused must not make keys go, for the next caller's clock may be days behind.
func TestAClockThatFallsBackFindsItsKeys(t *testing.T) {
	x := newDesk(t, func(*engine.Version) {})
	e, err := engine.New(engine.Options{ClusterKey: ClusterKey})
	if err != nil {
		t.Fatal(err)
	}
	var snapshot bytes.Buffer
	if err := errors.Join(x.Engine.WriteSnapshot(&snapshot), e.ReadSnapshot(&snapshot)); err != nil {
		t.Fatal(err)
	}
	user := hashed("user")
	at := func(now engine.UnixMilli) engine.Result {
		d, _, _ := decide(t, e, &Command{Stamp: now, Draw: &engine.Draw{Campaign: 1, User: user, UserID: []byte("u"), Digest: digest(user, 1), Times: 1}})
		return d.Result
	}
	first := at(x.now)
	at(x.now + 30*day)
	if again := at(x.now + 1); !again.Replayed || again.At != first.At {
		t.Errorf("first %+v, again %+v", first, again)
	}
	decide(t, e, &Command{Stamp: x.now + 30*day})
	if late := at(x.now + 1); late.Code != problem.Ended {
		t.Errorf("after a tick: %+v", late)
	}
}
