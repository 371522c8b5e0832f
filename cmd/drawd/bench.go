package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/drawd/drawd/bench"
	"github.com/drawd/drawd/bench/runfile"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
)

func (a *app) benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Load, and a verdict on what came of it",
		Long:  "Exit code 20: the run proves too little, or a condition of --expect is not met. 21: drawd was wrong.",
		Example: `  drawd bench flash --self                                        # a crowd against a daemon of its own
  drawd bench flash --self --users 1000000 --duration 30s --kill9 10
  drawd bench list                                                # all scenarios
  drawd bench table                                               # P1 to P13, with goals and peers`,
	}
	for _, s := range bench.Scenarios() {
		if s.Table != nil {
			c.AddCommand(a.benchTableCommand(s))
		}
	}
	c.AddCommand(a.benchListCommand(), a.benchFlashCommand(), a.benchCalibrateCommand(),
		a.benchSteadyCommand("steady", "  drawd bench steady --self --rate 10000 --pattern zipf", bench.Steady),
		a.benchSteadyCommand("soak", "  drawd bench soak --self --rate 5000 --duration 30m --html soak.html", bench.Soak),
		a.benchSteadyCommand("retry-storm", "  drawd bench retry-storm --self\n  drawd bench retry-storm --self --policy none", bench.RetryStorm),
		a.benchSteadyCommand("slow-disk", "  drawd bench slow-disk --self\n  drawd bench slow-disk --self --sync-delay 100ms --rate 2000", bench.SlowDisk),
		a.benchFiguresCommand("figures"), a.benchFiguresCommand("denials", "P5"), a.benchFiguresCommand("restart", "P9"),
		a.benchCrashLoopCommand(), a.benchNemesisCommand(), a.benchFailoverCommand(), a.benchDiskCommand(), a.benchReportCommand(), a.benchCompareCommand(), a.benchAgentCommand(), a.benchEmptyCommand())
	return c
}

// benchOutputs are the flags that say what is made of a report.
type benchOutputs struct {
	bench.Outputs
	expect string
}

func (a *app) benchOutputs(c *cobra.Command) *benchOutputs {
	o := &benchOutputs{}
	f := c.Flags()
	f.StringVar(&o.JSON, "out", "", "file for the run's document (docs/bench-run.schema.json)")
	f.StringVar(&o.HDR, "hdr", "", "file for the histograms of the seconds, HdrHistogram's log format")
	f.StringVar(&o.HTML, "html", "", "file for a page with plots: one file, no network")
	f.StringVar(&o.expect, "expect", scenarioOf(c.Name()).Expect, "conditions like 'p99<5ms,oversell==0,errors<0.1%'; exit 20 when one is not met")
	a.outputFlag(c)
	return o
}

// parse reads the conditions, before anything is started.
func (o *benchOutputs) parse() (err error) {
	if o.Expect, err = runfile.ParseExpectations(o.expect); err != nil {
		return usage(err)
	}
	return nil
}

// judged shows a report, also beside an error, writes its files, and turns a verdict into its exit code.
func judged[R interface {
	comparable
	bench.Report
}](a *app, o *benchOutputs, report R, err error) error {
	var none R
	if report != none {
		var run *runfile.Run
		run, err = o.Finish(report, err)
		if a.output == "json" {
			err = errors.Join(err, run.Write(a.stdout))
		} else {
			err = errors.Join(err, report.WriteText(a.stdout), bench.WriteExpectations(a.stdout, run))
		}
	}
	var wrong *bench.VerdictError
	var little *bench.ThresholdError
	switch {
	case errors.As(err, &wrong):
		return failure(exitInvariant, err)
	case errors.As(err, &little):
		return failure(exitThreshold, err)
	}
	return err
}

// environment gives a scenario the flags that say where it runs.
func (a *app) environment(c *cobra.Command, e *bench.Environment) {
	f := c.Flags()
	f.StringVar(&e.Dir, "dir", "", "where temporary data directories are made; default the system's")
	f.BoolVar(&e.Keep, "keep", false, "leave data directories in place and name them")
	f.StringVar(&e.Commit, "commit", "", "what to call the measured build; default its revision")
	e.Progress = a.stderr
	if file, ok := a.stderr.(*os.File); ok {
		e.Terminal = term.IsTerminal(int(file.Fd()))
	}
}

