package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/bench/runfile"
)

// NemesisReport is what breaking a cluster gave.
type NemesisReport struct {
	Scenario     string          `json:"scenario"` // "nemesis"
	Machine      Machine         `json:"machine"`
	Nodes        int             `json:"nodes"`
	Rounds       int             `json:"rounds"` // asked for
	Done         int             `json:"done"`
	Kills        int             `json:"kills"` // SIGKILLs
	Network      int             `json:"network"`
	Pauses       int             `json:"pauses"`
	Injected     map[string]int  `json:"injected"` // rounds by what was done
	Alike        int             `json:"alike"`    // rounds after which all nodes had the same entries and hashes
	Acknowledged uint64          `json:"acknowledged"`
	SameByKey    uint64          `json:"same_by_key"` // summed over the nodes
	SameByID     uint64          `json:"same_by_id"`  // summed over the nodes
	Unanswered   uint64          `json:"unanswered"`
	Rescued      uint64          `json:"rescued"`
	Verdicts     int             `json:"verdicts"` // feeds of nodes judged as a whole
	Checked      int             `json:"checked"`  // directories checked offline
	Draws        uint64          `json:"draws"`    // in the feeds, each cluster's once
	Ready        []int64         `json:"ready_ms"` // from the start of killed nodes until the last of them served
	NotRun       []string        `json:"not_run,omitempty"`
	Seed         uint64          `json:"seed"`
	Seconds      float64         `json:"seconds"`
	Faults       *oracle.Verdict `json:"faults"`
}

func (r *NemesisReport) finish(o *NemesisOptions) error {
	if o.Ledger != "" {
		if err := appendLedger(o.Ledger, &r.Machine, "drawd bench nemesis --faults "+strings.Join(o.Faults, ","), r.amount(), r.found()); err != nil {
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

func (r *NemesisReport) amount() string {
	return fmt.Sprintf("%d processes: %d SIGKILLs, %d network faults, %d pauses in %d rounds; %s acknowledged draws asked for again at every node, hashes equal after %d rounds, %d feeds judged, %d directories checked",
		r.Nodes, r.Kills, r.Network, r.Pauses, r.Done, count(r.Acknowledged), r.Alike, r.Verdicts, r.Checked)
}

func (r *NemesisReport) found() string {
	if r.Faults.Right() {
		return "none: 0 lost, 0 changed, 0 twice"
	}
	return faultSummary(r.Faults)
}

// WriteText writes the report for people.
func (r *NemesisReport) WriteText(w io.Writer) error {
	p := &page{w: w}
	p.line("drawd bench nemesis")
	p.line("%s", r.Machine.String())
	p.line("")
	g := &grid{}
	g.row("rounds", fmt.Sprintf("%s of %s, seed %d", count(r.Done), count(r.Rounds), r.Seed))
	for _, name := range slices.Sorted(maps.Keys(r.Injected)) {
		g.row("  "+name, count(r.Injected[name]))
	}
	g.row("SIGKILLs, network faults, pauses", fmt.Sprintf("%d, %d, %d", r.Kills, r.Network, r.Pauses))
	g.row("rounds after which all nodes had the same entries and hashes", count(r.Alike))
	g.row("draws acknowledged", count(r.Acknowledged))
	g.row(fmt.Sprintf("  asked at %d nodes: same key, same bytes", r.Nodes), count(r.SameByKey))
	g.row(fmt.Sprintf("  read at %d nodes by id: same bytes", r.Nodes), count(r.SameByID))
	g.row("requests without an answer, sent again", count(r.Unanswered))
	g.row("  had been decided: the retry got that draw", count(r.Rescued))
	g.row("feeds of nodes judged as a whole", fmt.Sprintf("%s, %s draws", count(r.Verdicts), count(r.Draws)))
	g.row("directories checked offline, clean", count(r.Checked))
	if len(r.Ready) > 0 {
		ready := slices.Sorted(slices.Values(r.Ready))
		g.row("killed nodes serve again after", fmt.Sprintf("p50 %s  p99 %s  max %s", microsText(1000*quantile(ready, 0.5)), microsText(1000*quantile(ready, 0.99)), microsText(1000*ready[len(ready)-1])))
	}
	g.row("took", fmt.Sprintf("%.0f s", r.Seconds))
	p.grid(g)
	p.line("")
	for _, why := range r.NotRun {
		p.line("NOT RUN   %s", why)
	}
	if r.Faults.Right() {
		p.line("VERDICT   right: 0 acknowledged draws lost, 0 changed, 0 drawn twice, all nodes alike")
		return p.err
	}
	p.line("VERDICT   WRONG: %s", faultSummary(r.Faults))
	for _, f := range r.Faults.Faults {
		p.line("  %-8s  %s", f.Rule, f.Detail)
	}
	return p.err
}

// Document returns the report as a run's document.
func (r *NemesisReport) Document() *runfile.Run {
	d := &runfile.Run{Scenario: r.Scenario, StartedAt: r.Machine.At, WallSeconds: r.Seconds, Environment: r.Machine.document(), Options: []runfile.Option{
		{Name: "nodes", Value: count(r.Nodes)}, {Name: "rounds", Value: count(r.Rounds)}, {Name: "seed", Value: count(r.Seed)},
	}}
	d.Outcomes = []runfile.Outcome{
		{Name: "rounds", Count: uint64(r.Done)}, {Name: "kills", Count: uint64(r.Kills)}, {Name: "network_faults", Count: uint64(r.Network)}, {Name: "pauses", Count: uint64(r.Pauses)},
		{Name: "alike", Count: uint64(r.Alike)}, {Name: "acknowledged", Count: r.Acknowledged}, {Name: "same_by_key", Count: r.SameByKey}, {Name: "same_by_id", Count: r.SameByID},
		{Name: "unanswered", Count: r.Unanswered}, {Name: "rescued", Count: r.Rescued},
	}
	d.Verdict = documentOf(r.Faults)
	d.Verdict.Draws, d.Verdict.Acknowledged = r.Draws, r.Acknowledged
	return d
}
