package odds

import (
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/drawd/drawd/engine"
)

// version is a campaign with a denominator and weights.
func version(denominator uint32, weights ...uint32) *engine.Version {
	v := &engine.Version{Denominator: denominator}
	for i, w := range weights {
		v.Prizes = append(v.Prizes, engine.Prize{ID: string(rune('a' + i)), Weight: w, Stock: engine.Unlimited, Units: 1, Fallback: -1, Slot: -1})
	}
	return v
}

func hard(v *engine.Version, within uint32, prizes ...int16) *engine.Version {
	p := engine.Pity{ID: fmt.Sprint("y", len(v.Pity)), Within: within, Group: slices.Sorted(slices.Values(prizes))}
	for _, i := range prizes {
		p.List = append(p.List, engine.PityPrize{Prize: i})
	}
	v.Pity = append(v.Pity, p)
	return v
}

func of(t *testing.T, v *engine.Version, o Options) *Effective {
	t.Helper()
	e, err := Of(v, o)
	if err != nil {
		t.Fatal(err)
	}
	total := new(big.Rat).Set(e.Miss)
	for _, p := range e.Prizes {
		total.Add(total, p)
	}
	extra := false
	for i := range v.Pity {
		extra = extra || v.Pity[i].Extra
	}
	if total.Cmp(big.NewRat(1, 1)) != 0 && !extra {
		t.Errorf("the shares sum to %s", total.RatString())
	}
	return e
}

