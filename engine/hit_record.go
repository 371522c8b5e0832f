package engine

import "encoding/binary"

// HitNote is what the record of a hit tells besides Name (the user), Delta (how many) and Total (used after it).
type HitNote struct {
	Cap      []byte
	Limit    uint32
	ResetsAt UnixMilli // when one more could fit, or the window is over; 0 for neither
}

// appendHitNote appends the section of a hit's record: u32 limit, u48 reset, the cap's id.
func appendHitNote(b []byte, u *CapUse) []byte {
	b = append(b, recordHit, byte(hitNoteFixed+len(u.ID)))
	b = binary.LittleEndian.AppendUint32(b, u.Limit)
	b = append(b, 0, 0, 0, 0, 0, 0)
	putU48(b[len(b)-6:], uint64(u.ResetsAt))
	return append(b, u.ID...)
}

const hitNoteFixed = 4 + 6

func (n *HitNote) decode(b []byte) bool {
	if len(b) <= hitNoteFixed || len(b) > hitNoteFixed+MaxIDBytes {
		return false
	}
	n.Limit, n.ResetsAt, n.Cap = binary.LittleEndian.Uint32(b), UnixMilli(getU48(b[4:])), b[hitNoteFixed:]
	return true
}

// Hit returns what the record of a hit tells besides.
func (r *Record) Hit() (n HitNote, ok bool) {
	body, ok := r.section(recordHit)
	return n, ok && r.Kind == RecordHit && n.decode(body)
}
