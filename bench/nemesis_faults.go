package bench

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// injection is one fault: run begins it, holds it and ends it.
type injection struct {
	name, kind string
	kills      int           // SIGKILLs in it
	hold       time.Duration // how long it lasts; 0 where others decide
	run        func(ctx context.Context) error
}

// choose draws the next fault. Kinds take turns, so that each gets its share.
func (n *nemesis) choose(leader *mate) *injection {
	switch kind := n.o.Faults[n.report.Done%len(n.o.Faults)]; kind {
	case FaultKill:
		return n.kills(leader)
	case FaultPause:
		return n.pauses(leader)
	case FaultLink:
		return n.badLinks(leader)
	case FaultPoint:
		return n.points(leader)
	default:
		return n.cuts(leader)
	}
}

// between draws a duration.
func (n *nemesis) between(low, high time.Duration) time.Duration {
	return low + time.Duration(n.rng.Int64N(int64(high-low)+1))
}

// Faults that last longer than longHold meet draws at a pace, at longRate a second to each node.
const (
	longHold = 2500 * time.Millisecond
	longRate = 400
)

// holding draws how long a pause or a cut lasts: shorter or longer than an election takes, and each seventh time, if asked for,
// much longer than anything in a node waits for another.
func (n *nemesis) holding() time.Duration {
	if n.o.LongHold > 0 && n.report.Done%7 == 0 {
		return n.o.LongHold
	}
	return n.between(200*time.Millisecond, longHold)
}

// kills: the leader 50 %, a follower 30 %, all 10 %, the leader and one more 10 %.
func (n *nemesis) kills(leader *mate) *injection {
	others := n.crew.followers(leader, n.rng)
	x := &injection{kind: FaultKill}
	var targets []*mate
	switch by := n.rng.IntN(10); {
	case by < 5:
		x.name, targets = "SIGKILL of the leader", []*mate{leader}
	case by < 8:
		x.name, targets = "SIGKILL of a follower", others[:1]
	case by < 9:
		x.name, targets = "SIGKILL of all", n.crew.nodes
	default:
		x.name, targets = "SIGKILL of the leader and one more", []*mate{leader, others[0]}
	}
	x.kills = len(targets)
	down := n.between(0, 200*time.Millisecond)
	x.run = func(ctx context.Context) error {
		for _, m := range targets {
			m.ending()
			m.signal(syscall.SIGKILL)
		}
		for _, m := range targets {
			m.kill()
		}
		if err := pause(ctx, down); err != nil {
			return err
		}
		return n.bringUp(ctx, targets, x.name)
	}
	return x
}

// bringUp starts processes again after a fault of this name, and notes how long that took. Nodes that do not come back are a fault
// of theirs.
func (n *nemesis) bringUp(ctx context.Context, down []*mate, after string) error {
	begin := time.Now()
	if err := n.crew.startAll(ctx, down); err != nil {
		if ctx.Err() == nil {
			n.fault("restart", after+": "+err.Error())
		}
		return ctx.Err()
	}
	n.report.Ready = append(n.report.Ready, time.Since(begin).Milliseconds())
	return nil
}

// pauses stop processes for longer or shorter than an election takes.
func (n *nemesis) pauses(leader *mate) *injection {
	others := n.crew.followers(leader, n.rng)
	x := &injection{kind: FaultPause}
	var targets []*mate
	switch n.rng.IntN(4) {
	case 0, 1:
		x.name, targets = "pause of the leader", []*mate{leader}
	case 2:
		x.name, targets = "pause of a follower", others[:1]
	default:
		x.name, targets = "pause of all", n.crew.nodes
	}
	hold := n.holding()
	x.hold = hold
	x.run = func(ctx context.Context) error {
		for _, m := range targets {
			m.signal(syscall.SIGSTOP)
		}
		err := pause(ctx, hold)
		for _, m := range targets {
			m.signal(syscall.SIGCONT)
		}
		return err
	}
	return x
}

// edge is one direction between two nodes.
type edge struct{ from, to int }

// cuts are faults of the network between nodes.
func (n *nemesis) cuts(leader *mate) *injection {
	at := make(map[*mate]int)
	for i, m := range n.crew.nodes {
		at[m] = i
	}
	others := n.crew.followers(leader, n.rng)
	l, f, g := at[leader], at[others[0]], at[others[len(others)-1]]
	var out, in []edge
	for _, m := range others {
		out, in = append(out, edge{l, at[m]}), append(in, edge{at[m], l})
	}
	x := &injection{kind: FaultNetwork}
	hold := n.holding()
	x.hold = hold
	both := func(edges ...edge) (all []edge) {
		for _, e := range edges {
			all = append(all, e, edge{e.to, e.from})
		}
		return all
	}
	switch n.rng.IntN(9) {
	case 0:
		x.name, x.run = "leader cut off from all", n.cut(hold, both(out...))
	case 1:
		x.name, x.run = "leader hears nobody", n.cut(hold, in)
	case 2:
		x.name, x.run = "nobody hears the leader", n.cut(hold, out)
	case 3:
		x.name, x.run = "leader and a follower apart", n.cut(hold, both(edge{l, f}))
	case 4:
		x.name, x.run = "two followers apart", n.cut(hold, both(edge{f, g}))
	case 5:
		var all []edge
		for i := range n.crew.nodes {
			for j := range i {
				all = append(all, both(edge{i, j})...)
			}
		}
		x.name, x.run = "everybody apart", n.cut(hold, all)
	case 6:
		x.name, x.run = "leader's link flaps", n.flap(both(out...))
	case 7:
		x.name, x.run = "leader's link is down", n.linkDown(l, hold)
	default:
		x.name, x.run = "a follower's link is down", n.linkDown(f, hold)
	}
	return x
}

// cut drops what goes over the edges for a while.
func (n *nemesis) cut(hold time.Duration, edges []edge) func(context.Context) error {
	return func(ctx context.Context) error {
		var errs []error
		for _, e := range edges {
			errs = append(errs, n.crew.net.cut(e.from, e.to))
		}
		errs = append(errs, pause(ctx, hold))
		for _, e := range edges {
			errs = append(errs, n.crew.net.heal(e.from, e.to))
		}
		return errors.Join(errs...)
	}
}

// flap cuts and heals some times, faster than an election.
func (n *nemesis) flap(edges []edge) func(context.Context) error {
	times, each, between := 3+n.rng.IntN(4), n.between(50*time.Millisecond, 400*time.Millisecond), n.between(50*time.Millisecond, 400*time.Millisecond)
	return func(ctx context.Context) error {
		for range times {
			if err := errors.Join(n.cut(each, edges)(ctx), pause(ctx, between)); err != nil {
				return err
			}
		}
		return nil
	}
}

// linkDown takes a node off the network, clients included.
func (n *nemesis) linkDown(i int, hold time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		return errors.Join(n.crew.net.link(i, false), pause(ctx, hold), n.crew.net.link(i, true))
	}
}

// checkOffline runs drawd check on the data of a daemon that does not run. It returns what was found; empty when clean.
func checkOffline(ctx context.Context, env *Environment, dir string) (string, error) {
	command := append(append([]string{}, env.Check...), "--data", filepath.Join(dir, "data"))
	text, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err == nil {
		return "", nil
	}
	if ended := (*exec.ExitError)(nil); !errors.As(err, &ended) || ctx.Err() != nil {
		return "", fmt.Errorf("bench: check: %w", err)
	}
	return fmt.Sprintf("%v: %.1000s", err, text), nil
}
