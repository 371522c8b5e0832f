package bench

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
)

// Figures makes the table of performance figures: each beside an empty handler that answers the same request with as
// many bytes, in the same run, with the same generator, turn and turn about.
func Figures(ctx context.Context, o FiguresOptions) (*FiguresReport, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	orDefault(&o.Scenario, "figures")
	orDefault(&o.Pairs, 5)
	orDefault(&o.Seconds, 5)
	orDefault(&o.Connections, 256)
	orDefault(&o.BatchDraws, 256)
	orDefault(&o.BatchConns, 16)
	orDefault(&o.Users, 1_000_000)
	orDefault(&o.P9Users, 1_000_000)
	orDefault(&o.Seed, 1)
	if err := o.fill(); err != nil {
		return nil, err
	}
	f := &figures{o: o, say: newConsole(&o.Environment)}
	f.report = &FiguresReport{Scenario: o.Scenario, Pairs: o.Pairs, Seconds: o.Seconds, Connections: o.Connections, BatchDraws: o.BatchDraws, BatchConns: o.BatchConns, Users: o.Users}
	begin := time.Now()
	err := f.run(ctx)
	f.say.clear()
	if err != nil {
		return nil, err
	}
	f.report.Wall = time.Since(begin).Seconds()
	f.report.Proof, err = f.recount.result()
	return f.report, err
}

// figureIDs are all figures of the table, in its order.
var figureIDs = []string{"P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "P12", "P13", "knee"}

func figureKnown(id string) bool { return slices.Contains(figureIDs, id) }

// figures is one run.
type figures struct {
	o      FiguresOptions
	say    *console
	report *FiguresReport
	daemon *daemon
	host   string
	ctl    *control

	recount *recount // of what was drawn at the daemon
}

// against lets the figures be measured at a daemon.
func (f *figures) against(d *daemon) {
	f.daemon, f.host, f.ctl = d, d.api, newControl("http://"+d.api, "http://"+d.admin, "")
	f.recount = newRecount(f.ctl, f.host, f.o.Compile, f.say)
}

// besides are figures of the same run at another daemon; their draws are part of the same verdict.
func (f *figures) besides(d *daemon) *figures {
	other := &figures{o: f.o, say: f.say}
	other.against(d)
	other.recount.proof = f.recount.proof
	return other
}

func (f *figures) wanted(id string) bool { return len(f.o.Only) == 0 || slices.Contains(f.o.Only, id) }

func (f *figures) run(ctx context.Context) (err error) {
	d, err := newDaemon(&f.o.Environment)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.remove(f.o.Keep)) }()
	f.against(d)
	f.report.Machine = lookAtMachine(&f.o.Environment, f.daemon.dir)
	if err := f.report.Machine.measureDisk(f.daemon.dir, 200*time.Millisecond); err != nil {
		return err
	}
	f.say.say("about %s on an idle machine of two cores", spanText(max(f.estimate().Round(10*time.Second), 10*time.Second)))
	for _, id := range figureIDs {
		if !f.wanted(id) {
			continue
		}
		begin := time.Now()
		row, err := f.figure(ctx, id)
		f.say.say("%s took %s", id, spanText(time.Since(begin).Round(time.Second)))
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		f.report.Figures = append(f.report.Figures, row...)
		if err := f.recount.judge(ctx); err != nil {
			return fmt.Errorf("%s: verdict: %w", id, err)
		}
	}
	return nil
}

// figure measures one figure; some have several rows.
func (f *figures) figure(ctx context.Context, id string) ([]Figure, error) {
	switch id {
	case "P1":
		return f.unary(ctx)
	case "P3":
		return f.batches(ctx, "P3", "durable draws/s, batches in binary", 1_000_000, true)
	case "P4":
		return f.batches(ctx, "P4", "durable draws/s, batches in JSON", 600_000, false)
	case "P5":
		return f.denials(ctx)
	case "P9":
		return f.restart(ctx)
	case "P2", "P13":
		return f.peers(ctx, id)
	case "P6":
		return f.cluster(ctx)
	case "P7":
		return f.engineRows(ctx)
	case "P8":
		return f.engineMemory(ctx)
	case "P10":
		return f.failover(ctx)
	case "P11":
		return f.engineScale(ctx)
	case "knee":
		return f.kneeFigure(ctx)
	case "P12":
		return f.overloads(ctx)
	}
	panic("BUG: no such figure: " + id)
}

