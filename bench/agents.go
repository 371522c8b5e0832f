package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/drawd/drawd/bench/link"
	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
)

const (
	agentPatience = 30 * time.Second // for an agent's next word
	agentPings    = 16               // of which the fastest one tells the clock
	startAhead    = 250 * time.Millisecond
	mostAgents    = 64
)

// fleet is the agents of a run, as the coordinator sees them: each sends each n-th request, at the times that one schedule says.
type fleet struct {
	say    *console
	agents []*remote
}

// remote is one agent.
type remote struct {
	addr  string
	link  *link.Conn
	hello agentHello
	clock clockOffset // before the run
	after clockOffset // after it

	arrivals int
	base     int           // number of its first loop among those of all agents
	seconds  []load.Second // that it told of
	newest   []tally       // by loop
	stats    *load.Stats
	load     *drawLoad
	lost     error // why its part is not whole; nil when it is
}

// clockOffset is how far another machine's clock is ahead of ours, and how wrong that may be: half of the fastest round trip.
type clockOffset struct {
	known           bool
	ahead, plusless time.Duration
}

// callAgents begins a conversation with each agent and asks what its generator can do.
func callAgents(ctx context.Context, o *DrawOptions, say *console) (_ *fleet, err error) {
	f := &fleet{say: say}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	for i, addr := range o.Agents {
		d := net.Dialer{Timeout: 5 * time.Second}
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("bench: agent %s: %w", addr, err)
		}
		l, err := link.Call(c, o.AgentToken)
		if err != nil {
			return nil, fmt.Errorf("bench: agent %s: %w", addr, err)
		}
		f.agents = append(f.agents, &remote{addr: addr, link: l, base: i * o.Loops, newest: make([]tally, o.Loops)})
	}
	return f, f.each(func(a *remote) error {
		if err := a.link.Send(sayCalibrate, calibrateOrder{f.share(o.Connections), o.Loops}); err != nil {
			return err
		}
		return a.expect(sayHello, &a.hello)
	})
}

// share is the part of one agent, rounded up.
func (f *fleet) share(n int) int { return max(1, (n+len(f.agents)-1)/len(f.agents)) }

// each does something with all agents beside each other.
func (f *fleet) each(do func(a *remote) error) error {
	var all sync.WaitGroup
	faults := make([]error, len(f.agents))
	for i, a := range f.agents {
		all.Go(func() {
			if err := do(a); err != nil {
				faults[i] = fmt.Errorf("bench: agent %s: %w", a.addr, err)
			}
		})
	}
	all.Wait()
	return errors.Join(faults...)
}

// perSecond is what the generators can send together: as often as there are agents what the slowest one can, since they have
// shares of one size.
func (f *fleet) perSecond() float64 {
	slowest := slices.MinFunc(f.agents, func(a, b *remote) int { return int(a.hello.PerSecond - b.hello.PerSecond) })
	return slowest.hello.PerSecond * float64(len(f.agents))
}

// expect receives one message of a kind.
func (a *remote) expect(kind byte, v any) error {
	m, err := a.link.Receive(agentPatience)
	if err != nil {
		return err
	}
	if m.Kind == sayFailed {
		return a.failed(m)
	}
	if m.Kind != kind {
		return fmt.Errorf("bench: a message %q instead of %q", m.Kind, kind)
	}
	if v == nil {
		return nil
	}
	return m.Decode(v)
}

// failed is what an agent says who gives up.
func (a *remote) failed(m *link.Message) error {
	var why string
	if err := m.Decode(&why); err != nil {
		return err
	}
	return errors.New(why)
}

// measureClock asks what the time is there.
func (a *remote) measureClock() (best clockOffset, err error) {
	for range agentPings {
		before := time.Now()
		if err := a.link.Send(sayPing, nil); err != nil {
			return best, err
		}
		var there int64
		if err := a.expect(sayPong, &there); err != nil {
			return best, err
		}
		half := time.Since(before) / 2
		if !best.known || half < best.plusless {
			best = clockOffset{true, time.Duration(there - before.Add(half).UnixNano()), half}
		}
	}
	return best, nil
}

