package drawtest

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// publish makes a version live (semantics.md §3 and §10).
func (r *Reference) publish(p *engine.Publish, seed [16]byte) Decided {
	c := r.called(p.Version.Campaign)
	if c == nil {
		c = r.newCampaign(p, seed)
	}
	if len(c.versions) > 0 && identical(c.live(), p.Version) {
		return Decided{Result: engine.Result{Campaign: c.ref, AlreadyLive: true, Value: uint64(c.live().Number)}}
	}
	before, drips := c.copyBooks(), c.drips
	if code := r.admit(c, p.Version, r.now); code != problem.OK {
		return refuse(r.refOf(c), code)
	}
	if !expects(c, p.Expect) {
		c.stock, c.reserves, c.drips = before.stock, before.reserves, drips
		out := refuse(r.refOf(c), problem.VersionConflict)
		out.Result.Value = uint64(len(c.versions))
		return out
	}
	c.dropPrizes(p.Version)
	if len(c.versions) == 0 {
		r.campaigns = append(r.campaigns, c)
	}
	c.bounded = c.bounded || asksForMoney(p.Version)
	c.boundsUsers = c.boundsUsers || p.Version.Budget.User > 0
	c.openChances(r, p.Version)
	c.claimSlots(p.Version)
	c.openBoxes(p.Version)
	c.paced = nil
	if p.Version.Guard == nil {
		c.burnt = nil
	}
	v := *p.Version
	v.Number = uint32(len(c.versions) + 1)
	c.versions = append(c.versions, &v)
	return Decided{
		Result: engine.Result{Campaign: c.ref, At: r.here(0), Records: 1, Value: uint64(v.Number)},
		Records: []engine.Record{{
			Kind: engine.RecordPublish, Campaign: c.ref, Version: v.Number, At: r.now,
			Actor: []byte(p.Actor), Reason: []byte(p.Reason),
		}},
	}
}

func (r *Reference) newCampaign(p *engine.Publish, seed [16]byte) *campaign {
	return &campaign{
		ref: engine.CampaignRef(len(r.campaigns) + 1), namespace: p.Namespace, id: p.Version.Campaign, seed: seed, stock: map[string]*books{},
		reserves: map[setAside]*slice{}, drips: map[string]*drip{}, voided: map[uint64]engine.VoidFault{}, dealt: map[*event]bool{}, off: map[string]bool{},
	}
}

// expects reports whether a publish was compared with the version that is live.
func expects(c *campaign, number uint32) bool {
	return number == 0 || int(number) == len(c.versions) || number == engine.NoVersion && len(c.versions) == 0
}

// admit says why a version cannot become live at a time, as everything is now. When it can, its stock is opened.
func (r *Reference) admit(c *campaign, v *engine.Version, at engine.UnixMilli) problem.Code {
	now := r.now
	defer func() { r.now = now }()
	r.now = at
	if len(c.versions) > 0 && r.over(c) {
		return problem.Ended // an end is final: its seed will be shown
	}
	if !r.chancesFit(c.id, v) || !r.pitiesAgree(c.id, v) {
		return problem.InvalidCampaign
	}
	opening := openings(v)
	for i, o := range opening {
		if uniqueCodes(v, o.cell) && c.stock[o.cell] == nil && o.stock == engine.StockUnstated {
			opening[i].stock = 0 // its stock is its codes
		}
	}
	for _, o := range opening {
		if b := c.stock[o.cell]; b == nil && o.stock == engine.StockUnstated {
			return problem.InvalidCampaign
		} else if b != nil && o.stock != engine.StockUnstated && o.stock != b.opening() {
			return problem.StockChanged
		}
	}
	before, drips := c.copyBooks(), c.drips
	for _, o := range opening {
		if c.stock[o.cell] != nil {
			continue
		}
		b := &books{unlimited: o.stock == engine.Unlimited, available: max(o.stock, 0)}
		if o.ends <= at { // a session that was over before it was published never had anything to give
			b.available, b.expired = 0, b.available
		}
		c.stock[o.cell] = b
	}
	if !c.setAsides(v) || !c.openDrips(v, before.stock) || !c.sharable(v) || !c.everyUnitHasACode(v) {
		c.stock, c.reserves, c.drips = before.stock, before.reserves, drips
		return problem.InvalidCampaign
	}
	return problem.OK
}

// opening is what a version states of some units.
type opening struct {
	cell, prize string
	stock       engine.Quantity
	ends        engine.UnixMilli // of the session that they belong to
}

