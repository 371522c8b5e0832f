package join

import (
	"context"
	"fmt"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// What operators do. Refusals are *problem.Error.

// TokenRequest says what a token is for.
type TokenRequest struct {
	Node  string        // the only node that it lets in; empty for any
	Edge  bool          // it lets an edge in only
	Life  time.Duration // MinTokenLife to MaxTokenLife
	Actor string
}

// CreateToken makes a token. The secret is told once.
func (h *Host) CreateToken(ctx context.Context, r TokenRequest) (*Token, string, error) {
	now := h.Now()
	live := 0
	all, revisions := h.tokens()
	for i, t := range all {
		if t.live(now) {
			live++
		} else if !now.Before(t.ExpiresAt) {
			// Housekeeping; whoever is faster does it. A used token stays until it expires, for a node that asks again.
			_ = h.put(ctx, tokenDocument+t.ID, revisions[i], nil, r.Actor)
		}
	}
	if live >= MaxTokens {
		return nil, "", problem.New(problem.Conflict, fmt.Sprintf("There are %d tokens that nobody has used, the most there may be: delete one.", live))
	}
	t, secret, err := newToken(h.Entropy)
	if err != nil {
		return nil, "", err
	}
	t.Node, t.Edge, t.CreatedAt, t.ExpiresAt = r.Node, r.Edge, now.UTC().Truncate(time.Millisecond), now.Add(r.Life).UTC().Truncate(time.Millisecond)
	if err := h.put(ctx, tokenDocument+t.ID, 0, t.encode(), r.Actor); err != nil {
		return nil, "", err
	}
	return t, secret, nil
}

// Tokens returns the tokens that have not expired, by id.
func (h *Host) Tokens() []*Token {
	var live []*Token
	all, _ := h.tokens()
	for _, t := range all {
		if h.Now().Before(t.ExpiresAt) {
			live = append(live, t)
		}
	}
	return live
}

// DeleteToken takes a token back.
func (h *Host) DeleteToken(ctx context.Context, id, actor string) error {
	all, revisions := h.tokens()
	for i, t := range all {
		if t.ID == id && validTokenID(id) {
			return h.put(ctx, tokenDocument+id, revisions[i], nil, actor)
		}
	}
	return problem.New(problem.NotFound, "There is no such join token.")
}

// Expect lets a node in by its id, without a token, when it asks.
func (h *Host) Expect(ctx context.Context, node string, edge bool, actor string) error {
	known, revision, err := h.standing(node)
	if err != nil {
		return err
	}
	switch {
	case h.member(node) != nil:
		return problem.New(problem.Conflict, fmt.Sprintf("Node %q is a member already.", node))
	case known != nil && known.RemovedMS != 0:
		return problem.New(problem.Conflict, fmt.Sprintf("Node %q was removed, and an id is used once: give the node another --node-id.", node))
	case known != nil && known.Disk != "":
		return problem.New(problem.Conflict, fmt.Sprintf("Node %q was let in already.", node))
	}
	return h.put(ctx, memberDocument+node, revision, encode(standing{Format: format, Edge: edge}), actor)
}

// Gone notes that a node is removed, so that its id is never used again. It is called before raft removes it: a node that is
// half removed can be removed again, but must not come back.
func (h *Host) Gone(ctx context.Context, node, actor string) error {
	known, revision, err := h.standing(node)
	if err != nil {
		return err
	}
	if known == nil {
		if h.member(node) == nil {
			return problem.New(problem.NotFound, fmt.Sprintf("Node %q is no member, and not expected.", node))
		}
		known = &standing{Format: format}
	}
	if known.RemovedMS != 0 {
		return nil
	}
	if known.Disk == "" && h.member(node) == nil { // expected, and never came: nothing is left of it
		return h.put(ctx, memberDocument+node, revision, nil, actor)
	}
	known.RemovedMS = h.Now().UnixMilli()
	return h.put(ctx, memberDocument+node, revision, encode(known), actor)
}

// Edge reports whether a node never votes.
func (h *Host) Edge(node string) bool {
	known, _, err := h.standing(node)
	return err == nil && known != nil && known.Edge
}

// Outcast reports whether an engine's state knows a node as removed, or as one that never votes.
func Outcast(e *engine.Engine, node string) bool {
	known, _, err := standingIn(e, node)
	return err == nil && known != nil && (known.Edge || known.RemovedMS != 0)
}

// Expected returns the nodes that would be let in without a token, by id, and which of them as edges.
func (h *Host) Expected() map[string]bool {
	ns, err := h.namespace()
	if err != nil {
		return nil
	}
	expected := map[string]bool{}
	for _, d := range h.Engine.Documents(ns, memberDocument) {
		node := d.Name[len(memberDocument):]
		if s, err := decodeStanding(node, d.Body); err == nil && s.Disk == "" && s.RemovedMS == 0 {
			expected[node] = s.Edge
		}
	}
	return expected
}
