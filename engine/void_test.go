package engine

import (
	"bytes"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// encoded returns the encoded record of a draw of the last entry, and where it stands.
func (x *table) encoded(r Result) ([]byte, Location) {
	x.Helper()
	x.wantCode("the draw", r, problem.OK)
	return bytes.Clone(x.out.Records[r.Offset : r.Offset+r.Length]), r.At
}

func (x *table) void(draw []byte, at Location, fault VoidFault) Result {
	x.Helper()
	return x.one(func(b *Batch) {
		b.AddVoid(&Void{Campaign: 1, Draw: draw, At: at, Fault: fault, Actor: "ann", Reason: "complaint"})
	})
}

func capped(v *Version) {
	v.Caps = []Cap{
		{ID: "day", Window: Window{Kind: WindowDay}, Limit: 2, Prize: -1},
		{ID: "roll", Window: Window{WindowRolling, 3_600_000}, Limit: 2, Prize: -1},
		{ID: "cool", Window: Window{WindowCooldown, 1000}, Limit: 1, Prize: -1},
		{ID: "life", Counts: CountWins, Limit: 2, Prize: -1},
	}
}

func (x *table) caps(user string) (used []uint32) {
	x.Helper()
	c, _ := x.CampaignByRef(1)
	for _, k := range x.UserState(c, x.keys.User([]byte(user)), x.now).Caps {
		used = append(used, k.Used)
	}
	return used
}

func same(a, b []uint32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestVoidByFault(t *testing.T) {
	for _, row := range []struct {
		fault            VoidFault
		used             []uint32
		issued, left     Quantity
		withdrawn, total Quantity
		refunds          uint32
	}{
		{VoidSystem, []uint32{0, 0, 0, 0}, 0, 1000, 0, 1, VoidStock | VoidCaps},
		{VoidUser, []uint32{1, 1, 1, 1}, 0, 1000, 0, 1, VoidStock},
		{VoidAbuse, []uint32{1, 1, 1, 1}, 0, 999, 1, 1, 0},
	} {
		x := newTable(t)
		x.mustPublish(simple(capped))
		draw, at := x.encoded(x.draw("u", "1"))
		r := x.void(draw, at, row.fault)
		x.wantCode(row.fault.String(), r, problem.OK)
		rec := x.records(r)[0]
		fault, refunds := VoidFlags(rec.Flags)
		if rec.Kind != RecordVoid || rec.VoidLocation() != at || fault != row.fault || refunds != row.refunds || rec.Total != row.total || string(rec.Name) != "p" || rec.Seq != 2 {
			t.Errorf("%v: record %+v", row.fault, rec)
		}
		c, _ := x.CampaignByRef(1)
		if _, stock := c.Stock(); stock[0].Issued != row.issued || stock[0].Available != row.left || stock[0].Withdrawn != row.withdrawn {
			t.Errorf("%v: books %+v", row.fault, stock[0])
		}
		if used := x.caps("u"); !same(used, row.used) {
			t.Errorf("%v: caps %v", row.fault, used)
		}
		if fault, _, ok := c.Voided(1); !ok || fault != row.fault {
			t.Errorf("%v: voided by %v, %v", row.fault, fault, ok)
		}
		x.unchanged("the same void again", func() {
			if r := x.void(draw, at, row.fault); r.Code != problem.OK || !r.AlreadyLive {
				t.Errorf("%v again: %+v", row.fault, r)
			}
		})
		x.unchanged("a void with another fault", func() {
			r := x.void(draw, at, row.fault%3+1)
			x.wantCode("another fault", r, problem.Conflict)
			if r.Value != uint64(row.fault) {
				t.Errorf("%+v", r)
			}
		})
		if r := x.draw("u", "1"); !r.Replayed || r.At != at {
			t.Errorf("%v: the key's answer is another one: %+v", row.fault, r)
		}
		x.reload()
	}
}

// What counts in a window that is over is not given back, and the word goes on.
func TestVoidLater(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(capped))
	draw, at := x.encoded(x.draw("u", "1"))
	x.now += dayMilli
	next := x.draw("u", "2")
	if n := x.records(next)[0].DrawNumber; n != 2 {
		t.Errorf("draw number %d", n)
	}
	x.void(draw, at, VoidSystem)
	if used := x.caps("u"); !same(used, []uint32{1, 1, 1, 1}) {
		t.Errorf("caps %v: only the win of the campaign's life comes back", used)
	}
	x.now += dayMilli
	if n := x.records(x.draw("u", "3"))[0].DrawNumber; n != 3 {
		t.Errorf("draw number %d: a number is used once", n)
	}
}

// A void is refused by nothing that stops draws.
func TestVoidOfWhatIsOver(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(capped))
	draw, at := x.encoded(x.draw("u", "1"))
	x.turn(SwitchScope{Kind: SwitchGlobal}, false, "ann")
	x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionEnd, Actor: "ann"}) })
	x.now += 31*dayMilli + KeyRetention
	x.one(func(b *Batch) { b.AddTick() })
	x.wantCode("after everything", x.void(draw, at, VoidUser), problem.OK)
	if r := x.void(draw, at, VoidUser); !r.AlreadyLive {
		t.Errorf("twice: %+v", r)
	}
}

