package dataplane

import (
	"bytes"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
	"github.com/drawd/drawd/server/ticket"
)

// asking is what is known of who asks for a draw: his ticket, and the values of the campaign's attributes.
type asking struct {
	alone  bool // there is no API key: only a ticket can admit the request
	public bool // a ticket did: what is answered is for a player's eyes

	ticket   ticket.Ticket
	checked  bool          // the ticket's signature was looked at
	reason   ticket.Reason // what is wrong with the ticket then
	arena    []byte        // what its values alias
	version  *engine.Version
	slots    *[engine.MaxAttributes]int8
	values   engine.Values
	missing  int   // number of the first attribute that the rule asked for in vain, -1 for none
	mismatch uint8 // why the ticket is not for this draw
	refused  bool  // the ticket is not valid, for whatever reason
	many     bool  // one of a batch: what is known here is of the last item
}

// Why a sound ticket is not for this draw.
const (
	otherCampaign = 1 + iota
	otherUser
	otherTimes
	otherKey
	otherChannel
)

// end forgets who asked.
func (a *asking) end() {
	a.many = false
	if a.version == nil && !a.alone && !a.checked {
		return
	}
	a.alone, a.public, a.checked, a.version, a.slots, a.mismatch, a.refused = false, false, false, nil, nil, 0, false
	a.ticket, a.values = ticket.Ticket{}, engine.Values{}
}

// stampTries is how often a draw is evaluated again because a version was published meanwhile.
const stampTries = 4

const staleDetail = "The campaign was published again and again while this draw was evaluated."

// keyOf returns the idempotency key: the header, or the ticket's nonce. A request without an API key is admitted here, if
// its ticket says so. false means that the request was refused.
func (w *worker) keyOf(sound bool, fault problem.Code) (key []byte, ok bool) {
	switch {
	case w.who.alone && !w.enter(sound):
		return nil, false
	case w.body.ticket == nil || !sound:
		if fault != problem.OK {
			w.refuse(fault, "")
			return nil, false
		}
		return w.head.key, true
	case fault == problem.IdempotencyKeyInvalid:
		w.refuse(fault, "")
		return nil, false
	}
	if !w.who.checked {
		w.checkTicket()
	}
	if w.head.key != nil {
		return w.head.key, true
	}
	if w.who.reason != ticket.OK {
		return nil, w.badTicket()
	}
	return w.who.ticket.Nonce, true
}

// badTicket refuses a request whose key could only have come from a ticket that is not valid.
func (w *worker) badTicket() bool {
	w.ticketError()
	w.refuse(problem.TicketInvalid, "")
	return false
}

func (w *worker) checkTicket() {
	a := &w.who
	a.checked = true
	var k *ticket.Key
	k, a.arena, a.reason = w.server.options.Tickets.Check(w.body.ticket, &a.ticket, a.arena[:0], w.now)
	// The ring holds the keys of all namespaces; one signs for its own only.
	if a.reason == ticket.OK && k.Namespace != w.grant.Namespace.Name() {
		a.reason = ticket.Unsigned
	}
}

// enter admits a request by its ticket alone, into the namespace of the ticket's key.
func (w *worker) enter(sound bool) bool {
	a := &w.who
	if !sound || w.body.ticket == nil {
		w.response().Header.Set("WWW-Authenticate", "Bearer")
		w.refuse(problem.Unauthenticated, "")
		return false
	}
	a.public, a.checked = true, true
	if !w.unhurried(w.server.addresses.TakeAddress(w.conn.peer, w.now)) {
		return false
	}
	var k *ticket.Key
	k, a.arena, a.reason = w.server.options.Tickets.Check(w.body.ticket, &a.ticket, a.arena[:0], w.now)
	if a.reason != ticket.OK {
		return w.badTicket()
	}
	ns, ok := w.server.options.Engine.Namespace(k.Namespace)
	if !ok {
		return w.badTicket()
	}
	if !w.unhurried(w.server.people.TakeUser(k.Namespace, a.ticket.User, w.now)) {
		return false
	}
	w.grant, w.answer.Masked = w.server.options.Gate.Enter(ns), false
	// What a browser says about itself is not worth counting by: the address is that of the connection.
	if w.body.ip.IsValid() {
		w.body.wrong(fieldIP, isUntrusted)
	}
	if w.body.device != nil {
		w.body.wrong(fieldDevice, isUntrusted)
	}
	w.body.ip = w.conn.peer
	return true
}

