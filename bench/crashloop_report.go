package bench

import (
	"fmt"
	"io"
	"slices"

	"github.com/drawd/drawd/bench/oracle"
)

// CrashLoopReport is what a crash loop gave.
type CrashLoopReport struct {
	Scenario     string          `json:"scenario"` // "crashloop"
	Machine      Machine         `json:"machine"`
	Kills        int             `json:"kills"` // asked for
	Done         int             `json:"done"`
	PerDir       int             `json:"per_dir"`
	Connections  int             `json:"connections"`
	Seed         uint64          `json:"seed"`
	Acknowledged uint64          `json:"acknowledged"` // draws answered before their round's kill
	SameByKey    uint64          `json:"same_by_key"`  // of them, after the restart: the same bytes under the same key
	SameByID     uint64          `json:"same_by_id"`   // and by id
	Unanswered   uint64          `json:"unanswered"`   // requests cut off by a kill
	Rescued      uint64          `json:"rescued"`      // of them, decided before the kill: the retry got that draw
	Orders       OrderCounts     `json:"orders"`       // of holds and takes
	Clean        int             `json:"clean"`        // offline checks that found nothing
	Verdicts     int             `json:"verdicts"`     // directories judged as a whole
	Draws        uint64          `json:"draws"`        // in their feeds
	Ready        []int64         `json:"ready_ms"`     // of each restart
	Seconds      float64         `json:"seconds"`
	Faults       *oracle.Verdict `json:"faults"`
}

// WriteText writes the report for people.
func (r *CrashLoopReport) WriteText(w io.Writer) error {
	p := &page{w: w}
	p.line("drawd bench crashloop")
	p.line("%s", r.Machine.String())
	p.line("%s", r.Machine.fsyncLine())
	p.line("")
	g := &grid{}
	g.row("SIGKILLs under load", fmt.Sprintf("%s of %s", count(r.Done), count(r.Kills)))
	g.row("offline checks between kill and restart, clean", fmt.Sprintf("%s of %s", count(r.Clean), count(r.Done)))
	g.row("draws acknowledged before a kill", count(r.Acknowledged))
	g.row("  after the restart: same key, same bytes", count(r.SameByKey))
	g.row("  after the restart: read by id, same bytes", count(r.SameByID))
	g.row("requests cut off by a kill, sent again", count(r.Unanswered))
	g.row("  had been decided: the retry got that draw", count(r.Rescued))
	o := &r.Orders
	g.row("holds and takes acknowledged before a kill", count(o.Acknowledged))
	g.row("  after the restart: same key, same bytes", count(o.Same))
	g.row("holds and takes refused before a kill", count(o.Refused))
	g.row("  after the restart: same key, same reason", count(o.RefusedSame))
	g.row("confirmations and releases acknowledged", count(o.Ended))
	g.row("  after the restart: told as done already", count(o.EndedSame))
	g.row("of those cut off by a kill, sent again", count(o.Unanswered))
	g.row("  had been decided", count(o.Rescued))
	g.row("books of pools added up, to the unit", count(o.Books))
	g.row("directories judged over their whole feed", fmt.Sprintf("%s, %s draws", count(r.Verdicts), count(r.Draws)))
	if len(r.Ready) > 0 {
		ready := slices.Clone(r.Ready)
		slices.Sort(ready)
		g.row("restart to ready", fmt.Sprintf("p50 %s  p99 %s  max %s", microsText(1000*quantile(ready, 0.5)), microsText(1000*quantile(ready, 0.99)), microsText(1000*ready[len(ready)-1])))
	}
	g.row("took", fmt.Sprintf("%.0f s", r.Seconds))
	p.grid(g)
	p.line("")
	if r.Faults.Right() {
		p.line("VERDICT   right: 0 acknowledged draws, holds and takes lost, 0 changed; seed %d", r.Seed)
		return p.err
	}
	p.line("VERDICT   WRONG: %s; seed %d", faultSummary(r.Faults), r.Seed)
	for _, f := range r.Faults.Faults {
		p.line("  %-8s  %s", f.Rule, f.Detail)
	}
	return p.err
}
