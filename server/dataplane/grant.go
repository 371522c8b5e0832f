package dataplane

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// grantBody is the body of a grant or revocation. Source and event are its key.
type grantBody struct {
	source, event, reason            string
	amount                           int64
	priority                         int64 // engine.SourcePriority: as the source says
	occurredAt, effectiveAt, expires engine.UnixMilli
	faults                           faults
}

// parseGrant reads a body. revoke: it names a grant and a reason only. false means that it is not sound JSON.
func (s *scanner) parseGrant(g *grantBody, revoke bool) bool {
	*g = grantBody{priority: engine.SourcePriority}
	return s.bodyOf(&g.faults, func(name []byte) (known, ok bool) { return s.grantField(g, string(name), revoke) }, func() {
		g.faults.need("/source", g.source != "")
		g.faults.need("/event", g.event != "")
		g.faults.need("/amount", revoke || g.amount > 0)
	})
}

// grantField reads the value of one field.
func (s *scanner) grantField(g *grantBody, name string, revoke bool) (known, ok bool) {
	f := &g.faults
	var text []byte
	switch {
	case name == "source":
		text, ok = s.stringAt(f, "/source", isSource, "It must be 1 to 40 of the characters a-z 0-9 -, and not begin with -.")
		g.source = string(text)
	case name == "event":
		text, ok = s.stringAt(f, "/event", names.Key, keyMessage)
		g.event = string(text)
	case name == "reason":
		text, ok = s.stringAt(f, "/reason", names.Reason, reasonMessage)
		g.reason = string(text)
	case revoke:
		return false, true
	case name == "amount":
		ok = s.wholeAt(f, "/amount", &g.amount, 1, engine.MaxGrant, "It must be 1 to 100000000.")
	case name == "priority":
		ok = s.wholeAt(f, "/priority", &g.priority, 0, engine.MaxPriority, "It must be 0 to 100.")
	case name == "occurred_at":
		ok = s.timeAt(f, "/occurred_at", &g.occurredAt)
	case name == "effective_at":
		ok = s.timeAt(f, "/effective_at", &g.effectiveAt)
	case name == "expires_at":
		ok = s.timeAt(f, "/expires_at", &g.expires)
	default:
		return false, true
	}
	return true, ok
}

func isSource(b []byte) bool { return names.ID(b) && len(b) <= engine.MaxSourceBytes }

// askedGrant reads the body of a grant or revocation and finds whom it is for, or refuses.
func (w *worker) askedGrant(g *grantBody, revoke bool) (*engine.Campaign, bool) {
	if !w.sentJSON() {
		return nil, false
	}
	w.scanner.reset(w.sent())
	if !w.accepted(w.scanner.parseGrant(g, revoke), &g.faults) {
		return nil, false
	}
	if !w.server.users.Allow(w.grant.Namespace, w.place.user) {
		w.invalid("", whats[isPattern].code, whats[isPattern].message)
		return nil, false
	}
	if !w.grant.AllowsGrant(g.source, uint32(g.amount)) {
		w.refuse(problem.Forbidden, "The key may not grant so much, or not from this source.")
		return nil, false
	}
	if w.place.purse != nil {
		if w.grant.Limited() {
			w.refuse(problem.Forbidden, "The key is limited to campaigns: a purse is the namespace's.")
			return nil, false
		}
		return nil, true
	}
	return w.campaign()
}

// grantChances answers POST …/chances, of a campaign or of a purse.
func (w *worker) grantChances() {
	var g grantBody
	c, ok := w.askedGrant(&g, false)
	if !ok || !w.inTime() {
		return
	}
	user := w.subject()
	command := engine.Grant{
		User: user, UserID: w.place.user, Source: g.source, Event: g.event, Amount: uint32(g.amount), Priority: uint8(g.priority),
		OccurredAt: g.occurredAt, EffectiveAt: g.effectiveAt, ExpiresAt: g.expires, Actor: w.grant.Actor(), Reason: g.reason,
	}
	if c != nil {
		command.Campaign = c.Ref()
	} else {
		command.Namespace, command.Purse = w.grant.Namespace.Ref(), string(w.place.purse)
	}
	w.batch.Reset()
	w.batch.AddGrant(&command)
	if !w.decide() {
		return
	}
	r := &w.batch.Results[0]
	if r.Code != problem.OK {
		w.denyGrant(r)
		return
	}
	w.buf = render.AppendGrant(w.buf[:0], r)
	w.sayIndex(r.At.Index)
	w.sendFresh(typeJSON)
}

