package dataplane

import (
	"time"

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
	unknown                          bool // some fault is an unknown field
	faults                           []render.FieldError
}

func (g *grantBody) fault(name, code, message string) {
	if len(g.faults) < maxFaults {
		g.faults = append(g.faults, render.FieldError{Pointer: "/" + name, Code: code, Message: message})
	}
}

// parseGrant reads a body. revoke: it names a grant and a reason only. false means that it is not sound JSON.
func (s *scanner) parseGrant(g *grantBody, revoke bool) bool {
	*g = grantBody{priority: engine.SourcePriority}
	if s.space() != '{' {
		g.faults = append(g.faults, render.FieldError{Code: whats[isNotObject].code, Message: whats[isNotObject].message})
		return s.skip(1) && s.end()
	}
	s.i++
	for first := true; ; first = false {
		name, more, ok := s.member(first)
		if !more {
			if ok {
				g.missing(revoke)
			}
			return ok && s.end()
		}
		if !s.unique(0, name) || !s.grantField(g, string(name), revoke) {
			return false
		}
	}
}

func (g *grantBody) missing(revoke bool) {
	told := func(name string) bool {
		for i := range g.faults {
			if g.faults[i].Pointer == "/"+name {
				return true
			}
		}
		return false
	}
	need := func(name string, there bool) {
		if !there && !told(name) {
			g.fault(name, whats[isMissing].code, whats[isMissing].message)
		}
	}
	need("source", g.source != "")
	need("event", g.event != "")
	need("amount", revoke || g.amount > 0)
}

// grantField reads the value of one field.
func (s *scanner) grantField(g *grantBody, name string, revoke bool) bool {
	switch {
	case name == "source":
		return s.grantText(g, name, &g.source, "It must be 1 to 40 of the characters a-z 0-9 -, and not begin with -.",
			func(b []byte) bool { return isID(b) && len(b) <= engine.MaxSourceBytes })
	case name == "event":
		return s.grantText(g, name, &g.event, "It must be 1 to 64 visible ASCII characters.", isEvent)
	case name == "reason":
		return s.grantText(g, name, &g.reason, "It must be 1 to 512 bytes of text on one line.", isReason)
	case revoke:
	case name == "amount":
		return s.grantNumber(g, name, &g.amount, 1, engine.MaxGrant, "It must be 1 to 100000000.")
	case name == "priority":
		return s.grantNumber(g, name, &g.priority, 0, engine.MaxPriority, "It must be 0 to 100.")
	case name == "occurred_at":
		return s.grantTime(g, name, &g.occurredAt)
	case name == "effective_at":
		return s.grantTime(g, name, &g.effectiveAt)
	case name == "expires_at":
		return s.grantTime(g, name, &g.expires)
	}
	if len(name) > maxToldName || !isPlainName([]byte(name)) {
		name = "" // an unknown name is told only if it can hold nothing but a name
	}
	g.unknown = true
	g.fault(name, whats[isUnknown].code, whats[isUnknown].message)
	return s.skip(2)
}

func (s *scanner) grantText(g *grantBody, name string, into *string, message string, valid func([]byte) bool) bool {
	if s.space() != '"' {
		g.fault(name, whats[isNotString].code, whats[isNotString].message)
		return s.skip(2)
	}
	text, ok := s.str()
	if ok && !valid(text) {
		g.fault(name, "pattern", message)
		return true
	}
	*into = string(text)
	return ok
}

func (s *scanner) grantNumber(g *grantBody, name string, into *int64, least, most int64, message string) bool {
	if c := s.space(); c != '-' && (c < '0' || c > '9') {
		g.fault(name, whats[isNotWhole].code, whats[isNotWhole].message)
		return s.skip(2)
	}
	n, whole, ok := s.number()
	switch {
	case !ok:
	case !whole:
		g.fault(name, whats[isNotWhole].code, whats[isNotWhole].message)
	case n < least || n > most:
		g.fault(name, "range", message)
	default:
		*into = n
	}
	return ok
}

func (s *scanner) grantTime(g *grantBody, name string, into *engine.UnixMilli) bool {
	var text string
	if !s.grantText(g, name, &text, "", func([]byte) bool { return true }) {
		return false
	}
	t, err := time.Parse(time.RFC3339, text)
	if text != "" && (err != nil || t.Year() < 1971 || t.Year() > 2105) {
		g.fault(name, "pattern", "It must be a time as in RFC 3339, such as 2026-11-11T00:00:00+08:00.")
	} else if err == nil {
		*into = engine.UnixMilli(t.UnixMilli())
	}
	return true
}

func isEvent(b []byte) bool { return names.Key(b) }

func isReason(b []byte) bool { return names.Reason(b) }

// askedGrant reads the body of a grant or revocation and finds whom it is for, or refuses.
func (w *worker) askedGrant(g *grantBody, revoke bool) (*engine.Campaign, bool) {
	if w.head.content != contentJSON {
		w.refuse(problem.UnsupportedMediaType, "Content-Type must be application/json.")
		return nil, false
	}
	w.scanner.reset(w.sent())
	if !w.scanner.parseGrant(g, revoke) {
		w.badJSON()
		return nil, false
	}
	if len(g.faults) > 0 {
		code := problem.InvalidField
		if g.unknown {
			code = problem.UnknownField
		}
		w.problem.Errors = g.faults
		w.refuse(code, "")
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
