package runfile

import (
	"slices"
	"strings"
)

// Metric is one number of a run, by a name that conditions and comparisons use.
type Metric struct {
	Name    string
	Unit    string // "us", "per_second", "count", "share", or a measure's own
	Better  Direction
	Samples []float64 // one of a run as a whole; one for each pair of a figure
}

// Value is the metric's only sample, or the median of its samples.
func (m *Metric) Value() float64 {
	sorted := slices.Clone(m.Samples)
	slices.Sort(sorted)
	return medianOfSorted(sorted)
}

// latencyMetrics are the percentiles by name.
var latencyMetrics = []struct {
	name string
	of   func(*Percentiles) int64
}{
	{"p50", func(p *Percentiles) int64 { return p.P50 }}, {"p90", func(p *Percentiles) int64 { return p.P90 }},
	{"p99", func(p *Percentiles) int64 { return p.P99 }}, {"p99.9", func(p *Percentiles) int64 { return p.P999 }},
	{"p99.99", func(p *Percentiles) int64 { return p.P9999 }}, {"max", func(p *Percentiles) int64 { return p.Max }},
}

// latencyPrefixes name the histograms of a run in conditions; the first goes without a name.
var latencyPrefixes = []struct{ prefix, histogram string }{
	{"", "logged_due"}, {"service.", "logged_service"}, {"denied.", "denied_due"}, {"denied_service.", "denied_service"}, {"lag.", "lag"},
}

// countMetrics are the counts by name; all of them are better when lower, but for the first ones.
var countMetrics = []struct {
	name   string
	better Direction
	of     func(*Run) (float64, bool)
}{
	{"logged", Higher, outcome("logged")}, {"won", "", outcome("won")}, {"missed", "", outcome("missed")}, {"denied", "", outcome("denied")},
	{"shed", Lower, outcomes("shed.")}, {"failed", Lower, outcome("failed")}, {"unknown", Lower, outcome("unknown")},
	{"errors", Lower, func(r *Run) (float64, bool) {
		failed, known := r.outcome("failed")
		unknown, too := r.outcome("unknown")
		return float64(failed + unknown), known && too
	}},
	{"oversell", Lower, func(r *Run) (sum float64, judged bool) {
		for i := range r.Prizes {
			sum += float64(r.Prizes[i].Oversold)
		}
		return sum, r.Verdict != nil
	}},
	{"faults", Lower, fault("")}, {"caps", Lower, fault("cap")}, {"lost", Lower, fault("lost")}, {"duplicates", Lower, fault("key")},
}

func outcome(name string) func(*Run) (float64, bool) {
	return func(r *Run) (float64, bool) {
		n, known := r.outcome(name)
		return float64(n), known
	}
}

func (r *Run) outcome(name string) (uint64, bool) {
	for i := range r.Outcomes {
		if r.Outcomes[i].Name == name {
			return r.Outcomes[i].Count, true
		}
	}
	return 0, false
}

// outcomes adds up all outcomes with a prefix. They are known where any outcome is: a code that nobody was told is absent.
func outcomes(prefix string) func(*Run) (float64, bool) {
	return func(r *Run) (sum float64, known bool) {
		for i := range r.Outcomes {
			if strings.HasPrefix(r.Outcomes[i].Name, prefix) {
				sum += float64(r.Outcomes[i].Count)
			}
		}
		return sum, len(r.Outcomes) > 0
	}
}

// fault counts the broken promises of one rule, or of all for "".
func fault(rule string) func(*Run) (float64, bool) {
	return func(r *Run) (float64, bool) {
		if r.Verdict == nil {
			return 0, false
		}
		if rule != "" {
			return float64(r.Verdict.FaultCounts[rule]), true
		}
		sum := 0
		for _, n := range r.Verdict.FaultCounts {
			sum += n
		}
		return float64(sum), true
	}
}

// Metrics returns all metrics of the run in a fixed order: percentiles, rates, counts, then those of its figures.
func (r *Run) Metrics() []Metric {
	var all []Metric
	for _, l := range latencyPrefixes {
		h := r.latency(l.histogram)
		if h == nil || h.Count == 0 {
			continue
		}
		for _, m := range latencyMetrics {
			all = append(all, Metric{l.prefix + m.name, "us", Lower, []float64{float64(m.of(&h.Percentiles))}})
		}
	}
	for i := range r.Rates {
		all = append(all, Metric{r.Rates[i].Name + "/s", "per_second", Higher, []float64{r.Rates[i].Mean}})
	}
	for _, c := range countMetrics {
		if n, known := c.of(r); known {
			all = append(all, Metric{c.name, "count", c.better, []float64{n}})
		}
	}
	seen := map[string]bool{}
	for i := range r.Figures {
		f := &r.Figures[i]
		for k := range f.Measures {
			m := &f.Measures[k]
			name := f.ID + "." + m.Name
			if seen[name] { // a second row of the same id is told by its name
				name = f.ID + "[" + f.Name + "]." + m.Name
			}
			seen[name] = true
			all = append(all, Metric{name, m.Unit, m.Better, m.Samples})
		}
	}
	return all
}

func (r *Run) latency(name string) *Latency {
	for i := range r.Latency {
		if r.Latency[i].Name == name {
			return &r.Latency[i]
		}
	}
	return nil
}
