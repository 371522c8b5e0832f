package dataplane

import (
	"errors"
	"strconv"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/mutant"
)

// draw answers POST /v1/campaigns/{c}/draws. In order: what was sent, what is known already, the log.
func (w *worker) draw() {
	h := w.head
	if !w.sentJSON() {
		return
	}
	fault := h.keyFault()
	if fault == problem.IdempotencyKeyInvalid && !w.who.alone {
		w.refuse(fault, "")
		return
	}
	w.scanner.reset(w.sent())
	sound := w.scanner.parseDraw(&w.body)
	key, ok := w.keyOf(sound, fault)
	if !ok {
		return
	}
	w.checkPattern()
	if !w.parsed(sound) {
		return
	}
	c, ok := w.campaign()
	if !ok {
		return
	}
	keyer := c.Namespace().Keyer()
	w.fill(&w.command, &w.body, c, &keyer, key)
	for try := 1; ; try++ {
		if f, sound := w.stamp(c, &keyer, key); !sound {
			w.problem.Errors = append(w.problem.Errors, f.error(""))
			w.refuse(f.code(), "")
			return
		}
		if w.known(c) || !w.inTime() {
			return
		}
		w.batch.Reset()
		w.batch.AddDraw(&w.command)
		if !w.decide() {
			return
		}
		switch r := &w.batch.Results[0]; {
		case !r.StaleStamp():
			w.answerResult(c, r)
			return
		case try == stampTries:
			w.refuse(problem.Overloaded, staleDetail)
			return
		}
	}
}

// keyFault is what is wrong with the Idempotency-Key.
func (h *head) keyFault() problem.Code {
	switch {
	case h.key == nil:
		return problem.IdempotencyKeyMissing
	case h.keyTwice || !names.Key(h.key):
		return problem.IdempotencyKeyInvalid
	}
	return problem.OK
}

// parsed reports whether the body was sound, which the caller found out, and names nothing wrong; else it refuses.
func (w *worker) parsed(sound bool) bool {
	if !sound {
		w.badJSON()
		return false
	}
	if w.body.faults > 0 {
		w.problem.Errors = w.body.tell(w.problem.Errors, "")
		w.refuse(w.body.code(), "")
		return false
	}
	return true
}

// checkPattern notes a user whom the namespace's policy does not allow. Earlier draws of such a user can still be read.
func (w *worker) checkPattern() {
	if b := &w.body; b.faults == 0 && !w.server.users.Allow(w.grant.Namespace, b.user) {
		b.wrong(fieldUser, isPattern)
	}
}

// badJSON refuses a body that the scanner could not read.
func (w *worker) badJSON() {
	w.refuse(problem.BadJSON, "The body is not acceptable JSON at byte "+strconv.Itoa(w.scanner.i)+": "+w.scanner.why+".")
}

// fill makes the command of a draw. Its slices alias the request.
func (w *worker) fill(d *engine.Draw, b *drawBody, c *engine.Campaign, keyer *engine.Keyer, key []byte) {
	user := keyer.User(b.user)
	*d = engine.Draw{
		Campaign: c.Ref(), User: user, UserID: b.user, Digest: keyer.Digest(engine.DigestDraw, c.Ref(), user, key),
		Channel: b.channel, Times: b.times, Listed: b.listed, ExpectVersion: b.expectVersion, MaxPrice: b.maxPrice,
	}
	if b.device != nil {
		d.Device, d.HasDevice = keyer.Device(b.device), true
	}
	if b.ip.IsValid() {
		d.IP, d.HasIP = keyer.IP(b.ip), true
	}
	w.facts.User, w.facts.Campaign = uint16(user[0])<<8|uint16(user[1]), c.Ref()
}

// known answers the draw from committed facts, if they decide it. A request that was sent again after an unknown outcome
// is denied by the log only: the first send may still be in it, and then "not drawn" would not be true of the key.
func (w *worker) known(c *engine.Campaign) bool {
	r, ok := w.server.options.Engine.Peek(&w.command, engine.UnixMilli(w.now.UnixMilli()))
	if !ok || r.StaleStamp() { // published meanwhile: the log says so too
		return false
	}
	if r.Replayed {
		return w.replayKnown(c, &r)
	}
	if !settled(r.Code) && (w.head.retry && !mutant.On(mutant.RetryUnheard) || w.outdated()) {
		return false
	}
	w.server.figures.facts.Inc()
	w.deny(&r)
	return true
}

// settled reports whether a refusal is about the key and not about the moment: it stays as it is.
func settled(code problem.Code) bool {
	return code == problem.IdempotencyMismatch || code == problem.KeyAbandoned
}

