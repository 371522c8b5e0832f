package engine

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// unlucky is a campaign whose prize "p" is hit by one draw in a hundred, with a reserve for every eighth draw.
func unlucky(edit ...func(v *Version)) *Version {
	return simple(append([]func(v *Version){func(v *Version) {
		v.Prizes[0].Weight = 1
		v.Pity = []Pity{{ID: "y", Within: 8, Group: []int16{0}, List: []PityPrize{{0, 100}}}}
	}}, edit...)...)
}

func rigid(weight uint32) func(v *Version) { return func(v *Version) { v.Prizes[0].Weight = weight } }

// row makes n draws of one user and returns what each gave: the prize, "." for a miss, with "+prize" for what came on top
// and "!" for an unfunded pity.
func (x *table) row(user string, from, n int) string {
	x.Helper()
	c, _ := x.CampaignByRef(1)
	var out []byte
	name := func(prize int) string {
		if prize == NoPrize {
			return "."
		}
		return c.Version().Prizes[prize].ID
	}
	for i := range n {
		r := x.draw(user, fmt.Sprintf("k%d", from+i))
		if r.Code != problem.OK {
			x.Fatalf("draw %d of %s: %v", from+i, user, r.Code)
		}
		rec := x.records(r)[0]
		m, _ := rec.Pity()
		out = append(out, name(rec.Prize)...)
		if m.Extra != NoPrize {
			out = append(append(out, '+'), name(m.Extra)...)
		}
		if m.Unfunded != 0 {
			out = append(out, '!')
		}
	}
	return string(out)
}

func (x *table) stock(i int) PrizeStock {
	c, _ := x.CampaignByRef(1)
	_, all := c.Stock()
	return all[i]
}

func (x *table) counters(user string) (all []uint32) {
	c, _ := x.CampaignByRef(1)
	for _, u := range x.UserState(c, x.keys.User([]byte(user)), x.now).Pity {
		all = append(all, u.Counter)
	}
	return all
}

func (x *table) wantRow(user string, from int, want string, n int) {
	x.Helper()
	if got := x.row(user, from, n); got != want {
		x.Errorf("draws %d to %d of %s gave %s, want %s", from, from+n-1, user, got, want)
	}
	if err := x.CheckInvariants(); err != nil {
		x.Error(err)
	}
}

// other adds a prize.
func other(id string, weight uint32, stock Quantity) func(v *Version) {
	return func(v *Version) {
		v.Prizes = append(v.Prizes, Prize{ID: id, Weight: weight, Stock: stock, Units: 1, Fallback: -1, Slot: -1})
	}
}

