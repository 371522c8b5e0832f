package bench

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
)

// contender is one row of a contest: something whose capacity is measured in turn with the others'.
type contender struct {
	id, name, goal, note string
	measure              func(ctx context.Context, span time.Duration) (sample, error)
}

// sample is one turn of a contender. Costs are per draw.
type sample struct {
	rate         float64 // draws a second
	cpu          float64 // µs of the server; 0 where it is not known
	generatorCPU float64 // µs; 0 where there is no generator
	p50, p99     int64   // µs, of a request
}

// contest lets the contenders have their turns: each once, then each again. So the machine's moods meet all of them.
func contest(ctx context.Context, say *console, rounds int, span time.Duration, all []contender) ([]runfile.Figure, error) {
	samples := make([][]sample, len(all))
	for round := range rounds {
		for i := range all {
			say.now("round %d of %d: %s …", round+1, rounds, all[i].name)
			s, err := all[i].measure(ctx, span)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", all[i].name, err)
			}
			samples[i] = append(samples[i], s)
		}
	}
	figures := make([]runfile.Figure, len(all))
	for i := range all {
		figures[i] = all[i].figure(samples[i])
	}
	return figures, nil
}

func (c *contender) figure(samples []sample) runfile.Figure {
	f := runfile.Figure{ID: c.id, Name: c.name, Goal: c.goal, Note: c.note}
	measure := func(name, unit string, better runfile.Direction, of func(*sample) float64) {
		values, any := make([]float64, len(samples)), false
		for i := range samples {
			values[i] = of(&samples[i])
			any = any || values[i] != 0
		}
		if any {
			f.Measures = append(f.Measures, runfile.NewMeasure(name, unit, better, values))
		}
	}
	measure("rate", "per_second", runfile.Higher, func(s *sample) float64 { return s.rate })
	measure("cpu", "us", runfile.Lower, func(s *sample) float64 { return s.cpu })
	measure("p50", "us", runfile.Lower, func(s *sample) float64 { return float64(s.p50) })
	measure("p99", "us", runfile.Lower, func(s *sample) float64 { return float64(s.p99) })
	measure("generator_cpu", "us", runfile.Lower, func(s *sample) float64 { return s.generatorCPU })
	return f
}

// closedContender measures a server by the closed loop of one workload that goes on from turn to turn. units are the
// draws of a request.
func closedContender(c contender, l closedLoop, units int, work load.Workload) contender {
	c.measure = func(ctx context.Context, span time.Duration) (sample, error) {
		got, err := l.measure(ctx, func(int) load.Workload { return work }, span)
		n := float64(units)
		return sample{got.Rate * n, got.ServerCPU / n, got.GeneratorCPU / n, got.Service.P50, got.Service.P99}, err
	}
	return c
}

// TableReport is what a scenario gave whose result is a table.
type TableReport struct {
	Scenario string
	Machine  Machine
	Method   string // how it was measured, in a sentence
	Target   string
	Durable  string // what was asked of the server before it answered
	Options  []runfile.Option
	Rows     []runfile.Figure
	Notes    []string
	Invalid  []string
	Wall     time.Duration
	Proof    *Proof // of what was drawn; nil when nothing was that has records
}

// Document returns the table as a run's document.
func (r *TableReport) Document() *runfile.Run {
	d := &runfile.Run{
		Scenario: r.Scenario, StartedAt: r.Machine.At, WallSeconds: r.Wall.Seconds(), Environment: r.Machine.document(), Options: r.Options,
		Figures: r.Rows, Notes: r.Notes, Invalid: r.Invalid, Verdict: r.Proof.verdict(),
	}
	d.Environment.Target = r.Target
	if r.Durable != "" {
		d.Environment.Durability = r.Durable
	}
	if d.Options == nil {
		d.Options = []runfile.Option{}
	}
	return d
}

// WriteText writes the table for people: a column for each measure that any row has.
func (r *TableReport) WriteText(w io.Writer) error {
	p := &page{w: w}
	p.line("drawd bench %s", r.Scenario)
	p.line("%s", r.Machine.String())
	p.line("%s", r.Machine.fsyncLine())
	p.line("%s", r.Method)
	p.line("medians (smallest–largest)")
	p.line("")
	writeFigures(p, r.Rows)
	for _, n := range r.Notes {
		p.line("  note: %s", n)
	}
	for _, why := range r.Invalid {
		p.line("  INVALID   %s", why)
	}
	writeRecount(p, r.Proof, "nothing was drawn that has records")
	return p.err
}

// writeFigures writes rows of figures, the measures as columns.
func writeFigures(p *page, rows []runfile.Figure) {
	var names []string
	goals := false
	for i := range rows {
		goals = goals || rows[i].Goal != ""
	next:
		for _, m := range rows[i].Measures {
			for _, n := range names {
				if n == m.Name {
					continue next
				}
			}
			names = append(names, m.Name)
		}
	}
	g := &grid{left: 2}
	head := append([]string{"", ""}, names...)
	if goals {
		head = append(head, "goal")
	}
	g.row(head...)
	for i := range rows {
		f := &rows[i]
		cells := []string{f.ID, f.Name}
		for _, n := range names {
			cells = append(cells, measureCell(f, n))
		}
		if len(f.Measures) == 0 && len(names) > 0 {
			cells[2] = orDash(f.Text)
		}
		if goals {
			cells = append(cells, f.Goal)
		}
		g.row(cells...)
	}
	p.grid(g)
	for i := range rows {
		if f := &rows[i]; f.Note != "" {
			p.line("  %s %s: %s", f.ID, f.Name, f.Note)
		}
	}
}

// measureCell writes one measure of a figure.
func measureCell(f *runfile.Figure, name string) string {
	for i := range f.Measures {
		m := &f.Measures[i]
		if m.Name != name {
			continue
		}
		if len(m.Samples) == 1 || m.Min == m.Max {
			return measureText(m.Median, m.Unit)
		}
		return fmt.Sprintf("%s (%s–%s)", measureText(m.Median, m.Unit), measureText(m.Min, m.Unit), measureText(m.Max, m.Unit))
	}
	return "–"
}

// measureText writes a value as short as a table wants it.
func measureText(v float64, unit string) string {
	switch {
	case unit == "per_second":
		return count(int64(v + 0.5))
	case unit == "us" && v < 100:
		return fmt.Sprintf("%.3g µs", v)
	case unit == "share":
		return fmt.Sprintf("%.2f", v)
	case unit == "bytes" && v >= 1<<20:
		return bytesApprox(int64(v))
	}
	return metricText(v, unit)
}
