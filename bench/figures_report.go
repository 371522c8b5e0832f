package bench

import (
	"fmt"
	"io"
)

// FiguresReport is the table of figures, with the raw samples.
type FiguresReport struct {
	Scenario    string   `json:"scenario"` // "figures"
	Machine     Machine  `json:"machine"`
	Pairs       int      `json:"pairs"`
	Seconds     int      `json:"seconds"` // of each half of a pair
	Connections int      `json:"connections"`
	BatchDraws  int      `json:"batch_draws"`
	BatchConns  int      `json:"batch_connections"`
	Users       int      `json:"users"`
	Wall        float64  `json:"wall_seconds"`
	Figures     []Figure `json:"figures"`
}

// Figure is one row.
type Figure struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Goal        string   `json:"goal"`
	Units       int      `json:"units,omitempty"` // draws in a request
	AnswerBytes int      `json:"answer_bytes,omitempty"`
	Samples     []Sample `json:"samples,omitempty"` // pair by pair
	Refused     uint64   `json:"refused,omitempty"` // requests that drawd refused because of load, in all pairs; not in the rates
	Text        string   `json:"text,omitempty"`    // of a figure that is no rate
	Note        string   `json:"note,omitempty"`
}

// Sample is one pair: drawd, then the empty handler. Rates and costs are per draw (of a batch too) or denial.
type Sample struct {
	Rate              float64 `json:"per_second"`
	CPU               float64 `json:"cpu_us"`
	GeneratorCPU      float64 `json:"generator_cpu_us"`
	P50               int64   `json:"p50_us"` // service time of a request
	P99               int64   `json:"p99_us"`
	EmptyRate         float64 `json:"empty_per_second"`
	EmptyCPU          float64 `json:"empty_cpu_us"`
	EmptyGeneratorCPU float64 `json:"empty_generator_cpu_us"`
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
	p.line("%s · one node, every draw durable before its answer", r.Machine.fsyncLine())
	p.line("%d pairs of %d s each, drawd and the empty handler in turn; %d unary requests or %d batches in flight; %s users", r.Pairs, r.Seconds, r.Connections, r.BatchConns, count(r.Users))
	p.line("medians (smallest–largest); CPU is the server's, in µs per draw or denial")
	p.line("")
	rates, costs, others := &grid{}, &grid{}, &grid{}
	rates.row("id", "per second", "empty handler", "ratio", "goal")
	costs.row("id", "CPU", "empty handler", "above it", "p50", "p99", "generator's CPU")
	var names []string
	for i := range r.Figures {
		f := &r.Figures[i]
		if len(f.Samples) == 0 {
			others.row(f.ID, f.Name, f.Goal, orDash(f.Text), f.Note)
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
	if len(others.rows) > 0 {
		others.left = 5
		others.rows = append([][]string{{"id", "figure", "goal", "here", ""}}, others.rows...)
		p.grid(others)
	}
	return p.err
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
