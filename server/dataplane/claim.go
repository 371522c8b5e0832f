package dataplane

import (
	"bytes"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// claim answers POST /v1/campaigns/{c}/users/{u}/draws/{draw}:claim: the player wants what he won. Repeating it succeeds. The
// draw must be this user's, in this campaign: else there is none.
func (w *worker) claim() {
	c, ok := w.campaign()
	if !ok {
		return
	}
	e := w.server.options.Engine
	at, ok := e.ParseID(engine.IDDraw, w.place.id)
	if !w.given(ok, at.Index, problem.DrawNotFound) {
		return
	}
	err := w.load(c, at, 1)
	if err != nil && w.barrier() == nil {
		err = w.load(c, at, 1)
	}
	if err != nil {
		w.noRecord(err)
		return
	}
	var draw engine.Record
	if _, err := engine.DecodeRecord(w.records, &draw); err != nil || draw.Kind != engine.RecordDraw || draw.Campaign != c.Ref() || !bytes.Equal(draw.User, w.place.user) {
		w.refuse(problem.DrawNotFound, "")
		return
	}
	w.subject()
	if !w.inTime() {
		return
	}
	w.batch.Reset()
	w.batch.AddMoveAward(&engine.MoveAward{Campaign: c.Ref(), Draw: w.records, At: at, Move: engine.MoveClaim, Actor: w.grant.Actor()})
	if !w.decide() {
		return
	}
	r := &w.batch.Results[0]
	switch r.Code {
	case problem.OK:
	case problem.Conflict:
		w.refuse(r.Code, render.AwardRefused(r))
		return
	default:
		w.deny(r)
		return
	}
	a, _ := c.AwardOf(&draw, engine.UnixMilli(w.now.UnixMilli()))
	w.buf = render.AppendMoved(w.buf[:0], w.place.id, &a, r.AlreadyLive)
	w.sayIndex(e.AppliedIndex())
	w.sendFresh(typeJSON)
}
