package engine

import (
	"bytes"
	"slices"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// open is when the first session starts.
const open = start + hourMilli

// rounds returns a campaign of three sessions of an hour, with an hour's pause after the first. All have own units of a,
// the second also what b has for everybody.
func rounds(edit ...func(v *Version)) *Version {
	return simple(append([]func(v *Version){func(v *Version) {
		v.StartsAt, v.EndsAt = open, open+10*hourMilli
		v.Prizes = []Prize{
			{ID: "a", Weight: 100, Stock: StockUnstated, Units: 1, Fallback: -1, Slot: 1},
			{ID: "b", Weight: 50, Stock: 5, Units: 1, Fallback: -1, Slot: 2},
		}
		v.Sets = []PrizeSet{
			{{Prize: 0, Weight: 100, Stock: 2}},
			{{Prize: 0, Weight: 50, Stock: 3}, {Prize: 1, Weight: 50, Stock: StockShared}},
		}
		v.Sessions = []Session{
			{ID: "one", StartsAt: open, EndsAt: open + hourMilli, Set: 0, Unsold: UnsoldCarry},
			{ID: "two", StartsAt: open + 2*hourMilli, EndsAt: open + 3*hourMilli, Set: 1},
			{ID: "three", StartsAt: open + 3*hourMilli, EndsAt: open + 4*hourMilli, Set: 0, Unsold: UnsoldCarry},
		}
	}}, edit...)...)
}

func (x *table) stockOf(c *Campaign, session, prize string) PrizeStock {
	x.Helper()
	_, all := c.Stock()
	for _, s := range all {
		if s.Session == session && s.ID == prize {
			return s
		}
	}
	x.Fatalf("no books of %s in session %q: %+v", prize, session, all)
	return PrizeStock{}
}

// wantBooks compares total, available, issued and expired of a prize's books.
func (x *table) wantBooks(c *Campaign, session, prize string, total, available, issued, expired Quantity) {
	x.Helper()
	s := x.stockOf(c, session, prize)
	if s.Total != total || s.Available != available || s.Issued != issued || s.Expired != expired {
		x.Errorf("books of %s in %q: total %d, available %d, issued %d, expired %d; want %d %d %d %d",
			prize, session, s.Total, s.Available, s.Issued, s.Expired, total, available, issued, expired)
	}
}

func (x *table) won(r Result) string {
	x.Helper()
	rec := x.records(r)[0]
	if rec.Prize == NoPrize {
		return ""
	}
	c, _ := x.CampaignByRef(rec.Campaign)
	v := c.VersionNumber(rec.Version)
	return v.CellID(rec.Prize, int(rec.Session)-1)
}

func TestSessions(t *testing.T) {
	x := newTable(t)
	x.now = open - 1
	c := x.mustPublish(rounds())
	at := func(now UnixMilli, key string, want problem.Code) Result {
		t.Helper()
		x.now = now
		r := x.draw("u", key)
		x.wantCode(key, r, want)
		return r
	}
	at(open-1, "before", problem.NotStarted)
	if got := x.won(at(open, "first", problem.OK)); got != "one/a" {
		t.Errorf("won %q", got)
	}
	x.wantBooks(c, "one", "a", 2, 1, 1, 0)
	if r := at(open+hourMilli, "between", problem.NotStarted); r.ResetsAt != open+2*hourMilli || r.Now != x.now {
		t.Errorf("between sessions the next start is named: %+v", r)
	}
	if c.Exhausted() {
		t.Error("between two sessions nothing is out")
	}
	x.wantBooks(c, "one", "a", 1, 0, 1, 0)
	x.wantBooks(c, "two", "a", 4, 4, 0, 0)
	x.now = open + 2*hourMilli
	for i := range 8 {
		x.wantCode("second session", x.draw(userName(i), "k"), problem.OK)
	}
	two, b := x.stockOf(c, "two", "a"), x.stockOf(c, "", "b")
	if two.Issued+b.Issued == 0 || b.Issued > 5 || two.Issued > 4 {
		t.Errorf("second session: %+v %+v", two, b)
	}
	if got := x.won(at(open+3*hourMilli, "third", problem.OK)); got != "three/a" {
		t.Errorf("won %q", got)
	}
	x.wantBooks(c, "two", "a", 4, 0, two.Issued, 4-two.Issued) // unsold: expire
	at(open+3*hourMilli+1, "third again", problem.OK)
	x.wantCode("exhausted is of the session", x.draw("v", "k"), problem.Exhausted)
	x.now = open + 4*hourMilli
	x.unchanged("a draw after the last session", func() { at(x.now, "after", problem.Ended) })
	if _, due := x.NextDue(); !due {
		t.Error("the campaign's end is still due")
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// Sessions close by the log's time alone: a tick is enough, and nothing is due before.
func TestSessionsAreDue(t *testing.T) {
	x := newTable(t)
	x.now = open - 1
	c := x.mustPublish(rounds())
	for _, want := range []UnixMilli{open, open + hourMilli, open + 2*hourMilli, open + 3*hourMilli, open + 4*hourMilli, open + 10*hourMilli} {
		due, ok := x.NextDue()
		if !ok || due != want {
			t.Fatalf("due at open%+d, want open%+d", due-open, want-open)
		}
		x.now = due
		x.one(func(b *Batch) { b.AddTick() })
	}
	x.wantBooks(c, "one", "a", 0, 0, 0, 0)
	x.wantBooks(c, "two", "a", 5, 0, 0, 5)
	x.wantBooks(c, "three", "a", 2, 0, 0, 2) // nobody is left to carry to
	x.wantBooks(c, "", "b", 5, 5, 0, 0)
}

// What was carried is not in the file: publishing the same sessions again with a new title is no change of stock.
func TestCarriedStockAndVersions(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(rounds())
	x.now = open + hourMilli
	x.wantCode("again", x.publish(rounds(func(v *Version) { v.Title = []byte(`{"en":"T"}`) })), problem.OK)
	x.wantBooks(c, "two", "a", 5, 5, 0, 0)
	x.unchanged("another stock", func() {
		x.wantCode("publish", x.publish(rounds(func(v *Version) { v.Sets[0][0].Stock = 9 })), problem.StockChanged)
	})
	adjust := func(prize string, delta Quantity, key byte) Result {
		return x.one(func(b *Batch) { b.AddAdjust(&Adjust{Campaign: 1, Prize: prize, Delta: delta, Digest: Key{key}}) })
	}
	x.wantCode("adjust", adjust("two/a", 1, 1), problem.OK)
	x.wantBooks(c, "two", "a", 6, 6, 0, 0)
	x.unchanged("stock of a session that is over", func() {
		x.wantCode("adjust", adjust("one/a", 1, 2), problem.Ended)
	})
	x.unchanged("a prize that has no stock of its own", func() { x.wantCode("adjust", adjust("a", 1, 3), problem.PrizeNotFound) })
	// A session that is over when it is published never had units to give; one that is dropped gives them back.
	v := rounds(func(v *Version) {
		v.Sets[0][0].Stock, v.Sets[1][0].Stock = StockShared, 4
		v.Sessions[0].ID, v.Sessions[0].Set = "late", 1
		v.Sessions = v.Sessions[:1]
		v.Prizes[0].Stock = 7
	})
	x.wantCode("publish", x.publish(v), problem.OK)
	x.wantBooks(c, "late", "a", 4, 0, 0, 4)
	if s := x.stockOf(c, "two", "a"); s.Withdrawn != 6 {
		t.Errorf("a dropped session's units are withdrawn: %+v", s)
	}
}

func TestSessionCap(t *testing.T) {
	x := newTable(t)
	x.now = open
	capped := func(v *Version) {
		v.Caps = []Cap{{ID: "round", Window: Window{Kind: WindowSession}, Limit: 1, Prize: -1}}
	}
	c := x.mustPublish(rounds(capped))
	x.wantCode("one", x.draw("u", "1"), problem.OK)
	r := x.draw("u", "2")
	if x.wantCode("again", r, problem.Capped); r.ResetsAt != open+2*hourMilli || r.Limit != 1 || r.Used != 1 {
		t.Errorf("capped until the next session: %+v", r)
	}
	x.now = open + 2*hourMilli - 1
	x.one(func(b *Batch) { b.AddTick() })
	if u := x.UserState(c, x.keys.User([]byte("u")), x.now); u.Caps[0].Used != 0 || u.CanDraw.Code != problem.NotStarted {
		t.Errorf("before the next session: %+v", u)
	}
	x.now++
	x.wantCode("two", x.draw("u", "3"), problem.OK)
	x.now = open + 3*hourMilli
	x.wantCode("three", x.draw("u", "4"), problem.OK)
	if r := x.draw("u", "5"); r.Code != problem.Capped || r.ResetsAt != 0 {
		t.Errorf("in the last session the cap never resets: %+v", r)
	}
}

// A session that ends with the campaign ends when a pause has moved that.
func TestPausedLastSession(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(rounds(func(v *Version) { v.EndsAt = open + 4*hourMilli }))
	control := func(a Action, extend bool) {
		t.Helper()
		x.wantCode(a.String(), x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: a, ExtendByPause: extend}) }), problem.OK)
	}
	x.now = open + 3*hourMilli + 1
	control(ActionPause, false)
	x.now = open + 5*hourMilli
	x.one(func(b *Batch) { b.AddTick() })
	x.wantBooks(c, "three", "a", 2, 2, 0, 0)
	control(ActionResume, true)
	x.wantCode("in the added time", x.draw("u", "1"), problem.OK)
	x.now = open + 6*hourMilli
	x.wantCode("after it", x.draw("u", "2"), problem.Ended)
	x.wantBooks(c, "three", "a", 2, 0, 1, 1)
}