func TestHardPity(t *testing.T) {
	for name, tc := range map[string]struct {
		edit []func(v *Version)
		want string
		n    int
	}{
		"the eighth draw of each row":            {[]func(v *Version){rigid(0)}, ".......p.......p", 16},
		"a win by luck ends the row":             {[]func(v *Version){rigid(100)}, "pppppppppp", 10},
		"every draw":                             {[]func(v *Version){rigid(0), func(v *Version) { v.Pity[0].Within = 1 }}, "ppp", 3},
		"a win outside the group does not count": {[]func(v *Version){rigid(0), other("q", 100, 1000)}, "qqqqqqqpqqqqqqqp", 16},
		"any win ends the row": {[]func(v *Version){rigid(0), other("q", 100, 3), func(v *Version) {
			v.Pity[0].AnyWin, v.Pity[0].Group, v.Exhausted = true, nil, Miss
		}}, "qqq.......p", 11},
		"extra comes on top of a win": {[]func(v *Version){rigid(0), other("q", 100, 1000), func(v *Version) { v.Pity[0].Extra = true }}, "qqqqqqqq+pqqqqqqqq+p", 16},
		"extra is the win of a miss":  {[]func(v *Version){rigid(0), func(v *Version) { v.Pity[0].Extra = true }}, ".......p", 8},
		"the list is in order": {[]func(v *Version){rigid(0), other("q", 0, 1000), func(v *Version) {
			v.Pity[0] = Pity{ID: "y", Within: 2, Group: []int16{0, 1}, List: []PityPrize{{1, 2}, {0, 1}}}
		}}, ".q.q.p..!", 8},
		"a list that ends in an unlimited prize never ends": {[]func(v *Version){rigid(0), other("q", 0, Unlimited), func(v *Version) {
			v.Pity[0] = Pity{ID: "y", Within: 2, Group: []int16{0, 1}, List: []PityPrize{{0, 1}, {1, 0}}}
		}}, ".p.q.q.q", 8},
		"units": {[]func(v *Version){rigid(0), func(v *Version) {
			v.Prizes[0].Units, v.Pity[0].Within, v.Pity[0].List[0].Reserve = 3, 2, 7
		}}, ".p.p..!.!", 7},
		"caps on wins bar a pity prize, and the next is tried": {[]func(v *Version){rigid(0), other("q", 0, 1000), func(v *Version) {
			v.Pity[0] = Pity{ID: "y", Within: 2, Group: []int16{0, 1}, List: []PityPrize{{0, 100}, {1, 100}}}
			v.Caps, v.UserExhausted = []Cap{{ID: "one", Counts: CountWins, Limit: 1, Prize: 0}}, Miss
		}}, ".p.q.q", 6},
		"all barred by caps: the row goes on, and nothing is unfunded": {[]func(v *Version){rigid(0), func(v *Version) {
			v.Pity[0].Within = 2
			v.Caps, v.UserExhausted = []Cap{{ID: "one", Counts: CountWins, Limit: 1, Prize: 0}}, Miss
		}}, ".p...", 5},
		"two pities, the first in the file decides": {[]func(v *Version){rigid(0), other("q", 0, 1000), func(v *Version) {
			v.Pity = []Pity{
				{ID: "a", Within: 3, Group: []int16{0}, List: []PityPrize{{0, 100}}},
				{ID: "b", Within: 3, Group: []int16{1}, List: []PityPrize{{1, 100}}},
			}
		}}, "..pq.pq", 7},
		"a cap leaves room for one win, not for two": {[]func(v *Version){rigid(0), other("q", 100, 1000), func(v *Version) {
			v.Pity[0].Extra, v.Pity[0].Within = true, 2
			v.Caps, v.UserExhausted = []Cap{{ID: "two", Counts: CountWins, Limit: 2, Prize: -1}}, Miss
		}}, "qq...", 5},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTable(t)
			x.mustPublish(unlucky(tc.edit...))
			x.wantRow("u", 0, tc.want, tc.n)
		})
	}
}

