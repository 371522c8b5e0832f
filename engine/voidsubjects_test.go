package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// countedByAll makes a campaign count by everything that a cap can count by, in every kind of window.
func countedByAll(v *Version) {
	v.Audience = &Audience{Attributes: []Attribute{{"region", TypeText, false}, {"level", TypeInt, false}}}
	by := func(id string, counts Counts, scope Scope, attribute uint8, w Window) Cap {
		return Cap{ID: id, Counts: counts, Scope: scope, Attribute: attribute, Window: w, Limit: 60, Prize: -1}
	}
	v.Caps = []Cap{
		by("device", CountDraws, ScopeDevice, 0, Window{Kind: WindowDay}),
		by("device-wins", CountWins, ScopeDevice, 0, Window{Kind: WindowHour}),
		by("ip", CountDraws, ScopeIP, 0, Window{WindowRolling, 3_600_000}),
		by("ip-amount", CountAmount, ScopeIP, 0, Window{Kind: WindowDay}),
		by("region", CountDraws, ScopeAttribute, 0, Window{Kind: WindowCampaign}),
		by("region-wins", CountWins, ScopeAttribute, 0, Window{Kind: WindowWeek}),
		by("level", CountDraws, ScopeAttribute, 1, Window{Kind: WindowHour}),
		by("user", CountDraws, ScopeUser, 0, Window{Kind: WindowDay}),
	}
	v.Caps[3].Limit = 100_000
}

// by names the subjects of a draw.
func (x *table) by(device, ip, region string, level int64) func(d *Draw) {
	return func(d *Draw) {
		d.HasDevice, d.Device = true, x.keys.Device([]byte(device))
		d.HasIP, d.IP = true, x.keys.User([]byte(ip))
		d.Stamp, d.HasBy = Stamp{Version: 1, Eligible: true}, 3
		d.By[0] = x.keys.Attribute("region", &Value{Type: TypeText, Text: []byte(region)})
		d.By[1] = x.keys.Attribute("level", &Value{Type: TypeInt, Int: level})
	}
}

// counts reads every counter of a draw's subjects, of the campaign and of the namespace.
func (x *table) counts(c *Campaign, d *Draw) (all []uint32) {
	x.Helper()
	t := &tx{world: x.Engine.world.Load(), plan: c.plan.Load(), rules: c.namespace.rules.Load()}
	t.look(d, c, x.now)
	t.shared.set(&t.rules.zone, x.now)
	for _, counters := range [...][]counter{t.plan.draws, t.plan.wins, t.plan.amounts} {
		for i := range counters {
			all = append(all, counters[i].used(t.campaign[counters[i].scope].data, &t.own))
		}
	}
	for _, counters := range [...][]counter{t.rules.draws, t.rules.wins, t.rules.amounts} {
		for i := range counters {
			all = append(all, counters[i].used(t.everyone[counters[i].scope].data, &t.shared))
		}
	}
	return all
}

