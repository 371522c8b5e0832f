package engine

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// packets is a campaign whose only prize is a cash packet that every draw hits.
func packets(stock Quantity, a Amount, edit ...func(v *Version)) *Version {
	v := simple(func(v *Version) {
		v.Prizes[0] = Prize{ID: "packet", Kind: KindCash, Weight: 100, Stock: stock, Units: 1, Fallback: -1, Slot: -1}
		v.Amounts = []Amount{a}
	})
	for _, f := range edit {
		f(v)
	}
	return v
}

// paidOut draws n times, each time another user, and returns the amounts of the wins and the causes of the misses.
func (x *table) paidOut(n int) (amounts []int64, causes []Cause) {
	x.Helper()
	for range n {
		x.arrived++
		r := x.draw(userName(x.arrived), "k")
		if r.Code != problem.OK {
			x.Fatalf("draw: %v", r.Code)
		}
		rec := x.records(r)[0]
		if rec.Prize == NoPrize {
			causes = append(causes, rec.Cause)
			continue
		}
		if rec.Amount < rec.AmountLeast || rec.Amount > rec.AmountMost {
			x.Errorf("an amount of %d from [%d, %d]", rec.Amount, rec.AmountLeast, rec.AmountMost)
		}
		amounts = append(amounts, rec.Amount)
	}
	if err := x.CheckInvariants(); err != nil {
		x.Error(err)
	}
	return amounts, causes
}

// reload returns another engine in the state of e.
func reload(t *testing.T, e *Engine) *Engine {
	t.Helper()
	var s bytes.Buffer
	if err := e.WriteSnapshot(&s); err != nil {
		t.Fatal(err)
	}
	other, _ := New(Options{Shards: 8})
	if err := other.ReadSnapshot(&s); err != nil {
		t.Fatal(err)
	}
	return other
}

func sumOf(amounts []int64) (sum int64) {
	for _, a := range amounts {
		sum += a
	}
	return sum
}

// Splits that know the count give out the budget to the last cent, and nobody gets less than the least or more than the
// most.
func TestSplitsGiveOutTheWholeBudget(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	for round := range 60 {
		wins := 1 + random.Int64N(40)
		least := 1 + random.Int64N(100)
		a := Amount{Split: SplitDoubleMean, Least: least, Budget: least*wins + random.Int64N(10_000)}
		if round%2 == 1 { // with a bound above, sometimes as tight as it can be
			a.Most = (a.Budget+wins-1)/wins + random.Int64N(20)
		}
		x := newTable(t)
		x.mustPublish(packets(Quantity(wins), a))
		amounts, causes := x.paidOut(int(wins))
		if len(causes) > 0 || sumOf(amounts) != a.Budget {
			t.Fatalf("%+v over %d wins: paid %d, misses %v", a, wins, sumOf(amounts), causes)
		}
		for _, paid := range amounts {
			if paid < a.Least || a.Most > 0 && paid > a.Most {
				t.Fatalf("%+v: one win paid %d", a, paid)
			}
		}
	}
}

func TestDeckOfAmountsIsDealtOut(t *testing.T) {
	x := newTable(t)
	cards := []Card{{100, 20}, {500, 4}, {10_000, 1}}
	x.mustPublish(packets(25, Amount{Split: SplitDeck, Budget: 14_000, Cards: cards}))
	amounts, causes := x.paidOut(25)
	got := make(map[int64]uint32)
	for _, a := range amounts {
		got[a]++
	}
	for _, c := range cards {
		if got[c.Amount] != c.Count {
			t.Errorf("%d was paid %d times, %d cards say so", c.Amount, got[c.Amount], c.Count)
		}
	}
	if len(causes) > 0 || sumOf(amounts) != 14_000 {
		t.Errorf("paid %d, misses %v", sumOf(amounts), causes)
	}
}

// The most is lowered to what is left of a budget; below the least nothing is paid, for the cause budget.
func TestUniformWithinBudgets(t *testing.T) {
	for name, budget := range map[string]Budget{"campaign": {Campaign: 1000}, "day": {Day: 1000}, "prize": {}} {
		t.Run(name, func(t *testing.T) {
			a := Amount{Split: SplitUniform, Least: 100, Most: 300}
			if name == "prize" {
				a.Budget = 1000
			}
			x := newTable(t)
			x.mustPublish(packets(Unlimited, a, func(v *Version) { v.Budget = budget }))
			amounts, causes := x.paidOut(30)
			if sum := sumOf(amounts); sum > 1000 || sum <= 900 {
				t.Errorf("paid %d of 1000: %v", sum, amounts)
			}
			for _, c := range causes {
				if c != CauseBudget {
					t.Errorf("a miss for %v", c)
				}
			}
			if len(amounts)+len(causes) != 30 || len(causes) == 0 {
				t.Errorf("%d wins, %d misses", len(amounts), len(causes))
			}
			x.now += dayMilli
			if again, _ := x.paidOut(5); (len(again) > 0) != (name == "day") {
				t.Errorf("%d wins on the next day", len(again))
			}
		})
	}
}

