package bench

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
)

// What limits a daemon in the scenario overload.
const (
	LimitLog       = "log"
	LimitProcessor = "processor"
)

const (
	throttlePeriod = 20 * time.Millisecond
	throttleShare  = 0.1 // of the time in which the daemon may run, where the processor limits it

	slowSync     = 10 * time.Millisecond // by which each sync takes longer, where the log limits
	slowEntry    = 4096                  // bytes of an entry there: some sixty draws
	slowQueue    = 4096                  // commands that may wait for an entry there
	crowdedLines = 6000                  // connections in an overload: the generator must not be the queue
	calmShare    = 0.5                   // of the peak, offered after the overload
	calmSpan     = 3 * time.Second
)

// peakLoads are the requests in flight among which the peak is looked for.
var peakLoads = [...]int{256, 1024, 4096}

// slowLog returns the flags that make the log the limit of a daemon.
func slowLog(delay time.Duration) []string {
	return []string{"--bench-sync-delay", delay.String(), "--bench-entry-bytes", strconv.Itoa(slowEntry), "--bench-queue", strconv.Itoa(slowQueue)}
}

// Overload offers more than the daemon can do, and then half of what it can do: how much of the offer is decided meanwhile, how fast
// the rest is refused, and how soon it is over. The capacity is made small, because the generator shares the machine and could not
// offer ten times of all that the daemon can do.
func Overload(ctx context.Context, o TableOptions) (*TableReport, error) {
	orDefault(&o.LimitedBy, LimitLog)
	orDefault(&o.SyncDelay, slowSync)
	method := fmt.Sprintf("the daemon's log is the limit: syncs take %v longer, entries have at most %d bytes, %s commands may wait", o.SyncDelay, slowEntry, count(slowQueue))
	if o.LimitedBy == LimitProcessor {
		method = fmt.Sprintf("the processor is the limit: the daemon runs in %s of the time (SIGSTOP and SIGCONT, every %v)", percent(throttleShare), throttlePeriod)
	}
	method += "; open loop, clients do not ask again; afterwards half of the peak is offered"
	return runTable(ctx, "overload", method, o, func(ctx context.Context, t *tableRun) error {
		if t.o.LimitedBy == LimitLog {
			t.f.daemon.extra = append(t.f.daemon.extra, slowLog(t.o.SyncDelay)...)
		} else {
			t.report.Notes = append(t.report.Notes, "P12's goal is for a capacity that the log limits; one that the processor limits is reported without a goal")
		}
		w, err := t.f.overload(ctx, t.span)
		if err != nil {
			return err
		}
		if t.o.LimitedBy == LimitProcessor {
			defer throttle(t.f.daemon.current(), throttleShare)()
		}
		if err := w.findPeak(ctx); err != nil {
			return err
		}
		t.report.Rows = append(t.report.Rows, w.peakRow())
		for _, times := range []float64{1, 2, 3, 10} {
			p, err := w.offer(ctx, times)
			if err != nil {
				return err
			}
			row := p.figure(fmt.Sprintf("times.%g", times), w)
			if t.o.LimitedBy == LimitLog && times >= 2 {
				row.Goal = overloadGoal
			}
			t.report.Rows = append(t.report.Rows, row)
			t.report.Invalid = append(t.report.Invalid, p.invalid...)
		}
		return nil
	})
}

const overloadGoal = "goodput ≥ 0.9 of the peak; p99 ≤ 2 × that at the peak"

// overload offers a daemon many times what it can do.
type overload struct {
	f         *figures
	span      time.Duration
	generator float64 // requests a second that the generator can send
	work      *steadyLoad
	peak      Capacity
}

// overload prepares the daemon of f, which must not run before it has its flags.
func (f *figures) overload(ctx context.Context, span time.Duration) (*overload, error) {
	campaign, err := f.publish(ctx, steadyCampaign(f.o.Users, time.Now()))
	if err != nil {
		return nil, err
	}
	w := &overload{f: f, span: span, work: drawing(f, newSteadyLoad(f.host, campaign, uint32(f.o.Users)), campaign)}
	w.generator, err = generatorRate(ctx, &f.o.Environment, 256, 1, time.Second)
	return w, err
}

// findPeak looks for the highest rate of a closed loop.
func (w *overload) findPeak(ctx context.Context) error {
	for _, n := range peakLoads {
		w.f.say.now("overload: the peak, %s requests in flight …", count(n))
		c, err := closedLoop{server: w.f.daemon, opts: load.Options{Addr: w.f.host, Connections: n}}.measure(ctx, func(int) load.Workload { return w.work }, w.span)
		if err != nil {
			return err
		}
		if c.Rate > w.peak.Rate {
			w.peak = c
		}
	}
	return nil
}

func (w *overload) peakRow() runfile.Figure {
	one := func(v float64) []float64 { return []float64{v} }
	return runfile.Figure{ID: "peak", Name: fmt.Sprintf("the peak: closed loop, %s in flight", count(w.peak.Connections)), Measures: []runfile.Measure{
		runfile.NewMeasure("goodput", "per_second", runfile.Higher, one(w.peak.Rate)),
		runfile.NewMeasure("p50", "us", runfile.Lower, one(float64(w.peak.Service.P50))), runfile.NewMeasure("p99", "us", runfile.Lower, one(float64(w.peak.Service.P99))),
	}}
}

