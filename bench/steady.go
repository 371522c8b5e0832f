package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"syscall"
	"time"

	"github.com/drawd/drawd/bench/runfile"
)

// SteadyOptions describe draws at a steady rate. Zero values mean the default given with each field.
type SteadyOptions struct {
	DrawOptions
	Rate     int           // arrivals a second, at random moments (Poisson). Default 5 000
	Duration time.Duration // Default 30 s; of a soak 10 minutes
	Users    int           // Default 1 000 000
	// Pattern says who comes: "uniform"; "zipf", some far more often than others; "bots", where one user in a thousand sends
	// three requests of ten. Default "uniform".
	Pattern string
	// Stall, of a retry storm, is how long the daemon stands still after a third of the run. Default 2 s
	Stall time.Duration
	// Policy, of a retry storm, is how clients ask again: "jitter", after a random time that doubles; "none", at once.
	// Default "jitter".
	Policy string
	// Timeout, of a retry storm, is how long a client waits for an answer. Default 500 ms
	Timeout time.Duration
	// SyncDelay, of a slow disk, is by how much longer each sync takes. Default 50 ms
	SyncDelay time.Duration
}

// Validate reports every fault of o at once.
func (o *SteadyOptions) Validate() error {
	var f faults
	o.DrawOptions.check(&f)
	f.within("Rate", o.Rate, 0, 10_000_000)
	f.within("Users", o.Users, 0, MaxRequests)
	f.check(o.Duration >= 0 && o.Duration <= 24*time.Hour, "Duration must be between 0 and 24h")
	f.check(o.Pattern == "" || o.Pattern == "uniform" || o.Pattern == "zipf" || o.Pattern == "bots", "Pattern must be uniform, zipf or bots")
	f.check(o.Policy == "" || o.Policy == "jitter" || o.Policy == "none", "Policy must be jitter or none")
	f.check(o.Stall >= 0 && o.Stall <= time.Minute, "Stall must be between 0 and 1m")
	f.check(o.SyncDelay >= 0 && o.SyncDelay <= time.Second, "SyncDelay must be between 0 and 1s")
	f.check(o.Timeout >= 0 && o.Timeout <= time.Minute, "Timeout must be between 0 and 1m")
	return f.err("steady")
}

func (o *SteadyOptions) fill(span time.Duration) error {
	orDefault(&o.Rate, 5_000)
	orDefault(&o.Duration, span)
	orDefault(&o.Users, 1_000_000)
	orDefault(&o.Pattern, "uniform")
	return o.DrawOptions.fill()
}

// Steady draws at a steady rate and judges the result. Report and errors are as those of [Flash].
func Steady(ctx context.Context, o SteadyOptions) (*DrawReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := o.fill(30 * time.Second); err != nil {
		return nil, err
	}
	return runDraws(ctx, &drawRun{scenario: "steady", o: o.DrawOptions, makePlan: o.plan})
}

// Soak draws at a steady rate for long and says what has drifted. Report and errors are as those of [Flash].
func Soak(ctx context.Context, o SteadyOptions) (*DrawReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := o.fill(10 * time.Minute); err != nil {
		return nil, err
	}
	r := &drawRun{scenario: "soak", o: o.DrawOptions, makePlan: func(r *drawRun) (*plan, error) {
		p, err := o.plan(r)
		if err == nil {
			p.figures = drift
		}
		return p, err
	}}
	return runDraws(ctx, r)
}

// SlowDisk draws at a steady rate while each sync of the log takes long. Report and errors are as those of [Flash].
func SlowDisk(ctx context.Context, o SteadyOptions) (*DrawReport, error) {
	if err := o.needsSelf("slow-disk"); err != nil {
		return nil, err
	}
	orDefault(&o.SyncDelay, 50*time.Millisecond)
	if err := o.fill(20 * time.Second); err != nil {
		return nil, err
	}
	r := &drawRun{scenario: "slow-disk", o: o.DrawOptions, flags: []string{"--bench-sync-delay", o.SyncDelay.String()}, makePlan: func(r *drawRun) (*plan, error) {
		p, err := o.plan(r)
		if err == nil {
			p.text = append(p.text, fmt.Sprintf("disk      each sync of the log takes %s longer", spanText(o.SyncDelay)))
			p.options = append(p.options, runfile.Option{Name: "sync-delay", Value: o.SyncDelay.String()})
		}
		return p, err
	}}
	return runDraws(ctx, r)
}

