package drawtest

import (
	"math"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// drawFingerprint is what a request under a used key must repeat.
type drawFingerprint struct {
	times   uint8
	listed  bool // whether the request named times: the answer has another form
	channel string
	price   uint32
}

// draw decides a draw command: semantics.md §1, one rung after the other.
func (r *Reference) draw(d *engine.Draw) Decided {
	c := r.campaign(d.Campaign)
	if c == nil {
		return refuse(0, problem.CampaignNotFound)
	}
	print := fingerprintOf(d)
	if a := r.keys[d.Digest]; a != nil {
		return replay(c, a, print)
	}
	who, rules := subjectOf(c, d), r.rules(c)
	if out, refused := r.refusal(c, d, who, rules); refused {
		return out
	}
	if r.full(c, who) {
		return refuse(c.ref, problem.Capacity)
	}
	r.keys[d.Digest] = &answer{campaign: c, at: r.here(0), records: d.Times, fingerprint: print}
	out := Decided{Result: engine.Result{Campaign: c.ref, At: r.here(0), Records: d.Times}}
	for part := range d.Times {
		out.Records = append(out.Records, r.subDraw(c, d, who, rules, part, &out))
	}
	if _, next := r.session(c); c.live().Exhausted == engine.End && next < 0 && r.exhausted(c) {
		c.ended, c.endedAt = true, r.now
	}
	r.guard(c)
	return out
}

// refusal takes the rungs that consume nothing.
func (r *Reference) refusal(c *campaign, d *engine.Draw, who *subject, rules []rule) (out Decided, refused bool) {
	if out, refused := r.closed(c); refused {
		return out, true
	}
	if out, refused := r.place(c, d); refused {
		return out, true
	}
	if out, refused := r.ineligible(c, d, who); refused {
		return out, true
	}
	for i := range rules {
		if who.missing(&rules[i]) {
			return missing(who, rules), true
		}
	}
	var reached []*denial
	for i := range rules {
		if k := &rules[i]; k.counts == engine.CountDraws {
			if limit := r.limit(k, who, uint32(d.Times)); limit != nil {
				reached = append(reached, limit)
			}
		}
	}
	if len(reached) > 0 {
		return r.capped(c, reached), true
	}
	if out, refused := r.out(c, d, who, rules); refused {
		return out, true
	}
	if out, refused := r.unpaid(c, d); refused {
		return out, true
	}
	for i := range rules {
		if k := &rules[i]; k.deny {
			if limit := r.limit(k, who, 1); limit != nil {
				reached = append(reached, limit)
			}
		}
	}
	if len(reached) > 0 {
		return r.capped(c, reached), true
	}
	return out, false
}

// out refuses a draw of which nothing can come: everything is given, or the user's own caps keep it from him.
func (r *Reference) out(c *campaign, d *engine.Draw, who *subject, rules []rule) (out Decided, refused bool) {
	v := c.live()
	if v.Exhausted != engine.Miss && r.exhausted(c) {
		if v.Exhausted == engine.Deny {
			return refuse(c.ref, problem.Exhausted), true
		}
		// Nothing was there from the start, or an operator took it: he may give it back, so only a draw ends a campaign. While
		// another session comes, only this one is over.
		_, next := r.session(c)
		return r.until(c, next), true
	}
	if v.UserExhausted == engine.Deny && r.nothingLeft(c, who, rules, d.Channel) {
		return refuse(c.ref, problem.NothingLeftForUser), true
	}
	return out, false
}

// missing names the scope whose value the draw lacks: the device, then the ip, then attributes by their slots.
func missing(who *subject, rules []rule) Decided {
	out := refuse(who.campaign.ref, problem.ScopeValueMissing)
	for _, scope := range []engine.Scope{
		engine.ScopeAttribute + 3, engine.ScopeAttribute + 2, engine.ScopeAttribute + 1, engine.ScopeAttribute, engine.ScopeIP, engine.ScopeDevice,
	} {
		for i := range rules {
			if rules[i].scope == scope && who.missing(&rules[i]) {
				out.Result.Cap = uint8(scope)
			}
		}
	}
	return out
}

func fingerprintOf(d *engine.Draw) drawFingerprint {
	return drawFingerprint{d.Times, d.Listed, string(d.Channel), d.MaxPrice}
}

// replay answers a command whose key is known.
func replay(c *campaign, a *answer, print any) Decided {
	if a.abandoned {
		return refuse(c.ref, problem.KeyAbandoned)
	}
	if a.fingerprint != print {
		return refuse(c.ref, problem.IdempotencyMismatch)
	}
	return Decided{Result: engine.Result{Campaign: c.ref, Replayed: true, At: a.at, Value: a.total}}
}

// closed refuses a draw of a campaign that does not run.
func (r *Reference) closed(c *campaign) (out Decided, refused bool) {
	switch r.status(c) {
	case engine.StatusScheduled:
		out = refuse(c.ref, problem.NotStarted)
		out.Result.ResetsAt, out.Result.Now = c.live().StartsAt, r.now
		return out, true
	case engine.StatusEnded:
		out = refuse(c.ref, problem.Ended)
		out.Result.Now = r.now
		return out, true
	case engine.StatusPaused:
		return refuse(c.ref, problem.Paused), true
	}
	if kind := r.killedBy(c); kind != 0 {
		out = refuse(c.ref, problem.Killed)
		out.Result.Cap = uint8(kind)
		return out, true
	}
	return out, false
}

func subjectOf(c *campaign, d *engine.Draw) *subject {
	s := &subject{campaign: c, user: d.User, by: d.By, hasBy: d.HasBy}
	if d.HasDevice {
		s.device = &d.Device
	}
	if d.HasIP {
		s.ip = &d.IP
	}
	return s
}

// exhausted reports whether every prize of the session is out. A prize is also out when fewer units are left than a win
// takes, or when it is switched off.
func (r *Reference) exhausted(c *campaign) bool {
	live, _ := r.session(c)
	if len(c.live().Sessions) > 0 && live < 0 {
		return false // between sessions nothing is out
	}
	for i := range c.set(live) {
		p := &c.live().Prizes[i]
		if p.Kind != engine.KindThanks && !c.off[p.ID] && !r.booksOf(c, i).hopeless(p.Units) {
			return false
		}
	}
	return true
}

// nothingLeft reports whether the user's own caps keep every prize from him. A cap that denies when it is reached says so
// itself, on the next rung: it knows when it resets.
func (r *Reference) nothingLeft(c *campaign, who *subject, rules []rule, channel []byte) bool {
	var silent []rule
	for i := range rules {
		if !rules[i].deny {
			silent = append(silent, rules[i])
		}
	}
	some := false
	for i := range c.live().Prizes {
		p := &c.live().Prizes[i]
		if p.Kind == engine.KindThanks || !r.offered(c, i, channel) {
			continue
		}
		some = true
		if r.winCause(who, silent, p.ID) == engine.CauseNone && !r.amountOut(c, who, silent, p) {
			return false
		}
	}
	return some
}

// winCause says which kind of cap keeps a prize from the user.
func (r *Reference) winCause(who *subject, rules []rule, prize string) engine.Cause {
	for i := range rules {
		if k := &rules[i]; k.counts == engine.CountWins && k.prize == prize && r.limit(k, who, 1) != nil {
			return engine.CauseUserPrizeCap
		}
	}
	for i := range rules {
		if k := &rules[i]; k.counts == engine.CountWins && k.prize == "" && r.limit(k, who, 1) != nil {
			return engine.CauseWinCap
		}
	}
	return engine.CauseNone
}

// unavailable says why a prize cannot be given to the user now.
func (r *Reference) unavailable(c *campaign, who *subject, rules []rule, prize int) engine.Cause {
	p := &c.live().Prizes[prize]
	live, _ := r.session(c)
	switch _, here := c.set(live)[prize]; {
	case !here:
		return engine.CauseNotReleased // its time is in another session
	case c.off[p.ID]:
		return engine.CauseSwitchedOff
	case r.booksOf(c, prize).hopeless(p.Units):
		return engine.CauseSoldOut
	case !r.booksOf(c, prize).has(p.Units):
		r.reach("not released")
		return engine.CauseNotReleased
	}
	return r.withheld(c, who, rules, p)
}

// withheld says why a prize that is there is not for the user now.
func (r *Reference) withheld(c *campaign, who *subject, rules []rule, p *engine.Prize) engine.Cause {
	if who.standing.restricted && spared(c.live(), indexOf(c.live(), p.ID)) {
		return engine.CauseRestricted
	}
	if r.homeless(c, who, indexOf(c.live(), p.ID)) {
		return engine.CauseChancesClosed
	}
	var b bounds
	if pays(p) {
		var ok bool
		if b, ok = r.span(c, who, p); !ok {
			return engine.CauseBudget
		}
	}
	if cause := r.winCause(who, rules, p.ID); cause != engine.CauseNone {
		return cause
	}
	if _, ok := r.narrow(who, rules, p, b); !ok {
		return engine.CauseAmountCap
	}
	return engine.CauseNone
}

// amountOut reports whether the user's caps on amounts leave less than the prize pays at least.
func (r *Reference) amountOut(c *campaign, who *subject, rules []rule, p *engine.Prize) bool {
	least := max(lowest(c.live(), p), 1)
	_, ok := r.narrow(who, rules, p, bounds{least, math.MaxInt64})
	return !ok
}

// award gives a prize, out of the open stock or out of what a pity set aside.
func (r *Reference) award(c *campaign, who *subject, rules []rule, e *event, prize int, aside *slice) (told engine.AmountPaid) {
	p := &c.live().Prizes[prize]
	purpose := uint32(1)
	if len(e.wins) > 0 {
		purpose = 3 // on top of another win
	}
	w, told := r.pay(c, who, rules, e, p, purpose)
	live, _ := r.session(c)
	b, units := r.booksOf(c, prize), engine.Quantity(p.Units)
	g := given{prize: p.ID, cell: c.cell(live, prize), units: units}
	if aside == nil {
		b.give(p.Units)
	} else {
		b, g.aside = c.stock[p.ID], c.keyOf(aside)
		aside.left -= units
		aside.given += units
		b.reserved -= units
		b.issued += units
	}
	e.wins, e.given = append(e.wins, w), append(e.given, g)
	r.payChances(c, who, prize, &e.moves)
	r.burn(c, p, &w)
	if code := r.takeCode(c, p.ID); len(e.wins) == 1 {
		e.codes.prize = code
	} else {
		e.codes.extra = code
	}
	return told
}

// subDraw makes one sub-draw: word, natural prize, availability, outcome, record.
func (r *Reference) subDraw(c *campaign, d *engine.Draw, who *subject, rules []rule, part uint8, out *Decided) engine.Record {
	v := c.live()
	mine := r.drawsOf(c, d.User)
	c.seq++
	live, _ := r.session(c)
	spent := r.spendOne(c, d.User)
	rec := engine.Record{
		Kind: engine.RecordDraw, Renderer: engine.CurrentRenderer, Campaign: c.ref, Version: v.Number, Seq: c.seq, At: r.now,
		User: d.UserID, Channel: d.Channel, Digest: d.Digest, DrawNumber: uint32(len(mine)) + 1,
		Part: part, Times: d.Times, Listed: d.Listed, StockAfter: engine.Unlimited,
	}
	if len(v.Sessions) > 0 {
		rec.Session = uint16(live + 1)
	}
	if len(mine) > 0 {
		rec.Previous = mine[len(mine)-1].location
	}
	for _, e := range mine {
		if len(e.wins) > 0 {
			rec.PrevWin = e.location
		}
	}
	r.choose(c, who, d, &rec)
	r.walk(c, d, who, rules, &rec)
	var t turn
	rec.Prize, t = r.pity(c, who, rules, rec.Prize)
	e := &event{
		at: r.now, location: r.here(int(part)), request: r.requests, part: part, campaign: c, user: who.user,
		device: who.device, ip: who.ip, by: who.by, hasBy: who.hasBy, caps: idsOf(rules, false), aggregate: idsOf(rules, true),
		draw: d, number: rec.DrawNumber, session: r.sessionStart(c, r.now), moves: spent,
		seq: c.seq, version: v, freed: map[string]bool{}, streaks: c.streaks && len(milestonesOf(v)) > 0, moded: v.Mode.Kind != engine.ModeWeighted,
	}
	r.events = append(r.events, e)
	if rec.Prize != engine.NoPrize {
		rec.AmountPaid = r.award(c, who, rules, e, rec.Prize, t.aside)
		if b := r.booksOf(c, rec.Prize); !b.unlimited {
			rec.StockAfter = b.available
		}
	}
	rec.ExtraAmount = r.onTop(c, who, rules, e, &t, rec.Prize)
	r.count(c, who, &t, rec.Prize)
	r.milestones(c, e, &e.moves)
	out.Pity = append(out.Pity, t.PityMoves)
	e.pity = t.PityMoves
	out.Chances = append(out.Chances, e.moves)
	out.Codes = append(out.Codes, e.codes)
	out.Audit = append(out.Audit, audit(v, d, who))
	for i := range rules {
		if k := &rules[i]; !k.aggregate && k.scope == engine.ScopeUser {
			rec.Used = append(rec.Used, r.used(k, who))
		}
	}
	return rec
}

// walk goes from the prize that the word named along its ways out to one that can be given.
func (r *Reference) walk(c *campaign, d *engine.Draw, who *subject, rules []rule, rec *engine.Record) {
	rec.Prize = rec.Natural
	shared := false // the share of a share would be a miss
	for hops := 0; rec.Prize != engine.NoPrize; hops++ {
		p := &c.live().Prizes[rec.Prize]
		if p.Kind == engine.KindThanks {
			rec.Prize = engine.NoPrize // a miss with a name
			break
		}
		cause := r.unavailable(c, who, rules, rec.Prize)
		if cause == engine.CauseNone {
			break
		}
		if rec.Cause == engine.CauseNone {
			rec.Cause = cause // why the prize of the word was not given
		}
		if cause == engine.CauseNotReleased && !c.live().Guaranteed { // or what is held back would run into other prizes
			rec.Prize = engine.NoPrize
			break
		}
		if p.Unavailable == engine.OnRedistribute && !shared {
			rec.Prize, shared, hops = r.share(c, d, rec, rec.Prize, cause), true, 0
			continue
		}
		// While a prize is switched off its weight is an ordinary miss.
		if p.Unavailable != engine.OnFallback || hops == engine.MaxFallbackHops || cause == engine.CauseSwitchedOff {
			rec.Prize = engine.NoPrize
			break
		}
		rec.Prize = int(p.Fallback)
	}
}

func idsOf(rules []rule, aggregate bool) map[string]bool {
	ids := map[string]bool{}
	for i := range rules {
		if rules[i].aggregate == aggregate {
			ids[rules[i].id] = true
		}
	}
	return ids
}

// drawsOf returns the user's draws in the campaign, oldest first.
func (r *Reference) drawsOf(c *campaign, user engine.Key) []*event {
	var out []*event
	for _, e := range r.events {
		if e.campaign == c && e.user == user {
			out = append(out, e)
		}
	}
	return out
}

// full reports whether the namespace has no room for the user, if he is new, or for another key.
func (r *Reference) full(c *campaign, who *subject) bool {
	return !r.knows(c, who.user) && r.users(c.namespace) >= r.maxUsers(c.namespace) || r.keysFull(c.namespace)
}

func (r *Reference) keysFull(n engine.NamespaceRef) bool {
	limit := r.policies[n].MaxKeys
	if limit == 0 {
		limit = engine.DefaultMaxKeys
	}
	return r.keysOf(n) >= limit
}

// users counts the users that the campaigns of a namespace know: a user counts once a campaign.
func (r *Reference) users(n engine.NamespaceRef) uint64 {
	type pair struct {
		c    *campaign
		user engine.Key
	}
	known := map[pair]bool{}
	for _, e := range r.events {
		if e.campaign.namespace == n {
			known[pair{e.campaign, e.user}] = true
		}
	}
	for h, w := range r.wallets {
		if h.campaign != nil && w.granted > 0 {
			known[pair{h.campaign, h.user}] = true
		}
	}
	return uint64(len(known))
}

func (r *Reference) keysOf(n engine.NamespaceRef) (count uint64) {
	for _, a := range r.keys {
		if a.campaign.namespace == n {
			count++
		}
	}
	return count + uint64(len(r.grants))
}
