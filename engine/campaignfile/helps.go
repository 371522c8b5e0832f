package campaignfile

import (
	"slices"

	"github.com/drawd/drawd/engine"
)

// helpsEntry is what a help gives, as it is read.
type helpsEntry struct {
	engine.Helps
	at       value
	sourceAt [2]value // of the owner, of the helper
}

// helpsDocument is the canonical form.
type helpsDocument struct {
	Owner  *helpGrantDocument `json:"owner,omitempty"`
	Helper *helpGrantDocument `json:"helper,omitempty"`
}

type helpGrantDocument struct {
	Source string `json:"source"`
	Amount uint32 `json:"amount"`
}

// countsHelps reports whether a cap counts helps and no draws.
func countsHelps(c engine.Counts) bool { return c == engine.CountAssists || c == engine.CountInvites }

func (c *campaign) readHelps(v value) {
	e := &helpsEntry{at: v}
	side := func(i int, g *engine.HelpGrant) func(v value) {
		return func(v value) {
			c.object(v, []field{
				{name: "source", required: required, read: func(v value) {
					e.sourceAt[i] = v
					g.Source, _ = c.id(v)
				}},
				{name: "amount", required: required, read: func(v value) {
					n, _ := c.integer(v, 1, engine.MaxOwnGrant)
					g.Amount = uint32(n)
				}},
			})
		}
	}
	c.object(v, []field{
		{name: "owner", read: side(0, &e.Helps.Owner)},
		{name: "helper", read: side(1, &e.Helps.Helper)},
	})
	c.helps = e
}

// checkHelps finds the faults of helps and of the caps that count them that need more than one value.
func (c *campaign) checkHelps() {
	for i := range c.caps {
		e := &c.caps[i]
		if !e.counted || !countsHelps(e.Counts) {
			continue
		}
		if e.prizeAt.node != nil {
			c.fault(e.prizeAt, "a help wins no prize: remove prize")
		}
		if e.reachedAt.node != nil {
			c.fault(e.reachedAt, "a cap on %s refuses the help: remove on_reached", countNames[e.Counts])
		}
		if e.Counts == engine.CountInvites && e.scopeAt.node != nil && e.Scope != engine.ScopeUser {
			c.fault(e.scopeAt, "of the owner only his id is known: invites are counted by user; assists by any scope")
		}
	}
	if c.helps == nil {
		return
	}
	for i, g := range [...]engine.HelpGrant{c.helps.Owner, c.helps.Helper} {
		at := c.helps.sourceAt[i]
		if at.node == nil || g.Source == "" || c.chances != nil && !c.chances.moded {
			continue
		}
		if c.chances == nil || c.chances.Mode != engine.ChancesGranted {
			c.fault(at, "a help grants the campaign's own chances: write chances: {mode: granted, sources: {%s: {}}}", g.Source)
			continue
		}
		if !slices.ContainsFunc(c.chances.Sources, func(s engine.ChanceSource) bool { return s.ID == g.Source }) {
			c.fault(at, "chances has no source %q", g.Source)
		}
	}
}

func (c *campaign) compileHelps() {
	if c.helps != nil {
		c.version.Helps = &c.helps.Helps
	}
}

func helpsForm(h *engine.Helps) *helpsDocument {
	if h == nil {
		return nil
	}
	side := func(g engine.HelpGrant) *helpGrantDocument {
		if g.Amount == 0 {
			return nil
		}
		return &helpGrantDocument{g.Source, g.Amount}
	}
	return &helpsDocument{side(h.Owner), side(h.Helper)}
}

// worseHelps reports what next takes from whoever helps.
func worseHelps(live, next *engine.Version, take func(string, string, ...any)) {
	if takesHelps(live) && !takesHelps(next) {
		take("/helps", "in the live version users help each other: write helps: {} where nothing counts that any more")
		return
	}
	was, is := helpGrants(live), helpGrants(next)
	for i, name := range [...]string{"owner", "helper"} {
		if is[i].Amount < was[i].Amount {
			take("/helps/"+name, "granted %d: it may only rise", was[i].Amount)
		}
	}
}

func helpGrants(v *engine.Version) (g [2]engine.HelpGrant) {
	if v.Helps != nil {
		g = [2]engine.HelpGrant{v.Helps.Owner, v.Helps.Helper}
	}
	return g
}

func takesHelps(v *engine.Version) bool {
	return v.Helps != nil || slices.ContainsFunc(v.Caps, func(c engine.Cap) bool { return countsHelps(c.Counts) })
}
