package control

import (
	"net/http"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
	"github.com/drawd/drawd/server/ticket"
)

// ticketKeyView is a ticket key as it is shown. Secret is there once, when the key is created.
type ticketKeyView struct {
	ID        string   `json:"id"`
	Secret    string   `json:"secret,omitempty"`
	Name      string   `json:"name"`
	Namespace string   `json:"namespace"`
	Campaigns []string `json:"campaigns,omitempty"`
	CreatedAt stamp    `json:"created_at"`
	ExpiresAt *stamp   `json:"expires_at,omitempty"`
}

func viewTicketKey(k *ticket.Key, namespace string) ticketKeyView {
	v := ticketKeyView{ID: ticket.FormatID(k.ID), Name: k.Name, Namespace: namespace, Campaigns: k.Campaigns, CreatedAt: stamp(k.CreatedAt.UnixMilli())}
	if !k.ExpiresAt.IsZero() {
		at := stamp(k.ExpiresAt.UnixMilli())
		v.ExpiresAt = &at
	}
	return v
}

func (p *Plane) listTicketKeys(x *exchange) *render.Problem {
	page, refused := x.page()
	if refused != nil {
		return refused
	}
	ns, items := x.grant.Namespace, []ticketKeyView{}
	for _, d := range p.Engine.Documents(ns.Ref(), ticket.DocumentPrefix) {
		id := strings.TrimPrefix(d.Name, ticket.DocumentPrefix)
		k, err := ticket.DecodeKey(id, d.Body)
		if err == nil && page.take(id) {
			items = append(items, viewTicketKey(k, ns.Name()))
		}
	}
	return x.answer(http.StatusOK, list[ticketKeyView]{items, page.next()})
}

func (p *Plane) createTicketKey(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	k := ticket.NewKey()
	k.CreatedAt, k.Name, k.Campaigns = x.now, f.text("name", 1, ticket.MaxNameBytes), f.texts("campaigns", false, ticket.MaxKeyCampaigns)
	for i, id := range k.Campaigns {
		if !names.ID(id) {
			f.faultAt("campaigns", i, "pattern", "is no campaign id")
		}
	}
	if k.ExpiresAt = f.instant("expires_at"); !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(x.now) {
		f.fault("expires_at", "range", "must be in the future")
	}
	if refused := f.done(); refused != nil {
		return refused
	}
	p.keyChanges <- struct{}{}
	defer func() { <-p.keyChanges }()
	ns := x.grant.Namespace
	if n := len(p.Engine.Documents(ns.Ref(), ticket.DocumentPrefix)); n >= ticket.MaxKeys {
		return refusal(problem.Conflict, "The namespace has "+itoa(n)+" ticket keys, the most it may have: delete one that is no longer used.")
	}
	var b engine.Batch
	b.AddDocument(&engine.PutDocument{Namespace: ns.Ref(), Name: ticket.DocumentPrefix + ticket.FormatID(k.ID), Expect: 0, Body: k.Encode(), Actor: x.grant.Actor()})
	if _, refused = x.decide(&b); refused != nil {
		return refused
	}
	v := viewTicketKey(k, ns.Name())
	v.Secret = k.Derive(p.ClusterKey, ns.Name())
	x.Header().Set("Location", "/admin/v1/ticket-keys/"+v.ID)
	return x.answer(http.StatusCreated, v)
}

func (p *Plane) deleteTicketKey(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	if refused := x.noBody(); refused != nil {
		return refused
	}
	ns := x.grant.Namespace
	none := refusal(problem.NotFound, "There is no such ticket key in this namespace.")
	if _, ok := ticket.ParseID(x.params.id); !ok {
		return none
	}
	d, found := p.Engine.Document(ns.Ref(), ticket.DocumentPrefix+x.params.id)
	if !found {
		return none
	}
	var b engine.Batch
	b.AddDocument(&engine.PutDocument{Namespace: ns.Ref(), Name: d.Name, Expect: d.Revision, Delete: true, Actor: x.grant.Actor()})
	_, refused := x.decide(&b)
	switch {
	case refused == nil:
	case refused.Code == problem.VersionConflict, refused.Code == problem.NotFound: // somebody else was faster
		return none
	default:
		return refused
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}
