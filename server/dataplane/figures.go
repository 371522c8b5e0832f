package dataplane

import (
	"fmt"
	"io"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// figures are the metrics of the data plane. All are made once; the hot path adds to atomic counters and looks nothing up.
type figures struct {
	requests [routes][6]*metrics.Counter // by first digit of the status
	problems [256]*metrics.Counter       // by code, requests and items of batches
	wins     *metrics.Counter
	misses   *metrics.Counter
	unfunded *metrics.Counter // sub-draws in which a pity was due and had nothing left to give
	replays  *metrics.Counter
	facts    *metrics.Counter // denials that did not touch the log
	logged   *metrics.Counter // denials that the log gave
	panics   *metrics.Counter
	overflow *metrics.Counter
	cut      *metrics.Counter
	dropped  *metrics.Counter
	unknown  *metrics.Counter // batches of commands that were dropped with an unknown outcome
	decide   histogram
}

func newFigures(set *metrics.Set, connections func() int) *figures {
	f := &figures{
		wins:     set.NewCounter(`drawd_draws_total{outcome="win"}`),
		misses:   set.NewCounter(`drawd_draws_total{outcome="miss"}`),
		unfunded: set.NewCounter(`drawd_pity_unfunded_total`),
		replays:  set.NewCounter(`drawd_replays_total`),
		facts:    set.NewCounter(`drawd_denials_total{from="facts"}`),
		logged:   set.NewCounter(`drawd_denials_total{from="log"}`),
		panics:   set.NewCounter(`drawd_http_panics_total{plane="data"}`),
		overflow: set.NewCounter(`drawd_http_connections_refused_total{plane="data"}`),
		cut:      set.NewCounter(`drawd_http_bodies_cut_total{plane="data"}`),
		dropped:  set.NewCounter(`drawd_http_deadline_dropped_total{plane="data"}`),
		unknown:  set.NewCounter(`drawd_unknown_outcomes_total`),
	}
	for r := range routing {
		for class := 2; class < len(f.requests[r]); class++ {
			f.requests[r][class] = set.NewCounter(fmt.Sprintf(`drawd_http_requests_total{plane="data",route=%q,status="%dxx"}`, routing[r].name, class))
		}
	}
	for _, code := range problem.Codes() {
		f.problems[code] = set.NewCounter(fmt.Sprintf(`drawd_http_problems_total{plane="data",code=%q}`, code))
	}
	set.NewGauge(`drawd_http_connections{plane="data"}`, func() float64 { return float64(connections()) })
	set.RegisterMetricsWriter(func(w io.Writer) { f.decide.write(w, "drawd_decide_duration_seconds") })
	return f
}

// answered counts an answered request.
func (f *figures) answered(r route, status int) {
	if c := f.requests[r][min(max(status/100, 2), 5)]; c != nil {
		c.Inc()
	}
}

// drawn counts the sub-draws of a decision that was rendered.
func (f *figures) drawn(a *render.Answer) {
	if a.Wins > 0 {
		f.wins.Add(a.Wins)
	}
	if a.Count > a.Wins {
		f.misses.Add(a.Count - a.Wins)
	}
	if a.Unfunded > 0 {
		f.unfunded.Add(a.Unfunded)
	}
}

// histogram counts durations in buckets whose bounds are powers of two microseconds. One atomic addition to a bucket and
// one to the sum: a metrics.Histogram takes a logarithm and a lock.
type histogram struct {
	buckets [histogramBuckets]atomic.Uint64
	nanos   atomic.Uint64
}

// histogramBuckets: the last but one holds what took up to 2^24 µs = 16.8 s, the last one everything longer.
const histogramBuckets = 26

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	us := uint64((d + time.Microsecond - 1) / time.Microsecond)
	h.buckets[min(bits.Len64(max(us, 1)-1), histogramBuckets-1)].Add(1)
	h.nanos.Add(uint64(d))
}

// write writes h in the Prometheus text format.
func (h *histogram) write(w io.Writer, name string) {
	total := uint64(0)
	for i := range h.buckets {
		total += h.buckets[i].Load()
		if i < histogramBuckets-1 {
			fmt.Fprintf(w, "%s_bucket{le=\"%g\"} %d\n", name, float64(uint64(1)<<i)/1e6, total)
		}
	}
	fmt.Fprintf(w, "%s_bucket{le=\"+Inf\"} %d\n%s_sum %g\n%s_count %d\n", name, total, name, float64(h.nanos.Load())/1e9, name, total)
}
