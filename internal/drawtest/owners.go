package drawtest

import "github.com/drawd/drawd/engine"

// roomForOwner reports whether what an owner gets of pools is within max_users: owners count, and each pool of one but his first.
func (r *Reference) roomForOwner(owner engine.Key, order []*piece) bool {
	type pair struct {
		owner engine.Key
		pool  *pool
	}
	pairs := map[pair]bool{}
	for _, h := range r.holds {
		for _, x := range h.items {
			pairs[pair{h.owner, x.pool}] = true
		}
	}
	had := uint64(len(pairs)) // an owner's first pool is he himself
	for _, x := range order {
		pairs[pair{owner, x.pool}] = true
	}
	added := uint64(len(pairs)) - had
	if added > 0 && had+added > r.maxUsers(1) {
		r.reach("no room for an owner's pool")
		return false
	}
	return true
}