// needsSelf validates the options of a scenario that does something to its daemon.
func (o *SteadyOptions) needsSelf(scenario string) error {
	var f faults
	f.check(o.Self, "Self must be set: only a daemon of our own is slowed down or stopped")
	if err := f.err(scenario); err != nil {
		return err
	}
	return o.Validate()
}

// RetryStorm lets the daemon stand still for a moment while draws come at a steady rate, so that every client asks again.
// Report and errors are as those of [Flash].
func RetryStorm(ctx context.Context, o SteadyOptions) (*DrawReport, error) {
	if err := o.needsSelf("retry-storm"); err != nil {
		return nil, err
	}
	orDefault(&o.Stall, 2*time.Second)
	orDefault(&o.Policy, "jitter")
	orDefault(&o.Timeout, 500*time.Millisecond)
	if err := o.fill(20 * time.Second); err != nil {
		return nil, err
	}
	return runDraws(ctx, &drawRun{scenario: "retry-storm", o: o.DrawOptions, makePlan: o.storm})
}

// plan draws the arrivals.
func (o *SteadyOptions) plan(r *drawRun) (*plan, error) {
	if most := peakShare * r.generator; float64(o.Rate) > most {
		return nil, fmt.Errorf("bench %s: %s arrivals a second are more than %s of the %s that this generator can send", r.scenario, count(o.Rate), percent(peakShare), count(int64(r.generator))+"/s")
	}
	p := &plan{campaign: func(now time.Time) *campaignFile { return steadyCampaign(o.Users, now) }}
	p.due, p.user = planSteady(float64(o.Rate), o.Duration, o.Users, o.Pattern, o.Seed)
	p.text = append(p.text, fmt.Sprintf("steady    %s arrivals a second at random moments (%s of the %s that this generator can send) for %s, by %s users (%s); seed %d",
		count(o.Rate), percent(float64(o.Rate)/r.generator), count(int64(r.generator))+"/s", spanText(o.Duration), count(o.Users), o.Pattern, o.Seed))
	p.options = []runfile.Option{
		{Name: "rate", Value: strconv.Itoa(o.Rate)}, {Name: "duration", Value: o.Duration.String()}, {Name: "users", Value: strconv.Itoa(o.Users)}, {Name: "pattern", Value: o.Pattern},
	}
	return p, nil
}

// planSteady draws arrivals of a Poisson process and who they are.
func planSteady(rate float64, span time.Duration, users int, pattern string, seed uint64) (due []time.Duration, user []uint32) {
	rng := rand.New(rand.NewPCG(seed, 0x737465616479))
	next := func() uint32 { return uint32(rng.IntN(users)) }
	switch pattern {
	case "zipf":
		z := rand.NewZipf(rng, 1.1, 1, uint64(users-1))
		next = func() uint32 { return uint32(z.Uint64()) }
	case "bots":
		bots := max(users/1000, 1)
		next = func() uint32 {
			if rng.IntN(10) < 3 {
				return uint32(rng.IntN(bots))
			}
			return uint32(rng.IntN(users))
		}
	}
	expected := int(rate*span.Seconds()*1.1) + 16
	due, user = make([]time.Duration, 0, expected), make([]uint32, 0, expected)
	for at := 0.0; ; {
		at += rng.ExpFloat64() / rate * float64(time.Second)
		if time.Duration(at) >= span {
			return due, user
		}
		due, user = append(due, time.Duration(at)), append(user, next())
	}
}