// What a draw was counted by comes back to whom it was counted by, and only while the window is open.
func TestVoidGivesBackToEverySubject(t *testing.T) {
	x := newTable(t)
	x.wantCode("policy", x.policy(&NamespacePolicy{TimeZone: "UTC", AggregateCaps: []AggregateCap{
		{ID: "all", Scope: ScopeDevice, Window: Window{Kind: WindowDay}, Limit: 50},
		{ID: "all-wins", Counts: CountWins, Scope: ScopeIP, Window: Window{Kind: WindowDay}, Limit: 50},
	}}), problem.OK)
	c := x.mustPublish(simple(countedByAll, func(v *Version) { v.Prizes[0].Kind, v.Prizes[0].Amount = KindCash, 30 }))
	first, other := x.by("phone", "10.0.0.1", "SH", 3), x.by("tablet", "10.0.0.1", "BJ", 3)
	mine, his := x.request("u", "1", first), x.request("v", "1", other)
	x.draw("v", "1", other)
	before, beforeHis := x.counts(c, &mine), x.counts(c, &his)
	draw, at := x.encoded(x.draw("u", "1", first))
	if after := x.counts(c, &mine); slices.Equal(after, before) || slices.Contains(after, 0) {
		t.Fatalf("counted: %v", after)
	}
	x.reload()
	c, _ = x.CampaignByRef(1)
	r := x.void(draw, at, VoidSystem)
	if _, refunds := VoidFlags(x.records(r)[0].Flags); refunds != VoidStock|VoidCaps {
		t.Errorf("refunds %x", refunds)
	}
	if got := x.counts(c, &mine); !slices.Equal(got, before) {
		t.Errorf("%v before the draw, %v behind its void", before, got)
	}
	if got := x.counts(c, &his); !slices.Equal(got, beforeHis) {
		t.Errorf("another's: %v before, %v now", beforeHis, got)
	}
	x.sound()
	// A day later only what counts for longer comes back.
	draw, at = x.encoded(x.draw("u", "2", first))
	x.now += dayMilli
	before = x.counts(c, &mine)
	x.void(draw, at, VoidSystem)
	want := slices.Clone(before)
	want[2], want[6] = want[2]-1, want[6]-1 // region: draws of the campaign; wins of the week
	if got := x.counts(c, &mine); !slices.Equal(got, want) {
		t.Errorf("%v before the void, %v behind it, want %v", before, got, want)
	}
	x.reload()
}

// The record of a campaign that counts by users alone is what it was.
func TestSubjectsOfARecord(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(capped))
	if rec := x.records(x.draw("u", "1", x.by("phone", "10.0.0.1", "SH", 3)))[0]; len(rec.Sections) != 0 {
		t.Errorf("sections %x", rec.Sections)
	}
	good := append([]byte{byte(ScopeDevice)}, make([]byte, 16)...)
	for what, body := range map[string][]byte{
		"half a subject":    good[:9],
		"a user":            append([]byte{byte(ScopeUser)}, good[1:]...),
		"an unknown scope":  append([]byte{subjects}, good[1:]...),
		"a subject twice":   append(slices.Clone(good), good...),
		"a subject and one": append(slices.Clone(good), 0),
	} {
		if soundSubjects(body) {
			t.Errorf("%s is taken", what)
		}
	}
	if !soundSubjects(good) {
		t.Error("a device is not taken")
	}
}

// A deck gets its card and its entry back: everybody who was expected still has one, and everything is given.
func TestVoidReturnsTheEntryOfADeck(t *testing.T) {
	for _, fault := range []VoidFault{VoidSystem, VoidUser, VoidAbuse} {
		x := newTable(t)
		c := x.mustPublish(simple(func(v *Version) {
			v.Mode = Mode{Kind: ModeDeck, Entries: 10}
			v.Prizes[0].Weight, v.Prizes[0].Stock, v.Exhausted = 0, 4, Miss
		}))
		wins := 0
		for i := range 10 {
			draw, at := x.encoded(x.draw(userName(i), "1"))
			won := c.books[0].Issued
			if i%3 == 0 {
				drawn := c.mode.drawn
				r := x.void(draw, at, fault)
				_, refunds := VoidFlags(x.records(r)[0].Flags)
				if back := drawn - c.mode.drawn; (back == 1) != (fault == VoidSystem) || (refunds&VoidEntry != 0) != (back == 1) {
					t.Errorf("%v: %d entries came back, refunds %x", fault, back, refunds)
				}
				if fault == VoidSystem {
					x.draw(userName(i), "2") // he draws again
				}
			}
			wins = int(max(won, c.books[0].Issued))
		}
		switch {
		case fault == VoidSystem && (c.mode.drawn != 10 || c.books[0].Issued != 4 || c.books[0].Available != 0):
			t.Errorf("ten entries were dealt and %d wins are out of 4, %d entries", c.books[0].Issued, c.mode.drawn)
		case fault != VoidSystem && c.mode.drawn != 10:
			t.Errorf("%v: %d entries, %d wins", fault, c.mode.drawn, wins)
		}
		x.sound()
	}
}

