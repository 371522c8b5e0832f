package render

import "github.com/drawd/drawd/engine"

// unitKinds are the wire names of records about pools, holds and takes, from engine.RecordPool on.
var unitKinds = [...]string{
	"pool", "pool_adjust", "take", "hold", "confirm", "release", "extend", "hold_void", "pool_return", "pool_low", "pool_sold_out", "pool_fence",
}

// IsUnits reports whether a record is about pools, holds or takes: AppendFeed renders it.
func IsUnits(k engine.RecordKind) bool {
	return k >= engine.RecordPool && int(k-engine.RecordPool) < len(unitKinds)
}

// AppendFeed appends a record about pools, holds or takes as one item of the records feed.
func (u Units) AppendFeed(dst []byte, at engine.Location, r *engine.Record) []byte {
	dst = append(append(append(dst, `{"kind":"`...), unitKinds[r.Kind-engine.RecordPool]...), '"')
	dst = AppendTime(append(dst, `,"at":`...), r.At)
	switch r.Kind {
	case engine.RecordTake, engine.RecordHold:
		dst = u.appendFeedMade(dst, at, r)
	case engine.RecordConfirm, engine.RecordRelease, engine.RecordExtend, engine.RecordHoldVoid:
		dst = u.appendFeedResolved(dst, r)
	default:
		dst = appendFeedPool(dst, r)
	}
	if len(r.Actor) > 0 {
		dst = AppendString(append(dst, `,"actor":`...), r.Actor)
	}
	if len(r.Reason) > 0 && r.Kind != engine.RecordTake && r.Kind != engine.RecordHold {
		dst = AppendString(append(dst, `,"reason":`...), r.Reason)
	}
	dst = appendUint(append(dst, `,"index":`...), uint64(at.Index))
	dst = appendUint(append(dst, `,"ordinal":`...), uint64(at.Ordinal))
	return append(dst, '}')
}

// appendFeedMade appends a hold or take, or why it was refused.
func (u Units) appendFeedMade(dst []byte, at engine.Location, r *engine.Record) []byte {
	m, _ := r.Moves()
	first, refused := r.HoldRefusal()
	switch {
	case refused:
		dst = AppendString(append(dst, `,"refused":`...), first.Code.String())
	case r.Kind == engine.RecordTake:
		dst = append(u.IDs.AppendHoldID(append(dst, `,"take":"`...), engine.IDTake, engine.HoldRef{At: at, Home: m.Home}), '"')
	default:
		dst = append(u.IDs.AppendHoldID(append(dst, `,"hold":"`...), engine.IDHold, engine.HoldRef{At: at, Home: m.Home}), '"')
		dst = AppendTime(append(dst, `,"expires_at":`...), engine.UnixMilli(r.Total))
	}
	dst = AppendString(append(dst, `,"owner":`...), r.Name)
	return appendRef(u.appendMoves(dst, &m), r.Reason)
}

// appendFeedResolved appends what became of a hold or take. Both ids of a place differ in their kind only, so a void names the
// place as of a hold and as of a take.
func (u Units) appendFeedResolved(dst []byte, r *engine.Record) []byte {
	m, _ := r.Moves()
	h := engine.HoldRef{At: r.HoldLocation(), Home: m.Home}
	dst = append(u.IDs.AppendHoldID(append(dst, `,"hold":"`...), engine.IDHold, h), '"')
	switch r.Kind {
	case engine.RecordExtend:
		dst = AppendTime(append(dst, `,"expires_at":`...), engine.UnixMilli(r.Total))
	case engine.RecordHoldVoid:
		dst = append(u.IDs.AppendHoldID(append(dst, `,"take":"`...), engine.IDTake, h), '"')
		dst = AppendString(append(dst, `,"fault":`...), engine.VoidFault(r.Flags).String())
	case engine.RecordConfirm:
		if r.Flags&engine.ConfirmedLate != 0 {
			dst = append(dst, `,"late":true`...)
		}
	}
	return u.appendMoves(dst, &m)
}

// appendFeedPool appends what happened to a pool.
func appendFeedPool(dst []byte, r *engine.Record) []byte {
	dst = AppendString(append(dst, `,"pool":`...), r.Name)
	if r.Seq > 0 {
		dst = appendUint(append(dst, `,"seq":`...), r.Seq)
	}
	switch r.Kind {
	case engine.RecordPool:
		dst = appendInt(append(dst, `,"revision":`...), r.Delta)
		dst = appendInt(append(dst, `,"total":`...), int64(r.Total))
	case engine.RecordPoolAdjust:
		dst = appendInt(append(dst, `,"delta":`...), r.Delta)
		dst = appendInt(append(dst, `,"total":`...), int64(r.Total))
	case engine.RecordPoolReturn:
		dst = appendInt(append(dst, `,"delta":`...), r.Delta)
		dst = appendInt(append(dst, `,"available":`...), int64(r.Total))
	case engine.RecordPoolLow:
		dst = appendInt(append(dst, `,"available":`...), int64(r.Total))
	}
	return dst
}