// exhausted: end closes the session, and the campaign with the last one.
func TestExhaustedEndsTheSession(t *testing.T) {
	x := newTable(t)
	x.now = open
	c := x.mustPublish(rounds(func(v *Version) { v.Exhausted = End }))
	for i := range 2 {
		x.wantCode("win", x.draw("u", userName(i)), problem.OK)
	}
	if r := x.draw("u", "3"); r.Code != problem.NotStarted || r.ResetsAt != open+2*hourMilli {
		t.Errorf("the session is over: %+v", r)
	}
	x.now = open + 3*hourMilli
	x.wantCode("win", x.draw("u", "4"), problem.OK)
	x.wantCode("the last", x.draw("u", "5"), problem.OK)
	x.wantCode("after it", x.draw("u", "6"), problem.Ended)
	if c.Status(x.now) != StatusEnded {
		t.Errorf("status %v", c.Status(x.now))
	}
}

// A reader refuses only what stays refused: not what another session may change before the log decides.
func TestPeekBeforeASessionTurns(t *testing.T) {
	x := newTable(t)
	x.mustPublish(rounds())
	x.now = open + 2*hourMilli
	for i := range 40 {
		x.draw(userName(i), "k")
	}
	d := x.request("w", "k")
	for _, tc := range []struct {
		now  UnixMilli
		want bool
	}{{open + 3*hourMilli - 2000, true}, {open + 3*hourMilli - 900, false}, {open + 3*hourMilli + 5, false}} {
		if r, ok := x.Peek(&d, tc.now); ok != tc.want || ok && r.Code != problem.Exhausted {
			t.Errorf("at end%+d: %v %+v", tc.now-open-3*hourMilli, ok, r)
		}
	}
	x = newTable(t)
	x.mustPublish(rounds())
	x.now = open + hourMilli
	x.one(func(b *Batch) { b.AddTick() })
	d = x.request("w", "k")
	if r, ok := x.Peek(&d, x.now); !ok || r.Code != problem.NotStarted {
		t.Errorf("between: %v %+v", ok, r)
	}
	if r, ok := x.Peek(&d, open+2*hourMilli-500); ok {
		t.Errorf("half a second before the session: %+v", r)
	}
}

