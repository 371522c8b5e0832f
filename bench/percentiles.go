package bench

import (
	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/drawd/drawd/bench/runfile"
)

// Percentiles are the figures of one histogram, in microseconds, with the histogram itself.
type Percentiles = runfile.Percentiles

func percentilesOf(h *hdr.Histogram) Percentiles { return runfile.PercentilesOf(h) }

func percentileHead(what string) []string {
	return []string{what, "p50", "p90", "p99", "p99.9", "p99.99", "max", "count"}
}

func percentileCells(name string, p *Percentiles) []string {
	if p.Count == 0 {
		return []string{name, "–", "–", "–", "–", "–", "–", "0"}
	}
	return []string{
		name, microsText(p.P50), microsText(p.P90), microsText(p.P99), microsText(p.P999), microsText(p.P9999), microsText(p.Max), count(p.Count),
	}
}