func TestBudgetOfOneUser(t *testing.T) {
	x := newTable(t)
	x.mustPublish(packets(Unlimited, Amount{Split: SplitUniform, Least: 10, Most: 40}, func(v *Version) { v.Budget.User = 100 }))
	for _, user := range []string{"a", "b"} {
		sum, misses := int64(0), 0
		for i := range 12 {
			rec := x.records(x.draw(user, userName(i)))[0]
			if sum += rec.Amount; rec.Prize == NoPrize {
				if misses++; rec.Cause != CauseBudget {
					t.Errorf("cause %v", rec.Cause)
				}
			}
		}
		if sum > 100 || sum <= 90 || misses == 0 {
			t.Errorf("%s got %d of 100, %d misses", user, sum, misses)
		}
	}
}

// A cap that counts amounts lowers the most to what is left under it, and is the cause below the least. A fixed amount
// is paid whole or not at all.
func TestCapsOnAmounts(t *testing.T) {
	cap := Cap{ID: "money", Counts: CountAmount, Window: Window{Kind: WindowDay}, Limit: 250, Prize: -1}
	x := newTable(t)
	x.mustPublish(packets(Unlimited, Amount{Split: SplitUniform, Least: 100, Most: 200}, func(v *Version) {
		v.Caps, v.UserExhausted = []Cap{cap}, Miss
	}))
	r := x.draw("u", "1", times(10))
	sum := int64(0)
	for i, rec := range x.records(r) {
		if sum += rec.Amount; rec.Prize == NoPrize && rec.Cause != CauseAmountCap {
			t.Errorf("sub-draw %d: cause %v", i, rec.Cause)
		}
		if rec.Used[0] != uint32(sum) {
			t.Errorf("sub-draw %d: the cap stands at %d, %d was paid", i, rec.Used[0], sum)
		}
	}
	if sum > 250 || sum <= 150 {
		t.Errorf("%d was paid under a cap of 250", sum)
	}

	x = newTable(t)
	x.mustPublish(packets(Unlimited, Amount{Split: SplitFixed, Budget: 1 << 40}, func(v *Version) {
		v.Prizes[0].Amount, v.Caps, v.UserExhausted = 100, []Cap{cap}, Miss
	}))
	recs := x.records(x.draw("u", "1", times(3)))
	if recs[0].Amount != 100 || recs[1].Amount != 100 || recs[2].Prize != NoPrize || recs[2].Cause != CauseAmountCap {
		t.Errorf("%+v", recs)
	}
	x.now += dayMilli
	if rec := x.records(x.draw("u", "2"))[0]; rec.Amount != 100 {
		t.Errorf("on the next day: %+v", rec)
	}
}

// A user to whom no prize can pay any more is told so, and nothing is consumed; a cap that denies names itself.
func TestAmountCapsRefuse(t *testing.T) {
	for _, deny := range []bool{false, true} {
		x := newTable(t)
		x.mustPublish(packets(Unlimited, Amount{Split: SplitUniform, Least: 100, Most: 200}, func(v *Version) {
			v.Caps = []Cap{{ID: "money", Counts: CountAmount, Window: Window{Kind: WindowDay}, Limit: 100, Prize: -1, DenyWhenReached: deny}}
		}))
		x.draw("u", "1")
		x.unchanged("a refusal", func() {
			r := x.draw("u", "2")
			if want := map[bool]problem.Code{false: problem.NothingLeftForUser, true: problem.Capped}[deny]; r.Code != want {
				t.Errorf("deny %v: %v, want %v", deny, r.Code, want)
			}
		})
	}
}

