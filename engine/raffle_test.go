package engine

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

func (x *table) enter(raffle string, users ...string) Result {
	x.Helper()
	return x.one(func(b *Batch) { b.AddEntrants(&AddEntrants{Campaign: 1, Raffle: raffle, Users: users, Actor: "op"}) })
}

func (x *table) raffle(id string, winners, alternates uint32, prize string) Result {
	x.Helper()
	return x.one(func(b *Batch) {
		b.AddRaffle(&DrawRaffle{Campaign: 1, Raffle: id, Winners: winners, Alternates: alternates, Prize: prize, Actor: "op", Reason: "the party"})
	})
}

func (x *table) redraw(id string, absent ...string) Result {
	x.Helper()
	return x.one(func(b *Batch) {
		b.AddRedraw(&RedrawRaffle{Campaign: 1, Raffle: id, Absent: absent, Actor: "op", Reason: "gone home"})
	})
}

func guests(n int) (all []string) {
	for i := range n {
		all = append(all, userName(i))
	}
	return all
}

// Anybody can make the places again with nothing but SHA-256: from the list and the published seed, and the seed from the
// campaign's once that is revealed.
func TestRaffleCanBeRecomputed(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple())
	x.wantCode("first part", x.enter("tv", guests(60)...), problem.OK)
	x.wantCode("second part", x.enter("tv", "z", "a", "u7", "a"), problem.OK)
	x.wantCode("draw", x.raffle("tv", 5, 3, ""), problem.OK)
	f := c.Raffle("tv")

	list := append(guests(60), "z", "a")
	sort.Strings(list)
	digest := sha256.Sum256([]byte(strings.Join(list, "\n") + "\n"))
	if digest != f.Digest() {
		t.Errorf("the list's digest is %x, want %x", f.Digest(), digest)
	}
	seed := sha256.Sum256(bytes.Join([][]byte{{0x10}, {7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []byte("tv\x00"), digest[:]}, nil))
	if seed != c.RaffleSeed(f) {
		t.Errorf("seed %x, want %x", c.RaffleSeed(f), seed)
	}
	places := make(map[string]string)
	var scores []string
	for _, u := range list {
		s := fmt.Sprintf("%x", sha256.Sum256(append(seed[:], u...)))
		places[s], scores = u, append(scores, s)
	}
	sort.Strings(scores)
	winners, alternates := c.Results(f)
	if len(winners) != 5 || len(alternates) != 3 {
		t.Fatalf("%v, %v", winners, alternates)
	}
	for i, u := range append(winners, alternates...) {
		if places[scores[i]] != u {
			t.Errorf("place %d is %s, want %s", i, u, places[scores[i]])
		}
	}
}

// Absentees lose their places, those behind move up in order, and nobody who is there is drawn again; when nobody is left
// the units go back.
func TestRedrawOfAbsentees(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple(func(v *Version) {
		v.Prizes = append(v.Prizes, Prize{ID: "tv", Weight: 0, Stock: 9, Units: 2, Fallback: -1, Slot: -1})
	}))
	x.enter("tv", guests(6)...)
	x.wantCode("draw", x.raffle("tv", 3, 1, "tv"), problem.OK)
	all := RafflePlaces(c.RaffleSeed(c.Raffle("tv")), guests(6))
	want := func(what string, winners, alternates []string, issued Quantity) {
		t.Helper()
		w, a := c.Results(c.Raffle("tv"))
		if fmt.Sprint(w, a) != fmt.Sprint(winners, alternates) {
			t.Errorf("%s: %v, %v; want %v, %v", what, w, a, winners, alternates)
		}
		if _, stock := c.Stock(); stock[1].Issued != issued || stock[1].Available != 9-issued {
			t.Errorf("%s: %d issued, want %d", what, stock[1].Issued, issued)
		}
		if err := x.CheckInvariants(); err != nil {
			t.Error(err)
		}
	}
	want("drawn", all[:3], all[3:4], 6)
	x.unchanged("an absentee who did not win, and nobody absent", func() {
		x.wantCode("redraw", x.redraw("tv", all[5]), problem.Conflict)
		x.wantCode("redraw", x.redraw("tv", all[0], "nobody"), problem.Conflict)
		if r := x.redraw("tv"); !r.AlreadyLive {
			t.Errorf("%+v", r)
		}
	})
	x.wantCode("one is gone", x.redraw("tv", all[1]), problem.OK)
	want("one is gone", []string{all[0], all[2], all[3]}, all[4:5], 6)
	x.unchanged("the same again", func() {
		if r := x.redraw("tv", all[1]); !r.AlreadyLive {
			t.Errorf("%+v", r)
		}
	})
	x.wantCode("two more", x.redraw("tv", all[0], all[4]), problem.OK)
	want("two more", []string{all[2], all[3], all[5]}, nil, 6)
	x.wantCode("and one", x.redraw("tv", all[5]), problem.OK)
	want("nobody is left", []string{all[2], all[3]}, nil, 4)
}

