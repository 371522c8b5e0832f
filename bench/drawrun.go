package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/bench/runfile"
	"github.com/drawd/drawd/engine"
)

// plan is what a scenario of unary draws wants: who comes when, to which campaign, and what happens meanwhile.
type plan struct {
	due  []time.Duration // request i is due at due[i], ascending
	user []uint32        // and belongs to user user[i]

	campaign func(now time.Time) *campaignFile // unless the options bring a file
	text     []string                          // what was planned, for people
	options  []runfile.Option                  // the same for the document
	notes    []string
	timeout  time.Duration // of one answer; 0 for the generator's default
	patience patience      // of clients; zero for the usual one

	// figures adds rows to the report, from its seconds; nil for none.
	figures func([]runfile.Second) []runfile.Figure
	// meanwhile runs beside the load from the moment t0 at which the first request is due; an error ends the run.
	meanwhile func(ctx context.Context, t0 time.Time) error
}

// drawRun is one open-loop run of unary draws that ends in a verdict.
type drawRun struct {
	scenario string
	o        DrawOptions
	// makePlan plans the load, knowing what the generator can send and against which daemon.
	makePlan func(r *drawRun) (*plan, error)
	flags    []string // further ones of a daemon of ours
	nodes    int      // of a cluster of ours; 0 for one daemon
	say      *console
	watch    *restartWatch

	machine   Machine
	generator float64 // requests a second that the generator, or all agents together, can send
	fleet     *fleet  // nil when the load is sent from here
	daemon    *daemon // nil when it is not ours, or a cluster
	crew      *crew   // the cluster that is ours; nil when there is none
	mate      *mate   // of it, whom everybody asks
	control   *control
	host      string  // what requests name
	addr      string  // where they are sent: there, or through the tunnel
	tunnel    *tunnel // nil where no TLS is spoken
	rules     *oracle.Rules
	version   uint32
	lent      bool // a campaign of ours was published, or may have been, at a daemon that stays
	plan      *plan
	journal   *journal
	template  *template
	loads     []*drawLoad
	diary     *diary
	restarts  func() []Restart // nil where nothing is restarted
}

// runDraws runs a scenario. Its report is not nil whenever the load ran to its end, also beside an error.
func runDraws(ctx context.Context, r *drawRun) (*DrawReport, error) {
	r.say, r.watch = newConsole(&r.o.Environment), &restartWatch{}
	report, err := r.run(ctx)
	r.say.clear()
	if err != nil {
		return nil, err
	}
	return report, report.failure()
}

