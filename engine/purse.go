package engine

import (
	"fmt"

	"github.com/drawd/drawd/engine/internal/pages"
)

// purse is a purse of a namespace. Once named it stays: users hold chances in it.
type purse struct {
	id      string
	account *account
	sources []sourcePlan
}

// The places of chances in rows.
const (
	placeLots   = "chances/lots"
	placeStreak = "chances/streak"
)

func pursePlace(purse string) string { return "purse/" + purse + "/lots" }

// sourcePlace is where a source counts what it granted by day, of a campaign or of a purse.
func sourcePlace(purse, source string) string {
	if purse == "" {
		return "chances/source/" + source
	}
	return "purse/" + purse + "/source/" + source
}

// purse returns a purse, nil when there is none. A shard is locked.
func (n *Namespace) purse(id string) *purse {
	for i := range n.purses {
		if n.purses[i].id == id {
			return n.purses[i]
		}
	}
	return nil
}

func newAccount(sources *register) *account {
	a := &account{book: &chanceBook{}}
	a.sources.Store(sources)
	return a
}

func claimSources(l *layout, purse string, sources []ChanceSource) {
	for i := range sources {
		if sources[i].DailyLimit > 0 {
			l.reserve(sourcePlace(purse, sources[i].ID), ScopeUser, grantDaysBytes)
		}
	}
}

// placePurses claims the places of a policy's purses in a grown layout, or says why it cannot.
func (n *Namespace) placePurses(grown *layout, purses []Purse) error {
	if err := validatePurses(purses); err != nil {
		return err
	}
	for i := range purses {
		p := &purses[i]
		grown.reserve(pursePlace(p.ID), ScopeUser, lotsBytes(p.Lots))
		claimSources(grown, p.ID, p.Sources)
		if s := n.purse(p.ID); s != nil && len(s.account.sources.Load().grown(p.Sources).names) > MaxSourcesEver {
			return fmt.Errorf("purse %q: more than %d sources over its life", p.ID, MaxSourcesEver)
		}
	}
	for _, s := range n.purses {
		kept := false
		for i := range purses {
			kept = kept || purses[i].ID == s.id
		}
		if !kept {
			return fmt.Errorf("purse %q cannot be dropped: users hold chances in it", s.id)
		}
	}
	return nil
}

// openPurses puts a policy's purses in force. Their places have been claimed; every shard is locked.
func (n *Namespace) openPurses(purses []Purse) {
	if len(purses) > 0 && n.purseKeys == nil {
		n.purseKeys = n.world.newRowTable(ofNamespace|uint32(n.ref)<<3|tableKeys, digestKeyBytes, keyRowBytes)
	}
	for i := range purses {
		p := &purses[i]
		s := n.purse(p.ID)
		if s == nil {
			s = &purse{id: p.ID, account: newAccount(&register{})}
			n.purses = append(n.purses, s)
		}
		g := s.account.sources.Load().grown(p.Sources)
		s.account.sources.Store(g)
		s.account.fit(n.layout.find(pursePlace(p.ID)), p.Lots)
		s.sources = compileSources(&n.layout, p.ID, p.Sources, g)
	}
}

// cutPurses takes the purses' part of the meta; nil for none.
func (n *Namespace) cutPurses() *pursesCut {
	if len(n.purses) == 0 {
		return nil
	}
	c := &pursesCut{rows: n.purseKeys.rows()}
	for _, s := range n.purses {
		c.purses = append(c.purses, s.account.cut(s.id))
	}
	return c
}

func (a *account) cut(id string) *chancesCut {
	return &chancesCut{id: id, sources: a.sources.Load(), sums: a.book.sums()}
}

// restorePurses makes the purses of a meta. The namespace's layout stands.
func (n *Namespace) restorePurses(c *pursesCut, purses []Purse) error {
	if c == nil {
		return nil
	}
	for _, x := range c.purses {
		s := &purse{id: x.id, account: newAccount(x.sources)}
		s.account.book.mu.sums = x.sums
		n.purses = append(n.purses, s)
	}
	grown := n.layout.clone()
	if err := n.placePurses(&grown, purses); err != nil || len(grown.places) != len(n.layout.places) || grown.width != n.layout.width || len(c.purses) != len(purses) {
		return fmt.Errorf("engine: meta: purse without a place: %w", errTruncated)
	}
	n.openPurses(purses)
	return nil
}

