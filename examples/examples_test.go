package examples

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
)

// table is an engine with one published campaign, and what its crowd has got.
type table struct {
	t        *testing.T
	engine   *engine.Engine
	campaign *engine.Campaign
	now      engine.UnixMilli
	batch    engine.Batch
	keys     int

	denied map[problem.Code]int
	wins   map[string]engine.Quantity          // by prize
	paid   map[string]int64                    // by prize, what its wins paid
	least  map[string]int64                    // by prize, the least that a win paid
	byUser map[string]map[string]map[int64]int // user → prize → day → wins
	draws  map[string]map[int64]int            // user → day → draws
}

// seat publishes a file on a new engine.
func seat(t *testing.T, name string, pools ...*engine.PutPool) *table {
	t.Helper()
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	file, faults := campaignfile.Parse(src)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if len(file.Warnings) > 0 {
		t.Errorf("an example must not warn: %v", file.Warnings)
	}
	if unstated := file.Unstated(func(string) bool { return false }); len(unstated) > 0 {
		t.Error(unstated)
	}
	e, err := engine.New(engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x := &table{t: t, engine: e, now: file.Version.StartsAt - 1000,
		denied: make(map[problem.Code]int), wins: make(map[string]engine.Quantity), paid: make(map[string]int64), least: make(map[string]int64),
		byUser: make(map[string]map[string]map[int64]int), draws: make(map[string]map[int64]int)}
	x.batch.AddInit(&engine.Init{Namespace: engine.NewNamespace{Name: "default", Secret: [16]byte{1}}})
	x.decide()
	x.batch.Reset()
	ns, _ := e.Namespace("default")
	for _, p := range pools {
		p.Namespace, p.Actor = ns.Ref(), "test"
		x.batch.AddPool(p)
	}
	x.decide()
	x.batch.Reset()
	file.Version.ExpectedUsers = 0 // the crowd here is small
	x.batch.AddPublish(&engine.Publish{Namespace: ns.Ref(), Version: file.Version, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{2}, [16]byte{3}), Actor: "test"})
	if r := x.decide()[0]; r.Code != problem.OK {
		t.Fatalf("publish: %v", r.Code)
	}
	campaign, ok := ns.Campaign([]byte(file.Version.Campaign))
	if !ok {
		t.Fatal("the published campaign is not there")
	}
	x.campaign, x.now = campaign, file.Version.StartsAt+1
	return x
}

// decide decides what was added to the batch.
func (x *table) decide() []engine.Result {
	x.t.Helper()
	if err := x.engine.Decide(&x.batch, x.now); err != nil {
		x.t.Fatal(err)
	}
	results := append([]engine.Result(nil), x.batch.Results...)
	return results
}

// draw makes one draw and notes what came of it.
func (x *table) draw(user string) {
	x.t.Helper()
	keyer := x.campaign.Namespace().Keyer()
	key := keyer.User([]byte(user))
	x.keys++
	x.batch.Reset()
	x.batch.AddDraw(&engine.Draw{
		Campaign: x.campaign.Ref(), User: key, UserID: []byte(user), Times: 1,
		Digest: keyer.Digest(engine.DigestDraw, x.campaign.Ref(), key, []byte(fmt.Sprint("k", x.keys))),
	})
	r := x.decide()[0]
	if r.Code != problem.OK {
		x.denied[r.Code]++
		return
	}
	var rec engine.Record
	if _, err := engine.DecodeRecord(x.batch.Records[r.Offset:r.Offset+r.Length], &rec); err != nil {
		x.t.Fatal(err)
	}
	day := (int64(x.now) + 8*3600*1000) / (24 * 3600 * 1000) // both files count in Asia/Shanghai
	if x.draws[user] == nil {
		x.draws[user], x.byUser[user] = make(map[int64]int), make(map[string]map[int64]int)
	}
	x.draws[user][day]++
	if rec.Prize == engine.NoPrize {
		return
	}
	prize := x.campaign.Version().Prizes[rec.Prize].ID
	x.wins[prize]++
	x.paid[prize] += rec.Amount
	if least, some := x.least[prize]; !some || rec.Amount < least {
		x.least[prize] = rec.Amount
	}
	if x.byUser[user][prize] == nil {
		x.byUser[user][prize] = make(map[int64]int)
	}
	x.byUser[user][prize][day]++
}

