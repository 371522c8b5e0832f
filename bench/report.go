package bench

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
)

// DrawReport is what a run of unary draws gave.
type DrawReport struct {
	Scenario string
	Machine  Machine
	Self     bool // the daemon was ours, on this machine
	Nodes    int  // of the cluster that was ours; 0 for one daemon
	Campaign string
	Plan     []string         // what was planned, in words
	Options  []runfile.Option // and as settings
	Notes    []string
	Begun    time.Time

	Wall       time.Duration // from the first due time to the last answer
	Offered    uint64        // requests that became due
	Logged     Rate          // draws: durable before they were answered
	Wins       uint64
	Misses     uint64
	Denied     Rate // refusals for good: no log
	Denials    []codeCount
	Shed       []codeCount // refusals after which the request was sent again
	Failed     uint64      // answers that nobody expected
	Odd        []string    // some of them
	Sent       uint64
	Lost       uint64 // sendings whose connection broke before the answer
	Rescued    uint64 // draws whose first answer was lost and whose retry got the same draw
	Unresolved uint64 // requests whose outcome nobody told, to the end
	GaveUp     uint64 // requests never decided

	Latency Latencies
	Lag     Percentiles // the generator's own delay
	Busiest float64     // the generator's busiest second, as a share of one processor
	Invalid []string
	Seconds []runfile.Second
	hlog    []byte

	Agents []runfile.Agent // who sent the load, if not this process

	GeneratorCPU float64 // µs per request sent
	DaemonCPU    float64 // µs per final answer; 0 where the daemon is not ours

	Restarts []Restart
	Figures  []runfile.Figure // of the scenario
	Proof    *Proof
	Enough   bool // so many logged draws that the verdict stands
	Needed   int  // the least number of them
}

// Rate is a number of answers and how fast they came.
type Rate struct {
	Count uint64
	Mean  float64 // per second
	Peak  float64 // in the best second
}

// Latencies are the histograms of a run. Due: from the time at which the request was due. Service: from its sending.
type Latencies struct {
	LoggedDue     Percentiles
	LoggedService Percentiles
	DeniedDue     Percentiles
	DeniedService Percentiles
}

func newDrawReport(f *drawRun, s *load.Stats, used time.Duration) (*DrawReport, error) {
	r := &DrawReport{
		Scenario: f.scenario, Machine: f.machine, Self: f.o.Self, Nodes: f.nodes, Campaign: f.rules.Campaign, Plan: f.plan.text, Options: f.options(), Notes: f.plan.notes,
		Begun: f.diary.begun, Wall: s.Wall, Offered: s.Due, Sent: s.Sent, Lost: s.LostCount, Busiest: s.Busiest, Seconds: f.diary.rows,
		Logged: rateOf(s, load.Decided), Denied: rateOf(s, load.Denied), Needed: f.o.MinLogged,
	}
	var err error
	if r.hlog, err = f.diary.histograms(); err != nil {
		return nil, err
	}
	if f.plan.figures != nil {
		r.Figures = f.plan.figures(r.Seconds)
	}
	if f.restarts != nil {
		r.Restarts = f.restarts()
	}
	r.Plan = append(r.Plan, fmt.Sprintf("          %s arrivals over %d connections, campaign %s", count(len(f.plan.due)), f.o.Connections, r.Campaign))
	for _, l := range f.loads {
		r.Wins += l.progress.wins.Load()
		r.Misses += l.progress.misses.Load()
		r.Failed += l.progress.failed.Load()
		r.Denials, r.Shed = addCodes(r.Denials, l.codes), addCodes(r.Shed, l.shed)
		r.Rescued += l.replayed
		r.Odd = append(r.Odd, l.odd...)
	}
	states := f.journal.tally()
	r.Unresolved, r.GaveUp = states[unknownOutcome], states[openRequest]+states[brokenOff]
	if s.Sent > 0 {
		r.GeneratorCPU = float64(s.CPU.Nanoseconds()) / 1e3 / float64(s.Sent)
	}
	if n := s.Final(); n > 0 {
		r.DaemonCPU = float64(used.Nanoseconds()) / 1e3 / float64(n)
	}
	r.measure(s)
	if f.fleet != nil {
		r.Agents, r.Invalid = f.fleet.documents(), f.fleet.faults()
	}
	return r, nil
}