// replayKnown answers with the first answer. false means that its record is not stored yet, because the entry is being
// applied at this moment; the log answers then.
func (w *worker) replayKnown(c *engine.Campaign, r *engine.Result) bool {
	if w.load(c, r.At, int(w.command.Times)) != nil { // the same key and times, or it were a mismatch
		return false
	}
	w.sendReplay()
	return true
}

// inTime reports whether the caller still waits; else it refuses. From here on nothing is dropped.
func (w *worker) inTime() bool {
	if w.head.deadline == nil {
		return true
	}
	limit, err := strconv.ParseUint(string(w.head.deadline), 10, 31)
	if err != nil || limit == 0 {
		w.invalid("", "range", "Drawd-Deadline-Ms must be a number of milliseconds, at least 1.")
		return false
	}
	if w.conn.elapsed() < int64(limit) {
		return true
	}
	w.server.figures.dropped.Inc()
	w.refuse(problem.Overloaded, "The deadline passed before the request was dispatched.")
	return false
}

var errResults = errors.New("BUG: dataplane: the decider returned another number of results than there were commands")

// decide hands the batch to the log and waits; false means that it refused for all of it.
func (w *worker) decide() bool {
	err := w.server.options.Decider.Decide(w.batch)
	if err == nil && len(w.batch.Results) != w.batch.Len() {
		err = errResults
	}
	if err != nil {
		if refusalOf(err).Effect() != problem.None {
			w.server.figures.unknown.Inc()
			if !mutant.On(mutant.BatchReused) {
				w.batch = new(engine.Batch) // the log may still write into the old one
			}
		}
		w.failed(err)
		return false
	}
	w.server.figures.decide.add(time.Since(w.now))
	return true
}

// answerResult answers with what the log decided.
func (w *worker) answerResult(c *engine.Campaign, r *engine.Result) {
	switch {
	case r.Code != problem.OK:
		w.server.figures.logged.Inc()
		w.deny(r)
	case r.Replayed:
		if err := w.load(c, r.At, int(w.command.Times)); err != nil {
			w.failed(err)
			return
		}
		w.sendReplay()
	default:
		a := &w.answer
		a.Campaign, a.At, a.Count = c, r.At, int(r.Records)
		a.Records = w.batch.Records[r.Offset : r.Offset+r.Length]
		w.sendAnswer()
		w.server.figures.drawn(a)
	}
}

// load reads n records back and makes w.answer an answer of them.
func (w *worker) load(c *engine.Campaign, at engine.Location, n int) error {
	records, err := w.server.options.Records.Records(w.records[:0], uint64(at.Index), at.Ordinal, n)
	if err != nil {
		return err
	}
	w.records = records
	a := &w.answer
	a.Campaign, a.At, a.Records, a.Count = c, at, records, n
	return nil
}

// sendReplay answers with an earlier decision, and says so.
func (w *worker) sendReplay() {
	w.server.figures.replays.Inc()
	w.response().Header.Set("Idempotent-Replayed", "true")
	w.sendAnswer()
}

// sendAnswer answers with the decision in w.answer.
func (w *worker) sendAnswer() {
	var err error
	w.answer.Public = w.who.public
	if w.buf, err = w.answer.AppendJSON(w.buf[:0]); err != nil {
		w.failed(err)
		return
	}
	if !w.who.public {
		w.sayIndex(w.answer.At.Index)
	}
	w.send(200, typeJSON)
}

// sayIndex names the log entry in the answer's head.
func (w *worker) sayIndex(at engine.LogIndex) {
	if w.short {
		w.index = uint64(at)
		return
	}
	w.number = strconv.AppendUint(w.number[:0], uint64(at), 10)
	w.response().Header.SetBytesV("Drawd-Index", w.number)
}

// deny answers with a denial.
func (w *worker) deny(r *engine.Result) {
	w.denied(r)
	w.sendProblem()
}

// denied makes w.problem a denial.
func (w *worker) denied(r *engine.Result) {
	cap := ""
	if r.Code == problem.Capped {
		cap = w.server.options.Engine.CapName(r)
	}
	w.facts.Cap = w.server.options.Engine.CapPlace(r)
	w.problem.Denied(r, cap)
	w.problem.Detail = denialDetail(r)
	w.tellWhy(r)
	w.newRequestID()
}

// denialDetail says what the caller can do, where the title does not.
func denialDetail(r *engine.Result) string {
	if r.Code == problem.UnknownChannel {
		return "Send \"channel\": one of those that the campaign's page names."
	}
	if r.Code != problem.ScopeValueMissing {
		return ""
	}
	if engine.Scope(r.Cap) >= engine.ScopeAttribute {
		return "A cap counts by an attribute: send it."
	}
	if engine.Scope(r.Cap) == engine.ScopeDevice {
		return "A cap counts by device: send \"device\"."
	}
	return "A cap counts by IP address: send \"ip\"."
}