// unhurried refuses a request that comes too soon: after is in how many seconds it may come again, 0 for now.
func (w *worker) unhurried(after int) bool {
	if after == 0 {
		return true
	}
	w.wait = after
	w.refuse(problem.RateLimited, "")
	return false
}

// stamp asks the live version's audience about w.body, and puts what it says into w.command. A fault is one in what was
// sent. What only the log can decide, and what comes after the idempotency key, is left to it: a ticket that is not valid
// for this draw is carried as one whose time is over.
func (w *worker) stamp(c *engine.Campaign, keyer *engine.Keyer, key []byte) (f fault, sound bool) {
	d, a := &w.command, &w.who
	version, slots := c.Gate()
	audience := version.Audience
	if audience == nil {
		d.Eligibility = engine.Eligibility{}
		if a.alone {
			return fault{field: fieldTicket, what: isUntrusted}, false
		}
		return f, true
	}
	a.version, a.slots, a.missing, a.refused = version, slots, -1, false
	d.Eligibility = engine.Eligibility{}
	if audience.Tickets && w.body.ticket != nil {
		w.carryTicket(c, audience, key)
		// The log answers a known key before it looks at the ticket. Whoever comes by a ticket alone may ask for that
		// ticket's draw and no other: else he would read the answers of every user whose key he guesses.
		if a.alone && a.mismatch != 0 {
			return fault{field: fieldTicket, what: isUntrusted}, false
		}
	} else if a.alone {
		return fault{field: fieldTicket, what: isUntrusted}, false
	}
	if f, sound = w.take(audience); !sound {
		return f, false
	}
	eligible, missing := audience.Eligible(&a.values)
	a.missing = missing
	d.Stamp = engine.Stamp{Version: a.version.Number, Eligible: eligible, Digest: keyer.Attributes(audience, &a.values)}
	for i := range audience.Attributes {
		if slot := a.slots[i]; slot >= 0 && a.values[i].Type != 0 {
			d.By[slot] = keyer.Attribute(audience.Attributes[i].Name, &a.values[i])
			d.HasBy |= 1 << slot
		}
	}
	return f, true
}

// carryTicket puts the ticket into the command.
func (w *worker) carryTicket(c *engine.Campaign, audience *engine.Audience, key []byte) {
	a, d := &w.who, &w.command
	if !a.checked {
		w.checkTicket()
	}
	t := &a.ticket
	if a.mismatch = 0; a.reason == ticket.OK {
		switch {
		case string(t.Campaign) != c.ID():
			a.mismatch = otherCampaign
		case !bytes.Equal(t.User, w.body.user):
			a.mismatch = otherUser
		case w.body.times > t.Times:
			a.mismatch = otherTimes
		case !bytes.Equal(t.Nonce, key):
			a.mismatch = otherKey
		case !w.mayChannel(t.Channel):
			a.mismatch = otherChannel
		case len(d.Channel) == 0:
			d.Channel = t.Channel
		}
	}
	d.Ticket = engine.Ticket{Key: t.Key, NotBefore: engine.UnixMilli(t.NotBefore * 1000), ExpiresAt: engine.UnixMilli(t.ExpiresAt * 1000)}
	if a.refused = a.reason != ticket.OK || a.mismatch != 0 || !mayBeSignedBy(audience, t.Key); a.refused {
		d.Ticket = engine.Ticket{Key: 1} // never in time
	}
}

// mayChannel reports whether the channel that was sent is one that the ticket allows. Where a campaign has channels, their
// prizes and odds differ, so whoever comes by a ticket alone does not choose one.
func (w *worker) mayChannel(signed []byte) bool {
	sent := w.body.channel
	if len(sent) == 0 {
		return true
	}
	if signed == nil {
		return !w.who.alone || len(w.who.version.Channels) == 0
	}
	return bytes.Equal(sent, signed)
}

func mayBeSignedBy(audience *engine.Audience, key uint64) bool {
	for _, id := range audience.TicketKeys {
		if id == key {
			return true
		}
	}
	return len(audience.TicketKeys) == 0
}