// A place gives back what it took: not what a win of the prize counts by now, and not to a prize that is no more.
func TestRedrawGivesBackWhatWasTaken(t *testing.T) {
	x := newTable(t)
	tv := func(units uint32) *Version {
		return simple(func(v *Version) {
			v.Prizes = append(v.Prizes, Prize{ID: "tv", Weight: 0, Stock: 9, Units: units, Fallback: -1, Slot: -1})
		})
	}
	c := x.mustPublish(tv(2))
	x.enter("r", guests(3)...)
	x.wantCode("draw", x.raffle("r", 3, 0, "tv"), problem.OK)
	want := func(what string, available, issued, withdrawn Quantity) {
		t.Helper()
		x.reload()
		c, _ = x.CampaignByRef(1)
		if _, stock := c.Stock(); stock[1].Issued != issued || stock[1].Available != available || stock[1].Withdrawn != withdrawn {
			t.Errorf("%s: %+v", what, stock[1])
		}
	}
	want("drawn", 3, 6, 0)
	x.mustPublish(tv(3))
	x.wantCode("one is gone", x.redraw("r", guests(3)[0]), problem.OK)
	want("one is gone", 5, 4, 0)
	x.mustPublish(simple())
	x.wantCode("another is gone", x.redraw("r", guests(3)[1]), problem.OK)
	want("the prize was dropped", 0, 2, 7)
}

func TestRaffleRefusals(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple(func(v *Version) {
		v.Prizes = append(v.Prizes,
			Prize{ID: "cash", Kind: KindCash, Stock: 9, Units: 1, Amount: 5, Fallback: -1, Slot: -1},
			Prize{ID: "tv", Stock: 2, Units: 1, Fallback: -1, Slot: -1})
	}))
	x.enter("r", guests(5)...)
	x.unchanged("what cannot be drawn", func() {
		x.wantCode("an unknown raffle", x.raffle("q", 1, 0, ""), problem.NotFound)
		x.wantCode("redraw before the draw", x.redraw("r", "u1"), problem.NotFound)
		x.wantCode("more than there are", x.raffle("r", 4, 2, ""), problem.Conflict)
		x.wantCode("nobody", x.raffle("r", 0, 2, ""), problem.Conflict)
		x.wantCode("more than the stock", x.raffle("r", 3, 0, "tv"), problem.InsufficientStock)
		x.wantCode("a prize that pays", x.raffle("r", 1, 0, "cash"), problem.PrizeNotFound)
		x.wantCode("no such prize", x.raffle("r", 1, 0, "car"), problem.PrizeNotFound)
		if r := x.enter("r", "u1", "u2"); !r.AlreadyLive || r.Value != 5 {
			t.Errorf("known entrants: %+v", r)
		}
	})
	x.wantCode("draw", x.raffle("r", 2, 1, "tv"), problem.OK)
	x.unchanged("a raffle that is drawn", func() {
		if r := x.raffle("r", 2, 1, "tv"); r.Code != problem.OK || !r.AlreadyLive {
			t.Errorf("the same again: %+v", r)
		}
		x.wantCode("otherwise", x.raffle("r", 1, 1, "tv"), problem.Conflict)
		x.wantCode("a late entrant", x.enter("r", "late"), problem.Conflict)
	})
	for i := 1; i < MaxRaffles; i++ {
		x.enter(fmt.Sprint("r", i), "u")
	}
	x.unchanged("one raffle too many", func() { x.wantCode("enter", x.enter("more", "u"), problem.Capacity) })
	k := *c.control.Load()
	k.killed = SwitchCampaign
	c.control.Store(&k)
	x.wantCode("a killed campaign", x.raffle("r1", 1, 0, ""), problem.Killed)
}

// Raffles are state: a snapshot keeps list, winners and absentees.
func TestRafflesOverASnapshot(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple())
	x.enter("r", guests(30)...)
	x.enter("open", guests(3)...)
	x.raffle("r", 4, 4, "p")
	c, _ := x.CampaignByRef(1)
	winners, _ := c.Results(c.Raffle("r"))
	x.redraw("r", winners[2])
	before := x.StateHash()
	want, _ := c.Results(c.Raffle("r"))
	x.Engine = reload(t, x.Engine)
	c, _ = x.CampaignByRef(1)
	if got, _ := c.Results(c.Raffle("r")); fmt.Sprint(got) != fmt.Sprint(want) || x.StateHash() != before {
		t.Errorf("%v, want %v", got, want)
	}
	x.wantCode("goes on", x.enter("open", "more"), problem.OK)
}

// A list with somebody twice, or out of order, is no state of ours.
func TestDamagedRaffles(t *testing.T) {
	for _, users := range [][]string{{"a", "a"}, {"b", "a"}, {""}} {
		var w writer
		w.raffles([]*Raffle{{ID: "r", Entrants: users}})
		if r := (reader{b: w.b}); len(r.raffles()) >= 0 && r.done() == nil {
			t.Errorf("%q was taken", users)
		}
	}
}

// Every order of places has the same chance: over many seeds each entrant stands in each place about equally often.
func TestRafflePlacesAreFair(t *testing.T) {
	const entrants, rounds = 5, 20_000
	var counts [entrants][entrants]int
	list := guests(entrants)
	for i := range rounds {
		seed := sha256.Sum256([]byte(fmt.Sprint(i)))
		for place, u := range RafflePlaces(seed, list) {
			counts[place][u[1]-'0']++
		}
	}
	chi := 0
	for _, row := range counts {
		for _, n := range row {
			d := n - rounds/entrants
			chi += d * d
		}
	}
	if chi/(rounds/entrants) > 45 { // 16 degrees of freedom: one in ten thousand
		t.Errorf("chi² %d: %v", chi/(rounds/entrants), counts)
	}
}
