package control

import (
	"github.com/drawd/drawd/engine/names"
	"slices"
	"strings"

	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/render"
)

// route is one operation. Exactly those of docs/openapi.yaml with "control" in x-planes are here; a test compares them.
type route struct {
	name    string // in metrics
	method  string
	pattern string       // parameters are "{name}", alone in their segment but for a ":verb" behind
	need    access.Scope // any of them; 0 for everybody, without a key
	reach   reach
	other   bool // answers with something else than JSON, or negotiates itself
	handle  func(*Plane, *exchange) *render.Problem

	segments []segment
}

// reach is how much a route touches: a key that is limited to less may not use it.
type reach uint8

const (
	reachCampaign  reach = iota // one campaign, or what the handler filters by campaign
	reachNamespace              // a namespace: not for keys that are limited to campaigns
	reachCluster                // the whole cluster: for unlimited keys of the default namespace
)

// segment is one part of a path: literal text, or a parameter with a ":verb".
type segment struct {
	param string // name, empty for literal text
	text  string // the literal, or the verb with its colon
}

const (
	readers  = access.ScopeRead | access.ScopeAdmin
	changers = access.ScopeAdmin
	granters = access.ScopeChances | access.ScopeAdmin
	payers   = access.ScopePayout | access.ScopeAdmin
)

