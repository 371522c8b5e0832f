package dataplane

import (
	"encoding/binary"
	"net/netip"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/names"
	"github.com/drawd/drawd/server/render"
)

// The binary form of a batch: docs/wire.md. Numbers are on the wire: append only.
const (
	binaryMagic   = "drwb"
	binaryVersion = 1
	binaryRequest = 1
	binaryAnswer  = 2
	binaryHeader  = 16

	hasTimes   = 1 << 0
	hasChannel = 1 << 1
	hasDevice  = 1 << 2
	hasIP      = 1 << 3
	hasVersion = 1 << 4
	hasPrice   = 1 << 5
	hasAll     = hasTimes | hasChannel | hasDevice | hasIP | hasVersion | hasPrice

	isReplayed = 1 << 0
	isListed   = 1 << 1
)

// fields reads the parts of a message. After the first read beyond its end bad is true and everything is zero.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) take(n int) []byte {
	if n > len(f.b) {
		f.b, f.bad = nil, true
		return nil
	}
	part := f.b[:n:n]
	f.b = f.b[n:]
	return part
}

func (f *fields) u8() uint8 {
	if b := f.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) u16() uint16 {
	if b := f.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (f *fields) u32() uint32 {
	if b := f.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// short reads a length in one byte and as many bytes.
func (f *fields) short() []byte { return f.take(int(f.u8())) }

// binaryCampaigns is how many campaigns one batch can name.
const binaryCampaigns = 255

// takeBinary reads a batch in the binary form; false when it refused. Damage to the form refuses the whole batch, and a
// bad value its item, as in JSON.
func (w *worker) takeBinary(b *batchWork, body []byte) bool {
	f := fields{b: body}
	header := f.take(binaryHeader)
	if f.bad || string(header[:4]) != binaryMagic || header[4] != binaryVersion || header[5] != binaryRequest ||
		binary.LittleEndian.Uint32(header[12:]) != 0 || int64(binary.LittleEndian.Uint32(header[8:])) != int64(len(f.b)) {
		w.damaged("")
		return false
	}
	count := int(binary.LittleEndian.Uint16(header[6:]))
	var campaigns [binaryCampaigns][]byte
	n := int(f.u8())
	for i := range n {
		campaigns[i] = f.short()
	}
	if f.bad || n == 0 {
		w.damaged("/campaigns")
		return false
	}
	keyer := w.grant.Namespace.Keyer()
	for range count {
		item := fields{b: f.take(int(f.u16()))}
		if f.bad || !w.takeBinaryItem(b, &item, campaigns[:n], &keyer) {
			w.damaged("/draws")
			return false
		}
	}
	if len(f.b) > 0 {
		w.damaged("")
		return false
	}
	return true
}

func (w *worker) damaged(pointer string) {
	w.invalid(pointer, whats[isDamaged].code, whats[isDamaged].message)
}

// takeBinaryItem reads one draw; false when its form is damaged.
func (w *worker) takeBinaryItem(b *batchWork, f *fields, campaigns [][]byte, keyer *engine.Keyer) bool {
	d := &w.body
	d.begin()
	campaign, flags := int(f.u8()), f.u8()
	d.user, d.key = f.short(), f.short()
	if flags&^hasAll != 0 || campaign >= len(campaigns) {
		return false
	}
	d.campaign = campaigns[campaign]
	if flags&hasTimes != 0 {
		d.times, d.listed = f.u8(), true
	}
	if flags&hasChannel != 0 {
		d.channel = f.short()
	}
	if flags&hasDevice != 0 {
		d.device = f.short()
	}
	if flags&hasIP != 0 {
		if ip := f.take(16); ip != nil {
			d.ip = netip.AddrFrom16([16]byte(ip)).Unmap()
		}
	}
	if flags&hasVersion != 0 {
		d.expectVersion = f.u32()
	}
	if flags&hasPrice != 0 {
		d.maxPrice = f.u32()
	}
	if f.bad || len(f.b) > 0 {
		return false
	}
	d.checkBinary(flags)
	w.takeItem(b, keyer)
	return true
}

// checkBinary notes what is wrong with the values, in the order of the fields.
func (d *drawBody) checkBinary(flags uint8) {
	if !names.ID(d.campaign) {
		d.wrong(fieldCampaign, isCampaign)
	}
	if !names.Subject(d.user) {
		d.wrong(fieldUser, isUser)
	}
	if !names.Key(d.key) {
		d.wrong(fieldKey, isKey)
	}
	if d.times < 1 || d.times > engine.MaxTimes {
		d.wrong(fieldTimes, isTimes)
		d.times = 1
	}
	if flags&hasChannel != 0 && !names.Channel(d.channel) {
		d.wrong(fieldChannel, isChannel)
	}
	if flags&hasDevice != 0 && !names.Subject(d.device) {
		d.wrong(fieldDevice, isUser)
	}
	if flags&hasVersion != 0 && d.expectVersion == 0 {
		d.wrong(fieldExpectVersion, isVersion)
	}
	if flags&hasPrice != 0 && d.maxPrice == 0 {
		d.wrong(fieldMaxPrice, isPrice)
	}
}

// sendBinary answers in the binary form.
func (w *worker) sendBinary(b *batchWork) {
	buf := append(w.buf[:0], binaryMagic...)
	buf = append(buf, binaryVersion, binaryAnswer)
	buf = binary.LittleEndian.AppendUint16(buf, uint16(len(b.items)))
	buf = binary.LittleEndian.AppendUint64(buf, 0) // length, filled in below, and reserved
	for i := range b.items {
		start := len(buf)
		buf = w.appendBinaryItem(append(buf, 0, 0), b, i)
		binary.LittleEndian.PutUint16(buf[start:], uint16(len(buf)-start-2))
	}
	binary.LittleEndian.PutUint32(buf[8:], uint32(len(buf)-binaryHeader))
	w.buf = buf
	w.send(200, typeBatch)
}

// appendBinaryItem appends the result of one item: status, flags, number of sub-draws, and these or a problem.
func (w *worker) appendBinaryItem(buf []byte, b *batchWork, index int) []byte {
	start := len(buf)
	replayed, ok := w.open(b, index)
	if ok {
		buf = binary.LittleEndian.AppendUint16(buf, 200)
		buf = append(buf, 0, byte(w.answer.Count))
		out, listed, err := w.answer.AppendBinary(buf)
		if err == nil {
			if replayed {
				out[start+2] |= isReplayed
			} else {
				w.server.figures.drawn(&w.answer)
			}
			if listed {
				out[start+2] |= isListed
			}
			return out
		}
		w.lost(err)
		buf = buf[:start]
	}
	w.server.figures.problems[w.problem.Code].Inc()
	buf = binary.LittleEndian.AppendUint16(buf, uint16(w.problem.Code.Info().Status))
	return render.AppendProblemBinary(append(buf, 0, 0), &w.problem)
}