// placeChances claims what the version's chances need, or says why they cannot be.
func (x *publication) placeChances(n *Namespace, v *Version) error {
	c := v.Chances
	if c == nil {
		return nil
	}
	switch c.Mode {
	case ChancesGranted:
		x.layout.reserve(placeLots, ScopeUser, lotsBytes(c.Lots))
		claimSources(&x.layout, "", c.Sources)
		var known *register
		if x.campaign != nil && x.campaign.chances != nil {
			known = x.campaign.chances.sources.Load()
		}
		if x.sources = known.grown(c.Sources); len(x.sources.names) > MaxSourcesEver {
			return fmt.Errorf("more than %d sources over the campaign's life", MaxSourcesEver)
		}
	case ChancesPurse:
		if n.purse(c.Purse) == nil {
			return fmt.Errorf("there is no purse %q: name it in the namespace's policy first", c.Purse)
		}
	}
	for i := range c.Milestones {
		if c.Milestones[i].StreakDays > 0 {
			x.layout.reserve(placeStreak, ScopeUser, streakBytes)
		}
	}
	for _, p := range c.Prizes {
		target := (*n.campaigns.Load())[p.Campaign]
		if target == nil || target == x.campaign || target.plan.Load().chances == nil || target.plan.Load().chances.account == nil {
			return fmt.Errorf("prize %q wins chances of campaign %q: that must be another published campaign that counts chances", v.Prizes[p.Prize].ID, p.Campaign)
		}
	}
	return x.layout.fits()
}

// openChances puts the sources of a publication in force. Every shard is locked.
func (c *Campaign) openChances(sources *register) {
	if sources == nil {
		return
	}
	if c.chances == nil {
		c.chances = newAccount(sources)
		return
	}
	c.chances.sources.Store(sources)
}

// restoreChances makes the account of a meta, and reports whether a version's chances miss what they need.
func (c *Campaign) restoreChances(x *chancesCut, versions []*Version) (missing bool) {
	live := versions[len(versions)-1]
	if x != nil {
		c.chances = newAccount(x.sources)
		c.chances.book.mu.sums = x.sums
		lots := c.layout.find(placeLots)
		if lots == nil {
			return true
		}
		c.chances.fit(lots, 0) // the live version may not grant any more: users still hold what they have
	}
	for _, v := range versions { // records of all of them name sources
		if h := v.Chances; h != nil && h.Mode == ChancesGranted {
			h.account = c.chances
		} else if h != nil && h.Mode == ChancesPurse && c.namespace.purse(h.Purse) != nil {
			h.account = c.namespace.purse(h.Purse).account
		}
	}
	if live.Chances == nil {
		return false
	}
	next := publication{campaign: c, layout: c.layout.clone()}
	l := *live.Chances
	l.Prizes = nil // their campaigns may follow in the meta
	v := *live
	v.Chances = &l
	if next.placeChances(c.namespace, &v) != nil || len(next.layout.places) != len(c.layout.places) || next.layout.width != c.layout.width {
		return true
	}
	return l.Mode == ChancesGranted && (c.chances == nil || len(next.sources.names) != len(c.chances.sources.Load().names))
}

// checkChances recounts the chances of all users of a table and compares them with the sums.
func (a *account) checkChances(table *rowTable) error {
	var sum ChanceSums
	var err error
	var c chances
	if table == nil {
		return nil
	}
	for _, part := range table.parts {
		part.Range(func(k pages.Key, row []byte) bool {
			a.load(row, &c)
			if !c.sound() {
				err = fmt.Errorf("user %x: chances do not add up: %+v", k[:subjectKeyBytes], c.sums())
			}
			s := c.sums()
			sum.Granted += s.Granted
			sum.Consumed += s.Consumed
			sum.Remaining += s.Remaining
			sum.Expired += s.Expired
			sum.Revoked += s.Revoked
			sum.Debt += s.Debt
			return err == nil
		})
	}
	if sums := a.book.sums(); err == nil && sums != sum {
		err = fmt.Errorf("the users' chances sum to %+v, the books say %+v", sum, sums)
	}
	return err
}

// hasChances reports whether the row was made for chances, before any draw.
func (c *Campaign) hasChances(row []byte) bool {
	if c.chances == nil {
		return false
	}
	var x chances
	c.chances.load(row, &x)
	return x.granted > 0
}
