package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// from publishes a version that was compared with a live one.
func (x *table) from(expect uint32, v *Version, edit ...func(c *Publish)) Result {
	x.Helper()
	return x.one(func(b *Batch) { b.AddPublish(x.compared(expect, v, edit...)) })
}

func (x *table) compared(expect uint32, v *Version, edit ...func(c *Publish)) *Publish {
	c := &Publish{Namespace: 1, Version: v, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7}), Actor: "op", Expect: expect}
	for _, f := range edit {
		f(c)
	}
	return c
}

func valued(value int64) *Version {
	return simple(func(v *Version) { v.Prizes[0].Value, v.Prizes[0].Stock = value, StockUnstated })
}

// What was compared with one live version is not published over another.
func TestPublishExpectsALiveVersion(t *testing.T) {
	x := newTable(t)
	x.unchanged("nothing is live", func() { x.wantCode("expects 1", x.from(1, simple()), problem.VersionConflict) })
	x.wantCode("new", x.from(NoVersion, simple()), problem.OK)
	x.unchanged("new again", func() {
		if r := x.from(NoVersion, valued(2)); r.Code != problem.VersionConflict || r.Value != 1 {
			t.Errorf("%+v", r)
		}
	})
	x.wantCode("expects 1", x.from(1, valued(2)), problem.OK)
	x.unchanged("another is live", func() {
		if r := x.from(1, valued(3)); r.Code != problem.VersionConflict || r.Value != 2 || r.Records != 0 {
			t.Errorf("%+v", r)
		}
		if r := x.from(1, valued(2)); r.Code != problem.OK || !r.AlreadyLive || r.Value != 2 {
			t.Errorf("sent again: %+v", r)
		}
		x.wantCode("at a time", x.one(func(b *Batch) { b.AddPublishAt(x.compared(1, valued(3)), x.now+1000) }), problem.VersionConflict)
	})
	x.wantCode("compared with nothing", x.from(0, valued(3)), problem.OK)
	x.approvals(1)
	forced := func(c *Publish) { c.Reason = ForcedPrefix + "x" }
	x.unchanged("by force", func() { x.wantCode("expects 2", x.from(2, valued(4), forced), problem.VersionConflict) })
	asked := x.from(3, valued(4), forced)
	if !asked.Pending {
		t.Fatalf("asked: %+v", asked)
	}
	x.reload()
	x.wantCode("approved", x.answerTo(asked, "bob"), problem.OK)
	if c, _ := x.CampaignByRef(1); c.Version().Number != 4 {
		t.Errorf("live %d", c.Version().Number)
	}
}

// A version that waits for its time and was compared with one that is live no more does not become live: it goes, and a
// record says why, also through a snapshot.
func TestPendingExpectsALiveVersion(t *testing.T) {
	for _, reload := range []bool{false, true} {
		x := newTable(t)
		x.mustPublish(simple())
		x.wantCode("later", x.one(func(b *Batch) { b.AddPublishAt(x.compared(1, valued(2)), start+5000) }), problem.OK)
		x.wantCode("meanwhile", x.from(1, valued(3)), problem.OK)
		if reload {
			x.reload()
		}
		x.now = start + 5000
		x.one(func(b *Batch) { b.AddTick() })
		recs := decodeAll(t, x.out.Records)
		if len(recs) != 1 || recs[0].Kind != RecordPending || recs[0].Flags != PendingRefused || string(recs[0].Reason) != "version_conflict" || string(recs[0].Name) != "c" {
			t.Errorf("records: %+v", recs)
		}
		c, _ := x.CampaignByRef(1)
		if c.Version().Number != 2 || len(x.Namespaces()[0].Pending()) != 0 {
			t.Errorf("live %d, pending %+v", c.Version().Number, x.Namespaces()[0].Pending())
		}
		// What is still compared with the live one goes on as ever.
		x.wantCode("again", x.one(func(b *Batch) { b.AddPublishAt(x.compared(2, valued(2)), start+9000) }), problem.OK)
		if reload {
			x.reload()
		}
		x.now = start + 9000
		x.one(func(b *Batch) { b.AddTick() })
		if c, _ = x.CampaignByRef(1); c.Version().Number != 3 {
			t.Errorf("live %d", c.Version().Number)
		}
	}
}
