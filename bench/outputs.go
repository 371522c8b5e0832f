package bench

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/drawd/drawd/bench/report"
	"github.com/drawd/drawd/bench/runfile"
)

// Report is what a scenario gives: for people and as a document.
type Report interface {
	WriteText(w io.Writer) error
	Document() *runfile.Run
}

// Outputs says what is made of a report. Empty names mean: nothing.
type Outputs struct {
	JSON string // the document (docs/bench-run.schema.json)
	HTML string // a page with plots
	HDR  string // the histograms of the seconds, HdrHistogram's log format (.hlog)
	// Expect are conditions that the run must meet; those that it does not meet are a *ThresholdError.
	Expect []runfile.Condition
}

// Finish holds a report against what was expected and writes the files. failure is what the scenario returned beside its
// report; the error that Finish returns carries it, so that its kind still tells the exit code.
func (o *Outputs) Finish(r Report, failure error) (*runfile.Run, error) {
	d := r.Document()
	d.Expect(o.Expect)
	d.Close()
	var missed []string
	for _, e := range d.Expectations {
		switch {
		case e.Missing != "":
			missed = append(missed, fmt.Sprintf("%s: %s", e.Expression, e.Missing))
		case !e.Met:
			missed = append(missed, fmt.Sprintf("%s: it is %s", e.Expression, metricText(e.Value, e.Unit)))
		}
	}
	faults := []error{failure}
	if len(missed) > 0 {
		faults = append(faults, &ThresholdError{Missed: missed})
	}
	if o.JSON != "" {
		faults = append(faults, d.WriteFile(o.JSON))
	}
	if o.HTML != "" {
		faults = append(faults, report.WriteFile(o.HTML, d))
	}
	if o.HDR != "" {
		faults = append(faults, writeHLog(o.HDR, r))
	}
	return d, errors.Join(faults...)
}

// WriteExpectations writes what was expected of a run and what came of it, for people.
func WriteExpectations(w io.Writer, d *runfile.Run) error {
	if len(d.Expectations) == 0 {
		return nil
	}
	p, g := &page{w: w}, &grid{left: 2}
	for _, e := range d.Expectations {
		state, value := "met", metricText(e.Value, e.Unit)
		if !e.Met {
			state = "NOT MET"
		}
		if e.Missing != "" {
			value = e.Missing
		}
		g.row(e.Expression, state, value)
	}
	p.line("")
	p.line("expected")
	p.grid(g)
	return p.err
}

func writeHLog(name string, r Report) error {
	timed, ok := r.(interface{ HLog() []byte })
	if !ok || timed.HLog() == nil {
		return errors.New("bench: this scenario keeps no histograms of its seconds")
	}
	if err := os.WriteFile(name, timed.HLog(), 0o644); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// metricText writes a metric's value with its unit.
func metricText(v float64, unit string) string {
	switch unit {
	case "us":
		if v < 1000 {
			return fmt.Sprintf("%.4g µs", v)
		}
		return microsText(int64(v))
	case "per_second":
		return count(int64(v)) + "/s"
	case "share":
		return fmt.Sprintf("%.3g %%", 100*v)
	case "seconds":
		return fmt.Sprintf("%.3g s", v)
	case "bytes":
		return fmt.Sprintf("%.4g B", v)
	case "count":
		return count(int64(v))
	}
	return fmt.Sprintf("%.4g %s", v, unit)
}
