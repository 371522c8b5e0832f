package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
)

const (
	leaveAfter = 2 * time.Second // a client of the scenario knee that has no answer by then leaves
	kneeSteps  = 7               // of the search
	kneeShare  = 0.95            // of what is offered must be answered, or the rate is none that can be had
)

// Knee searches the highest rate at which the 99th percentile of latency stays within a limit, and shows the curve on the way.
func Knee(ctx context.Context, o TableOptions) (*TableReport, error) {
	orDefault(&o.Limit, 10*time.Millisecond)
	method := fmt.Sprintf("open loop at several rates; the knee is the highest at which p99 from the due time is at most %s, nothing is refused or lost, and the generator is punctual", spanText(o.Limit))
	return runTable(ctx, "knee", method, o, func(ctx context.Context, t *tableRun) error {
		k, err := t.f.findKnee(ctx, t.o.Limit)
		if err != nil {
			return err
		}
		t.report.Rows = append(t.report.Rows, k.steps...)
		if k.best == nil {
			t.report.Notes = append(t.report.Notes, k.text())
			return nil
		}
		t.report.Rows = append(t.report.Rows, k.best.figure("knee", k.text()))
		return nil
	})
}

// knee is what the search came to.
type knee struct {
	limit time.Duration
	peak  float64 // of a closed loop
	steps []runfile.Figure
	best  *probed // nil when no rate was within the limit
	above *probed // the lowest rate that was beyond it; nil when none was
	why   string  // it was
}

// findKnee halves the range between nothing and the peak of a closed loop, again and again.
func (f *figures) findKnee(ctx context.Context, limit time.Duration) (*knee, error) {
	campaign, err := f.publish(ctx, steadyCampaign(f.o.Users, time.Now()))
	if err != nil {
		return nil, err
	}
	work := drawing(f, newSteadyLoad(f.host, campaign, uint32(f.o.Users)), campaign)
	span := time.Duration(f.o.Seconds) * time.Second
	f.say.now("knee: the peak of a closed loop …")
	peak, err := closedLoop{server: f.daemon, opts: load.Options{Addr: f.host, Connections: f.o.Connections}}.measure(ctx, func(int) load.Workload { return work }, span)
	if err != nil {
		return nil, err
	}
	k := &knee{limit: limit, peak: peak.Rate}
	low, high := 0.0, peak.Rate
	for step := range kneeSteps {
		rate := (low + high) / 2
		f.say.now("knee: step %d of %d: %s/s …", step+1, kneeSteps, count(int64(rate)))
		p, err := f.probe(ctx, work, rate, span)
		if err != nil {
			return nil, err
		}
		row := p.figure(fmt.Sprintf("step.%d", step+1), count(int64(rate))+"/s offered")
		row.Text = p.beyond(limit)
		if row.Text == "" {
			low, k.best, row.Text = rate, p, "within the limit"
		} else {
			high, k.above, k.why = rate, p, row.Text
		}
		row.Note = row.Text
		k.steps = append(k.steps, row)
	}
	return k, nil
}

// text says where the knee is and what limits it: who used how much of a processor at the first rate beyond it.
func (k *knee) text() string {
	s := fmt.Sprintf("the knee at p99 ≤ %s, of a peak of %s/s in a closed loop", spanText(k.limit), count(int64(k.peak)))
	if k.best == nil {
		s = "no rate was found within p99 ≤ " + spanText(k.limit)
	}
	if k.above != nil {
		s += fmt.Sprintf("; at %s/s: %s (daemon %s of a processor, generator %s, of %d)", count(int64(k.above.offered)), k.why, percent(k.above.daemon), percent(k.above.generator), runtime.GOMAXPROCS(0))
	}
	return s
}

// kneeFigure is the knee as a row of the table.
func (f *figures) kneeFigure(ctx context.Context) ([]Figure, error) {
	k, err := f.findKnee(ctx, 10*time.Millisecond)
	if err != nil {
		return nil, err
	}
	fig := Figure{ID: "knee", Name: "highest rate of draws one by one at p99 ≤ 10 ms, open loop", Goal: "reported", Beside: k.text()}
	if k.best != nil {
		fig.Measures = k.best.figure("", "").Measures[1:] // what was answered, and how fast
	}
	return []Figure{fig}, nil
}

// beyond says why the rate is none that can be had; empty when it can.
func (p *probed) beyond(limit time.Duration) string {
	switch {
	case len(p.invalid) > 0:
		return "INVALID: " + p.invalid[0]
	case p.refused+p.lost+p.failed > 0:
		return fmt.Sprintf("%s refused, %s lost, %s failed", count(p.refused), count(p.lost), count(p.failed))
	case p.goodput < kneeShare*p.offered:
		return fmt.Sprintf("%s of what was offered was answered in time", percent(p.goodput/p.offered))
	case p.due.P99 > limit.Microseconds():
		return "p99 " + microsText(p.due.P99)
	}
	return ""
}

// probed is what an open loop at one rate gave.
type probed struct {
	offered, goodput float64 // a second
	due, service     Percentiles
	refused, lost    uint64
	failed           uint64
	invalid          []string

	daemon, generator float64 // processors used, while it lasted
}

// probe offers draws at a rate for a while.
func (f *figures) probe(ctx context.Context, work *steadyLoad, rate float64, span time.Duration) (*probed, error) {
	due, _ := planSteady(rate, span, 1, "uniform", f.o.Seed)
	used := f.daemon.CPU()
	s, err := load.Run(ctx, load.Options{Addr: f.host, Connections: f.o.Connections, Timeout: leaveAfter}, load.Schedule{Arrivals: due, Drain: leaveAfter},
		func(int) load.Workload { return work })
	if err != nil {
		return nil, err
	}
	wall := max(s.Wall, span).Seconds()
	return &probed{
		offered: float64(len(due)) / span.Seconds(), goodput: float64(s.Answered[load.Decided]) / wall, due: percentilesOf(s.Latency[load.Decided]),
		service: percentilesOf(s.Service[load.Decided]), refused: s.Answered[load.Refused], failed: s.Answered[load.Failed], lost: s.LostCount + s.Unresolved,
		invalid: generatorFaults(s), daemon: (f.daemon.CPU() - used).Seconds() / wall, generator: s.CPU.Seconds() / wall,
	}, nil
}

func (p *probed) figure(id, name string) runfile.Figure {
	one := func(v float64) []float64 { return []float64{v} }
	return runfile.Figure{ID: id, Name: name, Measures: []runfile.Measure{
		runfile.NewMeasure("offered", "per_second", "", one(p.offered)), runfile.NewMeasure("goodput", "per_second", runfile.Higher, one(p.goodput)),
		runfile.NewMeasure("p50", "us", runfile.Lower, one(float64(p.due.P50))), runfile.NewMeasure("p99", "us", runfile.Lower, one(float64(p.due.P99))),
		runfile.NewMeasure("p99.9", "us", runfile.Lower, one(float64(p.due.P999))), runfile.NewMeasure("service_p99", "us", runfile.Lower, one(float64(p.service.P99))),
		runfile.NewMeasure("refused", "count", "", one(float64(p.refused))), runfile.NewMeasure("lost", "count", runfile.Lower, one(float64(p.lost))),
		runfile.NewMeasure("daemon", "share", "", one(p.daemon)), runfile.NewMeasure("generator", "share", "", one(p.generator)),
	}}
}
