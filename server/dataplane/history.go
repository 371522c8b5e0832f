package dataplane

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Bounds of a page of a user's draws.
const (
	defaultPage = 100
	maxPage     = 500
)

// idCursor is the kind of a cursor: a sealed location, as ids are.
const idCursor engine.IDKind = 'c'

// page is what a list of draws was asked for.
type page struct {
	wins  bool
	limit int
	from  engine.Location // zero: the newest
}

// listDraws answers GET /v1/campaigns/{c}/users/{u}/draws: newest first. Each record points at the user's one before it,
// and at his last win, so that a page costs one read for each item.
func (w *worker) listDraws() {
	c, ok := w.campaign()
	if !ok {
		return
	}
	p, ok := w.parsePage()
	if !ok {
		return
	}
	e := w.server.options.Engine
	keyer := c.Namespace().Keyer()
	user := keyer.User(w.place.user)
	at := p.from
	if at.IsZero() {
		state := e.UserState(c, user, engine.UnixMilli(w.now.UnixMilli()))
		at = state.LastDraw
		if p.wins {
			at = state.LastWin
		}
	}
	b := append(w.buf[:0], `{"items":[`...)
	for n := 0; n < p.limit && !at.IsZero(); n++ {
		if n > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = w.appendOlder(b, c, at); err != nil {
			w.buf = b
			w.failed(err)
			return
		}
		r := w.answer.Draw()
		if n == 0 && !p.from.IsZero() && (!bytes.Equal(r.User, w.place.user) || r.Campaign != c.Ref()) {
			w.buf = b
			w.invalidCursor()
			return
		}
		at = r.Previous
		if p.wins {
			at = r.PrevWin
		}
	}
	b = append(b, `],"next_cursor":"`...)
	if !at.IsZero() {
		b = e.AppendID(b, idCursor, at)
	}
	w.buf = append(b, `"}`...)
	w.sendFresh(typeJSON)
}

// appendOlder appends the draw at a place of a user's chain. The newest may belong to an entry that is being applied at
// this moment, whose records are not stored yet: then the log is waited for.
func (w *worker) appendOlder(b []byte, c *engine.Campaign, at engine.Location) ([]byte, error) {
	err := w.load(c, at, 1)
	if err != nil && w.barrier() == nil {
		err = w.load(c, at, 1)
	}
	if err != nil {
		return b, err
	}
	return w.appendState(b, c)
}

// parsePage reads the query, or refuses.
func (w *worker) parsePage() (p page, ok bool) {
	p.limit = defaultPage
	if v, found := param(w.head.query, "outcome"); found {
		if string(v) != "win" {
			w.invalid("/outcome", "range", `It must be "win".`)
			return p, false
		}
		p.wins = true
	}
	if v, found := param(w.head.query, "limit"); found {
		n, err := strconv.ParseUint(string(v), 10, 16)
		if err != nil || n < 1 || n > maxPage {
			w.invalid("/limit", "range", "It must be 1 to "+strconv.Itoa(maxPage)+".")
			return p, false
		}
		p.limit = int(n)
	}
	if v, found := param(w.head.query, "cursor"); found && len(v) > 0 {
		if p.from, ok = w.server.options.Engine.ParseID(idCursor, v); !ok {
			w.invalidCursor()
			return p, false
		}
	}
	return p, true
}

func (w *worker) invalidCursor() {
	w.invalid("/cursor", "pattern", "It is not a cursor of this list.")
}

// readKey answers GET /v1/campaigns/{c}/users/{u}/keys/{key}, linearizably: it tells of every draw that was dispatched
// before it was asked. A fact that is there is committed and stays, so it can be told at once. That there is none can be
// told only after a barrier: then every draw under the key that was dispatched earlier is decided, or never will be.
func (w *worker) readKey() {
	c, ok := w.campaign()
	if !ok {
		return
	}
	keyer := c.Namespace().Keyer()
	user := keyer.User(w.place.user)
	digest := keyer.Digest(engine.DigestDraw, c.Ref(), user, w.place.id)
	w.facts.User = uint16(user[0])<<8 | uint16(user[1])
	at, code := w.server.options.Engine.FindKey(c, user, digest)
	if code == problem.OK && w.sendFirst(c, at) == nil {
		return
	}
	if code != problem.KeyAbandoned {
		if err := w.barrier(); err != nil {
			w.failed(err)
			return
		}
		at, code = w.server.options.Engine.FindKey(c, user, digest)
	}
	if code != problem.OK {
		w.refuse(code, "")
		return
	}
	if err := w.sendFirst(c, at); err != nil {
		w.failed(err)
	}
}

// abandon answers POST …/keys/{key}:abandon: with the first answer if the draw happened; else no draw can happen under
// the key any more.
func (w *worker) abandon() {
	c, ok := w.campaign()
	if !ok {
		return
	}
	keyer := c.Namespace().Keyer()
	user := keyer.User(w.place.user)
	w.facts.User = uint16(user[0])<<8 | uint16(user[1])
	if !w.inTime() {
		return
	}
	w.batch.Reset()
	w.batch.AddAbandon(&engine.Abandon{
		Campaign: c.Ref(), User: user, UserID: w.place.user, Actor: w.grant.Actor(),
		Digest: keyer.Digest(engine.DigestDraw, c.Ref(), user, w.place.id),
	})
	if !w.decide() {
		return
	}
	switch r := &w.batch.Results[0]; {
	case r.Replayed:
		if err := w.sendFirst(c, r.At); err != nil {
			w.failed(err)
		}
	case r.Code != problem.OK && r.Code != problem.KeyAbandoned:
		w.deny(r)
	default:
		w.refuse(problem.KeyAbandoned, "The key is abandoned: nothing was drawn under it, and nothing ever will be.")
	}
}

var errFirst = errors.New("BUG: dataplane: the record of a decided key cannot be read")

// sendFirst answers with the decision at a place. An error means that nothing was sent: its records cannot be read.
func (w *worker) sendFirst(c *engine.Campaign, at engine.Location) error {
	if err := w.load(c, at, 1); err != nil {
		return first(err)
	}
	var draw engine.Record
	if _, err := engine.DecodeRecord(w.records, &draw); err != nil {
		return errFirst
	}
	if draw.Times > 1 {
		if err := w.load(c, at, int(draw.Times)); err != nil {
			return first(err)
		}
	}
	w.sendReplay()
	return nil
}

// first is the failure to read the record of a decided key: a refusal if it is one, else a fault of ours.
func first(err error) error {
	if refusalOf(err).Code == problem.Internal {
		return errFirst
	}
	return err
}
