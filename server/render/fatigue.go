package render

import "github.com/drawd/drawd/engine"

// AppendHit appends the answer to a hit, from its record alone: a replay must have the same bytes.
func AppendHit(dst []byte, r *engine.Record, n *engine.HitNote) []byte {
	return appendFatigue(dst, n.Cap, r.Name, uint32(r.Total), n.Limit, n.ResetsAt)
}

// AppendFatigue appends where a user stands with a fatigue cap.
func AppendFatigue(dst []byte, user []byte, u *engine.CapUse) []byte {
	return appendFatigue(dst, u.ID, user, u.Used, u.Limit, u.ResetsAt)
}

func appendFatigue[T string | []byte](dst []byte, cap T, user []byte, used, limit uint32, resets engine.UnixMilli) []byte {
	dst = AppendString(append(dst, `{"cap":`...), cap)
	dst = AppendString(append(dst, `,"user":`...), user)
	dst = appendUint(append(dst, `,"used":`...), uint64(used))
	dst = appendUint(append(dst, `,"limit":`...), uint64(limit))
	dst = appendUint(append(dst, `,"left":`...), uint64(left(limit, used)))
	return append(appendTimeOrNull(append(dst, `,"resets_at":`...), resets), '}')
}

// appendFeedHit appends what a hit was.
func appendFeedHit(dst []byte, r *engine.Record) []byte {
	n, ok := r.Hit()
	if !ok {
		return dst
	}
	dst = AppendString(append(dst, `,"cap":`...), n.Cap)
	dst = appendInt(append(dst, `,"quantity":`...), r.Delta)
	dst = appendUint(append(dst, `,"used":`...), uint64(r.Total))
	dst = appendUint(append(dst, `,"limit":`...), uint64(n.Limit))
	if n.ResetsAt > 0 {
		dst = AppendTime(append(dst, `,"resets_at":`...), n.ResetsAt)
	}
	return dst
}
