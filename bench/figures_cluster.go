package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
)

const failoverKills = 10 // of the leader, in P10; `drawd bench failover` makes more of them

// CPU returns the processor time of all nodes together.
func (c *crew) CPU() (sum time.Duration) {
	for _, m := range c.nodes {
		sum += m.CPU()
	}
	return sum
}

// cluster is P6: three nodes on this machine under mutual TLS, draws one by one and in batches at the leader, and one by one at
// a node that forwards them.
func (f *figures) cluster(ctx context.Context) (rows []Figure, err error) {
	f.say.now("P6: founding a cluster of three …")
	if f.daemon.current() != nil { // it would take part of the processors
		if err := f.daemon.stop(); err != nil {
			return nil, err
		}
	}
	c, err := newCrew(ctx, &f.o.Environment, 3, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.remove(f.o.Keep)) }()
	leader, err := c.leader(ctx)
	if err != nil {
		return nil, err
	}
	recount, file := f.recount.at(leader.control, leader.api), steadyCampaign(f.o.Users, time.Now())
	if err := recount.publish(ctx, file); err != nil {
		return nil, err
	}
	// A node that has not applied the publication yet says that there is no such campaign.
	if fault, err := c.alike(ctx); err != nil || fault != "" {
		return nil, errors.Join(err, errors.New("bench: after publishing: "+fault))
	}
	var follower *mate
	for _, m := range c.nodes {
		if m != leader {
			follower = m
		}
	}
	unary := func(id, name string, at *mate) contender {
		work := newSteadyLoad(at.api, file.Campaign, uint32(f.o.Users))
		recount.hear(work, file.Campaign)
		return closedContender(contender{id: id, name: name}, closedLoop{server: c, opts: load.Options{Addr: at.api, Connections: f.o.Connections}}, 1, work)
	}
	batches := newBatchLoad(leader.api, file.Campaign, f.o.BatchDraws, uint32(f.o.Users), true)
	recount.hear(batches, file.Campaign)
	got, err := contest(ctx, f.say, f.o.Pairs, time.Duration(f.o.Seconds)*time.Second, []contender{
		unary("leader", "P6 at the leader", leader),
		closedContender(contender{id: "batch", name: "P6 in batches"}, closedLoop{server: c, opts: load.Options{Addr: leader.api, Connections: f.o.BatchConns}}, f.o.BatchDraws, batches),
		unary("follower", "P6 at a node that forwards", follower),
	})
	if err != nil {
		return nil, err
	}
	if err := judgeReplicas(ctx, c, recount); err != nil {
		return nil, err
	}
	row := func(i int, name, goalText string, goals ...goal) Figure {
		return Figure{ID: "P6", Name: "three nodes, mTLS, on these processors: " + name, Goal: goalText, Measures: got[i].Measures, goals: goals,
			Beside: "CPU of the three nodes a draw " + measureCell(&got[i], "cpu") + "; p99 " + measureCell(&got[i], "p99")}
	}
	return []Figure{
		row(0, "unary draws/s at the leader", "≥ 50,000", goal{"rate", atLeast, 50_000}),
		row(1, fmt.Sprintf("draws/s in binary batches of %d", f.o.BatchDraws), "≥ 400,000", goal{"rate", atLeast, 400_000}),
		row(2, "unary draws/s at a node that forwards", "reported"),
	}, nil
}

// judgeReplicas recounts at one node what was drawn, once all nodes hold the same.
func judgeReplicas(ctx context.Context, c *crew, r *recount) error {
	fault, err := c.alike(ctx)
	if err != nil {
		return err
	}
	if fault != "" {
		r.proof.Verdict.Add("replicas", fault)
	}
	return r.judge(ctx)
}

// failover is P10.
func (f *figures) failover(ctx context.Context) ([]Figure, error) {
	if f.daemon.current() != nil {
		if err := f.daemon.stop(); err != nil {
			return nil, err
		}
	}
	r, err := Failover(ctx, FailoverOptions{Environment: f.o.Environment, Compile: f.o.Compile, Kills: failoverKills, Seed: f.o.Seed})
	if r == nil {
		return nil, err
	}
	var wrong *VerdictError
	if errors.As(err, &wrong) {
		return nil, err
	}
	took := make([]float64, len(r.First))
	for i, us := range r.First {
		took[i] = float64(us) / 1e6
	}
	m := runfile.NewMeasure("first_draw", "seconds", runfile.Lower, took)
	fig := Figure{ID: "P10", Name: fmt.Sprintf("failover: first draw sent after the leader's SIGKILL, %d kills at %s draws/s", r.Kills, count(r.Rate)), Goal: "≤ 2 s p99", Measures: []runfile.Measure{
		m, runfile.NewMeasure("longest", "seconds", runfile.Lower, []float64{m.Max}), // so few kills have no other 99th percentile
	}, goals: []goal{{"longest", atMost, 2}}}
	fig.Beside = "median " + measureCell(&runfile.Figure{Measures: fig.Measures}, "first_draw") + "; " + count(r.Acknowledged) + " draws acknowledged, none lost"
	return []Figure{fig}, nil
}

// overloads is P12: daemons of their own, whose log is the limit. With the shorter delay ten times the peak would be more than the
// processors can refuse while the generator shares them.
func (f *figures) overloads(ctx context.Context) (rows []Figure, err error) {
	if f.daemon.current() != nil {
		if err := f.daemon.stop(); err != nil {
			return nil, err
		}
	}
	for _, limit := range []struct {
		delay time.Duration
		times []float64
	}{{slowSync, []float64{3}}, {4 * slowSync, []float64{3, 10}}} {
		more, err := f.overloadAt(ctx, limit.delay, limit.times)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// overloadAt is P12 with one delay of syncs.
func (f *figures) overloadAt(ctx context.Context, delay time.Duration, all []float64) (rows []Figure, err error) {
	d, err := newDaemon(&f.o.Environment)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.remove(f.o.Keep)) }()
	d.extra = slowLog(delay)
	own := f.besides(d)
	w, err := own.overload(ctx, time.Duration(f.o.Seconds)*time.Second)
	if err != nil {
		return nil, err
	}
	if err := w.findPeak(ctx); err != nil {
		return nil, err
	}
	peak := w.peakRow()
	for _, times := range all {
		p, err := w.offer(ctx, times)
		if err != nil {
			return nil, err
		}
		got := p.figure("P12", w)
		fig := Figure{
			ID: "P12", Name: fmt.Sprintf("overload limited at the log (fsync + %v): %s", delay, got.Name), Goal: overloadGoal, Measures: got.Measures, Note: got.Note,
			goals: []goal{{"of_peak", atLeast, 0.9}, {"p99_of_peak", atMost, 2}},
			Beside: fmt.Sprintf("peak %s/s, p99 %s; here %s/s, p99 %s; refusals p99 %s", measureCell(&peak, "goodput"), measureCell(&peak, "p99"),
				measureCell(&got, "goodput"), measureCell(&got, "p99"), measureCell(&got, "refused_p99")),
		}
		if len(p.invalid) > 0 {
			fig.Beside = "INVALID: " + p.invalid[0] + "; " + fig.Beside
		}
		rows = append(rows, fig)
	}
	return rows, own.recount.judge(ctx)
}
