package engine

import (
	"encoding/binary"
	"slices"
)

// wonPrize marks a part of what a draw granted as its prize's; smaller numbers are milestones.
const wonPrize = 255

// closeChances closes the chances of a sub-draw: milestones, and the section of its record.
//
//	0 u8  mode            9  u8 parts that were spent: each u8 source, u32 chances
//	1 u32 price              …  u8 parts that were granted: each u8 milestone (255: the prize), u32 chances
//	5 u32 chances left after the draw, all that have not ended
func (t *tx) closeChances(number uint32) {
	p := t.plan.chances
	left := uint64(0)
	if p.account != nil {
		t.passMilestones(number)
		if t.taken {
			left = t.chances.remaining() // what has ended is gone
		} else {
			left = p.account.spendable(t.chanceRow(), t.now, maxTime)
		}
	}
	at := 0 // before the sections of higher tags
	for rest := t.more; len(rest) > 0 && rest[0] < recordChances; at = len(t.more) - len(rest) {
		rest = rest[2+int(rest[1]):]
	}
	after := len(t.more) - at
	n := 2 + chanceMovesFixed + 2 + partBytes*(len(t.spent)+len(t.won))
	t.more = slices.Grow(t.more, n)[:len(t.more)+n]
	if after > 0 {
		copy(t.more[at+n:], t.more[at:at+after])
	}
	b := t.more[at : at+n : at+n]
	b[0], b[1], b[2] = recordChances, byte(n-2), byte(p.mode)
	binary.LittleEndian.PutUint32(b[3:], p.priceAt(t.now))
	binary.LittleEndian.PutUint32(b[7:], uint32(min(left, MaxCapLimit)))
	putParts(putParts(b[2+chanceMovesFixed:], t.spent), t.won)
}

// putParts writes parts, and returns what comes after them.
func putParts(b []byte, parts []part) []byte {
	b[0], b = byte(len(parts)), b[1:]
	for _, p := range parts {
		b[0] = p.of
		binary.LittleEndian.PutUint32(b[1:], p.n)
		b = b[partBytes:]
	}
	return b
}

// ChanceMoves is what a sub-draw did to the user's chances.
type ChanceMoves struct {
	Mode      ChanceMode
	Price     uint32
	Remaining uint32 // after the draw, all that have not ended; 0 where chances are free
	spent     []byte
	won       []byte
}

const (
	chanceMovesFixed = 9
	partBytes        = 5
)

func (m *ChanceMoves) decode(b []byte) bool {
	if len(b) < chanceMovesFixed+2 || b[0] >= byte(chanceModes) {
		return false
	}
	m.Mode, m.Price, m.Remaining = ChanceMode(b[0]), binary.LittleEndian.Uint32(b[1:]), binary.LittleEndian.Uint32(b[5:])
	b = b[chanceMovesFixed:]
	for _, parts := range [...]*[]byte{&m.spent, &m.won} {
		if len(b) < 1 || len(b) < 1+int(b[0])*partBytes {
			return false
		}
		end := 1 + int(b[0])*partBytes
		*parts, b = b[1:end], b[end:]
	}
	return len(b) == 0
}

// Spent returns how many lots the draw was paid from, and of each the number of its source and the chances.
func (m *ChanceMoves) Spent() (n int, at func(i int) (source uint8, chances uint32)) {
	return len(m.spent) / partBytes, func(i int) (uint8, uint32) { return getPart(m.spent, i) }
}

// Won returns how often the draw granted chances, and of each time the index of the version's milestone (-1 for the
// prize) and the chances.
func (m *ChanceMoves) Won() (n int, at func(i int) (milestone int, chances uint32)) {
	return len(m.won) / partBytes, func(i int) (int, uint32) {
		of, n := getPart(m.won, i)
		if of == wonPrize {
			return -1, n
		}
		return int(of), n
	}
}

func getPart(b []byte, i int) (uint8, uint32) {
	return b[i*partBytes], binary.LittleEndian.Uint32(b[i*partBytes+1:])
}

// Chances returns what a draw did to the user's chances. ok is false for a record of a version without chances.
func (r *Record) Chances() (m ChanceMoves, ok bool) {
	body, ok := r.section(recordChances)
	return m, ok && r.Kind == RecordDraw && m.decode(body)
}

