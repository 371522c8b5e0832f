package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawd/drawd/engine/problem"
)

// crew is a Cluster that notes what it is asked.
type crew struct {
	mu struct {
		sync.Mutex
		asked []string
		fail  error
	}
}

func (c *crew) note(ctx context.Context, words ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, bounded := ctx.Deadline(); !bounded {
		return errors.New("the context has no end")
	}
	if c.mu.fail == nil {
		c.mu.asked = append(c.mu.asked, strings.Join(words, " "))
	}
	return c.mu.fail
}

func (c *crew) Members() []Member {
	return []Member{
		{Node: "n1", Address: "10.0.0.1:7072", Role: RoleVoter, Self: true, Heard: true, Leader: true, Ready: true, API: "http://10.0.0.1:7070",
			Version: "1", Applied: 9, HashIndex: 9, Hash: [16]byte{1}, ClockKnown: true, Level: 1, Supports: 2, BlobsComplete: true},
		{Node: "n2", Address: "10.0.0.2:7072", Role: RoleEdge, Heard: true, LastHeard: 1500 * time.Millisecond, Applied: 5, Lag: 4, RTT: 300 * time.Microsecond, ClockKnown: true, ClockOffset: -2 * time.Second},
		{Node: "n3", Address: "10.0.0.3:7072", Role: RoleVoter},
		{Node: "n5", Address: "10.0.0.5:7072", Role: RoleVoter, Heard: true, KeptOut: true},
		{Node: "n4", Role: RoleExpected},
	}
}

func (c *crew) Expect(ctx context.Context, node string, edge bool, actor string) error {
	if edge {
		node += " edge"
	}
	return c.note(ctx, "expect", node, actor)
}
func (c *crew) Promote(ctx context.Context, node string) error { return c.note(ctx, "promote", node) }
func (c *crew) Remove(ctx context.Context, node, actor string) error {
	return c.note(ctx, "remove", node, actor)
}
func (c *crew) Transfer(ctx context.Context) error { return c.note(ctx, "transfer") }

func (c *crew) Tokens() []JoinToken {
	return []JoinToken{{ID: "00000000000000a1", CreatedAt: start, ExpiresAt: start.Add(time.Hour), UsedBy: "n2"}}
}

func (c *crew) CreateToken(ctx context.Context, r JoinTokenRequest) (*JoinToken, error) {
	err := c.note(ctx, "token", r.Node, r.Life.String(), r.Actor)
	return &JoinToken{ID: "00000000000000a2", Secret: "dj_" + strings.Repeat("a", 52), Node: r.Node, Edge: r.Edge, CreatedAt: start, ExpiresAt: start.Add(r.Life)}, err
}

func (c *crew) DeleteToken(ctx context.Context, id, actor string) error {
	return c.note(ctx, "delete", id, actor)
}

func TestMembers(t *testing.T) {
	w, c := newWorld(t), new(crew)
	w.plane.Cluster = c
	items := w.want(200, "GET", "/admin/v1/cluster/members", "").json()["items"].([]any)
	second := items[1].(map[string]any)
	if len(items) != 5 || items[3].(map[string]any)["kept_out"] != true || second["kept_out"] != false || second["role"] != "edge" || second["lag"] != 4.0 || second["clock_offset_ms"] != -2000.0 || second["rtt_us"] != 300.0 || second["last_heard_ms"] != 1500.0 {
		t.Errorf("got %v", items)
	}
	if third := items[2].(map[string]any); third["last_heard_ms"] != nil || third["hash"] != nil || third["clock_offset_ms"] != nil {
		t.Errorf("of a node that was never heard: %v", third)
	}
	if got := w.want(200, "GET", "/admin/v1/cluster", "").json()["members"].([]any); len(got) != 5 {
		t.Errorf("the cluster has %v", got)
	}
	const why = `{"reason":"the disk is dead"}`
	before := w.engine.StateHash()
	w.want(200, "POST", "/admin/v1/cluster/members", `{"node":"n4","reason":"x"}`)
	w.want(200, "POST", "/admin/v1/cluster/members", `{"node":"e1","edge":true,"reason":"x"}`)
	w.want(200, "POST", "/admin/v1/cluster/members/n4:promote", why)
	w.want(200, "POST", "/admin/v1/cluster/members/n2:remove", why)
	w.want(200, "POST", "/admin/v1/cluster:transfer", why)
	if got := w.want(201, "POST", "/admin/v1/cluster/tokens", `{"node":"n4","life_ms":600000}`); !strings.HasPrefix(got.text("secret"), "dj_") || got.header.Get("Location") != "/admin/v1/cluster/tokens/00000000000000a2" {
		t.Errorf("%v %s", got.header, got.body)
	}
	w.want(201, "POST", "/admin/v1/cluster/tokens", `{"edge":true}`)
	w.want(204, "DELETE", "/admin/v1/cluster/tokens/00000000000000a1", "")
	if got := string(w.want(200, "GET", "/admin/v1/cluster/tokens", "").body); !strings.Contains(got, `"used_by":"n2"`) || strings.Contains(got, "secret") {
		t.Errorf("tokens: %s", got)
	}
	want := []string{"expect n4 loopback", "expect e1 edge loopback", "promote n4", "remove n2 loopback", "transfer", "token n4 10m0s loopback", "token  1h0m0s loopback", "delete 00000000000000a1 loopback"}
	if !slices.Equal(c.mu.asked, want) {
		t.Errorf("asked %q", c.mu.asked)
	}
	if !strings.Contains(w.log.String(), "the disk is dead") {
		t.Error("the reason is not logged")
	}

	// What is wrong is said, and nothing is asked.
	c.mu.asked = nil
	for body, code := range map[string]problem.Code{
		`{"node":"n4"}`: problem.InvalidField, `{"reason":"x"}`: problem.InvalidField, `{"node":"a/b","reason":"x"}`: problem.InvalidField,
		`{"node":"n4","reason":"x","voter":true}`: problem.UnknownField, `{"node":"n4","node":"n5","reason":"x"}`: problem.BadJSON, `[]`: problem.InvalidField,
	} {
		w.refused(code, "POST", "/admin/v1/cluster/members", body)
	}
	w.refused(problem.InvalidField, "POST", "/admin/v1/cluster/members/n4:promote", `{}`)
	w.refused(problem.InvalidField, "POST", "/admin/v1/cluster/members/n4:remove", `{"reason":""}`)
	w.refused(problem.NotFound, "POST", "/admin/v1/cluster/members/-n:remove", why)
	w.refused(problem.InvalidField, "POST", "/admin/v1/cluster/tokens", `{"life_ms":1}`)
	w.refused(problem.UnknownField, "GET", "/admin/v1/cluster/members?limit=1", "")
	if c.mu.asked != nil || w.engine.StateHash() != before {
		t.Errorf("asked %q", c.mu.asked)
	}
	// Refusals of the nodes come as what they are.
	for _, code := range []problem.Code{problem.Conflict, problem.NotFound, problem.NoLeader, problem.UnknownOutcome} {
		c.mu.fail = problem.New(code, "n4 has not all records yet")
		if a := w.refused(code, "POST", "/admin/v1/cluster/members/n4:promote", why); a.text("detail") != "n4 has not all records yet" {
			t.Errorf("%s", a.body)
		}
	}
}

