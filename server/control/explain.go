package control

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// The rungs of the ladder, in the order in which a draw climbs them.
var rungs = [...]string{
	"idempotency", "campaign", "eligibility", "caps", "exhaustion", "chances", "word", "pity", "availability", "outcome",
}

// The places of some rungs.
const (
	rungIdempotency = iota
	rungCampaign
	rungEligibility
	rungCaps
	rungExhaustion
	rungChances
	rungWord
	rungPity
	rungAvailability
	rungOutcome
)

// deniedAt returns the rung at which a code denies, -1 for a code that is no denial of the ladder.
func deniedAt(code problem.Code) int {
	switch code {
	case problem.IdempotencyMismatch, problem.KeyAbandoned:
		return rungIdempotency
	case problem.CampaignNotFound, problem.NotStarted, problem.Ended, problem.Paused, problem.Killed, problem.CampaignFenced, problem.VersionChanged:
		return rungCampaign
	case problem.NotEligible, problem.TicketInvalid, problem.Blocked, problem.ScopeValueMissing:
		return rungEligibility
	case problem.Capped:
		return rungCaps
	case problem.Exhausted, problem.NothingLeftForUser:
		return rungExhaustion
	case problem.NoChances:
		return rungChances
	}
	return -1
}

// step is one rung as an operator reads it.
type step struct {
	Rung    string         `json:"rung"`
	Verdict string         `json:"verdict"` // passed, denied, decided, not_reached
	Says    string         `json:"says"`
	Facts   map[string]any `json:"facts,omitempty"`
}

// explanation is what became of something, rung by rung.
type explanation struct {
	Of       string          `json:"of"` // draw, user, denial
	ID       string          `json:"id,omitempty"`
	Campaign string          `json:"campaign,omitempty"`
	Version  uint32          `json:"version,omitempty"`
	User     string          `json:"user,omitempty"`
	At       stamp           `json:"at"`
	Code     string          `json:"code,omitempty"`
	Summary  string          `json:"summary"`
	Steps    []step          `json:"steps"`
	Record   json.RawMessage `json:"record,omitempty"`
}

// climb makes all rungs: passed up to the last one, where verdict is what happened, and not reached behind it.
func climb(last int, verdict string) []step {
	steps := make([]step, len(rungs))
	for i, name := range rungs {
		steps[i] = step{Rung: name, Verdict: "passed"}
		switch {
		case i == last:
			steps[i].Verdict = verdict
		case i > last:
			steps[i].Verdict, steps[i].Says = "not_reached", "not reached"
		}
	}
	return steps
}

// explainDenied explains a denial: of a request, or of the draw that a user could make now. Words that the code does not
// give by itself come from says.
func explainDenied(e *explanation, code problem.Code, says string) {
	at := deniedAt(code)
	e.Code = code.String()
	if at < 0 {
		e.Summary = "Refused before the ladder: " + code.Info().Title
		e.Steps = []step{}
		return
	}
	e.Steps = climb(at, "denied")
	for i := range at {
		e.Steps[i].Says = "passed"
	}
	e.Steps[at].Says = says
	e.Summary = "Denied at " + rungs[at] + ": " + says
	if code.Info().Effect == problem.None {
		e.Summary += " Nothing was consumed."
	}
}

// denialSays tells a denial in words. cap is the cap's name, rule the cap as the campaign states it.
func denialSays(code problem.Code, detail uint8, cap, rule string) string {
	switch {
	case code == problem.Killed:
		return "Draws are switched off: " + engine.SwitchKind(detail).String() + "."
	case code == problem.ScopeValueMissing:
		return "A cap counts by " + engine.Scope(detail).String() + ", and the request did not say which."
	case code == problem.Capped && rule != "":
		return "Cap " + cap + " is reached: " + rule + "."
	case code == problem.Capped && cap == "":
		return "A fatigue cap of the namespace is reached."
	case code == problem.Capped:
		return "Cap " + cap + " is reached."
	}
	return code.Info().Title
}