// take collects the values of the audience's attributes: from the ticket, or from the body.
func (w *worker) take(audience *engine.Audience) (f fault, sound bool) {
	a, body := &w.who, &w.body.attributes
	a.values = engine.Values{}
	if len(audience.Attributes) == 0 {
		return f, true
	}
	if body.more {
		return fault{field: fieldAttributes, what: isManyAttributes}, false
	}
	for i := range body.items[:body.count] {
		if !declared(audience, body.items[i].name) {
			return fault{field: fieldAttributes, what: isUnknown, name: body.items[i].name}, false
		}
	}
	signed := w.command.Ticket.Key != 0 && !a.refused
	for i := range audience.Attributes {
		x := &audience.Attributes[i]
		value, sent := body.find(x.Name)
		if sent && (x.FromTicket || a.alone) {
			what := isFromTicket
			if !x.FromTicket {
				what = isUntrusted
			}
			return fault{field: fieldAttributes, what: what, name: []byte(x.Name)}, false
		}
		if sent && value.Type != x.Type {
			return fault{field: fieldAttributes, what: isAttribute, name: []byte(x.Name)}, false
		}
		if text := a.ticket.Attribute(x.Name); !sent && signed && text != nil {
			if value, sent = engine.ParseValue(x.Type, text); !sent {
				return fault{field: fieldAttributes, what: isAttribute, name: []byte(x.Name)}, false
			}
		}
		a.values[i] = value
	}
	return f, true
}

func declared(audience *engine.Audience, name []byte) bool {
	for i := range audience.Attributes {
		if audience.Attributes[i].Name == string(name) {
			return true
		}
	}
	return false
}

// code is the code of a request with this fault.
func (f *fault) code() problem.Code {
	switch {
	case f.field == fieldTicket:
		return problem.TicketInvalid
	case f.what == isUnknown:
		return problem.UnknownField
	}
	return problem.InvalidField
}

// error is the fault as it is told.
func (f *fault) error(prefix string) render.FieldError {
	one := drawBody{faults: 1}
	one.fault[0] = *f
	return one.tell(nil, prefix)[0]
}

// tellWhy adds to a denial what the sender could have sent better: the attribute that was asked for in vain, or what is
// wrong with his ticket.
func (w *worker) tellWhy(r *engine.Result) {
	a := &w.who
	at := -1
	switch {
	case a.many:
		return
	case r.Code == problem.TicketInvalid:
		w.ticketError()
		return
	case a.version == nil || a.version.Audience == nil:
		return
	case r.Code == problem.NotEligible:
		at = a.missing
	case r.Code == problem.ScopeValueMissing && engine.Scope(r.Cap) >= engine.ScopeAttribute:
		for i, slot := range a.slots {
			if slot >= 0 && uint8(engine.ScopeAttribute)+uint8(slot) == r.Cap {
				at = i
			}
		}
	}
	if at >= 0 {
		x := &whats[isAsked]
		w.problem.Errors = append(w.problem.Errors, render.FieldError{
			Pointer: fieldPointers[fieldAttributes] + "/" + a.version.Audience.Attributes[at].Name, Code: x.code, Message: x.message,
		})
	}
}

// ticketErrors are what is told of a ticket that is not valid. They help whoever made it, and not who would forge one.
var ticketErrors = [...]render.FieldError{
	{Pointer: "/ticket", Code: "required", Message: "The campaign needs a signed ticket."},
	{Pointer: "/ticket", Code: "malformed", Message: "It is not a ticket of the form in docs/tickets.md."},
	{Pointer: "/ticket", Code: "signature", Message: "It bears no signature of a key that may sign for this campaign."},
	{Pointer: "/ticket", Code: "time", Message: "It is not yet valid, or not any more."},
	{Pointer: "/ticket", Code: "other_campaign", Message: "It is for another campaign."},
	{Pointer: "/ticket", Code: "other_user", Message: "It is for another user."},
	{Pointer: "/ticket", Code: "times", Message: "It is good for fewer draws at once."},
	{Pointer: "/ticket", Code: "other_key", Message: "The Idempotency-Key is not the ticket's nonce; leave the header out."},
	{Pointer: "/ticket", Code: "other_channel", Message: "It is not for this channel; leave channel out."},
}

// ticketError adds what is wrong with the ticket to w.problem.
func (w *worker) ticketError() {
	a, at := &w.who, 3
	switch {
	case w.body.ticket == nil:
		at = 0
	case a.reason == ticket.Malformed:
		at = 1
	case a.reason == ticket.Unsigned:
		at = 2
	case a.mismatch != 0:
		at = 3 + int(a.mismatch)
	case a.refused:
		at = 2
	}
	w.problem.Errors = append(w.problem.Errors, ticketErrors[at])
}

// sendPublic answers with w.problem as a player may see it.
func (w *worker) sendPublic(info *problem.Info) {
	p := render.PublicOf(w.problem.Code)
	if p.RetryAfter() {
		w.retryAfter()
	}
	w.server.figures.problems[w.problem.Code].Inc()
	w.buf = render.AppendPublic(w.buf[:0], &w.problem)
	status := p.Status
	if status == 0 {
		status = info.Status
	}
	w.send(status, typeProblem)
}
