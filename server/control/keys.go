package control

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/render"
)

// keyView is an API key as it is shown. Secret is there once, when the key is created.
type keyView struct {
	ID        string       `json:"id"`
	Secret    string       `json:"secret,omitempty"`
	Name      string       `json:"name"`
	Person    string       `json:"person"`
	Namespace string       `json:"namespace"`
	Scopes    []string     `json:"scopes"`
	Campaigns []string     `json:"campaigns,omitempty"`
	Sources   []string     `json:"sources,omitempty"`
	MaxAmount uint32       `json:"max_amount,omitempty"`
	CIDR      []string     `json:"cidr,omitempty"`
	ExpiresAt *stamp       `json:"expires_at,omitempty"`
	CreatedAt stamp        `json:"created_at"`
	Rate      *access.Rate `json:"rate,omitempty"`
}

func viewKey(k *access.Key) keyView {
	v := keyView{
		ID: k.ID, Name: k.Name, Person: k.Person, Namespace: k.Namespace, Scopes: k.Scopes.Names(), Campaigns: k.Campaigns,
		CreatedAt: stamp(k.CreatedAt.UnixMilli()), Sources: k.Sources, MaxAmount: k.MaxAmount,
	}
	for _, p := range k.CIDR {
		v.CIDR = append(v.CIDR, p.String())
	}
	if !k.ExpiresAt.IsZero() {
		at := stamp(k.ExpiresAt.UnixMilli())
		v.ExpiresAt = &at
	}
	if k.Rate != (access.Rate{}) {
		v.Rate = &k.Rate
	}
	return v
}

// storedKeys returns the namespace's keys, by id. One that this release cannot read is left out; it is logged by the gate.
func (x *exchange) storedKeys() (keys []*access.Key, documents int) {
	ns := x.grant.Namespace
	all := x.plane.Engine.Documents(ns.Ref(), access.DocumentPrefix)
	for _, d := range all {
		if k, err := access.DecodeKey(ns.Name(), strings.TrimPrefix(d.Name, access.DocumentPrefix), d.Body); err == nil {
			keys = append(keys, k)
		}
	}
	return keys, len(all)
}

func (p *Plane) listKeys(x *exchange) *render.Problem {
	page, refused := x.page()
	if refused != nil {
		return refused
	}
	items := []keyView{}
	keys, _ := x.storedKeys()
	for _, k := range keys {
		if page.take(k.ID) {
			items = append(items, viewKey(k))
		}
	}
	return x.answer(http.StatusOK, list[keyView]{items, page.next()})
}

func (p *Plane) createKey(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	f, refused := x.fields()
	if refused != nil {
		return refused
	}
	k := x.readKey(f)
	if refused := f.done(); refused != nil {
		return refused
	}
	p.keyChanges <- struct{}{}
	defer func() { <-p.keyChanges }()
	if _, n := x.storedKeys(); n >= access.MaxKeys {
		return refusal(problem.Conflict, "The namespace has "+itoa(n)+" keys, the most it may have.")
	}
	if p.Gate.Strands(k, true, x.now) {
		return refusal(problem.Conflict, "The first key must hold the scope admin in the namespace default, not be limited to campaigns and not be expired: "+
			"from then on keyless requests are refused, and nobody could create another.")
	}
	id, secret, hash := access.NewSecret()
	k.ID, k.Hash = id, hash
	if k.Person == "" {
		k.Person = id
	}
	var b engine.Batch
	b.AddKey(&engine.PutKey{
		Document: engine.PutDocument{Namespace: x.grant.Namespace.Ref(), Name: access.DocumentPrefix + id, Expect: 0, Body: k.Encode(), Actor: x.grant.Actor()},
		Holder:   k.Holder(), Reason: describeKey(k),
	})
	r, refused := x.decide(&b)
	p.Gate.Refresh()
	if refused != nil {
		return refused
	}
	v := viewKey(k)
	v.Secret = secret
	if r.Pending { // the secret works once somebody has approved
		return x.answerPending(uint32(r.Value), &v)
	}
	x.Header().Set("Location", "/admin/v1/keys/"+id)
	return x.answer(http.StatusCreated, v)
}

