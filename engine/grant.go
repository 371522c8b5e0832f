package engine

import (
	"fmt"

	"github.com/drawd/drawd/engine/internal/pages"
	"github.com/drawd/drawd/engine/problem"
)

// Grant gives a user chances for an event of the host's. Source and event are its idempotency key, for the life of the
// campaign, or of the purse.
type Grant struct {
	Campaign  CampaignRef  // for which it is, also when that draws on a purse; 0: straight into a purse
	Namespace NamespaceRef // of the purse, without a campaign
	Purse     string       // without a campaign
	User      Key
	UserID    []byte
	Source    string
	Event     string
	Amount    uint32
	// OccurredAt is when the event happened; 0 for now. EffectiveAt 0: at once. ExpiresAt 0: as the source says.
	OccurredAt, EffectiveAt, ExpiresAt UnixMilli
	Priority                           uint8 // SourcePriority: as the source says
	Actor                              string
	Reason                             string
}

// SourcePriority, as the priority of a grant, means the source's own.
const SourcePriority = 255

// Revoke takes back what a grant gave. What was spent already becomes debt, which the user's next grants pay.
type Revoke struct {
	Campaign      CampaignRef
	Namespace     NamespaceRef
	Purse         string
	User          Key
	UserID        []byte
	Source, Event string
	// ExpiresAt is when the grant's chances end or ended, as its record says; 0 for the campaign's end. Of chances that
	// have ended nothing is taken back.
	ExpiresAt UnixMilli
	Actor     string
	Reason    string
}

// GrantReason says why a grant gave less than it was asked for. Numbers are on disk and fit in three bits.
type GrantReason uint8

// The reasons.
const (
	GrantedAll        GrantReason = iota
	GrantDailyLimit               // the source's daily limit cut it
	GrantLateEvent                // the event is more than 24 h old
	GrantAfterEnd                 // the campaign has ended
	GrantExpired                  // the chances would have ended already
	grantReasonsCount = iota
)

var grantReasons = [grantReasonsCount]string{"", "daily_limit", "late_event", "ended", "expired"}

// String returns the wire name of r; empty for GrantedAll.
func (r GrantReason) String() string { return grantReasons[r] }

// GrantFault says which field of a refused grant is not valid: Result.Cap of InvalidField.
type GrantFault uint8

// The faults.
const (
	FaultSource    GrantFault = 1 + iota // the campaign or purse has no such source
	FaultOccurred                        // more than 5 s ahead of log time
	FaultEffective                       // not before the end of the chances
	FaultExpires                         // beyond what can be kept
)

const (
	grantLate  = 24 * hourMilli
	grantAhead = 5000
	// maxLotTime bounds begin and end of a lot: 32-bit seconds.
	maxLotTime = (neverEnds - 1) * 1000
)