func channels(v *Version) {
	v.Prizes = []Prize{
		{ID: "p", Weight: 40, Stock: 1000, Units: 1, Fallback: -1, Slot: -1},
		{ID: "q", Weight: 50, Stock: 1000, Units: 1, Unavailable: OnFallback, Fallback: 0, Slot: -1},
	}
	v.Channels = []Channel{
		{ID: "pc", All: true, Slots: []Slot{{NoPrize, 6}, {NoPrize, 7}, {0, 0}, {1, 3}, {1, 5}}},
		{ID: "h5", Prizes: []ChannelPrize{{0, 0}, {1, KeepWeight}}, Slots: []Slot{{1, 2}}},
	}
}

func TestChannels(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple(channels))
	x.unchanged("an unknown channel", func() {
		x.wantCode("none", x.draw("u", "k"), problem.UnknownChannel)
		x.wantCode("tv", x.draw("u", "k", func(d *Draw) { d.Channel = []byte("tv") }), problem.UnknownChannel)
	})
	seen := map[string]int{}
	for i := range 400 {
		for _, channel := range []string{"pc", "h5"} {
			r := x.draw(userName(i), channel, func(d *Draw) { d.Channel = []byte(channel) })
			x.wantCode(channel, r, problem.OK)
			rec := x.records(r)[0]
			seen[channel+x.won(r)]++
			slot := c.Version().Channel(rec.Channel).SlotOf(rec.Prize, rec.Word)
			want := map[string][]int16{"pc": {6, 7}, "pcp": {0}, "pcq": {3, 5}, "h5": {-1}, "h5q": {2}}[channel+x.won(r)]
			if !slices.Contains(want, slot) {
				t.Errorf("%s won %q, slot %d", channel, x.won(r), slot)
			}
		}
	}
	if seen["h5p"] != 0 || seen["h5q"] < 150 || seen["pcp"] < 100 || seen["pcq"] < 150 {
		t.Errorf("wins by channel: %v", seen)
	}
}

