package oracle

import (
	"math"
	"math/big"
	"testing"
)

// exactAtLeast sums the binomial distribution with rational numbers.
func exactAtLeast(n, hits, num, den int64) float64 {
	p, q := big.NewRat(num, den), big.NewRat(den-num, den)
	sum := new(big.Rat)
	for k := hits; k <= n; k++ {
		term := new(big.Rat).SetInt(new(big.Int).Binomial(n, k))
		for range k {
			term.Mul(term, p)
		}
		for range n - k {
			term.Mul(term, q)
		}
		sum.Add(sum, term)
	}
	f, _ := sum.Float64()
	return f
}

func TestTailsAreExact(t *testing.T) {
	for _, row := range []struct{ n, hits, num, den int64 }{
		{1, 1, 1, 1000}, {5, 0, 1, 2}, {5, 5, 1, 2}, {5, 3, 1, 2}, {40, 1, 1, 100}, {40, 9, 1, 100}, {60, 45, 1, 2}, {60, 15, 1, 2}, {80, 79, 9, 10},
	} {
		p := float64(row.num) / float64(row.den)
		want := exactAtLeast(row.n, row.hits, row.num, row.den)
		if got := AtLeast(uint64(row.n), uint64(row.hits), p); !near(got, want) {
			t.Errorf("AtLeast(%+v) = %g, want %g", row, got, want)
		}
		wantMost := 1 - exactAtLeast(row.n, row.hits+1, row.num, row.den)
		if got := AtMost(uint64(row.n), uint64(row.hits), p); !near(got, wantMost) && math.Abs(got-wantMost) > 1e-13 {
			t.Errorf("AtMost(%+v) = %g, want %g", row, got, wantMost)
		}
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b)) }

func TestWithinOdds(t *testing.T) {
	for _, row := range []struct {
		name    string
		n, hits uint64
		p       float64
		want    bool
	}{
		{"expected", 1_000_000, 200_000, 0.2, true},
		{"6.9 sigma above", 1_000_000, 202_760, 0.2, true},
		{"7.1 sigma above", 1_000_000, 202_840, 0.2, false},
		{"7.1 sigma below", 1_000_000, 197_160, 0.2, false},
		{"ten million, 7.1 sigma", 10_000_000, 5_011_226, 0.5, false},
		{"ten million, 6.9 sigma", 10_000_000, 5_010_910, 0.5, true},
		{"a rare prize, one hit in few draws", 100, 1, 1e-5, true},
		{"a rare prize, two hits in few draws: 6 sigma of a normal, but likely enough", 10_000, 2, 1e-5, true},
		{"a rare prize, eight hits where 0.1 are expected", 10_000, 8, 1e-5, false},
		{"a rare prize never hit", 200_000, 0, 5e-5, true},
		{"a common prize never hit", 600_000, 0, 5e-5, false},
		{"no weight, no hit", 1000, 0, 0, true},
		{"no weight, one hit", 1000, 1, 0, false},
		{"all the weight", 1000, 1000, 1, true},
		{"all the weight, one short", 1000, 999, 1, false},
		{"more hits than draws", 5, 6, 0.5, false},
		{"no draws", 0, 0, 0.5, true},
	} {
		if got := WithinOdds(row.n, row.hits, row.p); got != row.want {
			t.Errorf("%s: WithinOdds(%d, %d, %g) = %v; tails %g %g", row.name, row.n, row.hits, row.p, got, AtLeast(row.n, row.hits, row.p), AtMost(row.n, row.hits, row.p))
		}
	}
}
