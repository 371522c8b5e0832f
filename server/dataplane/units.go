package dataplane

import (
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// unitWork is what a request about units needs beyond a worker.
type unitWork struct {
	body    unitBody
	take    engine.Take
	hold    engine.Hold
	confirm engine.ConfirmHold
	items   [engine.MaxHoldItems]engine.Item
	used    bool
}

// dispatchUnits answers what is asked about pools, holds and takes.
func (w *worker) dispatchUnits() {
	w.unit.used = true
	switch w.place.route {
	case routePool:
		w.readPool()
	case routeTake:
		w.takeUnits()
	case routeHold:
		w.holdUnits()
	case routeHolds:
		w.listHolds()
	case routeOneHold:
		w.readHold(engine.IDHold)
	case routeConfirm:
		w.confirmHold()
	case routeRelease:
		w.releaseHold()
	case routeExtend:
		w.extendHold()
	case routeVoidHold:
		w.voidUnits(engine.IDHold)
	case routeOneTake:
		w.readHold(engine.IDTake)
	case routeVoidTake:
		w.voidUnits(engine.IDTake)
	case routeOwnerKey:
		w.readOwnerKey()
	}
}

const limitedToCampaigns = "The key is limited to campaigns: a pool is the namespace's."

// ofNamespace refuses a key that may touch some campaigns only.
func (w *worker) ofNamespace() bool {
	if w.grant.Limited() {
		w.refuse(problem.Forbidden, limitedToCampaigns)
		return false
	}
	return true
}

// units renders for the namespace of the request.
func (w *worker) units() render.Units {
	return render.Units{IDs: w.server.options.Engine, Pools: w.grant.Namespace}
}

// forget drops what aliases the request.
func (u *unitWork) forget() {
	list := u.body.faults.list[:0]
	clear(list[:cap(list)])
	*u = unitWork{body: unitBody{faults: faults{list: list}}}
}

// takeUnits answers POST /v1/pools/{pool}:take.
func (w *worker) takeUnits() {
	u := &w.unit
	if !w.ofNamespace() || !w.keyed() || !w.askedUnits(&u.body, takeFields, unitOwner) {
		return
	}
	ns := w.grant.Namespace
	pool, ok := w.pool(w.place.id)
	if !ok {
		return
	}
	owner := w.ownerOf(u.body.owner)
	keyer := ns.Keyer()
	u.take = engine.Take{
		Namespace: ns.Ref(), Pool: pool.Ref(), Units: engine.Quantity(u.body.quantity), Owner: owner, OwnerID: u.body.owner,
		Digest: keyer.Take(pool.Ref(), owner, w.head.key), Ref: u.body.ref, Actor: w.grant.Actor(),
	}
	if !w.inTime() {
		return
	}
	w.batch.Reset()
	w.batch.AddTake(&u.take)
	if w.decide() {
		w.answerUnits(&w.batch.Results[0], engine.IDTake)
	}
}

// ownerOf returns the key of an owner, and notes it for a request id.
func (w *worker) ownerOf(id []byte) engine.Key {
	keyer := w.grant.Namespace.Keyer()
	owner := keyer.User(id)
	w.facts.User = uint16(owner[0])<<8 | uint16(owner[1])
	return owner
}

// holdUnits answers POST /v1/holds.
func (w *worker) holdUnits() {
	u := &w.unit
	if !w.ofNamespace() || !w.keyed() || !w.askedUnits(&u.body, holdFields, unitOwner|unitItems) || !w.itemsOf(u) {
		return
	}
	ns := w.grant.Namespace
	owner := w.ownerOf(u.body.owner)
	keyer := ns.Keyer()
	u.hold = engine.Hold{
		Namespace: ns.Ref(), Owner: owner, OwnerID: u.body.owner, Digest: keyer.Hold(owner, w.head.key), Ref: u.body.ref,
		TTL: u.body.ttl, Items: u.items[:u.body.count], Actor: w.grant.Actor(),
	}
	if !w.inTime() {
		return
	}
	w.batch.Reset()
	w.batch.AddHold(&u.hold)
	if w.decide() {
		w.answerUnits(&w.batch.Results[0], engine.IDHold)
	}
}

// itemsOf finds the pools of the items, or refuses. All together they are within the bound of one item: so the log takes
// them.
func (w *worker) itemsOf(u *unitWork) bool {
	sum := int64(0)
	for i := range u.body.items[:u.body.count] {
		item := &u.body.items[i]
		if sum += item.quantity; sum > engine.MaxHoldUnits {
			w.invalid("/items", "range", "Together they must be at most 1048576 units.")
			return false
		}
		pool, refused := w.grant.Pool(item.pool)
		if refused.Code == problem.PoolNotFound {
			w.problem.Errors = append(w.problem.Errors, render.FieldError{
				Pointer: itemPointers[i].pool, Code: "unknown", Message: "There is no such pool.",
			})
		}
		if !w.allowed(&refused) {
			return false
		}
		u.items[i] = engine.Item{Pool: pool.Ref(), Units: engine.Quantity(item.quantity)}
	}
	return true
}

// answerUnits answers a take or hold with what the log decided, now or under the same key before.
func (w *worker) answerUnits(r *engine.Result, kind engine.IDKind) {
	if r.Code != problem.OK && !r.Replayed {
		w.server.figures.logged.Inc()
		if r.Code == problem.InvalidField { // of one who sent no TTL there is nothing to refuse
			w.invalid("/ttl_ms", "range", "It must be at most the max_hold of every pool.")
			return
		}
		w.denyUnits(r)
		return
	}
	record := w.batch.Records[r.Offset : r.Offset+r.Length]
	if r.Replayed {
		var err error
		if w.records, err = w.server.options.Records.Records(w.records[:0], uint64(r.At.Index), r.At.Ordinal, 1); err != nil {
			w.failed(err)
			return
		}
		record = w.records
	}
	if _, err := engine.DecodeRecord(record, &w.told); err != nil {
		w.failed(err)
		return
	}
	if r.Replayed {
		w.server.figures.replays.Inc()
		w.response().Header.Set("Idempotent-Replayed", "true")
	}
	if first, refused := w.told.HoldRefusal(); refused {
		w.denyUnits(&first)
		return
	}
	m, ok := w.told.Moves()
	switch {
	case !ok:
		w.failed(errFirst)
		return
	case kind == engine.IDTake:
		w.buf = w.units().AppendTake(w.buf[:0], r.At, &w.told, &m)
	default:
		w.buf = w.units().AppendHold(w.buf[:0], r.At, &w.told, &m)
	}
	w.sayIndex(r.At.Index)
	w.send(200, typeJSON)
}

// denyUnits answers with the refusal of a command on units.
func (w *worker) denyUnits(r *engine.Result) {
	w.problem.DeniedUnits(r, w.grant.Namespace)
	w.facts.Cap = r.Cap
	w.newRequestID()
	w.sendProblem()
}

// place of a hold or take, or the refusal of an id that was never given.
func (w *worker) holdRef(kind engine.IDKind) (h engine.HoldRef, ok bool) {
	if !w.ofNamespace() {
		return h, false
	}
	h, ok = w.server.options.Engine.ParseHoldID(kind, w.place.id)
	return h, w.given(ok, h.At.Index, problem.HoldNotFound)
}

// confirmHold answers POST /v1/holds/{h}:confirm.
func (w *worker) confirmHold() {
	u := &w.unit
	h, ok := w.holdRef(engine.IDHold)
	if !ok || !w.askedUnits(&u.body, confirmFields, 0) || !w.itemsOf(u) {
		return
	}
	u.confirm = engine.ConfirmHold{
		Namespace: w.grant.Namespace.Ref(), Hold: h, Items: u.items[:u.body.count], Reacquire: u.body.reacquire, Actor: w.grant.Actor(),
	}
	w.batch.Reset()
	w.batch.AddConfirm(&u.confirm)
	w.resolve(engine.IDHold, h)
}

// releaseHold answers POST /v1/holds/{h}:release.
func (w *worker) releaseHold() {
	h, ok := w.holdRef(engine.IDHold)
	if !ok || !w.askedUnits(&w.unit.body, releaseFields, 0) {
		return
	}
	w.batch.Reset()
	w.batch.AddRelease(&engine.ReleaseHold{Namespace: w.grant.Namespace.Ref(), Hold: h, Actor: w.grant.Actor(), Reason: w.unit.body.reason})
	w.resolve(engine.IDHold, h)
}

// extendHold answers POST /v1/holds/{h}:extend.
func (w *worker) extendHold() {
	h, ok := w.holdRef(engine.IDHold)
	if !ok || !w.askedUnits(&w.unit.body, extendFields, 0) {
		return
	}
	b := &w.unit.body
	if b.ttl > 0 && b.until > 0 {
		w.invalid("/until", "conflict", "It must not stand beside ttl_ms.")
		return
	}
	w.batch.Reset()
	w.batch.AddExtend(&engine.ExtendHold{Namespace: w.grant.Namespace.Ref(), Hold: h, Until: b.until, TTL: b.ttl, Actor: w.grant.Actor()})
	w.resolve(engine.IDHold, h)
}

// voidUnits answers POST /v1/holds/{h}:void and /v1/takes/{t}:void.
func (w *worker) voidUnits(kind engine.IDKind) {
	h, ok := w.holdRef(kind)
	if !ok || !w.askedUnits(&w.unit.body, voidFields, unitFault|unitReason) {
		return
	}
	b, ns := &w.unit.body, w.grant.Namespace.Ref()
	w.batch.Reset()
	if kind == engine.IDTake {
		w.batch.AddTakeVoid(&engine.VoidTake{Namespace: ns, Take: h, Fault: b.fault, Actor: w.grant.Actor(), Reason: b.reason})
	} else {
		w.batch.AddHoldVoid(&engine.VoidHold{Namespace: ns, Hold: h, Fault: b.fault, Actor: w.grant.Actor(), Reason: b.reason})
	}
	w.resolve(kind, h)
}

// resolve hands the batch to the log, and answers with what became of the hold or take.
func (w *worker) resolve(kind engine.IDKind, h engine.HoldRef) {
	if !w.inTime() || !w.decide() {
		return
	}
	r := &w.batch.Results[0]
	if r.Code != problem.OK {
		w.server.figures.logged.Inc()
		if r.Code == problem.InvalidField {
			w.invalid("/items", "range", "They must be of the hold's pools, and no more than it holds.")
			return
		}
		w.denyUnits(r)
		return
	}
	v, ok := w.server.options.Engine.Hold(w.grant.Namespace, h)
	if !ok {
		w.failed(errFirst)
		return
	}
	if r.State != 0 {
		v.State = r.State // as it was decided, whatever came after
	}
	if r.State == engine.StateHeld {
		v.Deadline = engine.UnixMilli(r.Value)
	}
	w.buf = w.units().AppendResolved(w.buf[:0], kind, &v, r.AlreadyLive)
	if r.At.Index > 0 {
		w.sayIndex(r.At.Index)
	}
	w.sendFresh(typeJSON)
}

// readPool answers GET /v1/pools/{pool}.
func (w *worker) readPool() {
	if !w.ofNamespace() {
		return
	}
	pool, ok := w.pool(w.place.id)
	if !ok {
		return
	}
	w.buf = render.AppendPool(w.buf[:0], pool, max(w.server.options.Engine.LogTime(), engine.UnixMilli(w.now.UnixMilli())))
	w.sendFresh(typeJSON)
}

// readHold answers GET /v1/holds/{h} and /v1/takes/{t}.
func (w *worker) readHold(kind engine.IDKind) {
	h, ok := w.holdRef(kind)
	if !ok {
		return
	}
	v, ok := w.server.options.Engine.Hold(w.grant.Namespace, h)
	if !ok || (kind == engine.IDTake) != v.Taken {
		w.refuse(problem.HoldNotFound, "")
		return
	}
	var err error
	if w.buf, err = w.appendHold(w.buf[:0], kind, &v); err != nil {
		w.failed(err)
		return
	}
	w.sendFresh(typeJSON)
}

// appendHold appends a hold or take with what its record says besides.
func (w *worker) appendHold(b []byte, kind engine.IDKind, v *engine.HoldView) ([]byte, error) {
	at := v.Ref.At
	read := func() (err error) {
		w.records, err = w.server.options.Records.Records(w.records[:0], uint64(at.Index), at.Ordinal, 1)
		return err
	}
	err := read()
	if err != nil && w.barrier() == nil { // its entry is being applied at this moment
		err = read()
	}
	if err == nil {
		_, err = engine.DecodeRecord(w.records, &w.told)
	}
	if err != nil {
		return b, err
	}
	return w.units().AppendView(b, kind, v, &w.told), nil
}
