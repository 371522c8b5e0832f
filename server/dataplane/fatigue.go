package dataplane

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

const noFatigueCap = "The namespace's policy has no such fatigue cap (fatigue_caps)."

// hitBody is the body of a hit. Its zero value is that of {}.
type hitBody struct {
	quantity int64
	unknown  bool // some fault is an unknown field
	faults   []render.FieldError
}

func (h *hitBody) fault(name, code, message string) {
	if len(h.faults) < maxFaults {
		h.faults = append(h.faults, render.FieldError{Pointer: "/" + name, Code: code, Message: message})
	}
}

// parseHit reads a body: {} or {"quantity": n}. false means that it is not sound JSON.
func (s *scanner) parseHit(h *hitBody) bool {
	*h = hitBody{quantity: 1}
	if s.space() != '{' {
		h.faults = append(h.faults, render.FieldError{Code: whats[isNotObject].code, Message: whats[isNotObject].message})
		return s.skip(1) && s.end()
	}
	s.i++
	for first := true; ; first = false {
		name, more, ok := s.member(first)
		if !more {
			return ok && s.end()
		}
		if !s.unique(0, name) {
			return false
		}
		if string(name) != "quantity" {
			told := ""
			if len(name) <= maxToldName && isPlainName(name) { // an unknown name is told only if it can hold nothing but a name
				told = string(name)
			}
			h.unknown = true
			h.fault(told, whats[isUnknown].code, whats[isUnknown].message)
			if !s.skip(2) {
				return false
			}
			continue
		}
		if !s.hitQuantity(h) {
			return false
		}
	}
}

func (s *scanner) hitQuantity(h *hitBody) bool {
	if c := s.space(); c != '-' && (c < '0' || c > '9') {
		h.fault("quantity", whats[isNotWhole].code, whats[isNotWhole].message)
		return s.skip(2)
	}
	n, whole, ok := s.number()
	switch {
	case !ok:
	case !whole:
		h.fault("quantity", whats[isNotWhole].code, whats[isNotWhole].message)
	case n < 1 || n > engine.MaxHit:
		h.fault("quantity", "range", "It must be 1 to 1000000.")
	default:
		h.quantity = n
	}
	return ok
}

// hit answers POST /v1/fatigue/{cap}/users/{u}:hit. In order: what was sent, what is known already, the log.
func (w *worker) hit() {
	if w.head.content != contentJSON {
		w.refuse(problem.UnsupportedMediaType, "Content-Type must be application/json.")
		return
	}
	if fault := w.head.keyFault(); fault != problem.OK {
		w.refuse(fault, "")
		return
	}
	var body hitBody
	w.scanner.reset(w.sent())
	if !w.scanner.parseHit(&body) {
		w.badJSON()
		return
	}
	if len(body.faults) > 0 {
		code := problem.InvalidField
		if body.unknown {
			code = problem.UnknownField
		}
		w.problem.Errors = body.faults
		w.refuse(code, "")
		return
	}
	if !w.server.users.Allow(w.grant.Namespace, w.place.user) {
		w.invalid("", whats[isPattern].code, whats[isPattern].message)
		return
	}
	number, ok := w.fatigueCap()
	if !ok {
		return
	}
	user := w.subject()
	w.asked = engine.Hit{
		Namespace: w.grant.Namespace.Ref(), Cap: number, User: user, UserID: w.place.user, Quantity: uint32(body.quantity),
		Digest: w.grant.Namespace.Keyer().Hit(number, user, w.head.key),
	}
	if w.knownHit() || !w.inTime() {
		return
	}
	w.batch.Reset()
	w.batch.AddHit(&w.asked)
	if w.decide() {
		w.answerHit(&w.batch.Results[0])
	}
}

// fatigueCap finds the cap in the path, or refuses.
func (w *worker) fatigueCap() (number uint8, ok bool) {
	if w.grant.Limited() {
		w.refuse(problem.Forbidden, "The key is limited to campaigns: a fatigue cap is the namespace's.")
		return 0, false
	}
	number, ok = w.grant.Namespace.FatigueCap(w.place.purse)
	if !ok {
		w.refuse(problem.NotFound, noFatigueCap)
	}
	return number, ok
}

// knownHit answers the hit from committed facts, if they decide it: like known of draws.
func (w *worker) knownHit() bool {
	r, ok := w.server.options.Engine.PeekHit(&w.asked, engine.UnixMilli(w.now.UnixMilli()))
	if !ok {
		return false
	}
	if r.Replayed {
		return w.replayHit(&r) == nil
	}
	if w.head.retry && !settled(r.Code) {
		return false
	}
	w.server.figures.facts.Inc()
	w.denyHit(&r)
	return true
}

// answerHit answers with what the log decided.
func (w *worker) answerHit(r *engine.Result) {
	switch {
	case r.Code != problem.OK:
		w.server.figures.logged.Inc()
		w.denyHit(r)
	case r.Replayed:
		if err := w.replayHit(r); err != nil {
			w.failed(err)
		}
	default:
		if err := w.sendHit(w.batch.Records[r.Offset:r.Offset+r.Length], r.At); err != nil {
			w.failed(err)
		}
	}
}

// replayHit answers with the first answer: what the record says, byte for byte. An error means that nothing was sent, because
// the record is not stored yet.
func (w *worker) replayHit(r *engine.Result) (err error) {
	w.records, err = w.server.options.Records.Records(w.records[:0], uint64(r.At.Index), r.At.Ordinal, 1)
	if err != nil {
		return err
	}
	w.response().Header.Set("Idempotent-Replayed", "true")
	if err = w.sendHit(w.records, r.At); err == nil {
		w.server.figures.replays.Inc()
	}
	return err
}

func (w *worker) sendHit(record []byte, at engine.Location) error {
	if _, err := engine.DecodeRecord(record, &w.told); err != nil {
		return err
	}
	n, ok := w.told.Hit()
	if !ok {
		return errFirst
	}
	w.buf = render.AppendHit(w.buf[:0], &w.told, &n)
	w.sayIndex(at.Index)
	w.send(200, typeJSON)
	return nil
}

// denyHit answers with the refusal of a hit.
func (w *worker) denyHit(r *engine.Result) {
	w.facts.Cap = r.Cap
	w.problem.Denied(r, w.grant.Namespace.FatigueCapID(r.Cap))
	switch r.Code {
	case problem.Capped:
		w.problem.Allowed = uint32(r.Value)
	case problem.NotFound: // the policy changed meanwhile
		w.problem.Detail = noFatigueCap
	}
	w.newRequestID()
	w.sendProblem()
}

// readFatigue answers GET /v1/fatigue/{cap}/users/{u}.
func (w *worker) readFatigue() {
	number, ok := w.fatigueCap()
	if !ok {
		return
	}
	u, ok := w.server.options.Engine.Fatigue(w.grant.Namespace, number, w.subject(), engine.UnixMilli(w.now.UnixMilli()))
	if !ok {
		w.refuse(problem.NotFound, noFatigueCap)
		return
	}
	w.buf = render.AppendFatigue(w.buf[:0], w.place.user, &u)
	w.sendFresh(typeJSON)
}
