package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

func purses(lots uint8, ids ...string) *NamespacePolicy {
	p := &NamespacePolicy{TimeZone: "UTC"}
	for _, id := range ids {
		p.Purses = append(p.Purses, Purse{ID: id, Lots: lots, Sources: []ChanceSource{{ID: "shop", DailyLimit: 50}}})
	}
	return p
}

func (x *table) policy(p *NamespacePolicy) Result {
	return x.one(func(b *Batch) { b.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Policy: p}) })
}

func TestPurse(t *testing.T) {
	x := newTable(t)
	shared := func(id string) *Version {
		return simple(func(v *Version) { v.Campaign, v.Chances = id, &Chances{Mode: ChancesPurse, Purse: "points", Price: 2} })
	}
	x.wantCode("no purse yet", x.publish(shared("c")), problem.InvalidCampaign)
	x.wantCode("policy", x.policy(purses(4, "points", "other")), problem.OK)
	x.unchanged("dropping a purse", func() { x.wantCode("policy", x.policy(purses(4, "other")), problem.InvalidField) })
	x.mustPublish(shared("c"))
	x.mustPublish(shared("d"))
	n := x.Namespaces()[0]
	straight := func(g *Grant) { g.Campaign, g.Namespace, g.Purse = 0, 1, "points" }
	wantGrant(x, "straight", x.grantTo("u", "shop", "1", 5, straight), 5, GrantedAll, false)
	wantGrant(x, "the same event through a campaign", x.grantTo("u", "shop", "1", 5), 5, GrantedAll, true)
	wantGrant(x, "through a campaign", x.grantTo("u", "shop", "2", 46), 45, GrantDailyLimit, false)
	if n.Users() != 0 || n.Keys() != 2 {
		t.Errorf("%d users, %d keys", n.Users(), n.Keys())
	}
	x.wantCode("c", x.draw("u", "k"), problem.OK)
	x.wantCode("d", x.draw("u", "k", func(d *Draw) { d.Campaign = 2 }), problem.OK)
	x.sound()
	u, code := n.Purse("points", x.keys.User([]byte("u")), x.now)
	if want := (ChanceSums{50, 4, 46, 0, 0, 0}); code != problem.OK || u.Sums != want || x.use(1, "u").Sums != want || x.use(2, "u").Sums != want {
		t.Errorf("%+v %v", u, code)
	}
	if s, _ := n.PurseSums("points"); s != u.Sums {
		t.Errorf("%+v", s)
	}
	if u, _ := n.Purse("other", x.keys.User([]byte("u")), x.now); u.Remaining != 0 {
		t.Errorf("%+v", u)
	}
	x.wantCode("more lots", x.policy(purses(9, "points", "other")), problem.OK)
	if u, _ := n.Purse("points", x.keys.User([]byte("u")), x.now); u.Remaining != 46 {
		t.Errorf("%+v", u)
	}
	r := x.one(func(b *Batch) {
		b.AddRevoke(&Revoke{Namespace: 1, Purse: "points", UserID: []byte("u"), User: x.keys.User([]byte("u")), Source: "shop", Event: "2"})
	})
	if r.Value != 45 || r.Limit != 1 {
		t.Errorf("%+v", r)
	}
	x.sound()
	x.wantCode("one is too few", x.draw("u", "k9"), problem.NoChances)
}

// stir applies n random commands of chances, one entry each.
func (x *table) stir(seed uint64, n int) {
	x.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	var b Batch
	for range n {
		b.Reset()
		x.chance(&b, rng, x.now)
		x.now += UnixMilli(rng.IntN(3_000_000))
		x.apply(&b)
	}
}

