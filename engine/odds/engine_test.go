package odds

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/drawd/drawd/engine"
)

// drawn makes n draws of one user with the real engine and returns the wins of each prize.
func drawn(t *testing.T, v *engine.Version, n int) []int {
	t.Helper()
	e, err := engine.New(engine.Options{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	var out engine.Outcome
	index := engine.LogIndex(0)
	apply := func(b *engine.Batch) {
		t.Helper()
		index++
		entry := engine.AppendEntryHeader(nil, &engine.EntryHeader{Stamp: 2_000, Count: uint32(b.Len())})
		if err := e.Apply(index, append(entry, b.Commands()...), &out); err != nil {
			t.Fatal(err)
		}
		for i, r := range out.Results {
			if r.Code != 0 {
				t.Fatalf("command %d: %v", i, r.Code)
			}
		}
	}
	v.Campaign, v.StartsAt, v.EndsAt = "odds", 1_000, 1_000_000
	var b engine.Batch
	b.AddInit(&engine.Init{Namespace: engine.NewNamespace{Name: "default", Secret: [16]byte{1}}})
	b.AddPublish(&engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{9})})
	apply(&b)
	wins := make([]int, len(v.Prizes))
	d := engine.Draw{Campaign: 1, UserID: []byte("u"), Times: 1}
	for from := 0; from < n; from += 1000 {
		b.Reset()
		for i := range 1000 {
			binary.LittleEndian.PutUint64(d.Digest[2:], uint64(from+i+1)*0x9E3779B97F4A7C15) // spread as a hash would be
			b.AddDraw(&d)
		}
		apply(&b)
		for _, at := range out.Offsets {
			var rec engine.Record
			if _, err := engine.DecodeRecord(out.Records[at:], &rec); err != nil {
				t.Fatal(err)
			}
			moves, _ := rec.Pity()
			for _, prize := range [...]int{rec.Prize, moves.Extra} {
				if prize != engine.NoPrize {
					wins[prize]++
				}
			}
		}
	}
	return wins
}

// What the engine gives is what this package computes: within five standard deviations, or nearer, as rows are more even
// than independent draws.
func TestAgainstTheEngine(t *testing.T) {
	extra := hard(version(100, 3, 30), 12, 0)
	extra.Pity[0].Extra = true
	gone := hard(version(100, 10, 4, 20, 30), 15, 1)
	gone.Prizes[0].Stock, gone.Prizes[0].Unavailable = 0, engine.OnRedistribute
	gone.Prizes[2].Stock, gone.Prizes[2].Unavailable = 0, engine.OnRedistribute
	gone.Boosts = []engine.Boost{{Prize: 0, Max: 3 * engine.FullPPM}, {Prize: 2, Max: 1_300_000}}
	fallback := version(100, 30, 10)
	fallback.Prizes[0].Stock, fallback.Prizes[0].Unavailable, fallback.Prizes[0].Fallback = 0, engine.OnFallback, 1
	for name, v := range map[string]*engine.Version{
		"hard":             hard(version(100, 1), 100, 0),
		"soft":             ramp(),
		"extra":            extra,
		"two":              hard(hard(version(100, 1, 5), 30, 0), 10, 1, 0),
		"sold out, shared": gone,
		"sold out":         fallback,
	} {
		const n = 100_000
		e := of(t, v, Options{SoldOut: func(prize int) bool { return v.Prizes[prize].Stock == 0 }})
		for i, got := range drawn(t, v, n) {
			share, _ := e.Prizes[i].Float64()
			if sigma := math.Sqrt(n * share * (1 - share)); math.Abs(float64(got)-n*share) > 5*sigma {
				t.Errorf("%s: prize %d was won %d times in %d draws, want %.0f ± %.0f", name, i, got, n, n*share, 5*sigma)
			}
		}
	}
}
