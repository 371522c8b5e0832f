package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/bench/runfile"
)

// Document returns the run as the document that run.json holds.
func (r *DrawReport) Document() *runfile.Run {
	d := &runfile.Run{
		Scenario: r.Scenario, StartedAt: r.Begun.UTC(), WallSeconds: r.Wall.Seconds(), Environment: r.Machine.document(), Options: r.Options,
		Invalid: r.Invalid, Series: r.Seconds, Notes: r.Notes, Agents: r.Agents,
	}
	if !r.Self {
		d.Environment.Durability, d.Environment.Nodes, d.Environment.SharedMachine = "not known", 0, false
	}
	if r.Nodes > 0 {
		d.Environment.Nodes = r.Nodes
	}
	d.Latency = latencies(&r.Latency, &r.Lag)
	d.Outcomes = r.outcomes()
	d.Rates = []runfile.Rate{
		r.rateOf("offered", func(s *runfile.Second) uint64 { return s.Offered }), r.rateOf("answered", func(s *runfile.Second) uint64 { return s.Answered }),
		{Name: "logged", Mean: r.Logged.Mean, Peak: r.Logged.Peak}, {Name: "denied", Mean: r.Denied.Mean, Peak: r.Denied.Peak},
	}
	for _, k := range r.Restarts {
		d.Restarts = append(d.Restarts, runfile.Restart{
			AtSeconds: k.At.Seconds(), ReadySeconds: k.Ready.Seconds(), FirstDrawSeconds: k.FirstDraw.Seconds(), GapSeconds: k.Gap.Seconds(),
		})
	}
	d.Figures = []runfile.Figure{{ID: "cpu", Name: "processor time a request", Measures: []runfile.Measure{
		runfile.NewMeasure("generator", "us", runfile.Lower, []float64{r.GeneratorCPU}),
	}}}
	if r.DaemonCPU > 0 {
		d.Figures[0].Measures = append(d.Figures[0].Measures, runfile.NewMeasure("daemon", "us", runfile.Lower, []float64{r.DaemonCPU}))
	}
	d.Figures = append(d.Figures, r.Figures...)
	if r.Proof != nil {
		d.Verdict, d.Prizes = r.Proof.document(r.Needed)
	}
	return d
}

// HLog returns the histograms of the run's seconds in HdrHistogram's log format; nil where there are none.
func (r *DrawReport) HLog() []byte { return r.hlog }

func latencies(l *Latencies, lag *Percentiles) []runfile.Latency {
	all := []runfile.Latency{
		{Name: "logged_due", Title: "logged, from due", Percentiles: l.LoggedDue}, {Name: "logged_service", Title: "logged, service", Percentiles: l.LoggedService},
		{Name: "denied_due", Title: "denied, from due", Percentiles: l.DeniedDue}, {Name: "denied_service", Title: "denied, service", Percentiles: l.DeniedService},
		{Name: "lag", Title: "generator lag", Percentiles: *lag},
	}
	return slices.DeleteFunc(all, func(l runfile.Latency) bool { return l.Count == 0 })
}

func (r *DrawReport) outcomes() []runfile.Outcome {
	all := []runfile.Outcome{
		{Name: "logged", Count: r.Logged.Count}, {Name: "won", Count: r.Wins}, {Name: "missed", Count: r.Misses}, {Name: "denied", Count: r.Denied.Count},
	}
	all = appendCodes(all, "denied.", r.Denials)
	all = appendCodes(all, "shed.", r.Shed)
	return append(all, runfile.Outcome{Name: "lost", Count: r.Lost}, runfile.Outcome{Name: "rescued", Count: r.Rescued},
		runfile.Outcome{Name: "failed", Count: r.Failed}, runfile.Outcome{Name: "unknown", Count: r.Unresolved + r.GaveUp})
}

func appendCodes(all []runfile.Outcome, prefix string, codes []codeCount) []runfile.Outcome {
	codes = slices.Clone(codes)
	slices.SortFunc(codes, func(a, b codeCount) int { return cmp.Compare(a.Code, b.Code) })
	for _, c := range codes {
		all = append(all, runfile.Outcome{Name: prefix + c.Code, Count: c.Count})
	}
	return all
}

func (r *DrawReport) rateOf(name string, of func(*runfile.Second) uint64) runfile.Rate {
	rate := runfile.Rate{Name: name}
	var sum uint64
	for i := range r.Seconds {
		n := of(&r.Seconds[i])
		sum += n
		rate.Peak = max(rate.Peak, float64(n))
	}
	if r.Wall > 0 {
		rate.Mean = float64(sum) / r.Wall.Seconds()
	}
	return rate
}

// document returns the verdict and the prizes as a run's document has them.
func (p *Proof) document(needed int) (*runfile.Verdict, []runfile.Prize) {
	v := p.Verdict
	d := &runfile.Verdict{
		Status: runfile.Right, Draws: v.Draws, Wins: v.Wins, Users: v.Users, Needed: uint64(needed), Acknowledged: v.Acknowledged, Found: v.Found, Extra: v.Extra,
		Replays: p.Replays, ReplaysSame: p.ReplaysSame, ByID: p.ByID, ByIDSame: p.ByIDSame, FaultCounts: v.FaultCounts, NotJudged: v.NotJudged,
	}
	if v.Draws < uint64(needed) {
		d.Status = runfile.Unproven
	}
	if !v.Right() {
		d.Status = runfile.Broken
	}
	for _, f := range v.Faults {
		d.Faults = append(d.Faults, runfile.Fault{Rule: f.Rule, Detail: f.Detail})
	}
	return d, prizesOf(v)
}

