package control

import (
	"fmt"
	"net/http"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// explainUser answers GET /admin/v1/campaigns/{campaign}/users/{user}:explain: could this user draw now, and if not, why.
func (p *Plane) explainUser(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	if !names.Subject(x.params.user) {
		return refusal(problem.NotFound, "No user has such an id.")
	}
	now := max(engine.UnixMilli(x.now.UnixMilli()), p.Engine.LogTime())
	keyer := c.Namespace().Keyer()
	s := p.Engine.UserState(c, keyer.User([]byte(x.params.user)), now)
	e := &explanation{Of: "user", Campaign: c.ID(), Version: c.Version().Number, User: x.params.user, At: stamp(now)}
	if s.CanDraw.Code == problem.OK {
		e.Summary = "The user could draw now."
		e.Steps = climb(rungChances, "passed")
		for i := range e.Steps[:rungChances+1] {
			e.Steps[i].Says = "passed"
		}
		e.Steps[rungCampaign].Says = fmt.Sprintf("version %d is live, and it is inside its time", c.Version().Number)
	} else {
		name, rule := "", ""
		if s.CanDraw.Code == problem.Capped {
			name = p.Engine.CapName(&s.CanDraw)
			rule = capRule(c, name)
		}
		explainDenied(e, s.CanDraw.Code, denialSays(s.CanDraw.Code, s.CanDraw.Cap, name, rule))
		if at := deniedAt(s.CanDraw.Code); at >= 0 && s.CanDraw.ResetsAt != 0 {
			e.Steps[at].Facts = map[string]any{"resets_at": stamp(s.CanDraw.ResetsAt)}
			e.Steps[at].Says += " Again from " + instant(s.CanDraw.ResetsAt) + "."
		}
	}
	x.sayCounters(e, &s)
	return x.answer(http.StatusOK, e)
}

// sayCounters adds to the rungs what the user has used, whether they were reached or not.
func (x *exchange) sayCounters(e *explanation, s *engine.UserState) {
	if len(e.Steps) == 0 {
		return
	}
	counters := []map[string]any{}
	for i := range s.Caps {
		u := &s.Caps[i]
		m := map[string]any{"cap": u.ID, "used": u.Used, "limit": u.Limit}
		if u.ResetsAt != 0 {
			m["resets_at"] = stamp(u.ResetsAt)
		}
		counters = append(counters, m)
	}
	add := func(rung int, name string, value any) {
		if e.Steps[rung].Facts == nil {
			e.Steps[rung].Facts = map[string]any{}
		}
		e.Steps[rung].Facts[name] = value
	}
	if len(counters) > 0 {
		add(rungCaps, "counters", counters)
	}
	if u := s.Chances; u != nil && u.Mode != engine.ChancesFree {
		add(rungChances, "chances", chanceFacts(u))
	}
	var pities []map[string]any
	for i := range s.Pity {
		u := &s.Pity[i]
		pities = append(pities, map[string]any{"pity": u.ID, "counter": u.Counter, "guarantee_within": u.Within, "due": u.Due})
	}
	if len(pities) > 0 {
		add(rungPity, "pities", pities)
	}
	add(rungOutcome, "draws", s.Draws)
	if !s.LastDraw.IsZero() {
		add(rungOutcome, "last_draw", string(x.plane.Engine.AppendID(nil, engine.IDDraw, s.LastDraw)))
	}
	if !s.LastWin.IsZero() {
		add(rungOutcome, "last_win", string(x.plane.Engine.AppendID(nil, engine.IDDraw, s.LastWin)))
	}
}
