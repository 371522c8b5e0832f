package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// look is what a draw, as a library, saw before it had its campaign's lock.
type look struct {
	tx    *tx
	draw  *Draw
	epoch uint64
	late  bool
	code  problem.Code
}

// look lets a draw go as far as to the campaign's lock. Nobody else may need its shards meanwhile.
func (x *table) look(c *Campaign, d *Draw) *look {
	l := &look{tx: &tx{world: x.world.Load(), library: true, stamp: x.now}, draw: d, epoch: c.epoch.Load()}
	if l.late = l.tx.late(); !l.late {
		l.code = l.tx.refusal(d, c, sight{logTime: l.tx.now, now: l.tx.now})
	}
	return l
}

// looksAgain reports whether the draw, which has the lock now, finds that its look is not fresh.
func (l *look) looksAgain(c *Campaign) bool {
	l.tx.lockCampaign(c)
	defer l.tx.unlockCampaign(c)
	_, stale := l.tx.claim(l.draw, c, l.epoch, 0)
	return stale
}

// A draw that looked at its campaign at any moment before, amid or behind a change that another draw makes under the lock either saw
// what the change made, or looks again: else it would take a position behind the change, decided by what was before it.
func TestADrawSeesWhatAnotherEnds(t *testing.T) {
	draw := func(x *table, c *Campaign) {
		d := x.request("first", "k")
		x.decide1(x.now, func(b *Batch) { b.AddDraw(&d) })
	}
	last := func(p Policy) *Version { return simple(func(v *Version) { v.Prizes[0].Stock, v.Exhausted = 1, p }) }
	for what, end := range map[string]struct {
		version *Version
		spoil   func(c *Campaign)
		do      func(x *table, c *Campaign)
	}{
		"the last unit":                {last(Deny), nil, draw},
		"the last unit, which ends it": {last(End), nil, draw},
		"the last card of a deck": {simple(func(v *Version) {
			v.Prizes[0].Stock, v.Prizes[0].Weight, v.Exhausted, v.Mode = 1, 0, End, Mode{Kind: ModeDeck, Entries: 1}
		}), nil, draw},
		"a guard that pauses":      {guarded(Guard{Wins: 1}), nil, draw},
		"books that do not add up": {simple(), func(c *Campaign) { c.books[0].Issued++ }, draw},
		"a guard that changes the version": {guarded(Guard{Wins: 1, Then: GuardDefensive}), nil, func(x *table, c *Campaign) {
			trips := &tx{world: x.world.Load(), library: true, plan: c.plan.Load(), now: x.now} // what follows the trip takes every shard
			c.mu.Lock()
			defer c.mu.Unlock()
			c.burn.at(x.now).wins++
			trips.watch(c)
		}},
	} {
		t.Run(what, func(t *testing.T) {
			x := newLibrary(t)
			x.decide1(start, func(b *Batch) {
				b.AddPublish(&Publish{Namespace: 1, Version: end.version, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
			})
			c := x.mustCampaign()
			if end.spoil != nil {
				end.spoil(c)
			}
			d := x.request("second", "k")
			var looks []*look
			sees := func() { looks = append(looks, x.look(c, &d)) }
			x.options.amid = sees
			end.do(x, c)
			x.options.amid = nil
			sees()
			after, fooled := looks[len(looks)-1], 0
			if after.code == problem.OK && !after.late {
				t.Fatal("nothing has changed for draws")
			}
			for i, l := range looks {
				if l.code != problem.OK || l.late {
					continue
				}
				if fooled++; !l.looksAgain(c) {
					t.Errorf("look %d of %d: the draw goes on by what was before", i, len(looks))
				}
			}
			if fooled == 0 {
				t.Error("nobody looked before the change")
			}
		})
	}
}

// A grant that waited for its campaign's lock is decided by what whoever had it left: books that were found broken, a guard that
// tripped and puts another version in force first.
func TestAGrantSeesWhatADrawDidBefore(t *testing.T) {
	begun := func(t *testing.T, v *Version) (*table, *Campaign) {
		x := newLibrary(t)
		x.decide1(start, func(b *Batch) {
			b.AddPublish(&Publish{Namespace: 1, Version: v, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
		})
		return x, x.mustCampaign()
	}
	g := &Grant{Campaign: 1, UserID: []byte("u"), Source: "shop", Event: "1", Amount: 1, Priority: SourcePriority}
	// grant is a grant that has found its campaign and waits for the lock while do has it.
	grant := func(x *table, c *Campaign, do func(first *tx)) (again bool, r Result) {
		g.User = x.keys.User(g.UserID)
		step := &tx{world: x.world.Load(), library: true, stamp: x.now, draw: Draw{User: g.User}}
		if step.late() {
			x.Fatal("something is due before")
		}
		found, code := step.granting(g)
		if code != problem.OK {
			x.Fatal(code)
		}
		do(&tx{world: x.world.Load(), library: true, plan: c.plan.Load(), now: x.now})
		at := x.AppliedIndex()
		if again = step.moveChances(opGrant, g, nil, &found); x.AppliedIndex() != at {
			x.Errorf("it took a position: %+v", step.result)
		}
		return again, step.result
	}
	x, c := begun(t, earned())
	if again, r := grant(x, c, func(first *tx) { first.fence(c, "a rule") }); again || r.Code != problem.CampaignFenced {
		t.Errorf("of a fenced campaign: %v, %+v", again, r)
	}
	x, c = begun(t, earned(func(v *Version) { v.Guard = &Guard{Wins: 1, Then: GuardDefensive} }))
	if again, r := grant(x, c, func(first *tx) { c.burn.at(x.now).wins++; first.watch(c) }); !again || r.Code != problem.OK {
		t.Errorf("between the guard's trip and what it does: %v, %+v", again, r)
	}
}
