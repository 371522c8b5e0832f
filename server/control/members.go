package control

import (
	"context"
	"encoding/hex"
	"net/http"
	"regexp"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// Cluster is the nodes beside this one. Changes may be asked of any node; a refusal is a *problem.Error.
type Cluster interface {
	// Members returns all members by id, then the nodes that are expected.
	Members() []Member
	// Expect lets a node in when it asks, by its id, without a token.
	Expect(ctx context.Context, node string, edge bool, actor string) error
	Promote(ctx context.Context, node string) error
	Remove(ctx context.Context, node, actor string) error
	// Transfer hands the leadership to another node.
	Transfer(ctx context.Context) error
	// Tokens returns the tokens that have not expired, by id.
	Tokens() []JoinToken
	CreateToken(ctx context.Context, t JoinTokenRequest) (*JoinToken, error)
	DeleteToken(ctx context.Context, id, actor string) error
}

// Role is what a node is to the others. The words are in the API.
type Role string

// The roles.
const (
	RoleVoter    Role = "voter"
	RoleNonvoter Role = "nonvoter" // on its way to be a voter
	RoleEdge     Role = "edge"     // answers HTTP and never votes
	RoleExpected Role = "expected" // not there yet
)

// Member is where a node stands, as this one knows it.
type Member struct {
	Node, Address string
	Role          Role
	Self          bool
	Heard         bool // it ever answered; without it only what is above is known
	LastHeard     time.Duration

	Leader, Ready bool
	API, Version  string
	Applied, Lag  uint64
	HashIndex     uint64 // of Hash: nodes that have another one of the same index have diverged
	Hash          [16]byte
	ClockKnown    bool
	ClockOffset   time.Duration
	RTT           time.Duration
	Level         uint32
	Supports      uint32 // the newest feature level that its build knows
	BlobsComplete bool
	KeptOut       bool // it was rolled back, and votes for nobody
}

// JoinToken lets one node into the cluster, once. Secret is there when it was made and never again.
type JoinToken struct {
	ID        string
	Secret    string
	Node      string // the only node that it lets in; empty for any
	Edge      bool
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedBy    string
}

// JoinTokenRequest says what a token is for.
type JoinTokenRequest struct {
	Node  string
	Edge  bool
	Life  time.Duration
	Actor string
}

// Bounds of a token's life.
const (
	minTokenLife = time.Minute
	maxTokenLife = 7 * 24 * time.Hour
)

// memberTime bounds a change of the members: the leader may have to be asked, and to wait for the others.
const memberTime = 15 * time.Second

// memberRoutes are those of table that are about the nodes.
func memberRoutes() []route {
	return []route{
		{name: "members", method: "GET", pattern: "/admin/v1/cluster/members", need: readers, reach: reachCluster, handle: (*Plane).listMembers},
		{name: "add_member", method: "POST", pattern: "/admin/v1/cluster/members", need: changers, reach: reachCluster, handle: (*Plane).addMember},
		{name: "promote_member", method: "POST", pattern: "/admin/v1/cluster/members/{node}:promote", need: changers, reach: reachCluster, handle: (*Plane).promoteMember},
		{name: "remove_member", method: "POST", pattern: "/admin/v1/cluster/members/{node}:remove", need: changers, reach: reachCluster, handle: (*Plane).removeMember},
		{name: "transfer", method: "POST", pattern: "/admin/v1/cluster:transfer", need: changers, reach: reachCluster, handle: (*Plane).transfer},
		{name: "drain", method: "POST", pattern: "/admin/v1/cluster:drain", need: changers, reach: reachCluster, handle: (*Plane).drain},
		{name: "backup", method: "GET", pattern: "/admin/v1/cluster/backup", need: changers, reach: reachCluster, other: true, handle: (*Plane).backup},
		{name: "join_tokens", method: "GET", pattern: "/admin/v1/cluster/tokens", need: changers, reach: reachCluster, handle: (*Plane).listTokens},
		{name: "create_join_token", method: "POST", pattern: "/admin/v1/cluster/tokens", need: changers, reach: reachCluster, handle: (*Plane).createToken},
		{name: "delete_join_token", method: "DELETE", pattern: "/admin/v1/cluster/tokens/{id}", need: changers, reach: reachCluster, handle: (*Plane).deleteToken},
	}
}

// memberView is a node in the API. What only a node itself knows is missing until it has answered.
type memberView struct {
	Node    string `json:"node"`
	Address string `json:"address,omitempty"`
	Role    Role   `json:"role"`
	Self    bool   `json:"self"`
	Leader  bool   `json:"leader"`
	Ready   bool   `json:"ready"`

	LastHeardMS   *int64 `json:"last_heard_ms,omitempty"`
	API           string `json:"api,omitempty"`
	Version       string `json:"version,omitempty"`
	Applied       uint64 `json:"applied"`
	Lag           uint64 `json:"lag"`
	HashIndex     uint64 `json:"hash_index,omitempty"`
	Hash          string `json:"hash,omitempty"`
	ClockOffsetMS *int64 `json:"clock_offset_ms,omitempty"`
	RTTUS         int64  `json:"rtt_us"`
	Level         uint32 `json:"level"`
	Supports      uint32 `json:"supports"`
	BlobsComplete bool   `json:"blobs_complete"`
	KeptOut       bool   `json:"kept_out"`
}

func viewMember(m *Member) memberView {
	v := memberView{
		Node: m.Node, Address: m.Address, Role: m.Role, Self: m.Self, Leader: m.Leader, Ready: m.Ready, API: m.API, Version: m.Version,
		Applied: m.Applied, Lag: m.Lag, RTTUS: m.RTT.Microseconds(), Level: m.Level, Supports: m.Supports, BlobsComplete: m.BlobsComplete,
		KeptOut: m.KeptOut,
	}
	if m.Heard {
		ms := m.LastHeard.Milliseconds()
		v.LastHeardMS = &ms
	}
	if m.HashIndex > 0 {
		v.HashIndex, v.Hash = m.HashIndex, hex.EncodeToString(m.Hash[:])
	}
	if m.ClockKnown {
		ms := m.ClockOffset.Milliseconds()
		v.ClockOffsetMS = &ms
	}
	return v
}

// members returns all nodes; of one that runs alone itself.
func (p *Plane) members() []memberView {
	views := []memberView{}
	if p.Cluster == nil {
		s := p.Node.Status()
		return append(views, viewMember(&Member{
			Node: s.Node, Role: RoleVoter, Self: true, Heard: true, Leader: s.Leader, Ready: s.Ready(), Version: p.Build.Version,
			Applied: uint64(p.Engine.AppliedIndex()), HashIndex: uint64(p.Engine.AppliedIndex()), Hash: p.Engine.RunningHash(),
			ClockKnown: true, Level: p.Engine.Level(), Supports: p.Engine.Level(), BlobsComplete: true,
		}))
	}
	all := p.Cluster.Members()
	for i := range all {
		views = append(views, viewMember(&all[i]))
	}
	return views
}

func (p *Plane) listMembers(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	return x.answer(http.StatusOK, list[memberView]{p.members(), ""})
}

// alone is what a node without others says to changes of them.
func alone() *render.Problem {
	return refusal(problem.Conflict, "This node runs alone: start it with --raft to let others in.")
}

// nodePattern is the form of node ids in requests.
var nodePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// nodeName reads the field "node".
func (f *fields) nodeName(needed bool) string {
	least := 0
	if needed {
		least = 1
	}
	node := f.text("node", least, 63)
	if node != "" && !nodePattern.MatchString(node) {
		f.fault("node", "pattern", "must match %s", nodePattern)
	}
	return node
}

func (p *Plane) addMember(x *exchange) *render.Problem {
	f, refused := x.change()
	if refused != nil {
		return refused
	}
	node, edge, reason := f.nodeName(true), f.flag("edge"), f.text("reason", 1, engine.MaxReasonBytes)
	if refused := f.done(); refused != nil {
		return refused
	}
	return x.changed("a node is expected", node, reason, func(ctx context.Context) error {
		return p.Cluster.Expect(ctx, node, edge, x.grant.Actor())
	})
}

func (p *Plane) promoteMember(x *exchange) *render.Problem {
	return x.changeNode("a node is promoted", func(ctx context.Context, node string) error { return p.Cluster.Promote(ctx, node) })
}

func (p *Plane) removeMember(x *exchange) *render.Problem {
	return x.changeNode("a node is removed", func(ctx context.Context, node string) error {
		return p.Cluster.Remove(ctx, node, x.grant.Actor())
	})
}

func (p *Plane) transfer(x *exchange) *render.Problem {
	return x.changeNode("the leadership is handed over", func(ctx context.Context, _ string) error { return p.Cluster.Transfer(ctx) })
}

// change begins a request that changes the nodes.
func (x *exchange) change() (*fields, *render.Problem) {
	if refused := x.noQuery(); refused != nil {
		return nil, refused
	}
	f, refused := x.fields()
	if refused != nil {
		return nil, refused
	}
	if x.plane.Cluster == nil {
		return nil, alone()
	}
	return f, nil
}

// changeNode is a change of the node in the path, with no more than a reason.
func (x *exchange) changeNode(what string, do func(ctx context.Context, node string) error) *render.Problem {
	f, refused := x.change()
	if refused != nil {
		return refused
	}
	reason := f.text("reason", 1, engine.MaxReasonBytes)
	if refused := f.done(); refused != nil {
		return refused
	}
	node := x.params.node
	if node != "" && !nodePattern.MatchString(node) {
		return refusal(problem.NotFound, "There is no such node.")
	}
	return x.changed(what, node, reason, func(ctx context.Context) error { return do(ctx, node) })
}

// changed makes a change and answers with the nodes as they are then.
func (x *exchange) changed(what, node, reason string, do func(context.Context) error) *render.Problem {
	ctx, cancel := context.WithTimeout(x.request.Context(), memberTime)
	defer cancel()
	if err := do(ctx); err != nil {
		if ctx.Err() != nil {
			return refusal(problem.UnknownOutcome, "The change did not come to an end in time: look at the members, and ask again.")
		}
		return x.undecided(err)
	}
	x.plane.Logger.Warn(what, "member", node, "actor", x.grant.Actor(), "reason", reason)
	return x.answer(http.StatusOK, list[memberView]{x.plane.members(), ""})
}

// drain takes this node out of service, or back: not ready, and not leading where it can be helped.
func (p *Plane) drain(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	if !f.has("on") {
		f.fault("on", "required", "on is needed")
	}
	on, reason := f.flag("on"), f.text("reason", 1, engine.MaxReasonBytes)
	if refused := f.done(); refused != nil {
		return refused
	}
	if p.Drain == nil {
		return refusal(problem.Conflict, "This node cannot be drained.")
	}
	p.Drain(on)
	p.Logger.Warn("the node is drained, or no more", "on", on, "actor", x.grant.Actor(), "reason", reason)
	handed := false
	if status := p.Node.Status(); on && status.Leader && p.Cluster != nil {
		ctx, cancel := context.WithTimeout(x.request.Context(), memberTime)
		defer cancel()
		if err := p.Cluster.Transfer(ctx); err != nil {
			p.Logger.Warn("the drained node goes on leading", "error", err)
		} else {
			handed = true
		}
	}
	return x.answer(http.StatusOK, struct {
		Drained    bool `json:"drained"`
		HandedOver bool `json:"handed_over"`
	}{on, handed})
}