// serving makes sure that the daemon runs.
func (f *figures) serving(ctx context.Context) error {
	if f.daemon.current() != nil {
		return nil
	}
	_, err := f.daemon.start(ctx)
	return err
}

// publish makes a campaign live and returns its id.
func (f *figures) publish(ctx context.Context, c *campaignFile) (string, error) {
	if err := f.serving(ctx); err != nil {
		return "", err
	}
	return c.Campaign, f.recount.publish(ctx, c)
}

// drawing remembers that a workload draws from campaigns at the daemon, for the verdict.
func drawing[W remembering](f *figures, work W, campaigns ...string) W {
	f.recount.hear(work, campaigns...)
	return work
}

// unary is P1.
func (f *figures) unary(ctx context.Context) ([]Figure, error) {
	campaign, err := f.publish(ctx, steadyCampaign(f.o.Users, time.Now()))
	if err != nil {
		return nil, err
	}
	fig := Figure{ID: "P1", Name: "durable unary draws/s", Goal: "≥ 0.75 of empty; ≤ 5.4 µs above it", Units: 1, goals: []goal{{"ratio", atLeast, 0.75}, {"cpu_above", atMost, 5.4}}}
	err = f.pairs(ctx, &fig, campaign, f.o.Connections, load.Decided, func(host string) load.Workload { return newSteadyLoad(host, campaign, uint32(f.o.Users)) })
	return []Figure{fig}, err
}

// pairs measures drawd and the empty handler in turn.
func (f *figures) pairs(ctx context.Context, fig *Figure, campaign string, connections int, want load.Class, work func(host string) load.Workload) error {
	// One workload for all of drawd's turns: its keys go on where they stopped.
	ours := work(f.host)
	if drawn, ok := ours.(remembering); ok {
		f.recount.hear(drawn, campaign)
	}
	size, err := answerSize(ctx, f.host, ours, want)
	if err != nil {
		return err
	}
	e, err := startEmpty(&f.o.Environment, size)
	if err != nil {
		return err
	}
	defer e.kill()
	fig.AnswerBytes = size
	span := time.Duration(f.o.Seconds) * time.Second
	for n := range f.o.Pairs {
		f.say.now("%s %s: pair %d of %d …", fig.ID, fig.Name, n+1, f.o.Pairs)
		a, err := measureClosed(ctx, f.host, f.daemon, connections, 1, func(int) load.Workload { return ours }, span, want)
		if err != nil {
			return err
		}
		b, err := measureClosed(ctx, e.addr, e, connections, 1, func(int) load.Workload { return work(e.addr) }, span, load.Decided)
		if err != nil {
			return err
		}
		units := float64(fig.Units)
		fig.Refused += a.Refused
		fig.Samples = append(fig.Samples, Sample{
			Rate: a.Rate * units, CPU: a.ServerCPU / units, GeneratorCPU: a.GeneratorCPU / units, P50: a.Service.P50, P99: a.Service.P99,
			EmptyRate: b.Rate * units, EmptyCPU: b.ServerCPU / units, EmptyGeneratorCPU: b.GeneratorCPU / units,
		})
	}
	return nil
}

// answerSize asks once and returns the size of the body.
func answerSize(ctx context.Context, host string, work load.Workload, want load.Class) (int, error) {
	probe := &sizeProbe{Workload: work}
	s, err := load.Run(ctx, load.Options{Addr: host, Connections: 1}, load.Schedule{Requests: 1}, func(int) load.Workload { return probe })
	if err != nil {
		return 0, err
	}
	if s.Answered[want] != 1 {
		return 0, fmt.Errorf("bench: unexpected answer: %.500s", probe.body)
	}
	return len(probe.body), nil
}