// storm is the plan of a retry storm.
func (o *SteadyOptions) storm(r *drawRun) (*plan, error) {
	p, err := o.plan(r)
	if err != nil {
		return nil, err
	}
	at := o.Duration / 3
	p.timeout, p.patience = o.Timeout, patience{o.Policy, maxAttempts}
	p.text = append(p.text, fmt.Sprintf("storm     after %s the daemon stands still for %s; clients wait %s for an answer and ask again (%s)", spanText(at), spanText(o.Stall), spanText(o.Timeout), o.Policy))
	p.options = append(p.options, runfile.Option{Name: "stall", Value: o.Stall.String()}, runfile.Option{Name: "policy", Value: o.Policy}, runfile.Option{Name: "timeout", Value: o.Timeout.String()})
	p.meanwhile = func(ctx context.Context, t0 time.Time) error {
		process := r.daemon.current().cmd.Process
		for _, step := range []struct {
			at     time.Duration
			signal syscall.Signal
		}{{at, syscall.SIGSTOP}, {at + o.Stall, syscall.SIGCONT}} {
			select {
			case <-time.After(time.Until(t0.Add(step.at))):
			case <-ctx.Done():
			}
			// Also when the run was given up: a process that stands still cannot be ended in the orderly way.
			if err := process.Signal(step.signal); err != nil {
				return fmt.Errorf("bench: %w", err)
			}
		}
		r.say.say("        the daemon stood still for %s", spanText(o.Stall))
		return nil
	}
	p.figures = func(s []runfile.Second) []runfile.Figure { return recovery(s, at+o.Stall) }
	return p, nil
}

// recovery tells from the seconds how long it took until the daemon kept up again after a stall that ended at a time.
func recovery(rows []runfile.Second, ended time.Duration) []runfile.Figure {
	f := runfile.Figure{ID: "recovery", Name: "from the end of the stall until what is due is answered within the second again (95 %)", Goal: "≤ 10 s"}
	first := int(ended / time.Second)
	for i := range rows {
		r := &rows[i]
		if r.At < first || float64(r.Waiting) > 0.05*float64(r.Offered) || float64(r.Answered) < 0.95*float64(r.Offered) || r.P50 > int64(time.Second/time.Microsecond) {
			continue
		}
		took := max(0, float64(r.At+1)-ended.Seconds())
		f.Measures = []runfile.Measure{runfile.NewMeasure("recovery", "seconds", runfile.Lower, []float64{took})}
		return []runfile.Figure{f}
	}
	f.Text = "it did not within the run"
	return []runfile.Figure{f}
}

// drift compares the first and the last tenth of a run, after a tenth to settle. Percentiles are not averaged: it is the
// worst second of each part that is compared.
func drift(rows []runfile.Second) []runfile.Figure {
	tenth := len(rows) / 10
	if tenth < 1 {
		return nil
	}
	parts := [2][]runfile.Second{rows[tenth : 2*tenth], rows[len(rows)-tenth-1 : len(rows)-1]} // the last second may be a short one
	var worst, resident [2]float64
	for k, part := range parts {
		for i := range part {
			worst[k] = max(worst[k], float64(part[i].P99))
			resident[k] = max(resident[k], float64(part[i].Resident))
		}
	}
	row := func(id, name, unit string, v [2]float64) runfile.Figure {
		f := runfile.Figure{ID: id, Name: name, Measures: []runfile.Measure{
			runfile.NewMeasure("early", unit, runfile.Lower, v[:1]), runfile.NewMeasure("late", unit, runfile.Lower, v[1:]),
		}}
		if v[0] > 0 {
			f.Measures = append(f.Measures, runfile.NewMeasure("growth", "share", runfile.Lower, []float64{v[1] / v[0]}))
		}
		return f
	}
	all := []runfile.Figure{row("drift.p99", "p99 of the worst second, in the second and in the last tenth of the run", "us", worst)}
	if resident[0] > 0 {
		all = append(all, row("drift.resident", "memory of the process, in the same", "bytes", resident))
	}
	return all
}
