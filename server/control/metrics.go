package control

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine/problem"
)

// metricSet holds what this package measures; docs/metrics.md describes each. The names are those of the data plane, with
// plane="control".
type metricSet struct {
	served   map[string]*[6]*metrics.Counter // by the route's name and the status's first digit
	problems map[problem.Code]*metrics.Counter
	seconds  *metrics.Histogram
	panics   *metrics.Counter
	feed     *metrics.Counter
}

// noRoute is the name of what meets no route.
const noRoute = "none"

func newMetricSet(s *metrics.Set, routes []route) *metricSet {
	m := &metricSet{
		served:   map[string]*[6]*metrics.Counter{},
		problems: map[problem.Code]*metrics.Counter{},
		seconds:  s.GetOrCreateHistogram(`drawd_http_request_duration_seconds{plane="control"}`),
		panics:   s.GetOrCreateCounter(`drawd_http_panics_total{plane="control"}`),
		feed:     s.GetOrCreateCounter(`drawd_feed_records_total`),
	}
	names := []string{noRoute}
	for i := range routes {
		names = append(names, routes[i].name)
	}
	for _, name := range names {
		var classes [6]*metrics.Counter
		for class := 2; class < len(classes); class++ {
			classes[class] = s.GetOrCreateCounter(fmt.Sprintf(`drawd_http_requests_total{plane="control",route=%q,status="%dxx"}`, name, class))
		}
		m.served[name] = &classes
	}
	for _, code := range problem.Codes() {
		m.problems[code] = s.GetOrCreateCounter(fmt.Sprintf(`drawd_http_problems_total{plane="control",code=%q}`, code))
	}
	return m
}

// count counts an answer.
func (m *metricSet) count(r *route, status int) {
	name := noRoute
	if r != nil {
		name = r.name
	}
	if class := status / 100; class > 1 && class < len(m.served[name]) {
		m.served[name][class].Inc()
	}
}
