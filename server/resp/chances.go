package resp

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/render"
)

// chances takes CHANCES campaign user: what the user can spend, and what became of all that he was granted.
func chances(c *conn, a *arguments) {
	c.flush()
	campaign, ok := c.campaign(a)
	if !ok {
		return
	}
	user := a.next()
	if !names.Subject(user) {
		a.wrong("user must be 1 to 128 of the characters A-Z a-z 0-9 . _ ~ : @ = + -")
	}
	if !c.sound(a) {
		return
	}
	o := &c.server.options
	keyer := campaign.Namespace().Keyer()
	s := o.Engine.UserState(campaign, keyer.User(user), engine.UnixMilli(c.now.UnixMilli()))
	if s.Chances == nil {
		c.refuse(problem.Conflict, "The campaign counts no chances: its draws cost nothing, or the host's own wallet pays.")
		return
	}
	u := s.Chances
	c.out = appendArray(c.out, 14)
	for _, m := range [...]struct {
		name string
		n    uint64
	}{
		{"spendable", u.Spendable}, {"remaining", u.Remaining}, {"price", uint64(u.Price)}, {"granted", u.Sums.Granted},
		{"consumed", u.Sums.Consumed}, {"expired", u.Sums.Expired}, {"revoked", u.Sums.Revoked},
	} {
		c.out = appendInt(appendBulk(c.out, m.name), int64(m.n))
	}
}

// latest is the last time that an option may name: 2105, in ms.
const latest = 4_291_747_199_000

// grant takes GRANT campaign user source event amount and its options. Source and event are its key.
func grant(c *conn, a *arguments) {
	campaign, ok := c.campaign(a)
	if !ok {
		return
	}
	g := engine.Grant{Campaign: campaign.Ref(), Priority: engine.SourcePriority, Actor: c.grant.Actor()}
	g.UserID = c.user(a)
	source, event := a.next(), a.next()
	if !names.ID(source) || len(source) > engine.MaxSourceBytes {
		a.wrong("source must be 1 to 40 of the characters a-z 0-9 -")
	}
	if !names.Key(event) {
		a.wrong("event must be 1 to 64 visible ASCII characters")
	}
	g.Source, g.Event = string(source), string(event)
	g.Amount = uint32(a.number("amount", a.next(), 1, engine.MaxGrant))
	for more := true; more; {
		switch name := a.option(); name {
		case "":
			more = false
		case "EXPIRES":
			g.ExpiresAt = engine.UnixMilli(a.number(name, a.value(name), 1, latest))
		case "OCCURRED":
			g.OccurredAt = engine.UnixMilli(a.number(name, a.value(name), 1, latest))
		default:
			a.wrong("GRANT has the options EXPIRES and OCCURRED")
		}
	}
	if !c.sound(a) {
		return
	}
	if !c.grant.AllowsGrant(g.Source, g.Amount) {
		c.refuse(problem.Forbidden, "The key may not grant so much, or not from this source.")
		return
	}
	keyer := campaign.Namespace().Keyer()
	g.User = keyer.User(g.UserID)
	c.room(1)
	c.batch.AddGrant(&g)
	c.wait(waiting{reply: granted, campaign: campaign, user: prefix(&g.User)})
}

// granted replies with what was granted, and whether that had been before. What a daily limit cuts is granted: 0.
func granted(c *conn, _ *waiting, r *engine.Result) {
	switch r.Code {
	case problem.OK:
	case problem.InvalidField:
		c.problemOf(r.Code, render.GrantFault(r).Message)
		return
	default:
		c.deny(r)
		return
	}
	already := int64(0)
	if r.Replayed {
		already = 1
	}
	c.out = appendArray(c.out, 4)
	c.out = appendInt(appendBulk(c.out, "granted"), int64(r.Value))
	c.out = appendInt(appendBulk(c.out, "already"), already)
}

// stock takes STOCK campaign: the books of every prize, as arrays of names and values; or STOCK POOL pool.
func stock(c *conn, a *arguments) {
	c.flush()
	if len(a.left) == 2 {
		if a.option() != "POOL" {
			a.wrong("STOCK has the forms STOCK id, of a campaign, and STOCK POOL id")
			c.sound(a)
			return
		}
		poolStock(c, a)
		return
	}
	if !c.grant.Has(access.ScopeRead) {
		c.refuse(problem.Forbidden, "The key does not have the scope read.")
		return
	}
	campaign, ok := c.campaign(a)
	if !ok || !c.sound(a) {
		return
	}
	_, prizes := campaign.Stock()
	c.out = appendArray(c.out, len(prizes))
	for i := range prizes {
		p := &prizes[i]
		c.out = appendBulk(appendBulk(appendArray(c.out, 18), "id"), p.CellID())
		if c.out = appendBulk(c.out, "total"); p.Total == engine.Unlimited {
			c.out = appendNull(c.out)
		} else {
			c.out = appendInt(c.out, int64(p.Total))
		}
		for _, m := range [...]struct {
			name string
			n    engine.Quantity
		}{
			{"unreleased", p.Unreleased}, {"available", p.Available}, {"reserved", p.Reserved}, {"held", p.Held},
			{"issued", p.Issued}, {"expired", p.Expired}, {"withdrawn", p.Withdrawn},
		} {
			c.out = appendInt(appendBulk(c.out, m.name), int64(m.n))
		}
	}
}
