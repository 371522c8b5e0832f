package server

import (
	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine"
)

// registerMetrics registers what is read from the engine when somebody asks.
func registerMetrics(s *metrics.Set, e *engine.Engine) {
	s.GetOrCreateGauge("drawd_engine_log_time_seconds", func() float64 { return float64(e.LogTime()) / 1000 })
	s.GetOrCreateGauge("drawd_engine_namespaces", func() float64 { return float64(len(e.Namespaces())) })
	s.GetOrCreateGauge("drawd_engine_campaigns", func() float64 {
		return sum(e, func(n *engine.Namespace) uint64 { return uint64(len(n.Campaigns())) })
	})
	s.GetOrCreateGauge("drawd_engine_fenced_campaigns", func() float64 { return sum(e, fenced) })
	s.GetOrCreateGauge("drawd_engine_users", func() float64 { return sum(e, (*engine.Namespace).Users) })
	s.GetOrCreateGauge("drawd_engine_keys", func() float64 { return sum(e, (*engine.Namespace).Keys) })
	s.GetOrCreateGauge("drawd_engine_bytes", func() float64 { return float64(e.Bytes()) })
	s.GetOrCreateGauge("drawd_engine_packed_keys", func() float64 { return float64(e.PackedKeys()) })
}

func sum(e *engine.Engine, of func(*engine.Namespace) uint64) float64 {
	total := uint64(0)
	for _, n := range e.Namespaces() {
		total += of(n)
	}
	return float64(total)
}

// fenced counts the campaigns whose books do not balance: somebody must look at each.
func fenced(n *engine.Namespace) uint64 {
	count := uint64(0)
	for _, c := range n.Campaigns() {
		if c.FencedBy() != "" {
			count++
		}
	}
	return count
}
