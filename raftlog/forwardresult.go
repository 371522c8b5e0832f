package raftlog

import (
	"encoding/binary"
	"errors"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Results between nodes. A result is a u32 of bits and then, in the order of the bits, what those that carry something
// carry; a field that is zero is left out. Little endian. Bits are append only: one that this drawd does not know is of a
// newer one, and what it says must not be lost, so the outcome is told as unknown.
const (
	resultCode        = 1 << 0  // u8
	resultReplayed    = 1 << 1  // nothing
	resultCampaign    = 1 << 2  // u32
	resultHere        = 1 << 3  // u16: the ordinal; it stands in the entry that the outcome is of
	resultAt          = 1 << 4  // u64 and u16: it stands in another entry
	resultRecords     = 1 << 5  // u8
	resultSpan        = 1 << 6  // u32 and u32: offset and length in the outcome's records
	resultCap         = 1 << 7  // u8
	resultUsed        = 1 << 8  // u32
	resultLimit       = 1 << 9  // u32
	resultAllowed     = 1 << 10 // u8
	resultResetsAt    = 1 << 11 // i64
	resultNow         = 1 << 12 // i64
	resultValue       = 1 << 13 // u64
	resultLimited     = 1 << 14 // nothing
	resultUnvalued    = 1 << 15 // nothing
	resultPending     = 1 << 16 // nothing
	resultPool        = 1 << 17 // u32
	resultState       = 1 << 18 // u8
	resultMayReturn   = 1 << 19 // nothing
	resultAlreadyLive = 1 << 20 // nothing
	resultBits        = 21
)

// leastResult is the size of a result that says nothing.
const leastResult = 4

// mask returns the bits of r, in an outcome of the entry at index.
func mask(r *engine.Result, index engine.LogIndex) (m uint32) {
	bit := func(b uint32, on bool) {
		if on {
			m |= b
		}
	}
	bit(resultCode, r.Code != 0)
	bit(resultReplayed, r.Replayed)
	bit(resultCampaign, r.Campaign != 0)
	if r.At != (engine.Location{}) {
		bit(resultHere, r.At.Index == index)
		bit(resultAt, r.At.Index != index)
	}
	bit(resultRecords, r.Records != 0)
	bit(resultSpan, r.Offset != 0 || r.Length != 0)
	bit(resultCap, r.Cap != 0)
	bit(resultUsed, r.Used != 0)
	bit(resultLimit, r.Limit != 0)
	bit(resultAllowed, r.Allowed != 0)
	bit(resultResetsAt, r.ResetsAt != 0)
	bit(resultNow, r.Now != 0)
	bit(resultValue, r.Value != 0)
	bit(resultLimited, r.Limited)
	bit(resultUnvalued, r.Unvalued)
	bit(resultPending, r.Pending)
	bit(resultPool, r.Pool != 0)
	bit(resultState, r.State != 0)
	bit(resultMayReturn, r.MayReturn)
	bit(resultAlreadyLive, r.AlreadyLive)
	return m
}

// appendResult encodes r, in an outcome of the entry at index.
func appendResult(dst []byte, r *engine.Result, index engine.LogIndex) []byte {
	m, le := mask(r, index), binary.LittleEndian
	dst = le.AppendUint32(dst, m)
	if m&resultCode != 0 {
		dst = append(dst, byte(r.Code))
	}
	if m&resultCampaign != 0 {
		dst = le.AppendUint32(dst, uint32(r.Campaign))
	}
	if m&resultAt != 0 {
		dst = le.AppendUint64(dst, uint64(r.At.Index))
	}
	if m&(resultHere|resultAt) != 0 {
		dst = le.AppendUint16(dst, r.At.Ordinal)
	}
	if m&resultRecords != 0 {
		dst = append(dst, r.Records)
	}
	if m&resultSpan != 0 {
		dst = le.AppendUint32(le.AppendUint32(dst, r.Offset), r.Length)
	}
	if m>>7 == 0 { // a draw that was decided
		return dst
	}
	if m&resultCap != 0 {
		dst = append(dst, r.Cap)
	}
	if m&resultUsed != 0 {
		dst = le.AppendUint32(dst, r.Used)
	}
	if m&resultLimit != 0 {
		dst = le.AppendUint32(dst, r.Limit)
	}
	if m&resultAllowed != 0 {
		dst = append(dst, r.Allowed)
	}
	if m&resultResetsAt != 0 {
		dst = le.AppendUint64(dst, uint64(r.ResetsAt))
	}
	if m&resultNow != 0 {
		dst = le.AppendUint64(dst, uint64(r.Now))
	}
	if m&resultValue != 0 {
		dst = le.AppendUint64(dst, r.Value)
	}
	if m&resultPool != 0 {
		dst = le.AppendUint32(dst, uint32(r.Pool))
	}
	if m&resultState != 0 {
		dst = append(dst, byte(r.State))
	}
	return dst
}

// errOutcome says that a node answered what this drawd cannot read. Whatever it means, it was decided or not: nobody here
// knows.
var errOutcome = errors.New("raftlog: an outcome from another node cannot be read")

// fields takes a frame's payload apart; after the first fault everything is zero.
type fields struct {
	b    []byte
	fail bool
}

func (f *fields) take(n int) []byte {
	if f.fail || n < 0 || n > len(f.b) {
		f.fail = true
		return nil
	}
	v := f.b[:n:n]
	f.b = f.b[n:]
	return v
}

func (f *fields) u8() uint8 {
	if v := f.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (f *fields) u16() uint16 {
	if v := f.take(2); v != nil {
		return binary.LittleEndian.Uint16(v)
	}
	return 0
}

func (f *fields) u32() uint32 {
	if v := f.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

func (f *fields) u64() uint64 {
	if v := f.take(8); v != nil {
		return binary.LittleEndian.Uint64(v)
	}
	return 0
}

// result decodes one.
func (f *fields) result(r *engine.Result, index engine.LogIndex) {
	m := f.u32()
	if m>>resultBits != 0 || m&(resultHere|resultAt) == resultHere|resultAt {
		f.fail = true
		return
	}
	*r = engine.Result{Replayed: m&resultReplayed != 0}
	if m&resultCode != 0 {
		r.Code = problem.Code(f.u8())
	}
	if m&resultCampaign != 0 {
		r.Campaign = engine.CampaignRef(f.u32())
	}
	if m&resultHere != 0 {
		r.At.Index = index
	}
	if m&resultAt != 0 {
		r.At.Index = engine.LogIndex(f.u64())
	}
	if m&(resultHere|resultAt) != 0 {
		r.At.Ordinal = f.u16()
	}
	if m&resultRecords != 0 {
		r.Records = f.u8()
	}
	if m&resultSpan != 0 {
		r.Offset, r.Length = f.u32(), f.u32()
	}
	if m>>7 != 0 {
		f.rest(r, m)
	}
}

// rest decodes what a draw that was decided does not have.
func (f *fields) rest(r *engine.Result, m uint32) {
	r.Limited, r.Unvalued, r.Pending = m&resultLimited != 0, m&resultUnvalued != 0, m&resultPending != 0
	r.MayReturn, r.AlreadyLive = m&resultMayReturn != 0, m&resultAlreadyLive != 0
	if m&resultCap != 0 {
		r.Cap = f.u8()
	}
	if m&resultUsed != 0 {
		r.Used = f.u32()
	}
	if m&resultLimit != 0 {
		r.Limit = f.u32()
	}
	if m&resultAllowed != 0 {
		r.Allowed = f.u8()
	}
	if m&resultResetsAt != 0 {
		r.ResetsAt = engine.UnixMilli(f.u64())
	}
	if m&resultNow != 0 {
		r.Now = engine.UnixMilli(f.u64())
	}
	if m&resultValue != 0 {
		r.Value = f.u64()
	}
	if m&resultPool != 0 {
		r.Pool = engine.PoolRef(f.u32())
	}
	if m&resultState != 0 {
		r.State = engine.HoldState(f.u8())
	}
}

// appendOutcome encodes what a batch was answered: index, time, length of the records, results, records.
func appendOutcome(dst []byte, b *engine.Batch) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, uint64(b.Index))
	dst = le.AppendUint64(dst, uint64(b.Time))
	dst = le.AppendUint32(dst, uint32(len(b.Records)))
	for i := range b.Results {
		dst = appendResult(dst, &b.Results[i], b.Index)
	}
	return append(dst, b.Records...)
}

// parseOutcome decodes count results and their records into out, whose memory it uses again. Spans lie in the records and
// ascend, as deliver needs them.
func parseOutcome(payload []byte, count int, out *engine.Outcome) error {
	f := fields{b: payload}
	out.Index, out.Time = engine.LogIndex(f.u64()), engine.UnixMilli(f.u64())
	records := f.u32()
	out.Results, out.Records = out.Results[:0], out.Records[:0]
	if f.fail || count < 0 || count > len(f.b)/leastResult {
		return errOutcome
	}
	end := uint64(0)
	for range count {
		var r engine.Result
		f.result(&r, out.Index)
		if r.Length != 0 && !r.Replayed {
			if uint64(r.Offset) < end {
				f.fail = true
			}
			end = uint64(r.Offset) + uint64(r.Length)
		}
		out.Results = append(out.Results, r)
	}
	if f.fail || end > uint64(records) || uint64(records) != uint64(len(f.b)) {
		return errOutcome
	}
	out.Records = append(out.Records, f.b...)
	return nil
}
