package engine

import (
	"math/big"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// looking returns a tx that has taken rungs 2 to 6 of a draw: what can be asked without deciding.
func (x *table) looking(c *Campaign, user string) *tx {
	x.Helper()
	x.one(func(b *Batch) { b.AddTick() }) // log time is now
	t := &tx{world: x.Engine.world.Load()}
	t.draw = x.request(user, "look")
	t.result = Result{}
	if code := t.refusal(&t.draw, c, sight{logTime: x.now, now: x.now}); code != problem.OK {
		x.Fatalf("a draw would be refused: %v", code)
	}
	return t
}

// odds enumerates the words of a campaign by weights: of all values below the denominator, and where a prize shares its
// weight of all further values, how many end in which prize, times scale. It is exact where scale is a multiple of the
// weights that are shared.
func (x *table) odds(c *Campaign, scale uint64) (got map[string]uint64) {
	x.Helper()
	t := x.looking(c, "nobody")
	v := c.Version()
	got = make(map[string]uint64)
	name := func(prize int) string {
		if prize == NoPrize {
			return "miss"
		}
		return v.Prizes[prize].ID
	}
	for value := range uint64(v.Denominator) {
		natural := t.table().pick(value)
		if natural == NoPrize || !t.plan.prizes[natural].boosts || t.offered(c, natural) || t.unavailable(c, natural) == CauseSwitchedOff {
			prize, _ := t.give(c, natural)
			got[name(prize)] += scale
			continue
		}
		weight := uint64(t.set.weight(natural))
		for share := range weight {
			got[name(t.shareFor(c, natural, share))] += scale / weight
		}
	}
	return got
}

func (x *table) wantOdds(what string, got, want map[string]uint64) {
	x.Helper()
	for id, n := range want {
		if got[id] != n {
			x.Errorf("%s: %s at %d, want %d (%v)", what, id, got[id], n, got)
		}
	}
	if len(got) != len(want) {
		x.Errorf("%s: %v, want %v", what, got, want)
	}
}

// wheel4 is a wheel of phone 10, coupon 20, points 30 and thanks 25 in a hundred.
func wheel4(edit ...func(v *Version)) *Version {
	return simple(append([]func(v *Version){func(v *Version) {
		prize := func(id string, kind PrizeKind, weight uint32, stock Quantity) Prize {
			return Prize{ID: id, Kind: kind, Weight: weight, Stock: stock, Units: 1, Fallback: -1, Slot: -1}
		}
		v.UserExhausted, v.Exhausted = Miss, Miss
		v.Prizes = []Prize{
			prize("phone", KindPhysical, 10, 1), prize("coupon", KindCoupon, 20, 5), prize("code", KindCode, 30, 5), prize("thanks", KindThanks, 25, Unlimited),
		}
	}}, edit...)...)
}

func redistribute(prize int16, max uint32) func(v *Version) {
	return func(v *Version) {
		v.Prizes[prize].Unavailable = OnRedistribute
		v.Boosts = append(v.Boosts, Boost{prize, max})
	}
}

// Every way out of a prize that is gone, by enumeration of every word.
func TestExactOddsOfEveryWayOut(t *testing.T) {
	out := func(stock ...Quantity) func(v *Version) {
		return func(v *Version) {
			for i, s := range stock {
				v.Prizes[i].Stock = s
			}
		}
	}
	fallback := func(from, to int) func(v *Version) {
		return func(v *Version) { v.Prizes[from].Unavailable, v.Prizes[from].Fallback = OnFallback, int16(to) }
	}
	for name, tc := range map[string]struct {
		edit []func(v *Version)
		want map[string]uint64 // in hundredths of the denominator's parts
	}{
		"all there":               {nil, map[string]uint64{"phone": 1000, "coupon": 2000, "code": 3000, "miss": 4000}},
		"miss":                    {[]func(v *Version){out(0)}, map[string]uint64{"coupon": 2000, "code": 3000, "miss": 5000}},
		"fallback":                {[]func(v *Version){out(0), fallback(0, 1)}, map[string]uint64{"coupon": 3000, "code": 3000, "miss": 4000}},
		"fallback to what is out": {[]func(v *Version){out(0, 0), fallback(0, 1), fallback(1, 2)}, map[string]uint64{"code": 6000, "miss": 4000}},
		"fallback to thanks":      {[]func(v *Version){out(0), fallback(0, 3)}, map[string]uint64{"coupon": 2000, "code": 3000, "miss": 5000}},
		// 10 go to coupon and code as 4 and 6.
		"shared": {[]func(v *Version){out(0), redistribute(0, 2*FullPPM)}, map[string]uint64{"coupon": 2400, "code": 3600, "miss": 4000}},
		// At most a tenth more: 2 and 3, the other 5 are the miss.
		"shared up to a bound": {[]func(v *Version){out(0), redistribute(0, FullPPM+100_000)}, map[string]uint64{"coupon": 2200, "code": 3300, "miss": 4500}},
		// 20 of coupon to phone and code as 5 and 15; nobody doubles.
		"shared, coarse": {[]func(v *Version){out(1, 0), redistribute(1, FullPPM+200_000)}, map[string]uint64{"phone": 1200, "code": 3600, "miss": 5200}},
		// Two are out: code gets 10 from phone and 20 from coupon, but never more than half again.
		"two shared": {[]func(v *Version){out(0, 0), redistribute(0, FullPPM+500_000), redistribute(1, FullPPM+500_000)}, map[string]uint64{"code": 4500, "miss": 5500}},
		// A budget that pays no win any more is out like a stock: the 30 go to phone and coupon as 10 and 20.
		"budget shared": {[]func(v *Version){redistribute(2, 9*FullPPM), func(v *Version) {
			v.Prizes[2].Kind, v.Prizes[2].Amount, v.Amounts = KindCash, 10, []Amount{{Prize: 2, Budget: 9}}
		}}, map[string]uint64{"phone": 2000, "coupon": 4000, "miss": 4000}},
		"all out": {[]func(v *Version){out(0, 0, 0), redistribute(0, 9*FullPPM), redistribute(1, 9*FullPPM)}, map[string]uint64{"miss": 10000}},
	} {
		x := newTable(t)
		c := x.mustPublish(wheel4(tc.edit...))
		for id := range tc.want {
			tc.want[id] *= 6 // 600 is a multiple of all weights
		}
		x.wantOdds(name, x.odds(c, 600), tc.want)
	}
}

// A prize that is switched off is a miss, and takes none of the room that the shares of others have.
func TestExactOddsBesideASwitch(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(wheel4(redistribute(0, FullPPM+500_000), redistribute(1, FullPPM+500_000), func(v *Version) { v.Prizes[1].Stock = 0 }))
	x.one(func(b *Batch) {
		b.AddSwitch(&SetSwitch{Namespace: 1, Scope: SwitchScope{Kind: SwitchPrize, Campaign: 1, Prize: "phone"}, Actor: "op"})
	})
	x.wantOdds("phone off, coupon out", x.odds(c, 100), map[string]uint64{"code": 4500, "miss": 5500})
	x.one(func(b *Batch) {
		b.AddSwitch(&SetSwitch{Namespace: 1, Scope: SwitchScope{Kind: SwitchPrize, Campaign: 1, Prize: "phone"}, On: true, Actor: "op"})
	})
	x.wantOdds("on again", x.odds(c, 100), map[string]uint64{"phone": 1500, "code": 4500, "miss": 4000})
}

// A prize that no session has, although a set names units of it, has no books to look at.
func TestSharesInASession(t *testing.T) {
	x := newTable(t)
	x.now = open
	x.mustPublish(rounds(func(v *Version) {
		v.Prizes[1].Unavailable, v.Boosts = OnRedistribute, []Boost{{1, 9 * FullPPM}}
		v.Prizes[1].Stock = 0
		v.Sets[0][0].Prize, v.Sets[0][0].Stock, v.Exhausted = 1, StockShared, Miss
		v.Sets[1], v.Sessions[1].Set = v.Sets[1][:1], 0
	}))
	if rec := x.records(x.draw("u", "k"))[0]; rec.Prize != NoPrize || rec.Cause != CauseSoldOut {
		t.Errorf("%+v", rec)
	}
}

// What keeps one user from a prize is no reason to share its weight: the others would otherwise see his odds.
func TestUserCapsDoNotShare(t *testing.T) {
	x := newTable(t)
	x.mustPublish(wheel4(redistribute(0, 9*FullPPM), func(v *Version) {
		v.Prizes[0].Weight, v.Prizes[0].Stock, v.Prizes[3].Weight = 35, 100, 0
		v.Prizes[1].Weight, v.Prizes[2].Weight = 32, 33
		v.Caps = []Cap{{ID: "one", Counts: CountWins, Limit: 1, Prize: 0}}
	}))
	phones, misses := 0, 0
	for i := range 30 {
		switch rec := x.records(x.draw("u", userName(i)))[0]; {
		case rec.Prize == 0:
			phones++
		case rec.Natural == 0:
			if misses++; rec.Prize != NoPrize || rec.Cause != CauseUserPrizeCap {
				t.Errorf("%+v", rec)
			}
		}
	}
	if phones != 1 || misses == 0 {
		t.Errorf("%d phones, %d misses", phones, misses)
	}
}

// The record names the natural prize, the cause and what was given instead.
func TestSharedIsRecorded(t *testing.T) {
	x := newTable(t)
	x.mustPublish(wheel4(redistribute(0, 9*FullPPM), func(v *Version) {
		v.Prizes[0].Stock, v.Prizes[0].Weight, v.Prizes[3].Weight, v.Prizes[1].Stock, v.Prizes[2].Stock = 0, 50, 0, 1000, 1000
	}))
	shared := 0
	for i := range 60 {
		rec := x.records(x.draw(userName(i), "k"))[0]
		if rec.Natural != 0 {
			continue
		}
		if shared++; rec.Cause != CauseSoldOut || rec.Prize != 1 && rec.Prize != 2 {
			t.Errorf("%+v", rec)
		}
	}
	if shared == 0 {
		t.Error("nobody hit the prize that is out")
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// deck is a campaign that deals so many units of two prizes over the entries.
func deckOf(entries uint64, phones, coupons Quantity, edit ...func(v *Version)) *Version {
	return simple(append([]func(v *Version){func(v *Version) {
		v.Mode = Mode{Kind: ModeDeck, Entries: entries}
		v.Prizes = []Prize{
			{ID: "phone", Stock: phones, Units: 1, Fallback: -1, Slot: -1},
			{ID: "coupon", Kind: KindCoupon, Stock: coupons, Units: 1, Fallback: -1, Slot: -1},
		}
	}}, edit...)...)
}

// Every order in which a deck can be dealt has the same chance: the tree of all cards, whole.
func TestExactOddsOfADeck(t *testing.T) {
	const entries, phones, coupons = 6, 2, 1
	x := newTable(t)
	c := x.mustPublish(deckOf(entries, phones, coupons))
	tx := x.looking(c, "nobody")
	orders := make(map[string]int)
	var walk func(order string)
	walk = func(order string) {
		if len(order) == entries {
			orders[order]++
			return
		}
		for card := range tx.deck(c) {
			prize := tx.dealt(c, card)
			if prize != NoPrize {
				c.books[tx.plan.prizes[prize].cell].Available--
			}
			c.mode.drawn++
			walk(order + "-pc"[prize+1:prize+2])
			c.mode.drawn--
			if prize != NoPrize {
				c.books[tx.plan.prizes[prize].cell].Available++
			}
		}
	}
	walk("")
	// 6! orders of cards, 60 of them different: phones, coupons and misses are alike among themselves.
	if len(orders) != 60 {
		t.Errorf("%d different orders", len(orders))
	}
	for order, n := range orders {
		if n != 720/60 {
			t.Errorf("order %s: %d of 720", order, n)
		}
	}
}

// Everything is given out in as many draws as were expected, no earlier than that for sure, and nobody but the caps can
// change it; what a user's cap kept back goes to those who come later.
func TestDeckGivesEverythingOut(t *testing.T) {
	x, y := newTable(t), newTable(t)
	version := func() *Version { return deckOf(50, 3, 20, func(v *Version) { v.Exhausted = Miss }) }
	c := x.mustPublish(version())
	y.mustPublish(version())
	wins := 0
	for i := range 50 {
		rec := x.records(x.draw(userName(i), "k"))[0]
		if rec.Before != uint64(i) || rec.Cards != uint64(50-i) {
			t.Fatalf("draw %d: %d before, %d cards", i, rec.Before, rec.Cards)
		}
		if rec.Prize != NoPrize {
			wins++
		}
		y.draw(userName(i), "k")
		if i == 20 {
			y.Engine = reload(t, y.Engine)
		}
	}
	if !c.Exhausted() || wins != 23 {
		t.Errorf("%d of 23 were given out", wins)
	}
	if x.StateHash() != y.StateHash() {
		t.Error("a snapshot in the middle changes what is dealt")
	}
	if rec := x.records(x.draw("late", "k"))[0]; rec.Prize != NoPrize || rec.Cards != 1 {
		t.Errorf("nothing is left: %+v", rec)
	}

	x = newTable(t)
	c = x.mustPublish(deckOf(10, 4, 4, func(v *Version) {
		v.Caps, v.UserExhausted = []Cap{{ID: "w", Counts: CountWins, Limit: 1, Prize: -1}}, Miss
	}))
	for i := range 10 { // two users, who win once each
		x.draw(userName(i%2), userName(i))
	}
	for i := range 6 {
		if rec := x.records(x.draw(userName(10+i), "k"))[0]; rec.Prize == NoPrize {
			t.Errorf("draw %d after the last card misses: %+v", i, rec)
		}
	}
	if !c.Exhausted() {
		t.Error("something was kept back")
	}
	x.unchanged("a draw from an empty deck", func() { x.wantCode("draw", x.draw("more", "k"), problem.Exhausted) })
}

func paced(expected uint64, boost uint32, edit ...func(v *Version)) *Version {
	return wheel4(append([]func(v *Version){func(v *Version) {
		v.Mode = Mode{Kind: ModePace, Entries: expected, MaxBoost: boost}
	}}, edit...)...)
}

// The weights of pacing are those of the formula, computed again with big integers at every step of a run.
func TestExactOddsOfPacing(t *testing.T) {
	x := newTable(t)
	const expected, boost = 4000, 3 * FullPPM
	c := x.mustPublish(paced(expected, boost, func(v *Version) {
		v.Denominator = 1_000_000
		for i, stock := range []Quantity{40, 1500, 300} {
			v.Prizes[i].Weight, v.Prizes[i].Stock = []uint32{10_000, 200_000, 300_000}[i], stock
		}
		v.Prizes[3].Weight = 490_000
	}))
	for i := range expected {
		tx := x.looking(c, userName(i))
		sums := tx.paced(c)
		if i%4 == 0 { // a step of this many draws
			last := uint32(0)
			for k, sum := range sums {
				if want := paceOf(c, k, expected, boost); k < 3 && uint64(sum-last) != want {
					t.Fatalf("draw %d: prize %d has weight %d, the formula says %d", i, k, sum-last, want)
				}
				last = sum
			}
		}
		if last := sums[len(sums)-1]; last > 1_000_000 {
			t.Fatalf("draw %d: the weights sum to %d", i, last)
		}
		if r := x.draw(userName(i), "k"); r.Code != problem.OK {
			t.Fatalf("draw %d: %v", i, r.Code)
		}
	}
	_, stock := c.Stock()
	for _, p := range stock[:3] {
		if p.Available > 3 {
			t.Errorf("%s: %d of %d are left after the expected draws", p.ID, p.Available, p.Total)
		}
	}
}

func paceOf(c *Campaign, prize int, expected, boost int64) uint64 {
	p := c.Version().Prizes[prize]
	own := new(big.Int).Mul(big.NewInt(int64(p.Weight)), big.NewInt(boost))
	own.Div(own, big.NewInt(FullPPM))
	due := new(big.Int).Mul(big.NewInt(int64(c.Version().Denominator)), big.NewInt(int64(c.books[c.cell(p.ID)].Available)))
	due.Div(due, big.NewInt(max(1, expected-int64(c.mode.drawn))))
	if own.Cmp(due) < 0 {
		return own.Uint64()
	}
	return due.Uint64()
}

// More stock than draws to come: the weights are scaled down together to the denominator, and nothing unlimited is left.
func TestPacingStaysWithinTheDenominator(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(paced(100, 1_000*FullPPM, func(v *Version) {
		v.Prizes[0].Stock, v.Prizes[1].Stock, v.Prizes[2].Stock = 100, 200, 100
	}))
	sums := x.looking(c, "u").paced(c)
	if want := []uint32{25, 75, 100, 100}; len(sums) != 4 || sums[0] != want[0] || sums[1] != want[1] || sums[2] != want[2] || sums[3] != want[3] {
		t.Errorf("sums %v, want %v", sums, want)
	}
}

// The weights hold from one step to the next, and a snapshot between two steps keeps them.
func TestPacingIsState(t *testing.T) {
	version := func() *Version {
		return paced(5000, 4*FullPPM, func(v *Version) { v.Prizes[1].Stock, v.Prizes[2].Stock = 700, 900 })
	}
	x, y := newTable(t), newTable(t)
	c := x.mustPublish(version())
	y.mustPublish(version())
	for i := range 203 {
		x.draw(userName(i), "k")
		y.draw(userName(i), "k")
	}
	y.Engine = reload(t, y.Engine)
	before := append([]uint32(nil), c.mode.sums...)
	x.one(func(b *Batch) { b.AddAdjust(&Adjust{Campaign: 1, Prize: "coupon", Delta: 400, Digest: Key{1}}) })
	y.one(func(b *Batch) { b.AddAdjust(&Adjust{Campaign: 1, Prize: "coupon", Delta: 400, Digest: Key{1}}) })
	x.draw("v", "k")
	y.draw("v", "k")
	for i := range before {
		if c.mode.sums[i] != before[i] {
			t.Errorf("the weights changed between two steps: %v, then %v", before, c.mode.sums)
		}
	}
	for i := range 40 {
		x.draw(userName(1000+i), "k")
		y.draw(userName(1000+i), "k")
	}
	if x.StateHash() != y.StateHash() {
		t.Error("a snapshot between two steps changes what comes")
	}
}

func TestModesAreValidated(t *testing.T) {
	for name, v := range map[string]*Version{
		"deck with a weight":      deckOf(10, 1, 1, func(v *Version) { v.Prizes[0].Weight = 1 }),
		"deck without entries":    deckOf(0, 1, 1),
		"deck of too many":        deckOf(MaxEntries+1, 1, 1),
		"deck with a boost":       deckOf(10, 1, 1, func(v *Version) { v.Mode.MaxBoost = FullPPM }),
		"deck of the unlimited":   deckOf(10, 1, Unlimited),
		"deck that shares":        deckOf(10, 1, 1, func(v *Version) { v.Prizes[0].Unavailable = OnRedistribute }),
		"pacing down only":        paced(10, FullPPM-1),
		"pacing, guaranteed":      paced(10, FullPPM, func(v *Version) { v.Guaranteed, v.Prizes[3].Weight = true, 40 }),
		"weights with entries":    wheel4(func(v *Version) { v.Mode.Entries = 5 }),
		"released deck":           deckOf(10, 1, 1, func(v *Version) { v.Releases = []Release{{}} }),
		"unknown mode":            wheel4(func(v *Version) { v.Mode.Kind = modeKinds }),
		"sharing without a bound": wheel4(func(v *Version) { v.Prizes[0].Unavailable = OnRedistribute }),
		"sharing that lowers":     wheel4(redistribute(0, FullPPM)),
		"sharing nothing":         wheel4(redistribute(0, 2*FullPPM), func(v *Version) { v.Prizes[0].Weight = 0 }),
		"a bound without sharing": wheel4(func(v *Version) { v.Boosts = []Boost{{0, 2 * FullPPM}} }),
		"sharing out of order":    wheel4(redistribute(1, 2*FullPPM), redistribute(0, 2*FullPPM)),
	} {
		if v.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
		if v.Mode.Kind == modeKinds || v.Mode == (Mode{Entries: 5}) {
			continue // no form can say it
		}
		x := newTable(t)
		x.unchanged(name, func() { x.wantCode(name, x.publish(v), problem.InvalidCampaign) })
	}
}
