package bench

import (
	"context"
	"errors"
	"time"

	"github.com/drawd/drawd/bench/proxy"
)

// badLinks are faults of connections between nodes that are there, and do not do what connections do. Callers reach every node
// meanwhile: those on the wrong side of a fault must be told nothing that is not so.
func (n *nemesis) badLinks(leader *mate) *injection {
	others := n.crew.followers(leader, n.rng)
	f := others[0]
	var out, in, all []proxy.Link
	for _, m := range others {
		out, in = append(out, proxy.Link{From: leader.id, To: m.id}), append(in, proxy.Link{From: m.id, To: leader.id})
	}
	around := append(append([]proxy.Link{}, out...), in...)
	for _, a := range n.crew.nodes {
		for _, b := range n.crew.nodes {
			if a != b {
				all = append(all, proxy.Link{From: a.id, To: b.id})
			}
		}
	}
	ms := func(low, high int) time.Duration {
		return n.between(time.Duration(low)*time.Millisecond, time.Duration(high)*time.Millisecond)
	}
	x := &injection{kind: FaultLink, hold: n.holding()}
	bad := func(name string, r proxy.Rule, links ...proxy.Link) {
		x.name, x.run = name, n.withRule(x.hold, r, links)
	}
	switch n.report.Done / len(n.o.Faults) % 10 { // in turns
	case 0:
		bad("leader's connections are refused", proxy.Rule{Mode: proxy.Refuse}, around...)
	case 1:
		bad("half-open: nothing that the leader sends arrives", proxy.Rule{Mode: proxy.Swallow}, out...)
	case 2:
		bad("half-open: nothing arrives at the leader", proxy.Rule{Mode: proxy.Swallow}, in...)
	case 3:
		bad("half-open: from the leader to a follower", proxy.Rule{Mode: proxy.Swallow}, proxy.Link{From: leader.id, To: f.id})
	case 4:
		bad("half-open: from a follower to the leader", proxy.Rule{Mode: proxy.Swallow}, proxy.Link{From: f.id, To: leader.id})
	case 5:
		bad("held: leader and all others", proxy.Rule{Mode: proxy.Hold}, around...)
	case 6:
		bad("slow: every link", proxy.Rule{Delay: ms(5, 60), Jitter: ms(5, 100)}, all...)
	case 7:
		bad("slow: the leader's links, by about an election", proxy.Rule{Delay: ms(200, 600), Jitter: ms(50, 600)}, around...)
	case 8:
		bad("narrow: the leader's links", proxy.Rule{Rate: 20_000 + n.rng.IntN(200_000)}, around...)
	default:
		x.name, x.hold = "refused and well in turns: the leader's connections", 0
		x.run = n.resets(around)
	}
	return x
}

// withRule gives links a rule for a while.
func (n *nemesis) withRule(hold time.Duration, r proxy.Rule, links []proxy.Link) func(context.Context) error {
	return func(ctx context.Context) error {
		n.crew.links.Set(r, links...)
		err := pause(ctx, hold)
		n.crew.links.Heal()
		return err
	}
}

// resets breaks connections some times, faster than an election.
func (n *nemesis) resets(links []proxy.Link) func(context.Context) error {
	times, down, up := 3+n.rng.IntN(6), n.between(10*time.Millisecond, 300*time.Millisecond), n.between(20*time.Millisecond, 400*time.Millisecond)
	return func(ctx context.Context) error {
		for range times {
			if err := errors.Join(n.withRule(down, proxy.Rule{Mode: proxy.Refuse}, links)(ctx), pause(ctx, up)); err != nil {
				return err
			}
		}
		return nil
	}
}
