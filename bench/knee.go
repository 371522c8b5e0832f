package bench

import (
	"context"
	"fmt"
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
		campaign, err := t.f.publish(ctx, steadyCampaign(t.o.Users, time.Now()))
		if err != nil {
			return err
		}
		work := newSteadyLoad(t.f.host, campaign, uint32(t.o.Users))
		peak, err := closedLoop{server: t.f.daemon, opts: load.Options{Addr: t.f.host, Connections: t.o.Connections}}.measure(ctx, func(int) load.Workload { return work }, t.span)
		if err != nil {
			return err
		}
		var knee *probed
		low, high := 0.0, peak.Rate
		for step := range kneeSteps {
			rate := (low + high) / 2
			t.f.say.now("step %d of %d: %s/s …", step+1, kneeSteps, count(int64(rate)))
			p, err := t.probe(ctx, work, rate, t.o.Connections)
			if err != nil {
				return err
			}
			row := p.figure(fmt.Sprintf("step.%d", step+1), count(int64(rate))+"/s offered")
			why := p.beyond(t.o.Limit)
			row.Text = why
			if why == "" {
				low, knee, row.Text = rate, &p, "within the limit"
			} else {
				high = rate
			}
			row.Note = row.Text
			t.report.Rows = append(t.report.Rows, row)
		}
		if knee == nil {
			t.report.Notes = append(t.report.Notes, "no rate was found within the limit")
			return nil
		}
		t.report.Rows = append(t.report.Rows, knee.figure("knee", fmt.Sprintf("the knee at p99 ≤ %s, of a peak of %s/s in a closed loop", spanText(t.o.Limit), count(int64(peak.Rate)))))
		return nil
	})
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
}

// probe offers draws at a rate for the span of a turn.
func (t *tableRun) probe(ctx context.Context, work *steadyLoad, rate float64, connections int) (probed, error) {
	due, _ := planSteady(rate, t.span, 1, "uniform", t.o.Seed)
	s, err := load.Run(ctx, load.Options{Addr: t.f.host, Connections: connections, Timeout: leaveAfter}, load.Schedule{Arrivals: due, Drain: leaveAfter},
		func(int) load.Workload { return work })
	if err != nil {
		return probed{}, err
	}
	span := max(s.Wall, t.span).Seconds()
	return probed{
		offered: float64(len(due)) / t.span.Seconds(), goodput: float64(s.Answered[load.Decided]) / span, due: percentilesOf(s.Latency[load.Decided]),
		service: percentilesOf(s.Service[load.Decided]), refused: s.Answered[load.Refused], failed: s.Answered[load.Failed], lost: s.LostCount + s.Unresolved,
		invalid: generatorFaults(s),
	}, nil
}

func (p *probed) figure(id, name string) runfile.Figure {
	one := func(v float64) []float64 { return []float64{v} }
	return runfile.Figure{ID: id, Name: name, Measures: []runfile.Measure{
		runfile.NewMeasure("offered", "per_second", "", one(p.offered)), runfile.NewMeasure("goodput", "per_second", runfile.Higher, one(p.goodput)),
		runfile.NewMeasure("p50", "us", runfile.Lower, one(float64(p.due.P50))), runfile.NewMeasure("p99", "us", runfile.Lower, one(float64(p.due.P99))),
		runfile.NewMeasure("p99.9", "us", runfile.Lower, one(float64(p.due.P999))), runfile.NewMeasure("service_p99", "us", runfile.Lower, one(float64(p.service.P99))),
		runfile.NewMeasure("refused", "count", "", one(float64(p.refused))), runfile.NewMeasure("lost", "count", runfile.Lower, one(float64(p.lost))),
	}}
}
