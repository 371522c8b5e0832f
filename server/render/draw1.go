package render

import (
	"encoding/binary"

	"github.com/drawd/drawd/engine"
)

// appendDrawJSON1 is renderer 1, JSON. Frozen: golden files in testdata hold its bytes.
func appendDrawJSON1(dst []byte, s *subdraw) []byte {
	r := s.record
	dst = append(dst, `{"draw":"`...)
	dst = s.ids.AppendID(dst, engine.IDDraw, s.at)
	dst = append(dst, `","campaign":"`...)
	dst = append(dst, s.campaign...) // ids and users are of letters that JSON does not escape
	dst = append(dst, `","version":`...)
	dst = appendUint(dst, uint64(r.Version))
	dst = append(dst, `,"user":`...)
	dst = AppendString(dst, r.User)
	if !s.public {
		dst = append(dst, `,"seq":`...)
		dst = appendUint(dst, r.Seq)
	}
	dst = append(dst, `,"at":`...)
	dst = AppendTime(dst, r.At)
	dst = appendRound1(dst, s)
	if r.Prize == engine.NoPrize {
		dst = append(dst, `,"outcome":"miss"`...)
	} else {
		dst = appendPrize1(append(dst, `,"outcome":"win","prize":`...), &s.version.Prizes[r.Prize], r.Amount)
		dst = s.appendCode1(dst, r.Prize, false)
		dst = s.appendHold1(dst)
	}
	if extra := s.extra(); extra != engine.NoPrize {
		dst = appendPrize1(append(dst, `,"extra":`...), &s.version.Prizes[extra], r.ExtraAmount.Amount)
		dst = s.appendCode1(dst, extra, true)
	}
	if slot := slot1(s.version, r); slot >= 0 {
		dst = appendInt(append(dst, `,"slot":`...), int64(slot))
	}
	dst = appendLeft1(append(dst, `,"remaining":{`...), r)
	dst = append(dst, `"caps":{`...)
	dst = appendRemaining1(dst, s.version.Caps, r.Used)
	return append(dst, `}}}`...)
}

// appendPrize1 appends a prize as the winner sees it. amount is what the draw decided, 0 for what every win pays.
func appendPrize1(dst []byte, p *engine.Prize, amount int64) []byte {
	dst = append(dst, `{"id":"`...)
	dst = append(dst, p.ID...)
	dst = append(dst, `","kind":"`...)
	dst = append(dst, p.Kind.String()...)
	dst = append(dst, '"')
	if len(p.Title) > 0 {
		dst = append(append(dst, `,"title":`...), p.Title...) // canonical JSON already
	}
	if amount == 0 {
		amount = p.Amount
	}
	if amount > 0 && p.Kind == engine.KindChance {
		dst = appendInt(append(dst, `,"chances":`...), amount)
	} else if amount > 0 {
		dst = appendInt(append(dst, `,"amount":`...), amount)
	}
	return append(dst, '}')
}

// slot1 returns where the wheel stops, -1 for nowhere: the wheel of the draw's channel, or the slots of the prizes where the
// version has no channels. A miss has a place on the wheel when the word, or the fallbacks of the prize that it named, led
// to a prize of the kind thanks, which is a miss with a name; and on a channel's wheel when that has one for it.
func slot1(v *engine.Version, r *engine.Record) int16 {
	at := landing1(v.Prizes, r)
	if len(v.Channels) == 0 {
		if at == engine.NoPrize {
			return -1
		}
		return v.Prizes[at].Slot
	}
	c := v.Channel(r.Channel)
	if c == nil {
		return -1
	}
	slot := c.SlotOf(at, r.Word)
	if slot < 0 && r.Prize == engine.NoPrize {
		slot = c.SlotOf(engine.NoPrize, r.Word)
	}
	return slot
}

// landing1 returns the prize that was won, or the thanks of a miss, NoPrize for neither.
func landing1(prizes []engine.Prize, r *engine.Record) int {
	if r.Prize != engine.NoPrize {
		return r.Prize
	}
	at := r.Natural
	for range engine.MaxFallbackHops + 1 {
		if at < 0 || at >= len(prizes) {
			break
		}
		p := &prizes[at]
		if p.Kind == engine.KindThanks {
			return at
		}
		if p.Unavailable != engine.OnFallback {
			break
		}
		at = int(p.Fallback)
	}
	return engine.NoPrize
}

// appendRemaining1 appends what is left of the user's own caps after the draw: limit − used, in file order.
func appendRemaining1(dst []byte, caps []engine.Cap, used []uint32) []byte {
	n := 0
	for i := range caps {
		c := &caps[i]
		if c.Scope != engine.ScopeUser || n >= len(used) {
			continue
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), c.ID...), '"', ':')
		dst = appendUint(dst, uint64(left(c.Limit, used[n])))
		n++
	}
	return dst
}

func left(limit, used uint32) uint32 {
	if used >= limit {
		return 0
	}
	return limit - used
}

// appendDrawBinary1 is renderer 1, binary (docs/wire.md, "Sub-draw"). Frozen like the JSON form.
func appendDrawBinary1(dst []byte, s *subdraw) []byte {
	r := s.record
	dst = s.ids.AppendID(dst, engine.IDDraw, s.at)
	dst = binary.LittleEndian.AppendUint32(dst, r.Version)
	dst = binary.LittleEndian.AppendUint64(dst, r.Seq)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.At))
	win, extra := byte(0), s.extra()
	if r.Prize != engine.NoPrize {
		win = 1
	}
	if extra != engine.NoPrize {
		win = 2
	}
	moves, counted := countedChances(r)
	if counted {
		win |= chancesBit
	}
	hold, until, held := s.hold()
	if held {
		win |= holdBit
	}
	dst = append(dst, win, 0)
	count, n := len(dst)-1, 0
	for i := range s.version.Caps {
		if c := &s.version.Caps[i]; c.Scope == engine.ScopeUser && n < len(r.Used) {
			dst = binary.LittleEndian.AppendUint32(dst, left(c.Limit, r.Used[n]))
			n++
		}
	}
	dst[count] = byte(n)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(slot1(s.version, r)))
	if counted {
		dst = binary.LittleEndian.AppendUint32(dst, moves.Remaining)
	}
	if r.Prize == engine.NoPrize {
		return dst
	}
	dst = appendPrizeBinary1(dst, &s.version.Prizes[r.Prize], r.Amount)
	if extra != engine.NoPrize {
		dst = appendPrizeBinary1(dst, &s.version.Prizes[extra], r.ExtraAmount.Amount)
	}
	if held {
		dst = binary.LittleEndian.AppendUint64(s.appendHoldID(dst, hold), uint64(until))
	}
	return dst
}

// holdBit marks, in the binary outcome, a win that is a hold.
const holdBit = 64

func appendPrizeBinary1(dst []byte, p *engine.Prize, amount int64) []byte {
	dst = append(append(dst, byte(len(p.ID))), p.ID...)
	dst = append(dst, byte(p.Kind))
	if amount == 0 {
		amount = p.Amount
	}
	return binary.LittleEndian.AppendUint64(dst, uint64(amount))
}