// jobs gives each agent its share.
func (f *fleet) jobs(r *drawRun) []*agentJob {
	all := make([]*agentJob, len(f.agents))
	for k := range all {
		job := &agentJob{
			First: uint32(k), Of: uint32(len(f.agents)), Addr: r.host, Key: r.o.Key, Campaign: r.rules.Campaign, Nonce: r.template.nonce, Prizes: r.rules.Prizes,
			Connections: max(f.share(r.o.Connections), r.o.Loops), Loops: r.o.Loops, Timeout: r.plan.timeout, Drain: r.o.Drain, Policy: r.plan.patience.policy, Attempts: r.plan.patience.attempts,
			Seed: r.o.Seed,
		}
		for i := k; i < len(r.plan.due); i += len(all) {
			job.Due, job.User = append(job.Due, r.plan.due[i]), append(job.User, r.plan.user[i])
		}
		f.agents[k].arrivals = len(job.Due)
		all[k] = job
	}
	return all
}

// run lets the agents send their shares, from one instant on, and merges what they measured. Seconds go to the run's diary while
// they come, answers to its journal. An agent that is lost on the way makes the run INVALID and does not end it: what it had sent
// is asked for again.
func (f *fleet) run(ctx context.Context, r *drawRun, onStart func(t0 time.Time)) (*load.Stats, error) {
	defer context.AfterFunc(ctx, f.close)()
	jobs := f.jobs(r)
	if err := f.each(func(a *remote) error {
		if err := a.link.Send(sayJob, jobs[a.number(f)]); err != nil {
			return err
		}
		if err := a.expect(sayPrepared, nil); err != nil {
			return err
		}
		var err error
		a.clock, err = a.measureClock()
		return err
	}); err != nil {
		return nil, errors.Join(context.Cause(ctx), err)
	}
	t0 := time.Now().Add(startAhead)
	if err := f.each(func(a *remote) error { return a.link.Send(sayStart, t0.UnixNano()+int64(a.clock.ahead)) }); err != nil {
		return nil, err
	}
	onStart(t0)
	results := make([]*agentResult, len(f.agents))
	_ = f.each(func(a *remote) error { // what is missing is said of each agent
		results[a.number(f)], a.lost = a.hear(r.diary)
		if a.lost != nil {
			r.diary.gone(a.base, len(a.newest))
			return nil
		}
		a.after, a.lost = a.measureClock()
		return nil
	})
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return f.merge(r, results)
}

func (a *remote) number(f *fleet) int { return slices.Index(f.agents, a) }

// hear listens to an agent until it has told what its share came to.
func (a *remote) hear(d *diary) (*agentResult, error) {
	for {
		m, err := a.link.Receive(agentPatience)
		if err != nil {
			return nil, err
		}
		switch m.Kind {
		case saySecond:
			var s agentSecond
			if err := m.Decode(&s); err != nil {
				return nil, err
			}
			if s.Loop < 0 || s.Loop >= len(a.newest) {
				return nil, fmt.Errorf("bench: a second of loop %d of %d", s.Loop, len(a.newest))
			}
			e, err := s.entry(a.base + s.Loop)
			if err != nil {
				return nil, err
			}
			a.newest[s.Loop] = e.so
			kept := e.second
			kept.Histogram = nil
			a.seconds = append(a.seconds, kept)
			d.enter(e)
		case sayResult:
			r := &agentResult{}
			return r, m.Decode(r)
		case sayFailed:
			return nil, a.failed(m)
		default:
			return nil, fmt.Errorf("bench: a message %q during the run", m.Kind)
		}
	}
}

// merge adds up what the agents measured: counts of histograms, rows of the journal, outcomes.
func (f *fleet) merge(r *drawRun, results []*agentResult) (*load.Stats, error) {
	total := load.NewStats()
	for k, a := range f.agents {
		a.load = newDrawLoad(r.journal, r.template, r.userOf, r.watch, r.o.Seed+uint64(k))
		r.loads = append(r.loads, a.load)
		a.stats = load.NewStats()
		if result := results[k]; result != nil {
			result.fillLoad(a.load)
			var err error
			if a.stats, err = result.stats(); err != nil {
				return nil, err
			}
			if err := r.journal.absorb(uint32(k), uint32(len(f.agents)), result); err != nil {
				return nil, err
			}
		} else {
			a.partly(r.journal, k, len(f.agents))
		}
		a.stats.Seconds = a.seconds
		total.Merge(a.stats)
	}
	return total, nil
}

