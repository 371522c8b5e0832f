package examples

import (
	"fmt"
	"os"
	"testing"

	"github.com/drawd/drawd/engine/campaignfile"
)

// paysOf returns what a file really pays of some prizes, in parts per billion of all draws.
func paysOf(t *testing.T, name string, prizes ...string) map[string]int64 {
	t.Helper()
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	file, faults := campaignfile.Parse(src)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	pays := make(map[string]int64)
	for _, p := range file.Odds()[0].Prizes {
		for _, id := range prizes {
			if p.ID == id {
				pays[id] = p.Pays
			}
		}
	}
	if len(pays) != len(prizes) {
		t.Fatalf("%s pays %v of %v", name, pays, prizes)
	}
	return pays
}

// Nobody spins eight times in a row without a win, and what pity gives comes out of what is set aside for it.
func TestDailyWheelIsPatient(t *testing.T) {
	x := seat(t, "daily-wheel.yaml")
	const users, days = 300, 12
	keyer := x.campaign.Namespace().Keyer()
	for range days {
		for range 3 {
			for u := range users {
				user := fmt.Sprint("u", u)
				x.draw(user)
				for _, p := range x.engine.UserState(x.campaign, keyer.User([]byte(user)), x.now).Pity {
					if p.Counter > 7 || p.Due != (p.Counter == 7) {
						t.Fatalf("%s has a row of %d without a win: %+v", user, p.Counter, p)
					}
				}
			}
			x.now += 2000
		}
		x.now += 24 * 3600 * 1000
	}
	x.books()
	want := float64(users*days*3) * float64(paysOf(t, "daily-wheel.yaml", "lucky")["lucky"]) / 1e9
	if got := float64(x.wins["lucky"]); got < want*0.8 || got > want*1.2 {
		t.Errorf("pity gave %v, about %v are expected", got, want)
	}
	_, stock := x.campaign.Stock()
	for _, s := range stock {
		if s.ID == "lucky" && s.Reserved+s.Issued != 5000 {
			t.Errorf("of 5000 lucky coupons %d are set aside and %d issued", s.Reserved, s.Issued)
		}
	}
}
