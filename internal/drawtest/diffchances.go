package drawtest

import (
	"fmt"
	"slices"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// diffChances compares what a record says of chances with what the reference did.
func diffChances(what string, got *engine.Record, want *Decided, i int) string {
	if want.Grant != nil {
		note, ok := got.Grant()
		if !ok {
			return what + ": the engine's record tells nothing of a grant"
		}
		return diff(what+" grant", note, *want.Grant)
	}
	m, some := got.Chances()
	if i >= len(want.Chances) || !want.Chances[i].some {
		if some {
			return what + ": the engine moved chances, the reference none"
		}
		return ""
	}
	w := want.Chances[i]
	spent, won := parts(m)
	if !some || m.Mode != w.mode || m.Price != w.price || m.Remaining != w.remaining || !slices.Equal(spent, w.spent) || !slices.Equal(won, w.won) {
		return fmt.Sprintf("%s chances: engine %v price=%d remaining=%d spent=%v won=%v, reference %+v", what, m.Mode, m.Price, m.Remaining, spent, won, w)
	}
	return ""
}

func parts(m engine.ChanceMoves) (spent, won []part) {
	n, at := m.Spent()
	for i := range n {
		source, amount := at(i)
		spent = append(spent, part{int(source), amount})
	}
	n, wonAt := m.Won()
	for i := range n {
		milestone, amount := wonAt(i)
		won = append(won, part{milestone, amount})
	}
	return spent, won
}

// folded returns sums as they can be compared over all users: what has ended and was not looked at since still counts as
// remaining in the engine.
func folded(s engine.ChanceSums) engine.ChanceSums {
	s.Remaining, s.Expired = 0, s.Expired+s.Remaining
	return s
}

// use returns a user's chances as he sees them; nil for a campaign without.
func (r *Reference) use(c *campaign, user engine.Key) *engine.ChanceUse {
	x := c.live().Chances
	if x == nil {
		return nil
	}
	u := engine.ChanceUse{}
	if a, counts := accountOf(c); counts {
		u = r.useOf(a, user)
	}
	u.Mode, u.Purse, u.Price = x.Mode, x.Purse, r.price(c)
	return &u
}

func (r *Reference) useOf(a account, user engine.Key) (u engine.ChanceUse) {
	w := r.wallet(a, user)
	u.Sums = w.sums()
	if a.campaign != nil && r.over(a.campaign) {
		u.Sums.Expired, u.Sums.Remaining = u.Sums.Expired+u.Sums.Remaining, 0
		return u
	}
	u.Spendable, u.Remaining = w.spendable()
	for _, l := range w.lots {
		x := engine.LotUse{Remaining: uint32(l.left), BeginsAt: l.begin, Priority: l.priority, Source: r.sourceName(a, l.source)}
		if l.end != never {
			x.ExpiresAt = l.end
		}
		u.Lots = append(u.Lots, x)
	}
	return u
}

func (r *Reference) sourceName(a account, n uint8) string {
	if n < firstDeclared {
		return []string{"", "milestone", "prize", "compensation"}[n]
	}
	return r.sources[a][n-firstDeclared]
}

func diffUse(got, want *engine.ChanceUse) string {
	switch {
	case got == nil && want == nil:
		return ""
	case got == nil || want == nil:
		return fmt.Sprintf("chances: engine %+v, reference %+v", got, want)
	}
	return diff("chances", *got, *want)
}

// observeGrant compares what the two know of the account that a grant or revocation was for.
func (p *pair) observeGrant(c *Command) string {
	var ref engine.CampaignRef
	var purse, source, event string
	var user engine.Key
	switch {
	case c.Grant != nil:
		ref, purse, user, source, event = c.Grant.Campaign, c.Grant.Purse, c.Grant.User, c.Grant.Source, c.Grant.Event
	case c.Revoke != nil:
		ref, purse, user, source, event = c.Revoke.Campaign, c.Revoke.Purse, c.Revoke.User, c.Revoke.Source, c.Revoke.Event
	default:
		return ""
	}
	a, _, code := p.ref.accountFor(ref, purse)
	if code != problem.OK {
		return ""
	}
	ns, _ := p.Engine.Namespace("default")
	ec, _ := p.Engine.CampaignByRef(ref)
	if at, code := p.Engine.FindGrant(ec, ns, purse, user, source, event); true {
		k := p.ref.grants[grantKey{a, user, source, event}]
		if (k == nil) != (code == problem.KeyUnknown) || k != nil && (code != problem.OK || at != k.at) {
			return fmt.Sprintf("FindGrant: engine %v %v, reference %+v", code, at, k)
		}
	}
	if a.campaign != nil {
		got := p.Engine.UserState(ec, user, p.ref.now)
		return diffUse(got.Chances, p.ref.use(a.campaign, user))
	}
	got, code := ns.Purse(a.purse, user, p.ref.now)
	want := p.ref.useOf(a, user)
	want.Mode, want.Purse = engine.ChancesPurse, a.purse
	if sums, ok := ns.PurseSums(a.purse); !ok || code != problem.OK || folded(sums) != folded(p.ref.sums(a)) {
		return fmt.Sprintf("purse %s: engine %+v %v, reference %+v", a.purse, sums, code, p.ref.sums(a))
	}
	return diff("purse", got, want)
}
