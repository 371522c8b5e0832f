package examples

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
)

// grant grants one chance for an event.
func (x *table) grant(user, source, event string, at engine.UnixMilli) engine.Result {
	x.t.Helper()
	keyer := x.campaign.Namespace().Keyer()
	x.batch.Reset()
	x.batch.AddGrant(&engine.Grant{
		Campaign: x.campaign.Ref(), User: keyer.User([]byte(user)), UserID: []byte(user), Source: source, Event: event, Amount: 1,
		OccurredAt: at, Priority: engine.SourcePriority, Actor: "host",
	})
	return x.decide()[0]
}

// govern puts a policy in force.
func (x *table) govern(name string) {
	x.t.Helper()
	src, err := os.ReadFile(name)
	if err != nil {
		x.t.Fatal(err)
	}
	policy, faults := campaignfile.ParsePolicy(src)
	if len(faults) > 0 {
		x.t.Fatal(faults)
	}
	x.batch.Reset()
	x.batch.AddPolicy(&engine.PutPolicy{Namespace: x.campaign.Namespace().Ref(), Expect: engine.AnyRevision, Policy: policy})
	if r := x.decide()[0]; r.Code != problem.OK {
		x.t.Fatalf("policy: %v", r.Code)
	}
}

// A day of the resale lottery: users publish items, the host sends its events twice and late, users draw what they have.
func TestResaleLottery(t *testing.T) {
	x := seat(t, "resale-lottery.yaml")
	x.govern("resale-policy.yaml")
	const users, hour = 40, 3600 * 1000
	rng := rand.New(rand.NewPCG(7, 7))
	granted := map[string]int{}
	start := x.now
	for minute := range 24 * 60 {
		x.now = start + engine.UnixMilli(minute)*60_000
		for range 6 {
			user, event := fmt.Sprint("u", rng.IntN(users)), fmt.Sprint("item-", rng.IntN(10_000))
			if rng.IntN(20) == 0 {
				user = "busy" // publishes far more than 50 a day
			}
			r := x.grant(user, "publish", event, x.now-engine.UnixMilli(rng.IntN(1000)))
			if r.Code != problem.OK || r.Value > 1 {
				t.Fatalf("grant: %+v", r)
			}
			if !r.AlreadyLive {
				granted[user] += int(r.Value)
			}
			if again := x.grant(user, "publish", event, x.now); !again.AlreadyLive || again.Value != r.Value {
				t.Fatalf("the same event again: %+v after %+v", again, r)
			}
		}
		for range 7 {
			x.draw(fmt.Sprint("u", rng.IntN(users)))
		}
		x.draw("busy")
	}
	// The events of 23:59 that arrive after midnight count for the day that they happened on.
	x.now = start + 24*hour + 60_000
	if r := x.grant("busy", "publish", "late", start+24*hour-1000); r.Value != 0 || engine.GrantReason(r.Cap) != engine.GrantDailyLimit {
		t.Errorf("the day of the event is full: %+v", r)
	}
	if r := x.grant("busy", "publish", "new day", x.now); r.Value != 1 {
		t.Errorf("the next day begins anew: %+v", r)
	}
	granted["busy"]++
	if granted["busy"] != 51 {
		t.Errorf("%d chances for the busiest, want 50 a day", granted["busy"])
	}
	x.checkLottery(granted)
}

func (x *table) checkLottery(granted map[string]int) {
	t := x.t
	if err := x.engine.CheckInvariants(); err != nil {
		t.Error(err)
	}
	sum := 0
	for user, n := range granted {
		sum += n
		keyer := x.campaign.Namespace().Keyer()
		u := x.engine.UserState(x.campaign, keyer.User([]byte(user)), x.now)
		won := int(u.Draws) / 20
		for _, wins := range x.byUser[user]["again"] {
			won += wins
		}
		if c := u.Chances.Sums; int(c.Granted) != n+won || c.Consumed != uint64(u.Draws) || c.Granted != c.Consumed+c.Remaining {
			t.Errorf("%s was granted %d and won %d: %+v after %d draws", user, n, won, c, u.Draws)
		}
		for day, wins := range x.byUser[user]["packet"] {
			if wins > 10 {
				t.Errorf("%s won %d packets on day %d", user, wins, day)
			}
		}
	}
	books, _ := x.campaign.ChanceSums(x.now)
	t.Logf("chances %+v, of them by events %d; wins %v, paid %v, denials %v", books, sum, x.wins, x.paid, x.denied)
	if books.Consumed == 0 || x.denied[problem.NoChances] == 0 || x.wins["packet"] == 0 || x.wins["again"] == 0 {
		t.Error("the day does not reach everything")
	}
	// A day has 331 of the packets, 14 an hour; what was drawn before its release was a miss.
	if _, stock := x.campaign.Stock(); stock[0].Issued+stock[0].Available != 50_000-stock[0].Unreleased || 50_000-stock[0].Unreleased < 331 || 50_000-stock[0].Unreleased > 345 {
		t.Errorf("after a day %+v", stock[0])
	}
	if least := x.least["packet"]; least < 30 || x.paid["packet"] > 500_000 {
		t.Errorf("the least packet pays %d, all of them %d", least, x.paid["packet"])
	}
}
