package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
	"github.com/drawd/drawd/engine"
)

// Library is drawd inside this process. The caller brings it: this package knows drawd by its wire.
type Library interface {
	Publish(ctx context.Context, file []byte) error
	Draw(ctx context.Context, campaign, user, key string) error
	Close() error
}

// TableOptions describe a scenario whose result is a table. Zero values mean the default given with each field.
type TableOptions struct {
	Environment
	Compile func(file []byte) (*engine.Version, error) // required
	// OpenLibrary opens drawd in this process, with its data in dir, or in memory for "". Without it rows of the library say so.
	OpenLibrary func(dir string) (Library, error)
	Rounds      int           // turns of each row. Default 5
	Seconds     int           // of each turn. Default 3
	Connections int           // unary requests in flight. Default 256
	BatchDraws  int           // draws in a batch request. Default 256
	BatchConns  int           // batch requests in flight. Default 16
	Users       int           // distinct users. Default 1 000 000
	Campaigns   int           // of the scenario scale. Default 1000
	Limit       time.Duration // of p99, of the scenario knee. Default 10 ms
	LimitedBy   string        // of the scenario overload: LimitLog or LimitProcessor. Default LimitLog
	Draws       int           // a second, of the scenario model. Default 1 000 000
	Cores       int           // of a node there. Default 16
	SyncDelay   time.Duration // by which syncs take longer there. Default 10 ms
	Seed        uint64        // Default 1
}

// Validate reports every fault of o at once.
func (o *TableOptions) Validate() error {
	var f faults
	f.check(o.Compile != nil, "Compile must be set")
	f.within("Rounds", o.Rounds, 0, 100)
	f.within("Seconds", o.Seconds, 0, 600)
	f.within("Connections", o.Connections, 0, MaxConnections)
	f.within("BatchDraws", o.BatchDraws, 0, engine.MaxBatchDraws)
	f.within("BatchConns", o.BatchConns, 0, MaxConnections)
	f.within("Users", o.Users, 0, 100_000_000)
	f.within("Campaigns", o.Campaigns, 0, 10_000)
	f.within("Draws", o.Draws, 0, 1_000_000_000)
	f.within("Cores", o.Cores, 0, 1024)
	f.check(o.Limit >= 0, "Limit must not be negative")
	f.check(o.LimitedBy == "" || o.LimitedBy == LimitLog || o.LimitedBy == LimitProcessor, fmt.Sprintf("LimitedBy is %q; it must be %s or %s", o.LimitedBy, LimitLog, LimitProcessor))
	f.check(o.SyncDelay >= 0 && o.SyncDelay <= time.Second, "SyncDelay must be between 0 and 1s")
	return f.err("table")
}

// tableRun is one run of such a scenario, with a daemon of its own.
type tableRun struct {
	o      TableOptions
	f      *figures
	span   time.Duration
	report *TableReport
	stops  []func() error // in the order in which things were started

	elsewhere []*recount // of what was drawn at other daemons
}

// runTable starts a daemon, lets rows make the rows, and ends everything that was started.
func runTable(ctx context.Context, scenario, method string, o TableOptions, rows func(ctx context.Context, t *tableRun) error) (report *TableReport, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	orDefault(&o.Rounds, 5)
	orDefault(&o.Seconds, 3)
	orDefault(&o.Connections, 256)
	orDefault(&o.BatchDraws, 256)
	orDefault(&o.BatchConns, 16)
	orDefault(&o.Users, 1_000_000)
	orDefault(&o.Campaigns, 1000)
	orDefault(&o.Seed, 1)
	if err := o.fill(); err != nil {
		return nil, err
	}
	begin := time.Now()
	t := &tableRun{o: o, span: time.Duration(o.Seconds) * time.Second}
	t.f = &figures{o: FiguresOptions{
		Environment: o.Environment, Compile: o.Compile, Pairs: o.Rounds, Seconds: o.Seconds, Connections: o.Connections, BatchDraws: o.BatchDraws,
		BatchConns: o.BatchConns, Users: o.Users, P9Users: o.Users, Seed: o.Seed,
	}, say: newConsole(&o.Environment)}
	defer func() {
		t.f.say.clear()
		for i := len(t.stops) - 1; i >= 0; i-- {
			err = errors.Join(err, t.stops[i]())
		}
	}()
	if err := t.daemon(); err != nil {
		return nil, err
	}
	t.report = &TableReport{Scenario: scenario, Method: method, Target: "http", Options: t.options()}
	t.report.Machine = lookAtMachine(&t.o.Environment, t.f.daemon.dir)
	if err := t.report.Machine.measureDisk(t.f.daemon.dir, 100*time.Millisecond); err != nil {
		return nil, err
	}
	if err := rows(ctx, t); err != nil {
		return nil, err
	}
	for _, r := range append(t.elsewhere, t.f.recount) {
		if err := r.judge(ctx); err != nil {
			return nil, fmt.Errorf("verdict: %w", err)
		}
	}
	t.report.Wall = time.Since(begin)
	t.report.Proof, err = t.f.recount.result()
	if len(t.report.Invalid) > 0 {
		err = errors.Join(err, &ThresholdError{Reasons: t.report.Invalid})
	}
	return t.report, err
}

