package dataplane

import (
	"bytes"

	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/server/access"
)

// route is one path of the data plane.
type route uint8

const (
	routeNone route = iota
	routeDraws
	routeBatch
	routeDraw
	routeUser
	routeUserDraws
	routeKey
	routeAbandon
	routeClaim
	routeCampaign
	routeStock
	routeGrant
	routeRevoke
	routePurse
	routePurseGrant
	routePurseRevoke
	routeHit
	routeFatigue
	routeHelp
	routeUserHelps
	routePool
	routeTake
	routeHold
	routeHolds
	routeOneHold
	routeConfirm
	routeRelease
	routeExtend
	routeVoidHold
	routeOneTake
	routeVoidTake
	routeOwnerKey
	routeLive
	routeReady
	routeVersion
	routes = iota
)

// routing is what is known of each route.
var routing = [routes]struct {
	name  string       // in figures
	post  bool         // POST; else GET and HEAD
	open  bool         // asked without a key: for probes
	scope access.Scope // any of these
	query [6]string    // parameters that it takes
}{
	routeNone:        {name: "none"},
	routeDraws:       {name: "draws", post: true, scope: access.ScopeDraw},
	routeBatch:       {name: "batch", post: true, scope: access.ScopeDraw},
	routeDraw:        {name: "draw", scope: access.ScopeDraw | access.ScopeRead},
	routeUser:        {name: "user", scope: access.ScopeDraw | access.ScopeRead},
	routeUserDraws:   {name: "user_draws", scope: access.ScopeDraw | access.ScopeRead, query: [6]string{"outcome", "limit", "cursor"}},
	routeKey:         {name: "key", scope: access.ScopeDraw | access.ScopeRead},
	routeAbandon:     {name: "abandon", post: true, scope: access.ScopeDraw},
	routeClaim:       {name: "claim", post: true, scope: access.ScopeDraw},
	routeCampaign:    {name: "campaign", scope: access.ScopeDraw | access.ScopeRead},
	routeStock:       {name: "stock", scope: access.ScopeRead},
	routeGrant:       {name: "grant", post: true, scope: access.ScopeChances},
	routeRevoke:      {name: "revoke", post: true, scope: access.ScopeChances},
	routePurse:       {name: "purse", scope: access.ScopeDraw | access.ScopeRead | access.ScopeChances},
	routePurseGrant:  {name: "purse_grant", post: true, scope: access.ScopeChances},
	routePurseRevoke: {name: "purse_revoke", post: true, scope: access.ScopeChances},
	routeHit:         {name: "hit", post: true, scope: access.ScopeDraw},
	routeFatigue:     {name: "fatigue", scope: access.ScopeDraw | access.ScopeRead},
	routeHelp:        {name: "help", post: true, scope: access.ScopeDraw},
	routeUserHelps:   {name: "user_helps", scope: access.ScopeDraw | access.ScopeRead, query: [6]string{"role", "limit", "cursor"}},
	routePool:        {name: "pool", scope: access.ScopeStock | access.ScopeRead},
	routeTake:        {name: "take", post: true, scope: access.ScopeStock},
	routeHold:        {name: "hold", post: true, scope: access.ScopeStock},
	routeHolds:       {name: "holds", scope: access.ScopeStock | access.ScopeRead, query: [6]string{"owner", "ref", "state", "pool", "limit", "cursor"}},
	routeOneHold:     {name: "one_hold", scope: access.ScopeStock | access.ScopeRead},
	routeConfirm:     {name: "confirm", post: true, scope: access.ScopeStock},
	routeRelease:     {name: "release", post: true, scope: access.ScopeStock},
	routeExtend:      {name: "extend", post: true, scope: access.ScopeStock},
	routeVoidHold:    {name: "void_hold", post: true, scope: access.ScopeStock},
	routeOneTake:     {name: "one_take", scope: access.ScopeStock | access.ScopeRead},
	routeVoidTake:    {name: "void_take", post: true, scope: access.ScopeStock},
	routeOwnerKey:    {name: "owner_key", scope: access.ScopeStock | access.ScopeRead, query: [6]string{"pool"}},
	routeLive:        {name: "livez", open: true},
	routeReady:       {name: "readyz", open: true, query: [6]string{"verbose"}},
	routeVersion:     {name: "version", open: true},
}

const (
	batchPath    = "/v1/draws:batch"
	drawPath     = "/v1/draws/"
	campaignPath = "/v1/campaigns/"
	pursePath    = "/v1/purses/"
	fatiguePath  = "/v1/fatigue/"
	hitVerb      = ":hit"
	abandonVerb  = ":abandon"
	claimVerb    = ":claim"
)

// place is where a path leads, and the parts of it that name something. The parts alias the path.
type place struct {
	route    route
	campaign []byte
	purse    []byte // or fatigue cap
	user     []byte
	id       []byte // of a draw, a pool, a hold or a take; an idempotency key
}

