package drawtest

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// grantKey is what a grant is known by, for the life of its account.
type grantKey struct {
	account
	user          engine.Key
	source, event string
}

// granted is what is remembered of a grant.
type granted struct {
	at      engine.Location
	amount  uint32
	reason  engine.GrantReason
	revoked bool
	end     engine.UnixMilli // never: with the campaign

	occurred engine.UnixMilli
	limited  bool // its source had a daily limit then
}

// accountFor finds the account of a grant or revocation. Chances of a campaign with a purse are the purse's.
func (r *Reference) accountFor(ref engine.CampaignRef, purse string) (a account, c *campaign, code problem.Code) {
	if ref == 0 {
		if r.purse(purse) == nil {
			return a, nil, problem.NotFound
		}
		return account{purse: purse}, nil, problem.OK
	}
	if c = r.campaign(ref); c == nil {
		return a, nil, problem.CampaignNotFound
	}
	a, counts := accountOf(c)
	if !counts {
		return a, c, problem.Conflict
	}
	return a, c, problem.OK
}

// sourceOf returns the source of a grant as it is declared now; nil for none. Compensations need no declaration.
func (r *Reference) sourceOf(a account, id string) *engine.ChanceSource {
	sources := []engine.ChanceSource(nil)
	if a.campaign != nil {
		sources = a.campaign.live().Chances.Sources
	} else {
		sources = r.purse(a.purse).Sources
	}
	for i := range sources {
		if sources[i].ID == id {
			return &sources[i]
		}
	}
	if id == "compensation" {
		return &engine.ChanceSource{ID: id}
	}
	return nil
}

// grant gives chances for an event, once (semantics.md §7).
func (r *Reference) grant(g *engine.Grant) Decided {
	a, c, code := r.accountFor(g.Campaign, g.Purse)
	if code != problem.OK {
		return refuse(0, code)
	}
	key := grantKey{a, g.User, g.Source, g.Event}
	w := r.wallet(a, g.User)
	if k := r.grants[key]; k != nil {
		return Decided{Result: engine.Result{
			Campaign: g.Campaign, AlreadyLive: true, Replayed: true, At: k.at, Value: uint64(k.amount), Cap: uint8(k.reason), Limit: uint32(w.left()),
		}}
	}
	if c != nil && r.forgotten(c) {
		out := refuse(g.Campaign, problem.Ended)
		out.Result.Now = r.now
		return out
	}
	s := r.sourceOf(a, g.Source)
	if s == nil {
		return faulty(g, engine.FaultSource)
	}
	k := &granted{at: r.here(0), occurred: g.OccurredAt, limited: s.DailyLimit > 0}
	if k.occurred == 0 {
		k.occurred = r.now
	}
	l, fault := r.lotFor(a, g, s)
	if k.occurred > r.now+5*second {
		fault = engine.FaultOccurred
	}
	if fault != 0 {
		return faulty(g, fault)
	}
	k.end = l.end
	k.amount, k.reason = r.allowed(g, a, c, s, k, l)
	l.left = uint64(k.amount)
	if code := r.roomFor(a, c, w, l, g.User); code != problem.OK {
		return refuse(g.Campaign, code)
	}
	paid := uint64(0)
	if k.amount > 0 {
		paid = w.grant(l, r.most(a))
	}
	r.grants[key] = k
	out := r.noteGrant(engine.RecordGrant, g, a, w.left(), engine.GrantNote{
		Reason: k.reason, Debt: uint32(paid), OccurredAt: k.occurred, BeginsAt: l.begin, ExpiresAt: l.end, Priority: l.priority,
	})
	out.Result.Value, out.Result.Cap = uint64(k.amount), uint8(k.reason)
	out.Records[0].Delta, out.Records[0].Total = int64(k.amount), engine.Quantity(g.Amount)
	return out
}

func faulty(g *engine.Grant, fault engine.GrantFault) Decided {
	out := refuse(g.Campaign, problem.InvalidField)
	out.Result.Cap = uint8(fault)
	return out
}

// lotFor returns the lot that a grant asks for.
func (r *Reference) lotFor(a account, g *engine.Grant, s *engine.ChanceSource) (l lot, fault engine.GrantFault) {
	l = lot{end: never, priority: g.Priority, source: r.number(a, g.Source)}
	if g.Priority == engine.SourcePriority {
		l.priority = s.Priority
	}
	begins, expires := max(g.EffectiveAt, r.now), g.ExpiresAt
	if expires == 0 && s.ExpiresAfter > 0 {
		expires = begins + engine.UnixMilli(s.ExpiresAfter)
	}
	switch {
	case expires < 0 || expires > latest:
		return l, engine.FaultExpires
	case expires > 0:
		l.end = seconds(expires)
	}
	if g.EffectiveAt > r.now {
		l.begin = seconds(g.EffectiveAt)
	}
	if l.begin >= l.end {
		return l, engine.FaultEffective
	}
	return l, 0
}

