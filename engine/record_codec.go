package engine

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// A record begins with its kind (u8), its renderer (u8) and its length (u16, all of it). All numbers are little-endian.
//
// A draw:
//
//	4  u32  campaign        18 u48 seq             58 u48 stock after, all ones for unlimited
//	8  u16  version         24 u48 log time, ms    64 7 B previous draw (u40 index, u16 ordinal)
//	10 i16  natural prize   30 u32 draw number     71 7 B previous win
//	12 i16  prize given     34 u64 word            78 u8  number of counters
//	14 u8   cause           42 16 B key digest     79 u8  length of the user
//	15 u8   part                                   80 u8  length of the channel
//	16 u8   times                                  81 …   counters u32 each, user, channel
//	17 u8   flags, 1: listed, 2: sections follow the channel (section.go)
//
// Anything else:
//
//	4  u32  campaign        18 u48 seq             40 u8  length of the name, 41 of the actor
//	8  u16  version         24 u48 log time, ms    42 u16 length of the reason
//	10 u32  flags           32 i64 delta           44 i64 total
//	14 u32  namespace                              52 …   name, actor, reason [sections up to the end: section.go]
//
// A number is 48 bits wide where 2^48 is beyond its bound (limits.go).
const (
	recordHeader     = 4
	drawRecordFixed  = 81
	otherRecordFixed = 52
	recordListed     = 1 << 0
	recordMore       = 1 << 1
	unlimitedStock   = 1<<48 - 1
	maxRecordBytes   = otherRecordFixed + 255 + MaxActorBytes + MaxNoteBytes // without sections
)

// appendDraw appends the record of one sub-draw.
func appendDraw(dst []byte, r *Record) []byte {
	n := drawRecordFixed + 4*len(r.Used) + len(r.User) + len(r.Channel) + len(r.Sections)
	start := len(dst)
	dst = slices.Grow(dst, n)[:start+n]
	b := (*[drawRecordFixed]byte)(dst[start:]) // every byte is written: what was there does not matter
	b[0], b[1] = byte(RecordDraw), r.Renderer
	binary.LittleEndian.PutUint16(b[2:], uint16(n))
	binary.LittleEndian.PutUint32(b[4:], uint32(r.Campaign))
	binary.LittleEndian.PutUint16(b[8:], uint16(r.Version))
	binary.LittleEndian.PutUint16(b[10:], uint16(r.Natural))
	binary.LittleEndian.PutUint16(b[12:], uint16(r.Prize))
	b[14], b[15], b[16] = byte(r.Cause), r.Part, r.Times
	b[17] = 0
	if r.Listed {
		b[17] = recordListed
	}
	if len(r.Sections) > 0 {
		b[17] |= recordMore
	}
	putU48(b[18:], r.Seq)
	putU48(b[24:], uint64(r.At))
	binary.LittleEndian.PutUint32(b[30:], r.DrawNumber)
	binary.LittleEndian.PutUint64(b[34:], r.Word)
	copy(b[42:], r.Digest[:])
	if r.StockAfter == Unlimited {
		putU48(b[58:], unlimitedStock)
	} else {
		putU48(b[58:], uint64(r.StockAfter))
	}
	putLocation(b[64:], r.Previous)
	putLocation(b[71:], r.PrevWin)
	b[78], b[79], b[80] = byte(len(r.Used)), byte(len(r.User)), byte(len(r.Channel))
	at := start + drawRecordFixed
	for _, u := range r.Used {
		binary.LittleEndian.PutUint32(dst[at:], u)
		at += 4
	}
	at += copy(dst[at:], r.User)
	if len(r.Channel)+len(r.Sections) > 0 {
		at += copy(dst[at:], r.Channel)
		copy(dst[at:], r.Sections)
	}
	return dst
}

// appendOther appends the record of anything but a draw.
func appendOther(dst []byte, r *Record) []byte {
	if n := otherRecordFixed + len(r.Name) + len(r.Actor) + len(r.Reason); n > maxRecordBytes || len(r.Name) > 255 || len(r.Actor) > MaxActorBytes {
		panic("BUG: a record is longer than what commands may hold")
	}
	n := otherRecordFixed + len(r.Name) + len(r.Actor) + len(r.Reason) + len(r.Sections)
	var b [otherRecordFixed]byte
	b[0], b[1] = byte(r.Kind), r.Renderer
	binary.LittleEndian.PutUint16(b[2:], uint16(n))
	binary.LittleEndian.PutUint32(b[4:], uint32(r.Campaign))
	binary.LittleEndian.PutUint16(b[8:], uint16(r.Version))
	binary.LittleEndian.PutUint32(b[10:], r.Flags)
	binary.LittleEndian.PutUint32(b[14:], uint32(r.Namespace))
	putU48(b[18:], r.Seq)
	putU48(b[24:], uint64(r.At))
	binary.LittleEndian.PutUint64(b[32:], uint64(r.Delta))
	b[40], b[41] = byte(len(r.Name)), byte(len(r.Actor))
	binary.LittleEndian.PutUint16(b[42:], uint16(len(r.Reason)))
	binary.LittleEndian.PutUint64(b[44:], uint64(r.Total))
	dst = append(dst, b[:]...)
	dst = append(dst, r.Name...)
	dst = append(dst, r.Actor...)
	dst = append(dst, r.Reason...)
	return append(dst, r.Sections...)
}