// options are the settings of the run, for its document.
func (f *drawRun) options() []runfile.Option {
	o := &f.o
	server := "self"
	if !o.Self {
		server = o.URL
	}
	more := f.plan.options
	if len(o.Agents) > 0 {
		more = append(slices.Clone(more), runfile.Option{Name: "agents", Value: strings.Join(o.Agents, ",")})
	}
	return append([]runfile.Option{
		{Name: "server", Value: server}, {Name: "campaign", Value: f.rules.Campaign}, {Name: "seed", Value: strconv.FormatUint(o.Seed, 10)},
		{Name: "connections", Value: strconv.Itoa(o.Connections)}, {Name: "loops", Value: strconv.Itoa(o.Loops)},
		{Name: "arrivals", Value: strconv.Itoa(len(f.plan.due))}, {Name: "generator-per-second", Value: strconv.Itoa(int(f.generator))},
	}, more...)
}

func rateOf(s *load.Stats, c load.Class) Rate {
	r := Rate{Count: s.Answered[c]}
	if s.Wall > 0 {
		r.Mean = float64(r.Count) / s.Wall.Seconds()
	}
	perSecond := map[int]uint64{}
	for i := range s.Seconds {
		perSecond[s.Seconds[i].At] += s.Seconds[i].Answered[c]
	}
	for _, n := range perSecond {
		r.Peak = max(r.Peak, float64(n))
	}
	return r
}

// measure takes the histograms over, and says whether the generator kept up.
func (r *DrawReport) measure(s *load.Stats) {
	for _, h := range []struct {
		to   *Percentiles
		from int
		due  bool
	}{
		{&r.Latency.LoggedDue, int(load.Decided), true}, {&r.Latency.LoggedService, int(load.Decided), false},
		{&r.Latency.DeniedDue, int(load.Denied), true}, {&r.Latency.DeniedService, int(load.Denied), false},
	} {
		hist := s.Service[h.from]
		if h.due {
			hist = s.Latency[h.from]
		}
		*h.to = percentilesOf(hist)
	}
	r.Lag = percentilesOf(s.Lag)
	r.Invalid = generatorFaults(s)
}

// generatorFaults says why the generator, and not the server, may have made the figures.
func generatorFaults(s *load.Stats) []string {
	var all []string
	if lag := s.Lag.ValueAtQuantile(99); lag > maxLagMicros {
		all = append(all, fmt.Sprintf("the generator lagged: p99 %s, allowed is %s", microsText(lag), microsText(maxLagMicros)))
	}
	if s.Busiest > maxBusy {
		all = append(all, fmt.Sprintf("the generator used up its processor: %s of it in its busiest second", percent(s.Busiest)))
	}
	return all
}

// What a generator may show before its figures count as its own and not the server's.
const (
	maxLagMicros = 1000
	maxBusy      = 0.95
)

// judge says whether the run proves enough.
func (r *DrawReport) judge(needed int) { r.Enough = r.Proof.Verdict.Draws >= uint64(needed) }

// failure returns the error that the report amounts to.
func (r *DrawReport) failure() error {
	if v := r.Proof.Verdict; !v.Right() {
		return &VerdictError{v.Faults}
	}
	reasons := append([]string{}, r.Invalid...)
	if !r.Enough {
		reasons = append(reasons, fmt.Sprintf("verdict needs ≥ %s logged draws, there were %s", count(r.Needed), count(r.Proof.Verdict.Draws)))
	}
	if len(reasons) > 0 {
		return &ThresholdError{Reasons: reasons}
	}
	return nil
}