// table returns the routes with literal text before parameters, so that the first match is the right one.
func table() []route {
	routes := []route{
		{name: "campaigns", method: "GET", pattern: "/admin/v1/campaigns", need: readers, handle: (*Plane).listCampaigns},
		{name: "campaign", method: "GET", pattern: "/admin/v1/campaigns/{campaign}", need: readers, handle: (*Plane).getCampaign},
		{name: "versions", method: "GET", pattern: "/admin/v1/campaigns/{campaign}/versions", need: readers, handle: (*Plane).listVersions},
		{name: "version", method: "GET", pattern: "/admin/v1/campaigns/{campaign}/versions/{version}", need: readers, handle: (*Plane).getVersion},
		{name: "release", method: "GET", pattern: "/admin/v1/campaigns/{campaign}/release", need: readers, handle: (*Plane).getRelease},
		{name: "draft", method: "GET", pattern: "/admin/v1/campaigns/{campaign}/draft", need: readers, other: true, handle: (*Plane).getDraft},
		{name: "put_draft", method: "PUT", pattern: "/admin/v1/campaigns/{campaign}/draft", need: changers, handle: (*Plane).putDraft},
		{name: "validate", method: "POST", pattern: "/admin/v1/campaigns/{campaign}:validate", need: readers, handle: (*Plane).validate},
		{name: "publish", method: "POST", pattern: "/admin/v1/campaigns/{campaign}:publish", need: changers, handle: (*Plane).publish},
		{name: "withdraw", method: "POST", pattern: "/admin/v1/campaigns/{campaign}:withdraw", need: changers, handle: (*Plane).withdraw},
		{name: "pending", method: "GET", pattern: "/admin/v1/pending", need: readers, handle: (*Plane).listPending},
		{name: "pause", method: "POST", pattern: "/admin/v1/campaigns/{campaign}:pause", need: changers, handle: (*Plane).pause},
		{name: "resume", method: "POST", pattern: "/admin/v1/campaigns/{campaign}:resume", need: changers, handle: (*Plane).resume},
		{name: "end", method: "POST", pattern: "/admin/v1/campaigns/{campaign}:end", need: changers, handle: (*Plane).end},
		{name: "adjust", method: "POST", pattern: "/admin/v1/campaigns/{campaign}/prizes/{prize}:adjust", need: changers, handle: (*Plane).adjust},
		{name: "explain_draw", method: "GET", pattern: "/admin/v1/draws/{id}:explain", need: readers, handle: (*Plane).explainDraw},
		{name: "import_codes", method: "POST", pattern: "/admin/v1/campaigns/{campaign}/prizes/{prize}/codes:import", need: changers, handle: (*Plane).importCodes},
		{name: "codes", method: "GET", pattern: "/admin/v1/campaigns/{campaign}/prizes/{prize}/codes", need: readers, handle: (*Plane).getCodes},
		{name: "award", method: "POST", pattern: "/admin/v1/campaigns/{campaign}/prizes/{prize}:award", need: changers, handle: (*Plane).award},
		{name: "void", method: "POST", pattern: "/admin/v1/draws/{id}:void", need: changers, handle: (*Plane).void},
		{name: "explain_user", method: "GET", pattern: "/admin/v1/campaigns/{campaign}/users/{user}:explain", need: readers, handle: (*Plane).explainUser},
		{name: "explain_request", method: "GET", pattern: "/admin/v1/requests/{id}:explain", need: readers, handle: (*Plane).explainRequest},
		{name: "switches", method: "GET", pattern: "/admin/v1/switches", need: readers, handle: (*Plane).listSwitches},
		{name: "switch_global", method: "PUT", pattern: "/admin/v1/switches/global", need: changers, reach: reachCluster, handle: (*Plane).switchGlobal},
		{name: "switch_namespace", method: "PUT", pattern: "/admin/v1/switches/namespace", need: changers, reach: reachNamespace, handle: (*Plane).switchNamespace},
		{name: "switch_campaign", method: "PUT", pattern: "/admin/v1/switches/campaign/{campaign}", need: changers, handle: (*Plane).switchCampaign},
		{name: "switch_prize", method: "PUT", pattern: "/admin/v1/switches/prize/{campaign}/{prize}", need: changers, handle: (*Plane).switchPrize},
		{name: "approvals", method: "GET", pattern: "/admin/v1/approvals", need: readers, reach: reachNamespace, handle: (*Plane).listApprovals},
		{name: "approve", method: "POST", pattern: "/admin/v1/approvals/{id}:approve", need: changers, reach: reachNamespace, handle: (*Plane).approve},
		{name: "reject", method: "POST", pattern: "/admin/v1/approvals/{id}:reject", need: changers, handle: (*Plane).reject},
		{name: "chances", method: "GET", pattern: "/admin/v1/campaigns/{campaign}/chances", need: readers, handle: (*Plane).campaignChances},
		{name: "grant", method: "POST", pattern: "/admin/v1/campaigns/{campaign}/chances:grant", need: granters, handle: (*Plane).grantCampaign},
		{name: "purse", method: "GET", pattern: "/admin/v1/purses/{purse}", need: readers, reach: reachNamespace, handle: (*Plane).purseSums},
		{name: "grant_purse", method: "POST", pattern: "/admin/v1/purses/{purse}/chances:grant", need: granters, reach: reachNamespace, handle: (*Plane).grantPurse},
		{name: "records", method: "GET", pattern: "/admin/v1/records", need: readers, other: true, handle: (*Plane).feed},
		{name: "policy", method: "GET", pattern: "/admin/v1/policy", need: readers, reach: reachNamespace, handle: (*Plane).getPolicy},
		{name: "put_policy", method: "PUT", pattern: "/admin/v1/policy", need: changers, reach: reachNamespace, handle: (*Plane).putPolicy},
		{name: "listed", method: "GET", pattern: "/admin/v1/lists/{list}/{user}", need: readers, reach: reachNamespace, handle: (*Plane).getListed},
		{name: "put_listed", method: "PUT", pattern: "/admin/v1/lists/{list}/{user}", need: changers, reach: reachNamespace, handle: (*Plane).putListed},
		{name: "delete_listed", method: "DELETE", pattern: "/admin/v1/lists/{list}/{user}", need: changers, reach: reachNamespace, handle: (*Plane).deleteListed},
		{name: "import_list", method: "POST", pattern: "/admin/v1/lists/{list}:import", need: changers, reach: reachNamespace, handle: (*Plane).importList},
		{name: "campaign_listed", method: "GET", pattern: "/admin/v1/campaigns/{campaign}/lists/{list}/{user}", need: readers, handle: (*Plane).getListed},
		{name: "put_campaign_listed", method: "PUT", pattern: "/admin/v1/campaigns/{campaign}/lists/{list}/{user}", need: changers, handle: (*Plane).putListed},
		{name: "delete_campaign_listed", method: "DELETE", pattern: "/admin/v1/campaigns/{campaign}/lists/{list}/{user}", need: changers, handle: (*Plane).deleteListed},
		{name: "import_campaign_list", method: "POST", pattern: "/admin/v1/campaigns/{campaign}/lists/{list}:import", need: changers, handle: (*Plane).importList},
		{name: "ticket_keys", method: "GET", pattern: "/admin/v1/ticket-keys", need: changers, reach: reachNamespace, handle: (*Plane).listTicketKeys},
		{name: "create_ticket_key", method: "POST", pattern: "/admin/v1/ticket-keys", need: changers, reach: reachNamespace, handle: (*Plane).createTicketKey},
		{name: "delete_ticket_key", method: "DELETE", pattern: "/admin/v1/ticket-keys/{id}", need: changers, reach: reachNamespace, handle: (*Plane).deleteTicketKey},
		{name: "keys", method: "GET", pattern: "/admin/v1/keys", need: changers, reach: reachNamespace, handle: (*Plane).listKeys},
		{name: "create_key", method: "POST", pattern: "/admin/v1/keys", need: changers, reach: reachNamespace, handle: (*Plane).createKey},
		{name: "delete_key", method: "DELETE", pattern: "/admin/v1/keys/{id}", need: changers, reach: reachNamespace, handle: (*Plane).deleteKey},
		{name: "namespaces", method: "GET", pattern: "/admin/v1/namespaces", need: changers, reach: reachCluster, handle: (*Plane).listNamespaces},
		{name: "create_namespace", method: "POST", pattern: "/admin/v1/namespaces", need: changers, reach: reachCluster, handle: (*Plane).createNamespace},
		{name: "cluster", method: "GET", pattern: "/admin/v1/cluster", need: readers, reach: reachCluster, handle: (*Plane).getCluster},
		{name: "accept_clock", method: "POST", pattern: "/admin/v1/cluster:accept-clock", need: changers, reach: reachCluster, handle: (*Plane).acceptClock},
		{name: "livez", method: "GET", pattern: "/livez", handle: (*Plane).livez},
		{name: "readyz", method: "GET", pattern: "/readyz", other: true, handle: (*Plane).readyz},
		{name: "build", method: "GET", pattern: "/version", handle: (*Plane).version},
		{name: "metrics", method: "GET", pattern: "/metrics", need: readers, reach: reachCluster, other: true, handle: (*Plane).exposeMetrics},
		{name: "profile", method: "GET", pattern: "/debug/pprof/", need: changers, reach: reachCluster, other: true, handle: (*Plane).profile},
		{name: "profile", method: "GET", pattern: "/debug/pprof/{profile}", need: changers, reach: reachCluster, other: true, handle: (*Plane).profile},
	}
	routes = slices.Concat(routes, raffleRoutes(), defensiveRoutes(), deliveryRoutes(), poolRoutes(), memberRoutes(), nextRoutes())
	for i := range routes {
		routes[i].segments = segments(routes[i].pattern)
	}
	return routes
}

