package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/drawd/drawd/bench/runfile"
)

// FiguresReport is the table of figures, with the raw samples.
type FiguresReport struct {
	Scenario    string // "figures"
	Machine     Machine
	Pairs       int
	Seconds     int // of each half of a pair
	Connections int
	BatchDraws  int
	BatchConns  int
	Users       int
	Wall        float64
	Figures     []Figure
	Proof       *Proof // of what was drawn; nil when nothing was that has records
}

// Figure is one row.
type Figure struct {
	ID          string
	Name        string
	Goal        string
	Units       int // draws in a request
	AnswerBytes int
	Samples     []Sample // pair by pair
	Refused     uint64   // requests that drawd refused because of load, in all pairs; not in the rates
	Text        string   // of a figure that is no rate
	Beside      string   // what was measured beside it, in words
	Note        string

	Measures []runfile.Measure // of a figure that has no pairs
	goals    []goal            // what Goal says, so that it can be held against the measures
}

// goal is a bound on a measure's median.
type goal struct {
	measure string
	bound   bound
	value   float64
}

type bound bool

const (
	atLeast bound = true
	atMost  bound = false
)

// reached says whether the medians keep the goals: "yes", "no", or a dash where there is nothing to hold against them.
func (f *Figure) reached() string {
	if len(f.goals) == 0 {
		return "–"
	}
	d := f.document()
	verdict := "yes"
	for _, g := range f.goals {
		at := slices.IndexFunc(d.Measures, func(m runfile.Measure) bool { return m.Name == g.measure })
		if at < 0 {
			return "–"
		}
		if m := d.Measures[at].Median; g.bound == atLeast && m < g.value || g.bound == atMost && m > g.value {
			verdict = "no"
		}
	}
	return verdict
}

// here is the figure's result in a cell: the measures that its goal is about.
func (f *Figure) here() string {
	d := f.document()
	var parts []string
	for _, g := range f.goals {
		parts = append(parts, measureCell(&d, g.measure))
	}
	if len(f.goals) == 0 && len(d.Measures) > 0 {
		parts = append(parts, measureCell(&d, d.Measures[0].Name))
	}
	if len(parts) == 0 {
		return orDash(f.Text)
	}
	return strings.Join(parts, "; ")
}

// beside is what stands beside the figure in the same run.
func (f *Figure) beside() string {
	switch {
	case len(f.Samples) > 0 && f.Units > 1:
		return "" // an empty handler that answers a batch with as many bytes shows nothing
	case len(f.Samples) > 0:
		return "empty handler " + f.spread(func(s *Sample) float64 { return s.EmptyRate }).rate() + "/s; here " + f.spread(func(s *Sample) float64 { return s.Rate }).rate() + "/s"
	case f.Beside != "":
		return f.Beside
	}
	return f.Note
}

// Sample is one pair: drawd, then the empty handler. Rates and costs are per draw (of a batch too) or denial.
type Sample struct {
	Rate              float64
	CPU               float64
	GeneratorCPU      float64
	P50               int64 // service time of a request
	P99               int64
	EmptyRate         float64
	EmptyCPU          float64
	EmptyGeneratorCPU float64
}

// spread is the median of a figure over its pairs, with the smallest and the largest.
type spread struct{ median, low, high float64 }

func (f *Figure) spread(of func(*Sample) float64) spread {
	values := make([]float64, len(f.Samples))
	for i := range f.Samples {
		values[i] = of(&f.Samples[i])
	}
	m := medianOf(values)
	return spread{m, values[0], values[len(values)-1]}
}

func (s spread) rate() string {
	return fmt.Sprintf("%s (%s–%s)", count(int64(s.median)), count(int64(s.low)), count(int64(s.high)))
}

func (s spread) ratio() string { return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.low, s.high) }

func (s spread) micros() string { return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.low, s.high) }

// WriteText writes the table for people.
func (r *FiguresReport) WriteText(w io.Writer) error {
	p := &page{w: w}
	p.line("drawd bench %s", r.Scenario)
	p.line("%s", r.Machine.String())
	p.line("%s · every draw durable before its answer; one node, but for P6 and P10", r.Machine.fsyncLine())
	p.line("%d pairs of %d s each, drawd and the empty handler in turn; %d unary requests or %d batches in flight; %s users", r.Pairs, r.Seconds, r.Connections, r.BatchConns, count(r.Users))
	p.line("medians (smallest–largest); CPU is the server's, in µs per draw or denial")
	p.line("")
	r.writeTable(p)
	rates, costs := &grid{}, &grid{}
	rates.row("id", "per second", "empty handler", "ratio", "goal")
	costs.row("id", "CPU", "empty handler", "above it", "p50", "p99", "generator's CPU")
	var names []string
	for i := range r.Figures {
		f := &r.Figures[i]
		if len(f.Samples) == 0 {
			continue
		}
		names = append(names, fmt.Sprintf("%s %s", f.ID, f.Name))
		label := names[len(names)-1]
		rates.row(label, f.spread(func(s *Sample) float64 { return s.Rate }).rate(), f.spread(func(s *Sample) float64 { return s.EmptyRate }).rate(),
			f.spread(func(s *Sample) float64 { return s.Rate / s.EmptyRate }).ratio(), f.Goal)
		costs.row(label, f.spread(func(s *Sample) float64 { return s.CPU }).micros(), f.spread(func(s *Sample) float64 { return s.EmptyCPU }).micros(),
			f.spread(func(s *Sample) float64 { return s.CPU - s.EmptyCPU }).micros(),
			microsText(int64(f.spread(func(s *Sample) float64 { return float64(s.P50) }).median)), microsText(int64(f.spread(func(s *Sample) float64 { return float64(s.P99) }).median)),
			f.spread(func(s *Sample) float64 { return s.GeneratorCPU }).micros())
	}
	if len(names) > 0 {
		p.grid(rates)
		p.line("")
		p.grid(costs)
		p.line("")
	}
	for i := range r.Figures {
		if f := &r.Figures[i]; f.Refused > 0 {
			p.line("  %s %s: %s requests were refused because of load; they do not count", f.ID, f.Name, count(f.Refused))
		}
	}
	writeRecount(p, r.Proof, "these figures are of the engine in this process, whose draws have no records")
	return p.err
}

// writeTable writes the figures beside their goals.
func (r *FiguresReport) writeTable(p *page) {
	g := &grid{left: 6}
	g.row("id", "figure", "goal", "here", "reached", "beside it in this run")
	for i := range r.Figures {
		f := &r.Figures[i]
		g.row(f.ID, f.Name, f.Goal, f.here(), f.reached(), f.beside())
	}
	p.grid(g)
	p.line("")
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
