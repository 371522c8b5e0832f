package drawtest

import (
	"fmt"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// diffStock compares what a record says was moved in pools, or why nothing was.
func diffStock(what string, got *engine.Record, want *Decided) string {
	if want.Moves == nil {
		return ""
	}
	moves, ok := got.Moves()
	if !ok {
		return what + ": the engine's record tells of no moves"
	}
	if d := same(what+" moves", moves, *want.Moves); d != "" {
		return d
	}
	refusal, refused := got.HoldRefusal()
	if refused != (want.Refused != nil) {
		return fmt.Sprintf("%s: a refusal for the engine %v, for the reference %v", what, refused, !refused)
	}
	if refused {
		x := *want.Refused
		x.At = engine.Location{}
		got.Flags, got.Delta, got.Total = 0, 0, 0 // they were decoded
		return same(what+" refusal", refusal, x)
	}
	return ""
}

// observeStock compares pools; with a command, also what it was about.
func (p *pair) observeStock(s *Stock, whole bool) string {
	ns, _ := p.Engine.Namespace("default")
	if got := len(ns.Pools()); got != len(p.ref.pools) {
		return fmt.Sprintf("pools: engine %d, reference %d", got, len(p.ref.pools))
	}
	if s == nil && !whole {
		return ""
	}
	for _, rp := range p.ref.pools {
		if d := p.observePool(ns, rp); d != "" {
			return d
		}
	}
	if s == nil {
		return ""
	}
	digest, owner := s.Of, s.Owner
	switch {
	case s.Hold != nil:
		digest, owner = s.Hold.Digest, s.Hold.Owner
	case s.Take != nil:
		digest, owner = s.Take.Digest, s.Take.Owner
	case s.Adjust != nil || s.Pool != nil:
		return ""
	}
	for _, rp := range p.ref.pools {
		if d := p.observeOwner(ns, rp, owner); d != "" {
			return d
		}
	}
	return p.observeHold(ns, digest, owner)
}

func (p *pair) observePool(ns *engine.Namespace, rp *pool) string {
	ep, ok := ns.Pool([]byte(rp.id))
	if !ok || ep.Ref() != rp.ref {
		return "pool " + rp.id + ": not in the engine"
	}
	held := p.ref.held(rp, p.ref.now)
	want := engine.PoolStock{
		Seq: rp.seq, Epoch: rp.rises, Total: rp.total, Available: p.ref.available(rp), Held: held, Issued: p.ref.issued(rp), Withdrawn: rp.withdrawn,
	}
	if d := same("pool "+rp.id, ep.Stock(), want); d != "" {
		return d
	}
	if sum := want.Available + want.Held + want.Issued + want.Withdrawn; sum != want.Total || want.Available < 0 {
		return fmt.Sprintf("pool %s does not add up in the reference: %+v", rp.id, want)
	}
	return ""
}

func (p *pair) observeOwner(ns *engine.Namespace, rp *pool, owner engine.Key) string {
	ep, _ := ns.Pool([]byte(rp.id))
	use, open := p.Engine.Owner(ep, owner)
	if d := same("owner of "+rp.id, use, p.ref.ownerUse(owner, rp)); d != "" {
		return d
	}
	var want []*hold
	for i := len(p.ref.holds) - 1; i >= 0; i-- {
		if h := p.ref.holds[i]; h.owner == owner && h.open(p.ref.now) {
			want = append(want, h)
		}
	}
	if len(open) != len(want) {
		return fmt.Sprintf("owner has %d open holds in the engine, %d in the reference", len(open), len(want))
	}
	for i := range open {
		if d := same("open hold", open[i], p.ref.view(want[i])); d != "" {
			return d
		}
	}
	return ""
}

// view is a hold as it is shown.
func (r *Reference) view(h *hold) engine.HoldView {
	v := engine.HoldView{Ref: engine.RefOf(h.at, &h.owner), State: h.state, Taken: h.taken, Part: h.part, Count: uint8(len(h.items))}
	copy(v.Owner[:], h.owner[:])
	for i, x := range h.items {
		v.Items[i] = engine.Item{Pool: x.pool.ref, Units: x.units}
	}
	switch {
	case h.open(r.now):
		v.Deadline, v.Latest = h.deadline, h.latest
	case h.state == engine.StateHeld:
		v.State, v.Deadline, v.Latest = engine.StateExpired, h.deadline, h.latest
	default:
		v.ResolvedAt = h.resolved
	}
	return v
}

func (p *pair) observeHold(ns *engine.Namespace, digest, owner engine.Key) string {
	at, refused, code := p.Engine.FindHoldKey(ns, digest)
	k := p.ref.stockKeys[digest]
	if k == nil || p.ref.holdGone(k.made) {
		if code != problem.KeyUnknown {
			return fmt.Sprintf("key of a hold: engine %v %v, the reference has forgotten it", at, code)
		}
		return ""
	}
	if code != problem.OK || at != k.at || refused != k.code {
		return fmt.Sprintf("key of a hold: engine %v %v %v, reference %+v", at, refused, code, k)
	}
	got, ok := p.Engine.Hold(ns, engine.RefOf(k.at, &owner))
	if ok != (k.hold != nil) {
		return fmt.Sprintf("hold: the engine has it %v, reference %+v", ok, k)
	}
	if k.hold == nil {
		return ""
	}
	return same("hold", got, p.ref.view(k.hold))
}
