package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	library "github.com/drawd/drawd"
	"github.com/drawd/drawd/bench"
)

// benchTableCommand is a scenario whose result is a table.
func (a *app) benchTableCommand(s bench.Scenario) *cobra.Command {
	c := &cobra.Command{Use: s.Name, Short: s.Short, Example: fmt.Sprintf("  drawd bench %s\n  drawd bench %s --rounds 3 --seconds 1 --out run.json", s.Name, s.Name)}
	var o bench.TableOptions
	f := c.Flags()
	f.IntVar(&o.Rounds, "rounds", 0, "turns of each row; default 5")
	f.IntVar(&o.Seconds, "seconds", 0, "of each turn; default 3")
	f.IntVar(&o.Connections, "connections", 0, "unary requests in flight; default 256")
	f.IntVar(&o.BatchDraws, "batch-draws", 0, "draws in a batch request; default 256")
	f.IntVar(&o.BatchConns, "batch-connections", 0, "batch requests in flight; default 16")
	f.IntVar(&o.Users, "users", 0, "distinct users; default 1000000")
	f.Uint64Var(&o.Seed, "seed", 1, "of users and keys")
	if s.Name == "scale" {
		f.IntVar(&o.Campaigns, "campaigns", 0, "the many campaigns; default 1000")
	}
	if s.Name == "model" {
		f.IntVar(&o.Draws, "draws", 0, "a second, to be taken; default 1000000")
		f.IntVar(&o.Cores, "cores", 0, "of a node that takes them; default 16")
	}
	if s.Name == "knee" {
		f.DurationVar(&o.Limit, "p99", 0, "the limit; default 10ms")
	}
	if s.Name == "overload" {
		f.StringVar(&o.LimitedBy, "limited-by", "", "what limits the daemon: log or processor; default log")
		f.DurationVar(&o.SyncDelay, "sync-delay", 0, "by which its syncs take longer, where the log limits; default 10ms")
	}
	a.environment(c, &o.Environment)
	return runScenario(a, c, &o, func(o *bench.TableOptions) { o.Compile, o.OpenLibrary = compileForBench, openBenchLibrary }, s.Table)
}

func (a *app) benchListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "All scenarios, a line each", Example: "  drawd bench list", Args: cobra.NoArgs}
	c.RunE = func(*cobra.Command, []string) error {
		rows := [][]string{{"SCENARIO", "WHAT IT SHOWS", "EXPECTED UNLESS SAID OTHERWISE"}}
		for _, s := range bench.Scenarios() {
			rows = append(rows, []string{s.Name, s.Short, s.Expect})
		}
		return table(a.stdout, rows...)
	}
	return c
}

// benchLibrary is drawd in this process, for scenarios that measure the library.
type benchLibrary struct {
	db        *library.DB
	campaigns map[string]*library.Campaign // written before the first draw
}

func openBenchLibrary(dir string) (bench.Library, error) {
	db, err := library.Open(library.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	return &benchLibrary{db, map[string]*library.Campaign{}}, nil
}

// Publish implements bench.Library.
func (l *benchLibrary) Publish(ctx context.Context, file []byte) error {
	c, err := l.db.Publish(ctx, file)
	if err == nil {
		l.campaigns[c.ID()] = c
	}
	return err
}

// Draw implements bench.Library.
func (l *benchLibrary) Draw(ctx context.Context, campaign, user, key string) error {
	_, err := l.campaigns[campaign].Draw(ctx, library.DrawRequest{User: user, Key: key})
	return err
}

// Close implements bench.Library.
func (l *benchLibrary) Close() error {
	_, err := l.db.Close(context.Background())
	return err
}