// Routes returns "METHOD /path/{parameter}" of every operation: what the documentation is held against.
func Routes() []string {
	var all []string
	for _, r := range table() {
		all = append(all, r.method+" "+r.pattern)
	}
	slices.Sort(all)
	return all
}

func segments(pattern string) []segment {
	var parts []segment
	for text := range strings.SplitSeq(pattern[1:], "/") {
		if name, verb, ok := strings.Cut(strings.TrimPrefix(text, "{"), "}"); ok {
			parts = append(parts, segment{param: name, text: verb})
		} else {
			parts = append(parts, segment{text: text})
		}
	}
	return parts
}

// find returns the route for a path as it was sent, or the methods that the path has.
func (p *Plane) find(method, path string, into *params) (*route, []string) {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "%\x00") || strings.Contains(path, "//") {
		return nil, nil
	}
	if method == "HEAD" {
		method = "GET" // net/http drops the body
	}
	var allowed []string
	for i := range p.routes {
		r := &p.routes[i]
		var found params
		if !r.match(path[1:], &found) {
			continue
		}
		if r.method == method {
			*into = found
			return r, nil
		}
		allowed = append(allowed, r.method)
		if r.method == "GET" {
			allowed = append(allowed, "HEAD")
		}
	}
	slices.Sort(allowed)
	return nil, allowed
}

// params are the values of a path's parameters.
type params struct {
	campaign, prize, version, id, profile, user, purse, list, raffle, kind, pool, node string
}

func (ps *params) field(name string) *string {
	switch name {
	case "campaign":
		return &ps.campaign
	case "prize":
		return &ps.prize
	case "version":
		return &ps.version
	case "id":
		return &ps.id
	case "user":
		return &ps.user
	case "list":
		return &ps.list
	case "purse":
		return &ps.purse
	case "raffle":
		return &ps.raffle
	case "kind":
		return &ps.kind
	case "pool":
		return &ps.pool
	case "node":
		return &ps.node
	case "profile":
		return &ps.profile
	}
	panic("BUG: control: no parameter " + name)
}

// match reports whether a path (without its first slash) is the route's. A value never holds a colon, but for a user's: what
// follows one is a verb. Campaigns and prizes must have the form of an id, so that nothing else gets anywhere near the engine.
func (r *route) match(path string, into *params) bool {
	for i, want := range r.segments {
		text, rest, more := strings.Cut(path, "/")
		if more != (i < len(r.segments)-1) {
			return false
		}
		path = rest
		if want.param == "" {
			if text != want.text {
				return false
			}
			continue
		}
		value, ok := strings.CutSuffix(text, want.text)
		if !ok || value == "" || want.param != "user" && strings.Contains(value, ":") {
			return false
		}
		if (want.param == "campaign" || want.param == "prize" || want.param == "purse" || want.param == "raffle") && !names.ID(value) {
			return false
		}
		if want.param == "pool" && !names.Pool(value) {
			return false
		}
		*into.field(want.param) = value
	}
	return true
}