// The figures that everybody can look up, or work out with a pencil.
func TestKnownOdds(t *testing.T) {
	for _, tc := range []struct {
		name   string
		v      *engine.Version
		digits int
		want   string
	}{
		{"1 % within 100", hard(version(100, 1), 100, 0), 4, "1.577 %"},
		{"0.6 % within 90", hard(version(1000, 6), 90, 0), 4, "1.435 %"},
		{"10 % within 10", hard(version(10, 1), 10, 0), 3, "15.4 %"},
		{"no luck within 8", hard(version(10, 0), 8, 0), 6, "12.5 %"},
		{"1 % within 10000", hard(version(100, 1), 10000, 0), 6, "1 %"},
		{"no pity", version(1_000_000, 50), 9, "0.005 %"},
		{"within 1", hard(version(10, 1), 1, 0), 6, "100 %"},
		{"0.6 % within 90, 6 % more with each draw from 74 on", ramp(), 4, "1.605 %"},
	} {
		if got := Percent(of(t, tc.v, Options{}).Prizes[0], tc.digits); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// ramp is a well-known soft pity.
func ramp() *engine.Version {
	v := hard(version(1000, 6), 90, 0)
	for from := uint32(74); from < 90; from++ {
		weight := min(6+60*(from-73), 1000)
		v.Pity[0].Soft = append(v.Pity[0].Soft, engine.SoftStep{From: from, Weights: []engine.SoftWeight{{Prize: 0, Weight: weight}}})
	}
	return v
}

// play is the naive way: every state of all counters, and so many steps of its distribution. Exact at every step, it
// comes to the long run only in the limit.
func play(v *engine.Version, o Options, steps int) *Effective {
	m := newModel(v, o)
	mass := map[string]*big.Float{fmt.Sprint(m.start()): big.NewFloat(1)}
	states := map[string][]int{fmt.Sprint(m.start()): m.start()}
	got := make([]*big.Float, len(v.Prizes))
	for i := range got {
		got[i] = new(big.Float).SetPrec(200)
	}
	counted := 0
	for step := range steps {
		after := make(map[string]*big.Float)
		for key, chance := range mass {
			s := states[key]
			out := m.outcome(s)
			if step >= steps/2 { // the first half is for forgetting where it began
				for i, p := range out.prizes {
					got[i].Add(got[i], new(big.Float).Mul(chance, new(big.Float).SetRat(p)))
				}
			}
			for ends, p := range out.ends {
				to := m.moved(s, ends)
				k := fmt.Sprint(to)
				states[k] = to
				if after[k] == nil {
					after[k] = new(big.Float).SetPrec(200)
				}
				after[k].Add(after[k], new(big.Float).Mul(chance, new(big.Float).SetRat(p)))
			}
		}
		if step >= steps/2 {
			counted++
		}
		mass = after
	}
	e := &Effective{}
	for i := range got {
		r, _ := got[i].Rat(nil)
		e.Prizes = append(e.Prizes, r.Quo(r, big.NewRat(int64(counted), 1)))
	}
	return e
}

func half(prize int) func(int) *big.Rat {
	return func(i int) *big.Rat {
		if i == prize {
			return big.NewRat(1, 2)
		}
		return nil
	}
}

// Closed forms and joint chains agree with the naive way.
func TestAgainstPlay(t *testing.T) {
	extra := hard(version(10, 1, 4), 3, 0)
	extra.Pity[0].Extra = true
	fallback := hard(version(10, 3, 1), 4, 1)
	fallback.Prizes[0].Unavailable, fallback.Prizes[0].Fallback = engine.OnFallback, 1
	soft := version(10, 1, 2)
	soft.Pity = []engine.Pity{{ID: "s", Group: []int16{0}, Soft: []engine.SoftStep{
		{From: 3, Weights: []engine.SoftWeight{{Prize: 0, Weight: 3}}}, {From: 5, Weights: []engine.SoftWeight{{Prize: 0, Weight: 6}, {Prize: 1, Weight: 0}}},
	}}}
	softAndHard := hard(version(10, 1, 2), 6, 1)
	softAndHard.Pity = append(softAndHard.Pity, soft.Pity...)
	any := hard(version(10, 1, 2), 3, 0)
	any.Pity[0].AnyWin, any.Pity[0].Group = true, nil
	for name, tc := range map[string]struct {
		v *engine.Version
		o Options
	}{
		"extra":               {extra, Options{}},
		"any win":             {any, Options{}},
		"soft":                {soft, Options{}},
		"soft beside hard":    {softAndHard, Options{}},
		"half of the time":    {hard(version(10, 5, 2), 4, 1), Options{Available: half(0)}},
		"fallback half":       {fallback, Options{Available: half(0)}},
		"two pities":          {hard(hard(version(10, 1, 2), 7, 0), 3, 1), Options{}},
		"nested":              {hard(hard(version(10, 1, 2), 7, 0), 3, 0, 1), Options{}},
		"three pities":        {hard(hard(hard(version(20, 1, 2, 3), 6, 0), 4, 1), 3, 2), Options{}},
		"nothing by luck":     {hard(hard(version(10, 0, 0), 3, 0), 2, 1), Options{}},
		"the second unfunded": {hard(hard(version(10, 1, 2), 7, 0), 3, 1), Options{Unfunded: func(pity, _ int) bool { return pity == 1 }}},
		"all unfunded":        {hard(version(10, 1), 3, 0), Options{Unfunded: func(int, int) bool { return true }}},
	} {
		e := of(t, tc.v, tc.o)
		const steps = 1200
		for i, p := range play(tc.v, tc.o, steps).Prizes {
			// The second half has 600 draws: the last cycle of at most 7 may be cut off.
			off := new(big.Rat).Sub(e.Prizes[i], p)
			if off.Abs(off).Cmp(big.NewRat(2, steps)) > 0 {
				t.Errorf("%s: prize %d pays %s, the naive way %s", name, i, Percent(e.Prizes[i], 9), Percent(p, 9))
			}
		}
	}
}

// A soft table may take a prize away; a pity whose reserve is empty helps nobody.
func TestUnfundedIsStatic(t *testing.T) {
	e := of(t, hard(version(100, 1), 100, 0), Options{Unfunded: func(int, int) bool { return true }})
	if e.Prizes[0].Cmp(big.NewRat(1, 100)) != 0 || e.Row[0] != nil {
		t.Errorf("%s", e.Prizes[0])
	}
	if s := Static(hard(version(100, 1), 100, 0)); s.Prizes[0].Cmp(big.NewRat(1, 100)) != 0 || s.Miss.Cmp(big.NewRat(99, 100)) != 0 {
		t.Errorf("%+v", s)
	}
}

// A miss that ends at thanks has its name, until a pity replaces it. A prize that is not in the session is never there.
func TestThanksAndSets(t *testing.T) {
	v := hard(version(10, 0, 6, 4), 2, 0)
	v.Prizes[1].Kind = engine.KindThanks
	v.Prizes[2].Unavailable, v.Prizes[2].Fallback = engine.OnFallback, 1
	e := of(t, v, Options{Weight: func(prize int) (int64, bool) { return Weight(v, prize), prize != 2 }})
	for i, want := range []*big.Rat{big.NewRat(1, 2), big.NewRat(3, 10), new(big.Rat)} {
		if e.Prizes[i].Cmp(want) != 0 {
			t.Errorf("prize %d pays %s, want %s", i, e.Prizes[i].RatString(), want.RatString())
		}
	}
	half := of(t, v, Options{Available: half(2)})
	for i, want := range []*big.Rat{big.NewRat(1, 2), big.NewRat(4, 10), big.NewRat(1, 10)} {
		if half.Prizes[i].Cmp(want) != 0 {
			t.Errorf("half of the time: prize %d pays %s, want %s", i, half.Prizes[i].RatString(), want.RatString())
		}
	}
}

func TestRow(t *testing.T) {
	e := of(t, hard(version(10, 0), 8, 0), Options{})
	if e.Row[0].Cmp(big.NewRat(8, 1)) != 0 {
		t.Errorf("a row has %s draws, want 8", e.Row[0])
	}
}

func TestTooLarge(t *testing.T) {
	if _, err := Of(hard(hard(version(10, 1, 1), 10000, 0), 10000, 1), Options{}); err != ErrTooLarge {
		t.Errorf("%v", err)
	}
}

func TestFormat(t *testing.T) {
	for _, tc := range []struct {
		n, d   int64
		digits int
		want   string
	}{
		{0, 1, 4, "0 %"}, {1, 1, 4, "100 %"}, {1, 3, 4, "33.33 %"}, {2, 3, 4, "66.67 %"}, {1, 1_000_000, 4, "0.0001 %"},
		{1, 3_000_000, 3, "0.0000333 %"}, {15770, 1_000_000, 4, "1.577 %"}, {999_999, 1_000_000, 4, "100 %"}, {3, 2, 4, "150 %"},
	} {
		if got := Percent(big.NewRat(tc.n, tc.d), tc.digits); got != tc.want {
			t.Errorf("%d/%d: %s, want %s", tc.n, tc.d, got, tc.want)
		}
	}
	if got := Parts(big.NewRat(1, 3), 1_000_000_000); got != 333_333_333 {
		t.Error(got)
	}
	if got := Parts(big.NewRat(1, 2), 1); got != 1 {
		t.Error(got)
	}
}

// A deck's chances are those of its cards, whatever the weights' denominator is.
func TestDeckOdds(t *testing.T) {
	v := version(1_000_000, 0, 0)
	v.Mode = engine.Mode{Kind: engine.ModeDeck, Entries: 200}
	v.Prizes[0].Stock, v.Prizes[1].Stock, v.Prizes[1].Units = 8, 100, 2
	e := of(t, v, Options{})
	if e.Prizes[0].Cmp(big.NewRat(8, 200)) != 0 || e.Prizes[1].Cmp(big.NewRat(50, 200)) != 0 || e.Miss.Cmp(big.NewRat(142, 200)) != 0 {
		t.Errorf("%v, miss %v", e.Prizes, e.Miss)
	}
}
