package control

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

func (p *Plane) switchGlobal(x *exchange) *render.Problem {
	return x.turn(engine.SwitchScope{Kind: engine.SwitchGlobal}, "global")
}

func (p *Plane) switchNamespace(x *exchange) *render.Problem {
	return x.turn(engine.SwitchScope{Kind: engine.SwitchNamespace}, "namespace")
}

func (p *Plane) switchCampaign(x *exchange) *render.Problem {
	return x.turn(engine.SwitchScope{Kind: engine.SwitchCampaign}, "campaign/"+x.params.campaign)
}

func (p *Plane) switchPrize(x *exchange) *render.Problem {
	return x.turn(engine.SwitchScope{Kind: engine.SwitchPrize, Prize: x.params.prize}, "prize/"+x.params.campaign+"/"+x.params.prize)
}

// turn moves a switch, or answers 202 with the request that somebody else must approve.
func (x *exchange) turn(scope engine.SwitchScope, name string) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	c := engine.SetSwitch{Namespace: x.grant.Namespace.Ref(), Scope: scope, Actor: x.grant.Actor()}
	_, stated := f.get("on", true)
	if stated {
		c.On = f.flag("on")
	}
	c.Reason, c.BreakGlass = f.text("reason", 1, engine.MaxReasonBytes), f.flag("break_glass")
	if c.BreakGlass && !c.On && stated && len(*f.faults) == 0 {
		f.fault("break_glass", "range", "off needs no glass to be broken: it is one person's act")
	}
	if c.BreakGlass && scope.Kind == engine.SwitchPayout && len(*f.faults) == 0 {
		f.fault("break_glass", "range", "nobody breaks the glass of a payout switch")
	}
	if refused := f.done(); refused != nil {
		return refused
	}
	if x.params.campaign != "" {
		campaign, refused := x.campaign()
		if refused != nil {
			return refused
		}
		c.Scope.Campaign = campaign.Ref()
	}
	var b engine.Batch
	b.AddSwitch(&c)
	r, refused := x.decide(&b)
	switch {
	case refused != nil:
		return refused
	case r.Pending:
		return x.answerPending(uint32(r.Value), nil)
	}
	return x.answer(http.StatusOK, struct {
		Scope   string `json:"scope"`
		On      bool   `json:"on"`
		Changed bool   `json:"changed"`
		At      stamp  `json:"at"`
	}{name, c.On, !r.AlreadyLive, stamp(b.Time)})
}

// switchView is a switch that is off.
type switchView struct {
	Scope     string `json:"scope"`
	On        bool   `json:"on"`
	At        stamp  `json:"at"`
	Actor     string `json:"actor"`
	Reason    string `json:"reason"`
	UndoUntil *stamp `json:"undo_until,omitempty"`
}

func (x *exchange) viewSwitch(s *engine.Switch) switchView {
	v := switchView{Scope: s.Scope, At: stamp(s.At), Actor: s.Actor, Reason: s.Reason}
	if s.UndoUntil > engine.UnixMilli(x.now.UnixMilli()) {
		until := stamp(s.UndoUntil)
		v.UndoUntil = &until
	}
	return v
}

func (p *Plane) listSwitches(x *exchange) *render.Problem {
	page, refused := x.page()
	if refused != nil {
		return refused
	}
	items := []switchView{}
	switches := x.grant.Namespace.Switches()
	slices.SortFunc(switches, func(a, b engine.Switch) int { return strings.Compare(a.Scope, b.Scope) })
	for _, s := range switches {
		// A key that is limited to campaigns sees theirs, and what stops all of them.
		if kind, rest, inside := strings.Cut(s.Scope, "/"); inside && kind != engine.SwitchPayout.String() {
			campaign, _, _ := strings.Cut(rest, "/")
			if !x.grant.AllowsCampaign([]byte(campaign)) {
				continue
			}
		}
		if !page.take(s.Scope) {
			continue
		}
		items = append(items, x.viewSwitch(&s))
	}
	return x.answer(http.StatusOK, list[switchView]{items, page.next()})
}

// approvalView is a request that waits for approval.
type approvalView struct {
	number    uint32
	Approval  string   `json:"approval"`
	Digest    string   `json:"digest"`
	Subject   string   `json:"subject"`
	Actor     string   `json:"actor"`
	Person    string   `json:"person"`
	Reason    string   `json:"reason,omitempty"`
	At        stamp    `json:"at"`
	ExpiresAt stamp    `json:"expires_at"`
	EffectAt  *stamp   `json:"effect_at,omitempty"`
	Approvers []string `json:"approvers"` // persons
	Needed    int      `json:"needed"`
	Key       *keyView `json:"key,omitempty"` // of a request for a new key, once
}

// approvalID is the public id of a namespace's request.
func (x *exchange) approvalID(number uint32) string {
	place := engine.Location{Index: engine.LogIndex(x.grant.Namespace.Ref())<<32 | engine.LogIndex(number)}
	return string(x.plane.Engine.AppendID(nil, engine.IDApproval, place))
}