// chance appends a random command of chances.
func (x *table) chance(b *Batch, rng *rand.Rand, now UnixMilli) {
	user, source, event := userName(rng.IntN(8)), []string{"share", "shop"}[rng.IntN(2)], fmt.Sprint(rng.IntN(60))
	key, campaign := x.keys.User([]byte(user)), CampaignRef(1+rng.IntN(3))
	switch rng.IntN(5) {
	case 0, 1:
		g := Grant{Campaign: campaign, User: key, UserID: []byte(user), Source: source, Event: event, Amount: uint32(1 + rng.IntN(4)), Priority: uint8(rng.IntN(3))}
		if rng.IntN(2) == 0 {
			g.ExpiresAt = now + UnixMilli(rng.IntN(20)*3_600_000)
		}
		if rng.IntN(4) == 0 {
			g.EffectiveAt = now + UnixMilli(rng.IntN(5)*3_600_000)
		}
		b.AddGrant(&g)
	case 2:
		b.AddRevoke(&Revoke{Campaign: campaign, User: key, UserID: []byte(user), Source: source, Event: event})
	default:
		d := x.request(user, fmt.Sprint(rng.IntN(1<<20)), func(d *Draw) { d.Campaign, d.Times = campaign, 1 })
		b.AddDraw(&d)
	}
}

func stirred(t *testing.T) *table {
	x := newTable(t)
	x.stirUp(x.one)
	return x
}

// stirUp publishes campaigns that have every feature of chances.
func (x *table) stirUp(one func(add func(b *Batch)) Result) {
	publish := func(v *Version) {
		x.Helper()
		if r := one(func(b *Batch) {
			b.AddPublish(&Publish{Namespace: 1, Version: v, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
		}); r.Code != problem.OK {
			x.Fatal(r)
		}
	}
	one(func(b *Batch) {
		b.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Policy: &NamespacePolicy{TimeZone: "UTC", Purses: []Purse{{ID: "p", Lots: 3, Sources: []ChanceSource{{ID: "shop"}, {ID: "share", DailyLimit: 9}}}}}})
	})
	mix := func(id string, edit func(v *Version)) {
		publish(earned(func(v *Version) {
			v.Campaign, v.Prizes[0].Weight, v.Prizes[0].Stock = id, 50, Unlimited
			v.Chances.Milestones = []Milestone{{ID: "m", Draws: 5, Repeat: true, Amount: 1}, {ID: "s", StreakDays: 2, Repeat: true, Amount: 1}}
			edit(v)
		}))
	}
	mix("c", func(v *Version) { v.Chances.Periods = []PricePeriod{{start + dayMilli, start + 2*dayMilli, 3}} })
	mix("d", func(v *Version) {
		v.Prizes[0].Kind, v.Prizes[0].Amount, v.Chances.Prizes = KindChance, 2, []ChancePrize{{0, "c"}}
	})
	mix("e", func(v *Version) {
		*v.Chances = Chances{Mode: ChancesPurse, Purse: "p", Price: 1, Milestones: v.Chances.Milestones}
	})
}

func TestChancesAreConservedAtEveryStep(t *testing.T) {
	x := stirred(t)
	for i := range 1500 {
		x.stir(uint64(i), 1)
		x.sound()
	}
	var all ChanceSums
	for ref := range CampaignRef(2) {
		c, _ := x.CampaignByRef(ref + 1)
		s, _ := c.ChanceSums(start)
		all.Consumed, all.Expired, all.Revoked, all.Debt = all.Consumed+s.Consumed, all.Expired+s.Expired, all.Revoked+s.Revoked, all.Debt+s.Debt
	}
	if all.Consumed == 0 || all.Expired == 0 || all.Revoked == 0 {
		t.Errorf("the test does not reach everything: %+v", all)
	}
}

func TestChancesSurviveSnapshots(t *testing.T) {
	x := stirred(t)
	x.stir(1, 600)
	var s bytes.Buffer
	if err := x.WriteSnapshot(&s); err != nil {
		t.Fatal(err)
	}
	for _, shards := range []int{1, 4, 64} {
		y := *x
		y.out = Outcome{}
		y.Engine, _ = New(Options{Shards: shards})
		if err := y.ReadSnapshot(bytes.NewReader(s.Bytes())); err != nil {
			t.Fatal(err)
		}
		if y.StateHash() != x.StateHash() {
			t.Errorf("%d shards: another state", shards)
		}
		y.stir(2, 600)
		y.sound()
		z := *x
		z.out = Outcome{}
		z.Engine, _ = New(Options{Shards: 2})
		if err := z.ReadSnapshot(bytes.NewReader(s.Bytes())); err != nil {
			t.Fatal(err)
		}
		z.stir(2, 600)
		if y.RunningHash() != z.RunningHash() || y.StateHash() != z.StateHash() {
			t.Errorf("%d shards: the same entries give something else", shards)
		}
	}
}

