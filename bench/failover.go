package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/bench/runfile"
)

// FailoverReport is how long a cluster takes nothing after its leader was killed.
type FailoverReport struct {
	Scenario     string          `json:"scenario"` // "failover"
	Machine      Machine         `json:"machine"`
	Nodes        int             `json:"nodes"`
	Rate         int             `json:"rate"`     // requests a second, over all nodes
	Kills        int             `json:"kills"`    // of the leader
	First        []int64         `json:"first_us"` // from the SIGKILL until a draw that was sent after it was answered, for each kill
	Acknowledged uint64          `json:"acknowledged"`
	Same         uint64          `json:"same"` // of them, at each node: the same bytes under the same key, summed
	Seed         uint64          `json:"seed"`
	Seconds      float64         `json:"seconds"`
	Faults       *oracle.Verdict `json:"faults"`
}

// Failover kills the leader of a cluster on loopback again and again, under a steady rate of draws at all nodes, and measures
// the time from the SIGKILL until the first draw that was sent after it is answered. The killed node comes back before the
// next kill. At the end every acknowledged draw is asked for at every node.
func Failover(ctx context.Context, o FailoverOptions) (*FailoverReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	orDefault(&o.Kills, 50)
	orDefault(&o.Rate, 2_000)
	orDefault(&o.Connections, 16)
	orDefault(&o.Users, 20_000)
	orDefault(&o.Seed, 1)
	if err := o.fill(); err != nil {
		return nil, err
	}
	r := &FailoverReport{Scenario: "failover", Nodes: 3, Rate: o.Rate, Seed: o.Seed, Faults: &oracle.Verdict{}}
	n := &nemesis{
		o:   NemesisOptions{Environment: o.Environment, Compile: o.Compile, Nodes: 3, PerCluster: o.Kills, Users: o.Users, Seed: o.Seed, Connections: o.Connections},
		say: newConsole(&o.Environment), rng: rand.New(rand.NewPCG(o.Seed, 0x6661696c6f766572)),
		report: &NemesisReport{Faults: r.Faults, Injected: map[string]int{}},
	}
	begin := time.Now()
	if err := n.failover(ctx, r); err != nil {
		return nil, err
	}
	n.say.clear()
	r.Seconds = time.Since(begin).Seconds()
	return r, r.finish(&o)
}

func (n *nemesis) failover(ctx context.Context, r *FailoverReport) (err error) {
	if n.crew, err = newCrew(ctx, &n.o.Environment, n.o.Nodes, false); err != nil {
		return err
	}
	defer func() {
		keep := n.o.Keep || err != nil || !r.Faults.Right()
		if keep {
			n.say.say("data kept in %s", n.crew.dir)
		}
		err = errors.Join(err, n.crew.remove(keep))
	}()
	r.Machine = lookAtMachine(&n.o.Environment, n.crew.dir)
	if err := r.Machine.measureDisk(n.crew.dir, 50*time.Millisecond); err != nil {
		return err
	}
	if n.disk, err = os.Create(filepath.Join(n.crew.dir, "journal")); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer n.disk.Close()
	if err := n.publish(ctx); err != nil {
		return err
	}
	for len(r.First) < n.o.PerCluster && r.Faults.Right() {
		took, err := n.killLeader(ctx, r.Rate)
		if err != nil {
			return fmt.Errorf("kill %d: %w", len(r.First)+1, err)
		}
		r.First = append(r.First, took.Microseconds())
		r.Kills++
		n.say.now("%4d of %d kills   first draw after %s", len(r.First), n.o.PerCluster, spanText(took))
	}
	if !r.Faults.Right() {
		return nil
	}
	if err := n.compare(ctx, "at the end", 0); err != nil {
		return err
	}
	r.Acknowledged, r.Same = n.report.Acknowledged, n.report.SameByKey
	return n.verdict(ctx)
}

// killLeader kills the leader in the middle of a steady load, starts it again, and returns how long nothing was answered.
func (n *nemesis) killLeader(ctx context.Context, rate int) (time.Duration, error) {
	leader, err := n.crew.leader(ctx)
	if err != nil {
		return 0, err
	}
	if fault, err := n.crew.alike(ctx); err != nil || fault != "" {
		return 0, errors.Join(err, errors.New(fault))
	}
	const patience = 20 * time.Second
	w := &gapWatch{}
	loading, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	errs := make([]error, len(n.provers))
	var wg sync.WaitGroup
	each := max(rate/len(n.provers), 1)
	arrivals := evenly(patience, each)
	for i, p := range n.provers {
		work := &gapLoad{crashLoad: &crashLoad{newDrawLoad(p.journal, p.template, p.user, &restartWatch{}, n.o.Seed), n.next}, watch: w}
		n.next += nodeRequests
		wg.Go(func() {
			_, err := load.Run(loading, load.Options{Addr: p.host, Connections: n.o.Connections, Timeout: 5 * time.Second, OnStart: func(t0 time.Time) { work.t0 = t0 }},
				load.Schedule{Arrivals: arrivals, Drain: time.Millisecond}, func(int) load.Workload { return work })
			if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
				errs[i] = err
			}
		})
	}
	err = pause(ctx, n.between(300*time.Millisecond, 700*time.Millisecond))
	leader.ending()
	killed := time.Now()
	w.killed.Store(killed.UnixNano())
	leader.signal(syscall.SIGKILL)
	leader.kill()
	for err == nil && w.first.Load() == 0 && loading.Err() == nil {
		err = pause(loading, time.Millisecond)
	}
	err = errors.Join(ctx.Err(), n.crew.startAll(ctx, []*mate{leader}))
	cancel()
	wg.Wait()
	first := w.first.Load()
	if first == 0 && err == nil {
		n.fault("failover", fmt.Sprintf("no draw was answered within %v of the leader's SIGKILL", patience))
	}
	return time.Duration(first - killed.UnixNano()), errors.Join(err, errors.Join(errs...))
}

