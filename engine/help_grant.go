package engine

import "github.com/drawd/drawd/engine/problem"

// granting makes what a help grants one of the two ready: the account is the campaign's own.
func (t *tx) grantingHelp(c *Campaign, user *Key) (x granting) {
	p := t.plan.chances
	x = granting{namespace: c.namespace, campaign: c, account: p.account, sources: p.sources, zone: &t.plan.zone}
	x.row.find(t.world, c.tables[ScopeUser], user)
	return x
}

// lotOfHelp is the lot that a help's grant makes, cut by the source's daily limit: a help is not refused for that.
func (t *tx) lotOfHelp(x *granting, g *helpGrant) lot {
	grant := Grant{Amount: g.amount, Priority: SourcePriority}
	l, _ := t.lotOf(&grant, &g.source)
	l.remaining, _ = t.allow(&grant, x, &g.source, &l, t.now)
	return l
}

// grantable refuses a help whose chances cannot be booked.
func (t *tx) grantable(h *Help, c *Campaign, p *helpPlan) problem.Code {
	for i, user := range [...]*Key{&h.Owner, &h.Helper} {
		if p.grants[i].amount == 0 {
			continue
		}
		x := t.grantingHelp(c, user)
		l := t.lotOfHelp(&x, &p.grants[i])
		if code := t.bookable(&x, &l); code != problem.OK {
			t.result.Value = uint64(HelpOwner - i)
			return t.refuse(code)
		}
	}
	return problem.OK
}

// grantHelp books what a help grants one of the two, and returns how much. His row is there.
func (t *tx) grantHelp(c *Campaign, user *Key, g *helpGrant) uint32 {
	x := t.grantingHelp(c, user)
	l := t.lotOfHelp(&x, g)
	if l.remaining > 0 {
		t.book(&x, l, &g.source, t.now)
	}
	return l.remaining
}
