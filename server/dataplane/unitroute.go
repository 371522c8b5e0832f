package dataplane

import (
	"bytes"

	"github.com/drawd/drawd/engine/names"
)

// unitPaths are what paths about units begin with, and what may stand behind the id there.
var unitPaths = []struct {
	begin string
	plain route
	verbs map[string]route
	valid func([]byte) bool
}{
	{"/v1/pools/", routePool, map[string]route{"take": routeTake}, names.Pool[[]byte]},
	{"/v1/holds/", routeOneHold, map[string]route{"confirm": routeConfirm, "release": routeRelease, "extend": routeExtend, "void": routeVoidHold}, names.ID[[]byte]},
	{"/v1/takes/", routeOneTake, map[string]route{"void": routeVoidTake}, names.ID[[]byte]},
}

const (
	holdsPath  = "/v1/holds"
	ownersPath = "/v1/owners/"
)

// inUnits matches the paths about pools, holds and takes; false when it is none of theirs.
func (p *place) inUnits(path []byte) bool {
	if string(path) == holdsPath {
		p.route = routeHold
		return true
	}
	for i := range unitPaths {
		u := &unitPaths[i]
		rest, ok := bytes.CutPrefix(path, []byte(u.begin))
		if !ok {
			continue
		}
		id, verb, more := bytes.Cut(rest, []byte{':'})
		route := u.plain
		if more {
			route = u.verbs[string(verb)]
		}
		if u.valid(id) {
			p.route, p.id = route, id
		}
		return true
	}
	rest, ok := bytes.CutPrefix(path, []byte(ownersPath))
	if !ok {
		return false
	}
	owner, key, _ := bytes.Cut(rest, []byte("/keys/"))
	if names.Subject(owner) && names.Key(key) && !bytes.ContainsAny(key, "/%") {
		p.route, p.user, p.id = routeOwnerKey, owner, key
	}
	return true
}
