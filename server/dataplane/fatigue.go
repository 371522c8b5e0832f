package dataplane

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

const noFatigueCap = "The namespace's policy has no such fatigue cap (fatigue_caps)."

// parseHit reads a body: {} or {"quantity": n}. false means that it is not sound JSON.
func (s *scanner) parseHit(f *faults, quantity *int64) bool {
	*quantity = 1
	return s.bodyOf(f, func(name []byte) (known, ok bool) {
		if string(name) != "quantity" {
			return false, true
		}
		return true, s.wholeAt(f, "/quantity", quantity, 1, engine.MaxHit, "It must be 1 to 1000000.")
	}, func() {})
}

// hit answers POST /v1/fatigue/{cap}/users/{u}:hit. In order: what was sent, what is known already, the log.
func (w *worker) hit() {
	if !w.sentJSON() || !w.keyed() {
		return
	}
	var wrong faults
	var quantity int64
	w.scanner.reset(w.sent())
	if !w.accepted(w.scanner.parseHit(&wrong, &quantity), &wrong) {
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
		Namespace: w.grant.Namespace.Ref(), Cap: number, User: user, UserID: w.place.user, Quantity: uint32(quantity),
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
	if !settled(r.Code) && (w.head.retry || w.outdated()) {
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