// find matches the raw bytes of a path. Every part must be of the letters that its kind has, so nothing is ever decoded
// or normalised, and whatever else stands there (%, //, NUL, dots) is nowhere.
func find(path []byte) (p place) {
	if rest, ok := bytes.CutPrefix(path, []byte(campaignPath)); ok {
		p.inCampaign(rest)
		return p
	}
	if rest, ok := bytes.CutPrefix(path, []byte(pursePath)); ok {
		p.inPurse(rest)
		return p
	}
	if rest, ok := bytes.CutPrefix(path, []byte(fatiguePath)); ok {
		p.inFatigue(rest)
		return p
	}
	if p.inUnits(path) {
		return p
	}
	if id, ok := bytes.CutPrefix(path, []byte(drawPath)); ok {
		if names.ID(id) {
			p.route, p.id = routeDraw, id
		}
		return p
	}
	switch string(path) {
	case batchPath:
		p.route = routeBatch
	case "/livez":
		p.route = routeLive
	case "/readyz":
		p.route = routeReady
	case "/version":
		p.route = routeVersion
	}
	return p
}

// inCampaign matches what stands behind /v1/campaigns/.
func (p *place) inCampaign(rest []byte) {
	campaign, rest, more := bytes.Cut(rest, []byte{'/'})
	if !names.ID(campaign) {
		return
	}
	p.campaign = campaign
	switch {
	case !more:
		p.route = routeCampaign
	case string(rest) == "draws":
		p.route = routeDraws
	case string(rest) == "stock":
		p.route = routeStock
	case string(rest) == "helps":
		p.route = routeHelp
	default:
		if rest, ok := bytes.CutPrefix(rest, []byte("users/")); ok {
			p.ofUser(rest)
		}
	}
}

// ofUser matches what stands behind /v1/campaigns/{c}/users/.
func (p *place) ofUser(rest []byte) {
	user, rest, more := bytes.Cut(rest, []byte{'/'})
	if !names.Subject(user) {
		return
	}
	p.user = user
	if !more {
		p.route = routeUser
		return
	}
	switch string(rest) {
	case "draws":
		p.route = routeUserDraws
		return
	case "helps":
		p.route = routeUserHelps
		return
	case "chances":
		p.route = routeGrant
		return
	case "chances:revoke":
		p.route = routeRevoke
		return
	}
	if draw, ok := bytes.CutPrefix(rest, []byte("draws/")); ok {
		if id, ok := bytes.CutSuffix(draw, []byte(claimVerb)); ok && names.ID(id) {
			p.route, p.id = routeClaim, id
		}
		return
	}
	key, ok := bytes.CutPrefix(rest, []byte("keys/"))
	if !ok || bytes.ContainsAny(key, "/%") {
		return
	}
	if verb, ok := bytes.CutSuffix(key, []byte(abandonVerb)); ok {
		if names.Key(verb) {
			p.route, p.id = routeAbandon, verb
		}
		return
	}
	if names.Key(key) {
		p.route, p.id = routeKey, key
	}
}

// inPurse matches what stands behind /v1/purses/: {p}/users/{u}, and /chances or /chances:revoke behind that.
func (p *place) inPurse(rest []byte) {
	purse, rest, _ := bytes.Cut(rest, []byte("/users/"))
	user, rest, more := bytes.Cut(rest, []byte{'/'})
	if !names.ID(purse) || !names.Subject(user) {
		return
	}
	p.purse, p.user = purse, user
	switch {
	case !more:
		p.route = routePurse
	case string(rest) == "chances":
		p.route = routePurseGrant
	case string(rest) == "chances:revoke":
		p.route = routePurseRevoke
	}
}

// inFatigue matches what stands behind /v1/fatigue/: {cap}/users/{u}, or {cap}/users/{u}:hit.
func (p *place) inFatigue(rest []byte) {
	cap, user, _ := bytes.Cut(rest, []byte("/users/"))
	route := routeFatigue
	if u, ok := bytes.CutSuffix(user, []byte(hitVerb)); ok {
		route, user = routeHit, u
	}
	if names.ID(cap) && names.Subject(user) {
		p.route, p.purse, p.user = route, cap, user
	}
}

// maxBody is how long the body of a request to this path may be.
func (s *Server) maxBody(path []byte) int {
	if string(path) == batchPath {
		return s.options.MaxBatchBody
	}
	return s.options.MaxUnaryBody
}

// param returns the value of a query parameter; found is false when it is not there.
func param(query []byte, name string) (value []byte, found bool) {
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte{'&'})
		key, value, _ := bytes.Cut(pair, []byte{'='})
		if string(key) == name {
			return value, true
		}
	}
	return nil, false
}

// strayParam returns the first parameter that the route does not take, or that stands there twice.
func strayParam(query []byte, r route) (name []byte, stray bool) {
	var seen [len(routing[r].query)]bool
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte{'&'})
		name, _, _ = bytes.Cut(pair, []byte{'='})
		known := false
		for i, taken := range routing[r].query {
			if taken != "" && string(name) == taken && !seen[i] {
				seen[i], known = true, true
			}
		}
		if !known {
			return name, true
		}
	}
	return nil, false
}
