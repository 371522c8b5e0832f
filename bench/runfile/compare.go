package runfile

import (
	"fmt"
	"math"
	"slices"
)

// Comparison holds two sets of runs against each other.
type Comparison struct {
	Scenario string   `json:"scenario"`
	Paired   bool     `json:"paired"`
	Warnings []string `json:"warnings,omitempty"` // why the figures may differ for other reasons than the one looked for
	Rows     []Row    `json:"rows"`
}

// Row is one metric in both sets.
type Row struct {
	Metric string    `json:"metric"`
	Unit   string    `json:"unit"`
	Better Direction `json:"better,omitempty"`
	A      Side      `json:"a"`
	B      Side      `json:"b"`
	Change float64   `json:"change"` // of the median, as a share of A's; 0 where A's is 0
	Chance float64   `json:"chance"` // that chance alone makes such a difference
	Says   Finding   `json:"says"`
}

// Side is one set's samples of a metric.
type Side struct {
	Samples []float64 `json:"samples"`
	Median  float64   `json:"median"`
	Min     float64   `json:"min"`
	Max     float64   `json:"max"`
}

// Finding is what a comparison of one metric comes to.
type Finding string

// The findings.
const (
	IsBetter  Finding = "better"
	IsWorse   Finding = "worse"
	Differs   Finding = "differs"         // significantly, of a metric that has no better way
	NotTold   Finding = "no difference"   // none that could be told from chance
	TooFew    Finding = "too few samples" // no difference could be told, however large
	Identical Finding = "equal"
)

// Compare holds the runs of b against those of a. paired says that they were made in turn: a[0], b[0], a[1], b[1] …
func Compare(a, b []*Run, paired bool) (*Comparison, error) {
	if len(a) == 0 || len(b) == 0 {
		return nil, fmt.Errorf("runfile: compare: each side needs a run")
	}
	for _, r := range slices.Concat(a, b) {
		if r.Scenario != a[0].Scenario {
			return nil, fmt.Errorf("runfile: compare: a run of %s and one of %s have nothing in common", a[0].Scenario, r.Scenario)
		}
	}
	if paired && len(a) != len(b) {
		return nil, fmt.Errorf("runfile: compare: %d runs and %d runs are no pairs", len(a), len(b))
	}
	c := &Comparison{Scenario: a[0].Scenario, Paired: paired, Warnings: doubts(a, b), Rows: []Row{}}
	before, after := samplesOf(a), samplesOf(b)
	for _, m := range before {
		at := slices.IndexFunc(after, func(o Metric) bool { return o.Name == m.Name })
		if at < 0 {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s is not measured on the other side", m.Name))
			continue
		}
		c.Rows = append(c.Rows, compareMetric(&m, &after[at], paired))
	}
	return c, nil
}

// samplesOf collects the samples of each metric over all runs of a side, in the order of the first run that has it.
func samplesOf(runs []*Run) []Metric {
	var all []Metric
	for _, r := range runs {
		for _, m := range r.Metrics() {
			at := slices.IndexFunc(all, func(o Metric) bool { return o.Name == m.Name })
			if at < 0 {
				m.Samples = slices.Clone(m.Samples)
				all = append(all, m)
				continue
			}
			all[at].Samples = append(all[at].Samples, m.Samples...)
		}
	}
	return all
}

func compareMetric(a, b *Metric, paired bool) Row {
	row := Row{Metric: a.Name, Unit: a.Unit, Better: a.Better, A: sideOf(a.Samples), B: sideOf(b.Samples)}
	if row.A.Median != 0 {
		row.Change = row.B.Median/row.A.Median - 1
	}
	paired = paired && len(a.Samples) == len(b.Samples)
	if paired {
		row.Chance = signedRanks(a.Samples, b.Samples)
	} else {
		row.Chance = mannWhitney(a.Samples, b.Samples)
	}
	up := row.B.Median > row.A.Median
	switch {
	case row.A.Min == row.B.Min && row.A.Max == row.B.Max && row.A.Min == row.A.Max:
		row.Says = Identical
	case leastChance(len(a.Samples), len(b.Samples), paired) >= Alpha:
		row.Says = TooFew
	case row.Chance >= Alpha || row.A.Median == row.B.Median:
		row.Says = NotTold
	case a.Better == "":
		row.Says = Differs
	case up == (a.Better == Higher):
		row.Says = IsBetter
	default:
		row.Says = IsWorse
	}
	return row
}

func sideOf(samples []float64) Side {
	m := NewMeasure("", "", "", samples)
	return Side{samples, m.Median, m.Min, m.Max}
}

// doubts says what else differs between the sides.
func doubts(a, b []*Run) []string {
	var all []string
	add := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	first := &a[0].Environment
	for i, r := range slices.Concat(a, b) {
		name := fmt.Sprintf("A%d", i+1)
		if i >= len(a) {
			name = fmt.Sprintf("B%d", i-len(a)+1)
		}
		switch r.Result {
		case Invalid, Wrong, TooLittle:
			add("%s is %s", name, r.Result)
		}
		e := &r.Environment
		for _, x := range []struct{ what, was, is string }{
			{"processor", first.CPU, e.CPU}, {"kernel", first.Kernel, e.Kernel}, {"file system", first.FileSystem, e.FileSystem},
			{"durability", first.Durability, e.Durability}, {"target", first.Target, e.Target}, {"cores", fmt.Sprint(first.Cores), fmt.Sprint(e.Cores)},
			{"nodes", fmt.Sprint(first.Nodes), fmt.Sprint(e.Nodes)},
		} {
			if x.was != x.is {
				add("%s: %s is %s, A1 has %s", name, x.what, x.is, x.was)
			}
		}
		if was, is := fsyncP50(first), fsyncP50(e); was > 0 && is > 0 && math.Abs(math.Log2(is/was)) > 0.58 {
			add("%s: fsync of 4 KiB took %.0f µs, in A1 %.0f µs", name, is, was)
		}
		for _, o := range r.Options {
			if slices.Contains(ownOptions, o.Name) {
				continue
			}
			for _, was := range a[0].Options {
				if was.Name == o.Name && was.Value != o.Value {
					add("%s: %s is %s, A1 has %s", name, o.Name, o.Value, was.Value)
				}
			}
		}
	}
	return all
}

// ownOptions differ between any two runs.
var ownOptions = []string{"campaign", "generator-per-second", "peak-per-second", "over", "tail-rate", "arrivals"}

// fsyncP50 returns the median of the smallest append; 0 where it was not measured.
func fsyncP50(e *Environment) float64 {
	if len(e.Fsync) == 0 {
		return 0
	}
	return float64(e.Fsync[0].P50)
}
