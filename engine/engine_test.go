package engine

import (
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

func TestBenchCampaignDecides(t *testing.T) {
	x := newBencher(t, 1000, 0)
	var batch Batch
	var out Outcome
	x.entry(&batch, 256)
	if err := x.engine.Apply(2, entryOf(&batch, 3_000), &out); err != nil {
		t.Fatal(err)
	}
	wins := 0
	for i, r := range out.Results {
		if r.Code != problem.OK || r.Replayed || r.Records != 1 {
			t.Fatalf("draw %d: %+v", i, r)
		}
		var rec Record
		if _, err := DecodeRecord(out.Records[r.Offset:r.Offset+r.Length], &rec); err != nil {
			t.Fatal(err)
		}
		if rec.Prize != NoPrize {
			wins++
		}
	}
	if wins < 80 || wins > 176 {
		t.Errorf("%d of 256 won, half of them should", wins)
	}
	first := append([]byte(nil), out.Records...)
	if err := x.engine.Apply(3, entryOf(&batch, 3_500), &out); err != nil {
		t.Fatal(err)
	}
	for i, r := range out.Results {
		if !r.Replayed || r.At.Index != 2 || int(r.At.Ordinal) != i {
			t.Fatalf("replay of draw %d: %+v", i, r)
		}
	}
	_ = first
	if err := x.engine.CheckInvariants(); err != nil {
		t.Error(err)
	}
}