func TestBrokenChancesFenceTheCampaign(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(earned())
	x.grantTo("u", "shop", "1", 2)
	c.chances.book.mu.sums.Consumed++
	r := x.draw("u", "k")
	x.wantCode("draw", r, problem.CampaignFenced)
	if c.FencedBy() != "chances" {
		t.Error(c.FencedBy())
	}
	g := Grant{Campaign: 1, UserID: []byte("u"), User: x.keys.User([]byte("u")), Source: "shop", Event: "2", Amount: 1}
	x.wantCode("grant", x.one(func(b *Batch) { b.AddGrant(&g) }), problem.CampaignFenced)
	if x.CheckInvariants() == nil {
		t.Error("nobody noticed")
	}
}

func TestGoldenChances(t *testing.T) {
	x := newTable(t)
	b := Batch{}
	b.AddPolicy(&PutPolicy{Namespace: 1, Policy: purses(2, "points")})
	v := earned(func(v *Version) {
		v.Chances.Periods = []PricePeriod{{start, start + 1000, 2}}
		v.Chances.Milestones = []Milestone{{ID: "m", Draws: 1, Amount: 4}, {ID: "s", StreakDays: 2, Repeat: true, Amount: 1}}
		v.Prizes[0].Kind, v.Prizes[0].Amount = KindChance, 3
	})
	b.AddPublish(&Publish{Namespace: 1, Version: v, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7}), Actor: "op"})
	g := Grant{
		Campaign: 1, User: x.keys.User([]byte("u")), UserID: []byte("u"), Source: "shop", Event: "e1", Amount: 3, OccurredAt: start - 1, EffectiveAt: start,
		ExpiresAt: start + 9000, Priority: 7, Actor: "host", Reason: "order 9",
	}
	b.AddGrant(&g)
	d := x.request("u", "k")
	b.AddDraw(&d)
	g.Campaign, g.Namespace, g.Purse = 0, 1, "points"
	b.AddGrant(&g)
	b.AddRevoke(&Revoke{Campaign: 1, User: g.User, UserID: []byte("u"), Source: "shop", Event: "e1", ExpiresAt: start + 9000, Actor: "host", Reason: "order 9 cancelled"})
	golden(t, "chances-entry", entryOf(&b, start))
	for i, r := range x.apply(&b) {
		if r.Code != problem.OK {
			t.Errorf("%d: %+v", i, r)
		}
	}
	golden(t, "chances-records", x.out.Records)
	for rest := x.out.Records; len(rest) > 0; {
		var r Record
		n, err := DecodeRecord(rest, &r)
		if err != nil {
			t.Fatal(err)
		}
		again := appendOther(nil, &r)
		if r.Kind == RecordDraw {
			again = appendDraw(nil, &r)
		}
		if !bytes.Equal(again, rest[:n]) {
			t.Errorf("kind %d does not round-trip", r.Kind)
		}
		rest = rest[n:]
	}
	c, _ := x.Capture(true)
	golden(t, "chances-meta", c.Meta())
	c.Abort()
	sum := x.StateHash()
	golden(t, "chances-state-hash", sum[:])
}

