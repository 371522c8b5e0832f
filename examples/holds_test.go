package examples

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// wonHold is a phone that somebody has not paid for yet.
type wonHold struct {
	user string
	ref  engine.HoldRef
}

// click draws, and returns the hold that was won; ok is false for none.
func (x *table) click(user string) (h wonHold, ok bool) {
	x.t.Helper()
	before := x.wins["phone"]
	x.draw(user)
	if x.wins["phone"] == before {
		return h, false
	}
	r := x.batch.Results[0]
	var rec engine.Record
	if _, err := engine.DecodeRecord(x.batch.Records[r.Offset:r.Offset+r.Length], &rec); err != nil {
		x.t.Fatal(err)
	}
	m, ok := rec.Moves()
	if !ok || m.Deadline < x.now+15*60_000 {
		x.t.Fatalf("%s won a phone that is not held: %+v", user, m)
	}
	return wonHold{user, engine.HoldRef{At: r.At, Home: m.Home}}, true
}

func (x *table) pay(h wonHold) problem.Code {
	x.batch.Reset()
	x.batch.AddConfirm(&engine.ConfirmHold{Namespace: x.campaign.Namespace().Ref(), Hold: h.ref, Actor: "shop"})
	return x.decide()[0].Code
}

// Hold on click, confirm on payment, give back on timeout: 400 phones for 1 500 people, of whom many do not pay.
func TestFlashSaleHolds(t *testing.T) {
	const phones, users = 400, 1500
	x := seat(t, "flash-sale-holds.yaml", &engine.PutPool{ID: "phones-2026", Total: phones, Policy: engine.PoolPolicy{LimitPerOwner: 1}})
	pool, _ := x.campaign.Namespace().Pool([]byte("phones-2026"))
	crowd := rand.New(rand.NewPCG(5, 6))
	paid := make(map[string]int)
	expired, late := 0, 0
	books := func() engine.PoolStock {
		s := pool.Stock()
		if sum := s.Available + s.Held + s.Issued; sum != phones || s.Total != phones || int(s.Issued) != len(paid) {
			t.Fatalf("%+v; %d have paid", s, len(paid))
		}
		return s
	}
	for range 8 { // a quarter of an hour each
		var open []wonHold
		for range 2 * users {
			if h, won := x.click(fmt.Sprint("u", crowd.IntN(users))); won {
				open = append(open, h)
			}
			x.now += engine.UnixMilli(crowd.IntN(3))
		}
		if s := books(); s.Available != 0 && len(paid) < phones {
			t.Fatalf("phones are free although %d people want one: %+v", users, s)
		}
		for i, h := range open {
			switch crowd.IntN(3) {
			case 0: // never pays
				expired++
			case 1:
				if i%5 == 0 { // pays a day late
					late++
					defer func() {
						if code := x.pay(h); code != problem.HoldExpired {
							t.Errorf("%s paid too late: %v", h.user, code)
						}
					}()
					continue
				}
				fallthrough
			default:
				if code := x.pay(h); code != problem.OK {
					t.Fatalf("%s pays in time: %v", h.user, code)
				}
				if code := x.pay(h); code != problem.OK { // the payment provider calls twice
					t.Fatalf("%s pays again: %v", h.user, code)
				}
				paid[h.user]++
			}
		}
		books()
		x.now += 16 * 60_000
	}
	x.batch.Reset()
	x.batch.AddTick()
	x.decide()
	s := books()
	for user, n := range paid {
		if n > 1 {
			t.Errorf("%s has %d phones", user, n)
		}
	}
	if expired < 100 || late < 10 || x.denied[problem.Exhausted] == 0 {
		t.Errorf("%d never paid, %d too late, %v", expired, late, x.denied)
	}
	if s.Held != 0 || s.Issued < phones*9/10 || int(x.wins["phone"]) != len(paid)+expired+late {
		t.Errorf("what timed out was not won by others: %+v, %d wins", s, x.wins["phone"])
	}
	x.books() // the campaign's: as many units as wins
}