type sizeProbe struct {
	load.Workload
	body []byte
}

// Answer implements load.Workload.
func (p *sizeProbe) Answer(id uint32, a *load.Answer) (load.Class, time.Duration) {
	p.body = append(p.body[:0], a.Body...)
	return p.Workload.Answer(id, a)
}

// peers is P2 or P13: one kind of peer beside drawd, in turn.
func (f *figures) peers(ctx context.Context, id string) (rows []Figure, err error) {
	campaign, err := f.publish(ctx, steadyCampaign(f.o.Users, time.Now()))
	if err != nil {
		return nil, err
	}
	span := time.Duration(f.o.Seconds) * time.Second
	ours := closedContender(contender{id: "drawd", name: "drawd over HTTP, one by one"}, closedLoop{server: f.daemon, opts: load.Options{Addr: f.host, Connections: f.o.Connections}}, 1,
		drawing(f, newSteadyLoad(f.host, campaign, uint32(f.o.Users)), campaign))
	fig := Figure{ID: id, Name: "drawd, unary, durable ÷ Redis with a Lua script, AOF always", Goal: "≥ 3", goals: []goal{{"ratio", atLeast, 3}}}
	peer := contender{id: "peer", name: "Redis, Lua, AOF always"}
	if id == "P13" {
		fig.Name, fig.Goal, fig.goals = "drawd, unary, durable ÷ Postgres, one transaction a draw", "reported", nil
		peer.name = fmt.Sprintf("Postgres, %d clients, prepared", postgresClients)
	}
	stop, err := f.startPeer(ctx, id, &peer)
	if errors.Is(err, errNotInstalled) {
		fig.Note = err.Error()
		return []Figure{fig}, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	both, err := contest(ctx, f.say, f.o.Pairs, span, []contender{ours, peer})
	if err != nil {
		return nil, err
	}
	over, under := samplesOf(both, "drawd", "rate"), samplesOf(both, "peer", "rate")
	ratios := make([]float64, len(over))
	for i := range over {
		ratios[i] = over[i] / under[i]
	}
	fig.Measures = []runfile.Measure{
		runfile.NewMeasure("ratio", "share", runfile.Higher, ratios), runfile.NewMeasure("rate", "per_second", runfile.Higher, over), runfile.NewMeasure("peer_rate", "per_second", "", under),
	}
	fig.Beside = fmt.Sprintf("%s %s/s; drawd %s/s", peer.name, measureCell(&both[1], "rate"), measureCell(&both[0], "rate"))
	return []Figure{fig}, nil
}

// startPeer starts the peer of a figure.
func (f *figures) startPeer(ctx context.Context, id string, peer *contender) (stop func() error, err error) {
	if id == "P13" {
		p, err := startPostgres(ctx, &f.o.Environment)
		if err != nil {
			return nil, err
		}
		peer.measure = p.measure
		return p.stop, nil
	}
	p, err := startRedis(ctx, &f.o.Environment, redisModes[redisAlways])
	if err != nil {
		return nil, err
	}
	work := newRedisLoad(p, uint32(f.o.Users), 1)
	*peer = closedContender(*peer, closedLoop{server: p, opts: load.Options{Addr: p.addr, Connections: f.o.Connections, Replies: work.replies()}}, 1, work)
	return p.stop, nil
}

// denials is P5: three refusals that need no log.
func (f *figures) denials(ctx context.Context) ([]Figure, error) {
	const capped = 10_000 // users who have drawn all they may
	var all []Figure
	for _, d := range []struct {
		code    string
		file    *campaignFile
		prepare func(campaign string) error
	}{
		{"exhausted", deniedCampaign("exhausted", 1000, 1_000_000, true, time.Now()), func(c string) error { return f.drawOnce(ctx, c, 1) }},
		{"capped", deniedCampaign("capped", capped, 1, false, time.Now()), func(c string) error { return f.drawOnce(ctx, c, capped) }},
		{"ended", deniedCampaign("ended", 1000, 1_000_000, false, time.Now()), func(c string) error { return f.ctl.end(ctx, c) }},
	} {
		campaign, err := f.publish(ctx, d.file)
		if err != nil {
			return nil, err
		}
		if err := d.prepare(campaign); err != nil {
			return nil, err
		}
		fig := Figure{ID: "P5", Name: "denials/s, " + d.code, Goal: "≥ 0.90 of empty", Units: 1, goals: []goal{{"ratio", atLeast, 0.9}}}
		if err := f.pairs(ctx, &fig, campaign, f.o.Connections, load.Denied, func(host string) load.Workload { return newSteadyLoad(host, campaign, capped) }); err != nil {
			return nil, err
		}
		all = append(all, fig)
	}
	return all, nil
}

// drawOnce lets each of the first users draw once.
func (f *figures) drawOnce(ctx context.Context, campaign string, users int) error {
	work := drawing(f, newSteadyLoad(f.host, campaign, 0), campaign)
	s, err := load.Run(ctx, load.Options{Addr: f.host, Connections: min(64, users)}, load.Schedule{Requests: uint32(users)}, func(int) load.Workload { return work })
	if err == nil && s.Answered[load.Decided] != uint64(users) {
		err = fmt.Errorf("bench: of %d draws %d were decided", users, s.Answered[load.Decided])
	}
	return err
}

// steadyLoad sends unary draws for ever: each with a key of its own, by users in a fixed pseudo-random order, to its
// campaigns in turn.
type steadyLoad struct {
	templates []*template
	users     uint32 // 0: request i is by user i
	sent      uint32
	heard     heard
}

func newSteadyLoad(host, campaign string, users uint32) *steadyLoad {
	return newSteadyLoads(host, []string{campaign}, users)
}

func newSteadyLoads(host string, campaigns []string, users uint32) *steadyLoad {
	l := &steadyLoad{users: users}
	for _, c := range campaigns {
		l.templates = append(l.templates, newDrawTemplate(host, "", c))
	}
	return l
}

// AppendRequest implements load.Workload.
func (l *steadyLoad) AppendRequest(dst []byte, id uint32, _ bool) []byte {
	n := l.sent
	l.sent++
	l.heard.sent(id, uint64(n))
	return l.templates[n%uint32(len(l.templates))].appendTo(dst, n, l.user(n), false)
}

// user is who sends request n.
func (l *steadyLoad) user(n uint32) uint32 {
	if l.users == 0 {
		return n
	}
	return uint32(scattered(uint64(n), l.users))
}

// scattered is one of so many users, by a fixed pseudo-random order.
func scattered(n uint64, users uint32) uint64 { return n * 0x9E3779B97F4A7C15 >> 32 % uint64(users) }

// Answer implements load.Workload.
func (l *steadyLoad) Answer(id uint32, a *load.Answer) (load.Class, time.Duration) {
	class := classOf(a.Status)
	if class == load.Decided {
		l.heard.decided(id)
	}
	return class, load.Done
}

// acknowledged implements remembering.
func (l *steadyLoad) acknowledged() []uint64 {
	all := make([]uint64, len(l.templates))
	for i, word := range l.heard.yes {
		for ; word != 0; word &= word - 1 {
			all[(i*64+bits.TrailingZeros64(word))%len(all)]++
		}
	}
	return all
}

// some implements remembering.
func (l *steadyLoad) some(n int, seed uint64) []drawn {
	var all []drawn
	for _, n := range l.heard.pick(n, seed) {
		k := int(n) % len(l.templates)
		all = append(all, drawn{k, l.user(uint32(n)), l.templates[k].key(uint32(n))})
	}
	return all
}

// Lost implements load.Workload.
func (l *steadyLoad) Lost(uint32, int) time.Duration { return load.Done }
