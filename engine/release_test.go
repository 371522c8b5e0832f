package engine

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// dripping returns a campaign of six hours whose prize p is released in hourly windows, the second of which has no share.
// b is there from the start, and p's fallback.
func dripping(edit ...func(v *Version)) *Version {
	return simple(append([]func(v *Version){func(v *Version) {
		v.StartsAt, v.EndsAt = start, start+6*hourMilli
		v.Prizes = []Prize{
			{ID: "p", Weight: 100, Stock: 100, Units: 1, Unavailable: OnFallback, Fallback: 1, Slot: -1},
			{ID: "b", Weight: 0, Stock: Unlimited, Units: 1, Fallback: -1, Slot: -1},
		}
		s := Schedule{AvoidWholeHour: true}
		for h := range UnixMilli(6) {
			if h != 1 {
				s.Windows = append(s.Windows, ReleaseWindow{start + h*hourMilli, start + (h+1)*hourMilli, uint32(h + 1)})
			}
		}
		v.Schedules, v.Releases = []Schedule{s}, []Release{{0, 0}}
	}}, edit...)...)
}

// walk ticks from due time to due time up to the end and calls seen after each.
func (x *table) walk(to UnixMilli, seen func()) {
	x.Helper()
	for steps := 0; ; steps++ {
		due, ok := x.NextDue()
		if !ok || due >= to {
			break
		}
		if due <= x.now && steps > 0 {
			x.Fatalf("due at start%+d again and again", due-start)
		}
		x.now = due
		x.one(func(b *Batch) { b.AddTick() })
		seen()
	}
	x.now = to
	x.one(func(b *Batch) { b.AddTick() })
	seen()
}

// Every unit is released once, inside its window, away from whole hours, and nothing but the log's time does it.
func TestReleaseByTheClock(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(dripping())
	weights := []Quantity{1, 0, 3, 4, 5, 6}
	var got [6]Quantity
	before := x.stockOf(c, "", "p")
	if before.Unreleased != 100 || before.Available != 0 {
		t.Fatalf("at the start: %+v", before)
	}
	x.walk(start+6*hourMilli-1, func() {
		now := x.stockOf(c, "", "p")
		if n := now.Available - before.Available; n > 0 {
			past := int64(x.now-start) % hourMilli
			if past < WholeHourMargin || past >= hourMilli-WholeHourMargin {
				t.Errorf("%d released %d ms past the hour", n, past)
			}
			got[(x.now-start)/hourMilli] += n
		} else if n < 0 {
			t.Errorf("%d were taken back", -n)
		}
		before = now
	})
	var sum Quantity
	for h, n := range got {
		if share := 100 * weights[h] / 19; n != share && n != share+1 {
			t.Errorf("hour %d released %d, its share is %d", h, n, share)
		}
		sum += n
	}
	if sum != 100 || before.Unreleased != 0 {
		t.Errorf("%d of 100 were released, %+v", sum, before)
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// Whatever the stops on the way, the books at a time are the same: the release is a function of the time.
func TestReleaseDependsOnTimeOnly(t *testing.T) {
	at := start + 3*hourMilli + 1234567
	reach := func(stops int, snapshot bool) [16]byte {
		x := newTable(t)
		x.mustPublish(dripping(func(v *Version) { v.Schedules[0].Expire = true }))
		rng := rand.New(rand.NewPCG(uint64(stops), 1))
		for i := range stops {
			x.now += UnixMilli(rng.Int64N(int64(at-x.now)/int64(stops-i) + 1))
			x.one(func(b *Batch) { b.AddTick() })
		}
		if snapshot {
			var b bytes.Buffer
			if err := x.WriteSnapshot(&b); err != nil {
				t.Fatal(err)
			}
			x.Engine, _ = New(Options{Shards: 2})
			if err := x.ReadSnapshot(&b); err != nil {
				t.Fatal(err)
			}
		}
		x.now = at
		x.one(func(b *Batch) { b.AddTick() })
		return x.StateHash()
	}
	want := reach(0, false)
	for _, stops := range []int{1, 2, 17, 300} {
		if reach(stops, false) != want || reach(stops, true) != want {
			t.Errorf("with %d stops on the way the state is another", stops)
		}
	}
}

// A prize that is not released yet is a miss that says so, and no other prize.
func TestNotReleased(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(dripping())
	cause := func(key string) (int, Cause) {
		t.Helper()
		r := x.draw("u", key)
		x.wantCode(key, r, problem.OK)
		rec := x.records(r)[0]
		return rec.Prize, rec.Cause
	}
	if prize, why := cause("early"); prize != NoPrize || why != CauseNotReleased {
		t.Errorf("before the first release: prize %d, %v", prize, why)
	}
	if c.Exhausted() {
		t.Error("what is not released is not out")
	}
	x.now = start + 6*hourMilli - 1
	for i := range 100 {
		if prize, why := cause(userName(i)); prize != 0 || why != CauseNone {
			t.Fatalf("draw %d: prize %d, %v", i, prize, why)
		}
	}
	if prize, why := cause("late"); prize != 1 || why != CauseSoldOut {
		t.Errorf("with nothing left the fallback is given: prize %d, %v", prize, why)
	}

	x = newTable(t)
	x.mustPublish(dripping(func(v *Version) { v.Guaranteed = true }))
	if prize, why := cause("guaranteed"); prize != 1 || why != CauseNotReleased {
		t.Errorf("a guaranteed campaign takes the fallback: prize %d, %v", prize, why)
	}
}

// What would have been released in a pause comes after it, inside the window in which the campaign goes on.
func TestReleaseAndPauses(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(dripping())
	control := func(a Action) {
		t.Helper()
		x.wantCode(a.String(), x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: a}) }), problem.OK)
	}
	x.walk(start+2*hourMilli+20*60_000, func() {})
	control(ActionPause)
	held := x.stockOf(c, "", "p")
	x.walk(start+4*hourMilli+30*60_000, func() {
		if now := x.stockOf(c, "", "p"); now.Available != held.Available {
			t.Fatalf("released in the pause: %+v", now)
		}
	})
	control(ActionResume)
	if now := x.stockOf(c, "", "p"); now.Available != held.Available {
		t.Errorf("resuming released %d at once", now.Available-held.Available)
	}
	released := 0
	x.walk(start+5*hourMilli, func() { released++ })
	// Windows 0, 2, 3 and 4 have 13 of 19 shares.
	if now := x.stockOf(c, "", "p"); now.Available != 100*13/19 {
		t.Errorf("after the window of the resumption %d are released, want %d", now.Available, 100*13/19)
	}
	if released < 20 {
		t.Errorf("the missed units came at %d instants", released)
	}
	x.walk(start+6*hourMilli-1, func() {})
	if now := x.stockOf(c, "", "p"); now.Available != 100 || now.Unreleased != 0 {
		t.Errorf("at the end: %+v", now)
	}
}

