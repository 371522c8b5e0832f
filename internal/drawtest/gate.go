package drawtest

import (
	"fmt"
	"slices"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// listing names how a user stands on one list: of a campaign, or of the namespace (campaign is nil).
type listing struct {
	campaign *campaign
	list     engine.ListKind
	user     engine.Key
}

// listed is one entry of a list.
type listed struct {
	treatment engine.Treatment
	expires   engine.UnixMilli // 0: never
}

// standing is what the lists say of a user now. Deny goes before allow, wherever either stands.
type standing struct{ any, blocked, restricted, allowed bool }

func (r *Reference) standing(c *campaign, user engine.Key) (s standing) {
	for _, owner := range []*campaign{nil, c} {
		s.any = s.any || r.lists[owner]
		if e := r.entries[listing{owner, engine.ListDeny, user}]; e != nil && (e.expires == 0 || r.now < e.expires) {
			s.blocked = s.blocked || e.treatment == engine.Block
			s.restricted = s.restricted || e.treatment == engine.Restrict
		}
		if e := r.entries[listing{owner, engine.ListAllow, user}]; e != nil && (e.expires == 0 || r.now < e.expires) {
			s.allowed = true
		}
	}
	return s
}

// stamped reports whether a version asks for anything that is found out where the request arrives.
func stamped(v *engine.Version) bool {
	a := v.Audience
	return a != nil && (len(a.Attributes) > 0 || len(a.Program) > 0 || a.Tickets)
}

// ineligible refuses a draw by who makes it: ticket, stamp, rule, lists.
func (r *Reference) ineligible(c *campaign, d *engine.Draw, who *subject) (out Decided, refused bool) {
	v := c.live()
	a := v.Audience
	if a == nil {
		a = &engine.Audience{}
	}
	if k := &d.Ticket; a.Tickets && (k.Key == 0 && a.TicketRequired || k.Key != 0 && (r.now < k.NotBefore || r.now >= k.ExpiresAt)) {
		return refuse(c.ref, problem.TicketInvalid), true
	}
	if stamped(v) && d.Stamp.Version != v.Number {
		out = refuse(c.ref, problem.VersionChanged)
		out.Result.Value = uint64(v.Number) // which to look at
		return out, true
	}
	who.standing = r.standing(c, d.User)
	switch s := &who.standing; {
	case !s.allowed && (a.ListedOnly || stamped(v) && !d.Stamp.Eligible):
		return refuse(c.ref, problem.NotEligible), true
	case s.blocked:
		return refuse(c.ref, problem.Blocked), true
	}
	return out, false
}

// spared reports whether a prize is not for somebody who is restricted.
func spared(v *engine.Version, prize int) bool {
	return v.Audience == nil || len(v.Audience.Valuable) == 0 || slices.Contains(v.Audience.Valuable, int16(prize))
}

// audit returns what the record of a draw tells about who drew; nil for nothing.
func audit(v *engine.Version, d *engine.Draw, who *subject) *engine.Audit {
	s := &who.standing
	if !stamped(v) && !s.any {
		return nil
	}
	a := &engine.Audit{Listed: s.any, Allowed: s.allowed, Restricted: s.restricted}
	if stamped(v) {
		a.Stamped, a.Attributes = true, d.Stamp.Digest
		if v.Audience.Tickets {
			a.Ticket = d.Ticket.Key
		}
	}
	return a
}

// diffAudit compares what a record tells about who drew. The digest of the lists is the engine's own.
func diffAudit(what string, got *engine.Record, want []*engine.Audit, i int) string {
	a, some := got.Audit()
	if i >= len(want) || want[i] == nil {
		if some {
			return what + ": the engine tells who drew, the reference nothing"
		}
		return ""
	}
	if a.Listed && a.Lists != 0 {
		a.Lists = 0
	}
	if !some {
		return what + ": the engine tells nothing of who drew"
	}
	return same(what+" audit", a, *want[i])
}

// list changes a list: one record for each entry that is another afterwards.
func (r *Reference) list(p *engine.PutList) Decided {
	c := r.campaign(p.Campaign)
	if p.Campaign != 0 && c == nil {
		return refuse(0, problem.CampaignNotFound)
	}
	out := Decided{Result: engine.Result{Campaign: p.Campaign}}
	r.lists[c] = r.lists[c] || !p.Remove
	for i := range p.Entries {
		e := &p.Entries[i]
		place, next := listing{c, p.List, e.User}, &listed{e.Treatment, e.ExpiresAt}
		if p.List == engine.ListAllow {
			next.treatment = engine.Block // it means nothing there
		}
		known := r.entries[place]
		if p.Remove && known == nil || !p.Remove && known != nil && *known == *next {
			continue
		}
		rec := engine.Record{
			Kind: engine.RecordList, Campaign: p.Campaign, At: r.now, Name: e.UserID, Actor: []byte(p.Actor), Reason: e.Reason,
			Delta: int64(e.ExpiresAt), Flags: uint32(p.List),
		}
		switch {
		case p.Remove:
			delete(r.entries, place)
			rec.Flags |= engine.ListRemoved
		default:
			r.entries[place] = next
			if next.treatment == engine.Restrict {
				rec.Flags |= engine.ListRestricted
			}
		}
		if c != nil {
			rec.Version = c.live().Number
		} else {
			rec.Namespace = p.Namespace
		}
		out.Records = append(out.Records, rec)
	}
	out.Result.Value, out.Result.AlreadyLive = uint64(len(out.Records)), len(out.Records) == 0
	if len(out.Records) > 0 {
		out.Result.At, out.Result.Records = r.here(0), uint8(len(out.Records))
	}
	return out
}

// claimSlots gives the attributes that a version's caps count by their slots: they are for the campaign's life.
func (c *campaign) claimSlots(v *engine.Version) {
	for i := range v.Caps {
		if k := &v.Caps[i]; k.Scope == engine.ScopeAttribute {
			if name := v.Audience.Attributes[k.Attribute].Name; !slices.Contains(c.slots, name) {
				c.slots = append(c.slots, name)
			}
		}
	}
}

// scopeOf returns whose counter a cap moves: of an attribute, the scope of its slot.
func (c *campaign) scopeOf(v *engine.Version, k *engine.Cap) engine.Scope {
	if k.Scope != engine.ScopeAttribute {
		return k.Scope
	}
	return engine.ScopeAttribute + engine.Scope(slices.Index(c.slots, v.Audience.Attributes[k.Attribute].Name))
}

// whoMayDraw is a version's audience as far as it says who may draw: what its prizes are for whom is not in it.
func whoMayDraw(v *engine.Version) string {
	a := engine.Audience{}
	if v.Audience != nil {
		a = *v.Audience
	}
	a.Valuable = nil
	return fmt.Sprintf("%+v", a)
}
