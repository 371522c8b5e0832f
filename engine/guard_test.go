package engine

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// guarded is a campaign that is won by every draw, under a guard.
func guarded(g Guard, edit ...func(v *Version)) *Version {
	return simple(append([]func(v *Version){func(v *Version) { v.Guard = &g }}, edit...)...)
}

// wins draws n times in one entry, each time another user, and returns how many were decided before the first denial as
// paused; everything behind that must be denied too.
func (x *table) wins(n int, edit ...func(d *Draw)) (given int) {
	x.Helper()
	var b Batch
	for range n {
		x.arrived++
		d := x.request(userName(x.arrived), "k", edit...)
		b.AddDraw(&d)
	}
	for i, r := range x.apply(&b) {
		switch {
		case r.Code == problem.OK && given == i:
			given++
		case r.Code != problem.Paused:
			x.Errorf("draw %d of %d: %v", i, n, r.Code)
		}
	}
	return given
}

// last decodes the last record of the last entry.
func (x *table) last() (rec Record) {
	x.Helper()
	if _, err := DecodeRecord(x.out.Records[x.out.Offsets[len(x.out.Offsets)-1]:], &rec); err != nil {
		x.Fatal(err)
	}
	return rec
}

// The win that reaches the limit is given and the next draw is denied: in the same entry or another, in long runs under
// all locks too. What was decided before is answered again.
func TestGuardTripsAtItsLimit(t *testing.T) {
	for _, limit := range []int{1, 3, 130} {
		for _, per := range []int{1, 2, 300} {
			x := newTable(t)
			c := x.mustPublish(guarded(Guard{Wins: uint64(limit)}))
			given := 0
			for range 300 / per {
				given += x.wins(per)
				if c.Status(x.now) == StatusPaused {
					break
				}
			}
			if given != limit || c.Status(x.now) != StatusPaused {
				t.Fatalf("limit %d, entries of %d: %d wins, then %v", limit, per, given, c.Status(x.now))
			}
			rec := x.last()
			want := fmt.Sprintf("wins: %d in a minute, limit %d", limit, limit)
			if rec.Kind != RecordControl || string(rec.Name) != "pause" || string(rec.Actor) != GuardActor || string(rec.Reason) != want || rec.Version != 1 || rec.At != x.now {
				t.Errorf("recorded as %d %s %q %q", rec.Kind, rec.Name, rec.Actor, rec.Reason)
			}
			if r := x.draw("u1", "k"); r.Code != problem.OK || !r.Replayed {
				t.Errorf("a key is answered with %v", r.Code)
			}
			if err := x.CheckInvariants(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A request is finished as it was begun, and answered with its own records only.
func TestGuardFinishesTheRequest(t *testing.T) {
	x := newTable(t)
	c := x.mustPublish(guarded(Guard{Wins: 3}))
	epoch := c.epoch.Load()
	r := x.draw("a", "k", times(5))
	if c.epoch.Load() == epoch {
		t.Error("draws that looked before would not look again")
	}
	if r.Code != problem.OK || r.Records != 5 || len(x.records(r)) != 5 || len(x.out.Offsets) != 6 || len(x.out.Wins) != 5 {
		t.Fatalf("%+v, %d records", r, len(x.out.Offsets))
	}
	if rec := x.last(); string(rec.Reason) != "wins: 5 in a minute, limit 3" {
		t.Errorf("recorded as %q", rec.Reason)
	}
	x.wantCode("the next draw", x.draw("b", "k"), problem.Paused)
}

// Minutes are of log time. A resume starts a new count.
func TestGuardCountsOneMinute(t *testing.T) {
	x := newTable(t)
	x.mustPublish(guarded(Guard{Wins: 3}))
	x.now = start + 59_999
	if n := x.wins(2); n != 2 {
		t.Fatal(n)
	}
	x.now++ // another minute
	if n := x.wins(2); n != 2 {
		t.Errorf("%d wins: the minute before counts", n)
	}
	x.now = start + 119_999 // the same
	if n := x.wins(2); n != 1 {
		t.Errorf("%d wins of one that was left", n)
	}
	x.wantCode("resume", x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionResume, Actor: "op"}) }), problem.OK)
	if n := x.wins(5); n != 3 {
		t.Errorf("%d wins after a resume", n)
	}
}

// Cash counts with what was paid; points and misses do not.
func TestGuardCountsCash(t *testing.T) {
	x := newTable(t)
	x.mustPublish(guarded(Guard{Amount: 100}, func(v *Version) {
		v.Prizes[0] = Prize{ID: "packet", Kind: KindCash, Weight: 100, Stock: 1000, Units: 1, Amount: 40, Fallback: -1, Slot: -1}
	}))
	if n := x.wins(9); n != 3 {
		t.Errorf("%d packets of 40 under a limit of 100", n)
	}
	if rec := x.last(); string(rec.Reason) != "amount: 120 in a minute, limit 100" {
		t.Errorf("recorded as %q", rec.Reason)
	}
	y := newTable(t)
	y.mustPublish(guarded(Guard{Wins: 2}, func(v *Version) { v.Prizes[0].Weight = 0 }))
	if n := y.wins(9); n != 9 {
		t.Errorf("%d misses", n)
	}
}

