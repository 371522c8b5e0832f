package runfile

import (
	"fmt"
	"slices"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Percentiles are the figures of one histogram, in microseconds, with the histogram itself.
type Percentiles struct {
	// Values in the histogram.
	Count int64 `json:"count"`
	P50   int64 `json:"p50_us"`
	P90   int64 `json:"p90_us"`
	P99   int64 `json:"p99_us"`
	// 99.9th percentile.
	P999 int64 `json:"p99_9_us"`
	// 99.99th percentile.
	P9999 int64 `json:"p99_99_us"`
	Max   int64 `json:"max_us"`
	// The whole histogram: HdrHistogram V2, compressed, base64; its unit is 1 µs.
	HDR string `json:"hdr,omitempty"`
}

// PercentilesOf returns the figures of a histogram of microseconds.
func PercentilesOf(h *hdr.Histogram) Percentiles {
	p := Percentiles{Count: h.TotalCount()}
	if p.Count == 0 {
		return p
	}
	values := h.ValueAtPercentilesSlice([]float64{50, 90, 99, 99.9, 99.99})
	p.P50, p.P90, p.P99, p.P999, p.P9999, p.Max = values[0], values[1], values[2], values[3], values[4], h.Max()
	encoded, err := h.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		panic("BUG: a histogram of our own cannot be encoded: " + err.Error())
	}
	p.HDR = string(encoded)
	return p
}

// Histogram decodes the histogram.
func (p *Percentiles) Histogram() (*hdr.Histogram, error) {
	if p.HDR == "" {
		return nil, fmt.Errorf("runfile: no histogram was kept")
	}
	h, err := hdr.Decode([]byte(p.HDR))
	if err != nil {
		return nil, fmt.Errorf("runfile: histogram: %w", err)
	}
	return h, nil
}

// Merge returns the figures of several histograms as those of one, by adding counts.
func Merge(all ...*Percentiles) (Percentiles, error) {
	var sum *hdr.Histogram
	for _, p := range all {
		if p.Count == 0 {
			continue
		}
		h, err := p.Histogram()
		if err != nil {
			return Percentiles{}, err
		}
		if sum == nil {
			sum = h
		} else if dropped := sum.Merge(h); dropped > 0 {
			return Percentiles{}, fmt.Errorf("runfile: %d values lie beyond the range of the histogram that they are merged into", dropped)
		}
	}
	if sum == nil {
		return Percentiles{}, nil
	}
	return PercentilesOf(sum), nil
}

// NewMeasure returns a measure with its median and ends.
func NewMeasure(name, unit string, better Direction, samples []float64) Measure {
	m := Measure{Name: name, Unit: unit, Better: better, Samples: samples}
	if len(samples) == 0 {
		return m
	}
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	m.Min, m.Median, m.Max = sorted[0], medianOfSorted(sorted), sorted[len(sorted)-1]
	return m
}

func medianOfSorted(sorted []float64) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