// books compares the campaign's stock with the wins that were seen.
func (x *table) books() {
	x.t.Helper()
	_, stock := x.campaign.Stock()
	for _, p := range stock {
		if p.Issued != x.wins[p.ID] {
			x.t.Errorf("prize %s: %d issued, %d won", p.ID, p.Issued, x.wins[p.ID])
		}
		if p.Money && p.Paid != x.paid[p.ID] {
			x.t.Errorf("prize %s: the books say that %d was paid, the records %d", p.ID, p.Paid, x.paid[p.ID])
		}
		if sum := p.Unreleased + p.Available + p.Reserved + p.Held + p.Issued + p.Expired + p.Withdrawn; p.Total != engine.Unlimited && sum != p.Total {
			x.t.Errorf("prize %s: the parts sum to %d, the total is %d", p.ID, sum, p.Total)
		}
	}
	if err := x.engine.CheckInvariants(); err != nil {
		x.t.Error(err)
	}
}

// total returns the wins of a user over all days.
func (x *table) total(user, prize string) (n int) {
	for _, wins := range x.byUser[user][prize] {
		n += wins
	}
	return n
}

func TestFlashSale(t *testing.T) {
	x := seat(t, "flash-sale.yaml")
	crowd := rand.New(rand.NewPCG(1, 2))
	const users = 6000
	for range 4 * users { // everybody clicks about four times, all at once
		x.draw(fmt.Sprint("u", crowd.IntN(users)))
		x.now += engine.UnixMilli(crowd.IntN(3))
	}
	x.books()
	if x.wins["phone"] != 5000 {
		t.Errorf("%d phones were given out; there are 5000", x.wins["phone"])
	}
	for user := range x.byUser {
		if n := x.total(user, "phone"); n > 1 {
			t.Errorf("%s has %d phones", user, n)
		}
	}
	if x.denied[problem.Capped] == 0 || x.denied[problem.Exhausted] == 0 {
		t.Errorf("some are denied for having one, the rest because nothing is left: %v", x.denied)
	}
	// A second delivery opens the sale again.
	x.batch.Reset()
	x.batch.AddAdjust(&engine.Adjust{Campaign: x.campaign.Ref(), Prize: "phone", Delta: 1, Digest: engine.Key{1}, Actor: "test", Reason: "second delivery"})
	if r := x.decide()[0]; r.Code != problem.OK || r.Value != 5001 {
		t.Fatalf("adjust: %v, total %d", r.Code, r.Value)
	}
	x.draw("latecomer")
	x.books()
	if x.wins["phone"] != 5001 {
		t.Errorf("the phone of the second delivery was not given out: %v", x.denied)
	}
}

func TestDailyWheel(t *testing.T) {
	x := seat(t, "daily-wheel.yaml")
	crowd := rand.New(rand.NewPCG(3, 4))
	const users, days = 400, 20
	spins := 0
	for range days {
		morning := x.now
		for range 5 { // rounds through everybody, so that the two seconds of rest are over
			for u := range users {
				x.draw(fmt.Sprint("u", u))
				spins++
				if crowd.IntN(50) == 0 {
					x.draw(fmt.Sprint("u", u)) // too soon after the last one
					spins++
				}
			}
			x.now += 2000
		}
		x.now = morning + 24*3600*1000
	}
	x.books()
	decided := 0
	for user, perDay := range x.draws {
		for day, n := range perDay {
			decided += n
			if n != 3 {
				t.Errorf("%s drew %d times on day %d, 3 are allowed and more were tried", user, n, day)
			}
			if packets := x.byUser[user]["packet"][day]; packets > 2 {
				t.Errorf("%s has %d red packets on day %d", user, packets, day)
			}
		}
		if n := x.total(user, "phone"); n > 1 {
			t.Errorf("%s has %d phones", user, n)
		}
	}
	if decided != users*days*3 {
		t.Errorf("%d draws were decided, everybody may draw 3 times a day: %d", decided, users*days*3)
	}
	if x.denied[problem.Capped] != spins-decided {
		t.Errorf("%d spins were refused by a cap, %d spins were not decided: %v", x.denied[problem.Capped], spins-decided, x.denied)
	}
	for prize, pays := range paysOf(t, "daily-wheel.yaml", "coupon", "packet") {
		want := float64(decided) * float64(pays) / 1e9
		if got := float64(x.wins[prize]); got < want*0.93 || got > want*1.07 {
			t.Errorf("%s was given out %v times, about %v are expected", prize, got, want)
		}
	}
	if x.wins["thanks"] != 0 {
		t.Errorf("thanks were counted as %d wins", x.wins["thanks"])
	}
}

// Every file here has a test above: an example that nobody runs is soon wrong.
func TestEveryFileIsPlayed(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 8 {
		t.Errorf("examples are %v; play the new one in a test and count it here", files)
	}
}