// DecodeRecord decodes the first record in b into r and returns its length. The slices of r alias b, but for Used,
// which is r's own and reused. Damaged bytes are an error, never a panic.
func DecodeRecord(b []byte, r *Record) (int, error) {
	used := r.Used[:0]
	*r = Record{Used: used}
	if len(b) < recordHeader {
		return 0, fmt.Errorf("engine: record: %w", errTruncated)
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if n > len(b) {
		return 0, fmt.Errorf("engine: record: %w", errTruncated)
	}
	r.Kind, r.Renderer = RecordKind(b[0]), b[1]
	ok := false
	switch {
	case r.Kind == RecordDraw:
		ok = r.decodeDraw(b[:n:n])
	case r.Kind.other():
		ok = r.decodeOther(b[:n:n])
	}
	if !ok {
		return 0, fmt.Errorf("engine: record of kind %d: %w", b[0], errTruncated)
	}
	return n, nil
}

func (r *Record) decodeDraw(b []byte) bool {
	if len(b) < drawRecordFixed {
		return false
	}
	counters, users, channel := int(b[78]), int(b[79]), int(b[80])
	sections := len(b) - (drawRecordFixed + 4*counters + users + channel)
	if sections < 0 || (sections > 0) != (b[17]&recordMore != 0) || int(b[14]) >= len(causes) || b[17]&^(recordListed|recordMore) != 0 {
		return false
	}
	r.Campaign = CampaignRef(binary.LittleEndian.Uint32(b[4:]))
	r.Version = uint32(binary.LittleEndian.Uint16(b[8:]))
	r.Natural = int(int16(binary.LittleEndian.Uint16(b[10:])))
	r.Prize = int(int16(binary.LittleEndian.Uint16(b[12:])))
	r.Cause, r.Part, r.Times, r.Listed = Cause(b[14]), b[15], b[16], b[17]&recordListed != 0
	r.Seq, r.At = getU48(b[18:]), UnixMilli(getU48(b[24:]))
	r.DrawNumber = binary.LittleEndian.Uint32(b[30:])
	r.Word = binary.LittleEndian.Uint64(b[34:])
	r.Digest = Key(b[42:58])
	r.StockAfter = Quantity(getU48(b[58:]))
	if r.StockAfter == unlimitedStock {
		r.StockAfter = Unlimited
	}
	r.Previous, r.PrevWin = getLocation(b[64:]), getLocation(b[71:])
	rest := b[drawRecordFixed:]
	for range counters {
		r.Used = append(r.Used, binary.LittleEndian.Uint32(rest))
		rest = rest[4:]
	}
	r.User, r.Channel, r.Sections = rest[:users:users], rest[users:users+channel:users+channel], rest[users+channel:]
	return r.sectionsValid()
}

func (r *Record) decodeOther(b []byte) bool {
	if len(b) < otherRecordFixed {
		return false
	}
	name, actor, reason := int(b[40]), int(b[41]), int(binary.LittleEndian.Uint16(b[42:]))
	if len(b) < otherRecordFixed+name+actor+reason || actor > MaxActorBytes || reason > MaxNoteBytes {
		return false
	}
	r.Campaign = CampaignRef(binary.LittleEndian.Uint32(b[4:]))
	r.Version = uint32(binary.LittleEndian.Uint16(b[8:]))
	r.Flags = binary.LittleEndian.Uint32(b[10:])
	r.Namespace = NamespaceRef(binary.LittleEndian.Uint32(b[14:]))
	r.Seq, r.At = getU48(b[18:]), UnixMilli(getU48(b[24:]))
	r.Delta = int64(binary.LittleEndian.Uint64(b[32:]))
	r.Total = Quantity(binary.LittleEndian.Uint64(b[44:]))
	rest := b[otherRecordFixed:]
	r.Name, r.Actor, rest = rest[:name:name], rest[name:name+actor:name+actor], rest[name+actor:]
	r.Reason, r.Sections = rest[:reason:reason], rest[reason:]
	return r.sectionsValid()
}

// The head of a record blob:
//
//	0  u8   form, 1        4  u32 number of records    16 u64   log time, ms
//	1  3 B  reserved, 0    8  u64 index                24 16 B  running hash after the entry
const (
	blobForm  = 1
	headBytes = 40
)

func putHead(b *[headBytes]byte, records int, index LogIndex, at UnixMilli, running [16]byte) {
	*b = [headBytes]byte{0: blobForm}
	binary.LittleEndian.PutUint32(b[4:], uint32(records))
	binary.LittleEndian.PutUint64(b[8:], uint64(index))
	binary.LittleEndian.PutUint64(b[16:], uint64(at))
	copy(b[24:], running[:])
}

// ParseHead takes a blob head apart.
func ParseHead(head []byte) (index LogIndex, at UnixMilli, running [16]byte, err error) {
	if len(head) != headBytes || head[0] != blobForm {
		return 0, 0, running, fmt.Errorf("engine: blob head: %w", errTruncated)
	}
	copy(running[:], head[24:])
	return LogIndex(binary.LittleEndian.Uint64(head[8:])), UnixMilli(binary.LittleEndian.Uint64(head[16:])), running, nil
}