// partly takes what a lost agent had told. What became of its requests nobody knows: all of them are asked for again.
func (a *remote) partly(j *journal, first, of int) {
	for i := range a.seconds {
		s := &a.seconds[i]
		a.stats.Due, a.stats.Sent = a.stats.Due+s.Due, a.stats.Sent+s.Sent
		for c, n := range s.Answered {
			a.stats.Answered[c] += n
		}
		a.stats.Wall = max(a.stats.Wall, time.Duration(s.At)*time.Second+s.Length)
		a.stats.Busiest = max(a.stats.Busiest, s.Busy)
	}
	for id := first; id < len(j.state); id += of {
		j.state[id] = unknownOutcome
	}
}

// faults says why the generators, and not the server, may have made the figures.
func (f *fleet) faults() (all []string) {
	for _, a := range f.agents {
		if a.lost != nil {
			all = append(all, fmt.Sprintf("agent %s was lost: %v", a.addr, a.lost))
			continue
		}
		for _, why := range generatorFaults(a.stats) {
			all = append(all, "agent "+a.addr+": "+why)
		}
	}
	return all
}

// documents is what is said of the agents in the run's document.
func (f *fleet) documents() (all []runfile.Agent) {
	for _, a := range f.agents {
		d := runfile.Agent{
			Address: a.addr, Host: a.hello.Host, Commit: a.hello.Commit, Cores: a.hello.Cores, PerSecond: a.hello.PerSecond, Arrivals: a.arrivals,
			ClockAhead: a.clock.ahead.Microseconds(), ClockPlusMinus: a.clock.plusless.Microseconds(), Sent: a.stats.Sent, Lag: percentilesOf(a.stats.Lag), Busiest: a.stats.Busiest,
		}
		if a.after.known {
			d.ClockDrift = (a.after.ahead - a.clock.ahead).Microseconds()
		}
		if a.lost != nil {
			d.Lost = a.lost.Error()
		}
		all = append(all, d)
	}
	return all
}

// writeAgents writes them for people.
func writeAgents(p *page, all []runfile.Agent) {
	if len(all) == 0 {
		return
	}
	g := &grid{}
	g.row("agent", "arrivals", "sent", "can send", "clock ahead", "±", "drift", "lag p99", "busiest")
	for i := range all {
		a := &all[i]
		g.row(a.Address, count(a.Arrivals), count(a.Sent), count(int64(a.PerSecond))+"/s", signedMicros(a.ClockAhead), microsText(a.ClockPlusMinus), signedMicros(a.ClockDrift),
			microsText(a.Lag.P99), percent(a.Busiest))
	}
	p.grid(g)
	for i := range all {
		if a := &all[i]; a.Lost != "" {
			p.line("  LOST      agent %s: %s", a.Address, a.Lost)
		}
	}
	p.line("  the start is meant for one instant by each agent's clock as measured here; latencies are by each agent's own clock")
	p.line("")
}

func signedMicros(us int64) string {
	if us < 0 {
		return "-" + microsText(-us)
	}
	return microsText(us)
}

// close hangs up on all agents: what they still do ends.
func (f *fleet) close() {
	for _, a := range f.agents {
		_ = a.link.Close() // it may be closed already
	}
}

// checkAgents adds the faults of the agents' options.
func (o *DrawOptions) checkAgents(f *faults) {
	f.check(len(o.Agents) <= mostAgents, fmt.Sprintf("Agents names %d agents; at most %d go", len(o.Agents), mostAgents))
	f.check(len(o.Agents) == 0 || len(o.AgentToken) >= link.MinToken, fmt.Sprintf("AgentToken has %d bytes; with agents it needs at least %d", len(o.AgentToken), link.MinToken))
	for i, addr := range o.Agents {
		host, port, err := net.SplitHostPort(addr)
		f.check(err == nil && host != "" && port != "", fmt.Sprintf("Agents names %q; it must be like 10.0.0.7:7090", addr))
		f.check(!slices.Contains(o.Agents[:i], addr), fmt.Sprintf("Agents names %q twice", addr))
	}
}