// evenly returns when requests to one node are due at a steady rate, at most as many as a round has.
func evenly(span time.Duration, rate int) []time.Duration {
	due := make([]time.Duration, min(int(span.Seconds()*float64(rate)), nodeRequests))
	for i := range due {
		due[i] = time.Duration(i) * time.Second / time.Duration(rate)
	}
	return due
}

// gapWatch notes the first draw that was sent after a kill and answered, at whichever node.
type gapWatch struct{ killed, first atomic.Int64 } // unix nanoseconds; 0 for not yet

// gapLoad is a crashLoad that tells a gapWatch.
type gapLoad struct {
	*crashLoad
	t0    time.Time
	watch *gapWatch
}

// Answer implements load.Workload.
func (g *gapLoad) Answer(id uint32, a *load.Answer) (load.Class, time.Duration) {
	if killed := g.watch.killed.Load(); killed != 0 && classOf(a.Status) == load.Decided && g.t0.Add(a.Sent).UnixNano() >= killed {
		g.watch.first.CompareAndSwap(0, g.t0.Add(a.Received).UnixNano())
	}
	return g.crashLoad.Answer(id, a)
}

func (r *FailoverReport) finish(o *FailoverOptions) error {
	if o.Ledger != "" && len(r.First) > 0 {
		q := r.quantiles()
		amount := fmt.Sprintf("%d SIGKILLs of the leader of three processes at %d draws/s: first draw after p50 %s, p99 %s, max %s; %s acknowledged draws asked for again at every node",
			r.Kills, r.Rate, microsText(q[0]), microsText(q[1]), microsText(q[2]), count(r.Acknowledged))
		found := "none"
		if !r.Faults.Right() {
			found = faultSummary(r.Faults)
		}
		if err := appendLedger(o.Ledger, &r.Machine, "drawd bench failover", amount, found); err != nil {
			return err
		}
	}
	if !r.Faults.Right() {
		return &VerdictError{r.Faults.Faults}
	}
	return nil
}

func (r *FailoverReport) quantiles() [3]int64 {
	sorted := slices.Sorted(slices.Values(r.First))
	return [3]int64{quantile(sorted, 0.5), quantile(sorted, 0.99), sorted[len(sorted)-1]}
}

// WriteText writes the report for people.
func (r *FailoverReport) WriteText(w io.Writer) error {
	p := &page{w: w}
	p.line("drawd bench failover")
	p.line("%s", r.Machine.String())
	p.line("%s", r.Machine.fsyncLine())
	p.line("")
	g := &grid{}
	g.row("SIGKILLs of the leader", fmt.Sprintf("%s of three nodes, %s draws a second offered", count(r.Kills), count(r.Rate)))
	if len(r.First) > 0 {
		q := r.quantiles()
		g.row("until the first draw sent after the kill was answered", fmt.Sprintf("p50 %s  p99 %s  max %s", microsText(q[0]), microsText(q[1]), microsText(q[2])))
	}
	g.row("draws acknowledged", count(r.Acknowledged))
	g.row("  asked at 3 nodes: same key, same bytes", count(r.Same))
	g.row("took", fmt.Sprintf("%.0f s, seed %d", r.Seconds, r.Seed))
	p.grid(g)
	p.line("")
	if r.Faults.Right() {
		p.line("VERDICT   right: 0 acknowledged draws lost, 0 changed, all nodes alike")
		return p.err
	}
	p.line("VERDICT   WRONG: %s", faultSummary(r.Faults))
	for _, f := range r.Faults.Faults {
		p.line("  %-8s  %s", f.Rule, strings.TrimSpace(f.Detail))
	}
	return p.err
}

// Document returns the report as a run's document.
func (r *FailoverReport) Document() *runfile.Run {
	d := &runfile.Run{Scenario: r.Scenario, StartedAt: r.Machine.At, WallSeconds: r.Seconds, Environment: r.Machine.document(), Options: []runfile.Option{
		{Name: "kills", Value: count(r.Kills)}, {Name: "rate", Value: count(r.Rate)}, {Name: "seed", Value: count(r.Seed)},
	}}
	seconds := make([]float64, len(r.First))
	for i, us := range r.First {
		seconds[i] = float64(us) / 1e6
	}
	d.Figures = []runfile.Figure{{ID: "P10", Name: "from the SIGKILL of the leader to the first draw that was sent after it", Measures: []runfile.Measure{runfile.NewMeasure("first_draw", "seconds", runfile.Lower, seconds)}}}
	d.Outcomes = []runfile.Outcome{{Name: "kills", Count: uint64(r.Kills)}, {Name: "acknowledged", Count: r.Acknowledged}, {Name: "same_by_key", Count: r.Same}}
	d.Verdict = documentOf(r.Faults)
	d.Verdict.Acknowledged = r.Acknowledged
	return d
}
