package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// As a library, many goroutines draw while sessions turn and units are released: nothing is given twice, and the same
// commands in the order of their positions give the same state.
func TestLibraryOverTurningSessions(t *testing.T) {
	version := func() *Version {
		return rounds(func(v *Version) {
			v.Sets[0][0].Stock, v.Sets[1][0].Stock, v.Prizes[1].Stock = 60, 40, 30
			v.Schedules = []Schedule{{Windows: []ReleaseWindow{{open, open + 4*hourMilli, 5}}}}
			v.Releases = []Release{{0, 0}}
		})
	}
	setup := func() *table {
		x := newTable(t)
		x.Engine, _ = New(Options{Shards: 8})
		var b Batch
		b.AddInit(&Init{IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
		b.AddPublish(&Publish{Namespace: 1, Version: version(), SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
		if err := x.Decide(&b, start); err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := setup()
	const turns = 150
	var acts []act
	for i := range turns { // nobody's clock runs away
		now := open - hourMilli/4 + UnixMilli(i)*5*hourMilli/turns
		acts = append(acts, x.together(1, func(b *Batch, _ *rand.Rand, w, _ int) UnixMilli {
			d := x.request(userName(w), fmt.Sprint(i))
			b.AddDraw(&d)
			return now
		})...)
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
	sortBy(acts, func(a, b act) bool { return a.result.At.Less(b.result.At) })
	again := setup()
	for i, a := range acts {
		if i > 0 && acts[i-1].result.At.Index == a.result.At.Index {
			t.Fatalf("two draws at index %d", a.result.At.Index)
		}
		b := Batch{commands: a.commands, count: 1}
		if err := again.Decide(&b, a.at); err != nil {
			t.Fatal(err)
		}
		var was, is Record
		if _, err := DecodeRecord(a.records[a.result.Offset:], &was); err != nil {
			t.Fatal(err)
		}
		if r := b.Results[0]; r.Code != problem.OK {
			t.Fatalf("draw %d was decided and is now refused: %v", i, r.Code)
		} else if _, err := DecodeRecord(b.Records[r.Offset:], &is); err != nil || is.Prize != was.Prize || is.Session != was.Session || is.Cause != was.Cause || is.Seq != was.Seq {
			t.Fatalf("draw %d was %+v and is now %+v (%v)", i, was, is, err)
		}
	}
	if len(acts) < 200 {
		t.Errorf("%d draws were decided", len(acts))
	}
	_, first := x.mustCampaign().Stock()
	_, second := again.mustCampaign().Stock()
	for i := range first {
		if first[i].Issued != second[i].Issued {
			t.Errorf("books %+v, replayed %+v", first[i], second[i])
		}
	}
}

func (x *table) mustCampaign() *Campaign {
	c, ok := x.CampaignByRef(1)
	if !ok {
		x.Fatal("no campaign")
	}
	return c
}
