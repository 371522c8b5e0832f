package bench

import (
	"fmt"
	"io"

	"github.com/drawd/drawd/bench/runfile"
)

// WriteComparison writes a comparison for people. Metrics without a better way are left out where all is not set.
func WriteComparison(w io.Writer, c *runfile.Comparison, all bool) error {
	p := &page{w: w}
	p.line("drawd bench compare: %s", c.Scenario)
	for _, warning := range c.Warnings {
		p.line("  note: %s", warning)
	}
	p.line("")
	g := &grid{}
	g.row("metric", "A", "smallest–largest", "B", "smallest–largest", "change", "by chance", "samples", "")
	for i := range c.Rows {
		r := &c.Rows[i]
		if !all && (r.Better == "" || r.Says == runfile.Identical && r.A.Median == 0) {
			continue
		}
		change := "–"
		if r.A.Median != 0 {
			change = fmt.Sprintf("%+.1f %%", 100*r.Change)
		}
		g.row(r.Metric, metricText(r.A.Median, r.Unit), sideText(&r.A, r.Unit), metricText(r.B.Median, r.Unit), sideText(&r.B, r.Unit), change,
			fmt.Sprintf("%.3f", r.Chance), fmt.Sprintf("%d, %d", len(r.A.Samples), len(r.B.Samples)), string(r.Says))
	}
	p.grid(g)
	p.line("")
	test := "Mann–Whitney U test; for fewer than four samples a side no difference can be told"
	if c.Paired {
		test = "Wilcoxon's signed ranks of pairs; for fewer than six pairs no difference can be told"
	}
	p.line("Medians. \"by chance\": how likely chance alone makes such a difference (%s); below %.2f it counts.", test, runfile.Alpha)
	return p.err
}

func sideText(s *runfile.Side, unit string) string {
	if s.Min == s.Max {
		return ""
	}
	return metricText(s.Min, unit) + "–" + metricText(s.Max, unit)
}
