package render

import "github.com/drawd/drawd/engine"

// hold returns the hold that a win is, and when it ends unless a payment confirms it; ok is false for any other draw.
func (s *subdraw) hold() (h engine.HoldRef, until engine.UnixMilli, ok bool) {
	if len(s.version.PoolPrizes) == 0 || s.record.Prize == engine.NoPrize {
		return h, 0, false
	}
	m, ok := s.record.Moves()
	return engine.HoldRef{At: s.at, Home: m.Home}, m.Deadline, ok && m.Deadline != 0
}

// appendHoldID appends the id of a win's hold; nothing where ids has none to give.
func (s *subdraw) appendHoldID(dst []byte, h engine.HoldRef) []byte {
	if ids, able := s.ids.(HoldIDs); able {
		dst = ids.AppendHoldID(dst, engine.IDHold, h)
	}
	return dst
}

// appendHold1 appends the hold that a win is.
func (s *subdraw) appendHold1(dst []byte) []byte {
	h, until, ok := s.hold()
	if !ok {
		return dst
	}
	dst = s.appendHoldID(append(dst, `,"hold":"`...), h)
	return AppendTime(append(dst, `","hold_expires_at":`...), until)
}