// compileForBench turns a campaign file into the version from which a judge takes the rules.
func compileForBench(src []byte) (*engine.Version, error) {
	file, faults := campaignfile.Parse(src)
	if len(faults) > 0 {
		all := make([]error, len(faults))
		for i := range faults {
			all[i] = faults[i]
		}
		return nil, errors.Join(all...)
	}
	return file.Version, nil
}

// options are those of a scenario.
type scenarioOptions[O any] interface {
	*O
	Validate() error
}

// runScenario makes a command of a scenario: complete the options, validate, run, judge.
func runScenario[O any, P scenarioOptions[O], R interface {
	comparable
	bench.Report
}](a *app, c *cobra.Command, o P, complete func(P), run func(context.Context, O) (R, error)) *cobra.Command {
	out := a.benchOutputs(c)
	a.scenario(c, out, func(ctx context.Context) error {
		complete(o)
		if err := o.Validate(); err != nil {
			return usage(err)
		}
		report, err := run(ctx, *o)
		return judged(a, out, report, err)
	})
	return c
}

// scenario runs f until it is done or interrupted.
func (a *app) scenario(c *cobra.Command, o *benchOutputs, f func(ctx context.Context) error) {
	c.Args = cobra.NoArgs
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.parse(); err != nil {
			return err
		}
		if !signal.Ignored(syscall.SIGHUP) { // a terminal that is closed must not leave daemons and campaigns behind
			signal.Notify(a.signals, syscall.SIGHUP)
		}
		ctx, cancel := a.interruptible(c.Context())
		defer cancel()
		return f(ctx)
	}
}

func (a *app) benchFlashCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "flash",
		Short: shortOf("flash"),
		Example: `  drawd bench flash --self
  drawd bench flash --self --users 1000000 --duration 30s
  drawd bench flash --self --users 1000000 --duration 60s --kill9 10
  drawd bench flash --self --cluster 3 --kill9 1 --over 9s        # the leader is killed in the crowd
  drawd bench flash --url http://10.0.0.5:7070 --admin-url http://10.0.0.5:7071`,
	}
	var o bench.FlashOptions
	f := c.Flags()
	fill := a.drawOptions(c, &o.DrawOptions)
	f.IntVar(&o.Users, "users", 100_000, "users in the crowd")
	f.DurationVar(&o.Duration, "duration", 0, "of crowd and tail together; default 10s")
	f.DurationVar(&o.Over, "over", 0, "the crowd comes within this time; default as short as the generator allows")
	f.IntVar(&o.TailRate, "tail-rate", 0, "arrivals a second after the crowd; default a fifth of the peak")
	f.IntVar(&o.Kill9, "kill9", 0, "kill the daemon so often during the crowd, and start it again; of a cluster its leader, once; needs --self")
	f.IntVar(&o.Cluster, "cluster", 0, "a cluster of so many nodes (3 or 5) in place of one daemon; needs --self")
	out := a.benchOutputs(c)
	a.scenario(c, out, func(ctx context.Context) error {
		if err := fill(&o); err != nil {
			return err
		}
		report, err := bench.Flash(ctx, o)
		return judged(a, out, report, err)
	})
	return c
}

