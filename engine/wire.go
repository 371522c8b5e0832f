package engine

import (
	"encoding/binary"
	"errors"
)

// errTruncated says that encoded bytes end before what they announce, or hold a value out of its bounds.
var errTruncated = errors.New("engine: encoded value is truncated or out of bounds")

// writer appends the engine's little-endian wire forms. It cannot fail.
type writer struct{ b []byte }

func (w *writer) u8(v uint8)   { w.b = append(w.b, v) }
func (w *writer) u16(v uint16) { w.b = binary.LittleEndian.AppendUint16(w.b, v) }
func (w *writer) u32(v uint32) { w.b = binary.LittleEndian.AppendUint32(w.b, v) }
func (w *writer) u64(v uint64) { w.b = binary.LittleEndian.AppendUint64(w.b, v) }
func (w *writer) i64(v int64)  { w.u64(uint64(v)) }
func (w *writer) flag(v bool) {
	if v {
		w.u8(1)
	} else {
		w.u8(0)
	}
}
func (w *writer) raw(v []byte) { w.b = append(w.b, v...) }

// bytes appends a length (u32) and v; str the same of a string.
func (w *writer) bytes(v []byte) { w.u32(uint32(len(v))); w.raw(v) }
func (w *writer) str(v string)   { w.u32(uint32(len(v))); w.b = append(w.b, v...) }

// reader takes them apart again. After the first fault every read gives zero and fail is set: callers check it once.
type reader struct {
	b    []byte
	fail bool
	dry  bool    // only checks: see CheckCommands
	kept *reused // what can be given again instead of being allocated; nil for nothing
}

// reused is memory of one that reads many commands: theirs only until the next one is read.
type reused struct {
	items [MaxHoldItems]Item
	actor string // mostly the one of the command before
}

func (r *reader) take(n int) []byte {
	if r.fail || n < 0 || n > len(r.b) {
		r.fail = true
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) u8() uint8 {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if v := r.take(2); v != nil {
		return binary.LittleEndian.Uint16(v)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if v := r.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if v := r.take(8); v != nil {
		return binary.LittleEndian.Uint64(v)
	}
	return 0
}

func (r *reader) i64() int64 { return int64(r.u64()) }

// flag reads a bool; anything but 0 and 1 is a fault, so that a value has one encoding.
func (r *reader) flag() bool {
	switch r.u8() {
	case 0:
		return false
	case 1:
		return true
	}
	r.fail = true
	return false
}

// enum reads a u8 below limit.
func (r *reader) enum(limit uint8) uint8 {
	v := r.u8()
	if v >= limit {
		r.fail = true
		return 0
	}
	return v
}

// bytes reads a length-prefixed value of at most limit bytes; it aliases the input. An empty one is nil.
func (r *reader) bytes(limit int) []byte {
	n := r.u32()
	if n > uint32(limit) {
		r.fail = true
		return nil
	}
	if n == 0 {
		return nil
	}
	return r.take(int(n))
}

func (r *reader) str(limit int) string { return string(r.bytes(limit)) }

// actor reads who asks for a command.
func (r *reader) actor() string {
	b := r.bytes(MaxActorBytes)
	if r.kept == nil {
		return string(b)
	}
	if string(b) != r.kept.actor {
		r.kept.actor = string(b)
	}
	return r.kept.actor
}

// count reads a u32 of at most limit: how many elements follow.
func (r *reader) count(limit int) int {
	n := r.u32()
	if n > uint32(limit) {
		r.fail = true
		return 0
	}
	return int(n)
}

func (r *reader) key() (k Key) {
	copy(k[:], r.take(len(k)))
	return k
}

// done reports a fault, or bytes that nobody read.
func (r *reader) done() error {
	if r.fail || len(r.b) != 0 {
		return errTruncated
	}
	if r.dry {
		return errSound
	}
	return nil
}

// 48-bit values: times and sequence numbers in rows and records. 2^48 ms is the year 10889.
func putU48(b []byte, v uint64) {
	_ = b[5]
	binary.LittleEndian.PutUint32(b, uint32(v))
	binary.LittleEndian.PutUint16(b[4:], uint16(v>>32))
}

func getU48(b []byte) uint64 {
	_ = b[5]
	return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint16(b[4:]))<<32
}

// locationBytes is the size of a Location in rows and records: 40 bits of index, 16 of ordinal.
const locationBytes = 7

func putLocation(b []byte, l Location) {
	_ = b[6]
	binary.LittleEndian.PutUint32(b, uint32(l.Index))
	b[4] = byte(l.Index >> 32)
	binary.LittleEndian.PutUint16(b[5:], l.Ordinal)
}

func getLocation(b []byte) Location {
	_ = b[6]
	return Location{
		Index:   LogIndex(binary.LittleEndian.Uint32(b)) | LogIndex(b[4])<<32,
		Ordinal: binary.LittleEndian.Uint16(b[5:]),
	}
}
