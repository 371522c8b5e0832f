package load

import (
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Histogram counts durations in microseconds.
type Histogram = hdr.Histogram

// NewHistogram returns an empty histogram of microseconds, from 1 µs to 60 s with three digits.
func NewHistogram() *Histogram { return hdr.New(1, maxMicros, 3) }

const maxMicros = int64(60 * time.Second / time.Microsecond)

// Record adds d to h; what is beyond the range counts as its end.
func Record(h *Histogram, d time.Duration) { record(h, d) }

// record adds d to h; what is beyond the range counts as its end.
func record(h *hdr.Histogram, d time.Duration) {
	// The range is clamped, so an error would be a broken histogram, which Stats.Answered would show.
	_ = h.RecordValue(min(max(int64(d/time.Microsecond), 1), maxMicros))
}

// Stats is what a run measured, all loops together.
type Stats struct {
	Latency [Classes]*hdr.Histogram // from the time a request was due to its final answer
	Service [Classes]*hdr.Histogram // from the write to the answer, of each answer
	Lag     *hdr.Histogram          // the generator's own delay

	Due        uint64          // requests that became due
	Sent       uint64          // writes, those of requests sent again included
	Answered   [Classes]uint64 // final answers
	Repeated   uint64          // answers after which the request was sent again
	LostCount  uint64          // requests written and not answered, each time
	Unresolved uint64          // requests without a final answer at the end
	Reconnects uint64          // connections made after the first ones

	Wall    time.Duration // from the first due time to the last answer; measured time of a closed loop
	CPU     time.Duration // of the loops' threads
	Busiest float64       // the largest share of its processor that a loop used in one second
	Seconds []Second      // loop by loop, in order of time
}

// Second is what one loop saw in one second.
type Second struct {
	Loop     int             `json:"loop"`
	At       int             `json:"at"`  // 0 for the first
	Due      uint64          `json:"due"` // requests that became due
	Sent     uint64          `json:"sent"`
	Answered [Classes]uint64 `json:"answered"` // decided, denied, refused, failed
	P50      int64           `json:"p50_us"`   // of the latency of final answers
	P99      int64           `json:"p99_us"`
	Max      int64           `json:"max_us"`
	Busy     float64         `json:"busy"`    // share of a processor that the loop used
	Waiting  int             `json:"waiting"` // requests due and not yet written, at the end of the second

	Length time.Duration `json:"-"` // of the second: the last one may be shorter
	// Histogram holds the latencies of the final answers of the second. Only OnSecond is given it, to keep.
	Histogram *hdr.Histogram `json:"-"`
}

// NewStats returns the statistics of nothing.
func NewStats() *Stats {
	s := &Stats{Lag: NewHistogram()}
	for c := range Classes {
		s.Latency[c], s.Service[c] = NewHistogram(), NewHistogram()
	}
	return s
}

// Final returns the number of final answers.
func (s *Stats) Final() uint64 {
	var n uint64
	for _, a := range s.Answered {
		n += a
	}
	return n
}

// All returns the histograms of h merged.
func All(h [Classes]*hdr.Histogram) *hdr.Histogram {
	all := NewHistogram()
	for _, one := range h {
		all.Merge(one)
	}
	return all
}

// Merge adds what others saw: another loop, or another generator.
func (s *Stats) Merge(o *Stats) {
	for c := range Classes {
		s.Latency[c].Merge(o.Latency[c])
		s.Service[c].Merge(o.Service[c])
		s.Answered[c] += o.Answered[c]
	}
	s.Lag.Merge(o.Lag)
	s.Due += o.Due
	s.Sent += o.Sent
	s.Repeated += o.Repeated
	s.LostCount += o.LostCount
	s.Unresolved += o.Unresolved
	s.Reconnects += o.Reconnects
	s.Wall = max(s.Wall, o.Wall)
	s.CPU += o.CPU
	s.Busiest = max(s.Busiest, o.Busiest)
	s.Seconds = append(s.Seconds, o.Seconds...)
}