// benchSteadyCommand is a scenario of draws at a steady rate.
func (a *app) benchSteadyCommand(name, example string, run func(context.Context, bench.SteadyOptions) (*bench.DrawReport, error)) *cobra.Command {
	c := &cobra.Command{Use: name, Short: shortOf(name), Example: example}
	var o bench.SteadyOptions
	f := c.Flags()
	fill := a.drawOptions(c, &o.DrawOptions)
	f.IntVar(&o.Rate, "rate", 0, "arrivals a second; default 5000")
	f.DurationVar(&o.Duration, "duration", 0, "default 30s; of a retry storm and a slow disk 20s, of a soak 10m")
	f.IntVar(&o.Users, "users", 0, "default 1000000")
	f.StringVar(&o.Pattern, "pattern", "", "who comes: uniform, zipf or bots (a thousandth of the users sends three tenths); default uniform")
	if name == "slow-disk" {
		f.DurationVar(&o.SyncDelay, "sync-delay", 0, "by which each sync of the log takes longer; default 50ms")
	}
	if name == "retry-storm" {
		f.DurationVar(&o.Stall, "stall", 0, "how long the daemon stands still; default 2s")
		f.StringVar(&o.Policy, "policy", "", "how clients ask again: jitter or none; default jitter")
		f.DurationVar(&o.Timeout, "timeout", 0, "how long a client waits for an answer; default 500ms")
	}
	out := a.benchOutputs(c)
	a.scenario(c, out, func(ctx context.Context) error {
		if err := fill(&o); err != nil {
			return err
		}
		report, err := run(ctx, o)
		return judged(a, out, report, err)
	})
	return c
}

// shortOf is the line with which a scenario is listed.
func shortOf(name string) string {
	s := scenarioOf(name)
	if s.Short == "" {
		panic("BUG: no scenario " + name)
	}
	return s.Short
}

// scenarioOf is the scenario of a command; empty for a command that is none.
func scenarioOf(name string) bench.Scenario {
	for _, s := range bench.Scenarios() {
		if s.Name == name {
			return s
		}
	}
	return bench.Scenario{}
}

// drawOptions gives a scenario the flags of unary draws with a verdict. What it returns completes the options when the flags have been read.
func (a *app) drawOptions(c *cobra.Command, o *bench.DrawOptions) (fill func(all interface{ Validate() error }) error) {
	f := c.Flags()
	f.BoolVar(&o.Self, "self", false, "against a daemon of its own, in a temporary directory, fsync for real")
	f.StringVar(&o.URL, "url", "", "data plane of a running daemon")
	f.StringVar(&o.AdminURL, "admin-url", "", "control plane of a running daemon")
	authority := f.String("ca-cert", "", "certificate, PEM, that https addresses are believed by; default the system's")
	f.StringVar(&o.Key, "api-key", "", "API key with the scopes draw, read and admin, for campaigns bench-* (better in DRAWD_API_KEY)")
	file := f.StringP("file", "f", "", "campaign file; default one that suits the scenario")
	f.Uint64Var(&o.Seed, "seed", 1, "of arrivals, users and kill moments")
	f.IntVar(&o.Connections, "connections", 0, "default 512")
	f.IntVar(&o.Loops, "loops", 0, "load threads; default one for each four processors")
	f.IntVar(&o.SampleByID, "sample-by-id", 0, "acknowledged draws that are read again by id; default 20000")
	f.IntVar(&o.Replays, "replays", 0, "acknowledged draws that are asked for again with their key; default all")
	f.IntVar(&o.MinLogged, "min-logged", 0, fmt.Sprintf("logged draws below which the verdict does not stand; default %d", bench.MinVerdictDraws))
	f.DurationVar(&o.Drain, "drain", 0, "how long to wait for late answers; default 30s")
	f.StringSliceVar(&o.Agents, "agents", nil, "host:port of each `drawd bench agent` that sends a share of the load, in place of this process")
	f.StringVar(&o.AgentToken, "bench-token", "", "what agents and coordinator both know (better in DRAWD_BENCH_TOKEN)")
	a.environment(c, &o.Environment)
	return func(all interface{ Validate() error }) error {
		o.Compile = compileForBench
		var err error
		if o.Trust, err = (&client{authority: *authority}).trust(); err != nil {
			return err
		}
		if o.Key == "" {
			o.Key = a.env("api-key", "")
		}
		if o.AgentToken == "" {
			o.AgentToken = a.env("bench-token", "")
		}
		if *file != "" {
			s, err := a.compile(*file)
			if err != nil {
				return err
			}
			o.Campaign = s.src
		}
		if err := all.Validate(); err != nil {
			return usage(err)
		}
		return nil
	}
}

