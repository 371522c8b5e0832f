package control

import (
	"encoding/hex"
	"net/http"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// checkView is one condition of readiness.
type checkView struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Message string `json:"message,omitempty"`
}

func viewChecks(checks []Check) []checkView {
	out := make([]checkView, 0, len(checks))
	for _, c := range checks {
		out = append(out, checkView{c.Name, c.Code == problem.OK, c.Message})
	}
	return out
}

type clusterView struct {
	Cluster      string      `json:"cluster"`
	Node         string      `json:"node"`
	Ready        bool        `json:"ready"`
	Leader       bool        `json:"leader"`
	Term         uint64      `json:"term"`
	Applied      uint64      `json:"applied"`
	Last         uint64      `json:"last"`
	Queued       int         `json:"queued"`
	LogTime      stamp       `json:"log_time"`
	ClockAheadMS int64       `json:"clock_ahead_ms"`
	Checkpoint   uint64      `json:"checkpoint"`
	LogBytes     int64       `json:"log_bytes"`
	Level        uint32      `json:"level"`
	RunningHash  string      `json:"running_hash"`
	Checks       []checkView `json:"checks"`

	Members []memberView `json:"members"`
}

func (p *Plane) getCluster(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	s, id, running := p.Node.Status(), p.Engine.ClusterID(), p.Engine.RunningHash()
	return x.answer(http.StatusOK, clusterView{
		Cluster: hex.EncodeToString(id[:]), Node: s.Node, Ready: s.Ready(), Leader: s.Leader, Term: s.Term,
		Applied: uint64(p.Engine.AppliedIndex()), Last: s.Last, Queued: s.Queued, LogTime: stamp(p.Engine.LogTime()),
		ClockAheadMS: s.ClockAhead.Milliseconds(), Checkpoint: s.Checkpoint, LogBytes: s.LogBytes, Level: p.Engine.Level(),
		RunningHash: hex.EncodeToString(running[:]), Checks: viewChecks(s.Checks),
		Members: p.members(),
	})
}

// acceptClock is the operator's word that a clock that jumped is right (architecture.md, Time).
func (p *Plane) acceptClock(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	reason := f.text("reason", 1, engine.MaxReasonBytes)
	if refused := f.done(); refused != nil {
		return refused
	}
	if err := p.Node.AcceptClock(); err != nil {
		return x.undecided(err)
	}
	p.Logger.Warn("an operator accepted the clock", "actor", x.grant.Actor(), "reason", reason)
	return x.answer(http.StatusOK, struct {
		Accepted bool `json:"accepted"`
	}{true})
}
