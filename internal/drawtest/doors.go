package drawtest

import (
	"fmt"

	"github.com/drawd/drawd/engine"
)

// admit gives a campaign an audience, for its life mostly the same: facts, a rule, tickets, valuable prizes.
func (w *world) admit(v *engine.Version) {
	style, known := w.doors[v.Campaign]
	if !known {
		style = w.rng.IntN(100)
		w.doors[v.Campaign] = style
	}
	if style >= 35 {
		v.Audience = nil
		return
	}
	a := &engine.Audience{ListedOnly: w.chance(10)}
	v.Audience = a
	if style < 25 { // caps may count by these
		a.Attributes = []engine.Attribute{{Name: "region", Type: engine.TypeText}, {Name: "tier", Type: engine.TypeInt}}
		if w.chance(60) {
			var p engine.Program
			p.Attribute(1)
			p.Int(int64(w.rng.IntN(3)))
			p.Operator(">=")
			a.Program, _ = p.Bytes(a.Attributes)
			a.Rule = "tier >= n"
		}
	}
	if w.chance(40) {
		a.Tickets, a.TicketRequired = true, w.chance(50)
		if w.chance(30) {
			a.TicketKeys = []uint64{7}
		}
	}
	w.treasure(v)
}

// treasure names the prizes that are not for somebody who is restricted: prizes change places.
func (w *world) treasure(v *engine.Version) {
	if v.Audience == nil {
		return
	}
	v.Audience.Valuable = nil
	if w.chance(50) {
		return
	}
	for i := range v.Prizes {
		if w.chance(40) {
			v.Audience.Valuable = append(v.Audience.Valuable, int16(i))
		}
	}
}

// attributed reports whether caps of a version may count by attributes.
func attributed(v *engine.Version) bool { return v.Audience != nil && len(v.Audience.Attributes) > 0 }

// arrive gives a draw what was found out where its request arrived, mostly so that it may go on.
func (w *world) arrive(c *campaign, d *engine.Draw) {
	v := c.live()
	if v.Audience == nil && w.chance(97) {
		return
	}
	d.Stamp = engine.Stamp{Version: v.Number, Eligible: w.chance(88), Digest: uint64(w.rng.IntN(9))}
	if w.chance(6) {
		d.Stamp.Version = uint32(w.rng.IntN(int(v.Number) + 2))
	}
	if v.Audience != nil && v.Audience.Tickets && w.chance(85) || w.chance(5) {
		d.Ticket = engine.Ticket{Key: 7, NotBefore: w.now - minute, ExpiresAt: w.now + minute}
		switch w.rng.IntN(20) {
		case 0:
			d.Ticket.NotBefore = w.now + engine.UnixMilli(w.rng.IntN(3)) - 1
		case 1:
			d.Ticket.ExpiresAt = w.now + engine.UnixMilli(w.rng.IntN(3)) - 1
		}
	}
	for slot, name := range c.slots {
		if w.chance(94) {
			d.By[slot], d.HasBy = hashed("attribute", name, w.rng.IntN(2)), d.HasBy|1<<slot
		}
	}
}

// guest is a user with an entry on a list that expires.
type guest struct {
	user     string
	campaign engine.CampaignRef // 0: the namespace's list
	expires  engine.UnixMilli
}

// leaving returns when one of the last guests leaves, and remembers him; 0 when none is still there.
func (w *world) leaving() engine.UnixMilli {
	for i := range min(6, len(w.listings)) {
		if g := &w.listings[len(w.listings)-1-i]; g.expires > w.now {
			w.guest = g
			return g.expires
		}
	}
	return 0
}

// list puts users on a list, or takes them off.
func (w *world) list() Command {
	p := &engine.PutList{Namespace: 1, List: engine.ListDeny, Remove: w.chance(45), Actor: "op"}
	if w.chance(60) {
		p.Campaign = w.anyCampaign().ref
		if w.chance(2) {
			p.Campaign = 99
		}
	}
	if w.chance(50) {
		p.List = engine.ListAllow
	}
	for range 1 + w.rng.IntN(2) {
		user := fmt.Sprint("u", w.rng.IntN(5))
		e := engine.ListEntry{User: w.user(user), UserID: []byte(user), Reason: []byte("why")}
		if w.chance(65) {
			e.Treatment = engine.Restrict
		}
		if w.chance(50) {
			e.ExpiresAt = w.now + engine.UnixMilli(w.rng.Int64N(int64([]engine.UnixMilli{second, minute, day}[w.rng.IntN(3)])))
			w.listings = append(w.listings, guest{user, p.Campaign, e.ExpiresAt})
		}
		p.Entries = append(p.Entries, e)
	}
	return Command{List: p}
}

// reopen changes an audience: its rule, its tickets, its prizes. The facts stay, for caps count by them.
func (w *world) reopen(v *engine.Version) {
	if v.Audience == nil {
		return
	}
	if w.chance(50) {
		a := *v.Audience // the live version keeps its own
		v.Audience = &a
		w.treasure(v)
		return
	}
	w.admit(v)
}
