package access

import (
	"regexp"
	"sync"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
)

// Users are the namespaces' user patterns, compiled once for each policy. Most namespaces have none, and then the look at a
// policy costs one lock-free load. The zero value is ready.
type Users struct{ m sync.Map } // *engine.Namespace → *userPattern

type userPattern struct {
	policy  *engine.NamespacePolicy // the one it was compiled from
	pattern *regexp.Regexp          // nil when there is none
}

// Allow reports whether the namespace's policy lets the user draw.
func (p *Users) Allow(ns *engine.Namespace, user []byte) bool {
	policy := ns.Policy()
	if len(policy.Document) == 0 {
		return true
	}
	known, ok := p.m.Load(ns)
	if !ok || known.(*userPattern).policy != policy {
		known = &userPattern{policy, campaignfile.UserPattern(policy)}
		p.m.Store(ns, known)
	}
	pattern := known.(*userPattern).pattern
	return pattern == nil || pattern.Match(user)
}