// daemon makes a daemon with both fronts, which is started by the first campaign.
func (t *tableRun) daemon() error {
	f := t.f
	d, err := newDaemon(&t.o.Environment)
	if err != nil {
		return err
	}
	f.against(d)
	t.stops = append(t.stops, func() error { return f.daemon.remove(t.o.Keep) })
	resp, err := freeAddress(d.api, d.admin)
	if err != nil {
		return err
	}
	f.daemon.resp, f.daemon.extra = resp, []string{"--resp", resp}
	return nil
}

func (t *tableRun) options() []runfile.Option {
	o := &t.o
	return []runfile.Option{
		{Name: "rounds", Value: strconv.Itoa(o.Rounds)}, {Name: "seconds", Value: strconv.Itoa(o.Seconds)}, {Name: "connections", Value: strconv.Itoa(o.Connections)},
		{Name: "batch-draws", Value: strconv.Itoa(o.BatchDraws)}, {Name: "batch-connections", Value: strconv.Itoa(o.BatchConns)}, {Name: "users", Value: strconv.Itoa(o.Users)},
		{Name: "seed", Value: strconv.FormatUint(o.Seed, 10)},
	}
}

// contest measures the contenders in turn and adds their rows.
func (t *tableRun) contest(ctx context.Context, all []contender) error {
	rows, err := contest(ctx, t.f.say, t.o.Rounds, t.span, all)
	t.report.Rows = append(t.report.Rows, rows...)
	return err
}

// unary is a contender: draws one by one over HTTP.
func (t *tableRun) unary(c contender, campaigns []string, users, connections int) contender {
	return closedContender(c, closedLoop{server: t.f.daemon, want: load.Decided, opts: load.Options{Addr: t.f.host, Connections: connections}}, 1,
		drawing(t.f, newSteadyLoads(t.f.host, campaigns, uint32(users)), campaigns...))
}

// batch is a contender: draws in batches over HTTP.
func (t *tableRun) batch(c contender, campaign string, draws, users int, wire bool) contender {
	return closedContender(c, closedLoop{server: t.f.daemon, want: load.Decided, opts: load.Options{Addr: t.f.host, Connections: t.o.BatchConns}}, draws,
		drawing(t.f, newBatchLoad(t.f.host, campaign, draws, uint32(users), wire), campaign))
}

// resp is a contender: draws over RESP, so many of them in a pipeline.
func (t *tableRun) resp(c contender, campaign string, draws int) contender {
	work := drawing(t.f, newRESPLoad(campaign, uint32(t.o.Users), draws), campaign)
	return closedContender(c, closedLoop{
		server: t.f.daemon, want: load.Decided, opts: load.Options{Addr: t.f.daemon.resp, Connections: t.respConnections(draws), Replies: work.replies()},
	}, draws, work)
}

// respConnections is how many connections carry RESP: pipelines need few to keep a server busy.
func (t *tableRun) respConnections(draws int) int {
	if draws > 1 {
		return min(t.o.Connections, 64)
	}
	return t.o.Connections
}

// Batch measures batches of several sizes, in JSON and in the binary form.
func Batch(ctx context.Context, o TableOptions) (*TableReport, error) {
	return runTable(ctx, "batch", "closed loop, every draw durable before its answer; rates are draws, latency is a batch's", o, func(ctx context.Context, t *tableRun) error {
		campaign, err := t.f.publish(ctx, steadyCampaign(t.o.Users, time.Now()))
		if err != nil {
			return err
		}
		var all []contender
		for _, draws := range []int{1, 8, 64, 256, 1000} {
			all = append(all, t.batch(contender{id: fmt.Sprintf("json.%d", draws), name: fmt.Sprintf("JSON, %d draws a request", draws)}, campaign, draws, t.o.Users, false),
				t.batch(contender{id: fmt.Sprintf("binary.%d", draws), name: fmt.Sprintf("binary, %d draws a request", draws)}, campaign, draws, t.o.Users, true))
		}
		t.report.Target = "http batch"
		return t.contest(ctx, all)
	})
}

// Ladder measures how capacity and latency grow with the requests in flight: how entries form.
func Ladder(ctx context.Context, o TableOptions) (*TableReport, error) {
	return runTable(ctx, "ladder", "closed loop of unary draws, every draw durable before its answer", o, func(ctx context.Context, t *tableRun) error {
		campaign, err := t.f.publish(ctx, steadyCampaign(t.o.Users, time.Now()))
		if err != nil {
			return err
		}
		var all []contender
		for _, n := range []int{1, 4, 16, 64, 256, 1024} {
			all = append(all, t.unary(contender{id: fmt.Sprintf("inflight.%d", n), name: fmt.Sprintf("%d requests in flight", n)}, []string{campaign}, t.o.Users, n))
		}
		return t.contest(ctx, all)
	})
}