// capRule states a cap of the live version in words; empty for one that is no more.
func capRule(c *engine.Campaign, name string) string {
	if id, aggregate := strings.CutPrefix(name, "ns/"); aggregate {
		caps := c.Namespace().Policy().AggregateCaps
		for i := range caps {
			if a := &caps[i]; a.ID == id {
				return capWords(a.Counts, a.Scope.String(), a.Window, a.Limit) + ", over all campaigns"
			}
		}
		return ""
	}
	caps := c.Version().Caps
	for i := range caps {
		if caps[i].ID == name {
			return capWords(caps[i].Counts, c.Version().ScopeName(&caps[i]), caps[i].Window, caps[i].Limit)
		}
	}
	return ""
}

func capWords(counts engine.Counts, scope string, w engine.Window, limit uint32) string {
	what := map[engine.Counts]string{
		engine.CountDraws: "draws", engine.CountWins: "wins", engine.CountAssists: "assists", engine.CountInvites: "invites",
	}[counts]
	if what == "" {
		what = "in amounts"
	}
	per := map[engine.WindowKind]string{
		engine.WindowCampaign: "over the campaign", engine.WindowHour: "an hour", engine.WindowDay: "a day", engine.WindowWeek: "a week",
		engine.WindowMonth: "a month",
	}[w.Kind]
	switch w.Kind {
	case engine.WindowRolling:
		per = "in any " + milliseconds(w.Duration)
	case engine.WindowCooldown:
		return "one request every " + milliseconds(w.Duration) + " for each " + scope
	}
	return "at most " + itoa(int(limit)) + " " + what + " " + per + " for each " + scope
}

// explainRequest answers GET /admin/v1/requests/{id}:explain: a denial from its request id alone.
func (p *Plane) explainRequest(x *exchange) *render.Problem {
	q, refused := x.query("user")
	if refused != nil {
		return refused
	}
	if refused := q.refusal(); refused != nil {
		return refused
	}
	f, ok := p.Sealer.Open([]byte(x.params.id))
	if !ok {
		return refusal(problem.NotFound, "This is not a request id that this cluster gave.")
	}
	e := &explanation{Of: "denial", ID: x.params.id, At: stamp(f.Seconds * 1000)}
	c, found := p.Engine.CampaignByRef(f.Campaign)
	switch {
	case f.Campaign != 0 && (!found || c.Namespace() != x.grant.Namespace || !x.grant.AllowsCampaign([]byte(c.ID()))),
		f.Campaign == 0 && !x.grant.ClusterWide():
		return refusal(problem.NotFound, "This is not a request id that this cluster gave.")
	}
	name, rule := "", ""
	if found {
		e.Campaign = c.ID()
		if f.Code == problem.Capped {
			name = c.CapAt(f.Cap)
			rule = capRule(c, name)
		}
	}
	facts := map[string]any{"node": f.Node, "applied_index": f.Index}
	if says, more := "", map[string]any(nil); f.Campaign == 0 {
		if says, more = x.refusedHold(f.Code, f.Cap, f.User, f.Index); says != "" {
			e.Code, e.Summary = f.Code.String(), "A hold or take was refused: "+says+". The answer stands under its key."
			e.Steps = []step{{Rung: "refused", Verdict: "denied", Says: says, Facts: more}}
			maps.Copy(more, facts)
			return x.answer(http.StatusOK, e)
		}
	}
	explainDenied(e, f.Code, denialSays(f.Code, f.Cap, name, rule))
	if name != "" {
		facts["cap"] = name
	}
	if user := q.values.Get("user"); user != "" && found {
		key := c.Namespace().Keyer().User([]byte(user))
		same := uint16(key[0])<<8|uint16(key[1]) == f.User
		facts["user_matches"] = same
		if e.User = user; !same {
			e.User = ""
			e.Summary += " The request was of another user."
		}
	}
	at := max(deniedAt(f.Code), 0)
	if len(e.Steps) > at {
		e.Steps[at].Facts = facts
	}
	return x.answer(http.StatusOK, e)
}