// describeKey says in a line what a key may do, for whoever approves it.
func describeKey(k *access.Key) string {
	text := fmt.Sprintf("name %q, scopes %s", k.Name, strings.Join(k.Scopes.Names(), ", "))
	for _, bound := range []struct {
		count int
		of    string
	}{{len(k.Campaigns), "campaigns"}, {len(k.CIDR), "networks"}, {len(k.Sources), "sources"}} {
		if bound.count > 0 {
			text += fmt.Sprintf(", limited to %d %s", bound.count, bound.of)
		}
	}
	if !k.ExpiresAt.IsZero() {
		text += ", until " + k.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return text
}

// readKey reads the fields of a new key.
func (x *exchange) readKey(f *fields) *access.Key {
	k := &access.Key{Namespace: x.grant.Namespace.Name(), CreatedAt: x.now, Name: f.text("name", 1, access.MaxKeyNameBytes)}
	k.Person = f.text("person", 0, engine.MaxUserBytes)
	if f.has("person") && len(k.Person) <= engine.MaxUserBytes && !userPattern.MatchString(k.Person) {
		f.fault("person", "pattern", "must match %s", userPattern)
	}
	for i, name := range f.texts("scopes", true, 8) {
		scope, ok := access.ParseScope(name)
		if !ok {
			f.faultAt("scopes", i, "unknown", "is no scope; there are %s", strings.Join((access.ScopeDraw|access.ScopeChances|access.ScopeStock|access.ScopeRead|access.ScopeAdmin).Names(), ", "))
		}
		k.Scopes |= scope
	}
	k.Campaigns = f.texts("campaigns", false, access.MaxKeyCampaigns)
	for i, id := range k.Campaigns {
		if !access.ValidCampaign(id) {
			f.faultAt("campaigns", i, "pattern", "is no campaign id, nor the beginning of one with * behind it")
		}
	}
	k.Sources = f.texts("sources", false, access.MaxKeySources)
	for i, id := range k.Sources {
		if !names.ID(id) || len(id) > engine.MaxSourceBytes {
			f.faultAt("sources", i, "pattern", "is no id of a source")
		}
	}
	if k.MaxAmount = uint32(f.integer("max_amount", false, 1, engine.MaxGrant)); k.Scopes&access.ScopeChances == 0 && (k.MaxAmount > 0 || len(k.Sources) > 0) {
		f.fault("scopes", "required", "must hold chances: sources and max_amount bound grants")
	}
	for i, text := range f.texts("cidr", false, access.MaxKeyPrefixes) {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix.Addr().Is4In6() {
			f.faultAt("cidr", i, "pattern", "must be a network such as 10.0.0.0/8 or 2001:db8::/32")
			continue
		}
		k.CIDR = append(k.CIDR, prefix.Masked())
	}
	if f.has("expires_at") {
		if k.ExpiresAt = f.instant("expires_at"); !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(x.now) {
			f.fault("expires_at", "range", "must be in the future")
		}
	} else {
		f.asked["expires_at"] = true
	}
	f.asked["rate"] = true
	if rate := f.inside("rate"); rate != nil {
		k.Rate.PerSecond = uint32(rate.integer("per_second", true, 1, access.MaxRatePerSecond))
		if rate.asked["burst"] = true; rate.has("burst") {
			k.Rate.Burst = uint32(rate.integer("burst", true, 1, access.MaxRateBurst))
		}
		rate.close()
	}
	return k
}

func (p *Plane) deleteKey(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	if refused := x.noBody(); refused != nil {
		return refused
	}
	p.keyChanges <- struct{}{}
	defer func() { <-p.keyChanges }()
	ns, id := x.grant.Namespace, x.params.id
	d, found := p.Engine.Document(ns.Ref(), access.DocumentPrefix+id)
	if !found || !access.ParseKeyID(id) {
		return refusal(problem.NotFound, "There is no such API key in this namespace.")
	}
	if p.Gate.Strands(&access.Key{Namespace: ns.Name(), ID: id}, false, x.now) {
		return refusal(problem.Conflict, "This is the last valid key with the scope admin in the namespace default; others would be left that nobody could change.")
	}
	var b engine.Batch
	b.AddKey(&engine.PutKey{Document: engine.PutDocument{Namespace: ns.Ref(), Name: d.Name, Expect: d.Revision, Delete: true, Actor: x.grant.Actor()}})
	r, refused := x.decide(&b)
	p.Gate.Refresh()
	switch {
	case refused == nil && r.Pending:
		return x.answerPending(uint32(r.Value), nil)
	case refused == nil:
	case refused.Code == problem.VersionConflict, refused.Code == problem.NotFound: // somebody else was faster
		return refusal(problem.NotFound, "There is no such API key in this namespace.")
	case refused.Code == problem.Conflict && !r.Pending:
		return x.tooFewPeople(int(r.Value), ns.Policy().Approvals)
	default:
		return refused
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}