// WriteText writes the report for people.
func (r *DrawReport) WriteText(w io.Writer) error {
	p := &page{w: w}
	p.line("drawd bench %s", r.Scenario)
	p.line("%s", r.Machine.String())
	where := "one daemon that was running already"
	if r.Self {
		where = "one node on the same machine, every draw durable before its answer"
	}
	if r.Nodes > 0 {
		where = fmt.Sprintf("%d nodes on the same machine, every draw durable on a majority before its answer", r.Nodes)
	}
	p.line("%s · %s", r.Machine.fsyncLine(), where)
	p.line("")
	for _, line := range r.Plan {
		p.line("%s", line)
	}
	p.line("")
	r.writeRates(p)
	r.writeLatency(p)
	writeAgents(p, r.Agents)
	r.writeRestarts(p)
	if len(r.Figures) > 0 {
		writeFigures(p, r.Figures)
		p.line("")
	}
	r.writeVerdict(p)
	return p.err
}

func (r *DrawReport) writeRates(p *page) {
	g := &grid{}
	g.row("answers", "count", "mean", "best second")
	full := func(name string, x *Rate) {
		g.row(name, count(x.Count), count(int64(x.Mean+0.5))+"/s", count(int64(x.Peak+0.5))+"/s")
	}
	full("logged draws", &r.Logged)
	g.row("  won", count(r.Wins), "", "")
	g.row("  missed", count(r.Misses), "", "")
	full("denied", &r.Denied)
	for _, c := range r.Denials {
		g.row("  "+c.Code, count(c.Count), "", "")
	}
	for _, c := range r.Shed {
		g.row("shed, sent again: "+c.Code, count(c.Count), "", "")
	}
	if r.Lost > 0 {
		g.row("lost, sent again", count(r.Lost), "", "")
		g.row("  had been decided", count(r.Rescued), "", "")
	}
	if r.Failed > 0 {
		g.row("failed", count(r.Failed), "", "")
	}
	if r.Unresolved+r.GaveUp > 0 {
		g.row("never answered", count(r.Unresolved+r.GaveUp), "", "")
	}
	p.grid(g)
	for _, odd := range r.Odd {
		p.line("  unexpected: %.300q", odd)
	}
	p.line("")
}

func (r *DrawReport) writeLatency(p *page) {
	g := &grid{}
	g.row(percentileHead("latency")...)
	g.row(percentileCells("logged, from due", &r.Latency.LoggedDue)...)
	g.row(percentileCells("logged, service", &r.Latency.LoggedService)...)
	g.row(percentileCells("denied, from due", &r.Latency.DeniedDue)...)
	g.row(percentileCells("denied, service", &r.Latency.DeniedService)...)
	g.row(percentileCells("generator lag", &r.Lag)...)
	p.grid(g)
	cpu := fmt.Sprintf("CPU per request: generator %.1f µs", r.GeneratorCPU)
	if r.DaemonCPU > 0 {
		cpu += fmt.Sprintf(", daemon %.1f µs", r.DaemonCPU)
	}
	p.line("  %s; generator's busiest second: %s of a core", cpu, percent(r.Busiest))
	for _, why := range r.Invalid {
		p.line("  INVALID   %s", why)
	}
	p.line("")
}

func (r *DrawReport) writeRestarts(p *page) {
	if len(r.Restarts) == 0 {
		return
	}
	g := &grid{}
	g.row("SIGKILL", "at", "ready", "first draw", "gap from the kill")
	span := func(d time.Duration) string {
		if d <= 0 {
			return "–"
		}
		return spanText(d)
	}
	for i, k := range r.Restarts {
		g.row(fmt.Sprintf("%d", i+1), span(k.At), span(k.Ready), span(k.FirstDraw), span(k.Gap))
	}
	p.grid(g)
	p.line("  ready and first draw count from the start of the new process")
	p.line("")
}

func (r *DrawReport) writeVerdict(p *page) { writeProof(p, r.Proof, r.Needed) }