// A node that runs alone lists itself and refuses changes.
func TestMembersOfOne(t *testing.T) {
	w := newWorld(t)
	items := w.want(200, "GET", "/admin/v1/cluster/members", "").json()["items"].([]any)
	if only := items[0].(map[string]any); len(items) != 1 || only["node"] != "node-1" || only["role"] != "voter" || only["self"] != true || only["leader"] != true {
		t.Errorf("got %v", items)
	}
	for _, path := range []string{"/members/n4:promote", "/members/n4:remove", ":transfer"} {
		w.refused(problem.Conflict, "POST", "/admin/v1/cluster"+path, `{"reason":"x"}`)
	}
	w.refused(problem.Conflict, "POST", "/admin/v1/cluster/members", `{"node":"n4","reason":"x"}`)
	w.refused(problem.Conflict, "POST", "/admin/v1/cluster/tokens", `{}`)
	w.refused(problem.Conflict, "DELETE", "/admin/v1/cluster/tokens/00000000000000a1", "")
	if got := w.want(200, "GET", "/admin/v1/cluster/tokens", "").json()["items"].([]any); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// Only operators of the cluster see and change the nodes.
func TestMembersNeedOperators(t *testing.T) {
	w := newWorld(t)
	w.plane.Cluster = new(crew)
	admin := w.want(201, "POST", "/admin/v1/keys", `{"name":"ops","scopes":["admin"]}`).text("secret")
	reader := w.want(201, "POST", "/admin/v1/keys", `{"name":"front","scopes":["read"]}`, "Authorization: Bearer "+admin).text("secret")
	for _, path := range []string{"/members", "/tokens", ":transfer", ":drain", "/members/n2:remove"} {
		body := `{"reason":"x"}`
		w.refused(problem.Unauthenticated, "POST", "/admin/v1/cluster"+path, body)
		w.refused(problem.Forbidden, "POST", "/admin/v1/cluster"+path, body, "Authorization: Bearer "+reader)
	}
	w.want(200, "GET", "/admin/v1/cluster/members", "", "Authorization: Bearer "+reader)
	w.refused(problem.Forbidden, "GET", "/admin/v1/cluster/tokens", "", "Authorization: Bearer "+reader)
	w.want(200, "POST", "/admin/v1/cluster:transfer", `{"reason":"x"}`, "Authorization: Bearer "+admin)
}

func TestDrain(t *testing.T) {
	w, c := newWorld(t), new(crew)
	w.refused(problem.Conflict, "POST", "/admin/v1/cluster:drain", `{"on":true,"reason":"x"}`)
	var drained []bool
	w.plane.Cluster, w.plane.Drain = c, func(on bool) { drained = append(drained, on) }
	w.refused(problem.InvalidField, "POST", "/admin/v1/cluster:drain", `{"reason":"x"}`)
	if a := w.want(200, "POST", "/admin/v1/cluster:drain", `{"on":true,"reason":"x"}`); a.json()["drained"] != true || a.json()["handed_over"] != true {
		t.Errorf("%s", a.body)
	}
	c.mu.fail = problem.New(problem.Conflict, "there is no other node that votes")
	if a := w.want(200, "POST", "/admin/v1/cluster:drain", `{"on":true,"reason":"x"}`); a.json()["handed_over"] != false {
		t.Errorf("%s", a.body)
	}
	w.want(200, "POST", "/admin/v1/cluster:drain", `{"on":false,"reason":"x"}`)
	if !slices.Equal(drained, []bool{true, true, false}) || !slices.Equal(c.mu.asked, []string{"transfer"}) {
		t.Errorf("drained %v, asked %q", drained, c.mu.asked)
	}
}
