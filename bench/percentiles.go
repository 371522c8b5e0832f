package bench

import hdr "github.com/HdrHistogram/hdrhistogram-go"

// Percentiles are the figures of one histogram, in microseconds, with the histogram itself.
type Percentiles struct {
	Count int64  `json:"count"`
	P50   int64  `json:"p50_us"`
	P90   int64  `json:"p90_us"`
	P99   int64  `json:"p99_us"`
	P999  int64  `json:"p99_9_us"`
	P9999 int64  `json:"p99_99_us"`
	Max   int64  `json:"max_us"`
	HDR   string `json:"hdr,omitempty"` // HdrHistogram V2, compressed, base64; unit 1 µs
}

func percentilesOf(h *hdr.Histogram) Percentiles {
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

func percentileHead(what string) []string {
	return []string{what, "p50", "p90", "p99", "p99.9", "p99.99", "max", "count"}
}

func (p *Percentiles) cells(name string) []string {
	if p.Count == 0 {
		return []string{name, "–", "–", "–", "–", "–", "–", "0"}
	}
	return []string{
		name, microsText(p.P50), microsText(p.P90), microsText(p.P99), microsText(p.P999), microsText(p.P9999), microsText(p.Max), count(p.Count),
	}
}