func TestVoidGivesChancesAndPityBack(t *testing.T) {
	x := newTable(t)
	x.mustPublish(earned(func(v *Version) {
		v.Prizes[0].Weight = 0
		v.Pity = []Pity{{ID: "luck", Within: 3, Group: []int16{0}, List: []PityPrize{{Prize: 0, Reserve: 2}}}}
	}))
	c, _ := x.CampaignByRef(1)
	x.grantTo("u", "compensation", "e", 20)
	counter := func() uint32 { return x.UserState(c, x.keys.User([]byte("u")), x.now).Pity[0].Counter }
	first, at := x.encoded(x.draw("u", "1"))
	if counter() != 1 {
		t.Fatalf("counter %d", counter())
	}
	r := x.void(first, at, VoidSystem)
	if _, refunds := VoidFlags(x.records(r)[0].Flags); refunds != VoidChances|VoidPity || counter() != 0 || x.use(1, "u").Remaining != 20 {
		t.Errorf("a miss: refunds %x, counter %d, chances %+v", refunds, counter(), x.use(1, "u"))
	}
	x.sound()
	x.draw("u", "2")
	x.draw("u", "3")
	win, at := x.encoded(x.draw("u", "4"))
	if counter() != 0 || x.records(x.draw("u", "5"))[0].Prize != NoPrize {
		t.Fatalf("the third is the win: counter %d", counter())
	}
	before := c.books[0]
	r = x.void(win, at, VoidSystem)
	if _, refunds := VoidFlags(x.records(r)[0].Flags); refunds != VoidStock|VoidChances|VoidPity || counter() != 2 {
		t.Errorf("a win by pity: refunds %x, counter %d", refunds, counter())
	}
	if is := c.books[0]; is.Reserved != before.Reserved+1 || is.Issued != before.Issued-1 || is.Available != before.Available || c.reserves[0].given != 0 {
		t.Errorf("books %+v, reserves %+v", is, c.reserves)
	}
	x.sound()
	if rec := x.records(x.draw("u", "6"))[0]; rec.Prize != 0 {
		t.Errorf("the promise stands again: %+v", rec)
	}
	x.reload()
	c, _ = x.CampaignByRef(1)
	// By abuse nothing comes back, and the row begins again.
	x.draw("u", "7")
	miss, at := x.encoded(x.draw("u", "8"))
	chances := x.use(1, "u").Remaining
	r = x.void(miss, at, VoidAbuse)
	if _, refunds := VoidFlags(x.records(r)[0].Flags); refunds != 0 || counter() != 0 || x.use(1, "u").Remaining != chances {
		t.Errorf("abuse: refunds %x, counter %d, chances %+v", refunds, counter(), x.use(1, "u"))
	}
}

func TestVoidRefusals(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(capped))
	draw, at := x.encoded(x.draw("u", "1"))
	other := bytes.Clone(draw)
	other[4] = 2 // another campaign's
	future := bytes.Clone(draw)
	future[18] = 9 // a seq that is not there yet
	unissued := bytes.Clone(draw)
	x.unchanged("a void of what is not there", func() {
		x.wantCode("another campaign's draw", x.void(other, at, VoidUser), problem.DrawNotFound)
		x.wantCode("a draw of the future", x.void(future, at, VoidUser), problem.DrawNotFound)
		x.wantCode("no campaign", x.one(func(b *Batch) { b.AddVoid(&Void{Campaign: 7, Draw: draw, At: at, Fault: VoidUser}) }), problem.CampaignNotFound)
	})
	x.void(draw, at, VoidUser)
	copy(unissued[18:], []byte{2})
	x.unchanged("more back than was given", func() {
		x.wantCode("a void", x.void(unissued, at, VoidUser), problem.DrawNotFound)
	})
	// No drawd proposes these.
	for what, v := range map[string]Void{
		"no record":   {Campaign: 1, Fault: VoidUser},
		"half of one": {Campaign: 1, Fault: VoidUser, Draw: draw[:40]},
		"no fault":    {Campaign: 1, Draw: draw},
		"a new fault": {Campaign: 1, Draw: draw, Fault: VoidAbuse + 1},
		"two of them": {Campaign: 1, Draw: append(bytes.Clone(draw), draw...), Fault: VoidUser},
	} {
		var b Batch
		b.AddVoid(&v)
		if err := x.Apply(x.index+1, entryOf(&b, x.now), &x.out); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

// Of a request with several sub-draws one goes back alone.
func TestVoidOneOfSeveral(t *testing.T) {
	x := newTable(t)
	x.mustPublish(simple(func(v *Version) {
		v.Caps = []Cap{{ID: "day", Window: Window{Kind: WindowDay}, Limit: 5, Prize: -1}}
	}))
	r := x.draw("u", "1", times(3))
	all, at := x.encoded(r)
	var first Record
	n, err := DecodeRecord(all, &first)
	if err != nil {
		t.Fatal(err)
	}
	x.void(all[:n], at, VoidSystem)
	if used := x.caps("u"); !same(used, []uint32{2}) {
		t.Errorf("caps %v", used)
	}
}