// allowed returns how much of a grant is given, and why not more.
func (r *Reference) allowed(g *engine.Grant, a account, c *campaign, s *engine.ChanceSource, k *granted, l lot) (uint32, engine.GrantReason) {
	switch {
	case c != nil && r.over(c):
		return 0, engine.GrantAfterEnd
	case k.occurred < r.now-24*hour:
		return 0, engine.GrantLateEvent
	case l.end <= r.now:
		return 0, engine.GrantExpired
	case s.DailyLimit == 0:
		return g.Amount, engine.GrantedAll
	}
	z := zone(r.policies[1].Transitions)
	if a.campaign != nil {
		z = a.campaign.live().Transitions
	}
	sum := uint32(0)
	for key, other := range r.grants {
		if key.account == a && key.user == g.User && key.source == g.Source && other.limited && z.same(engine.WindowDay, other.occurred, k.occurred) {
			sum += other.amount
		}
	}
	if left := s.DailyLimit - min(sum, s.DailyLimit); left < g.Amount {
		return left, engine.GrantDailyLimit
	}
	return g.Amount, engine.GrantedAll
}

// roomFor says why a grant cannot be booked or remembered.
func (r *Reference) roomFor(a account, c *campaign, w *wallet, l lot, user engine.Key) problem.Code {
	if r.keysFull(1) || a.campaign != nil && !r.knows(c, user) && r.users(1) >= r.maxUsers(1) {
		return problem.Capacity
	}
	l.left -= min(w.debt, l.left)
	if _, ok := w.put(l, r.most(a)); !ok {
		return problem.ChancesFull
	}
	return problem.OK
}

// noteGrant makes the answer and the record of a grant or revocation.
func (r *Reference) noteGrant(kind engine.RecordKind, g *engine.Grant, a account, left uint64, n engine.GrantNote) Decided {
	n.Remaining = uint32(min(left, engine.MaxCapLimit))
	n.Source, n.Event, n.Purse = []byte(g.Source), []byte(g.Event), []byte(a.purse)
	if n.ExpiresAt == never {
		n.ExpiresAt = 0
	}
	rec := engine.Record{
		Kind: kind, Campaign: g.Campaign, At: r.now, Name: g.UserID, Actor: []byte(g.Actor), Reason: []byte(g.Reason),
	}
	if c := r.campaign(g.Campaign); c != nil {
		rec.Version = c.live().Number
	} else {
		rec.Namespace = 1
	}
	return Decided{
		Result:  engine.Result{Campaign: g.Campaign, At: r.here(0), Records: 1, Limit: n.Remaining, Used: n.Debt},
		Records: []engine.Record{rec},
		Grant:   &n,
	}
}

// revoke takes a grant back, once.
func (r *Reference) revoke(v *engine.Revoke) Decided {
	a, c, code := r.accountFor(v.Campaign, v.Purse)
	if code != problem.OK {
		return refuse(0, code)
	}
	k := r.grants[grantKey{a, v.User, v.Source, v.Event}]
	w := r.wallet(a, v.User)
	switch {
	case k == nil:
		return refuse(v.Campaign, problem.KeyUnknown)
	case k.revoked:
		return Decided{Result: engine.Result{Campaign: v.Campaign, AlreadyLive: true, Limit: uint32(w.left())}}
	case c != nil && r.over(c):
		out := refuse(v.Campaign, problem.Ended)
		out.Result.Now = r.now
		return out
	}
	k.revoked = true
	end, taken, debt := never, uint64(0), uint64(0)
	if v.ExpiresAt > 0 { // the caller tells what the record of the grant says
		end = seconds(v.ExpiresAt)
	}
	if end > r.now { // of what has ended nothing is owed
		taken = w.revoke(uint64(k.amount), r.number(a, v.Source), end)
		debt = uint64(k.amount) - taken
	}
	g := engine.Grant{Campaign: v.Campaign, UserID: v.UserID, Source: v.Source, Event: v.Event, Actor: v.Actor, Reason: v.Reason}
	out := r.noteGrant(engine.RecordRevoke, &g, a, w.left(), engine.GrantNote{Debt: uint32(debt), ExpiresAt: end})
	out.Result.Value = taken
	out.Records[0].Delta, out.Records[0].Total = int64(taken), engine.Quantity(k.amount)
	return out
}
