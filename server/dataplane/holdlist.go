package dataplane

import (
	"bytes"
	"net/url"
	"strconv"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/engine/problem"
)

// listHolds answers GET /v1/holds: holds and takes by owner, reference, state and pool. It is how a host finds after a crash what it had
// asked for. A page looks at so many rows and may be empty: the cursor says whether there is more.
func (w *worker) listHolds() {
	if !w.ofNamespace() {
		return
	}
	q, ok := w.holdQuery()
	if !ok {
		return
	}
	e := w.server.options.Engine
	found, next := e.Holds(w.grant.Namespace, &q)
	b := append(w.buf[:0], `{"items":[`...)
	empty := len(b)
	for i := range found {
		kind, before := engine.IDHold, len(b)
		if found[i].Taken {
			kind = engine.IDTake
		}
		if before > empty {
			b = append(b, ',')
		}
		var err error
		if b, err = w.appendHold(b, kind, &found[i]); err != nil {
			w.buf = b
			w.failed(err)
			return
		}
		if len(q.Ref) > 0 && !bytes.Equal(q.Ref, w.told.Reason) {
			b = b[:before] // it was chosen by the hash of its reference
		}
	}
	b = append(b, `],"next_cursor":"`...)
	if !next.Done() {
		b = e.AppendHoldCursor(b, next)
	}
	w.buf = append(b, `"}`...)
	w.sendFresh(typeJSON)
}

// holdQuery reads the query, or refuses.
func (w *worker) holdQuery() (q engine.HoldQuery, ok bool) {
	q.Limit = defaultPage
	value := func(name string) []byte {
		v, _ := param(w.head.query, name)
		if bytes.IndexByte(v, '%') >= 0 { // a reference may hold anything visible, and clients escape it; a plus is a plus
			if text, err := url.PathUnescape(string(v)); err == nil {
				return []byte(text)
			}
		}
		return v
	}
	if v := value("owner"); len(v) > 0 {
		if !names.Subject(v) {
			w.invalid("/owner", whats[isUser].code, whats[isUser].message)
			return q, false
		}
		owner := w.ownerOf(v)
		q.Owner = &owner
	}
	if v := value("ref"); len(v) > 0 {
		if !names.Key(v) {
			w.invalid("/ref", "pattern", "It must be 1 to 64 visible ASCII characters.")
			return q, false
		}
		q.Ref = v
	}
	if v := value("state"); len(v) > 0 {
		if q.State, ok = engine.ParseHoldState(string(v)); !ok {
			w.invalid("/state", "range", `It must be "held", "confirmed", "released", "expired", "voided" or "taken".`)
			return q, false
		}
	}
	if v := value("pool"); len(v) > 0 {
		pool, ok := w.pool(v)
		if !ok {
			return q, false
		}
		q.Pool = pool.Ref()
	}
	if v := value("limit"); len(v) > 0 {
		n, err := strconv.ParseUint(string(v), 10, 16)
		if err != nil || n < 1 || n > maxPage {
			w.invalid("/limit", "range", "It must be 1 to "+strconv.Itoa(maxPage)+".")
			return q, false
		}
		q.Limit = int(n)
	}
	if v := value("cursor"); len(v) > 0 {
		if q.After, ok = w.server.options.Engine.ParseHoldCursor(v); !ok {
			w.invalidCursor()
			return q, false
		}
	}
	return q, true
}

// readOwnerKey answers GET /v1/owners/{o}/keys/{key}: the first answer to a hold's key, or with ?pool= to a take's. It is
// linearizable: what was asked for before it is decided.
func (w *worker) readOwnerKey() {
	if !w.ofNamespace() {
		return
	}
	if err := w.barrier(); err != nil {
		w.failed(err)
		return
	}
	ns := w.grant.Namespace
	owner, keyer, kind := w.ownerOf(w.place.user), ns.Keyer(), engine.IDHold
	digest := keyer.Hold(owner, w.place.id)
	if v, found := param(w.head.query, "pool"); found {
		pool, ok := w.pool(v)
		if !ok {
			return
		}
		digest, kind = keyer.Take(pool.Ref(), owner, w.place.id), engine.IDTake
	}
	at, refused, code := w.server.options.Engine.FindHoldKey(ns, digest)
	if code != problem.OK {
		w.refuse(code, "")
		return
	}
	w.answerUnits(&engine.Result{Code: refused, At: at, Replayed: true}, kind)
}