// openings lists the units of a version: those of prizes, and those that sessions have of their own. A prize whose units all
// belong to sessions has none itself.
func openings(v *engine.Version) (out []opening) {
	shared, some := map[int16]bool{}, map[int16]bool{}
	for i := range v.Sessions {
		s := &v.Sessions[i]
		for _, p := range v.Sets[s.Set] {
			some[p.Prize] = true
			if p.Stock == engine.StockShared {
				shared[p.Prize] = true
				continue
			}
			id := v.Prizes[p.Prize].ID
			out = append(out, opening{s.ID + "/" + id, id, p.Stock, s.EndsAt})
		}
	}
	// A set that no session has decides about prizes all the same: it stands in the file.
	for _, set := range v.Sets {
		for _, p := range set {
			some[p.Prize] = true
			shared[p.Prize] = shared[p.Prize] || p.Stock == engine.StockShared
		}
	}
	for i := range v.Prizes {
		if p := &v.Prizes[i]; shared[int16(i)] || !some[int16(i)] {
			out = append(out, opening{p.ID, p.ID, p.Stock, never})
		}
	}
	return out
}

// sessionOf returns the session of the version that units belong to, nil for those of a prize itself.
func sessionOf(v *engine.Version, cell string) *engine.Session {
	id, _, own := strings.Cut(cell, "/")
	for i := range v.Sessions {
		if own && v.Sessions[i].ID == id {
			return &v.Sessions[i]
		}
	}
	return nil
}

// opening returns what a version must state of units that are there: what other sessions left is not in a file.
func (b *books) opening() engine.Quantity {
	if b.unlimited {
		return engine.Unlimited
	}
	return b.total() - b.carried
}

// copyBooks returns the stock and the reserves as they are.
func (c *campaign) copyBooks() campaign {
	out := campaign{stock: map[string]*books{}, reserves: map[setAside]*slice{}}
	for id, b := range c.stock {
		books := *b
		out.stock[id] = &books
	}
	for k, s := range c.reserves {
		slice := *s
		out.reserves[k] = &slice
	}
	return out
}

// refOf returns the number of a campaign, none for one that does not exist yet.
func (r *Reference) refOf(c *campaign) engine.CampaignRef {
	if len(c.versions) == 0 {
		return 0
	}
	return c.ref
}

// over reports whether a campaign has ended for good. One that is paused may still be extended by its pause.
func (r *Reference) over(c *campaign) bool { return r.now >= c.endsAt() && (c.ended || !c.paused) }

// identical reports whether two versions say the same: number, hash and salt are not what they say.
func identical(live, next *engine.Version) bool {
	a, b := *live, *next
	a.Number, a.Hash, a.Salt = 0, [32]byte{}, [16]byte{}
	b.Number, b.Hash, b.Salt = 0, [32]byte{}, [16]byte{}
	if fmt.Sprintf("%+v", a.Chances) != fmt.Sprintf("%+v", b.Chances) {
		return false
	}
	if fmt.Sprintf("%+v", a.Audience) != fmt.Sprintf("%+v", b.Audience) {
		return false
	}
	if (a.Guard == nil) != (b.Guard == nil) || a.Guard != nil && *a.Guard != *b.Guard {
		return false
	}
	a.Chances, b.Chances, a.Audience, b.Audience, a.Guard, b.Guard = nil, nil, nil, nil, nil, nil
	return fmt.Sprint(a) == fmt.Sprint(b)
}

// dropPrizes withdraws what is available of the prizes that the next version no longer has.
func (c *campaign) dropPrizes(next *engine.Version) {
	keeps := map[string]bool{}
	for _, o := range openings(next) {
		keeps[o.cell] = true
	}
	for id, b := range c.stock {
		if !keeps[id] && !b.unlimited {
			b.withdrawn += b.available + b.unreleased
			b.available, b.unreleased = 0, 0
		}
	}
}

// control pauses, resumes or ends. Repeating it succeeds and changes nothing.
func (r *Reference) control(k *engine.Control) Decided {
	c := r.campaign(k.Campaign)
	if c == nil {
		return refuse(0, problem.CampaignNotFound)
	}
	nothing := Decided{Result: engine.Result{Campaign: c.ref, AlreadyLive: true}}
	tooLate := refuse(c.ref, problem.Ended)
	tooLate.Result.Now = r.now
	switch k.Action {
	case engine.ActionPause:
		if r.over(c) {
			return tooLate
		}
		if c.paused {
			return nothing
		}
		c.paused, c.pausedAt = true, r.now
	case engine.ActionResume:
		if !c.paused {
			return nothing
		}
		if r.over(c) { // but not when the end came during the pause: that is what extend_by_pause is for
			return tooLate
		}
		c.paused = false
		if k.ExtendByPause {
			c.extension += max(0, r.now-max(c.pausedAt, c.live().StartsAt)) // what was lost: before the start nothing was
		}
		r.displace(c, c.pausedAt)
		c.pausedAt = 0
	case engine.ActionEnd:
		if r.over(c) {
			return nothing
		}
		c.ended, c.endedAt, c.paused = true, r.now, false
	}
	return Decided{
		Result: engine.Result{Campaign: c.ref, At: r.here(0), Records: 1},
		Records: []engine.Record{{
			Kind: engine.RecordControl, Campaign: c.ref, Version: c.live().Number, At: r.now, Name: []byte(k.Action.String()),
			Actor: []byte(k.Actor), Reason: []byte(k.Reason),
		}},
	}
}