// An aggregate cap counts the cash of all campaigns; points are no money.
func TestAggregateCapOnAmounts(t *testing.T) {
	x := newTable(t)
	x.one(func(b *Batch) {
		b.AddPolicy(&PutPolicy{Namespace: 1, Policy: &NamespacePolicy{TimeZone: "UTC", AggregateCaps: []AggregateCap{
			{ID: "cash", Counts: CountAmount, Window: Window{Kind: WindowDay}, Limit: 150},
		}}})
	})
	fixed := func(id string, kind PrizeKind) *Version {
		return packets(Unlimited, Amount{Split: SplitFixed, Budget: 1 << 40}, func(v *Version) {
			v.Campaign, v.UserExhausted, v.Prizes[0].Amount, v.Prizes[0].Kind = id, Miss, 100, kind
		})
	}
	x.mustPublish(fixed("c", KindCash))
	x.mustPublish(fixed("d", KindCash))
	x.mustPublish(fixed("e", KindPoints))
	in := func(c CampaignRef) func(d *Draw) { return func(d *Draw) { d.Campaign = c } }
	if rec := x.records(x.draw("u", "1", in(1)))[0]; rec.Amount != 100 {
		t.Errorf("first: %+v", rec)
	}
	if rec := x.records(x.draw("u", "2", in(2)))[0]; rec.Prize != NoPrize || rec.Cause != CauseAmountCap {
		t.Errorf("in another campaign: %+v", rec)
	}
	if rec := x.records(x.draw("u", "3", in(3)))[0]; rec.Amount != 100 {
		t.Errorf("points: %+v", rec)
	}
}

// What was paid is state: a snapshot in the middle changes nothing, and a later version finds it.
func TestMoneySurvives(t *testing.T) {
	version := func() *Version {
		return packets(40, Amount{Split: SplitDoubleMean, Least: 5, Budget: 4000}, func(v *Version) {
			v.Budget = Budget{Campaign: 100_000, Day: 50_000, User: 10_000}
		})
	}
	x, y := newTable(t), newTable(t)
	x.mustPublish(version())
	y.mustPublish(version())
	x.paidOut(20)
	y.paidOut(20)
	y.Engine = reload(t, y.Engine)
	more, _ := x.paidOut(10)
	again, _ := y.paidOut(10)
	for i := range more {
		if more[i] != again[i] {
			t.Fatalf("win %d pays %d with a snapshot before it, else %d", i, again[i], more[i])
		}
	}
	if x.StateHash() != y.StateHash() {
		t.Error("another state after a snapshot")
	}
	raised := version()
	raised.Prizes[0].Stock, raised.Amounts[0].Budget = StockUnstated, 5000
	c := x.mustPublish(raised)
	x.paidOut(10)
	if _, stock := c.Stock(); stock[0].Paid != 5000 || stock[0].Budget != 5000 {
		t.Errorf("paid %d of %d", stock[0].Paid, stock[0].Budget)
	}
}

// Units that come later share the money that is there: the least while it lasts, then nothing.
func TestDoubleMeanAfterAdjust(t *testing.T) {
	x := newTable(t)
	x.mustPublish(packets(4, Amount{Split: SplitDoubleMean, Least: 10, Budget: 40}))
	x.one(func(b *Batch) { b.AddAdjust(&Adjust{Campaign: 1, Prize: "packet", Delta: 3, Digest: Key{1}}) })
	amounts, causes := x.paidOut(7)
	if sumOf(amounts) != 40 || len(causes) != 3 || causes[0] != CauseBudget {
		t.Errorf("paid %v, misses %v", amounts, causes)
	}
	x = newTable(t)
	x.mustPublish(packets(4, Amount{Split: SplitDoubleMean, Least: 10, Most: 20, Budget: 80}))
	x.one(func(b *Batch) { b.AddAdjust(&Adjust{Campaign: 1, Prize: "packet", Delta: -2, Digest: Key{1}}) })
	if amounts, _ := x.paidOut(2); sumOf(amounts) != 40 {
		t.Errorf("no win pays more than the most: %v", amounts)
	}
}

// Every amount in the span has the same chance, by enumeration of what a word can map to, and the mean of the span is
// what an equal share would be.
func TestDoubleMeanSpan(t *testing.T) {
	for wins := int64(2); wins <= 9; wins++ {
		for spare := int64(0); spare <= 60; spare++ {
			left := 7*wins + spare
			s := doubleMean(span{7, 0}, left, wins)
			if s.least != 7 || s.most != 7+2*spare/wins {
				t.Fatalf("%d over %d wins: %+v", left, wins, s)
			}
			if left-s.most < 7*(wins-1) {
				t.Fatalf("%d over %d wins: %+v leaves the others less than 7 each", left, wins, s)
			}
			for most := (left + wins - 1) / wins; most < 7+spare+3; most++ {
				if b := doubleMean(span{7, most}, left, wins); b.least > b.most || b.most > most || left-b.least > most*(wins-1) || left-b.most < 7*(wins-1) {
					t.Fatalf("%d over %d wins of at most %d: %+v", left, wins, most, b)
				}
			}
		}
	}
	if s := doubleMean(span{1, 0}, math.MaxInt64, 2); s.most != math.MaxInt64-1 {
		t.Errorf("the largest budget: %+v", s)
	}
}

