package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/drawd/drawd/bench/load"
)

// FlashReport is what a flash run gave. Its JSON form is the file that FlashOptions.Out names.
type FlashReport struct {
	Scenario string  `json:"scenario"` // "flash"
	Machine  Machine `json:"machine"`
	Self     bool    `json:"self"` // the daemon was ours, on this machine
	Campaign string  `json:"campaign"`
	Crowd    Crowd   `json:"crowd"`

	Wall       time.Duration `json:"wall_ns"` // from the first due time to the last answer
	Logged     Rate          `json:"logged"`  // draws: durable before they were answered
	Wins       uint64        `json:"wins"`
	Misses     uint64        `json:"misses"`
	Denied     Rate          `json:"denied"` // refusals for good: no log
	Denials    []codeCount   `json:"denials,omitempty"`
	Shed       []codeCount   `json:"shed,omitempty"` // refusals after which the request was sent again
	Failed     uint64        `json:"failed"`         // answers that nobody expected
	Odd        []string      `json:"odd,omitempty"`  // some of them
	Sent       uint64        `json:"sent"`
	Lost       uint64        `json:"lost"`     // sendings whose connection broke before the answer
	Rescued    uint64        `json:"rescued"`  // draws whose first answer was lost and whose retry got the same draw
	Unresolved uint64        `json:"unknown"`  // requests whose outcome nobody told, to the end
	GaveUp     uint64        `json:"given_up"` // requests never decided

	Latency Latencies     `json:"latency"`
	Lag     Percentiles   `json:"lag"`     // the generator's own delay
	Busiest float64       `json:"busiest"` // the generator's busiest second, as a share of one processor
	Invalid []string      `json:"invalid,omitempty"`
	Seconds []load.Second `json:"seconds"`

	GeneratorCPU float64 `json:"generator_cpu_us"` // per request sent
	DaemonCPU    float64 `json:"daemon_cpu_us"`    // per final answer; 0 where the daemon is not ours

	Restarts []Restart `json:"restarts,omitempty"`
	Proof    *Proof    `json:"proof"`
	Enough   bool      `json:"enough"` // so many logged draws that the verdict stands
	Needed   int       `json:"needed"` // the least number of them
}

// Crowd is what was planned.
type Crowd struct {
	Users         int           `json:"users"`
	Over          time.Duration `json:"over_ns"` // Δ
	Stretched     bool          `json:"stretched"`
	Duration      time.Duration `json:"duration_ns"`
	Arrivals      int           `json:"arrivals"`
	Peak          float64       `json:"peak_per_second"`
	Tail          float64       `json:"tail_per_second"`
	GeneratorRate float64       `json:"generator_per_second"` // closed loop against the empty handler, in this run
	Seed          uint64        `json:"seed"`
	Connections   int           `json:"connections"`
	Loops         int           `json:"loops"`
}

// Rate is a number of answers and how fast they came.
type Rate struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean_per_second"`
	Peak  float64 `json:"peak_per_second"` // the best second
}

// Latencies are the histograms of a run. Due: from the time at which the request was due. Service: from its sending.
type Latencies struct {
	LoggedDue     Percentiles `json:"logged_due"`
	LoggedService Percentiles `json:"logged_service"`
	DeniedDue     Percentiles `json:"denied_due"`
	DeniedService Percentiles `json:"denied_service"`
}

func newFlashReport(f *flash, s *load.Stats, used time.Duration) *FlashReport {
	c := f.crowd
	r := &FlashReport{
		Scenario: "flash", Machine: f.machine, Self: f.o.Self, Campaign: f.rules.Campaign,
		Crowd: Crowd{
			Users: c.users, Over: c.over, Stretched: f.stretched, Duration: c.span, Arrivals: len(c.due), Peak: c.peak, Tail: c.tail,
			GeneratorRate: f.generator, Seed: f.o.Seed, Connections: f.o.Connections, Loops: f.o.Loops,
		},
		Wall: s.Wall, Sent: s.Sent, Lost: s.LostCount, Busiest: s.Busiest, Seconds: s.Seconds,
		Logged: rateOf(s, load.Decided), Denied: rateOf(s, load.Denied), Restarts: f.killer.restarts, Needed: f.o.MinLogged,
	}
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
	return r
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
func (r *FlashReport) measure(s *load.Stats) {
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
func (r *FlashReport) judge(needed int) { r.Enough = r.Proof.Verdict.Draws >= uint64(needed) }

// failure returns the error that the report amounts to.
func (r *FlashReport) failure() error {
	if v := r.Proof.Verdict; !v.Right() {
		return &VerdictError{v.Faults}
	}
	reasons := append([]string{}, r.Invalid...)
	if !r.Enough {
		reasons = append(reasons, fmt.Sprintf("verdict needs ≥ %s logged draws, there were %s", count(r.Needed), count(r.Proof.Verdict.Draws)))
	}
	if len(reasons) > 0 {
		return &ThresholdError{reasons}
	}
	return nil
}

// writeJSON writes a report to a file.
func writeJSON(name string, report any) error {
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if err := os.WriteFile(name, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// WriteText writes the report for people.
func (r *FlashReport) WriteText(w io.Writer) error {
	p := &page{w: w}
	p.line("drawd bench flash")
	p.line("%s", r.Machine.String())
	where := "one daemon that was running already"
	if r.Self {
		where = "one node on the same machine, every draw durable before its answer"
	}
	p.line("%s · %s", r.Machine.fsyncLine(), where)
	p.line("")
	r.writeCrowd(p)
	r.writeRates(p)
	r.writeLatency(p)
	r.writeRestarts(p)
	r.writeVerdict(p)
	return p.err
}

func (r *FlashReport) writeCrowd(p *page) {
	c := &r.Crowd
	p.line("crowd     %s users within %s of T0, peak %s (%s of the %s that this generator can send); then %s until %s; seed %d",
		count(c.Users), spanText(c.Over), count(int64(c.Peak))+"/s", percent(c.Peak/c.GeneratorRate), count(int64(c.GeneratorRate))+"/s",
		count(int64(c.Tail))+"/s", spanText(c.Duration), c.Seed)
	if c.Stretched {
		p.line("          Δ was stretched: the crowd's peak stays below %s of what the generator can send", percent(peakShare))
	}
	p.line("          %s arrivals over %d connections, campaign %s", count(c.Arrivals), c.Connections, r.Campaign)
	p.line("")
}

func (r *FlashReport) writeRates(p *page) {
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

func (r *FlashReport) writeLatency(p *page) {
	g := &grid{}
	g.row(percentileHead("latency")...)
	g.row(r.Latency.LoggedDue.cells("logged, from due")...)
	g.row(r.Latency.LoggedService.cells("logged, service")...)
	g.row(r.Latency.DeniedDue.cells("denied, from due")...)
	g.row(r.Latency.DeniedService.cells("denied, service")...)
	g.row(r.Lag.cells("generator lag")...)
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

func (r *FlashReport) writeRestarts(p *page) {
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

func (r *FlashReport) writeVerdict(p *page) { writeProof(p, r.Proof, r.Needed) }
