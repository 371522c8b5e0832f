package engine

import (
	"bytes"

	"github.com/drawd/drawd/engine/problem"
)

// A defensive version is one that is ready for the day on which a campaign gives too much: it was checked against the live
// version, and approved where the policy asks for that, when nobody was in a hurry. One person, or the guard, makes it
// live in one step. It takes something from users, so it is forced: its reason is shown to everybody.
//
// It is set against one live version. Once another one is live nobody has compared the two, and it does not fit any more.

// SetDefensive sets a campaign's defensive version in place of the one before; without a version it takes that away.
type SetDefensive struct {
	Campaign CampaignRef
	Version  *Version // nil to take it away
	Against  uint32   // number of the live version that it was compared with
	Actor    string
	Reason   string // for everybody to see once it is live
}

// Defend makes a campaign's defensive version live.
type Defend struct {
	Campaign CampaignRef
	Actor    string
	Reason   string // of the record
}

// shield is a defensive version that stands. It is never changed.
type shield struct {
	against uint32
	salt    [16]byte
	at      UnixMilli
	actor   string
	reason  string
	form    []byte
}

func (s *shield) version() *Version {
	r := reader{b: s.form}
	v := r.form()
	v.Salt = s.salt
	return v
}

func defensiveSubject(campaign string) string {
	return "set the defensive version campaign/" + campaign
}

// AddSetDefensive appends the setting of a defensive version.
func (b *Batch) AddSetDefensive(c *SetDefensive) {
	w, start := b.begin(opDefensive)
	w.u32(uint32(c.Campaign))
	w.u32(c.Against)
	w.str(c.Actor)
	w.str(c.Reason)
	if c.Version != nil {
		w.raw(c.Version.Salt[:])
		w.appendForm(c.Version)
	}
	b.end(w, start)
}