func TestPityReserve(t *testing.T) {
	x := newTable(t)
	x.mustPublish(unlucky(rigid(0), func(v *Version) {
		v.Prizes[0].Stock, v.Pity[0].List[0].Reserve, v.Pity[0].Within, v.Exhausted = 2, 2, 2, Miss
	}))
	if s := x.stock(0); s.Reserved != 2 || s.Available != 0 || s.Total != 2 {
		t.Errorf("after publish: %+v", s)
	}
	x.wantRow("u", 0, ".p", 2)
	x.wantRow("v", 0, ".p..!", 4)
	if s := x.stock(0); s.Reserved != 0 || s.Issued != 2 {
		t.Errorf("after two wins: %+v", s)
	}
	if got := x.counters("v"); got[0] != 1 {
		t.Errorf("the counter of an unfunded pity stands at %d, want 1", got[0])
	}
	// More stock goes where ordinary draws find it; the version says how much of it is set aside.
	r := x.one(func(b *Batch) { b.AddAdjust(&Adjust{Campaign: 1, Prize: "p", Delta: 5, Digest: Key{1}}) })
	x.wantCode("adjust", r, problem.OK)
	stated := func(units Quantity) *Version {
		return unlucky(rigid(0), func(v *Version) {
			v.Prizes[0].Stock, v.Pity[0].List[0].Reserve, v.Pity[0].Within, v.Exhausted = StockUnstated, units, 2, Miss
		})
	}
	x.unchanged("a reserve beyond the stock", func() { x.wantCode("reserve 8", x.publish(stated(8)), problem.InvalidCampaign) })
	x.unchanged("a reserve below what was given", func() { x.wantCode("reserve 1", x.publish(stated(1)), problem.InvalidCampaign) })
	x.mustPublish(stated(5))
	if s := x.stock(0); s.Reserved != 3 || s.Available != 2 || s.Issued != 2 || s.Total != 7 {
		t.Errorf("after a larger reserve: %+v", s)
	}
	x.wantRow("v", 4, "p", 1) // the debt is paid
	// Without the pity, what was set aside is free again; the counter and what was given are remembered.
	x.wantRow("v", 5, ".", 1)
	x.mustPublish(unlucky(rigid(0), func(v *Version) { v.Prizes[0].Stock, v.Pity = StockUnstated, nil }))
	if s := x.stock(0); s.Reserved != 0 || s.Available != 4 {
		t.Errorf("without pity: %+v", s)
	}
	x.wantRow("v", 6, ".", 1)
	x.mustPublish(stated(4))
	if s := x.stock(0); s.Reserved != 1 || s.Available != 3 {
		t.Errorf("with pity again: %+v", s)
	}
	x.wantRow("v", 7, "p", 1)
	// A dropped prize is withdrawn with its reserve.
	x.mustPublish(stated(7))
	x.mustPublish(simple(func(v *Version) { v.Prizes[0].ID = "q" }))
	if s := x.stock(1); s.ID != "p" || s.Withdrawn != 3 || s.Reserved != 0 {
		t.Errorf("dropped: %+v", s)
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

func TestSoftPity(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) {
		v.Prizes[0].Weight = 0
		v.Pity = []Pity{{ID: "y", Group: []int16{0}, Soft: []SoftStep{{3, []SoftWeight{{0, 0}}}, {5, []SoftWeight{{0, 100}}}}}}
	}))
	x.wantRow("u", 0, "....p....p", 10)
}

// The natural prize is picked by the weights of the user's counter, exactly: every value of the denominator.
func TestSoftWeights(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple(func(v *Version) {
		v.Denominator = 20
		v.Prizes[0].Weight = 1
		other("q", 5, 10)(v)
		other("r", 3, 10)(v)
		v.Pity = []Pity{{ID: "y", Group: []int16{0}, Soft: []SoftStep{{2, []SoftWeight{{0, 4}}}, {4, []SoftWeight{{0, 9}, {2, 0}}}}}}
	}))
	s := &c.plan.Load().whole
	for i, want := range [][4]int{{1, 5, 3, 11}, {4, 5, 3, 8}, {9, 5, 0, 6}} {
		table := s
		if i > 0 {
			table = &s.soft[i-1].set
		}
		var got [4]int
		for value := range uint64(20) {
			got[(table.pick(value)+4)%4]++
		}
		if got != want {
			t.Errorf("step %d: %v of 20, want %v", i, got, want)
		}
	}
}