// What a draw granted is taken back, whoever's fault it was; what was spent of it is owed.
func TestVoidRevokesWhatTheDrawGranted(t *testing.T) {
	for _, fault := range []VoidFault{VoidSystem, VoidUser, VoidAbuse} {
		x := newTable(t)
		x.mustPublish(earned(func(v *Version) {
			v.Prizes[0].Kind, v.Prizes[0].Amount = KindChance, 3
			v.Chances.Milestones = []Milestone{{ID: "first", Draws: 1, Amount: 2}}
		}))
		x.grantTo("u", "shop", "1", 1)
		draw, at := x.encoded(x.draw("u", "1")) // costs 1, wins 3 and 2
		x.wantSums("won", "u", 6, 1, 5, 0, 0, 0)
		r := x.void(draw, at, fault)
		if _, refunds := VoidFlags(x.records(r)[0].Flags); refunds&VoidGrants == 0 || (refunds&VoidChances != 0) != (fault == VoidSystem) {
			t.Errorf("%v: refunds %x", fault, refunds)
		}
		if fault == VoidSystem {
			x.wantSums("back", "u", 7, 1, 1, 0, 5, 0)
		} else {
			x.wantSums("taken", "u", 6, 1, 0, 0, 5, 0)
		}
		x.sound()
	}
	// What he drew with is owed: the refund pays a part of it.
	x := newTable(t)
	x.mustPublish(earned(func(v *Version) {
		v.Chances.Milestones = []Milestone{{ID: "first", Draws: 1, Amount: 2}}
	}))
	x.grantTo("u", "shop", "1", 1)
	draw, at := x.encoded(x.draw("u", "1"))
	x.draw("u", "2", times(2))
	x.void(draw, at, VoidSystem)
	x.wantSums("owed", "u", 4, 3, 0, 0, 1, 1)
	x.sound()
	x.reload()
}

// Chances that were won for another campaign are taken back there, unless that is over and they are gone.
func TestVoidRevokesInAnotherCampaign(t *testing.T) {
	for _, over := range []bool{false, true} {
		x := newTable(t)
		x.mustPublish(earned())
		x.mustPublish(earned(func(v *Version) {
			v.Campaign = "d"
			v.Prizes[0].Kind, v.Prizes[0].Amount, v.Chances.Prizes = KindChance, 2, []ChancePrize{{0, "c"}}
		}))
		x.grantTo("u", "shop", "1", 1, func(g *Grant) { g.Campaign = 2 })
		draw, at := x.encoded(x.draw("u", "1", func(d *Draw) { d.Campaign = 2 }))
		x.wantSums("won", "u", 2, 0, 2, 0, 0, 0)
		if over {
			x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionEnd}) })
		}
		r := x.one(func(b *Batch) {
			b.AddVoid(&Void{Campaign: 2, Draw: draw, At: at, Fault: VoidSystem, Actor: "ann", Reason: "complaint"})
		})
		x.wantCode("void", r, problem.OK)
		if over {
			x.wantSums("over", "u", 2, 0, 0, 2, 0, 0)
		} else {
			x.wantSums("taken", "u", 2, 0, 0, 0, 2, 0)
		}
		x.sound()
	}
}