func (f *drawRun) run(ctx context.Context) (report *DrawReport, err error) {
	if err := f.prepare(ctx); err != nil {
		return nil, errors.Join(err, f.close(ctx))
	}
	defer func() { err = errors.Join(err, f.close(ctx)) }()
	before := f.daemonCPU()
	stats, err := f.load(ctx)
	if err != nil {
		return nil, err
	}
	used := f.daemonCPU() - before
	if err := f.settled(ctx); err != nil {
		return nil, err
	}
	p := &prover{
		control: f.control, host: f.addr, named: f.host, campaign: f.rules.Campaign, version: f.version, rules: f.rules, journal: f.journal,
		template: f.template, user: f.userOf, alone: f.o.Self, say: f.say,
	}
	if err := p.resolve(ctx, f.loads[0]); err != nil {
		return nil, err
	}
	if report, err = newDrawReport(f, stats, used); err != nil {
		return nil, err
	}
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

// prepare measures the generator, starts the daemon, publishes the campaign and plans the load.
func (f *drawRun) prepare(ctx context.Context) (err error) {
	if err := f.prepareGenerator(ctx); err != nil {
		return err
	}
	dir := f.o.Dir
	api, admin := f.o.URL, f.o.AdminURL
	if f.nodes > 0 {
		if err := f.found(ctx); err != nil {
			return err
		}
		dir, api, admin = f.crew.dir, "http://"+f.mate.api, "http://"+f.mate.admin
	} else if f.o.Self {
		if f.daemon, err = newDaemon(&f.o.Environment); err != nil {
			return err
		}
		f.daemon.extra = f.flags
		dir, api, admin = f.daemon.dir, "http://"+f.daemon.api, "http://"+f.daemon.admin
	} else if dir == "" {
		dir = os.TempDir()
	}
	if err := f.aim(ctx, api); err != nil {
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
	if f.o.Trust != nil {
		f.control.client.Transport = &http.Transport{TLSClientConfig: f.o.Trust.Clone()}
	}
	if f.plan, err = f.makePlan(f); err != nil {
		return err
	}
	if f.tunnel != nil {
		f.plan.text = append(f.plan.text, "TLS       spoken by this process: it costs the generator's processor time")
	}
	if n := len(f.plan.due); n > MaxRequests {
		return fmt.Errorf("bench %s: %s requests are planned; one run has at most %s", f.scenario, count(n), count(MaxRequests))
	}
	return f.publish(ctx)
}

// aim says where the load goes.
func (f *drawRun) aim(ctx context.Context, api string) error {
	host, secret, err := hostOf(api)
	if f.host, f.addr = host, host; err != nil || !secret {
		return err
	}
	if len(f.o.Agents) > 0 {
		return fmt.Errorf("bench: %s: agents send over plain HTTP only; without them this process speaks TLS", api)
	}
	if f.tunnel, err = newTunnel(ctx, host, f.o.Trust); err != nil {
		return err
	}
	f.addr = f.tunnel.addr()
	return nil
}

// prepareGenerator finds out what can be sent from here, or by the agents.
func (f *drawRun) prepareGenerator(ctx context.Context) (err error) {
	f.say.now("measuring the generator …")
	if len(f.o.Agents) == 0 {
		f.generator, err = generatorRate(ctx, &f.o.Environment, f.o.Connections, f.o.Loops, time.Second)
		return err
	}
	if f.fleet, err = callAgents(ctx, &f.o, f.say); err == nil {
		f.generator = f.fleet.perSecond()
	}
	return err
}

// publish makes the campaign live and prepares journal and requests.
func (f *drawRun) publish(ctx context.Context) (err error) {
	file := f.o.Campaign
	if file == nil {
		c := f.plan.campaign(time.Now())
		if !f.ours() {
			c.endBy(time.Now().Add(f.plan.span() + f.o.Drain + lease))
		}
		if file, err = c.encode(); err != nil {
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
	f.version, err = f.control.publish(ctx, f.rules.Campaign, file)
	// A campaign that was brought along is its owner's to end. Unless it was refused, one of ours may be live whatever was heard.
	f.lent = !f.ours() && f.o.Campaign == nil && !errors.As(err, new(*refusal))
	if err != nil {
		return err
	}
	if err := f.settled(ctx); err != nil {
		return err
	}
	f.journal = newJournal(f.rules, len(f.plan.due))
	f.template = newDrawTemplate(f.host, f.o.Key, f.rules.Campaign)
	return nil
}

// giveBack ends a campaign of ours at a daemon that stays.
func (f *drawRun) giveBack(ctx context.Context) error {
	if !f.lent || f.o.Keep {
		return nil
	}
	return f.control.giveBack(ctx, f.rules.Campaign)
}

// ours reports whether the daemon, or the cluster, was started by this run and goes with it.
func (f *drawRun) ours() bool { return f.daemon != nil || f.crew != nil }

// lease is how much longer than its load a campaign of ours runs at a daemon that stays: for the proof, and then for a bench that was
// killed before it could end the campaign.
const lease = time.Hour

// span is when the last request is due.
func (p *plan) span() time.Duration {
	if len(p.due) == 0 {
		return 0
	}
	return p.due[len(p.due)-1]
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

func (f *drawRun) userOf(id uint32) uint32 { return f.plan.user[id] }

// load sends the requests, and lets happen meanwhile what the plan says.
func (f *drawRun) load(ctx context.Context) (*load.Stats, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	screen := newScreen(f)
	f.diary = newDiary(f.o.Loops*max(1, len(f.o.Agents)), f.rules, screen.second)
	f.diary.resident = f.resident
	var side sync.WaitGroup
	f.diary.start()
	done := make(chan struct{})
	if f.daemon != nil {
		side.Go(func() {
			if f.daemon.watch(done) {
				cancel(fmt.Errorf("%w: %s", errDaemonEnded, f.daemon.current().last))
			}
		})
	}
	f.say.clear()
	screen.begin()
	send := f.send
	if f.fleet != nil {
		send = func(ctx context.Context, onStart func(time.Time)) (*load.Stats, error) {
			return f.fleet.run(ctx, f, onStart)
		}
	}
	stats, err := send(ctx, func(t0 time.Time) {
		if f.plan.meanwhile == nil {
			return
		}
		side.Go(func() {
			if err := f.plan.meanwhile(ctx, t0); err != nil {
				cancel(err)
			}
		})
	})
	if err != nil {
		cancel(err)
	}
	f.diary.stop()
	screen.end()
	close(done)
	side.Wait()
	return stats, context.Cause(ctx)
}

// send sends the requests from here.
func (f *drawRun) send(ctx context.Context, onStart func(time.Time)) (*load.Stats, error) {
	for k := range f.o.Loops {
		l := newDrawLoad(f.journal, f.template, f.userOf, f.watch, f.o.Seed+uint64(k))
		if f.plan.patience.policy != "" {
			l.patience = f.plan.patience
		}
		f.loads = append(f.loads, l)
	}
	defer load.Alone(f.o.Loops)()
	opts := load.Options{
		Addr: f.addr, Connections: f.o.Connections, Loops: f.o.Loops, Timeout: f.plan.timeout, OnStart: onStart,
		OnSecond: func(s load.Second) { f.diary.tell(s, f.loads[s.Loop].tally()) },
	}
	return load.Run(ctx, opts, load.Schedule{Arrivals: f.plan.due, Drain: f.o.Drain}, func(k int) load.Workload { return f.loads[k] })
}

func (f *drawRun) daemonCPU() time.Duration {
	if f.crew != nil {
		return f.crew.CPU()
	}
	if f.daemon == nil {
		return 0
	}
	return f.daemon.CPU()
}

// resident returns the memory of the daemon's process; 0 where it is not ours or is down.
func (f *drawRun) resident() int64 {
	if f.daemon == nil {
		return 0
	}
	if c := f.daemon.current(); c != nil {
		return residentBytes(c.cmd.Process.Pid)
	}
	return 0
}

// close ends what the run began: the daemon with its data, or the campaign on a daemon that stays.
func (f *drawRun) close(ctx context.Context) error {
	if f.fleet != nil {
		f.fleet.close()
	}
	if f.tunnel != nil {
		return errors.Join(f.tunnel.close(), f.giveBack(ctx))
	}
	if f.crew != nil {
		return f.crew.remove(f.o.Keep)
	}
	if f.daemon == nil {
		return f.giveBack(ctx)
	}
	err := f.daemon.stop()
	if f.o.Keep {
		f.say.say("data kept in %s", f.daemon.dir)
	}
	return errors.Join(err, f.daemon.remove(f.o.Keep))
}
