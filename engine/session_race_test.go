package engine

import (
	"fmt"
	"sync"
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
	const workers, each = 8, 150
	all := make([][]decided, workers)
	for i := range each { // in rounds, so that nobody's clock runs away
		now := open - hourMilli/4 + UnixMilli(i)*5*hourMilli/each
		var wg sync.WaitGroup
		for w := range workers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				d := x.request(userName(w), fmt.Sprint(i))
				var b Batch
				b.AddDraw(&d)
				if err := x.Decide(&b, now); err != nil {
					t.Error(err)
				} else if r := b.Results[0]; r.Code == problem.OK {
					all[w] = append(all[w], decided{d, b.Time, r, append([]byte(nil), b.Records[r.Offset:r.Offset+r.Length]...)})
				}
			}()
		}
		wg.Wait()
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
	byIndex := make(map[LogIndex]decided)
	var last LogIndex
	for _, some := range all {
		for _, d := range some {
			if _, twice := byIndex[d.r.At.Index]; twice {
				t.Fatalf("two draws at index %d", d.r.At.Index)
			}
			byIndex[d.r.At.Index] = d
			last = max(last, d.r.At.Index)
		}
	}
	again, replayed := setup(), 0
	for i := LogIndex(1); i <= last; i++ {
		d, ok := byIndex[i]
		if !ok {
			continue // a tick, or a command of the set-up
		}
		var b Batch
		b.AddDraw(&d.draw)
		if err := again.Decide(&b, d.at); err != nil {
			t.Fatal(err)
		}
		var was, is Record
		if _, err := DecodeRecord(d.recs, &was); err != nil {
			t.Fatal(err)
		}
		if r := b.Results[0]; r.Code != problem.OK {
			t.Fatalf("draw %d was decided and is now refused: %v", i, r.Code)
		} else if _, err := DecodeRecord(b.Records[r.Offset:], &is); err != nil || is.Prize != was.Prize || is.Session != was.Session || is.Cause != was.Cause || is.Seq != was.Seq {
			t.Fatalf("draw %d was %+v and is now %+v (%v)", i, was, is, err)
		}
		replayed++
	}
	if replayed < 200 {
		t.Errorf("%d draws were decided", replayed)
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
