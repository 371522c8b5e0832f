package engine

import "github.com/drawd/drawd/engine/problem"

// ineligible takes rung 3 as far as it is about who draws: his ticket, what the audience rule said of him, the lists
// that he stands on. Lists are looked up once; what they say stays in t.listed for the later rungs and the record.
func (t *tx) ineligible(d *Draw, c *Campaign, s sight) problem.Code {
	a := t.plan.audience
	t.listed = t.standing(d, c, s)
	if a != nil && !s.onlyUser {
		if a.Tickets {
			if code := t.badTicket(a, &d.Ticket, s); code != problem.OK {
				return code
			}
		}
		if t.plan.stamped && d.Stamp.Version != t.plan.version.Number {
			// Evaluated for another version, or for none: whoever sent it has to look at this one first.
			t.result.Value = uint64(t.plan.version.Number)
			return t.refuse(problem.VersionChanged)
		}
	}
	if a != nil && !t.listed.allowed && (a.ListedOnly || !s.onlyUser && t.plan.stamped && !d.Stamp.Eligible) {
		return t.refuse(problem.NotEligible)
	}
	if t.listed.blocked {
		return t.refuse(problem.Blocked)
	}
	return problem.OK
}

// badTicket refuses a draw without the ticket that it needs, or outside the ticket's time. A reader refuses only what
// the log will refuse too.
func (t *tx) badTicket(a *Audience, k *Ticket, s sight) problem.Code {
	switch {
	case k.Key == 0 && !a.TicketRequired:
		return problem.OK
	case k.Key == 0, s.now+s.margin < k.NotBefore, s.logTime >= k.ExpiresAt:
		return t.refuse(problem.TicketInvalid)
	}
	return problem.OK
}

// StaleStamp reports whether a draw was refused because its stamp is not of the live version: evaluate the audience
// again and send it again. Nothing was decided about it.
func (r *Result) StaleStamp() bool { return r.Code == problem.VersionChanged && r.Value != 0 }

// Gate returns what a request is evaluated against: the live version, and for each of its attributes the slot of the
// subjects that caps count by, -1 for an attribute that no cap counts by.
func (c *Campaign) Gate() (*Version, *[MaxAttributes]int8) {
	p := c.plan.Load()
	return p.version, &p.slots
}
