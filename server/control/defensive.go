package control

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// maxForcedReason leaves room for the prefix that tells a forced version's record.
const maxForcedReason = engine.MaxReasonBytes - len(engine.ForcedPrefix)

func defensiveRoutes() []route {
	return []route{
		{name: "defensive", method: "GET", pattern: "/admin/v1/campaigns/{campaign}/defensive", need: readers, handle: (*Plane).getDefensive},
		{name: "put_defensive", method: "PUT", pattern: "/admin/v1/campaigns/{campaign}/defensive", need: changers, handle: (*Plane).putDefensive},
		{name: "delete_defensive", method: "DELETE", pattern: "/admin/v1/campaigns/{campaign}/defensive", need: changers, handle: (*Plane).deleteDefensive},
		{name: "defend", method: "POST", pattern: "/admin/v1/campaigns/{campaign}:defend", need: changers, handle: (*Plane).defend},
	}
}

// defensiveView is a defensive version that stands. Refusal says why it cannot be switched on as things are.
type defensiveView struct {
	Campaign string          `json:"campaign"`
	Against  uint32          `json:"against_version"`
	Fits     bool            `json:"fits"`
	Refusal  string          `json:"refusal,omitempty"`
	At       stamp           `json:"at"`
	Actor    string          `json:"actor"`
	Reason   string          `json:"reason"`
	File     json.RawMessage `json:"file"`
}

func (p *Plane) getDefensive(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	return x.answerDefensive(c)
}

func (x *exchange) answerDefensive(c *engine.Campaign) *render.Problem {
	d := c.Defensive()
	if d == nil {
		return refusal(problem.NotFound, "The campaign has no defensive version: PUT one.")
	}
	v := defensiveView{c.ID(), d.Against, true, "", stamp(d.At), d.Actor, d.Reason, x.fileOf(d.Version)}
	if code := c.DefensiveFits(x.engineNow()); code != problem.OK {
		v.Fits, v.Refusal = false, code.String()
	}
	return x.answer(http.StatusOK, v)
}

// putDefensive sets the defensive version: a campaign file with its reason in the query, or the saved draft by its ETag.
func (p *Plane) putDefensive(x *exchange) *render.Problem {
	source, reason, refused := x.defensiveSource()
	if refused != nil {
		return refused
	}
	c, refused := x.campaign()
	if refused != nil {
		return refused
	}
	against := c.Version().Number // before it is compared: what becomes live meanwhile makes the engine refuse
	file, refused := x.compile(source)
	if refused == nil {
		refused = x.keepsToCampaigns(file)
	}
	if refused != nil {
		return refused
	}
	publish := x.publication(file, against, "")
	var b engine.Batch
	b.AddSetDefensive(&engine.SetDefensive{Campaign: c.Ref(), Version: file.Version, Against: against, Actor: publish.Actor, Reason: reason})
	r, refused := x.decide(&b)
	switch {
	case refused != nil && refused.Code == problem.Conflict && r.Pending:
		return refused
	case refused != nil && refused.Code == problem.Conflict && c.Version().Number == against:
		refused.Detail = "This is what is live: there is nothing to switch to."
		return refused
	case refused != nil && refused.Code == problem.Conflict:
		refused.Detail = "Another version became live meanwhile: look at it, and set this one again."
		return refused
	case refused != nil:
		return x.whyRefused(file, r, refused)
	case r.Pending:
		return x.answerPending(uint32(r.Value), nil)
	}
	return x.answerDefensive(c)
}

// defensiveSource returns the campaign file and the reason of a request.
func (x *exchange) defensiveSource() (source []byte, reason string, refused *render.Problem) {
	source, kind, refused := x.readFile()
	if refused != nil {
		return nil, "", refused
	}
	if kind == typeJSON {
		v, _ := parseJSON(source) // readFile has read it once
		if o, ok := v.(object); ok && newFields(o).has("draft_etag") {
			return x.defensiveDraft(newFields(o))
		}
	}
	q, refused := x.query("reason")
	if refused != nil {
		return nil, "", refused
	}
	f := newFields(object{"reason": q.values.Get("reason")})
	reason = f.text("reason", 1, maxForcedReason)
	for _, fault := range *f.faults {
		q.fault("reason", fault.Code, strings.TrimPrefix(fault.Message, "reason "))
	}
	return source, reason, q.refusal()
}