// subject is the key of the user in the path.
func (w *worker) subject() engine.Key {
	keyer := w.grant.Namespace.Keyer()
	user := keyer.User(w.place.user)
	w.facts.User = uint16(user[0])<<8 | uint16(user[1])
	return user
}

// revokeChances answers POST …/chances:revoke. The grant's record says when its chances end: of chances that have ended
// nothing is taken back.
func (w *worker) revokeChances() {
	var g grantBody
	c, ok := w.askedGrant(&g, true)
	if !ok || !w.inTime() {
		return
	}
	user, ns, e := w.subject(), w.grant.Namespace, w.server.options.Engine
	command := engine.Revoke{User: user, UserID: w.place.user, Source: g.source, Event: g.event, Actor: w.grant.Actor(), Reason: g.reason}
	if c != nil {
		command.Campaign = c.Ref()
	} else {
		command.Namespace, command.Purse = ns.Ref(), string(w.place.purse)
	}
	at, code := e.FindGrant(c, ns, command.Purse, user, g.source, g.event)
	if code == problem.OK {
		note, err := w.grantNote(at)
		if err != nil {
			w.failed(err)
			return
		}
		command.ExpiresAt = note.ExpiresAt
	}
	w.batch.Reset()
	w.batch.AddRevoke(&command)
	if !w.decide() {
		return
	}
	r := &w.batch.Results[0]
	if r.Code != problem.OK {
		w.denyGrant(r)
		return
	}
	w.buf = render.AppendRevocation(w.buf[:0], r)
	w.sayIndex(r.At.Index)
	w.sendFresh(typeJSON)
}

// grantNote reads the record of a grant. The newest may belong to an entry that is being applied at this moment, whose
// records are not stored yet: then the log is waited for.
func (w *worker) grantNote(at engine.Location) (note engine.GrantNote, err error) {
	read := func() error {
		w.records, err = w.server.options.Records.Records(w.records[:0], uint64(at.Index), at.Ordinal, 1)
		return err
	}
	if err := read(); err != nil {
		if err := w.barrier(); err != nil {
			return note, err
		}
		if err := read(); err != nil {
			return note, err
		}
	}
	var r engine.Record
	if _, err := engine.DecodeRecord(w.records, &r); err != nil {
		return note, err
	}
	note, ok := r.Grant()
	if !ok {
		return note, errFirst
	}
	return note, nil
}

// denyGrant answers with the refusal of a grant or revocation.
func (w *worker) denyGrant(r *engine.Result) {
	detail := ""
	switch r.Code {
	case problem.InvalidField:
		f := render.GrantFault(r)
		w.invalid(f.Pointer, f.Code, f.Message)
		return
	case problem.Conflict:
		detail = "The campaign counts no chances: its draws cost nothing, or the host's own wallet pays."
	case problem.NotFound:
		detail = "The namespace has no such purse."
	case problem.KeyUnknown:
		detail = "The user was never granted anything for this source and event."
	case problem.ChancesFull:
		detail = "The user's chances already end at as many different times as the campaign or purse allows (lots)."
	}
	w.refuse(r.Code, detail)
}

// readPurse answers GET /v1/purses/{p}/users/{u}.
func (w *worker) readPurse() {
	if w.grant.Limited() {
		w.refuse(problem.Forbidden, "The key is limited to campaigns: a purse is the namespace's.")
		return
	}
	u, code := w.grant.Namespace.Purse(string(w.place.purse), w.subject(), engine.UnixMilli(w.now.UnixMilli()))
	if code != problem.OK {
		w.refuse(code, "The namespace has no such purse.")
		return
	}
	w.buf = render.AppendPurse(w.buf[:0], w.place.user, &u)
	w.sendFresh(typeJSON)
}
