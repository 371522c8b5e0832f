package drawtest

import (
	"math"
	"sort"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// rule is a cap of a campaign or of its namespace, seen from one draw.
type rule struct {
	id        string
	aggregate bool
	index     uint8 // as Result.Cap names it
	counts    engine.Counts
	scope     engine.Scope
	window    engine.Window
	limit     uint32
	prize     string // id, empty for any
	deny      bool
	zone      zone
}

// rules returns every cap that a draw of the campaign meets: the namespace's, then the campaign's, in file order.
func (r *Reference) rules(c *campaign) []rule {
	var out []rule
	p := r.policies[c.namespace]
	for i := range p.AggregateCaps {
		a := &p.AggregateCaps[i]
		out = append(out, rule{
			id: a.ID, aggregate: true, index: engine.AggregateBit | uint8(i), counts: a.Counts, scope: a.Scope,
			window: a.Window, limit: a.Limit, zone: p.Transitions,
		})
	}
	v := c.live()
	for i := range v.Caps {
		k := &v.Caps[i]
		prize := ""
		if k.Prize >= 0 {
			prize = v.Prizes[k.Prize].ID
		}
		out = append(out, rule{
			id: k.ID, index: uint8(i), counts: k.Counts, scope: c.scopeOf(v, k), window: k.Window, limit: k.Limit, prize: prize,
			deny: k.DenyWhenReached, zone: v.Transitions,
		})
	}
	return out
}

// subject is who a draw counts for.
type subject struct {
	campaign *campaign
	user     engine.Key
	device   *engine.Key
	ip       *engine.Key
	by       [engine.MaxAttributeScopes]engine.Key
	hasBy    uint8
	standing standing
}

// slot returns the slot of a scope of attributes.
func slot(s engine.Scope) (n int, ok bool) {
	return int(s) - int(engine.ScopeAttribute), s >= engine.ScopeAttribute
}

// missing reports whether the draw lacks the value that the rule counts by.
func (s *subject) missing(k *rule) bool {
	if n, ok := slot(k.scope); ok {
		return s.hasBy&(1<<n) == 0
	}
	return k.scope == engine.ScopeDevice && s.device == nil || k.scope == engine.ScopeIP && s.ip == nil
}

// used returns how much the rule counted for the subject within its window.
func (r *Reference) used(k *rule, s *subject) uint32 {
	if k.counts != engine.CountAmount {
		return uint32(len(r.counted(k, s)))
	}
	sum := int64(0)
	for _, e := range r.events {
		if !r.concerns(k, s, e) || !r.inWindow(k, s, e) {
			continue
		}
		for i := range e.wins {
			if w := &e.wins[i]; k.prize == w.prize || k.prize == "" && w.cash {
				sum += w.amount
			}
		}
	}
	return uint32(min(sum, math.MaxUint32))
}

// counted returns when the rule counted something for the subject within its window, oldest first.
func (r *Reference) counted(k *rule, s *subject) []engine.UnixMilli {
	var times []engine.UnixMilli
	last := -1 // request of the last event a cooldown on draws has counted
	for _, e := range r.events {
		if !r.concerns(k, s, e) || !r.inWindow(k, s, e) {
			continue
		}
		if k.counts == engine.CountDraws && k.window.Kind == engine.WindowCooldown && e.request == last {
			continue // a cooldown counts a request once
		}
		last = e.request
		for range k.times(e) {
			times = append(times, e.at)
		}
	}
	return times
}

// times returns how often the rule counts an event that concerns it.
func (k *rule) times(e *event) (n int) {
	if k.counts == engine.CountDraws {
		return 1
	}
	for i := range e.wins {
		if k.prize == "" || k.prize == e.wins[i].prize {
			n++
		}
	}
	return n
}

func (r *Reference) concerns(k *rule, s *subject, e *event) bool {
	if !k.ofSame(s, e) {
		return false
	}
	if k.aggregate {
		return e.campaign.namespace == s.campaign.namespace && e.aggregate[k.id] && !e.freed["ns/"+k.id]
	}
	return e.campaign == s.campaign && e.caps[k.id] && !e.freed[k.id]
}

// ofSame reports whether an event has the subject's value of what the rule counts by.
func (k *rule) ofSame(s *subject, e *event) bool {
	switch k.scope {
	case engine.ScopeUser:
		return e.user == s.user
	case engine.ScopeDevice:
		return e.device != nil && s.device != nil && *e.device == *s.device
	case engine.ScopeIP:
		return e.ip != nil && s.ip != nil && *e.ip == *s.ip
	}
	n, _ := slot(k.scope)
	return e.hasBy&s.hasBy&(1<<n) != 0 && e.by[n] == s.by[n]
}

func (r *Reference) inWindow(k *rule, s *subject, e *event) bool {
	at := e.at
	switch k.window.Kind {
	case engine.WindowCampaign:
		return true
	case engine.WindowSession:
		return e.session == r.sessionStart(s.campaign, r.now)
	case engine.WindowRolling, engine.WindowCooldown:
		return r.now < at+engine.UnixMilli(k.window.Duration)
	}
	return k.zone.same(k.window.Kind, at, r.now)
}

// denial is a cap that a draw does not fit.
type denial struct {
	rule     rule
	used     uint32
	allowed  uint32
	resetsAt engine.UnixMilli // 0 for never
}

// limit returns what the cap says to n more: nil when they fit.
func (r *Reference) limit(k *rule, s *subject, n uint32) *denial {
	times := r.counted(k, s)
	used := uint32(len(times))
	if k.counts == engine.CountAmount {
		used = r.used(k, s)
	}
	if k.counts == engine.CountDraws && k.window.Kind == engine.WindowCooldown {
		if used == 0 {
			return nil // a request counts once, however many draws it makes
		}
		return &denial{rule: *k, used: used, resetsAt: times[len(times)-1] + engine.UnixMilli(k.window.Duration)}
	}
	if used+n <= k.limit {
		return nil
	}
	d := &denial{rule: *k, used: used, allowed: k.limit - min(used, k.limit)}
	switch {
	case n > k.limit:
		// Waiting does not help.
	case k.window.Kind == engine.WindowCampaign:
	case k.window.Kind == engine.WindowSession:
		d.resetsAt = r.nextSession(s.campaign)
	case k.window.Kind == engine.WindowRolling, k.window.Kind == engine.WindowCooldown:
		// When so many have left the window that n fit.
		d.resetsAt = times[used+n-k.limit-1] + engine.UnixMilli(k.window.Duration)
	default:
		d.resetsAt = k.zone.resets(k.window.Kind, r.now)
	}
	return d
}

// worst returns the denial to answer with when several caps are reached: the one that resets last, then the first.
func worst(all []*denial) *denial {
	until := func(d *denial) engine.UnixMilli {
		if d.resetsAt == 0 {
			return math.MaxInt64
		}
		return d.resetsAt
	}
	sort.SliceStable(all, func(i, j int) bool { return until(all[i]) > until(all[j]) })
	return all[0]
}

// capped returns the answer to a draw that does not fit some caps.
func (r *Reference) capped(c *campaign, all []*denial) Decided {
	allowed := uint32(math.MaxUint8)
	out := refuse(c.ref, problem.Capped)
	for _, d := range all {
		allowed = min(allowed, d.allowed)
	}
	d := worst(all)
	out.Result.Cap, out.Result.Used, out.Result.Limit = d.rule.index, d.used, d.rule.limit
	out.Result.Allowed, out.Result.ResetsAt, out.Result.Now = uint8(allowed), d.resetsAt, r.now
	return out
}
