package engine

import (
	"bytes"
	"slices"

	"github.com/drawd/drawd/engine/problem"
	"github.com/zeebo/xxh3"
)

// Award gives a user a prize without a draw: an operator's compensation. It takes the units out of the stock like a win,
// and moves neither caps nor pity. User and ticket are its idempotency key: one complaint is compensated once. What one
// operator awards in a day is bounded by the namespace's policy, in the values of the prizes; where it is, a prize without a
// value is not awarded.
type Award struct {
	Campaign CampaignRef
	Prize    string
	User     Key
	UserID   []byte
	Digest   Key // Keyer.Digest under DigestAward of the ticket
	Ticket   string
	Actor    string
	Reason   string
}

// MaxTicketBytes bounds the ticket of an award.
const MaxTicketBytes = MaxIdempotencyKeyBytes

// awarded is what one operator has awarded on a day of the namespace's zone.
type awarded struct {
	actor string
	day   uint32
	value int64 // minor units
}

// applyAward decides an award. Every check comes before the first write.
func (t *tx) applyAward(c *Award) Result {
	a := t.world.campaign(c.Campaign)
	if a == nil {
		return refuse(problem.CampaignNotFound)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	print := uint32(xxh3.HashString(c.Prize))
	var r Result
	spot, known := a.seen(&c.Digest, print, &r)
	if known {
		r.AlreadyLive = r.Replayed
		return r
	}
	r.Campaign = a.ref
	prize, code := t.awardable(a, c.Prize)
	if code != problem.OK {
		r.Code, r.Now = code, t.now
		return r
	}
	if broken := a.unbalanced(); broken != "" {
		return t.fence(a, broken)
	}
	v := a.Version()
	p := &t.plan.prizes[prize]
	if r.Code = t.allowance(a.namespace, c.Actor, v.Prizes[prize].Value, &r); r.Code != problem.OK {
		return r
	}
	t.spend(a.namespace, c.Actor, v.Prizes[prize].Value)
	cell := &a.books[p.cell]
	cell.issue(p.units)
	a.recount()
	a.mu.seq++
	at := t.at
	r = t.note(Record{
		Kind: RecordAward, Campaign: a.ref, Version: v.Number, Seq: a.mu.seq, Name: []byte(cell.ID), Actor: []byte(c.Actor),
		Reason: bytes.Join([][]byte{c.UserID, []byte(c.Ticket), []byte(c.Reason)}, []byte("\n")), Delta: int64(prize), Total: p.units,
	}, r)
	a.remember(&c.Digest, spot, keyRow{at, print})
	return r
}

// awardable returns the prize with an id if it can be awarded now.
func (t *tx) awardable(a *Campaign, id string) (prize int, code problem.Code) {
	t.plan = a.plan.Load()
	prize = t.plan.version.prize(id)
	if prize < 0 {
		return prize, problem.PrizeNotFound
	}
	p, kind := &t.plan.prizes[prize], t.plan.version.Prizes[prize].Kind
	switch n := a.namespace; {
	case a.keys == nil:
		return prize, problem.Ended
	case slices.ContainsFunc(a.off, func(s switchedOff) bool { return s.kind == SwitchPrize && s.prize == id }):
		return prize, problem.Killed
	case p.pool != nil, t.plan.codes != nil && t.plan.codes[prize].book >= 0,
		kind == KindThanks || kind == KindChance || t.plan.money != nil && t.plan.money.tracks && t.plan.money.pays[prize].pays:
		return prize, problem.Conflict // a pool's, nothing to give, a grant's business, or a budget's
	case p.absent || !a.books[p.cell].has(p.units): // outside its sessions a prize may have no books
		return prize, problem.InsufficientStock
	case n.keys.Load() >= n.rules.Load().maxKeys:
		return prize, problem.Capacity
	}
	return prize, problem.OK
}

// allowance refuses what is beyond an operator's daily value. Result.Value is then what he has awarded today.
func (t *tx) allowance(n *Namespace, actor string, value int64, r *Result) problem.Code {
	limit := n.Policy().AwardLimit
	if limit == 0 {
		return problem.OK
	}
	i, today := t.awardedToday(n, actor)
	spent := int64(0)
	if i >= 0 {
		spent = n.acts.awarded[i].value
	}
	r.Value = uint64(spent)
	switch {
	case value == 0: // nobody knows how much of the limit it would take
		r.Unvalued = true
		return problem.Conflict
	case value > limit-min(spent, limit):
		r.Limited = true
		return problem.Conflict
	case i < 0 && n.acts.awarding(today) >= MaxAwarding:
		return problem.Capacity
	}
	return problem.OK
}

// spend counts the value of an award.
func (t *tx) spend(n *Namespace, actor string, value int64) {
	if n.Policy().AwardLimit == 0 {
		return
	}
	i, today := t.awardedToday(n, actor)
	if i >= 0 {
		n.acts.awarded[i].value += value
		return
	}
	n.acts.awarded = slices.DeleteFunc(n.acts.awarded, func(x awarded) bool { return x.day < today })
	n.acts.awarded = append(n.acts.awarded, awarded{actor, today, value})
}

// awardedToday returns where an operator's sum of today stands, -1 for nowhere, and the number of today.
func (t *tx) awardedToday(n *Namespace, actor string) (at int, today uint32) {
	z := &n.rules.Load().zone
	today = windowOf(WindowDay, int64(t.now)+z.offset(z.segment(t.now)))
	at = slices.IndexFunc(n.acts.awarded, func(x awarded) bool { return x.actor == actor && x.day == today })
	return at, today
}

func (a *acts) awarding(day uint32) (n int) {
	for i := range a.awarded {
		if a.awarded[i].day >= day {
			n++
		}
	}
	return n
}

// AwardNote is what the record of an award says.
type AwardNote struct {
	User, Ticket, Reason []byte
	Prize                int // index into the version's prizes
}

// Award takes the record of an award apart; ok is false for any other.
func (r *Record) Award() (n AwardNote, ok bool) {
	parts := bytes.SplitN(r.Reason, []byte("\n"), 3)
	if r.Kind != RecordAward || len(parts) != 3 {
		return n, false
	}
	return AwardNote{parts[0], parts[1], parts[2], int(r.Delta)}, true
}

// AddAward appends an award.
func (b *Batch) AddAward(c *Award) {
	w, start := b.begin(opAward)
	w.u32(uint32(c.Campaign))
	w.str(c.Prize)
	w.raw(c.User[:])
	w.bytes(c.UserID)
	w.raw(c.Digest[:])
	w.str(c.Ticket)
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

func (r *reader) award() Award {
	c := Award{
		Campaign: CampaignRef(r.u32()), Prize: r.str(MaxIDBytes), User: r.key(), UserID: r.bytes(MaxUserBytes), Digest: r.key(),
		Ticket: r.str(MaxTicketBytes), Actor: r.str(MaxActorBytes), Reason: r.str(MaxReasonBytes),
	}
	r.fail = r.fail || len(c.UserID) == 0 || c.Ticket == ""
	return c
}

func (w *writer) awardedList(all []awarded) {
	w.u32(uint32(len(all)))
	for i := range all {
		w.str(all[i].actor)
		w.u32(all[i].day)
		w.i64(all[i].value)
	}
}

func (r *reader) awardedList() (all []awarded) {
	for range r.count(MaxAwarding) {
		all = append(all, awarded{r.str(MaxActorBytes), r.u32(), r.i64()})
	}
	return all
}