// Every refusal of a version's money, alone.
func TestMoneyIsValidated(t *testing.T) {
	for name, edit := range map[string]func(v *Version){
		"negative budget":       func(v *Version) { v.Budget.Day = -1 },
		"prize twice":           func(v *Version) { v.Amounts = append(v.Amounts, v.Amounts[0]) },
		"no such prize":         func(v *Version) { v.Amounts[0].Prize = 1 },
		"not cash":              func(v *Version) { v.Prizes[0].Kind = KindCoupon },
		"budget under the min":  func(v *Version) { v.Amounts[0].Budget = 39 },
		"budget over the max":   func(v *Version) { v.Amounts[0].Most = 999 },
		"no count":              func(v *Version) { v.Prizes[0].Stock = Unlimited },
		"units that do not fit": func(v *Version) { v.Prizes[0].Units = 3 },
		"fixed and split":       func(v *Version) { v.Prizes[0].Amount = 5 },
		"no least":              func(v *Version) { v.Amounts[0].Least = 0 },
		"cards without a deck":  func(v *Version) { v.Amounts[0].Cards = []Card{{1, 1}} },
		"deck of another sum":   func(v *Version) { v.Amounts[0] = Amount{Split: SplitDeck, Budget: 401, Cards: []Card{{100, 4}}} },
		"deck of another count": func(v *Version) { v.Amounts[0] = Amount{Split: SplitDeck, Budget: 500, Cards: []Card{{100, 5}}} },
		"deck out of order": func(v *Version) {
			v.Amounts[0] = Amount{Split: SplitDeck, Budget: 300, Cards: []Card{{100, 1}, {50, 2}, {25, 4}}}
		},
		"deck beyond int64": func(v *Version) {
			v.Amounts[0] = Amount{Split: SplitDeck, Budget: 4, Cards: []Card{{1 << 62, 4}}}
		},
		"uniform upside down": func(v *Version) { v.Amounts[0] = Amount{Split: SplitUniform, Least: 3, Most: 2} },
		"rolling amounts": func(v *Version) {
			v.Caps = []Cap{{ID: "a", Counts: CountAmount, Window: Window{WindowRolling, 1000}, Limit: 5, Prize: -1}}
		},
	} {
		x := newTable(t)
		good := packets(4, Amount{Split: SplitDoubleMean, Least: 10, Budget: 4000})
		if err := good.Validate(); err != nil {
			t.Fatal(err)
		}
		edit(good)
		x.unchanged(name, func() { x.wantCode(name, x.publish(good), problem.InvalidCampaign) })
	}
}

// The worst amounts that can be: sums stop at the bound and never overflow.
func TestAmountsDoNotOverflow(t *testing.T) {
	if _, ok := addAmounts(math.MaxInt64, 1); ok {
		t.Error("a sum beyond int64")
	}
	if _, ok := timesAmount(1<<40, 1<<24); ok {
		t.Error("a product beyond int64")
	}
	x := newTable(t)
	c := x.mustPublish(packets(Unlimited, Amount{Split: SplitUniform, Least: MaxAmount, Most: MaxAmount}))
	c.money.spent, c.money.prizes[0].sum = math.MaxInt64-MaxAmount, math.MaxInt64-MaxAmount
	amounts, causes := x.paidOut(2)
	if len(amounts) != 1 || len(causes) != 1 || causes[0] != CauseBudget {
		t.Errorf("paid %v, causes %v", amounts, causes)
	}
}

// What a record says of amounts is of its own draw: a prize without one, with another on top, once kept the span of the
// draw before (found by the comparison with the reference).
func TestAmountsOfARecordAreItsOwn(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) {
		v.Prizes = []Prize{
			{ID: "phone", Weight: 50, Stock: 100, Units: 1, Fallback: -1, Slot: -1},
			{ID: "cash", Kind: KindCash, Weight: 50, Stock: 100, Units: 1, Fallback: -1, Slot: -1},
		}
		v.Amounts = []Amount{{Prize: 1, Split: SplitUniform, Least: 5, Most: 9, Budget: 1000}}
		v.Pity = []Pity{{ID: "y", Within: 1, Extra: true, Group: []int16{1}, List: []PityPrize{{Prize: 1, Reserve: 50}}}}
	}))
	phones := 0
	for i := range 40 {
		r := x.draw("u", userName(i))
		x.wantCode("draw", r, problem.OK)
		rec := x.records(r)[0]
		if rec.Prize != 0 {
			continue
		}
		phones++
		if rec.AmountPaid != (AmountPaid{}) || rec.ExtraAmount.Amount < 5 || rec.ExtraAmount.AmountMost != 9 {
			t.Errorf("draw %d: %+v and on top %+v", i, rec.AmountPaid, rec.ExtraAmount)
		}
	}
	if phones < 10 || phones > 30 {
		t.Errorf("%d phones", phones)
	}
}