// Sessions survive a snapshot in the middle: the same commands give the same state.
func TestSessionsOverASnapshot(t *testing.T) {
	play := func(snapshot bool) [16]byte {
		x := newTable(t)
		x.mustPublish(rounds(channelsOf))
		for i := range 300 {
			x.now = open + UnixMilli(i)*hourMilli/60
			x.draw(userName(i%40), userName(i), func(d *Draw) { d.Channel = []byte("pc") })
			if snapshot && i%50 == 7 {
				var b bytes.Buffer
				if err := x.WriteSnapshot(&b); err != nil {
					t.Fatal(err)
				}
				fresh, _ := New(Options{Shards: 2})
				if err := fresh.ReadSnapshot(&b); err != nil {
					t.Fatal(err)
				}
				if fresh.StateHash() != x.StateHash() {
					t.Fatalf("after step %d the snapshot is another state", i)
				}
				x.Engine = fresh
			}
		}
		if err := x.CheckInvariants(); err != nil {
			t.Error(err)
		}
		return x.StateHash()
	}
	if play(false) != play(true) {
		t.Error("a snapshot in the middle changed what came after it")
	}
}

func channelsOf(v *Version) { v.Channels = []Channel{{ID: "pc", All: true}} }

// As a library a draw brings the sessions to its time by itself.
func TestSessionsAsALibrary(t *testing.T) {
	x := newTable(t)
	x.Engine, _ = New(Options{Shards: 4})
	var b Batch
	b.AddInit(&Init{Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	b.AddPublish(&Publish{Namespace: 1, Version: rounds(), SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
	if err := x.Decide(&b, open-1); err != nil {
		t.Fatal(err)
	}
	try := func(now UnixMilli, key string, want problem.Code) {
		t.Helper()
		d := x.request("u", key)
		b.Reset()
		b.AddDraw(&d)
		if err := x.Decide(&b, now); err != nil || b.Results[0].Code != want {
			t.Errorf("%s: %v %+v", key, err, b.Results[0])
		}
	}
	try(open-1, "1", problem.NotStarted)
	try(open, "2", problem.OK)
	try(open+hourMilli, "3", problem.NotStarted)
	try(open+2*hourMilli, "4", problem.OK)
	c, _ := x.CampaignByRef(1)
	x.wantBooks(c, "one", "a", 1, 0, 1, 0)
}

func TestInvalidSessions(t *testing.T) {
	for what, edit := range map[string]func(v *Version){
		"overlap":        func(v *Version) { v.Sessions[1].StartsAt = open + hourMilli/2 },
		"too short":      func(v *Version) { v.Sessions[0].EndsAt = v.Sessions[0].StartsAt + 1 },
		"before start":   func(v *Version) { v.Sessions[0].StartsAt = open - 1 },
		"after end":      func(v *Version) { v.Sessions[2].EndsAt = v.EndsAt + 1 },
		"twice":          func(v *Version) { v.Sessions[1].ID = "one" },
		"id":             func(v *Version) { v.Sessions[1].ID = "a/b" },
		"set":            func(v *Version) { v.Sessions[1].Set = 2 },
		"no sessions":    func(v *Version) { v.Sessions = nil },
		"weights":        func(v *Version) { v.Sets[1][1].Weight = 51 },
		"prize":          func(v *Version) { v.Sets[1][1].Prize = 2 },
		"order":          func(v *Version) { v.Sets[1][1].Prize = 0 },
		"stock":          func(v *Version) { v.Sets[1][1].Stock = StockUnstated },
		"fallback":       func(v *Version) { v.Prizes[0].Unavailable, v.Prizes[0].Fallback = OnFallback, 1 },
		"guaranteed":     func(v *Version) { v.Guaranteed, v.Sets[1][0].Weight = true, 49 },
		"channel twice":  func(v *Version) { v.Channels = []Channel{{ID: "a", All: true}, {ID: "a", All: true}} },
		"channel id":     func(v *Version) { v.Channels = []Channel{{ID: "a b", All: true}} },
		"channel weight": func(v *Version) { v.Channels = []Channel{{ID: "a", Prizes: []ChannelPrize{{0, 101}}}} },
		"slot":           func(v *Version) { v.Channels = []Channel{{ID: "a", All: true, Slots: []Slot{{5, 1}}}} },
		"slot order":     func(v *Version) { v.Channels = []Channel{{ID: "a", All: true, Slots: []Slot{{0, 1}, {NoPrize, 1}}}} },
		"session cap": func(v *Version) {
			v.Sessions, v.Sets = nil, nil
			v.Caps = []Cap{{ID: "c", Window: Window{Kind: WindowSession}, Limit: 1, Prize: -1}}
		},
	} {
		x := newTable(t)
		x.unchanged(what, func() { x.wantCode(what, x.publish(rounds(edit)), problem.InvalidCampaign) })
	}
}
