package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/bench"
)

func (a *app) benchDiskCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "disk",
		Short: shortOf("disk"),
		Long: `Each fault goes to a fresh copy of one data directory: a flipped byte in each kind of file, files cut, deleted, swapped
or replaced by older ones.
Exit code 21: an acknowledged draw was lost in silence.`,
		Example: "  drawd bench disk\n  drawd bench disk --only files --positions 20\n  drawd bench disk --ledger docs/reliability-ledger.md",
	}
	var o bench.DiskOptions
	f := c.Flags()
	f.StringSliceVar(&o.Only, "only", nil, "parts: files; default all")
	f.IntVar(&o.Positions, "positions", 0, "bytes flipped in each part of each file; default 3")
	f.DurationVar(&o.Load, "load", 0, "load before each stop or kill; default 250ms")
	f.IntVar(&o.Connections, "connections", 0, "default 32")
	f.IntVar(&o.Users, "users", 0, "default 5000")
	f.Uint64Var(&o.Seed, "seed", 1, "of places, users and keys")
	f.StringVar(&o.Rows, "rows", "", "file for the rows, each with what was injected and observed, as JSON")
	f.StringVar(&o.Ledger, "ledger", "", "reliability ledger that gets a row about this run")
	a.environment(c, &o.Environment)
	out := a.benchOutputs(c)
	a.scenario(c, out, func(ctx context.Context) error {
		o.Compile = compileForBench
		if err := o.Validate(); err != nil {
			return usage(err)
		}
		report, err := bench.Disk(ctx, o)
		return judged(a, out, report, err)
	})
	return c
}