// offered is what an overload came to.
type offered struct {
	times, rate float64 // of the peak; a second
	goodput     float64 // draws decided a second, while it lasted
	accepted    Percentiles
	refused     Percentiles // from the due time until the refusal
	lost        uint64
	recovery    runfile.Figure
	invalid     []string
}

// offer sends so many times the peak for a while, then half of it.
func (w *overload) offer(ctx context.Context, times float64) (*offered, error) {
	p := &offered{times: times, rate: min(times*w.peak.Rate, peakShare*w.generator)}
	w.f.say.now("overload: %.1f × the peak …", p.rate/w.peak.Rate)
	due, _ := planSteady(p.rate, w.span, 1, "uniform", w.f.o.Seed)
	calm, _ := planSteady(calmShare*w.peak.Rate, calmSpan, 1, "uniform", w.f.o.Seed)
	for _, at := range calm {
		due = append(due, w.span+at)
	}
	heard := newOverheard(w.work, min(time.Second, w.span/4), w.span)
	s, err := load.Run(ctx, load.Options{Addr: w.f.host, Connections: crowdedLines}, load.Schedule{Arrivals: due}, func(int) load.Workload { return heard })
	if err != nil {
		return nil, err
	}
	p.goodput = float64(heard.decided) / (heard.to - heard.from).Seconds()
	p.accepted, p.refused = percentilesOf(heard.latency[load.Decided]), percentilesOf(heard.latency[load.Refused])
	p.lost, p.invalid = s.LostCount+s.Unresolved+s.Answered[load.Failed], generatorFaults(s)
	rows := make([]runfile.Second, len(s.Seconds))
	for i, r := range s.Seconds { // of one loop
		rows[i] = runfile.Second{At: r.At, Offered: r.Due, P50: r.P50, Waiting: r.Waiting}
		for _, n := range r.Answered {
			rows[i].Answered += n
		}
	}
	p.recovery = recovery(rows, w.span)[0]
	return p, nil
}

// figure is the row of an overload.
func (p *offered) figure(id string, w *overload) runfile.Figure {
	one := func(v float64) []float64 { return []float64{v} }
	f := runfile.Figure{ID: id, Name: fmt.Sprintf("%.3g × the peak offered", p.times), Measures: []runfile.Measure{
		runfile.NewMeasure("offered", "per_second", "", one(p.rate)), runfile.NewMeasure("goodput", "per_second", runfile.Higher, one(p.goodput)),
		runfile.NewMeasure("of_peak", "share", runfile.Higher, one(p.goodput/w.peak.Rate)), runfile.NewMeasure("p50", "us", runfile.Lower, one(float64(p.accepted.P50))),
		runfile.NewMeasure("p99", "us", runfile.Lower, one(float64(p.accepted.P99))),
		runfile.NewMeasure("p99_of_peak", "share", runfile.Lower, one(float64(p.accepted.P99)/float64(max(1, w.peak.Service.P99)))),
		runfile.NewMeasure("refused", "count", "", one(float64(p.refused.Count))),
		runfile.NewMeasure("refused_p50", "us", runfile.Lower, one(float64(p.refused.P50))), runfile.NewMeasure("refused_p99", "us", runfile.Lower, one(float64(p.refused.P99))),
		runfile.NewMeasure("lost", "count", runfile.Lower, one(float64(p.lost))),
	}}
	f.Measures = append(f.Measures, p.recovery.Measures...)
	if p.rate < p.times*w.peak.Rate {
		f.Name = fmt.Sprintf("%.3g × the peak offered (of %.3g ×: more this generator cannot send)", p.rate/w.peak.Rate, p.times)
	}
	if p.recovery.Text != "" {
		f.Note = "after the overload what was due was not answered within the second again, in " + spanText(calmSpan)
	}
	return f
}

// overheard listens to the answers of a workload: of those requests that were due in an interval it keeps the latencies, and it counts
// the draws that were decided within it.
type overheard struct {
	load.Workload
	from, to time.Duration
	latency  [load.Classes]*load.Histogram // from the due time
	decided  uint64
}

func newOverheard(w load.Workload, from, to time.Duration) *overheard {
	h := &overheard{Workload: w, from: from, to: to}
	for c := range h.latency {
		h.latency[c] = load.NewHistogram()
	}
	return h
}

// Answer implements load.Workload.
func (h *overheard) Answer(id uint32, a *load.Answer) (load.Class, time.Duration) {
	class, wait := h.Workload.Answer(id, a)
	if a.Due >= h.from && a.Due < h.to {
		load.Record(h.latency[class], a.Received-a.Due)
	}
	if class == load.Decided && a.Received >= h.from && a.Received < h.to {
		h.decided++
	}
	return class, wait
}

// throttle lets a process run for a share of the time, until the function that it returns is called.
func throttle(c *child, share float64) (stop func()) {
	var (
		done  = make(chan struct{})
		ended sync.WaitGroup
		runs  = time.Duration(share * float64(throttlePeriod))
	)
	ended.Go(func() {
		for {
			for _, step := range []struct {
				signal syscall.Signal
				span   time.Duration
			}{{syscall.SIGSTOP, throttlePeriod - runs}, {syscall.SIGCONT, runs}} {
				if c.cmd.Process.Signal(step.signal) != nil {
					return // it has ended
				}
				select {
				case <-done:
					_ = c.cmd.Process.Signal(syscall.SIGCONT) // it may have ended
					return
				case <-time.After(step.span):
				}
			}
		}
	})
	return func() { close(done); ended.Wait() }
}
