package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/engine"
)

// Flash runs a crowd against a daemon and judges the result.
//
// The report is not nil whenever the crowd ran to its end, also beside an error. The error is a *VerdictError (exit 21) when drawd
// was wrong or did not come back after a kill, a *ThresholdError (exit 20) when the run proves too little (an INVALID run, or too few logged draws), and
// any other error (exit 1) when the run could not be made.
func Flash(ctx context.Context, o FlashOptions) (*FlashReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := o.fill(); err != nil {
		return nil, err
	}
	f := &flash{o: o, say: newConsole(&o.Environment), watch: &restartWatch{}}
	report, err := f.run(ctx)
	f.say.clear()
	if err != nil {
		return nil, err
	}
	if o.Out != "" {
		if err := writeJSON(o.Out, report); err != nil {
			return report, err
		}
	}
	return report, report.failure()
}

// fill completes the defaults that do not depend on measurements.
func (o *FlashOptions) fill() error {
	orDefault(&o.Users, 100_000)
	orDefault(&o.Duration, 10*time.Second)
	orDefault(&o.Seed, 1)
	orDefault(&o.Connections, 512)
	orDefault(&o.Loops, defaultLoops())
	orDefault(&o.SampleByID, 20_000)
	orDefault(&o.Replays, MaxRequests)
	orDefault(&o.MinLogged, MinVerdictDraws)
	orDefault(&o.Drain, 30*time.Second)
	return o.Environment.fill()
}

// flash is one run.
type flash struct {
	o     FlashOptions
	say   *console
	watch *restartWatch

	machine   Machine
	generator float64 // requests a second that the generator can send
	daemon    *daemon // nil when it is not ours
	control   *control
	host      string
	rules     *oracle.Rules
	version   uint32
	crowd     *crowd
	stretched bool
	journal   *journal
	template  *template
	loads     []*drawLoad
	killer    *killer
}