// adjustFingerprint is what an adjust under a used key must repeat.
type adjustFingerprint struct {
	prize string
	delta engine.Quantity
}

// adjust changes a prize's stock by a delta.
func (r *Reference) adjust(a *engine.Adjust) Decided {
	c := r.campaign(a.Campaign)
	if c == nil {
		return refuse(0, problem.CampaignNotFound)
	}
	print := adjustFingerprint{a.Prize, a.Delta}
	if known := r.keys[a.Digest]; known != nil {
		return replay(c, known, print)
	}
	b := c.stock[a.Prize]
	if b == nil || !c.lists(a.Prize) {
		return refuse(c.ref, problem.PrizeNotFound)
	}
	if c.box(a.Prize) != nil {
		return refuse(c.ref, problem.Conflict) // its stock is its codes
	}
	if s := sessionOf(c.live(), a.Prize); s != nil && c.sessionEnd(s) <= c.closed {
		out := refuse(c.ref, problem.Ended)
		out.Result.Now = r.now
		return out
	}
	if b.unlimited || b.available+a.Delta < 0 {
		return refuse(c.ref, problem.InsufficientStock)
	}
	if r.forgotten(c) { // the key could not be remembered
		out := refuse(c.ref, problem.Ended)
		out.Result.Now = r.now
		return out
	}
	if b.total()+a.Delta > engine.MaxStock || bits.Len64(uint64(b.total())) > 62 {
		return refuse(c.ref, problem.InvalidField)
	}
	if r.keysFull(c.namespace) {
		return refuse(c.ref, problem.Capacity)
	}
	b.available += a.Delta
	c.seq++
	r.keys[a.Digest] = &answer{campaign: c, at: r.here(0), records: 1, fingerprint: print, total: uint64(b.total())}
	return Decided{
		Result: engine.Result{Campaign: c.ref, At: r.here(0), Records: 1, Value: uint64(b.total())},
		Records: []engine.Record{{
			Kind: engine.RecordAdjust, Campaign: c.ref, Version: c.live().Number, Seq: c.seq, At: r.now,
			Name: []byte(a.Prize), Delta: int64(a.Delta), Actor: []byte(a.Actor), Reason: []byte(a.Reason),
			Total: engine.Quantity(b.total()),
		}},
	}
}

// lists reports whether the live version has units of this name.
func (c *campaign) lists(cell string) bool {
	for _, o := range openings(c.live()) {
		if o.cell == cell {
			return true
		}
	}
	return false
}

// policy replaces the namespace's policy.
func (r *Reference) policy(p *engine.PutPolicy) Decided {
	live := r.policies[p.Namespace]
	if live == nil {
		return refuse(0, problem.NamespaceNotFound)
	}
	if p.Expect != engine.AnyRevision && p.Expect != live.Revision {
		out := refuse(0, problem.VersionConflict)
		out.Result.Value = live.Revision
		return out
	}
	if !keepsPurses(live, p.Policy) {
		return refuse(0, problem.InvalidField)
	}
	for i := range p.Policy.Purses {
		r.declare(account{purse: p.Policy.Purses[i].ID}, p.Policy.Purses[i].Sources)
	}
	since := map[string]engine.UnixMilli{}
	for i := range p.Policy.AggregateCaps {
		id := p.Policy.AggregateCaps[i].ID
		if at, known := r.since[id]; known {
			since[id] = at
		} else if since[id] = -never; r.users(1) > 0 {
			since[id] = r.now
		}
	}
	r.since = since
	next := *p.Policy
	next.Revision = live.Revision + 1
	r.policies[p.Namespace] = &next
	return Decided{
		Result: engine.Result{At: r.here(0), Records: 1, Value: next.Revision},
		Records: []engine.Record{{
			Kind: engine.RecordPolicy, Namespace: p.Namespace, At: r.now, Name: []byte("default"), Actor: []byte(p.Actor), Delta: int64(next.Revision),
		}},
	}
}

// abandon answers what happened under a key, or makes sure that nothing ever will.
func (r *Reference) abandon(a *engine.Abandon) Decided {
	c := r.campaign(a.Campaign)
	if c == nil {
		return refuse(0, problem.CampaignNotFound)
	}
	if r.forgotten(c) {
		return refuse(c.ref, problem.KeyUnknown) // nobody knows any more, and nothing can be drawn
	}
	if known := r.keys[a.Digest]; known != nil {
		return replay(c, known, known.fingerprint)
	}
	if r.keysFull(c.namespace) {
		return refuse(c.ref, problem.Capacity)
	}
	r.keys[a.Digest] = &answer{campaign: c, abandoned: true}
	return Decided{
		Result: engine.Result{Code: problem.KeyAbandoned, Campaign: c.ref, At: r.here(0), Records: 1},
		Records: []engine.Record{{
			Kind: engine.RecordAbandon, Campaign: c.ref, Version: c.live().Number, At: r.now, Name: a.UserID, Actor: []byte(a.Actor),
		}},
	}
}
