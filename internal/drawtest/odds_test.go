package drawtest

import (
	"math"
	"testing"

	"github.com/drawd/drawd/engine"
)

// TestOdds makes a million draws (DRAWTEST_DRAWS says how many) in campaigns of very different odds and holds every
// prize, and the miss, to its exact probability: within five standard deviations of a binomial.
func TestOdds(t *testing.T) {
	draws := fromEnvironment(t, "DRAWTEST_DRAWS", 1_000_000)
	wheels := [][]uint32{ // denominator, then weights
		{1_000_000, 50, 200_000, 100_000, 1, 333_333},
		{engine.MaxDenominator, 1, 999, 499_999_999, 250_000_000},
		{7, 1, 2, 3},
		{10, 3, 3, 4},
	}
	for _, w := range wheels {
		n := draws / len(wheels)
		wins := spin(t, w[0], w[1:], n)
		left := w[0]
		for i, weight := range w[1:] {
			left -= weight
			within(t, n, wins[i], weight, w[0])
		}
		within(t, n, wins[len(w)-1], left, w[0])
	}
}

// within holds a count against its binomial distribution. Below a handful of expected wins the distribution is not
// normal, so a few more are let through.
func within(t *testing.T, n, wins int, weight, denominator uint32) {
	t.Helper()
	p := float64(weight) / float64(denominator)
	expected := float64(n) * p
	sigma := math.Sqrt(expected * (1 - p))
	if off := math.Abs(float64(wins) - expected); off > 5*sigma+5 || weight == 0 && wins > 0 {
		t.Errorf("weight %d of %d: %d wins in %d draws, want %.1f ± %.1f (5 sigma)", weight, denominator, wins, n, expected, 5*sigma)
	} else {
		t.Logf("weight %9d of %10d: %8d wins, want %10.1f: %.2f sigma", weight, denominator, wins, expected, off/max(sigma, 1))
	}
}

// spin makes n draws, each by a user of his own, and returns the wins by prize; the last is the miss. The reference
// picks every thousandth prize again.
func spin(t *testing.T, denominator uint32, weights []uint32, n int) []int {
	t.Helper()
	at := instant("2026-11-11T00:00:00Z")
	a := start(t, 64, at)
	v := &engine.Version{Campaign: "odds", Transitions: zones[0], StartsAt: at, EndsAt: at + day, Denominator: denominator}
	for i, weight := range weights {
		v.Prizes = append(v.Prizes, engine.Prize{ID: string(rune('a' + i)), Weight: weight, Stock: engine.Unlimited, Units: 1, Fallback: -1, Slot: -1})
	}
	seed := [16]byte(hashed("odds", denominator))
	publish := Command{Publish: &engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed(ClusterKey, [12]byte{}, seed)}}
	if _, err := a.Apply(at, &publish); err != nil {
		t.Fatal(err)
	}
	wins := make([]int, len(weights)+1)
	for from := 0; from < n; from += 1000 {
		crowd := min(1000, n-from)
		a.batch.Reset()
		for i := range crowd {
			user := hashed("player", from+i)
			a.batch.AddDraw(&engine.Draw{Campaign: 1, User: user, UserID: []byte("u"), Digest: digest(user, from+i), Times: 1})
		}
		if err := a.applyBatch(at + 1); err != nil {
			t.Fatal(err)
		}
		for i, offset := range a.out.Offsets {
			var rec engine.Record
			if _, err := engine.DecodeRecord(a.out.Records[offset:], &rec); err != nil {
				t.Fatal(err)
			}
			wins[(rec.Prize+len(wins))%len(wins)]++
			word, prize := rec.Word, rec.Prize
			if i == 0 {
				word, prize = pick(v.Denominator, weightsOf(v), seed, hashed("player", from), 1, rec.Digest)
			}
			if word != rec.Word || prize != rec.Prize || prize != rec.Natural {
				t.Fatalf("draw %d: word %x prize %d, want word %x prize %d", from+i, rec.Word, rec.Prize, word, prize)
			}
		}
	}
	return wins
}