// Scale measures what a draw costs as users, campaigns and prizes grow (P11).
func Scale(ctx context.Context, o TableOptions) (*TableReport, error) {
	return runTable(ctx, "scale", "closed loop, every draw durable before its answer; cpu is the server's for a draw", o, func(ctx context.Context, t *tableRun) error {
		var all []contender
		for _, c := range []struct{ users, campaigns, prizes int }{
			{10_000, 1, 8}, {t.o.Users, 1, 8}, {t.o.Users, 1, 1}, {t.o.Users, 1, 256}, {t.o.Users, t.o.Campaigns, 8},
		} {
			names := make([]string, c.campaigns)
			for i := range names {
				t.f.say.now("publishing campaign %d of %d …", i+1, c.campaigns)
				name, err := t.f.publish(ctx, scaleCampaign(c.users/c.campaigns, c.prizes, time.Now()))
				if err != nil {
					return err
				}
				names[i] = name
			}
			what := fmt.Sprintf("%s users, %s campaigns, %d prizes", count(c.users), count(c.campaigns), c.prizes)
			id := fmt.Sprintf("%d.%d.%d", c.users, c.campaigns, c.prizes)
			all = append(all, t.unary(contender{id: "unary." + id, name: "unary, " + what, goal: "≤ 1.1 ×"}, names, c.users, t.o.Connections))
			if c.campaigns == 1 {
				all = append(all, t.batch(contender{id: "batch." + id, name: "binary batches, " + what, goal: "≤ 1.5 ×"}, names[0], t.o.BatchDraws, c.users, true))
			}
		}
		if err := t.contest(ctx, all); err != nil {
			return err
		}
		for _, kind := range []string{"unary.", "batch."} {
			t.costRatios(kind, kind+"10000.1.8")
		}
		return nil
	})
}

// costRatios adds what each row of a kind costs a draw, against a base, turn by turn.
func (t *tableRun) costRatios(kind, base string) {
	under := samplesOf(t.report.Rows, base, "cpu")
	for _, f := range t.report.Rows {
		over := samplesOf(t.report.Rows, f.ID, "cpu")
		if !strings.HasPrefix(f.ID, kind) || f.ID == base || len(over) == 0 || len(over) != len(under) {
			continue
		}
		ratios := make([]float64, len(over))
		for i := range over {
			ratios[i] = over[i] / under[i]
		}
		t.report.Rows = append(t.report.Rows, runfile.Figure{
			ID: "P11." + f.ID, Name: "cost of " + f.Name + " ÷ that of 10,000 users, 1 campaign, 8 prizes", Goal: f.Goal,
			Measures: []runfile.Measure{runfile.NewMeasure("ratio", "share", runfile.Lower, ratios)},
		})
	}
}

// Memory measures what the daemon's process holds for a user and for a key.
func Memory(ctx context.Context, o TableOptions) (*TableReport, error) {
	return runTable(ctx, "memory", "resident memory of the whole process: tables, indexes, caches of the disk, the Go heap with its garbage", o, func(ctx context.Context, t *tableRun) error {
		campaign, err := t.f.publish(ctx, steadyCampaign(t.o.Users, time.Now()))
		if err != nil {
			return err
		}
		resident := func() float64 { return float64(residentBytes(t.f.daemon.current().cmd.Process.Pid)) }
		row := func(id, name string, samples ...float64) {
			t.report.Rows = append(t.report.Rows, runfile.Figure{ID: id, Name: name, Measures: []runfile.Measure{runfile.NewMeasure("bytes", "bytes", runfile.Lower, samples)}})
		}
		empty := resident()
		work := drawing(t.f, newBatchLoad(t.f.host, campaign, t.o.BatchDraws, 0, true), campaign)
		work.patient = true
		t.f.say.now("%s users draw for the first time …", count(t.o.Users))
		if err := t.f.fillUsers(ctx, work, t.o.Users); err != nil {
			return err
		}
		once := resident()
		t.f.say.now("and for the second time …")
		again := drawing(t.f, newBatchLoad(t.f.host, campaign, t.o.BatchDraws, 0, true), campaign)
		again.patient = true
		if err := t.f.fillUsers(ctx, again, t.o.Users); err != nil {
			return err
		}
		twice, n := resident(), float64(t.o.Users)
		row("empty", "the process with an empty campaign", empty)
		row("once", fmt.Sprintf("with %s users who drew once", count(t.o.Users)), once)
		row("twice", "who drew twice", twice)
		row("user", "a user with one remembered key", (once-empty)/n)
		row("key", "one more remembered key", (twice-once)/n)
		return nil
	})
}