// AddGrant appends a grant.
func (b *Batch) AddGrant(c *Grant) {
	w, start := b.begin(opGrant)
	w.owner(c.Campaign, c.Namespace, c.Purse, &c.User)
	w.bytes(c.UserID)
	w.str(c.Source)
	w.str(c.Event)
	w.u32(c.Amount)
	w.i64(int64(c.OccurredAt))
	w.i64(int64(c.EffectiveAt))
	w.i64(int64(c.ExpiresAt))
	w.u8(c.Priority)
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

// AddRevoke appends a revocation.
func (b *Batch) AddRevoke(c *Revoke) {
	w, start := b.begin(opRevoke)
	w.owner(c.Campaign, c.Namespace, c.Purse, &c.User)
	w.bytes(c.UserID)
	w.str(c.Source)
	w.str(c.Event)
	w.i64(int64(c.ExpiresAt))
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

func (w *writer) owner(c CampaignRef, n NamespaceRef, purse string, user *Key) {
	w.u32(uint32(c))
	w.u32(uint32(n))
	w.str(purse)
	w.raw(user[:])
}

func (r *reader) grant() (c Grant) {
	c.Campaign, c.Namespace, c.Purse, c.User = CampaignRef(r.u32()), NamespaceRef(r.u32()), r.str(MaxIDBytes), r.key()
	c.UserID, c.Source, c.Event = r.bytes(MaxUserBytes), r.str(MaxIDBytes), r.str(MaxEventBytes)
	c.Amount = r.u32()
	c.OccurredAt, c.EffectiveAt, c.ExpiresAt = UnixMilli(r.i64()), UnixMilli(r.i64()), UnixMilli(r.i64())
	c.Priority, c.Actor, c.Reason = r.u8(), r.str(MaxActorBytes), r.str(MaxReasonBytes)
	r.fail = r.fail || len(c.UserID) == 0 || c.Source == "" || c.Event == "" || c.Amount < 1 || c.Amount > MaxGrant
	return c
}

func (r *reader) revoke() (c Revoke) {
	c.Campaign, c.Namespace, c.Purse, c.User = CampaignRef(r.u32()), NamespaceRef(r.u32()), r.str(MaxIDBytes), r.key()
	c.UserID, c.Source, c.Event = r.bytes(MaxUserBytes), r.str(MaxIDBytes), r.str(MaxEventBytes)
	c.ExpiresAt, c.Actor, c.Reason = UnixMilli(r.i64()), r.str(MaxActorBytes), r.str(MaxReasonBytes)
	r.fail = r.fail || len(c.UserID) == 0 || c.Source == "" || c.Event == ""
	return c
}

// applyChances decides a grant or a revocation: like a draw it takes its user's shard and, of a campaign, its lock.
func (t *tx) applyChances(o op, body []byte) error {
	r := reader{b: body}
	var g Grant
	var v Revoke
	if o == opGrant {
		g = r.grant()
	} else {
		v = r.revoke()
		g = Grant{Campaign: v.Campaign, Namespace: v.Namespace, Purse: v.Purse, User: v.User, UserID: v.UserID, Source: v.Source, Event: v.Event}
	}
	if r.done() != nil {
		return fmt.Errorf("%w: operation %d", ErrDamagedEntry, o)
	}
	t.draw = Draw{User: g.User}
	for again := true; again; {
		t.lockShards(&t.draw)
		if again = t.late(); !again {
			again = t.decideChances(o, &g, &v)
		}
		t.unlockShards()
		if again { // as a library: a session's end comes before what is decided behind it
			t.catchUp()
		}
	}
	return nil
}

// decideChances decides a grant or a revocation. The user's shard is locked. As a library it reports true, having done nothing, when
// something is due first.
func (t *tx) decideChances(o op, g *Grant, v *Revoke) (again bool) {
	x, code := t.granting(g)
	if code != problem.OK {
		t.result = refuse(code)
		return false
	}
	if x.campaign != nil {
		t.lockCampaign(x.campaign)
		defer t.unlockCampaign(x.campaign)
	}
	return t.moveChances(o, g, v, &x)
}

// moveChances is decideChances under the campaign's lock. Whoever had it before may, as a library, have fenced the campaign, or
// tripped its guard, which can put another version in force.
func (t *tx) moveChances(o op, g *Grant, v *Revoke, x *granting) (again bool) {
	if c := x.campaign; c != nil && c.control.Load().fenced != "" {
		t.result = refuse(problem.CampaignFenced)
		return false
	}
	if t.library && !t.placeBefore(&t.world.turns) {
		return true
	}
	if o == opGrant {
		t.result = t.applyGrant(g, x)
	} else {
		t.result = t.applyRevoke(v, x)
	}
	t.result.Campaign = g.Campaign
	return false
}

// granting is what grants and revocations of one user move.
type granting struct {
	namespace *Namespace
	campaign  *Campaign // nil: straight into a purse
	account   *account
	sources   []sourcePlan
	zone      *zone  // of the daily limits
	purse     string // empty: the campaign's own chances
	keys      *rowTable
	digest    Key
	row       subject
}

// granting finds the account of a command. Chances of a campaign with a purse are the purse's: so is their key.
func (t *tx) granting(g *Grant) (x granting, code problem.Code) {
	purse := g.Purse
	if g.Campaign != 0 {
		if x.campaign = t.world.campaign(g.Campaign); x.campaign == nil {
			return x, problem.CampaignNotFound
		}
		x.namespace = x.campaign.namespace
		p := x.campaign.plan.Load()
		if p.chances == nil || p.chances.account == nil {
			return x, problem.Conflict
		}
		if x.campaign.control.Load().fenced != "" {
			return x, problem.CampaignFenced
		}
		x.account, x.sources, x.zone, x.keys = p.chances.account, p.chances.sources, &p.zone, x.campaign.keys
		purse = p.version.Chances.Purse
		x.row.find(t.world, x.campaign.tables[ScopeUser], &t.draw.User)
	} else if x.namespace = t.world.namespace(g.Namespace); x.namespace == nil {
		return x, problem.NamespaceNotFound
	}
	ref := g.Campaign
	if purse != "" {
		s := x.namespace.purse(purse)
		if s == nil {
			return x, problem.NotFound
		}
		x.account, x.sources, x.zone, x.keys = s.account, s.sources, &x.namespace.rules.Load().zone, x.namespace.purseKeys
		x.row.find(t.world, x.namespace.tables[ScopeUser], &t.draw.User)
		ref, x.purse = 0, purse
	} else if x.campaign == nil {
		return x, problem.NotFound
	}
	x.digest = x.namespace.keyer.grant(ref, purse, &g.User, g.Source, g.Event)
	return x, problem.OK
}

// applyGrant decides a grant. Every check comes before the first write.
func (t *tx) applyGrant(g *Grant, x *granting) Result {
	if k, ok := t.grantKey(x); ok {
		return Result{
			AlreadyLive: true, Replayed: true, At: k.at, Value: uint64(k.fingerprint & grantAmount), Cap: uint8(k.fingerprint >> grantReasonShift & 7),
			Limit: uint32(min(x.account.spendable(x.row.data, t.now, maxTime), MaxCapLimit)),
		}
	}
	if x.keys == nil || x.campaign != nil && x.campaign.over(t.now) && t.now >= x.campaign.endsAt(x.campaign.control.Load())+KeyRetention {
		return Result{Code: problem.Ended, Now: t.now}
	}
	s := findSource(x, g.Source)
	if s.ChanceSource == nil {
		return Result{Code: problem.InvalidField, Cap: uint8(FaultSource)}
	}
	occurred := g.OccurredAt
	if occurred == 0 {
		occurred = t.now
	}
	l, fault := t.lotOf(g, &s)
	switch {
	case occurred > t.now+grantAhead:
		fault = FaultOccurred
	case fault == 0 && l.end <= l.begin:
		fault = FaultEffective
	}
	if fault != 0 {
		return Result{Code: problem.InvalidField, Cap: uint8(fault)}
	}
	amount, reason := t.allow(g, x, &s, &l, occurred)
	l.remaining = amount
	if code := t.room(x, &l); code != problem.OK {
		return Result{Code: code}
	}
	paid := uint32(0)
	if amount > 0 {
		paid = t.book(x, l, &s, occurred)
	}
	at := t.at
	r := t.noteChances(x, RecordGrant, g, &chanceNote{
		reason: reason, paid: paid, occurred: occurred, lot: l, granted: amount, asked: g.Amount,
	})
	r.Value, r.Cap = uint64(amount), uint8(reason)
	t.keepGrant(x, keyRow{at, amount | uint32(reason)<<grantReasonShift})
	return r
}

// A grant's key remembers in its fingerprint what the grant gave and why not more, and whether it was taken back.
const (
	grantAmount      = 1<<28 - 1
	grantReasonShift = 28
	grantRevoked     = 1 << 31
)

func (t *tx) grantKey(x *granting) (k keyRow, ok bool) {
	if x.keys == nil {
		return k, false
	}
	part := x.keys.parts[t.world.shardOf(&x.digest)]
	row, ok := part.Find((*pages.Key)(&x.digest))
	if ok {
		k = getKeyRow(part.Payload(row))
	}
	return k, ok
}

func (t *tx) keepGrant(x *granting, k keyRow) {
	part := x.keys.parts[t.world.shardOf(&x.digest)]
	row, ok := part.Find((*pages.Key)(&x.digest))
	if !ok {
		row = part.Insert((*pages.Key)(&x.digest)) // counted by room
	}
	k.put(part.Mutable(row))
}

func findSource(x *granting, id string) sourcePlan {
	for i := range x.sources {
		if x.sources[i].ID == id {
			return x.sources[i]
		}
	}
	if id == ownSourceNames[sourceCompensation] { // grants by operators need no declaration
		return sourcePlan{&ChanceSource{ID: id}, sourceCompensation, -1}
	}
	return sourcePlan{}
}

// lotOf returns the lot that a grant asks for. Begin and end are rounded up to whole seconds.
func (t *tx) lotOf(g *Grant, s *sourcePlan) (l lot, fault GrantFault) {
	l = lot{end: neverEnds, priority: g.Priority, source: s.number}
	if g.Priority > MaxPriority {
		l.priority = s.Priority
	}
	begins := max(g.EffectiveAt, t.now)
	expires := g.ExpiresAt
	if expires == 0 && s.ExpiresAfter > 0 {
		expires = begins + UnixMilli(s.ExpiresAfter)
	}
	switch {
	case expires < 0 || expires > maxLotTime:
		return l, FaultExpires
	case g.EffectiveAt < 0 || begins > maxLotTime:
		return l, FaultEffective
	case expires > 0:
		l.end = uint32((expires + 999) / 1000)
	}
	if g.EffectiveAt > t.now {
		l.begin = uint32((g.EffectiveAt + 999) / 1000)
	}
	return l, 0
}

// allow returns how much of a grant is given, and why not more.
func (t *tx) allow(g *Grant, x *granting, s *sourcePlan, l *lot, occurred UnixMilli) (uint32, GrantReason) {
	switch {
	case x.campaign != nil && x.campaign.over(t.now):
		return 0, GrantAfterEnd
	case occurred < t.now-grantLate:
		return 0, GrantLateEvent
	case l.ended(t.now):
		return 0, GrantExpired
	case s.at < 0:
		return g.Amount, GrantedAll
	}
	given, late := uint32(0), false
	if x.row.data != nil {
		given, late = grantedOn(x.row.data[s.at:], x.day(occurred))
	}
	switch left := s.DailyLimit - min(given, s.DailyLimit); {
	case late:
		return 0, GrantLateEvent
	case left < g.Amount:
		return left, GrantDailyLimit
	}
	return g.Amount, GrantedAll
}

func (x *granting) day(at UnixMilli) uint32 {
	return windowOf(WindowDay, int64(at)+x.zone.offset(x.zone.segment(at)))
}

// room refuses a grant that cannot be booked or remembered, and counts the rows of one that can be: it is the last check.
func (t *tx) room(x *granting, l *lot) problem.Code {
	rules, users := x.namespace.rules.Load(), uint64(0)
	if x.purse == "" && x.row.data == nil {
		users = 1
	}
	if x.namespace.keys.Load() >= rules.maxKeys || users > 0 && x.namespace.users.Load() >= rules.maxUsers {
		return problem.Capacity
	}
	if code := t.bookable(x, l); code != problem.OK {
		return code
	}
	if l.remaining == 0 {
		users = 0 // a key only
	}
	if !x.namespace.countRows(rules, users, 1) {
		return problem.Capacity // as a library: somebody was first
	}
	return problem.OK
}

// bookable refuses a lot that the user's chances have no room for.
func (t *tx) bookable(x *granting, l *lot) problem.Code {
	c := &t.chances
	x.account.load(x.row.data, c)
	if sums := x.account.book.sums(); !c.sound() || !sums.sound() {
		return problem.CampaignFenced
	}
	c.tidy(t.now)
	rest := *l
	rest.remaining -= min(c.debt, rest.remaining)
	if uint64(c.granted)+uint64(l.remaining) > MaxCapLimit || !c.fits(&rest, x.account.limit) {
		return problem.ChancesFull
	}
	return problem.OK
}

// book does all of a grant. It returns what went into debt.
func (t *tx) book(x *granting, l lot, s *sourcePlan, occurred UnixMilli) (paid uint32) {
	x.row.open()
	c := &t.chances
	x.account.load(x.row.data, c)
	was := c.sums()
	c.tidy(t.now)
	paid = c.grant(l, x.account.limit)
	is := c.sums()
	x.account.save(x.row.data, c)
	x.account.book.move(&was, &is)
	if s.at >= 0 {
		countGrant(x.row.data[s.at:], x.day(occurred), l.remaining)
	}
	return paid
}

// applyRevoke takes a grant back.
func (t *tx) applyRevoke(v *Revoke, x *granting) Result {
	k, ok := t.grantKey(x)
	if !ok {
		return Result{Code: problem.KeyUnknown}
	}
	if k.fingerprint&grantRevoked != 0 {
		return Result{AlreadyLive: true, Limit: uint32(min(x.account.spendable(x.row.data, t.now, maxTime), MaxCapLimit))}
	}
	if x.campaign != nil && x.campaign.over(t.now) {
		return Result{Code: problem.Ended, Now: t.now}
	}
	if t.broken(x) {
		return Result{Code: problem.CampaignFenced}
	}
	amount := k.fingerprint & grantAmount
	end := uint32(neverEnds)
	if v.ExpiresAt > 0 && v.ExpiresAt <= maxLotTime {
		end = uint32((v.ExpiresAt + 999) / 1000)
	}
	note := chanceNote{asked: amount, lot: lot{end: end, source: x.account.sources.Load().number(v.Source)}}
	if amount > 0 && x.row.data != nil && !note.lot.ended(t.now) {
		x.row.open()
		c := &t.chances
		x.account.load(x.row.data, c)
		was := c.sums()
		c.tidy(t.now)
		note.granted = c.revoke(amount, note.lot.source, end)
		note.paid = amount - note.granted
		is := c.sums()
		x.account.save(x.row.data, c)
		x.account.book.move(&was, &is)
	}
	k.fingerprint |= grantRevoked
	t.keepGrant(x, k)
	g := Grant{UserID: v.UserID, Source: v.Source, Event: v.Event, Actor: v.Actor, Reason: v.Reason}
	r := t.noteChances(x, RecordRevoke, &g, &note)
	r.Value = uint64(note.granted)
	return r
}

func (t *tx) broken(x *granting) bool {
	x.account.load(x.row.data, &t.chances)
	sums := x.account.book.sums()
	return !t.chances.sound() || !sums.sound()
}
