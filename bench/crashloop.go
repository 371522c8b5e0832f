package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
)

// roundRequests bounds the requests of one round: the journal has a row for each.
const roundRequests = 60_000

// CrashLoop kills a daemon under load, again and again. After each kill the data directory is checked offline, the
// daemon is started again, every draw that this round acknowledged is asked for again with its key and read by its id,
// and every request without an answer is sent again. Beside the draws hosts hold, confirm, release and take units: the same
// is asked of those, and the books of their pools must be what was acknowledged. Each directory ends with a verdict over its whole feed. The first
// fault ends the loop and leaves the directory in place. Errors are as those of [Flash].
func CrashLoop(ctx context.Context, o CrashLoopOptions) (*CrashLoopReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	orDefault(&o.Kills, 200)
	orDefault(&o.PerDir, 25)
	orDefault(&o.MinLoad, 20*time.Millisecond)
	orDefault(&o.MaxLoad, max(400*time.Millisecond, o.MinLoad))
	orDefault(&o.Connections, 64)
	orDefault(&o.Users, 20_000)
	orDefault(&o.Seed, 1)
	if err := o.fill(); err != nil {
		return nil, err
	}
	l := &crashLoop{o: o, say: newConsole(&o.Environment), rng: rand.New(rand.NewPCG(o.Seed, 0x6372617368))}
	l.report = &CrashLoopReport{Scenario: "crashloop", Faults: &oracle.Verdict{}, Kills: o.Kills, PerDir: o.PerDir, Connections: o.Connections, Seed: o.Seed}
	begin := time.Now()
	for l.report.Done < o.Kills && l.report.Faults.Right() {
		if err := l.directory(ctx); err != nil {
			return nil, err
		}
	}
	l.say.clear()
	l.report.Seconds = time.Since(begin).Seconds()
	if o.Out != "" {
		if err := writeJSON(o.Out, l.report); err != nil {
			return l.report, err
		}
	}
	if !l.report.Faults.Right() {
		return l.report, &VerdictError{l.report.Faults.Faults}
	}
	return l.report, nil
}

// crashLoop is one run.
type crashLoop struct {
	o      CrashLoopOptions
	say    *console
	rng    *rand.Rand
	report *CrashLoopReport

	daemon *daemon
	prover *prover
	orders *orders
	next   uint32 // first unused row of the directory's journal
}

// directory works through one data directory's share of kills.
func (l *crashLoop) directory(ctx context.Context) (err error) {
	if l.daemon, err = newDaemon(&l.o.Environment); err != nil {
		return err
	}
	defer func() {
		keep := l.o.Keep || err != nil || !l.report.Faults.Right()
		if keep {
			l.say.say("data kept in %s", l.daemon.dir)
		}
		err = errors.Join(err, l.daemon.remove(keep))
	}()
	if l.report.Machine.Commit == "" {
		l.report.Machine = lookAtMachine(&l.o.Environment, l.daemon.dir)
		if err := l.report.Machine.measureDisk(l.daemon.dir, 50*time.Millisecond); err != nil {
			return err
		}
	}
	if _, err := l.daemon.start(ctx); err != nil {
		return err
	}
	if err := l.publish(ctx); err != nil {
		return err
	}
	for n := 0; n < l.o.PerDir && l.report.Done < l.o.Kills && l.report.Faults.Right(); n++ {
		if err := l.round(ctx); err != nil {
			return fmt.Errorf("kill %d: %w", l.report.Done+1, err)
		}
	}
	if l.daemon.current() == nil || l.daemon.current().gone() {
		return nil // it did not come back: that is a fault already
	}
	return l.verdict(ctx)
}

func (l *crashLoop) publish(ctx context.Context) error {
	file, err := crashCampaign(l.o.Users, time.Now()).encode()
	if err != nil {
		return err
	}
	rules, err := compileRules(l.o.Compile, file)
	if err != nil {
		return err
	}
	c := newControl("http://"+l.daemon.api, "http://"+l.daemon.admin, "")
	version, err := c.publish(ctx, rules.Campaign, file)
	if err != nil {
		return err
	}
	l.next = 0
	l.prover = &prover{
		control: c, host: l.daemon.api, campaign: rules.Campaign, version: version, rules: rules, say: &console{}, alone: true,
		journal:  newJournal(rules, l.o.PerDir*roundRequests),
		template: newDrawTemplate(l.daemon.api, "", rules.Campaign), user: l.userOf,
	}
	l.orders, err = newOrders(ctx, c)
	return err
}

// userOf gives half of the requests to one user in a hundred, so that caps are reached, and spreads the rest.
func (l *crashLoop) userOf(id uint32) uint32 {
	mixed := uint64(id) * 0x9E3779B97F4A7C15 >> 20
	users := uint64(l.o.Users)
	if mixed&1 == 0 {
		users = max(users/100, 1)
	}
	return uint32(mixed >> 1 % users)
}

