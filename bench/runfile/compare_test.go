package runfile

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestMannWhitney(t *testing.T) {
	for _, row := range []struct {
		name string
		a, b []float64
		want float64
	}{
		// All of b above all of a: 2 of the 70 orders are as far out.
		{"apart", []float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}, 2.0 / 70},
		{"apart, the other way", []float64{5, 6, 7, 8}, []float64{1, 2, 3, 4}, 2.0 / 70},
		{"three a side", []float64{1, 2, 3}, []float64{4, 5, 6}, 2.0 / 20},
		// U = 1: 2 of 20 orders on each side.
		{"one pair crossed", []float64{1, 2, 4}, []float64{3, 5, 6}, 4.0 / 20},
		{"mixed", []float64{1, 4}, []float64{2, 3}, 1},
		{"five and six", []float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10, 11}, 2.0 / 462},
		{"all equal", []float64{7, 7, 7, 7}, []float64{7, 7, 7, 7}, 1},
		{"none", nil, []float64{1}, 1},
	} {
		if got := mannWhitney(row.a, row.b); !near(got, row.want) {
			t.Errorf("%s: %.6f, want %.6f", row.name, got, row.want)
		}
	}
	// With ties: U = 2 of 16, mean 8, variance 12 − the ties' share; by hand 1.7542 deviations.
	a, b := []float64{1, 2, 2, 3}, []float64{3, 4, 4, 5}
	if got := mannWhitney(a, b); got < 0.02 || got > 0.06 || !near(got, mannWhitney(b, a)) {
		t.Errorf("ties: %.4f and %.4f", got, mannWhitney(b, a))
	}
}

// The exact counts are those of all orders, one by one.
func TestMannWhitneyCountsAllOrders(t *testing.T) {
	for n := 1; n <= 4; n++ {
		for m := 1; m <= 5; m++ {
			want := make([]float64, n*m+1)
			for set := range 1 << (n + m) {
				u, ofA, ofB := 0, 0, 0
				for i := range n + m {
					if set>>i&1 == 1 {
						ofA++
						u += ofB
					} else {
						ofB++
					}
				}
				if ofA == n {
					want[u]++
				}
			}
			if got := mannWhitneyCounts(n, m); !slices.Equal(got, want) {
				t.Errorf("%d and %d: %v, want %v", n, m, got, want)
			}
		}
	}
}

func TestSignedRanks(t *testing.T) {
	up := []float64{110, 121, 133, 146, 161, 177}
	a := []float64{100, 109, 118, 127, 136, 145}
	for _, row := range []struct {
		name string
		a, b []float64
		want float64
	}{
		{"six of six up", a, up, 2.0 / 64}, {"and down", up, a, 2.0 / 64}, {"five", a[:5], up[:5], 2.0 / 32}, {"no difference", a, a, 1},
		// The smallest of four goes the other way: 2 sums of 16 are at most 1 on each side.
		{"one of four", []float64{100, 100, 100, 100}, []float64{99, 110, 130, 150}, 4.0 / 16},
	} {
		if got := signedRanks(row.a, row.b); !near(got, row.want) {
			t.Errorf("%s: %.6f, want %.6f", row.name, got, row.want)
		}
	}
}

func TestLeastChance(t *testing.T) {
	for _, row := range []struct {
		n, m   int
		paired bool
		want   float64
	}{{4, 4, false, 2.0 / 70}, {3, 3, false, 0.1}, {1, 1, false, 1}, {6, 6, true, 2.0 / 64}, {5, 5, true, 2.0 / 32}, {1, 1, true, 1}} {
		if got := leastChance(row.n, row.m, row.paired); !near(got, row.want) {
			t.Errorf("%+v: %.4f", row, got)
		}
	}
}

func runsOf(p99 ...int64) []*Run {
	var all []*Run
	for _, v := range p99 {
		r := sampleRun()
		r.Latency[0].P99 = v
		r.Rates[0].Mean = 1e9 / float64(v)
		r.Close()
		all = append(all, r)
	}
	return all
}

func rowOf(t *testing.T, c *Comparison, metric string) Row {
	t.Helper()
	for _, r := range c.Rows {
		if r.Metric == metric {
			return r
		}
	}
	t.Fatalf("no %s", metric)
	return Row{}
}

func TestCompare(t *testing.T) {
	slow, fast := runsOf(5000, 5100, 5200, 5300, 5400), runsOf(4000, 4100, 4200, 4300, 4400)
	c, err := Compare(slow, fast, false)
	if err != nil {
		t.Fatal(err)
	}
	if r := rowOf(t, c, "p99"); r.Says != IsBetter || !near(r.Chance, 2.0/252) || r.A.Median != 5200 || r.B.Max != 4400 || math.Abs(r.Change+0.1923) > 0.001 {
		t.Errorf("p99: %+v", r)
	}
	if r := rowOf(t, c, "logged/s"); r.Says != IsBetter {
		t.Errorf("rate: %+v", r)
	}
	if r := rowOf(t, c, "p50"); r.Says != Identical {
		t.Errorf("p50: %+v", r)
	}
	if c, _ = Compare(fast, slow, false); rowOf(t, c, "p99").Says != IsWorse || rowOf(t, c, "logged/s").Says != IsWorse {
		t.Errorf("the other way: %+v", rowOf(t, c, "p99"))
	}
	if c, _ = Compare(runsOf(1, 2, 3), runsOf(7, 8, 9), false); rowOf(t, c, "p99").Says != TooFew {
		t.Errorf("three a side: %+v", rowOf(t, c, "p99"))
	}
	if c, _ = Compare(runsOf(10, 20, 30, 40), runsOf(11, 19, 31, 39), false); rowOf(t, c, "p99").Says != NotTold {
		t.Errorf("the same: %+v", rowOf(t, c, "p99"))
	}
	// The machine's mood swings by a factor of five from pair to pair; within a pair b is a tenth above: only pairs show it.
	moods, above := runsOf(1000, 2000, 3000, 4000, 5000, 500), runsOf(1101, 2202, 3303, 4405, 5507, 552)
	if c, _ = Compare(moods, above, false); rowOf(t, c, "p99").Says != NotTold {
		t.Errorf("unpaired: %+v", rowOf(t, c, "p99"))
	}
	if c, _ = Compare(moods, above, true); rowOf(t, c, "p99").Says != IsWorse {
		t.Errorf("paired: %+v", rowOf(t, c, "p99"))
	}
}

func TestCompareDoubts(t *testing.T) {
	a, b := runsOf(1), runsOf(2)
	b[0].Environment.CPU, b[0].Environment.Durability, b[0].Options[0].Value, b[0].Result = "y", "none", "200", Invalid
	a[0].Environment.Fsync, b[0].Environment.Fsync = []Fsync{{P50: 100}}, []Fsync{{P50: 300}}
	c, err := Compare(a, b, false)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(c.Warnings, "\n")
	for _, says := range []string{"B1 is invalid", "B1: processor is y, A1 has x", "durability is none", "users is 200", "fsync of 4 KiB took 300 µs, in A1 100 µs"} {
		if !strings.Contains(all, says) {
			t.Errorf("%q is not in\n%s", says, all)
		}
	}
	if _, err := Compare(a, []*Run{{Scenario: "steady"}}, false); err == nil {
		t.Error("two scenarios are compared")
	}
	if _, err := Compare(a, runsOf(1, 2), true); err == nil {
		t.Error("one and two are pairs")
	}
	if _, err := Compare(nil, b, false); err == nil {
		t.Error("nothing is compared")
	}
}