// A version goes on counting, or drops the guard. The last of the stock ends a campaign and does not pause it.
func TestGuardOverVersions(t *testing.T) {
	x := newTable(t)
	x.mustPublish(guarded(Guard{Wins: 10}))
	x.wins(4)
	x.mustPublish(guarded(Guard{Wins: 6}, func(v *Version) { v.Prizes[0].Stock = StockUnstated }))
	if n := x.wins(9); n != 2 {
		t.Errorf("%d wins of the two that were left", n)
	}
	x.one(func(b *Batch) { b.AddControl(&Control{Campaign: 1, Action: ActionResume, Actor: "op"}) })
	x.mustPublish(simple(func(v *Version) { v.Prizes[0].Stock = StockUnstated }))
	if n := x.wins(9); n != 9 {
		t.Errorf("%d wins without a guard", n)
	}
	y := newTable(t)
	y.mustPublish(guarded(Guard{Wins: 3}, func(v *Version) { v.Prizes[0].Stock, v.Exhausted = 3, End }))
	for _, want := range []problem.Code{problem.OK, problem.OK, problem.OK, problem.Ended} {
		y.arrived++
		y.wantCode("draw", y.draw(userName(y.arrived), "k"), want)
	}
}

// What a guard does depends neither on entries nor on a restore in the middle of its minute.
func TestGuardDoesNotDependOnEntries(t *testing.T) {
	var first []byte
	var hash [16]byte
	for run, per := range []int{1, 7, 240, 60} {
		x := newTable(t)
		x.mustPublish(guarded(Guard{Wins: 50}, func(v *Version) { v.Prizes[0].Weight = 40 }))
		var seen bytes.Buffer
		for from := 0; from < 240; from += per {
			if run == 3 && from == 60 {
				x.Engine = reload(t, x.Engine)
			}
			var b Batch
			for i := range min(per, 240-from) {
				d := x.request(userName((from+i)%9), fmt.Sprint("k", from+i), times(uint8(1+(from+i)%3)))
				b.AddDraw(&d)
			}
			for _, r := range x.apply(&b) {
				fmt.Fprintln(&seen, r.Code)
				for _, rec := range x.records(r) {
					fmt.Fprintln(&seen, rec.DrawNumber, rec.Word, rec.Prize, rec.Seq, rec.StockAfter)
				}
			}
		}
		x.one(func(b *Batch) { b.AddTick() })
		if run == 0 {
			first, hash = seen.Bytes(), x.StateHash()
			if !bytes.Contains(first, []byte(problem.Paused.String())) {
				t.Fatal("it never tripped")
			}
			continue
		}
		if !bytes.Equal(first, seen.Bytes()) || x.StateHash() != hash {
			t.Errorf("entries of %d give something else", per)
		}
	}
}

// As a library: however many callers draw at once, nothing is given beyond the limit.
func TestGuardOfTheLibrary(t *testing.T) {
	x := newTable(t)
	x.Engine, _ = New(Options{Shards: 8})
	var b Batch
	b.AddInit(&Init{IDKey: [16]byte{2}, Namespace: NewNamespace{Name: "default", Secret: [16]byte{3}}})
	b.AddPublish(&Publish{Namespace: 1, Version: guarded(Guard{Wins: 300}), SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7})})
	if err := x.Decide(&b, start); err != nil {
		t.Fatal(err)
	}
	var given, denied atomic.Int64
	var all sync.WaitGroup
	for w := range 6 {
		all.Go(func() {
			var b Batch
			for i := range 100 {
				d := x.request(fmt.Sprint("w", w), fmt.Sprint(i))
				b.Reset()
				b.AddDraw(&d)
				if err := x.Decide(&b, start+1); err != nil {
					t.Error(err)
					return
				}
				switch b.Results[0].Code {
				case problem.OK:
					given.Add(1)
				case problem.Paused:
					denied.Add(1)
				}
			}
		})
	}
	all.Wait()
	if given.Load() != 300 || denied.Load() != 300 {
		t.Errorf("%d given, %d denied", given.Load(), denied.Load())
	}
	if err := x.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// A guard that cannot be is refused, and changes nothing.
func TestGuardIsRefused(t *testing.T) {
	x := newTable(t)
	x.mustPublish(guarded(Guard{Wins: 3}))
	for _, g := range []Guard{{}, {Wins: MaxStock + 1}, {Amount: -1}, {Amount: MaxAmount + 1}, {Amount: 5}, {Wins: 1, Then: guardActs}} {
		x.unchanged(fmt.Sprint(g), func() {
			v := guarded(g)
			if v.Validate() == nil {
				t.Errorf("%+v is valid", g)
			}
			code, err := x.Namespaces()[0].CheckPublish(v, x.now)
			if code != problem.InvalidCampaign || err == nil {
				t.Errorf("%+v: %v %v", g, code, err)
			}
		})
	}
}
