package main

import (
	"github.com/spf13/cobra"

	"github.com/drawd/drawd/bench"
)

func (a *app) benchDiskCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "disk",
		Short: shortOf("disk"),
		Long: `Each fault goes to a fresh copy of one data directory: a flipped byte in each kind of file, files cut, deleted, swapped
or replaced by older ones; the same to one node of three, where one alone cannot tell; syncs and writes that fail, are slow or hang (strace); a volume that runs full (root, loop device).
Exit code 20: a part could not be run here, and why. 21: an acknowledged draw was lost in silence.`,
		Example: "  drawd bench disk\n  drawd bench disk --only files --positions 20\n  drawd bench disk --ledger docs/reliability-ledger.md",
	}
	var o bench.DiskOptions
	f := c.Flags()
	f.StringSliceVar(&o.Only, "only", nil, "parts: files, peers, fsync, volume; default all")
	f.IntVar(&o.Positions, "positions", 0, "bytes flipped in each part of each file; default 3")
	f.DurationVar(&o.Load, "load", 0, "load before each stop or kill; default 250ms")
	f.IntVar(&o.Connections, "connections", 0, "default 32")
	f.IntVar(&o.Users, "users", 0, "default 5000")
	f.Uint64Var(&o.Seed, "seed", 1, "of places, users and keys")
	f.StringVar(&o.Rows, "rows", "", "file for the rows, each with what was injected and observed, as JSON")
	f.StringVar(&o.Ledger, "ledger", "", "reliability ledger that gets a row about this run")
	a.environment(c, &o.Environment)
	return runScenario(a, c, &o, func(o *bench.DiskOptions) { o.Compile = compileForBench }, bench.Disk)
}

func (a *app) benchNemesisCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "nemesis",
		Short: shortOf("nemesis"),
		Long: `A fault a round, under load at all nodes: SIGKILL of the leader (half of the kills), a follower, the leader and one more, or
all; SIGSTOP and SIGCONT; the network between nodes cut both ways or one way, flapping, a link down. Nodes live in network
namespaces on a bridge, which takes root and the command ip; --loopback does without, and without network faults. With
link, nodes reach each other over proxies that make connections slow, narrow, half-open (bytes are taken and never arrive),
held or refused. With point, a build with the tag failpoints dies by SIGKILL at points of its code (internal/failpoint), one after
the other; DRAWD_FAILPOINTS names an empty directory for it. Callers reach every node at all times, also those that are cut off.
Exit code 20: a kind of fault could not be made here, and why. 21: a draw was lost, changed or drawn twice, or nodes differ.`,
		Example: "  drawd bench nemesis\n  drawd bench nemesis --rounds 300 --faults kill\n  drawd bench nemesis --faults link --long-hold 15s\n  drawd bench nemesis --loopback --faults kill,pause",
	}
	var o bench.NemesisOptions
	f := c.Flags()
	f.IntVar(&o.Nodes, "nodes", 0, "default 3")
	f.IntVar(&o.Rounds, "rounds", 0, "default 20")
	f.IntVar(&o.PerCluster, "per-cluster", 0, "rounds before a fresh cluster is founded; default 40")
	f.StringSliceVar(&o.Faults, "faults", nil, "kill, pause, network, link in place of network, point; default the first three")
	f.DurationVar(&o.LongHold, "long-hold", 0, "how long each seventh pause or cut lasts, where the others end after 2.5s")
	f.BoolVar(&o.Loopback, "loopback", false, "without network namespaces")
	f.DurationVar(&o.MinLoad, "min-load", 0, "shortest load before a fault; default 50ms")
	f.DurationVar(&o.MaxLoad, "max-load", 0, "longest load before a fault; default 300ms")
	f.IntVar(&o.Connections, "connections", 0, "to each node; default 8")
	f.IntVar(&o.Users, "users", 0, "default 5000")
	f.Uint64Var(&o.Seed, "seed", 1, "of faults, users and keys")
	f.StringVar(&o.Ledger, "ledger", "", "reliability ledger that gets a row about this run")
	a.environment(c, &o.Environment)
	return runScenario(a, c, &o, func(o *bench.NemesisOptions) { o.Compile = compileForBench }, bench.Nemesis)
}

func (a *app) benchFailoverCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "failover",
		Short:   shortOf("failover"),
		Example: "  drawd bench failover\n  drawd bench failover --kills 50 --rate 5000",
	}
	var o bench.FailoverOptions
	f := c.Flags()
	f.IntVar(&o.Kills, "kills", 0, "default 50")
	f.IntVar(&o.Rate, "rate", 0, "draws a second, over the three nodes; default 2000")
	f.IntVar(&o.Connections, "connections", 0, "to each node; default 16")
	f.IntVar(&o.Users, "users", 0, "default 20000")
	f.Uint64Var(&o.Seed, "seed", 1, "of kill moments, users and keys")
	f.StringVar(&o.Ledger, "ledger", "", "reliability ledger that gets a row about this run")
	a.environment(c, &o.Environment)
	return runScenario(a, c, &o, func(o *bench.FailoverOptions) { o.Compile = compileForBench }, bench.Failover)
}
