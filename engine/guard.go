package engine

import (
	"fmt"
	"math"

	"github.com/drawd/drawd/engine/problem"
)

// A burn guard stops a campaign that gives too much too fast: a weight with a zero too many, a leaked link, a bot. It
// counts the wins and the cash of one minute of log time over all users. The request that reaches a limit is finished as
// it was begun, since pity and guaranteed wins are promises, and in the same step, under the campaign's lock, the campaign
// is paused as if by an operator: the next draw, of the same entry too, is denied. So what is given beyond a limit is at
// most the rest of one request: MaxTimes − 1 sub-draws. What operators award does not count.
//
// A guard may switch the campaign's defensive version on instead (defensive.go): the next draw is decided by that.
//
// A resume starts a new count: a person has looked.

// Guard is the rule. A limit of 0 is none; one of them is set.
type Guard struct {
	Wins   uint64 // wins in a minute at which the guard trips
	Amount int64  // cash in a minute, minor units, at which it trips
	Then   GuardAct
}

// GuardAct is what a guard does. Numbers are on disk.
type GuardAct uint8

// The acts.
const (
	GuardPause     GuardAct = iota // pauses the campaign
	GuardDefensive                 // switches the defensive version on, or pauses where that cannot be
	guardActs
)

// GuardActor is who a guard acts as in records. Keys act as "key:…", so nobody else has this name.
const GuardActor = "guard"

// guardWindow is the ms that a guard counts over: calendar minutes of log time, the same in every zone.
const guardWindow = 60 * 1000

func (v *Version) validateGuard() error {
	g := v.Guard
	switch {
	case g == nil:
		return nil
	case g.Wins == 0 && g.Amount == 0 || g.Wins > MaxStock || g.Amount < 0 || g.Amount > MaxAmount:
		return invalid("limit of the guard")
	case g.Then >= guardActs:
		return invalid("act of the guard")
	case g.Amount == 0:
		return nil
	}
	for i := range v.Prizes {
		if v.Prizes[i].Kind == KindCash {
			return nil
		}
	}
	return invalid("amount of the guard: no prize pays cash")
}

func (w *writer) guard(g *Guard) {
	if g == nil {
		return
	}
	w.u64(g.Wins)
	w.i64(g.Amount)
	w.u8(uint8(g.Then))
}

func (r *reader) guard() *Guard {
	return &Guard{Wins: r.u64(), Amount: r.i64(), Then: GuardAct(r.enum(uint8(guardActs)))}
}

// burn is what was given in the minute of the last win. It is state while the live version has a guard, under the
// campaign's lock.
type burn struct {
	minute  int64 // since 1970
	wins    uint64
	amount  int64
	tripped bool // the guard acts before anything else is drawn; as a library only this is ever seen from outside
}

func (b *burn) clone() *burn {
	if b == nil {
		return nil
	}
	return new(*b)
}

func (w *writer) burn(b *burn) {
	if b == nil {
		return
	}
	w.i64(b.minute)
	w.u64(b.wins)
	w.i64(b.amount)
	if b.tripped {
		w.flag(true)
	}
}

func (r *reader) burn() *burn {
	b := &burn{minute: r.i64(), wins: r.u64(), amount: r.i64()}
	if len(r.b) > 0 {
		b.tripped = r.flag()
		r.fail = r.fail || !b.tripped
	}
	r.fail = r.fail || b.amount < 0
	return b
}

// openGuard begins to count when the version has a guard. A version that changes the limits goes on counting.
func (c *Campaign) openGuard(v *Version) {
	if v.Guard == nil {
		c.burn = nil
	} else if c.burn == nil {
		c.burn = new(burn)
	}
}

// at returns the count of the minute that now is in: log time never goes back, so what was before is over.
func (b *burn) at(now UnixMilli) *burn {
	if minute := floorDiv(int64(now), guardWindow); minute != b.minute {
		*b = burn{minute: minute}
	}
	return b
}

// pay counts cash. Nothing bounds what a minute pays where only wins are limited: the sum stays at its most.
func (b *burn) pay(amount int64) {
	if b.amount > math.MaxInt64-amount {
		b.amount = math.MaxInt64 - amount
	}
	b.amount += amount
}

// waits reports whether a guard has tripped and not acted yet.
func (b *burn) waits() bool { return b != nil && b.tripped }

// reached says which limit the count has reached; nothing for none.
func (b *burn) reached(g *Guard) string {
	switch {
	case g.Wins != 0 && b.wins >= g.Wins:
		return fmt.Sprintf("wins: %d in a minute, limit %d", b.wins, g.Wins)
	case g.Amount != 0 && b.amount >= g.Amount:
		return fmt.Sprintf("amount: %d in a minute, limit %d", b.amount, g.Amount)
	}
	return ""
}

// watch trips the guard when the request in hand has reached a limit. The campaign is locked, and everything of the
// request is written.
func (t *tx) watch(c *Campaign) {
	g, b := t.plan.version.Guard, c.burn.at(t.now)
	reason := b.reached(g)
	if reason == "" {
		return
	}
	if g.Then == GuardDefensive {
		// It takes every shard. Until then whoever draws finds that something is due first, as at the edge of a session.
		c.change(func() {
			b.tripped, t.tripped = true, true
			t.world.turns.Store(int64(t.now))
			t.world.due.Store(int64(t.now))
		})
		return
	}
	*b = burn{minute: b.minute}
	t.pauseByGuard(c, reason)
}

// pauseByGuard pauses as an operator does.
func (t *tx) pauseByGuard(c *Campaign, reason string) {
	k := *c.control.Load()
	if k.paused || t.now >= c.endsAt(&k) {
		return // it was the last win, which ended the campaign
	}
	k.paused, k.pausedAt = true, t.now
	c.change(func() { c.control.Store(&k) })
	t.note(Record{
		Kind: RecordControl, Campaign: c.ref, Version: c.Version().Number, Name: []byte(ActionPause.String()),
		Actor: []byte(GuardActor), Reason: []byte(reason),
	}, Result{})
}

// actBehind lets the guard that the draw in hand has tripped act before anything else is decided: in the same entry, or, as a library,
// at a position before everything else of the campaign. The draw's result stays what it is.
func (t *tx) actBehind() {
	t.tripped = false
	t.endBulk()
	t.world.lockAll()
	defer t.world.unlockAll()
	if t.library {
		t.takePosition()
	}
	t.actGuards()
	t.world.settle(t.now)
}

// actGuards lets every guard that has tripped act. Every shard is locked.
func (t *tx) actGuards() {
	for _, c := range *t.world.campaigns.Load() {
		if !c.burn.waits() {
			continue
		}
		reason := c.burn.reached(c.Version().Guard)
		*c.burn = burn{minute: c.burn.minute}
		switch r := t.defend(c, GuardActor, reason); r.Code {
		case problem.OK:
		case problem.NotFound:
			t.pauseByGuard(c, reason+"; there is no defensive version")
		default:
			t.pauseByGuard(c, reason+"; the defensive version does not fit: "+r.Code.String())
		}
	}
}