func (x *exchange) approvals() []approvalView {
	views := []approvalView{}
	for _, a := range x.grant.Namespace.Approvals() {
		v := approvalView{
			number: a.Number, Approval: x.approvalID(a.Number), Digest: hex.EncodeToString(a.Digest[:]), Subject: a.Subject, Actor: a.Actor, Person: a.Person, Reason: a.Reason,
			At: stamp(a.At), ExpiresAt: stamp(a.ExpiresAt), Approvers: append([]string{}, a.People...), Needed: a.Needed,
		}
		if a.EffectAt != 0 {
			at := stamp(a.EffectAt)
			v.EffectAt = &at
		}
		views = append(views, v)
	}
	return views
}

// answerPending answers 202 with a request that waits, and with the key that it is about if it makes one.
func (x *exchange) answerPending(number uint32, key *keyView) *render.Problem {
	id := x.approvalID(number)
	for _, v := range x.approvals() {
		if v.Approval == id {
			v.Key = key
			x.Header().Set("Location", "/admin/v1/approvals/"+id)
			return x.answer(http.StatusAccepted, v)
		}
	}
	return refusal(problem.Conflict, "The request was answered by somebody else meanwhile.")
}

func (p *Plane) listApprovals(x *exchange) *render.Problem {
	page, refused := x.page()
	if refused != nil {
		return refused
	}
	items := []approvalView{}
	for _, v := range x.approvals() {
		if page.take(fmt.Sprintf("%010d", v.number)) {
			items = append(items, v)
		}
	}
	return x.answer(http.StatusOK, list[approvalView]{items, page.next()})
}

func (p *Plane) approve(x *exchange) *render.Problem { return x.answerApproval(false) }

func (p *Plane) reject(x *exchange) *render.Problem { return x.answerApproval(true) }

// asked reports whether a request that waits was made with the asker's own key.
func (x *exchange) asked(number uint32) bool {
	return slices.ContainsFunc(x.grant.Namespace.Approvals(), func(a engine.Approval) bool { return a.Number == number && a.Actor == x.grant.Actor() })
}

// openRequest says that a request of another content waits for the same subject.
func (x *exchange) openRequest(number uint32) *render.Problem {
	id := x.approvalID(number)
	p := refusal(problem.Conflict, "Another request about the same thing waits for approval: "+id+". Whoever asked may withdraw it (`drawd approval reject`), and ask anew.")
	p.Errors = []render.FieldError{{Pointer: "", Code: "approval_open", Message: id}}
	return p
}

// answerApproval approves or rejects a request.
func (x *exchange) answerApproval(reject bool) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	c := engine.Approve{Namespace: x.grant.Namespace.Ref(), Reject: reject, Actor: x.grant.Actor()}
	least := 0
	if reject {
		least = 1
	} else {
		digest, err := hex.DecodeString(f.text("digest", 64, 64))
		if err != nil {
			f.fault("digest", "pattern", "must be the digest of the request, in hexadecimal")
		}
		copy(c.Digest[:], digest)
	}
	c.Reason = f.text("reason", least, engine.MaxReasonBytes)
	if refused := f.done(); refused != nil {
		return refused
	}
	place, ok := x.plane.Engine.ParseID(engine.IDApproval, []byte(x.params.id))
	if !ok || engine.NamespaceRef(place.Index>>32) != c.Namespace {
		return refusal(problem.NotFound, "Nothing waits under this id: it was answered, has expired, or never was.")
	}
	c.Number = uint32(place.Index)
	if x.grant.Limited() && !x.asked(c.Number) { // only rejects: routes
		return refusal(problem.Forbidden, "The key is limited to campaigns: it withdraws what it asked for itself, and nothing else.")
	}
	var b engine.Batch
	b.AddApprove(&c)
	r, refused := x.decide(&b)
	if refused != nil {
		switch refused.Code {
		case problem.NotFound:
			refused.Detail = "Nothing waits under this id: it was answered, has expired, or never was."
		case problem.Forbidden:
			refused.Detail = "Another person must approve: not who asked, whichever of his keys he uses, and with a key of this namespace that has the scope admin and is not limited to campaigns."
		case problem.Conflict:
			refused.Detail = "The digest is not this request's: look at the request again."
		}
		return refused
	}
	state := "done"
	switch {
	case reject:
		state = "rejected"
	case r.Pending:
		state = "given"
	}
	return x.answer(http.StatusOK, struct {
		Approval string `json:"approval"`
		State    string `json:"state"`
		At       stamp  `json:"at"`
	}{x.params.id, state, stamp(b.Time)})
}

// tooFewPeople refuses what would leave a namespace that asks for approvals with too few people to give them.
func (x *exchange) tooFewPeople(people int, approvals uint8) *render.Problem {
	return refusal(problem.Conflict, fmt.Sprintf("With %d approvals more than %d persons must have a key with the scope admin that is not limited to campaigns "+
		"and does not expire; there would be %d. A key names its person: `drawd key create --person`.", approvals, approvals, people))
}
