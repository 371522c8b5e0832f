package dataplane

import (
	"bytes"
	"encoding/hex"
	"strconv"

	"github.com/zeebo/xxh3"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// sendFresh answers with w.buf about something that changes: nobody may keep it.
func (w *worker) sendFresh(kind string) {
	w.response().Header.Set("Cache-Control", "no-store")
	w.sayAge()
	w.send(200, kind)
}

// readDraw answers GET /v1/draws/{draw}. A draw of another namespace, or of a campaign that the key may not touch, does
// not exist for the asker.
func (w *worker) readDraw() {
	e := w.server.options.Engine
	at, ok := e.ParseID(engine.IDDraw, w.place.id)
	if !w.given(ok, at.Index, problem.DrawNotFound) {
		return
	}
	if err := w.load(nil, at, 1); err != nil {
		w.noRecord(err)
		return
	}
	c, ok := w.owner()
	if !ok {
		w.refuse(problem.DrawNotFound, "")
		return
	}
	w.answer.Campaign = c
	var err error
	if w.buf, err = w.appendState(w.buf[:0], c); err != nil {
		w.failed(err)
		return
	}
	w.sendFresh(typeJSON)
}

// appendState appends the draw that was loaded as it stands today: with what was done to it since.
func (w *worker) appendState(b []byte, c *engine.Campaign) ([]byte, error) {
	b, err := w.answer.AppendOne(b)
	if err != nil {
		return b, err
	}
	if fault, at, voided := c.Voided(w.answer.Draw().Seq); voided {
		return render.AppendVoided(b, fault, at), nil
	}
	if a, ok := c.AwardOf(w.answer.Draw(), engine.UnixMilli(w.now.UnixMilli())); ok {
		b = render.AppendStanding(b, &a)
	}
	return b, nil
}

// owner returns the campaign of the draw that was loaded, if the asker may see it.
func (w *worker) owner() (*engine.Campaign, bool) {
	var r engine.Record
	if _, err := engine.DecodeRecord(w.records, &r); err != nil || r.Kind != engine.RecordDraw {
		return nil, false
	}
	c, ok := w.server.options.Engine.CampaignByRef(r.Campaign)
	if !ok || c.Namespace().Ref() != w.grant.Namespace.Ref() || !w.grant.AllowsCampaign([]byte(c.ID())) {
		return nil, false
	}
	return c, true
}

// readUser answers GET /v1/campaigns/{c}/users/{u}.
func (w *worker) readUser() {
	c, ok := w.campaign()
	if !ok {
		return
	}
	e := w.server.options.Engine
	keyer := c.Namespace().Keyer()
	state := e.UserState(c, keyer.User(w.place.user), engine.UnixMilli(w.now.UnixMilli()))
	u := render.User{IDs: e, Campaign: c.ID(), User: w.place.user, State: &state}
	if state.CanDraw.Code == problem.Capped {
		u.Cap = e.CapName(&state.CanDraw)
	}
	w.buf = render.AppendUser(w.buf[:0], &u)
	w.sendFresh(typeJSON)
}

// readStock answers GET /v1/campaigns/{c}/stock.
func (w *worker) readStock() {
	c, ok := w.campaign()
	if !ok {
		return
	}
	seq, prizes := c.Stock()
	w.buf = render.AppendStock(w.buf[:0], c.ID(), seq, prizes)
	w.sendFresh(typeJSON)
}

// readCampaign answers GET /v1/campaigns/{c}. Its ETag is a hash of the body.
func (w *worker) readCampaign() {
	c, ok := w.campaign()
	if !ok {
		return
	}
	now := max(engine.UnixMilli(w.now.UnixMilli()), w.server.options.Engine.LogTime())
	page := render.Page{
		Campaign: c.ID(), Version: c.Version(), Status: c.Status(now), EndsAt: c.EndsAt(), Now: now, SeedHash: c.SeedHash(),
		Forced: c.Forced(),
	}
	if hash, ok := c.ReleaseHash(page.Version); ok {
		page.ReleaseHash, page.Releases, page.Odds = hash, render.Windows(c, now), w.server.odds.of(c)
	}
	w.buf = render.AppendPage(w.buf[:0], &page)
	sum := xxh3.Hash128(w.buf).Bytes()
	tag := append(hex.AppendEncode([]byte{'"'}, sum[:]), '"')
	w.response().Header.SetBytesV("ETag", tag)
	w.response().Header.Set("Cache-Control", "no-cache")
	w.sayAge()
	if matches(w.head.ifNoneMatch, tag) {
		w.buf = w.buf[:0]
		w.response().SetStatusCode(304)
		w.server.figures.answered(w.place.route, 304)
		return
	}
	w.send(200, typeJSON)
}

// matches reports whether a list of ETags holds tag; a weak one is as good for reading.
func matches(list, tag []byte) bool {
	for len(list) > 0 {
		var item []byte
		item, list, _ = bytes.Cut(list, []byte{','})
		item = bytes.TrimPrefix(trim(item), []byte("W/"))
		if string(item) == "*" || bytes.Equal(item, tag) {
			return true
		}
	}
	return false
}

// live answers GET /livez.
func (w *worker) live() {
	w.buf = append(w.buf[:0], `{"live":true}`...)
	w.sendFresh(typeJSON)
}

// ready answers GET /readyz. With ?verbose it is text, one line for each check, for people.
func (w *worker) ready() {
	health := w.server.options.Health
	err := health.Ready()
	if w.server.draining.Load() {
		err = problem.New(problem.NoLeader, "The node is shutting down.")
	}
	if w.head.query != nil {
		w.readyVerbose(err == nil)
		return
	}
	if err != nil {
		health.Checks(func(name string, code problem.Code, message string) {
			if code != problem.OK {
				w.problem.Errors = append(w.problem.Errors, render.FieldError{Code: code.String(), Message: name + ": " + message})
			}
		})
		w.failed(err)
		return
	}
	w.buf = append(w.buf[:0], `{"ready":true}`...)
	w.sendFresh(typeJSON)
}

func (w *worker) readyVerbose(ready bool) {
	b := w.buf[:0]
	w.server.options.Health.Checks(func(name string, code problem.Code, message string) {
		mark := "[+]"
		if code != problem.OK {
			mark = "[-]"
		}
		if message == "" {
			message = "ok"
		}
		b = append(append(append(append(append(b, mark...), name...), ": "...), message...), '\n')
	})
	if ready {
		w.buf = append(b, "ready\n"...)
		w.sendFresh(typeText)
		return
	}
	w.buf = append(b, "not ready\n"...)
	w.retryAfter()
	w.send(problem.NoLeader.Info().Status, typeText)
}

// version answers GET /version.
func (w *worker) version() {
	b := &w.server.options.Build
	w.buf = append(w.buf[:0], `{"version":`...)
	w.buf = render.AppendString(w.buf, b.Version)
	w.buf = render.AppendString(append(w.buf, `,"commit":`...), b.Commit)
	w.buf = render.AppendString(append(w.buf, `,"go":`...), b.Go)
	w.buf = strconv.AppendUint(append(w.buf, `,"level":`...), uint64(w.server.options.Engine.Level()), 10)
	w.buf = append(w.buf, '}')
	w.sendFresh(typeJSON)
}

// noRecord refuses for a draw whose record cannot be read: it is on another node, or its id was sealed under our key and never
// given out.
func (w *worker) noRecord(err error) {
	if refusalOf(err).Code == problem.RecordElsewhere {
		w.failed(err)
		return
	}
	w.refuse(problem.DrawNotFound, "")
}
