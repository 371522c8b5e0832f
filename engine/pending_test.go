package engine

import (
	"bytes"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

func (x *table) publishAt(v *Version, at UnixMilli) Result {
	x.Helper()
	return x.one(func(b *Batch) {
		b.AddPublishAt(&Publish{Namespace: 1, Version: v, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7}), Actor: "op", Reason: "later"}, at)
	})
}

// A version becomes live at its time by the log's time alone, for a new campaign and for one that is there.
func TestPublishAtATime(t *testing.T) {
	x := newTable(t)
	n := x.Namespaces()[0]
	x.wantCode("new", x.publishAt(simple(), start+1000), problem.OK)
	if p := n.Pending(); len(p) != 1 || p[0] != (Pending{"c", start + 1000, "op", "later"}) {
		t.Errorf("pending: %+v", p)
	}
	x.wantCode("before", x.draw("u", "1"), problem.CampaignNotFound)
	if due, ok := x.NextDue(); !ok || due != start+1000 {
		t.Errorf("due at start%+d", due-start)
	}
	x.now = start + 1500
	x.one(func(b *Batch) { b.AddTick() })
	recs := decodeAll(t, x.out.Records)
	if len(recs) != 1 || recs[0].Kind != RecordPublish || recs[0].At != start+1000 || string(recs[0].Actor) != "op" {
		t.Errorf("records: %+v", recs)
	}
	x.wantCode("after", x.draw("u", "2"), problem.OK)

	next := simple(func(v *Version) { v.Prizes[0].Value, v.Prizes[0].Stock = 5, StockUnstated })
	x.wantCode("second version", x.publishAt(next, start+5000), problem.OK)
	c, _ := x.CampaignByRef(1)
	x.now = start + 4999
	x.wantCode("with the first", x.draw("u", "3", func(d *Draw) { d.ExpectVersion = 1 }), problem.OK)
	x.now = start + 5000 // the draw itself brings the time
	x.wantCode("with the second", x.draw("u", "4", func(d *Draw) { d.ExpectVersion = 2 }), problem.OK)
	if c.Version().Number != 2 || len(n.Pending()) != 0 {
		t.Errorf("version %d, pending %+v", c.Version().Number, n.Pending())
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

func TestWithdrawn(t *testing.T) {
	x := newTable(t)
	withdraw := func() Result {
		return x.one(func(b *Batch) { b.AddWithdraw(&Withdraw{Namespace: 1, Campaign: "c", Actor: "op", Reason: "no"}) })
	}
	x.unchanged("nothing to withdraw", func() { x.wantCode("withdraw", withdraw(), problem.NotFound) })
	x.wantCode("publish", x.publishAt(simple(), start+1000), problem.OK)
	x.wantCode("withdraw", withdraw(), problem.OK)
	if recs := decodeAll(t, x.out.Records); len(recs) != 1 || recs[0].Kind != RecordPending || recs[0].Flags != PendingWithdrawn {
		t.Errorf("records: %+v", recs)
	}
	x.now = start + 2000
	x.wantCode("after its time", x.draw("u", "1"), problem.CampaignNotFound)
}

func TestPublishAtIsRefused(t *testing.T) {
	x := newTable(t)
	x.unchanged("what is wrong already", func() {
		x.wantCode("past", x.publishAt(simple(), start), problem.InvalidField)
		x.wantCode("after its end", x.publishAt(simple(), start+40*dayMilli), problem.InvalidField)
		x.wantCode("invalid", x.publishAt(simple(func(v *Version) { v.Denominator = 0 }), start+10), problem.InvalidCampaign)
		x.wantCode("namespace", x.one(func(b *Batch) { b.AddPublishAt(&Publish{Namespace: 9, Version: simple()}, start+10) }), problem.NamespaceNotFound)
	})
	x.wantCode("first", x.publishAt(simple(), start+1000), problem.OK)
	x.unchanged("a second for the same campaign", func() {
		x.wantCode("second", x.publishAt(simple(), start+2000), problem.Conflict)
	})
	// What is wrong only when its time comes is told by a record.
	x.wantCode("another version meanwhile", x.publish(simple(func(v *Version) { v.Prizes[0].Stock = 5 })), problem.OK)
	x.now = start + 1000
	x.one(func(b *Batch) { b.AddTick() })
	recs := decodeAll(t, x.out.Records)
	if len(recs) != 1 || recs[0].Kind != RecordPending || recs[0].Flags != PendingRefused || string(recs[0].Reason) != "stock_changed" {
		t.Errorf("records: %+v", recs)
	}
	for i := range MaxPending {
		x.wantCode("many", x.publishAt(simple(func(v *Version) { v.Campaign = userName(i) }), start+5000), problem.OK)
	}
	x.unchanged("one too many", func() {
		x.wantCode("too many", x.publishAt(simple(func(v *Version) { v.Campaign = "more" }), start+5000), problem.Capacity)
	})
}

// Batches and snapshots do not change what becomes live, nor in what order.
func TestPendingDependsOnTimeOnly(t *testing.T) {
	play := func(ticks, snapshot bool) [16]byte {
		x := newTable(t)
		x.wantCode("b", x.publishAt(simple(func(v *Version) { v.Campaign = "b" }), start+3000), problem.OK)
		x.wantCode("a", x.publishAt(dripping(func(v *Version) { v.Campaign = "a" }), start+3000), problem.OK)
		x.wantCode("c", x.publishAt(simple(), start+2000), problem.OK)
		if snapshot {
			var b bytes.Buffer
			if err := x.WriteSnapshot(&b); err != nil {
				t.Fatal(err)
			}
			x.Engine, _ = New(Options{Shards: 8})
			if err := x.ReadSnapshot(&b); err != nil {
				t.Fatal(err)
			}
		}
		for ticks && x.now < start+3500 {
			x.now += 333
			x.one(func(b *Batch) { b.AddTick() })
		}
		x.now = start + 4000
		x.one(func(b *Batch) { b.AddTick() })
		if c, _ := x.CampaignByRef(1); c.ID() != "c" {
			t.Errorf("the first to become live is %s", c.ID())
		}
		return x.StateHash()
	}
	want := play(false, false)
	if play(true, false) != want || play(false, true) != want || play(true, true) != want {
		t.Error("the states differ")
	}
}

func decodeAll(t *testing.T, b []byte) (all []Record) {
	t.Helper()
	for len(b) > 0 {
		var rec Record
		n, err := DecodeRecord(b, &rec)
		if err != nil {
			t.Fatal(err)
		}
		all, b = append(all, rec), b[n:]
	}
	return all
}