func TestReleaseExpires(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(dripping(func(v *Version) { v.Schedules[0].Expire = true }))
	x.walk(start+hourMilli-1, func() {})
	first := x.stockOf(c, "", "p").Available
	x.wantCode("win", x.draw("u", "k"), problem.OK)
	x.walk(start+hourMilli, func() {})
	x.wantBooks(c, "", "p", 100, 0, 1, first-1)
	x.walk(start+6*hourMilli, func() {})
	x.wantBooks(c, "", "p", 100, 0, 1, 99)
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// Sessions with units of their own have the windows that are in them, and what is carried is released by them too.
func TestReleaseInSessions(t *testing.T) {
	x := newTable(t)
	x.now = open
	c := x.mustPublish(rounds(func(v *Version) {
		v.Sets[0][0].Stock = 50
		v.Sets[1][0].Stock = 30
		s := Schedule{}
		for h := range UnixMilli(8) {
			s.Windows = append(s.Windows, ReleaseWindow{open + h*hourMilli/2, open + (h+1)*hourMilli/2, 1})
		}
		v.Schedules, v.Releases = []Schedule{s}, []Release{{0, 0}}
	}))
	x.walk(open+hourMilli/2-1, func() {})
	x.wantBooks(c, "one", "a", 50, 25, 0, 0)
	x.walk(open+2*hourMilli, func() {})
	if s := x.stockOf(c, "two", "a"); s.Total != 80 || s.Unreleased != 80 {
		t.Errorf("carried units are released by the next session's windows: %+v", s)
	}
	x.walk(open+2*hourMilli+hourMilli/2, func() {})
	x.wantBooks(c, "two", "a", 80, 40, 0, 0)
	x.walk(open+3*hourMilli, func() {})
	x.wantBooks(c, "two", "a", 80, 0, 0, 80)
	x.walk(open+4*hourMilli, func() {})
	x.wantBooks(c, "three", "a", 50, 0, 0, 50)
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

func TestReleaseAndVersions(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(dripping())
	x.walk(start+2*hourMilli+hourMilli/2, func() {})
	before := x.stockOf(c, "", "p")
	// Another schedule may be slower: nothing that is out is taken back.
	x.wantCode("publish", x.publish(dripping(func(v *Version) {
		v.Schedules[0].Windows = v.Schedules[0].Windows[4:]
	})), problem.OK)
	if now := x.stockOf(c, "", "p"); now != before {
		t.Errorf("publishing changed %+v to %+v", before, now)
	}
	x.walk(start+5*hourMilli, func() {})
	if now := x.stockOf(c, "", "p"); now != before {
		t.Errorf("the new schedule begins later: %+v", now)
	}
	// Without a schedule everything is there.
	x.wantCode("publish", x.publish(dripping(func(v *Version) { v.Schedules, v.Releases = nil, nil })), problem.OK)
	x.wantBooks(c, "", "p", 100, 100, 0, 0)
	x.unchanged("a schedule for what is there already", func() {
		x.wantCode("publish", x.publish(dripping()), problem.InvalidCampaign)
	})
}

// A window with more units than instants releases several at once, and still all of them.
func TestManyUnitsInAWindow(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(dripping(func(v *Version) {
		v.Prizes[0].Stock, v.Prizes[0].Units = 1_000_003, 7
		v.Schedules[0].Windows = v.Schedules[0].Windows[:1]
	}))
	steps := 0
	x.walk(start+hourMilli, func() { steps++ })
	if steps < 3800 || steps > 4099 { // two instants may share a millisecond
		t.Errorf("%d instants", steps)
	}
	x.wantBooks(c, "", "p", 1_000_003, 1_000_003/7*7, 0, 0)
	x.wantCode("draw", x.draw("u", "k"), problem.OK)
}

// As a library a draw brings the releases to its time by itself.
func TestReleaseAsALibrary(t *testing.T) {
	x := newTable(t)
	x.Engine, _ = New(Options{Shards: 4})
	var b Batch
	b.AddInit(&Init{Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	b.AddPublish(&Publish{Namespace: 1, Version: dripping(), SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
	if err := x.Decide(&b, start); err != nil {
		t.Fatal(err)
	}
	d := x.request("u", "k")
	b.Reset()
	b.AddDraw(&d)
	if err := x.Decide(&b, start+hourMilli); err != nil || b.Results[0].Code != problem.OK {
		t.Fatalf("%v %+v", err, b.Results)
	}
	var rec Record
	if _, err := DecodeRecord(b.Records, &rec); err != nil || rec.Prize != 0 {
		t.Errorf("after the first window: %+v %v", rec, err)
	}
}

func TestInvalidReleases(t *testing.T) {
	for what, edit := range map[string]func(v *Version){
		"no windows":   func(v *Version) { v.Schedules[0].Windows = nil },
		"overlap":      func(v *Version) { v.Schedules[0].Windows[1].StartsAt = start },
		"outside":      func(v *Version) { v.Schedules[0].Windows[4].EndsAt = v.EndsAt + 1 },
		"empty window": func(v *Version) { v.Schedules[0].Windows[0].EndsAt = start },
		"weight":       func(v *Version) { v.Schedules[0].Windows[0].Weight = 0 },
		"prize":        func(v *Version) { v.Releases[0].Prize = 2 },
		"schedule":     func(v *Version) { v.Releases[0].Schedule = 1 },
		"unlimited":    func(v *Version) { v.Prizes[0].Stock = Unlimited },
		"twice":        func(v *Version) { v.Releases = append(v.Releases, v.Releases[0]) },
		"guaranteed":   func(v *Version) { v.Guaranteed, v.Prizes[0].Unavailable, v.Prizes[0].Fallback = true, OnMiss, -1 },
	} {
		x := newTable(t)
		x.unchanged(what, func() { x.wantCode(what, x.publish(dripping(edit)), problem.InvalidCampaign) })
	}
}

// The public hash fixes the schedule: it is of this seed, this salt and this version.
func TestReleaseHash(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(dripping(func(v *Version) { v.Salt = [16]byte{5} }))
	first, ok := c.ReleaseHash(c.Version())
	if !ok || first == [32]byte{} {
		t.Fatal("no hash")
	}
	x.mustPublish(dripping(func(v *Version) { v.Salt, v.Title = [16]byte{6}, []byte(`{"en":"T"}`) }))
	if second, _ := c.ReleaseHash(c.Version()); second == first {
		t.Error("another version has the same hash")
	}
	if again, _ := c.ReleaseHash(c.VersionNumber(1)); again != first {
		t.Error("the hash of a version changed")
	}
}