func (a *app) benchCalibrateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "calibrate",
		Short:   shortOf("calibrate"),
		Example: "  drawd bench calibrate\n  drawd bench calibrate --seconds 5",
	}
	var o bench.CalibrateOptions
	f := c.Flags()
	f.IntVar(&o.Seconds, "seconds", 0, "of each timed step; default 2")
	f.IntVar(&o.Connections, "connections", 0, "default 256")
	f.IntVar(&o.BodyBytes, "body-bytes", 0, "of the empty handler's answer; default 320, the size of a draw")
	a.environment(c, &o.Environment)
	return runScenario(a, c, &o, func(*bench.CalibrateOptions) {}, bench.Calibrate)
}

// benchFiguresCommand is the table of figures, or a part of it under a name of its own.
func (a *app) benchFiguresCommand(name string, only ...string) *cobra.Command {
	c := &cobra.Command{Use: name, Short: shortOf(name), Example: fmt.Sprintf("  drawd bench %s\n  drawd bench %s --pairs 3 --seconds 2", name, name)}
	var o bench.FiguresOptions
	f := c.Flags()
	if len(only) == 0 {
		c.Aliases = []string{"table"}
		c.Example += "\n  drawd bench table --only P1,P3"
		f.StringSliceVar(&o.Only, "only", nil, "ids like P1,P9; default all")
	}
	f.IntVar(&o.Pairs, "pairs", 0, "A-B pairs of each figure; default 5")
	f.IntVar(&o.Seconds, "seconds", 0, "of each half of a pair; default 5")
	f.IntVar(&o.Connections, "connections", 0, "requests in flight; default 256")
	f.IntVar(&o.BatchDraws, "batch-draws", 0, "draws in a batch request; default 256")
	f.IntVar(&o.BatchConns, "batch-connections", 0, "batch requests in flight; default 16")
	f.IntVar(&o.Users, "users", 0, "distinct users of the draw figures; default 1000000")
	f.IntVar(&o.P9Users, "p9-users", 0, "users in the restart figure; default 1000000")
	f.Uint64Var(&o.Seed, "seed", 1, "of users and keys")
	a.environment(c, &o.Environment)
	return runScenario(a, c, &o, func(o *bench.FiguresOptions) {
		o.Compile, o.OpenLibrary, o.Scenario = compileForBench, openBenchLibrary, name
		if len(only) > 0 {
			o.Only = only
		}
	}, bench.Figures)
}

func (a *app) benchCrashLoopCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "crashloop",
		Short:   shortOf("crashloop"),
		Example: "  drawd bench crashloop --kills 200",
	}
	var o bench.CrashLoopOptions
	f := c.Flags()
	f.IntVar(&o.Kills, "kills", 0, "default 200")
	f.IntVar(&o.PerDir, "per-dir", 0, "kills before a fresh data directory; default 25")
	f.DurationVar(&o.MinLoad, "min-load", 0, "shortest load before a kill; default 20ms")
	f.DurationVar(&o.MaxLoad, "max-load", 0, "longest load before a kill; default 400ms")
	f.IntVar(&o.Connections, "connections", 0, "default 64")
	f.IntVar(&o.Users, "users", 0, "default 20000")
	f.Uint64Var(&o.Seed, "seed", 1, "of users, keys and kill moments")
	a.environment(c, &o.Environment)
	return runScenario(a, c, &o, func(o *bench.CrashLoopOptions) { o.Compile = compileForBench }, bench.CrashLoop)
}

// benchEmptyCommand is started by calibrate and figures as a process of its own: the handler that does nothing.
func (a *app) benchEmptyCommand() *cobra.Command {
	c := &cobra.Command{Use: "empty", Short: "The empty handler that figures are measured beside", Example: "  drawd bench empty --listen 127.0.0.1:0", Hidden: true}
	var o bench.EmptyOptions
	c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:0", "where to listen")
	c.Flags().IntVar(&o.Body, "body", 0, "bytes of each answer; default 320")
	a.scenario(c, &benchOutputs{}, func(ctx context.Context) error {
		if err := o.Validate(); err != nil {
			return usage(err)
		}
		return bench.ServeEmpty(ctx, o, a.stdout)
	})
	return c
}