// section returns the body of one section of the record.
func (r *Record) section(want uint8) ([]byte, bool) {
	for b := r.Sections; len(b) > 0; {
		tag, body, rest, ok := nextSection(b)
		if !ok || tag > want {
			break
		}
		if tag == want {
			return body, true
		}
		b = rest
	}
	return nil, false
}

// chanceNote is what the record of a grant or revocation says besides.
type chanceNote struct {
	reason   GrantReason
	granted  uint32 // revocation: taken back
	asked    uint32 // revocation: what the grant gave
	paid     uint32 // of the debt; revocation: what became debt
	occurred UnixMilli
	lot      lot
}

// noteChances appends the record of a grant or revocation. Its section:
//
//	0 u8  reason       9  u48 event time    23 u8 priority
//	1 u32 debt         15 u32 begin, s      24 u8 length, source; u8 length, event; u8 length, purse
//	5 u32 left after   19 u32 end, s
func (t *tx) noteChances(x *granting, kind RecordKind, g *Grant, n *chanceNote) Result {
	left := x.account.spendable(x.row.data, t.now, maxTime)
	var buf [256]byte
	b := append(buf[:0], recordChances, 0, byte(n.reason))
	b = binary.LittleEndian.AppendUint32(b, n.paid)
	b = binary.LittleEndian.AppendUint32(b, uint32(min(left, MaxCapLimit)))
	b = append(b, 0, 0, 0, 0, 0, 0)
	putU48(b[len(b)-6:], uint64(n.occurred))
	b = binary.LittleEndian.AppendUint32(b, n.lot.begin)
	b = binary.LittleEndian.AppendUint32(b, n.lot.end)
	b = append(b, n.lot.priority)
	for _, s := range [...]string{g.Source, g.Event, x.purse} {
		b = append(append(b, byte(len(s))), s...)
	}
	b[1] = byte(len(b) - 2)
	rec := Record{
		Kind: kind, Name: g.UserID, Actor: []byte(g.Actor), Reason: []byte(g.Reason), Delta: int64(n.granted),
		Total: Quantity(n.asked), Namespace: x.namespace.ref, Sections: b,
	}
	if x.campaign != nil {
		rec.Campaign, rec.Version, rec.Namespace = x.campaign.ref, x.campaign.Version().Number, 0
	}
	r := t.note(rec, Result{})
	r.Limit, r.Used = uint32(min(left, MaxCapLimit)), n.paid
	return r
}

// GrantNote is what the record of a grant or revocation tells besides Delta (granted or taken back) and Total (asked for).
type GrantNote struct {
	Reason     GrantReason
	Debt       uint32 // grant: debt that it paid; revocation: what became debt
	Remaining  uint32 // the user's chances after it
	OccurredAt UnixMilli
	BeginsAt   UnixMilli // 0: at once
	ExpiresAt  UnixMilli // 0: at the campaign's end
	Priority   uint8
	Source     []byte
	Event      []byte
	Purse      []byte // empty: the campaign's own chances
}

const grantNoteFixed = 24

func (n *GrantNote) decode(b []byte) bool {
	if len(b) < grantNoteFixed || b[0] >= grantReasonsCount {
		return false
	}
	n.Reason, n.Debt, n.Remaining = GrantReason(b[0]), binary.LittleEndian.Uint32(b[1:]), binary.LittleEndian.Uint32(b[5:])
	n.OccurredAt = UnixMilli(getU48(b[9:]))
	n.BeginsAt = UnixMilli(binary.LittleEndian.Uint32(b[15:])) * 1000
	if end := binary.LittleEndian.Uint32(b[19:]); end != neverEnds {
		n.ExpiresAt = UnixMilli(end) * 1000
	}
	n.Priority = b[23]
	b = b[grantNoteFixed:]
	for _, s := range [...]*[]byte{&n.Source, &n.Event, &n.Purse} {
		if len(b) < 1 || len(b) < 1+int(b[0]) {
			return false
		}
		*s, b = b[1:1+int(b[0])], b[1+int(b[0]):]
	}
	return len(b) == 0
}

// Grant returns what the record of a grant or revocation tells besides.
func (r *Record) Grant() (n GrantNote, ok bool) {
	body, ok := r.section(recordChances)
	return n, ok && (r.Kind == RecordGrant || r.Kind == RecordRevoke) && n.decode(body)
}

// soundChances reports whether the section of chances of a record can be read.
func (r *Record) soundChances(body []byte) bool {
	if r.Kind == RecordDraw {
		return new(ChanceMoves).decode(body)
	}
	return new(GrantNote).decode(body)
}
