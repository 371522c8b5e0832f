package examples

import (
	"fmt"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// A party with every guest: all prizes and all money are given out, to the last one.
func TestAnnualParty(t *testing.T) {
	x := seat(t, "annual-party.yaml")
	const guests = 200
	for i := range guests {
		x.draw(fmt.Sprint("guest", i))
		if i%3 == 0 {
			x.draw(fmt.Sprint("guest", i)) // again, which is refused
		}
		x.now += 10_000
	}
	x.books()
	given := engine.Quantity(0)
	for prize, stock := range map[string]engine.Quantity{"car": 1, "phone": 8, "packet": 50, "envelope": 100} {
		if x.wins[prize] != stock {
			t.Errorf("%d of %d %ss were given out", x.wins[prize], stock, prize)
		}
		given += x.wins[prize]
	}
	if sum := x.paid["packet"]; sum != 1_000_000 {
		t.Errorf("the packets paid %d of 1000000", sum)
	}
	if sum := x.paid["envelope"]; sum != 80*1000+19*5000+88_800 {
		t.Errorf("the envelopes paid %d", sum)
	}
	if x.least["packet"] < 2000 || x.least["envelope"] != 1000 {
		t.Errorf("the smallest packet is %d, the smallest envelope %d", x.least["packet"], x.least["envelope"])
	}
	if given != 159 || len(x.draws) != guests || x.denied[problem.Capped]+x.denied[problem.Exhausted] != 67 {
		t.Errorf("%d prizes to %d guests, refused %v", given, len(x.draws), x.denied)
	}
	if !x.campaign.Exhausted() {
		t.Error("something is left")
	}
	t.Logf("books: %d guests, %d prizes, %d + %d paid, nothing left", guests, given, x.paid["packet"], x.paid["envelope"])
}