// AddDefend appends the switch to the defensive version.
func (b *Batch) AddDefend(c *Defend) {
	w, start := b.begin(opDefend)
	w.u32(uint32(c.Campaign))
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

// applyDefensive decides the commands of this file. Every shard is locked.
func (t *tx) applyDefensive(o op, r *reader) (res Result, err error) {
	if o == opDefend {
		c := Defend{CampaignRef(r.u32()), r.str(MaxActorBytes), r.str(MaxReasonBytes - len(ForcedPrefix))}
		if err = r.done(); err == nil {
			res = t.applyDefend(&c)
		}
		return res, err
	}
	body := r.b
	c := SetDefensive{Campaign: CampaignRef(r.u32()), Against: r.u32(), Actor: r.str(MaxActorBytes), Reason: r.str(MaxReasonBytes)}
	s := &shield{against: c.Against, actor: c.Actor, reason: c.Reason}
	if len(r.b) > 0 {
		s.salt, s.form = r.key(), clone(r.b)
		c.Version = r.form()
	}
	if err = r.done(); err == nil {
		res = t.applySetDefensive(&c, s, body)
	}
	return res, err
}

// applySetDefensive sets a campaign's defensive version, asks for its approval, or takes it away.
func (t *tx) applySetDefensive(c *SetDefensive, s *shield, body []byte) Result {
	a := t.world.campaign(c.Campaign)
	if a == nil {
		return refuse(problem.CampaignNotFound)
	}
	n, r, old, flags := a.namespace, Result{Campaign: a.ref}, a.shield.Load(), uint32(0)
	switch {
	case c.Version != nil:
		if r.Code = a.fits(s, c.Version, t.now); r.Code != problem.OK {
			return r
		}
		if old != nil && old.against == s.against && old.reason == s.reason && bytes.Equal(old.form, s.form) {
			r.AlreadyLive = true
			return r
		}
		if n.Policy().Approvals > 0 && t.approved != byPeople {
			return t.ask(n, opDefensive, body, defensiveSubject(a.id), c.Actor, c.Reason, false, r)
		}
		s.at = t.now
		a.shield.Store(s)
		n.acts.drop(defensiveSubject(a.id))
		t.world.settle(t.now)
	case old == nil:
		r.Code = problem.NotFound
		return r
	default:
		a.shield.Store(nil)
		flags = DefensiveDropped
		s.against = old.against
	}
	return t.note(Record{
		Kind: RecordDefensive, Campaign: a.ref, Version: a.Version().Number, Name: []byte(a.id), Actor: []byte(c.Actor), Reason: []byte(c.Reason),
		Delta: int64(s.against), Flags: flags,
	}, r)
}

// fits reports whether a version can stand as the campaign's defensive one. It takes the campaign's lock.
func (c *Campaign) fits(s *shield, v *Version, now UnixMilli) problem.Code {
	c.mu.Lock() // for readers of the books
	defer c.mu.Unlock()
	switch live := c.Version(); {
	case v.Campaign != c.id:
		return problem.InvalidField
	case live.Number != s.against || bytes.Equal(formOf(live), s.form):
		return problem.Conflict
	}
	_, code, _ := c.namespace.admit(v, now)
	return code
}

func (t *tx) applyDefend(c *Defend) Result {
	a := t.world.campaign(c.Campaign)
	if a == nil {
		return refuse(problem.CampaignNotFound)
	}
	return t.defend(a, c.Actor, c.Reason)
}

// defend makes the defensive version live, as a version of its own. Every shard is locked. Without one it is not_found;
// one that does not fit the live version is a conflict.
func (t *tx) defend(a *Campaign, actor, reason string) Result {
	s := a.shield.Load()
	switch {
	case s == nil:
		return Result{Code: problem.NotFound, Campaign: a.ref}
	case s.against != a.Version().Number:
		return Result{Code: problem.Conflict, Campaign: a.ref}
	}
	c := Publish{Namespace: a.namespace.ref, Version: s.version(), Actor: actor, Reason: ForcedPrefix + s.reason}
	r := t.makeLive(&c, s.form)
	if r.Code != problem.OK {
		return r
	}
	a.shield.Store(nil)
	t.world.settle(t.now)
	return t.note(Record{
		Kind: RecordPublish, Campaign: a.ref, Version: c.Version.Number, Actor: []byte(actor), Reason: []byte(ForcedPrefix + reason), Flags: PublishDefensive,
	}, r)
}

// Defensive is a defensive version that stands.
type Defensive struct {
	Against uint32 // number of the live version that it was set against
	Version *Version
	At      UnixMilli
	Actor   string
	Reason  string
}

// Defensive returns the campaign's defensive version, or nil.
func (c *Campaign) Defensive() *Defensive {
	s := c.shield.Load()
	if s == nil {
		return nil
	}
	return &Defensive{s.against, s.version(), s.at, s.actor, s.reason}
}

// DefensiveFits reports why the defensive version cannot be switched on at now: problem.OK, not_found, conflict where
// another version is live than it was set against, or what a publish would be refused with. It takes locks.
func (c *Campaign) DefensiveFits(now UnixMilli) problem.Code {
	mu := &c.world.shards[0].mu // whoever publishes holds every shard
	mu.Lock()
	defer mu.Unlock()
	s := c.shield.Load()
	if s == nil {
		return problem.NotFound
	}
	return c.fits(s, s.version(), now)
}

// campaignActs writes what operators prepared and did in a campaign: sections in a section.
func (w *writer) campaignActs(c *campaignCut) {
	w.section(actsDefensive, func(w *writer) { w.shield(c.shield) })
	w.section(actsAwards, func(w *writer) { w.awardsCut(c.awards) })
}

func (c *campaignCut) acts(tag uint8, r *reader) bool {
	switch tag {
	case actsDefensive:
		c.shield = r.shield()
	case actsAwards:
		c.awards = &awardsCut{r.u64()}
	default:
		return false
	}
	return true
}

func (w *writer) shield(s *shield) {
	if s == nil {
		return
	}
	w.u32(s.against)
	w.raw(s.salt[:])
	w.i64(int64(s.at))
	w.str(s.actor)
	w.str(s.reason)
	w.bytes(s.form)
}

func (r *reader) shield() *shield {
	s := &shield{against: r.u32(), salt: r.key(), at: UnixMilli(r.i64()), actor: r.str(MaxActorBytes), reason: r.str(MaxReasonBytes)}
	s.form = clone(r.bytes(MaxVersionBytes))
	f := reader{b: s.form}
	v := f.form()
	r.fail = r.fail || f.done() != nil || v.Validate() != nil
	return s
}
