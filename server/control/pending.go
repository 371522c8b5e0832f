package control

import (
	"net/http"
	"slices"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// pendingView is a version that becomes live at a time.
type pendingView struct {
	Campaign string `json:"campaign"`
	At       stamp  `json:"at"`
	Actor    string `json:"actor,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// publishAt leaves a compiled file with the log: it becomes live at the time, whoever leads then.
func (x *exchange) publishAt(file *campaignfile.File, expect uint32, reason string, at engine.UnixMilli) *render.Problem {
	publish := x.publication(file, expect, reason)
	var b engine.Batch
	b.AddPublishAt(publish, at)
	r, refused := x.decide(&b)
	if refused != nil {
		switch {
		case r != nil && r.Pending:
		case refused.Code == problem.InvalidField:
			refused.Detail = "The time must be in the future, and before the campaign ends."
			refused.Errors = []render.FieldError{{Pointer: "/at", Code: "range", Message: refused.Detail}}
		case refused.Code == problem.Conflict:
			refused.Detail = "A version of this campaign is to become live already: withdraw it first."
		default:
			return x.whyRefused(file, r, refused)
		}
		return refused
	}
	if r.Pending {
		return x.answerPending(uint32(r.Value), nil)
	}
	return x.answer(http.StatusAccepted, pendingView{file.Version.Campaign, stamp(at), publish.Actor, reason})
}

// alreadyPending refuses to publish a campaign of which a version is to become live: that was compared with the version
// that is live now, and would replace the one in hand at its time although it may be worse for users.
func (x *exchange) alreadyPending() *render.Problem {
	for _, v := range x.grant.Namespace.Pending() {
		if v.Campaign == x.params.campaign {
			return refusal(problem.Conflict, "A version of this campaign is to become live already: withdraw it first.")
		}
	}
	return nil
}

// withdraw takes back what was to become live.
func (p *Plane) withdraw(x *exchange) *render.Problem {
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
	var b engine.Batch
	b.AddWithdraw(&engine.Withdraw{Namespace: x.grant.Namespace.Ref(), Campaign: x.params.campaign, Actor: x.grant.Actor(), Reason: reason})
	if _, refused := x.decide(&b); refused != nil {
		if refused.Code == problem.NotFound {
			refused.Detail = "Nothing of this campaign is to become live."
		}
		return refused
	}
	return x.answer(http.StatusOK, struct {
		Campaign string `json:"campaign"`
		Status   string `json:"status"`
		At       stamp  `json:"at"`
	}{x.params.campaign, "withdrawn", stamp(b.Time)})
}

// listPending tells what is to become live, by campaign.
func (p *Plane) listPending(x *exchange) *render.Problem {
	page, refused := x.page()
	if refused != nil {
		return refused
	}
	all := slices.Clone(x.grant.Namespace.Pending())
	slices.SortFunc(all, func(a, b engine.Pending) int { return strings.Compare(a.Campaign, b.Campaign) })
	items := []pendingView{}
	for _, v := range all {
		if x.grant.AllowsCampaign([]byte(v.Campaign)) && page.take(v.Campaign) {
			items = append(items, pendingView{v.Campaign, stamp(v.At), v.Actor, v.Reason})
		}
	}
	return x.answer(http.StatusOK, list[pendingView]{items, page.next()})
}
