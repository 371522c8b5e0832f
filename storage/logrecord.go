package storage

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// Prefixes of the keys in log/. Numbers are on disk.
const (
	keyLog       = 0x01 // ‖ index u64 BE → log record
	keyStable    = 0x02 // ‖ name → xxh3-64 of key ‖ value, then value
	keyStableSeq = 0x03 // → number of the newest stable write, u64, and its xxh3-64
)

const logKeySize = 9

// logKey returns the key of the record at index.
func logKey(index uint64) (k [logKeySize]byte) {
	putLogKey(k[:], index)
	return k
}

func putLogKey(k []byte, index uint64) {
	k[0] = keyLog
	binary.BigEndian.PutUint64(k[1:], index)
}

// The value of a log record, little endian:
//
//	0  chain 16 B: xxh3-128 of everything from byte 24 on
//	16 appendedAt i64: not hashed, as it differs between nodes
//	24 chain of the record before, 16 B
//	40 index u64
//	48 term u64
//	56 type u8
//	57 form u8 = 1
//	58 zero u16
//	60 length of the extensions u32
//	64 data, then extensions
//
// The previous chain stands in the record, so that each one proves itself, also the first after a truncated head, and the hash is
// one pass over contiguous bytes.
const (
	recordHeader = 64
	recordHashed = 24 // first hashed byte
	recordForm   = 1
)

// encodedSize returns the size of a record's value.
func (r *LogRecord) encodedSize() int { return recordHeader + len(r.Data) + len(r.Extensions) }

// encode writes r into v, which has exactly encodedSize bytes, and sets r.Chain.
func (r *LogRecord) encode(v []byte, previous [16]byte) {
	le := binary.LittleEndian
	le.PutUint64(v[16:], uint64(r.AppendedAt))
	copy(v[24:], previous[:])
	le.PutUint64(v[40:], r.Index)
	le.PutUint64(v[48:], r.Term)
	v[56], v[57], v[58], v[59] = r.Type, recordForm, 0, 0
	le.PutUint32(v[60:], uint32(len(r.Extensions)))
	n := copy(v[recordHeader:], r.Data)
	copy(v[recordHeader+n:], r.Extensions)
	r.Chain = xxh3.Hash128(v[recordHashed:]).Bytes()
	copy(v, r.Chain[:])
}

// decodeRecord parses the value stored at index. r's slices alias v. It returns the chain of the record before, and what is wrong
// with the record: empty when it is the one that was written.
func decodeRecord(index uint64, v []byte, r *LogRecord) (previous [16]byte, fault string) {
	if len(v) < recordHeader {
		return previous, "a log record is cut short"
	}
	r.Chain = xxh3.Hash128(v[recordHashed:]).Bytes()
	le := binary.LittleEndian
	extensions := int(le.Uint32(v[60:]))
	data := len(v) - recordHeader - extensions
	switch {
	case r.Chain != [16]byte(v[:16]):
		return previous, "a log record does not have the bytes it was written with"
	case le.Uint64(v[40:]) != index:
		return previous, "a log record stands in another one's place"
	case v[57] != recordForm || data < 0:
		return previous, "a log record has an unknown form"
	}
	r.Index, r.Term, r.Type = index, le.Uint64(v[48:]), v[56]
	r.AppendedAt = int64(le.Uint64(v[16:]))
	// An empty slice is never nil here, and that makes no difference to anyone: raft compares lengths.
	r.Data = v[recordHeader : recordHeader+data : recordHeader+data]
	r.Extensions = v[recordHeader+data:]
	return [16]byte(v[24:40]), ""
}

func (r *LogRecord) base() Base { return Base{Index: r.Index, Term: r.Term, Chain: r.Chain} }