func (x *exchange) defensiveDraft(f *fields) (source []byte, reason string, refused *render.Problem) {
	if refused := x.noQuery(); refused != nil {
		return nil, "", refused
	}
	tag, reason := f.text("draft_etag", 1, 64), f.text("reason", 1, maxForcedReason)
	if refused := f.done(); refused != nil {
		return nil, "", refused
	}
	d, refused := x.savedDraft()
	if refused != nil {
		return nil, "", refused
	}
	if strings.Trim(tag, `"`) != strings.Trim(etag(d.revision), `"`) {
		return nil, "", x.versionConflict(d.revision)
	}
	return d.source, reason, nil
}

// deleteDefensive takes the defensive version away.
func (p *Plane) deleteDefensive(x *exchange) *render.Problem {
	c, reason, refused := x.reasoned()
	if refused != nil {
		return refused
	}
	var b engine.Batch
	b.AddSetDefensive(&engine.SetDefensive{Campaign: c.Ref(), Actor: x.grant.Actor(), Reason: reason})
	if _, refused := x.decide(&b); refused != nil {
		if refused.Code == problem.NotFound {
			refused.Detail = "The campaign has no defensive version."
		}
		return refused
	}
	return x.answer(http.StatusOK, struct {
		Campaign string `json:"campaign"`
		Status   string `json:"status"`
		At       stamp  `json:"at"`
	}{c.ID(), "deleted", stamp(b.Time)})
}

// defend makes the defensive version live: one person's act.
func (p *Plane) defend(x *exchange) *render.Problem {
	c, reason, refused := x.reasoned()
	if refused != nil {
		return refused
	}
	var b engine.Batch
	b.AddDefend(&engine.Defend{Campaign: c.Ref(), Actor: x.grant.Actor(), Reason: reason})
	r, refused := x.decide(&b)
	if refused != nil {
		switch refused.Code {
		case problem.NotFound:
			refused.Detail = "The campaign has no defensive version. What stops it is :pause or a switch."
		case problem.Conflict:
			refused.Detail = "The defensive version was set against another version than the live one: set it again. What stops the campaign meanwhile is :pause or a switch."
		}
		return refused
	}
	return x.answerPublished(c, uint32(r.Value), false, b.Time)
}

// reasoned returns the campaign of the path and the reason that the body gives.
func (x *exchange) reasoned() (c *engine.Campaign, reason string, refused *render.Problem) {
	if refused := x.noQuery(); refused != nil {
		return nil, "", refused
	}
	f, refused := x.fields()
	if refused != nil {
		return nil, "", refused
	}
	reason = f.text("reason", 1, maxForcedReason)
	if refused := f.done(); refused != nil {
		return nil, "", refused
	}
	c, refused = x.campaign()
	return c, reason, refused
}

// undefended warns of a guard that is to switch a defensive version on where none stands. Publishing the file makes one that
// stands now fit no more, so that is said too.
func (x *exchange) undefended(file *campaignfile.File) []campaignfile.Fault {
	if g := file.Version.Guard; g == nil || g.Then != engine.GuardDefensive {
		return nil
	}
	says := "the guard is to switch to the defensive version, and none is set: until one is, the guard pauses"
	if c, found := x.grant.Namespace.Campaign([]byte(x.params.campaign)); found && c.Defensive() != nil {
		if string(c.Version().Document) == string(file.Version.Document) && c.DefensiveFits(x.engineNow()) == problem.OK {
			return nil
		}
		says = "the guard is to switch to the defensive version, which was set against another version: set it again behind this one, or the guard pauses"
	}
	return file.Locate([]campaignfile.Fault{{Pointer: "/guard/then", Rule: "guard_without_defensive", Message: says}})
}