func TestInvalidChances(t *testing.T) {
	x := newTable(t)
	refused := map[string]func(v *Version){
		"price 0":              func(v *Version) { v.Chances.Price = 0 },
		"price beyond":         func(v *Version) { v.Chances.Price = MaxPrice + 1 },
		"no lots":              func(v *Version) { v.Chances.Lots = 0 },
		"too many lots":        func(v *Version) { v.Chances.Lots = MaxLots + 1 },
		"a purse":              func(v *Version) { v.Chances.Purse = "p" },
		"no purse":             func(v *Version) { v.Chances = &Chances{Mode: ChancesPurse, Price: 1} },
		"own source":           func(v *Version) { v.Chances.Sources[0].ID = "milestone" },
		"source twice":         func(v *Version) { v.Chances.Sources[0].ID = "shop" },
		"priority":             func(v *Version) { v.Chances.Sources[0].Priority = 101 },
		"periods overlap":      func(v *Version) { v.Chances.Periods = []PricePeriod{{1, 3, 1}, {2, 4, 1}} },
		"period without time":  func(v *Version) { v.Chances.Periods = []PricePeriod{{1, 1, 1}} },
		"milestone of both":    func(v *Version) { v.Chances.Milestones = []Milestone{{ID: "m", Draws: 1, StreakDays: 1, Amount: 1}} },
		"milestone of nothing": func(v *Version) { v.Chances.Milestones = []Milestone{{ID: "m", Draws: 1}} },
		"prize without amount": func(v *Version) { v.Prizes[0].Kind = KindChance },
		"prize elsewhere":      func(v *Version) { v.Chances.Prizes = []ChancePrize{{0, "d"}} },
		"free milestones":      func(v *Version) { v.Chances = &Chances{Milestones: []Milestone{{ID: "m", Draws: 1, Amount: 1}}} },
		"chances of nobody":    func(v *Version) { v.Prizes[0].Kind, v.Prizes[0].Amount, v.Chances = KindChance, 1, nil },
	}
	for what, edit := range refused {
		x.unchanged(what, func() { x.wantCode(what, x.publish(earned(edit)), problem.InvalidCampaign) })
	}
}

// As a library many goroutines decide at once. Their commands, in the order of their positions, give the same again.
func TestChancesOfTheLibraryReplay(t *testing.T) {
	seat := func() *table {
		x := newTable(t)
		x.Engine, _ = New(Options{Shards: 8})
		decide := func(add func(b *Batch)) Result {
			var b Batch
			add(&b)
			if err := x.Decide(&b, start); err != nil {
				t.Fatal(err)
			}
			return b.Results[0]
		}
		decide(func(b *Batch) {
			b.AddInit(&Init{IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
		})
		x.stirUp(decide)
		return x
	}
	x := seat()
	acts := x.together(800, func(b *Batch, rng *rand.Rand, _, i int) UnixMilli {
		now := start + UnixMilli(i)*60_000
		x.chance(b, rng, now)
		return now
	})
	if len(acts) < 1000 {
		t.Errorf("only %d commands were decided", len(acts))
	}
	seat().again(x, acts, start+800*60_000, func(records []byte) []byte {
		if records[0] != byte(RecordDraw) || len(records) <= 64 {
			return records
		}
		return append(records[:64:64], records[78:]...) // without the places of earlier draws, which are positions
	})
}

// A campaign that no longer grants chances keeps those that users hold, also over a snapshot.
func TestChancesOfBeforeSurviveSnapshots(t *testing.T) {
	x := newTable(t)
	x.mustPublish(earned())
	x.grantTo("u", "shop", "1", 5)
	free := func(v *Version) { v.Chances, v.Prizes[0].Stock = nil, StockUnstated }
	x.mustPublish(earned(free))
	y := *x
	y.out, y.Engine = Outcome{}, restored(t, x.Engine, 2)
	for _, z := range []*table{x, &y} {
		z.sound()
		z.wantCode("free", z.draw("u", "k"), problem.OK)
		z.mustPublish(earned(func(v *Version) { v.Prizes[0].Stock = StockUnstated }))
		z.wantSums("as before", "u", 5, 0, 5, 0, 0, 0)
		z.wantCode("paid", z.draw("u", "k2", times(5)), problem.OK)
		z.sound()
	}
	if x.StateHash() != y.StateHash() {
		t.Error("another state")
	}
}