// A draw that is voided at once by the system's fault is as if it had not been, whatever the campaign counts: everything
// that counts for his next draw is what it was before. The conserved sums hold behind each step.
func TestVoidUndoesADraw(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 24))
		x := newTable(t)
		x.wantCode("policy", x.policy(&NamespacePolicy{TimeZone: "UTC", AggregateCaps: []AggregateCap{
			{ID: "all", Scope: ScopeDevice, Window: Window{Kind: WindowDay}, Limit: 500},
		}}), problem.OK)
		c := x.mustPublish(earned(countedByAll, func(v *Version) {
			for i := range v.Caps {
				v.Caps[i].Limit = min(v.Caps[i].Limit*3, MaxRollingLimit*3)
			}
			v.Caps[2].Limit, v.Caps[3].Limit = MaxRollingLimit, 1_000_000
			v.Prizes = []Prize{
				{ID: "cash", Kind: KindCash, Weight: 30, Stock: 200, Units: 1, Amount: 7, Fallback: -1, Slot: -1},
				{ID: "again", Kind: KindChance, Weight: 20, Stock: 90, Units: 2, Amount: 2, Fallback: -1, Slot: -1},
				{ID: "luck", Kind: KindCoupon, Weight: 5, Stock: 50, Units: 1, Fallback: -1, Slot: -1},
			}
			v.Pity = []Pity{{ID: "luck", Within: 6, Group: []int16{2}, List: []PityPrize{{Prize: 2, Reserve: 20}}}}
			v.Exhausted = Miss
			if seed%2 == 1 { // dealt
				v.Mode = Mode{Kind: ModeDeck, Entries: 600}
				for i := range v.Prizes {
					v.Prizes[i].Weight = 0
				}
			}
		}))
		users := []string{"u", "v", "w"}
		for _, user := range users {
			x.grantTo(user, "shop", "1", 200)
		}
		undone := 0
		for i := range 300 {
			x.now += UnixMilli(rng.IntN(900_000))
			user := users[rng.IntN(3)]
			edit := x.by(fmt.Sprint("d", rng.IntN(2)), fmt.Sprint("i", rng.IntN(2)), fmt.Sprint("r", rng.IntN(2)), int64(rng.IntN(2)))
			d := x.request(user, fmt.Sprint(i), edit)
			x.one(func(b *Batch) { b.AddTick() })
			was, use, pity, books := x.counts(c, &d), x.use(1, user), x.pityOf(c, user), slices.Clone(c.books)
			drawn := c.mode
			drawn = drawn.clone()
			r := x.draw(user, fmt.Sprint(i), edit)
			if r.Code != problem.OK {
				continue
			}
			draw, at := x.encoded(r)
			fault := VoidFault(rng.IntN(5))
			if fault > VoidAbuse || fault == 0 {
				fault = VoidSystem
			}
			if rng.IntN(3) == 0 {
				continue
			}
			x.wantCode("void", x.void(draw, at, fault), problem.OK)
			x.sound()
			if fault != VoidSystem {
				continue
			}
			undone++
			if got := x.counts(c, &d); !slices.Equal(got, was) {
				t.Fatalf("seed %d, draw %d: counters %v before, %v behind", seed, i, was, got)
			}
			if got := x.use(1, user); got.Remaining != use.Remaining || got.Sums.Debt != use.Sums.Debt {
				t.Fatalf("seed %d, draw %d: chances %+v before, %+v behind", seed, i, use, got)
			}
			if got := x.pityOf(c, user); got != pity {
				t.Fatalf("seed %d, draw %d: pity %d before, %d behind", seed, i, pity, got)
			}
			if !slices.Equal(c.books, books) {
				t.Fatalf("seed %d, draw %d: books\n%+v before\n%+v behind", seed, i, books, c.books)
			}
			if drawn != nil && drawn.drawn != c.mode.drawn {
				t.Fatalf("seed %d, draw %d: entries %d before, %d behind", seed, i, drawn.drawn, c.mode.drawn)
			}
		}
		if undone < 50 {
			t.Errorf("seed %d: %d were undone", seed, undone)
		}
		x.reload()
	}
}

func (x *table) pityOf(c *Campaign, user string) uint32 {
	return x.UserState(c, x.keys.User([]byte(user)), x.now).Pity[0].Counter
}