func TestSharedPity(t *testing.T) {
	x := newTable(t)
	shared := func(id string) *Version {
		return unlucky(rigid(0), func(v *Version) { v.Campaign, v.Pity[0].Shared, v.Pity[0].Within = id, true, 4 })
	}
	x.mustPublish(shared("c"))
	x.mustPublish(shared("d"))
	in := func(c CampaignRef) func(d *Draw) { return func(d *Draw) { d.Campaign = c } }
	for i, c := range []CampaignRef{1, 2, 1, 2, 2, 2, 2, 1} {
		rec := x.records(x.draw("u", fmt.Sprint(i), in(c)))[0]
		if won := rec.Prize != NoPrize; won != (i%4 == 3) {
			t.Errorf("draw %d: prize %d", i, rec.Prize)
		}
	}
	x.snapshot()
	for i, c := range []CampaignRef{1, 2, 1, 2} {
		rec := x.records(x.draw("u", fmt.Sprint("again", i), in(c)))[0]
		if won := rec.Prize != NoPrize; won != (i == 3) {
			t.Errorf("after a restore, draw %d: prize %d", i, rec.Prize)
		}
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// A group of campaigns has one price and one audience.
func TestSharedPityRefusals(t *testing.T) {
	shared := func(id string, edit ...func(v *Version)) *Version {
		return unlucky(append([]func(v *Version){func(v *Version) { v.Campaign, v.Pity[0].Shared = id, true }}, edit...)...)
	}
	dear := func(v *Version) { v.Chances = &Chances{Price: 2} }
	few := func(v *Version) { v.Audience = &Audience{ListedOnly: true} }
	x := newTable(t)
	x.mustPublish(shared("c"))
	x.unchanged("another price", func() { x.wantCode("dear", x.publish(shared("d", dear)), problem.InvalidCampaign) })
	x.unchanged("another audience", func() { x.wantCode("few", x.publish(shared("d", few)), problem.InvalidCampaign) })
	x.mustPublish(shared("own", dear, few, func(v *Version) { v.Pity[0].Shared = false }))
	x.mustPublish(shared("other", dear, func(v *Version) { v.Pity[0].ID = "z" }))
	x.mustPublish(shared("spared", func(v *Version) { v.Audience = &Audience{Valuable: []int16{0}} })) // who may draw is the same
	x.now += 31 * dayMilli                                                                             // over campaigns hold nobody
	later := func(v *Version) { v.EndsAt += 31 * dayMilli }
	x.one(func(b *Batch) { b.AddTick() })
	x.mustPublish(shared("d", dear, later))
	x.unchanged("a third", func() { x.wantCode("cheap", x.publish(shared("e", later)), problem.InvalidCampaign) })
}

// In sessions a pity gives out of the campaign's own stock, whatever the session has; its soft weights hold in every
// session and channel.
func TestPityInSessions(t *testing.T) {
	version := func(edit ...func(v *Version)) *Version {
		return unlucky(append([]func(v *Version){rigid(0), other("q", 100, 50), func(v *Version) {
			v.Pity[0].Within = 3
			v.Sets = []PrizeSet{{{Prize: 1, Weight: 100, Stock: 10}}, {{Prize: 0, Weight: 0, Stock: StockShared}, {Prize: 1, Weight: 100, Stock: 20}}}
			v.Sessions = []Session{{ID: "am", StartsAt: start, EndsAt: start + 3_600_000, Set: 0}, {ID: "pm", StartsAt: start + 3_600_000, EndsAt: start + 7_200_000, Set: 1}}
		}}, edit...)...)
	}
	x := newTable(t)
	x.unchanged("a pity prize without stock of its own", func() {
		x.wantCode("session stock", x.publish(version(func(v *Version) { v.Sets[1][0].Stock = 5 })), problem.InvalidCampaign)
	})
	soft := func(weight uint32) func(v *Version) {
		return func(v *Version) {
			v.Sets[0][0].Weight = 90
			v.Pity[0].Soft = []SoftStep{{2, []SoftWeight{{0, weight}}}}
		}
	}
	x.unchanged("soft weights of one session above the denominator", func() {
		x.wantCode("soft", x.publish(version(soft(10))), problem.InvalidCampaign)
	})
	if err := version(soft(0)).Validate(); err != nil {
		t.Error(err)
	}
	x.mustPublish(version())
	x.wantRow("u", 0, "qqpq", 4)
	x.now += 3_600_000
	x.wantRow("u", 4, "qpqqp", 5)
	if s := x.stock(0); s.Reserved != 97 || s.Issued != 3 || s.Available != 900 {
		t.Errorf("%+v", s)
	}
}

// snapshot replaces the engine by a restored copy.
func (x *table) snapshot() {
	x.Helper()
	var b bytes.Buffer
	if err := x.WriteSnapshot(&b); err != nil {
		x.Fatal(err)
	}
	e, err := New(Options{Shards: 2})
	if err != nil {
		x.Fatal(err)
	}
	if err := e.ReadSnapshot(&b); err != nil {
		x.Fatal(err)
	}
	if e.StateHash() != x.StateHash() {
		x.Error("a restored engine has another state")
	}
	x.Engine = e
}

func TestPityRefusals(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) { v.Campaign = "first" }))
	for name, edit := range map[string]func(v *Version){
		"no guarantee":             func(v *Version) { v.Pity[0].Within = 0 },
		"too long a row":           func(v *Version) { v.Pity[0].Within = MaxPityWithin + 1 },
		"no prizes":                func(v *Version) { v.Pity[0].List = nil },
		"no group":                 func(v *Version) { v.Pity[0].Group = nil },
		"a prize out of the group": func(v *Version) { other("q", 0, 9)(v); v.Pity[0].Group = []int16{1} },
		"a prize that is not":      func(v *Version) { v.Pity[0].List[0].Prize = 7 },
		"the prize twice":          func(v *Version) { v.Pity[0].List = append(v.Pity[0].List, v.Pity[0].List[0]) },
		"thanks":                   func(v *Version) { v.Prizes[0].Kind, v.Prizes[0].Stock = KindThanks, Unlimited },
		"no reserve":               func(v *Version) { v.Pity[0].List[0].Reserve = 0 },
		"reserve above the stock":  func(v *Version) { v.Pity[0].List[0].Reserve = 1001 },
		"reserve of an unlimited":  func(v *Version) { v.Prizes[0].Stock = Unlimited },
		"bad id":                   func(v *Version) { v.Pity[0].ID = "A" },
		"id twice":                 func(v *Version) { v.Pity = append(v.Pity, v.Pity[0]) },
		"soft step after the guarantee": func(v *Version) {
			v.Pity[0].Soft = []SoftStep{{8, []SoftWeight{{0, 5}}}}
		},
		"soft weights above the denominator": func(v *Version) {
			v.Pity[0].Soft = []SoftStep{{7, []SoftWeight{{0, 101}}}}
		},
		"soft steps out of order": func(v *Version) {
			v.Pity[0].Soft = []SoftStep{{7, []SoftWeight{{0, 5}}}, {6, []SoftWeight{{0, 6}}}}
		},
		"two soft pities": func(v *Version) {
			v.Pity[0].Soft = []SoftStep{{7, []SoftWeight{{0, 5}}}}
			second := v.Pity[0]
			second.ID = "z"
			v.Pity = append(v.Pity, second)
		},
		"soft weights of a guaranteed campaign": func(v *Version) {
			v.Guaranteed = true
			other("q", 99, Unlimited)(v)
			v.Pity[0].Soft = []SoftStep{{7, []SoftWeight{{0, 5}}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			x.T = t
			x.unchanged(name, func() { x.wantCode(name, x.publish(unlucky(edit)), problem.InvalidCampaign) })
		})
	}
}

// A draw with pity allocates nothing beyond what its record needs.
func TestPityAllocatesNothing(t *testing.T) {
	x := newTable(t)
	x.mustPublish(unlucky(func(v *Version) { v.Pity[0].Soft = []SoftStep{{4, []SoftWeight{{0, 50}}}} }))
	d := x.request("u", "k")
	entry := func() []byte {
		var b Batch
		for range 64 {
			d.Digest[15]++
			if d.Digest[15] == 0 {
				d.Digest[14]++
			}
			b.AddDraw(&d)
		}
		return entryOf(&b, x.now)
	}
	var entries [][]byte
	for range 30 {
		entries = append(entries, entry())
	}
	apply := func() {
		x.index++
		if err := x.Apply(x.index, entries[0], &x.out); err != nil {
			t.Fatal(err)
		}
		entries = entries[1:]
	}
	apply()
	if n := testing.AllocsPerRun(20, apply); n > 1 { // a page of keys now and then
		t.Errorf("%v allocations for an entry of 64 draws", n)
	}
}
