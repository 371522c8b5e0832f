package control

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine/problem"
)

// metricSet holds what this package measures; docs/metrics.md describes each.
type metricSet struct {
	served  [6]*metrics.Counter // by the status's first digit
	refused map[problem.Code]*metrics.Counter
	seconds *metrics.Histogram
	panics  *metrics.Counter
	feed    *metrics.Counter
}

func newMetricSet(s *metrics.Set) *metricSet {
	m := &metricSet{
		refused: make(map[problem.Code]*metrics.Counter),
		seconds: s.GetOrCreateHistogram("drawd_control_request_seconds"),
		panics:  s.GetOrCreateCounter("drawd_control_panics_total"),
		feed:    s.GetOrCreateCounter("drawd_control_feed_records_total"),
	}
	for class := 1; class < len(m.served); class++ {
		m.served[class] = s.GetOrCreateCounter(fmt.Sprintf(`drawd_control_requests_total{status="%dxx"}`, class))
	}
	for _, code := range problem.Codes() {
		m.refused[code] = s.GetOrCreateCounter(fmt.Sprintf(`drawd_control_refused_total{code=%q}`, code))
	}
	return m
}
