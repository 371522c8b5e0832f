package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// After a restore the cluster is another one, and every campaign that is not over waits for somebody to resume it.
func TestRestoredPausesEverything(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(simple())
	x.mustPublish(simple(func(v *Version) { v.Campaign = "second" }))
	x.mustPublish(simple(func(v *Version) { v.Campaign = "over" }))
	var b Batch
	b.AddControl(&Control{Campaign: 2, Action: ActionPause, Actor: "ann"})
	b.AddControl(&Control{Campaign: 3, Action: ActionEnd, Actor: "ann"})
	x.apply(&b)
	x.draw("u", "1")
	b.Reset()
	b.AddRestored(&Restored{Cluster: [16]byte{1, 2, 3}, Reason: "restored from a backup"})
	golden(t, "restored-command", b.Commands())
	r := x.apply(&b)[0]
	if r.Code != problem.OK || r.Value != 1 || x.ClusterID() != [16]byte{1, 2, 3} {
		t.Fatalf("%+v, cluster %x", r, x.ClusterID())
	}
	var rec Record
	if n, err := DecodeRecord(x.out.Records, &rec); err != nil || n != len(x.out.Records) || rec.Kind != RecordControl || rec.Campaign != c.Ref() ||
		string(rec.Name) != "pause" || string(rec.Actor) != "restore" || string(rec.Reason) != "restored from a backup" {
		t.Errorf("%+v, %v", rec, err)
	}
	x.wantCode("a draw", x.draw("u", "2"), problem.Paused)
	if first := x.draw("u", "1"); !first.Replayed {
		t.Errorf("what was decided before is told again: %+v", first)
	}
	x.unchanged("the same again", func() {
		if r := x.apply(&b)[0]; !r.AlreadyLive {
			t.Errorf("%+v", r)
		}
	})
	b.Reset()
	b.AddControl(&Control{Campaign: c.Ref(), Action: ActionResume, Actor: "ann"})
	x.apply(&b)
	x.wantCode("a draw after the campaign was confirmed", x.draw("u", "2"), problem.OK)
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
	empty, _ := New(Options{Shards: 1})
	b.Reset()
	b.AddRestored(&Restored{Cluster: [16]byte{1}})
	var out Outcome
	if err := empty.Apply(1, entryOf(&b, start), &out); err != nil || out.Results[0].Code != problem.Conflict {
		t.Errorf("before there is a cluster: %+v, %v", out.Results, err)
	}
}
