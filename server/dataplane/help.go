package dataplane

import (
	"bytes"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// helpFieldOf returns the field of a help's body with this name. The helper is the user of a draw.
func helpFieldOf(name []byte) field {
	switch string(name) {
	case "owner":
		return fieldOwner
	case "helper":
		return fieldHelper
	case "event":
		return fieldEvent
	case "device":
		return fieldDevice
	case "ip":
		return fieldIP
	case "attributes":
		return fieldAttributes
	}
	return fieldUnknown
}

// parseHelp reads the body of a help. false means that it is not sound JSON; what is wrong within sound JSON is in d.fault.
func (s *scanner) parseHelp(d *drawBody) bool {
	d.begin()
	if s.space() != '{' {
		d.wrong(fieldBody, isNotObject)
		return s.skip(1) && s.end()
	}
	s.i++
	for first := true; ; first = false {
		name, more, ok := s.member(first)
		if !more {
			for _, f := range [...]field{fieldOwner, fieldHelper} {
				if ok && d.seen&(1<<f) == 0 {
					d.wrong(f, isMissing)
				}
			}
			return ok && s.end()
		}
		f := helpFieldOf(name)
		if f == fieldUnknown {
			d.add(fault{field: fieldUnknown, what: isUnknown, name: name})
			if !s.unique(0, name) || !s.skip(2) {
				return false
			}
			continue
		}
		if d.seen&(1<<f) != 0 {
			return s.fail(whyTwice)
		}
		d.seen |= 1 << f
		if !s.helpField(d, f) {
			return false
		}
	}
}

func (s *scanner) helpField(d *drawBody, f field) (ok bool) {
	switch f {
	case fieldOwner:
		d.owner, ok = s.text(d, f, isUser, names.Subject, 1)
	case fieldHelper:
		d.user, ok = s.text(d, f, isUser, names.Subject, 1)
	case fieldEvent:
		d.event, ok = s.text(d, f, isHelpEvent, names.Key, 1)
	default:
		return s.drawField(d, f, 1)
	}
	return ok
}

// help answers POST /v1/campaigns/{c}/helps. In order: what was sent, what is known already, the log.
func (w *worker) help() {
	if !w.sentJSON() || !w.keyed() {
		return
	}
	b := &w.body
	w.scanner.reset(w.sent())
	sound := w.scanner.parseHelp(b)
	if b.faults == 0 && !w.server.users.Allow(w.grant.Namespace, b.owner) {
		b.wrong(fieldOwner, isPattern)
	}
	if b.faults == 0 && !w.server.users.Allow(w.grant.Namespace, b.user) {
		b.wrong(fieldHelper, isPattern)
	}
	if b.faults == 0 && bytes.Equal(b.owner, b.user) {
		b.wrong(fieldHelper, isHimself)
	}
	if !w.parsed(sound) {
		return
	}
	c, ok := w.campaign()
	if !ok || !w.fillHelp(c) || w.knownHelp(c) || !w.inTime() {
		return
	}
	w.batch.Reset()
	w.batch.AddHelp(&w.helping)
	if w.decide() {
		w.answerHelp(c, &w.batch.Results[0])
	}
}

// fillHelp makes the command, or refuses. Its slices alias the request. Attributes are those that the live version declares,
// as in a draw; those that caps count helps by go along.
func (w *worker) fillHelp(c *engine.Campaign) bool {
	b, keyer := &w.body, c.Namespace().Keyer()
	helper := keyer.User(b.user)
	w.helping = engine.Help{
		Campaign: c.Ref(), Owner: keyer.User(b.owner), OwnerID: b.owner, Helper: helper, HelperID: b.user, Event: b.event,
		Digest: keyer.Digest(engine.DigestHelp, c.Ref(), helper, w.head.key),
	}
	h := &w.helping
	if b.device != nil {
		h.Device, h.HasDevice = keyer.Device(b.device), true
	}
	if b.ip.IsValid() {
		h.IP, h.HasIP = keyer.IP(b.ip), true
	}
	w.facts.User, w.facts.Campaign = uint16(helper[0])<<8|uint16(helper[1]), c.Ref()
	version, slots := c.Gate()
	audience := version.Audience
	if audience == nil {
		return true
	}
	w.who.version, w.who.slots, w.who.missing = version, slots, -1
	if f, sound := w.take(audience); !sound {
		w.problem.Errors = append(w.problem.Errors, f.error(""))
		w.refuse(f.code(), "")
		return false
	}
	for i := range audience.Attributes {
		if slot := slots[i]; slot >= 0 && w.who.values[i].Type != 0 {
			h.By[slot] = keyer.Attribute(audience.Attributes[i].Name, &w.who.values[i])
			h.HasBy |= 1 << slot
		}
	}
	return true
}

// knownHelp answers the help from committed facts, if they decide it: like known of draws.
func (w *worker) knownHelp(c *engine.Campaign) bool {
	r, ok := w.server.options.Engine.PeekHelp(&w.helping, engine.UnixMilli(w.now.UnixMilli()))
	if !ok {
		return false
	}
	if r.Replayed {
		return w.replayHelp(c, &r) == nil
	}
	if !settled(r.Code) && (w.head.retry || w.outdated()) {
		return false
	}
	w.server.figures.facts.Inc()
	w.denyHelp(&r)
	return true
}

// answerHelp answers with what the log decided.
func (w *worker) answerHelp(c *engine.Campaign, r *engine.Result) {
	switch {
	case r.Code != problem.OK:
		w.server.figures.logged.Inc()
		w.denyHelp(r)
	case r.Replayed:
		if err := w.replayHelp(c, r); err != nil {
			w.failed(err)
		}
	default:
		if err := w.sendHelp(c, w.batch.Records[r.Offset:r.Offset+r.Length], r.At); err != nil {
			w.failed(err)
		}
	}
}

// replayHelp answers with the first answer. An error means that nothing was sent, because the record is not stored yet.
func (w *worker) replayHelp(c *engine.Campaign, r *engine.Result) (err error) {
	w.records, err = w.server.options.Records.Records(w.records[:0], uint64(r.At.Index), r.At.Ordinal, 1)
	if err != nil {
		return err
	}
	w.response().Header.Set("Idempotent-Replayed", "true")
	if err = w.sendHelp(c, w.records, r.At); err == nil {
		w.server.figures.replays.Inc()
	}
	return err
}

func (w *worker) sendHelp(c *engine.Campaign, record []byte, at engine.Location) error {
	b, err := w.appendHelp(w.buf[:0], c, record, at)
	if err != nil {
		return err
	}
	w.buf = b
	w.sayIndex(at.Index)
	w.send(200, typeJSON)
	return nil
}

// appendHelp decodes a record of a help into w.told and appends it.
func (w *worker) appendHelp(b []byte, c *engine.Campaign, record []byte, at engine.Location) ([]byte, error) {
	if _, err := engine.DecodeRecord(record, &w.told); err != nil {
		return b, err
	}
	n, ok := w.told.Help()
	v := c.VersionNumber(w.told.Version)
	if !ok || v == nil || w.told.Campaign != c.Ref() {
		return b, errFirst
	}
	return render.AppendHelp(b, w.server.options.Engine, c.ID(), v, at, &w.told, &n), nil
}

// denyHelp answers with the refusal of a help: whose cap, or who is blocked or has no room.
func (w *worker) denyHelp(r *engine.Result) {
	w.denied(r)
	who := "helper"
	if r.Value == engine.HelpOwner {
		who = "owner"
	}
	switch r.Code {
	case problem.Capped, problem.Blocked, problem.ChancesFull:
		w.problem.Of = who
	case problem.InvalidField: // himself: the edge saw to that
		w.problem.Errors = append(w.problem.Errors, render.FieldError{Pointer: "/helper", Code: whats[isHimself].code, Message: whats[isHimself].message})
	case problem.Conflict:
		w.problem.Detail = "The campaign takes no helps: it has neither caps that count assists or invites nor helps."
	}
	w.sendProblem()
}

// listHelps answers GET /v1/campaigns/{c}/users/{u}/helps: newest first, those in which the user was the owner, or the helper.
func (w *worker) listHelps() {
	c, ok := w.campaign()
	if !ok {
		return
	}
	p, ok := w.parsePage()
	if !ok {
		return
	}
	role, _ := param(w.head.query, "role")
	owner := string(role) == "owner"
	if !owner && string(role) != "helper" {
		w.invalid("/role", "range", `It must be "owner" or "helper".`)
		return
	}
	e, at := w.server.options.Engine, p.from
	if at.IsZero() {
		owned, helped := e.LastHelps(c, w.subject())
		if at = helped; owner {
			at = owned
		}
	}
	b := append(w.buf[:0], `{"items":[`...)
	for n := 0; n < p.limit && !at.IsZero(); n++ {
		if n > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = w.appendOlderHelp(b, c, at); err != nil && (n > 0 || p.from.IsZero()) {
			w.buf = b
			w.failed(err)
			return
		}
		who := w.told.Actor
		if owner {
			who = w.told.Name
		}
		if err != nil || n == 0 && !bytes.Equal(who, w.place.user) {
			w.buf = b
			w.invalidCursor()
			return
		}
		note, _ := w.told.Help()
		if at = note.HelperLast; owner {
			at = note.OwnerLast
		}
	}
	b = append(b, `],"next_cursor":"`...)
	if !at.IsZero() {
		b = e.AppendID(b, idCursor, at)
	}
	w.buf = append(b, `"}`...)
	w.sendFresh(typeJSON)
}

// appendOlderHelp appends the help at a place of a user's chain, as appendOlder does of draws.
func (w *worker) appendOlderHelp(b []byte, c *engine.Campaign, at engine.Location) ([]byte, error) {
	read := func() (err error) {
		w.records, err = w.server.options.Records.Records(w.records[:0], uint64(at.Index), at.Ordinal, 1)
		return err
	}
	err := read()
	if err != nil && w.barrier() == nil {
		err = read()
	}
	if err != nil {
		return b, err
	}
	return w.appendHelp(b, c, w.records, at)
}
