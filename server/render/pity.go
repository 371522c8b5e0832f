package render

import "github.com/drawd/drawd/engine"

// appendPityUse appends a user's pity counters; nothing for a campaign without pity.
func appendPityUse(dst []byte, all []engine.PityUse) []byte {
	if len(all) == 0 {
		return dst
	}
	dst = append(dst, `,"pity":[`...)
	for i := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		p := &all[i]
		dst = AppendString(append(dst, `{"id":`...), p.ID)
		dst = appendUint(append(dst, `,"counter":`...), uint64(p.Counter))
		if p.Within > 0 {
			dst = appendUint(append(dst, `,"guarantee_within":`...), uint64(p.Within))
		}
		dst = appendBool(append(dst, `,"due":`...), p.Due)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendPityRules appends what a player may know of a campaign's pities: after how many draws something is given, and
// what, in which order. Never how much is reserved, nor the weights of soft pity.
func appendPityRules(dst []byte, v *engine.Version) []byte {
	if len(v.Pity) == 0 {
		return dst
	}
	dst = append(dst, `,"pity":[`...)
	for i := range v.Pity {
		if i > 0 {
			dst = append(dst, ',')
		}
		p := &v.Pity[i]
		dst = AppendString(append(dst, `{"id":`...), p.ID)
		if p.Within > 0 {
			dst = appendUint(append(dst, `,"guarantee_within":`...), uint64(p.Within))
			mode := "replace"
			if p.Extra {
				mode = "extra"
			}
			dst = AppendString(append(dst, `,"mode":`...), mode)
			dst = append(dst, `,"prizes":[`...)
			n := 0
			for _, z := range p.List {
				if prize := &v.Prizes[z.Prize]; !prize.Unlisted {
					if n > 0 {
						dst = append(dst, ',')
					}
					dst = AppendString(dst, prize.ID)
					n++
				}
			}
			dst = append(dst, ']')
		}
		dst = appendBool(append(dst, `,"soft":`...), len(p.Soft) > 0)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendMoves appends what the pities did in a draw: of each its counter before and after; which one gave a prize, what
// came on top, and which had nothing left to give.
func appendMoves(dst []byte, v *engine.Version, m *engine.PityMoves) []byte {
	dst = append(dst, `,"pity":[`...)
	for i := range m.Count {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(append(dst, `{"id":`...), pityID(v, i))
		dst = appendUint(append(dst, `,"before":`...), uint64(m.Before[i]))
		dst = appendUint(append(dst, `,"after":`...), uint64(m.After[i]))
		if m.Given == i {
			dst = append(dst, `,"given":true`...)
		}
		if m.Unfunded>>i&1 != 0 {
			dst = append(dst, `,"pity_unfunded":true`...)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	if m.Extra != engine.NoPrize {
		dst = AppendString(append(dst, `,"extra":`...), prizeID(v, m.Extra))
	}
	return dst
}

func pityID(v *engine.Version, i int) string {
	if v == nil || i >= len(v.Pity) {
		return ""
	}
	return v.Pity[i].ID
}

// extra returns the prize that a pity gave on top of the draw's own; NoPrize for none.
func (s *subdraw) extra() int {
	if len(s.record.Sections) > 0 {
		if m, _ := s.record.Pity(); m.Extra < len(s.version.Prizes) {
			return m.Extra
		}
	}
	return engine.NoPrize
}
