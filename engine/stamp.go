package engine

import (
	"encoding/binary"
	"fmt"
)

// Eligibility is what a draw carries about who draws: found out where the request arrived, and decided on by the log.
// The zero Eligibility carries nothing.
type Eligibility struct {
	Stamp  Stamp
	Ticket Ticket
	// By are the subjects of the attributes that caps count by, by their slot (Campaign.Audience); HasBy has a bit for
	// each one that is there.
	By    [MaxAttributeScopes]Key
	HasBy uint8
}

// Stamp is what a version's audience said of a draw.
type Stamp struct {
	Version  uint32 // that was asked; 0: no stamp. The log decides on no other
	Eligible bool   // the rule is met
	Digest   uint64 // Keyer.Attributes of what was known
}

// Ticket is what the log must still know of a signed ticket: its signature was checked where the request arrived.
type Ticket struct {
	Key       uint64    // id of the key that signed; 0: no ticket
	NotBefore UnixMilli // a draw counts in [NotBefore, ExpiresAt), by log time
	ExpiresAt UnixMilli
}

// Sizes of the sections of a draw command.
const (
	stampBytes   = 4 + 1 + 8
	ticketBytes  = 8 + 6 + 6
	subjectBytes = 1 + 16 // of each
)

func (e *Eligibility) more() bool { return e.Stamp.Version != 0 || e.Ticket.Key != 0 || e.HasBy != 0 }

// eligibility appends the sections of a draw command.
func (w *writer) eligibility(e *Eligibility) {
	if s := &e.Stamp; s.Version != 0 {
		w.raw([]byte{drawStamp, stampBytes})
		w.u32(s.Version)
		w.flag(s.Eligible)
		w.u64(s.Digest)
	}
	if t := &e.Ticket; t.Key != 0 {
		w.raw([]byte{drawTicket, ticketBytes})
		w.u64(t.Key)
		w.u48(uint64(t.NotBefore))
		w.u48(uint64(t.ExpiresAt))
	}
	if e.HasBy == 0 {
		return
	}
	w.raw([]byte{drawSubjects, 0})
	start := len(w.b)
	for slot := range e.By {
		if e.HasBy&(1<<slot) != 0 {
			w.u8(uint8(slot))
			w.raw(e.By[slot][:])
		}
	}
	w.b[start-1] = byte(len(w.b) - start)
}

func (w *writer) u48(v uint64) {
	var b [6]byte
	putU48(b[:], v)
	w.raw(b[:])
}

// parse decodes the sections of a draw command, which are in order.
func (e *Eligibility) parse(b []byte) error {
	e.Stamp.Version, e.Ticket.Key, e.HasBy = 0, 0, 0
	for len(b) > 0 {
		tag, body, rest, _ := nextSection(b)
		b = rest
		ok := false
		switch tag {
		case drawStamp:
			ok = len(body) == stampBytes && e.Stamp.parse(body)
		case drawTicket:
			ok = len(body) == ticketBytes && e.Ticket.parse(body)
		case drawSubjects:
			ok = e.parseSubjects(body)
		default:
			return fmt.Errorf("%w: draw section %d", ErrUnknownEntry, tag)
		}
		if !ok {
			return fmt.Errorf("%w: draw section %d", ErrDamagedEntry, tag)
		}
	}
	return nil
}

func (s *Stamp) parse(b []byte) bool {
	s.Version, s.Eligible, s.Digest = binary.LittleEndian.Uint32(b), b[4] == 1, binary.LittleEndian.Uint64(b[5:])
	return s.Version != 0 && b[4] <= 1
}

func (t *Ticket) parse(b []byte) bool {
	t.Key, t.NotBefore, t.ExpiresAt = binary.LittleEndian.Uint64(b), UnixMilli(getU48(b[8:])), UnixMilli(getU48(b[14:]))
	return t.Key != 0
}

func (e *Eligibility) parseSubjects(b []byte) bool {
	for last := -1; len(b) > 0; b = b[subjectBytes:] {
		slot := int(b[0])
		if len(b) < subjectBytes || slot <= last || slot >= MaxAttributeScopes {
			return false
		}
		e.By[slot] = Key(b[1:subjectBytes])
		e.HasBy |= 1 << slot
		last = slot
	}
	return true
}
