package bench

import "github.com/drawd/drawd/bench/runfile"

// Document returns the crash loop as a run's document.
func (r *CrashLoopReport) Document() *runfile.Run {
	d := &runfile.Run{Scenario: r.Scenario, StartedAt: r.Machine.At, WallSeconds: r.Seconds, Environment: r.Machine.document(), Options: []runfile.Option{
		{Name: "kills", Value: count(r.Kills)}, {Name: "per-dir", Value: count(r.PerDir)}, {Name: "connections", Value: count(r.Connections)}, {Name: "seed", Value: count(r.Seed)},
	}}
	ready := make([]float64, len(r.Ready))
	for i, ms := range r.Ready {
		ready[i] = float64(ms) / 1e3
	}
	d.Figures = []runfile.Figure{{ID: "ready", Name: "from the start of the process to ready", Measures: []runfile.Measure{runfile.NewMeasure("ready", "seconds", runfile.Lower, ready)}}}
	d.Outcomes = []runfile.Outcome{
		{Name: "kills", Count: uint64(r.Done)}, {Name: "clean", Count: uint64(r.Clean)}, {Name: "acknowledged", Count: r.Acknowledged}, {Name: "same_by_key", Count: r.SameByKey},
		{Name: "same_by_id", Count: r.SameByID}, {Name: "unanswered", Count: r.Unanswered}, {Name: "rescued", Count: r.Rescued},
		{Name: "orders_acknowledged", Count: r.Orders.Acknowledged}, {Name: "orders_same", Count: r.Orders.Same}, {Name: "orders_ended", Count: r.Orders.Ended},
		{Name: "orders_ended_same", Count: r.Orders.EndedSame}, {Name: "orders_unanswered", Count: r.Orders.Unanswered},
	}
	v := &runfile.Verdict{Status: runfile.Right, Draws: r.Draws, FaultCounts: r.Faults.FaultCounts, Acknowledged: r.Acknowledged, Found: r.SameByKey}
	if !r.Faults.Right() {
		v.Status = runfile.Broken
	}
	for _, f := range r.Faults.Faults {
		v.Faults = append(v.Faults, runfile.Fault{Rule: f.Rule, Detail: f.Detail})
	}
	d.Verdict = v
	return d
}
