package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// A prize whose units were all given away may hand out codes from then on. What comes back of before has no code: it is
// withdrawn, and the next draw finds a prize that is out.
func TestUnitsOfBeforeTheCodes(t *testing.T) {
	one := func(v *Version) { v.Prizes[0].Kind, v.Prizes[0].Stock = KindCoupon, 1 }
	coupon := func(v *Version) { v.Prizes[0].Kind = KindCoupon }
	for what, back := range map[string]func(x *table) (undo func()){
		"a void": func(x *table) func() {
			draw, at := x.encoded(x.draw("u", "0"))
			return func() { x.wantCode("void", x.void(draw, at, VoidUser), problem.OK) }
		},
		"a redraw": func(x *table) func() {
			x.enter("tv", "a")
			x.wantCode("raffle", x.raffle("tv", 1, 0, "p"), problem.OK)
			return func() { x.wantCode("redraw", x.redraw("tv", "a"), problem.OK) }
		},
	} {
		t.Run(what, func(t *testing.T) {
			x := newTable(t)
			x.mustPublish(simple(one))
			undo := back(x)
			x.mustPublish(coded(coupon))
			undo()
			x.wantCode("a draw without a code", x.draw("v", "1"), problem.Exhausted)
			if r := x.importCodes(sealedCodes(0, 1)); r.Value != 1 {
				t.Fatalf("%+v", r)
			}
			if codes := x.codesOfDraw(x.draw("v", "2")); codes[0] != "CODE-000" {
				t.Errorf("%q", codes)
			}
			if err := x.CheckInvariants(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Codes and chances are handed out by draws: a raffle would take the units and give the winners nothing.
func TestRaffleOfWhatDrawsHandOut(t *testing.T) {
	x := newTable(t)
	x.mustPublish(coded())
	x.importCodes(sealedCodes(0, 3))
	x.enter("tv", "a", "b")
	x.unchanged("a refused raffle", func() {
		x.wantCode("of codes", x.raffle("tv", 1, 0, "p"), problem.PrizeNotFound)
	})
	chance := &Version{Prizes: []Prize{{Kind: KindChance, Amount: 1}, {Kind: KindCoupon}}}
	if chance.raffled(0) || !chance.raffled(1) {
		t.Error("chances can be raffled, or coupons cannot")
	}
}

// Codes of all campaigns are in every checkpoint, so they are bounded together.
func TestCodesOfTheCluster(t *testing.T) {
	x := newTable(t)
	x.mustPublish(coded())
	other := x.mustPublish(coded(func(v *Version) { v.Campaign = "other" }))
	other.codes[0].prints = make([]Key, MaxCodesEver-1)
	x.wantCode("two more", x.importCodes(sealedCodes(0, 2)), problem.Capacity)
	x.wantCode("one more", x.importCodes(sealedCodes(0, 1)), problem.OK)
}
