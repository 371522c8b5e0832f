package resp

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine/problem"
)

// figures are the metrics of the RESP front. All are made once.
type figures struct {
	commands map[string]*metrics.Counter // by command
	problems [256]*metrics.Counter       // by code
	unknown  *metrics.Counter            // commands that there are not
	batches  *metrics.Counter            // proposals; commands ÷ batches is what pipelining gained
	overflow *metrics.Counter
	broken   *metrics.Counter // connections ended by a fault of framing
	panics   *metrics.Counter

	// Of the node, whatever the front: the data plane counts into them too.
	wins, misses, unfunded, replays, facts, logged, lost *metrics.Counter
}

func newFigures(set *metrics.Set, connections func() int) *figures {
	f := &figures{
		commands: make(map[string]*metrics.Counter, len(commands)),
		unknown:  set.NewCounter(`drawd_resp_commands_total{command="unknown"}`),
		batches:  set.NewCounter(`drawd_resp_batches_total`),
		overflow: set.NewCounter(`drawd_resp_connections_refused_total`),
		broken:   set.NewCounter(`drawd_resp_protocol_errors_total`),
		panics:   set.NewCounter(`drawd_resp_panics_total`),

		wins:     set.GetOrCreateCounter(`drawd_draws_total{outcome="win"}`),
		misses:   set.GetOrCreateCounter(`drawd_draws_total{outcome="miss"}`),
		unfunded: set.GetOrCreateCounter(`drawd_pity_unfunded_total`),
		replays:  set.GetOrCreateCounter(`drawd_replays_total`),
		facts:    set.GetOrCreateCounter(`drawd_denials_total{from="facts"}`),
		logged:   set.GetOrCreateCounter(`drawd_denials_total{from="log"}`),
		lost:     set.GetOrCreateCounter(`drawd_unknown_outcomes_total`),
	}
	for name := range commands {
		f.commands[name] = set.NewCounter(fmt.Sprintf(`drawd_resp_commands_total{command=%q}`, name))
	}
	for _, code := range problem.Codes() {
		f.problems[code] = set.NewCounter(fmt.Sprintf(`drawd_resp_problems_total{code=%q}`, code))
	}
	set.NewGauge(`drawd_resp_connections`, func() float64 { return float64(connections()) })
	return f
}
