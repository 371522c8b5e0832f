package drawtest

import (
	"strings"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// VoidDraw takes a draw back that the script made. A script does not know what the engine will record, so the draw is named by
// its key and its number in the request; where there is none, in a shorter script, the command is a tick.
type VoidDraw struct {
	Campaign engine.CampaignRef
	Digest   engine.Key
	Part     uint8
	Fault    engine.VoidFault
	Actor    string
	Reason   string
}

// given is one prize that an event gave: whose units, and what set them aside.
type given struct {
	prize string
	cell  string
	units engine.Quantity
	aside *setAside // of a pity; nil for the open stock
}

// find returns the event of a draw, nil for none.
func (r *Reference) find(digest engine.Key, part uint8) *event {
	for _, e := range r.events {
		if e.part == part && e.draw.Digest == digest {
			return e
		}
	}
	return nil
}

// void takes a draw back, once (semantics.md §12). What comes back hangs on whose fault it was.
func (r *Reference) void(v *VoidDraw) Decided {
	e := r.find(v.Digest, v.Part)
	if e == nil {
		return Decided{}
	}
	c := r.campaign(v.Campaign)
	switch {
	case c == nil:
		return refuse(0, problem.CampaignNotFound)
	case e.campaign != c:
		return refuse(c.ref, problem.DrawNotFound)
	case c.voided[e.seq] == v.Fault:
		return Decided{Result: engine.Result{AlreadyLive: true, Campaign: c.ref, Value: uint64(v.Fault)}}
	case c.voided[e.seq] != 0:
		out := refuse(c.ref, problem.Conflict)
		out.Result.Value = uint64(c.voided[e.seq])
		return out
	}
	c.voided[e.seq] = v.Fault
	refunds := uint32(0)
	for i := range e.given {
		refunds |= r.takeBack(c, &e.given[i], e, v.Fault)
	}
	if v.Fault != engine.VoidAbuse {
		refunds |= e.unpay(c)
	}
	refunds |= r.revokeWon(c, e)
	switch v.Fault {
	case engine.VoidSystem:
		refunds |= r.refundChances(c, e)
		refunds |= r.refundCaps(c, e) | r.refundPity(c, e)
		if e.moded { // the entry comes back
			e.moded = false
			refunds |= engine.VoidEntry
		}
	case engine.VoidAbuse:
		for i := range c.live().Pity {
			delete(r.rows, rowOf(c, &c.live().Pity[i], e.user))
		}
	}
	for bit, what := range map[uint32]string{
		engine.VoidStock: "stock", engine.VoidMoney: "money", engine.VoidChances: "chances", engine.VoidCaps: "caps", engine.VoidPity: "pity",
		engine.VoidEntry: "entry", engine.VoidGrants: "grants",
	} {
		if refunds&bit != 0 {
			r.reach("void gives " + what)
		}
	}
	r.reach("void " + v.Fault.String())
	return r.noteVoid(c, e, v, refunds)
}

// noteVoid writes a record for each prize; of a miss one without.
func (r *Reference) noteVoid(c *campaign, e *event, v *VoidDraw, refunds uint32) Decided {
	out := Decided{Result: engine.Result{Campaign: c.ref, At: r.here(0), Value: uint64(v.Fault)}}
	for i := range max(len(e.given), 1) {
		c.seq++
		rec := engine.Record{
			Kind: engine.RecordVoid, Campaign: c.ref, Version: c.live().Number, Seq: c.seq, At: r.now, Actor: []byte(v.Actor), Reason: []byte(v.Reason),
			Delta: int64(e.location.Index)<<16 | int64(e.location.Ordinal), Flags: uint32(v.Fault) | refunds,
		}
		if i < len(e.given) {
			g := &e.given[i]
			rec.Name = []byte(g.cell)
			if v.Fault != engine.VoidAbuse || !c.stock[g.cell].unlimited {
				rec.Total = g.units
			}
		}
		out.Records = append(out.Records, rec)
	}
	out.Result.Records = uint8(len(out.Records))
	return out
}

// takeBack moves the units of a prize.
func (r *Reference) takeBack(c *campaign, g *given, e *event, fault engine.VoidFault) (refunds uint32) {
	b := c.stock[g.cell]
	if b.unlimited {
		if fault == engine.VoidAbuse {
			return 0
		}
		b.issued -= g.units
		return engine.VoidStock
	}
	b.issued -= g.units
	coded := uniqueCodes(e.version, g.prize) || uniqueCodes(c.live(), g.cell) // its code was handed out, or it never had one
	if fault != engine.VoidAbuse && !coded {
		refunds = engine.VoidStock
	}
	switch {
	case fault == engine.VoidAbuse || !c.lists(g.cell) || coded:
		b.withdrawn += g.units
	case strings.Contains(g.cell, "/") && c.sessionEnd(sessionOf(c.live(), g.cell)) <= c.closed:
		b.expired += g.units // what its session left has gone already
		r.reach("void after the session")
	case g.aside != nil && setsAside(c.live(), *g.aside):
		s := c.reserves[*g.aside]
		s.left += g.units
		s.given -= g.units
		b.reserved += g.units
		r.reach("void back to a reserve")
	default:
		b.available += g.units
	}
	return refunds
}

// setsAside reports whether a version states a reserve.
func setsAside(v *engine.Version, k setAside) bool {
	for i := range v.Pity {
		for _, z := range v.Pity[i].List {
			if v.Pity[i].ID == k.pity && v.Prizes[z.Prize].ID == k.prize {
				return true
			}
		}
	}
	return false
}

// unpay gives back to the budgets what a draw paid out of them, and a card to its deck.
func (e *event) unpay(c *campaign) (refunds uint32) {
	for i := range e.wins {
		if w := &e.wins[i]; w.bounded && w.amount > 0 {
			w.bounded, refunds = false, engine.VoidMoney
		}
	}
	return refunds
}

// payer returns the account that the draw was paid from.
func (e *event) payer(c *campaign) (a account, counts bool) {
	x := e.version.Chances
	switch {
	case x == nil || x.Mode == engine.ChancesFree:
		return a, false
	case x.Mode == engine.ChancesPurse:
		return account{purse: x.Purse}, true
	}
	return account{campaign: c}, true
}

// refundChances gives back what the draw cost, as a compensation that ends with the campaign, where it was taken from.
func (r *Reference) refundChances(c *campaign, e *event) uint32 {
	a, counts := e.payer(c)
	if !counts {
		return 0
	}
	w := r.wallet(a, e.user)
	l := lot{left: uint64(e.moves.price), end: never, source: sourceCompensation}
	if _, ok := w.put(l, r.most(a)); !ok {
		l.source = sourceMilestone // one of drawd's own always has room
	}
	w.grant(l, r.most(a))
	return engine.VoidChances
}

// revokeWon takes the chances back that the draw granted, whoever's fault it was. Those for a campaign that is over are gone with
// it; of what another campaign counts now nothing is owed by somebody who never had any there.
func (r *Reference) revokeWon(c *campaign, e *event) (refunds uint32) {
	revoke := func(of *campaign, source uint8, amount uint32) {
		a, counts := accountOf(of)
		if of == c {
			a, counts = e.payer(c)
		}
		if w := r.wallet(a, e.user); counts && w.granted > 0 && !r.over(of) && amount > 0 {
			w.revoke(uint64(amount), source, never)
			refunds = engine.VoidGrants
		}
	}
	var from []string // campaigns that the prizes were for, in order
	for i := range e.given {
		if at := indexOf(e.version, e.given[i].prize); e.version.Prizes[at].Kind == engine.KindChance {
			to := c.id
			for _, p := range e.version.Chances.Prizes {
				if int(p.Prize) == at {
					to = p.Campaign
				}
			}
			from = append(from, to)
		}
	}
	for _, w := range e.moves.won {
		if w.of >= 0 {
			revoke(c, sourceMilestone, w.amount)
			continue
		}
		revoke(r.called(from[0]), sourcePrize, w.amount)
		from = from[1:]
	}
	return refunds
}

// refundCaps takes the draw out of the caps that are in force and have it in their window. A cooldown on draws
// counts a request once: it goes when nothing of the request is left.
func (r *Reference) refundCaps(c *campaign, e *event) (refunds uint32) {
	who := &subject{campaign: c, user: e.user, device: e.device, ip: e.ip, by: e.by, hasBy: e.hasBy}
	for _, k := range r.rules(c) {
		if !r.concerns(&k, who, e) || !r.inWindow(&k, who, e) {
			continue
		}
		if k.aggregate && e.at <= r.since[k.id] {
			continue // it may not have counted the draw: the engine knows times only, and gives back what surely was counted
		}
		if k.counts == engine.CountDraws && k.window.Kind == engine.WindowCooldown && !r.last(c, e) {
			continue
		}
		before := r.used(&k, who)
		for _, other := range r.events {
			if other == e || k.window.Kind == engine.WindowCooldown && k.counts == engine.CountDraws && other.request == e.request {
				other.freed[map[bool]string{true: "ns/"}[k.aggregate]+k.id] = true
			}
		}
		if r.used(&k, who) < before {
			refunds = engine.VoidCaps
		}
	}
	return refunds
}

// last reports whether every other draw of the request was taken back by the system's fault, too.
func (r *Reference) last(c *campaign, e *event) bool {
	for _, other := range r.events {
		if other.request == e.request && other.campaign == c && c.voided[other.seq] != engine.VoidSystem {
			return false
		}
	}
	return true
}

// refundPity makes the rows as if the draw had not been: a row that it ended goes on, and a miss does not count.
func (r *Reference) refundPity(c *campaign, e *event) (refunds uint32) {
	for i := range c.live().Pity {
		y := &c.live().Pity[i]
		for j := range e.version.Pity {
			if e.version.Pity[j].ID != y.ID || e.pity.Before[j] == e.pity.After[j] {
				continue
			}
			k := rowOf(c, y, e.user)
			if e.pity.After[j] == 0 {
				r.rows[k] = min(r.rows[k]+uint32(e.pity.Before[j]), mostOf(y))
			} else {
				r.rows[k] -= min(r.rows[k], 1)
			}
			refunds = engine.VoidPity
		}
	}
	return refunds
}
