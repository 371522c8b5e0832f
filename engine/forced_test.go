package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

func (x *table) force(v *Version, reason string) Result {
	x.Helper()
	return x.one(func(b *Batch) {
		b.AddPublish(&Publish{Namespace: 1, Version: v, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7}), Actor: "ann", Reason: reason})
	})
}

func TestForcedVersions(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple())
	worse := func(weight uint32) *Version {
		return simple(func(v *Version) { v.Prizes[0].Weight, v.Prizes[0].Stock = weight, StockUnstated })
	}
	x.wantCode("alone, while nobody asks for approvals", x.force(worse(50), ForcedPrefix+"a slip"), problem.OK)
	if f := c.Forced(); len(f) != 1 || f[0] != (ForcedVersion{2, x.now, "a slip"}) {
		t.Errorf("%+v", f)
	}
	x.approvals(1)
	asked := x.force(worse(40), ForcedPrefix+"another slip")
	if asked.Code != problem.OK || !asked.Pending || c.Version().Number != 2 {
		t.Fatalf("%+v", asked)
	}
	x.unchanged("what must not be", func() {
		x.wantCode("who asks", x.answerTo(asked, "ann"), problem.Forbidden)
		x.wantCode("what cannot be published", x.force(simple(func(v *Version) { v.Prizes[0].Stock = 7 }), ForcedPrefix+"x"), problem.StockChanged)
	})
	x.reload()
	c, _ = x.CampaignByRef(1)
	done := x.answerTo(asked, "bob")
	x.wantCode("approved", done, problem.OK)
	if f := c.Forced(); len(f) != 2 || f[1].Number != 3 || f[1].Reason != "another slip" || c.Version().Prizes[0].Weight != 40 {
		t.Errorf("%+v, live %+v", f, c.Version())
	}
	x.reload()
	c, _ = x.CampaignByRef(1)
	if len(c.Forced()) != 2 {
		t.Error("forgotten")
	}
	// What was compared with another live version is not approved any more.
	asked = x.force(worse(30), ForcedPrefix+"x")
	x.wantCode("what favours users waits for nobody", x.force(worse(60), ""), problem.OK)
	x.unchanged("an approval of what was compared before", func() { x.wantCode("approve", x.answerTo(asked, "bob"), problem.NotFound) })
}

// By force at a time is by force.
func TestForcedAtATime(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple())
	x.approvals(1)
	v := simple(func(v *Version) { v.Prizes[0].Weight, v.Prizes[0].Stock = 50, StockUnstated })
	asked := x.one(func(b *Batch) {
		b.AddPublishAt(&Publish{Namespace: 1, Version: v, SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7}), Actor: "ann", Reason: ForcedPrefix + "x"}, x.now+hourMilli)
	})
	if !asked.Pending {
		t.Fatalf("%+v", asked)
	}
	x.now += hourMilli / 2
	x.wantCode("approved", x.answerTo(asked, "bob"), problem.OK)
	x.now += hourMilli
	x.one(func(b *Batch) { b.AddTick() })
	if c.Version().Number != 2 || len(c.Forced()) != 1 {
		t.Errorf("live %d, forced %+v", c.Version().Number, c.Forced())
	}
}
