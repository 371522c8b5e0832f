package engine

import (
	"encoding/binary"

	"github.com/drawd/drawd/engine/problem"
)

// HoldMove is what a command moved in one pool, and its books behind it.
type HoldMove struct {
	Pool      PoolRef
	Units     Quantity // held, taken, confirmed, given back or voided
	Back      Quantity // of a confirmation: the rest, which was given back
	Seq       uint64   // of the pool
	Available Quantity
}

// HoldMoves is what a command on holds moved: Record.Moves.
type HoldMoves struct {
	Home  uint16 // of the owner: see HoldRef
	Count uint8
	Items [MaxHoldItems]HoldMove
	// Deadline, of a draw whose win is a hold: the hold's, whose place is the draw's. 0 for anything else.
	Deadline UnixMilli
}

const (
	holdMovesHead = 2
	holdMoveBytes = 4 + 4 + 4 + 6 + 6
)

// Confirmation flags of a record.
const (
	ConfirmedPart = 1 << iota
	ConfirmedLate // free units were taken for those that had gone back
)

// append appends m as a section of a record.
func (m *HoldMoves) append(dst []byte) []byte {
	n := holdMovesHead + int(m.Count)*holdMoveBytes
	if m.Deadline != 0 {
		n += 4
	}
	dst = append(dst, recordHolds, byte(n))
	dst = binary.LittleEndian.AppendUint16(dst, m.Home)
	for i := range m.Count {
		x := &m.Items[i]
		dst = binary.LittleEndian.AppendUint32(dst, uint32(x.Pool))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(x.Units))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(x.Back))
		var b [12]byte
		putU48(b[:], x.Seq)
		putU48(b[6:], uint64(x.Available))
		dst = append(dst, b[:]...)
	}
	if m.Deadline != 0 {
		dst = binary.LittleEndian.AppendUint32(dst, secondOf(m.Deadline))
	}
	return dst
}

func (m *HoldMoves) decode(b []byte) bool {
	n := len(b) - holdMovesHead
	if n > 0 && n%holdMoveBytes == 4 {
		if m.Deadline = UnixMilli(binary.LittleEndian.Uint32(b[len(b)-4:])) * 1000; m.Deadline == 0 {
			return false
		}
		n -= 4
	}
	if n < 0 || n%holdMoveBytes != 0 || n/holdMoveBytes > MaxHoldItems {
		return false
	}
	m.Home, m.Count = binary.LittleEndian.Uint16(b), uint8(n/holdMoveBytes)
	for i := range m.Count {
		x := b[holdMovesHead+int(i)*holdMoveBytes:]
		m.Items[i] = HoldMove{
			PoolRef(binary.LittleEndian.Uint32(x)), Quantity(binary.LittleEndian.Uint32(x[4:])), Quantity(binary.LittleEndian.Uint32(x[8:])),
			getU48(x[12:]), Quantity(getU48(x[18:])),
		}
	}
	return m.Home < 1<<10
}

// Moves returns what a command on holds or takes moved; of a refused one, what it asked for. Items of several pools stand
// in ascending order of their refs.
func (r *Record) Moves() (m HoldMoves, ok bool) {
	for b := r.Sections; len(b) > 0; {
		tag, body, rest, sound := nextSection(b)
		if !sound {
			return m, false
		}
		if tag == recordHolds {
			return m, m.decode(body)
		}
		b = rest
	}
	return m, false
}

// HoldLocation returns the hold or take that a record of a resolution is about.
func (r *Record) HoldLocation() Location {
	return Location{Index: LogIndex(uint64(r.Delta) >> 16), Ordinal: uint16(r.Delta)}
}

// The flags of a refused hold or take, from the lowest bit: u8 code, u8 cap, u8 index of the item whose pool refuses it, u8
// 1 for "may return". Its Delta is Result.ResetsAt, its Total used<<32 | limit.
const refusedMayReturn = 1 << 24

// refusal puts into a record why a hold or take was refused. item is the index of the pool among the moves.
func (r *Record) refusal(x *Result, item int) {
	r.Flags = uint32(x.Code) | uint32(x.Cap)<<8 | uint32(item)<<16
	if x.MayReturn {
		r.Flags |= refusedMayReturn
	}
	r.Delta, r.Total = int64(x.ResetsAt), Quantity(uint64(x.Used)<<32|uint64(x.Limit))
}

// HoldRefusal returns the first answer of a hold or take that was refused, from its record; ok is false when it was not.
func (r *Record) HoldRefusal() (x Result, ok bool) {
	if r.Kind != RecordHold && r.Kind != RecordTake || r.Flags&0xff == 0 {
		return x, false
	}
	m, ok := r.Moves()
	x = Result{
		Code: problem.Code(r.Flags), Records: 1, Cap: uint8(r.Flags >> 8), MayReturn: r.Flags&refusedMayReturn != 0, Now: r.At,
		ResetsAt: UnixMilli(r.Delta), Used: uint32(uint64(r.Total) >> 32), Limit: uint32(r.Total),
	}
	if item := uint8(r.Flags >> 16); item < m.Count {
		x.Pool = m.Items[item].Pool
	}
	return x, ok
}