// verdict is that of a recount, as a run's document has it; nil where there is none. It stands on however many draws there were.
func (p *Proof) verdict() *runfile.Verdict {
	if p == nil {
		return nil
	}
	v, _ := p.document(0)
	return v
}

func prizesOf(v *oracle.Verdict) []runfile.Prize {
	var all []runfile.Prize
	for i := range v.Prizes {
		z := &v.Prizes[i]
		p := runfile.Prize{ID: z.ID, Total: max(z.Total, -1), Wins: z.Wins, Taken: z.Taken, Issued: z.Issued, Natural: z.Natural, Expected: z.Expected, Sigma: z.Sigma}
		if p.Total >= 0 {
			p.Oversold = max(z.Taken-z.Total, z.Issued-z.Total, 0)
		}
		all = append(all, p)
	}
	return all
}

// Document returns the calibration as a run's document.
func (r *CalibrateReport) Document() *runfile.Run {
	d := &runfile.Run{Scenario: r.Scenario, StartedAt: r.Machine.At, WallSeconds: r.Seconds, Environment: r.Machine.document(), Options: []runfile.Option{}}
	d.Environment.Durability, d.Environment.Nodes, d.Environment.Target = "none", 0, "none"
	d.Latency = slices.DeleteFunc([]runfile.Latency{
		{Name: "round_trip", Title: "loopback round trip, 1 byte", Percentiles: r.RoundTrip}, {Name: "empty_service", Title: "empty handler, closed loop", Percentiles: r.Empty.Service},
		{Name: "lag", Title: "generator lag, open loop", Percentiles: r.Pacing},
	}, func(l runfile.Latency) bool { return l.Count == 0 })
	for _, x := range []struct {
		id, name string
		c        *Capacity
	}{{"empty", "empty fasthttp handler, closed loop", &r.Empty}, {"generator", "generator against a bare sink, closed loop", &r.Generator}} {
		d.Figures = append(d.Figures, runfile.Figure{ID: x.id, Name: fmt.Sprintf("%s, %d in flight", x.name, x.c.Connections), Measures: []runfile.Measure{
			runfile.NewMeasure("rate", "per_second", runfile.Higher, []float64{x.c.Rate}), runfile.NewMeasure("generator_cpu", "us", runfile.Lower, []float64{x.c.GeneratorCPU}),
			runfile.NewMeasure("server_cpu", "us", runfile.Lower, []float64{x.c.ServerCPU}),
		}})
	}
	return d
}

// Document returns the table as a run's document.
func (r *FiguresReport) Document() *runfile.Run {
	d := &runfile.Run{Scenario: r.Scenario, StartedAt: r.Machine.At, WallSeconds: r.Wall, Environment: r.Machine.document(), Options: []runfile.Option{
		{Name: "pairs", Value: fmt.Sprint(r.Pairs)}, {Name: "seconds", Value: fmt.Sprint(r.Seconds)}, {Name: "connections", Value: fmt.Sprint(r.Connections)},
		{Name: "batch-draws", Value: fmt.Sprint(r.BatchDraws)}, {Name: "batch-connections", Value: fmt.Sprint(r.BatchConns)}, {Name: "users", Value: fmt.Sprint(r.Users)},
	}}
	for i := range r.Figures {
		d.Figures = append(d.Figures, r.Figures[i].document())
	}
	d.Verdict = r.Proof.verdict()
	return d
}

func (f *Figure) document() runfile.Figure {
	d := runfile.Figure{ID: f.ID, Name: f.Name, Goal: f.Goal, Text: f.Text, Note: f.Note, Measures: f.Measures}
	if len(f.Samples) == 0 {
		return d
	}
	d.Measures = nil
	measure := func(name, unit string, better runfile.Direction, of func(*Sample) float64) {
		values := make([]float64, len(f.Samples))
		for i := range f.Samples {
			values[i] = of(&f.Samples[i])
		}
		d.Measures = append(d.Measures, runfile.NewMeasure(name, unit, better, values))
	}
	measure("rate", "per_second", runfile.Higher, func(s *Sample) float64 { return s.Rate })
	measure("ratio", "share", runfile.Higher, func(s *Sample) float64 { return s.Rate / s.EmptyRate })
	measure("cpu", "us", runfile.Lower, func(s *Sample) float64 { return s.CPU })
	measure("cpu_above", "us", runfile.Lower, func(s *Sample) float64 { return s.CPU - s.EmptyCPU })
	measure("p50", "us", runfile.Lower, func(s *Sample) float64 { return float64(s.P50) })
	measure("p99", "us", runfile.Lower, func(s *Sample) float64 { return float64(s.P99) })
	measure("generator_cpu", "us", runfile.Lower, func(s *Sample) float64 { return s.GeneratorCPU })
	measure("empty_rate", "per_second", "", func(s *Sample) float64 { return s.EmptyRate })
	measure("empty_cpu", "us", "", func(s *Sample) float64 { return s.EmptyCPU })
	if f.Refused > 0 {
		d.Note = fmt.Sprintf("%s requests were refused because of load; they do not count", count(f.Refused))
	}
	return d
}

// writeJSON writes a report to a file: its document, if it has one.
func writeJSON(name string, report any) error {
	if r, ok := report.(Report); ok {
		d := r.Document()
		d.Close()
		return d.WriteFile(name)
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if err := os.WriteFile(name, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}
