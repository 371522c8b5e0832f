package bench

import (
	"fmt"
	"io"
	"strings"

	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/bench/runfile"
)

// DiskReport is what the disk matrix gave.
type DiskReport struct {
	Scenario     string          `json:"scenario"` // "disk"
	Machine      Machine         `json:"machine"`
	Seed         uint64          `json:"seed"`
	Parts        []string        `json:"parts"`
	Rows         []DiskRow       `json:"rows"`
	Outcomes     map[string]int  `json:"outcomes"`     // rows by what was observed
	Silent       int             `json:"silent"`       // rows in which an acknowledged draw was lost without a word
	Undetectable int             `json:"undetectable"` // the same, where one node alone cannot know
	NotRun       []string        `json:"not_run,omitempty"`
	Seconds      float64         `json:"seconds"`
	Faults       *oracle.Verdict `json:"faults"`
}

// finish writes what is written beside the report and turns it into the scenario's error.
func (r *DiskReport) finish(o *DiskOptions) error {
	if o.Rows != "" {
		if err := writeJSON(o.Rows, r); err != nil {
			return err
		}
	}
	if o.Ledger != "" {
		if err := appendLedger(o.Ledger, &r.Machine, "drawd bench disk", r.amount(), r.found()); err != nil {
			return err
		}
	}
	if !r.Faults.Right() {
		return &VerdictError{r.Faults.Faults}
	}
	if len(r.NotRun) > 0 {
		return &ThresholdError{Reasons: r.NotRun}
	}
	return nil
}

// Document returns the matrix as a run's document: rows by what was observed.
func (r *DiskReport) Document() *runfile.Run {
	d := &runfile.Run{Scenario: r.Scenario, StartedAt: r.Machine.At, WallSeconds: r.Seconds, Environment: r.Machine.document(), Options: []runfile.Option{
		{Name: "seed", Value: count(r.Seed)}, {Name: "only", Value: strings.Join(r.Parts, ",")},
	}}
	names := map[string]string{
		outcomeRefused: "refused_to_start", outcomeStopped: "stopped", outcomeTold: "told_on_reading", outcomeSheds: "refused_commands",
		outcomeByPeers: "kept_out", outcomeNone: "no_effect", outcomeSilent: "lost_in_silence", outcomeCrashed: "panic", outcomeHung: "hung",
	}
	d.Outcomes = []runfile.Outcome{{Name: "rows", Count: uint64(len(r.Rows))}, {Name: "silent", Count: uint64(r.Silent)}, {Name: "undetectable", Count: uint64(r.Undetectable)}}
	for _, o := range outcomesOfDisk {
		d.Outcomes = append(d.Outcomes, runfile.Outcome{Name: names[o], Count: uint64(r.Outcomes[o])})
	}
	d.Verdict = documentOf(r.Faults)
	return d
}

// documentOf returns what a verdict says in a run's document.
func documentOf(v *oracle.Verdict) *runfile.Verdict {
	d := &runfile.Verdict{Status: runfile.Right, FaultCounts: v.FaultCounts}
	if !v.Right() {
		d.Status = runfile.Broken
	}
	for _, f := range v.Faults {
		d.Faults = append(d.Faults, runfile.Fault{Rule: f.Rule, Detail: f.Detail})
	}
	return d
}

// outcomesOfDisk are all outcomes, in the order of a reader's worry.
var outcomesOfDisk = [...]string{outcomeRefused, outcomeByPeers, outcomeStopped, outcomeTold, outcomeSheds, outcomeNone, outcomeSilent, outcomeCrashed, outcomeHung}

func (r *DiskReport) amount() string {
	s := fmt.Sprintf("%d disk faults: ", len(r.Rows))
	var parts []string
	for _, o := range outcomesOfDisk {
		if n := r.Outcomes[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", strings.ToLower(o), n))
		}
	}
	s += strings.Join(parts, ", ")
	if r.Undetectable > 0 {
		s += fmt.Sprintf(" (%d of them cannot be told by one node alone)", r.Undetectable)
	}
	return s
}

func (r *DiskReport) found() string {
	if r.Faults.Right() {
		return "none: 0 silent"
	}
	return fmt.Sprintf("%d rows wrong, %d silent", len(r.Faults.Faults), r.Silent)
}

// diskLine is one line of the table: rows of the same target and fault.
type diskLine struct {
	target, fault string
	rows          int
	observed      map[string]int
	check         map[bool]int
	message       string
}

// WriteText writes the report for people: a line for each target and fault.
func (r *DiskReport) WriteText(w io.Writer) error {
	p := &page{w: w}
	p.line("drawd bench disk")
	p.line("%s", r.Machine.String())
	p.line("")
	g := &grid{left: 4}
	g.row("target", "fault", "observed", "check", "rows")
	lines := r.lines()
	for _, l := range lines {
		g.row(l.target, l.fault, countsText(l.observed), fmt.Sprintf("clean %d of %d", l.check[true], l.check[true]+l.check[false]), count(l.rows))
	}
	p.grid(g)
	p.line("")
	p.line("in words")
	for _, l := range lines {
		if l.message != "" {
			p.line("  %s, %s: %s", l.target, l.fault, l.message)
		}
	}
	for _, row := range r.Rows {
		if row.Lost > 0 {
			p.line("  %s, %s (%s): %s lost: %s", row.Target, row.Fault, row.Injected, count(row.Lost), row.LostHow)
		}
	}
	p.line("")
	for _, why := range r.NotRun {
		p.line("NOT RUN   %s", why)
	}
	p.line("%s", r.amount())
	if r.Faults.Right() {
		p.line("VERDICT   right: 0 silent; seed %d; %.0f s", r.Seed, r.Seconds)
		return p.err
	}
	p.line("VERDICT   WRONG: %s; seed %d", faultSummary(r.Faults), r.Seed)
	for _, f := range r.Faults.Faults {
		p.line("  %-8s  %s", f.Rule, f.Detail)
	}
	return p.err
}

func (r *DiskReport) lines() []*diskLine {
	var lines []*diskLine
	byName := map[string]*diskLine{}
	for i := range r.Rows {
		row := &r.Rows[i]
		l := byName[row.Target+"\x00"+row.Fault]
		if l == nil {
			l = &diskLine{target: row.Target, fault: row.Fault, observed: map[string]int{}, check: map[bool]int{}}
			byName[row.Target+"\x00"+row.Fault] = l
			lines = append(lines, l)
		}
		l.rows++
		l.observed[row.Observed]++
		if row.Check != "" {
			l.check[row.Check == "clean"]++
		}
		if l.message == "" {
			l.message = row.Message
		}
	}
	return lines
}

// countsText lists counts by name, the usual outcomes first.
func countsText(counts map[string]int) string {
	var parts []string
	for _, o := range outcomesOfDisk {
		switch n := counts[o]; {
		case n > 0 && len(counts) == 1:
			parts = append(parts, o)
		case n > 0:
			parts = append(parts, fmt.Sprintf("%s %d", o, n))
		}
	}
	return strings.Join(parts, ", ")
}
