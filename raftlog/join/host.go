package join

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog/peer"
)

// Member is a member of the log.
type Member struct {
	Node, Address string
	Voter         bool
}

// Log is the running log. Calls on a node that does not lead reach the leader.
type Log interface {
	DecideContext(ctx context.Context, b *engine.Batch) error
	Members() []Member
	// AddMember adds a member without a vote, or changes the address of one.
	AddMember(ctx context.Context, node, address string) error
}

// HostOptions of a Host.
type HostOptions struct {
	Entry   *Entry         // of this node. Needed
	Log     Log            // needed
	Engine  *engine.Engine // needed
	Now     func() time.Time
	Entropy io.Reader    // of tokens; default crypto/rand
	Logger  *slog.Logger // default: slog.Default
}

// Host lets nodes into the cluster in which this node runs.
type Host struct{ HostOptions }

// NewHost returns a Host. It answers from Serve on.
func NewHost(o HostOptions) (*Host, error) {
	if o.Entry == nil || o.Log == nil || o.Engine == nil || o.Now == nil {
		return nil, errors.New("join: Entry, Log, Engine and Now are needed")
	}
	if o.Entropy == nil {
		o.Entropy = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Host{o}, nil
}

// Serve answers CallHello on the line between nodes.
func (h *Host) Serve(m *peer.Mux) { m.Answer(peer.CallHello, h.answer) }

func (h *Host) answer(ctx context.Context, proven string, body []byte) ([]byte, error) {
	q, err := decodeHello(proven, body)
	if err != nil {
		return nil, err
	}
	w := welcome{Format: format, Running: true, Promised: h.Entry.Founders}
	w.Node, w.Address = h.Entry.options.Node, h.Entry.options.Address
	if q.Want == wantFound {
		// A founder that promised and was down since then. Whoever was removed meanwhile gets no key.
		if mayHaveKey(q, h.Entry.Founders) && h.member(q.Node) != nil {
			w.Key = h.Entry.Key[:]
		}
		return encode(w), nil
	}
	if err := h.letIn(ctx, q); err != nil {
		h.Logger.Warn("a node was not let in", "node", q.Node, "address", q.Address, "error", err)
		return nil, err
	}
	h.Logger.Info("a node was let in", "node", q.Node, "address", q.Address, "edge", q.Edge)
	w.Key = h.Entry.Key[:]
	return encode(w), nil
}

// member returns a member of the log, or nil.
func (h *Host) member(node string) *Member {
	all := h.Log.Members()
	if at := slices.IndexFunc(all, func(m Member) bool { return m.Node == node }); at >= 0 {
		return &all[at]
	}
	return nil
}

// letIn makes a node a member without a vote, if it may be one.
func (h *Host) letIn(ctx context.Context, q *hello) error {
	if q.Disk == "" {
		return problem.New(problem.InvalidField, "a node must say which data directory it is on")
	}
	if me := h.member(h.Entry.options.Node); me == nil || !me.Voter {
		return problem.New(problem.NoLeader, "this node has no vote, and lets nobody in: ask one that has")
	}
	if err := h.Log.DecideContext(ctx, new(engine.Batch)); err != nil {
		return err // an empty batch: what others decided before is applied here
	}
	known, revision, err := h.standing(q.Node)
	if err != nil {
		return err
	}
	m := h.member(q.Node)
	conflict := func(why string) error {
		return problem.New(problem.Conflict, fmt.Sprintf("node %q %s; start it with an empty data directory and another --node-id", q.Node, why))
	}
	switch {
	case known != nil && known.RemovedMS != 0:
		return conflict("was removed from the cluster")
	case m != nil && (m.Voter || known == nil):
		return conflict("is a member: if it lost its data, it may have voted and forgotten it, so it is removed")
	case known != nil && known.Disk != "" && known.Disk != q.Disk:
		return conflict("was let in with another data directory")
	case known != nil && known.Edge && !q.Edge:
		return problem.New(problem.Forbidden, fmt.Sprintf("node %q is to be an edge: start it with --edge", q.Node))
	case known == nil:
		if known, err = h.useToken(ctx, q); err != nil {
			return err
		}
	}
	if known.Disk == "" {
		next := standing{Format: format, Edge: q.Edge, Disk: q.Disk, JoinedMS: h.Now().UnixMilli()}
		if err := h.put(ctx, memberDocument+q.Node, revision, encode(next), actorOf(q.Node)); err != nil {
			return err
		}
	}
	return h.Log.AddMember(ctx, q.Node, q.Address)
}

// useToken uses a token up for a node. Asked again by the same node, it is still its token.
func (h *Host) useToken(ctx context.Context, q *hello) (*standing, error) {
	refused := problem.New(problem.Unauthenticated, fmt.Sprintf(
		"node %q is not expected (`drawd cluster add`), and its --join-token is none, is used or has expired (`drawd cluster token create`)", q.Node))
	sum := sha256.Sum256([]byte(q.Token))
	all, revisions := h.tokens()
	at := slices.IndexFunc(all, func(t *Token) bool { return subtle.ConstantTimeCompare(t.hash[:], sum[:]) == 1 })
	if q.Token == "" || at < 0 {
		return nil, refused
	}
	t := all[at]
	switch {
	case t.UsedBy != "" && t.UsedBy != q.Node, !h.Now().Before(t.ExpiresAt), t.Node != "" && t.Node != q.Node:
		return nil, refused
	case t.Edge && !q.Edge:
		return nil, problem.New(problem.Forbidden, "the token lets an edge in: start the node with --edge")
	case t.UsedBy == "":
		t.UsedBy = q.Node
		if err := h.put(ctx, tokenDocument+t.ID, revisions[at], t.encode(), actorOf(q.Node)); err != nil {
			return nil, err
		}
	}
	return &standing{Edge: q.Edge}, nil
}

// actorOf names a node in records.
func actorOf(node string) string { return "node:" + node }

// namespace is where the cluster's own documents are.
func (h *Host) namespace() (engine.NamespaceRef, error) { return namespaceOf(h.Engine) }

func namespaceOf(e *engine.Engine) (engine.NamespaceRef, error) {
	ns, ok := e.Namespace("default")
	if !ok {
		return 0, problem.New(problem.NoLeader, "this node has not applied the cluster's first entry yet")
	}
	return ns.Ref(), nil
}

// standing returns what is remembered of a node, nil when it was never heard of.
func (h *Host) standing(node string) (s *standing, revision uint64, err error) {
	return standingIn(h.Engine, node)
}

func standingIn(e *engine.Engine, node string) (s *standing, revision uint64, err error) {
	ns, err := namespaceOf(e)
	if err != nil {
		return nil, 0, err
	}
	d, found := e.Document(ns, memberDocument+node)
	if !found {
		return nil, 0, nil
	}
	s, err = decodeStanding(node, d.Body)
	return s, d.Revision, err
}

// tokens returns every token that this version can read.
func (h *Host) tokens() (all []*Token, revisions []uint64) {
	ns, err := h.namespace()
	if err != nil {
		return nil, nil
	}
	for _, d := range h.Engine.Documents(ns, tokenDocument) {
		if t, err := decodeToken(strings.TrimPrefix(d.Name, tokenDocument), d.Body); err == nil {
			all, revisions = append(all, t), append(revisions, d.Revision)
		}
	}
	return all, revisions
}

// put writes a document that has the expected revision; an empty body deletes it.
func (h *Host) put(ctx context.Context, name string, expect uint64, body []byte, actor string) error {
	ns, err := h.namespace()
	if err != nil {
		return err
	}
	var b engine.Batch
	b.AddDocument(&engine.PutDocument{Namespace: ns, Name: name, Expect: expect, Body: body, Delete: body == nil, Actor: actor})
	if err := h.Log.DecideContext(ctx, &b); err != nil {
		return err
	}
	switch code := b.Results[0].Code; code {
	case problem.OK:
		return nil
	case problem.VersionConflict:
		return problem.New(problem.Conflict, "somebody else changed it at the same moment; ask again")
	default:
		return problem.New(code, "")
	}
}
