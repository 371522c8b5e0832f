package main

import (
	"context"
	"maps"
	"slices"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/raftlog/join"
	"github.com/drawd/drawd/server/control"
)

// crowd is the nodes beside this one, as the control plane sees them: raft's members, with what package join remembers.
type crowd struct {
	log  *raftlog.Node
	host *join.Host
}

// Members returns all members by id, then the nodes that are expected.
func (c crowd) Members() (all []control.Member) {
	expected := c.host.Expected()
	for _, p := range c.log.Peers() {
		delete(expected, p.ID)
		m := control.Member{
			Node: p.ID, Address: p.Address, Role: control.RoleNonvoter, Self: p.Self, Heard: p.Contact, LastHeard: p.LastContact,
			Leader: p.Leader, Ready: p.Ready, API: p.API, Version: p.Version, Applied: p.Applied, Lag: p.Lag, HashIndex: p.HashIndex,
			Hash: p.Hash, ClockKnown: p.ClockKnown, ClockOffset: p.ClockOffset, RTT: p.RTT, Level: p.Level, Supports: p.Supports,
			BlobsComplete: p.BlobsComplete, KeptOut: p.KeptOut,
		}
		switch {
		case p.Voter:
			m.Role = control.RoleVoter
		case c.host.Edge(p.ID):
			m.Role = control.RoleEdge
		}
		all = append(all, m)
	}
	for _, node := range slices.Sorted(maps.Keys(expected)) {
		all = append(all, control.Member{Node: node, Role: control.RoleExpected})
	}
	return all
}

// Expect lets a node in when it asks.
func (c crowd) Expect(ctx context.Context, node string, edge bool, actor string) error {
	return c.host.Expect(ctx, node, edge, actor)
}

// Promote makes a member a voter.
func (c crowd) Promote(ctx context.Context, node string) error {
	if c.host.Edge(node) {
		return problem.New(problem.Conflict, "An edge never votes: start a node without --edge, under another --node-id.")
	}
	return c.log.Promote(ctx, node)
}

// Remove takes a member out, for good.
func (c crowd) Remove(ctx context.Context, node, actor string) error {
	return removeMember(ctx, c.log, c.host, node, actor)
}

// remover is the log as removeMember needs it, and burner what package join remembers.
type (
	remover interface {
		MayRemove(ctx context.Context, node string) error
		Remove(ctx context.Context, node string) error
	}
	burner interface {
		Gone(ctx context.Context, node, actor string) error
	}
)

// removeMember asks whether a member may be removed, burns its id, and removes it. The id is burnt before raft takes the node out,
// because a node that is out must not come back; and not when raft would refuse, because then it stays, with its id.
func removeMember(ctx context.Context, log remover, host burner, node, actor string) error {
	if err := log.MayRemove(ctx, node); err != nil {
		return err
	}
	if err := host.Gone(ctx, node, actor); err != nil {
		return err
	}
	return log.Remove(ctx, node)
}

// Transfer hands the leadership to another node.
func (c crowd) Transfer(ctx context.Context) error { return c.log.TransferLeadership(ctx) }

// Tokens returns the tokens that have not expired.
func (c crowd) Tokens() (all []control.JoinToken) {
	for _, t := range c.host.Tokens() {
		all = append(all, viewOf(t))
	}
	return all
}

func viewOf(t *join.Token) control.JoinToken {
	return control.JoinToken{ID: t.ID, Node: t.Node, Edge: t.Edge, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, UsedBy: t.UsedBy}
}

// CreateToken makes a token.
func (c crowd) CreateToken(ctx context.Context, r control.JoinTokenRequest) (*control.JoinToken, error) {
	t, secret, err := c.host.CreateToken(ctx, join.TokenRequest{Node: r.Node, Edge: r.Edge, Life: r.Life, Actor: r.Actor})
	if err != nil {
		return nil, err
	}
	v := viewOf(t)
	v.Secret = secret
	return &v, nil
}

// DeleteToken takes a token back.
func (c crowd) DeleteToken(ctx context.Context, id, actor string) error {
	return c.host.DeleteToken(ctx, id, actor)
}