func (f *flash) run(ctx context.Context) (report *FlashReport, err error) {
	if err := f.prepare(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	defer func() { err = errors.Join(err, f.close()) }()
	before := f.daemonCPU()
	stats, err := f.load(ctx)
	if err != nil {
		return nil, err
	}
	used := f.daemonCPU() - before
	p := &prover{
		control: f.control, host: f.host, campaign: f.rules.Campaign, version: f.version, rules: f.rules, journal: f.journal,
		template: f.template, user: f.userOf, alone: f.o.Self, say: f.say,
	}
	if err := p.resolve(ctx, f.loads[0]); err != nil {
		return nil, err
	}
	report = newFlashReport(f, stats, used)
	for _, c := range report.Denials {
		if c.Code == "exhausted" {
			p.exhausted = c.Count
		}
	}
	for _, l := range f.loads {
		p.effects += l.effects
	}
	if report.Proof, err = p.prove(ctx, f.o.Replays, f.o.SampleByID, f.o.Seed); err != nil {
		return nil, err
	}
	report.judge(f.o.MinLogged)
	return report, nil
}

// prepare measures the generator, starts the daemon, publishes the campaign and plans the crowd.
func (f *flash) prepare(ctx context.Context) (err error) {
	f.say.now("measuring the generator …")
	if f.generator, err = generatorRate(ctx, &f.o.Environment, f.o.Connections, f.o.Loops, time.Second); err != nil {
		return err
	}
	dir := f.o.Dir
	api, admin := f.o.URL, f.o.AdminURL
	if f.o.Self {
		if f.daemon, err = newDaemon(&f.o.Environment); err != nil {
			return err
		}
		dir, api, admin = f.daemon.dir, "http://"+f.daemon.api, "http://"+f.daemon.admin
	} else if dir == "" {
		dir = os.TempDir()
	}
	if f.host, err = hostOf(api); err != nil {
		return err
	}
	f.machine = lookAtMachine(&f.o.Environment, dir)
	if err := f.machine.measureDisk(dir, 100*time.Millisecond); err != nil {
		return err
	}
	if f.daemon != nil {
		f.say.now("starting a daemon …")
		if _, err := f.daemon.start(ctx); err != nil {
			return err
		}
	}
	f.control = newControl(api, admin, f.o.Key)
	f.plan()
	return f.publish(ctx)
}

// plan decides who comes when.
func (f *flash) plan() {
	over, stretched := fitCrowd(f.o.Users, f.o.Over, f.o.Duration, f.generator)
	peak := crowdPeak * float64(f.o.Users) / over.Seconds()
	tail := float64(f.o.TailRate)
	if tail == 0 {
		tail = min(peak/5, f.generator*comfortableShare)
	}
	f.stretched = stretched || over > f.o.Duration
	f.crowd = planCrowd(f.o.Users, over, f.o.Duration, tail, f.o.Seed)
}

// publish makes the campaign live and prepares journal and requests.
func (f *flash) publish(ctx context.Context) (err error) {
	file := f.o.Campaign
	if file == nil {
		if file, err = flashCampaign(f.o.Users, sellOutAfter(f.o.Users, len(f.crowd.due), f.o.MinLogged), time.Now()).encode(); err != nil {
			return err
		}
	}
	if f.rules, err = compileRules(f.o.Compile, file); err != nil {
		return err
	}
	if err := carries(f.rules); err != nil {
		return err
	}
	f.say.now("publishing campaign %s …", f.rules.Campaign)
	if f.version, err = f.control.publish(ctx, f.rules.Campaign, file); err != nil {
		return err
	}
	f.journal = newJournal(f.rules, len(f.crowd.due))
	f.template = newDrawTemplate(f.host, f.o.Key, f.rules.Campaign)
	return nil
}

// sellOutAfter returns the number of draws after which the built-in campaign is to be sold out: when four fifths of the
// crowd have drawn, but not before there are enough for a verdict. If that many hardly come, it does not sell out.
func sellOutAfter(users, arrivals, needed int) int {
	draws := max(users*4/5, needed*5/4)
	if draws > arrivals*9/10 {
		return 2 * arrivals
	}
	return draws
}

// carries says which cap the load has no value for.
func carries(rules *oracle.Rules) error {
	for i := range rules.Caps {
		if c := &rules.Caps[i]; c.Scope != engine.ScopeUser {
			return fmt.Errorf("bench: cap %s of campaign %s counts by %s; this load carries users only", c.ID, rules.Campaign, c.Scope)
		}
	}
	return nil
}

func (f *flash) userOf(id uint32) uint32 { return f.crowd.user[id] }

// load lets the crowd in, and kills the daemon meanwhile if that was asked for.
func (f *flash) load(ctx context.Context) (*load.Stats, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for k := range f.o.Loops {
		f.loads = append(f.loads, newDrawLoad(f.journal, f.template, f.userOf, f.watch, f.o.Seed+uint64(k)))
	}
	var (
		side   sync.WaitGroup
		ticker = newTicker(f.say, f.loads)
	)
	f.killer = &killer{daemon: f.daemon, watch: f.watch, say: f.say}
	if f.o.Kill9 > 0 {
		f.killer.moments = killMoments(f.o.Kill9, f.crowd.over, f.o.Seed)
	}
	side.Go(ticker.run)
	done := make(chan struct{})
	if f.daemon != nil {
		side.Go(func() {
			if f.daemon.watch(done) {
				cancel(fmt.Errorf("%w: %s", errDaemonEnded, f.daemon.current().last))
			}
		})
	}
	f.say.clear()
	opts := load.Options{
		Addr: f.host, Connections: f.o.Connections, Loops: f.o.Loops, OnSecond: ticker.second,
		OnStart: func(t0 time.Time) {
			if len(f.killer.moments) == 0 {
				return
			}
			side.Go(func() {
				if err := f.killer.run(ctx, t0); err != nil {
					cancel(err)
				}
			})
		},
	}
	stats, err := load.Run(ctx, opts, load.Schedule{Arrivals: f.crowd.due, Drain: f.o.Drain}, func(k int) load.Workload { return f.loads[k] })
	if err != nil {
		cancel(err)
	}
	ticker.stop()
	close(done)
	side.Wait()
	return stats, context.Cause(ctx)
}

func (f *flash) daemonCPU() time.Duration {
	if f.daemon == nil {
		return 0
	}
	return f.daemon.CPU()
}

// close ends the daemon and removes its data.
func (f *flash) close() error {
	if f.daemon == nil {
		return nil
	}
	err := f.daemon.stop()
	if f.o.Keep {
		f.say.say("data kept in %s", f.daemon.dir)
	}
	return errors.Join(err, f.daemon.remove(f.o.Keep))
}