// round is one kill: load, SIGKILL, offline check, restart, comparison.
func (l *crashLoop) round(ctx context.Context) error {
	span := l.o.MinLoad + time.Duration(l.rng.Int64N(int64(l.o.MaxLoad-l.o.MinLoad)+1))
	first := l.next
	if err := l.loadAndKill(ctx, span); err != nil {
		return err
	}
	if err := l.check(ctx); err != nil {
		return err
	}
	r := l.report
	ready, err := l.daemon.start(ctx)
	if err != nil && ctx.Err() == nil {
		r.Faults.Add("restart", fmt.Sprintf("kill %d: %v", r.Done+1, err))
		return nil
	}
	if err != nil {
		return err
	}
	r.Ready = append(r.Ready, ready.Milliseconds())
	changed := func(id uint32, how string) {
		r.Faults.Add("changed", fmt.Sprintf("kill %d, key %s: %s", r.Done+1, l.prover.template.key(id), how))
	}
	ids := l.acknowledged(first)
	r.Acknowledged += uint64(len(ids))
	same, err := l.prover.compare(ctx, ids, false, changed)
	if err != nil {
		return err
	}
	r.SameByKey += same
	if same, err = l.prover.compare(ctx, ids, true, changed); err != nil {
		return err
	}
	r.SameByID += same
	wrong := func(rule, detail string) { r.Faults.Add(rule, fmt.Sprintf("kill %d: %s", r.Done+1, detail)) }
	if err := l.orders.settle(ctx, &r.Orders, wrong); err != nil {
		return err
	}
	if err := l.orders.judge(ctx, &r.Orders, r.Faults); err != nil {
		return err
	}
	// What was never answered is sent again: it has been decided, or it is decided now, but never both.
	unknown := l.prover.unknown()
	again := newDrawLoad(l.prover.journal, l.prover.template, l.userOf, &restartWatch{}, l.o.Seed)
	if err := l.prover.resolve(ctx, again); err != nil {
		return err
	}
	r.Unanswered += uint64(len(unknown))
	r.Rescued += again.replayed
	r.Done++
	l.say.now("%4d of %d kills   %s draws acknowledged   %s unanswered, of them %s had been decided   ready again in %d ms",
		r.Done, r.Kills, count(r.Acknowledged), count(r.Unanswered), count(r.Rescued), ready.Milliseconds())
	return ctx.Err()
}

// acknowledged returns the requests from first on that were answered with a draw.
func (l *crashLoop) acknowledged(first uint32) []uint32 {
	var ids []uint32
	for id := first; id < l.next; id++ {
		if l.prover.journal.state[id] == acknowledged {
			ids = append(ids, id)
		}
	}
	return ids
}

// loadAndKill sends as fast as answers come, and kills the daemon in the middle of it.
func (l *crashLoop) loadAndKill(ctx context.Context, span time.Duration) error {
	work := &crashLoad{newDrawLoad(l.prover.journal, l.prover.template, l.userOf, &restartWatch{}, l.o.Seed), l.next}
	killed := make(chan struct{})
	started, wait := false, func() {}
	opts := load.Options{Addr: l.daemon.api, Connections: l.o.Connections, OnStart: func(t0 time.Time) {
		started = true
		wait = l.orders.shop(ctx, l.report.Done, l.o.Seed)
		go func() {
			defer close(killed)
			select {
			case <-time.After(time.Until(t0.Add(span))):
			case <-ctx.Done():
			}
			l.daemon.kill()
		}()
	}}
	// New requests are started until a little after the kill, so that it never meets a pause.
	s, err := load.Run(ctx, opts, load.Schedule{Requests: roundRequests, For: span + 30*time.Millisecond, Drain: time.Second},
		func(int) load.Workload { return work })
	if started {
		<-killed
	}
	wait()
	l.next += roundRequests
	if err != nil {
		return err
	}
	if s.Answered[load.Failed] > 0 {
		return fmt.Errorf("bench: unexpected answer: %.500q", work.odd)
	}
	return nil
}

// check looks at the dead daemon's data offline.
func (l *crashLoop) check(ctx context.Context) error {
	command := append(append([]string{}, l.o.Check...), "--data", filepath.Join(l.daemon.dir, "data"))
	text, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err == nil {
		l.report.Clean++
		return nil
	}
	if ended := (*exec.ExitError)(nil); !errors.As(err, &ended) || ctx.Err() != nil {
		return fmt.Errorf("bench: check: %w", err)
	}
	l.report.Faults.Add("check", fmt.Sprintf("kill %d: %v: %.1000s", l.report.Done+1, err, text))
	return nil
}

// verdict judges the directory as a whole and ends its daemon.
func (l *crashLoop) verdict(ctx context.Context) error {
	proof, err := l.prover.prove(ctx, 20_000, 0, l.o.Seed)
	if err != nil {
		return err
	}
	v, r := proof.Verdict, l.report
	r.Draws += v.Draws
	r.Verdicts++
	for _, f := range v.Faults {
		r.Faults.Add(f.Rule, f.Detail)
	}
	return l.daemon.stop()
}

// crashLoad is a drawLoad that does not ask again: the loop does, after the restart.
type crashLoad struct {
	*drawLoad
	base uint32
}

// AppendRequest implements load.Workload.
func (c *crashLoad) AppendRequest(dst []byte, id uint32, again bool) []byte {
	return c.drawLoad.AppendRequest(dst, c.base+id, again)
}

// Answer implements load.Workload.
func (c *crashLoad) Answer(id uint32, a *load.Answer) (load.Class, time.Duration) {
	return c.drawLoad.Answer(c.base+id, a)
}

// Lost implements load.Workload.
func (c *crashLoad) Lost(uint32, int) time.Duration { return load.Done }
