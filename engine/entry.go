package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// An entry is a header and commands. All numbers are little-endian.
//
//	0  u8   form, 1
//	1  u8   reserved, 0
//	2  u16  reserved, 0
//	4  u32  number of commands
//	8  i64  stamp, ms
//	16 u64  proposer, random per process
//	24 u64  sequence of that proposer
//	32 …    commands, each: u8 operation, u24 length of the body, body
const (
	entryForm = 1
	// EntryHeaderSize is the size of what AppendEntryHeader appends.
	EntryHeaderSize = 32
	// CommandHeaderSize stands before each command's body.
	CommandHeaderSize = 4
)

// op is an operation. Numbers are in the log: append only.
type op uint8

const (
	opDraw op = 1 + iota
	opTick
	opInit
	opNamespace
	opPublish
	opControl
	opAdjust
	opPolicy
	opDocument
	opAbandon
)

// Operations of chances.
const (
	opGrant  op = 20
	opRevoke op = 21
)

// Operations of what happens at a time.
const (
	opPublishAt op = 30
	opWithdraw  op = 31
)

// Operations of raffles.
const (
	opEntrants op = 35 + iota
	opRaffle
	opRedraw
)

// Operations of features, each in the range of its feature.
const (
	opList op = 40 // lists of users
)

// Operations of what operators do while a campaign runs: 50 to 69.
const (
	opSwitch op = 50 + iota
	opApprove
	opVoid
	opAward
	opImport
)

// More of them: 75 to 79.
const (
	opDefensive op = 75 + iota
	opDefend
	opMoveAward
	opThaw
)

// Operations of pools and holds: 85 to 99.
const (
	opPool op = 85 + iota
	opPoolAdjust
	opTake
	opHold
	opConfirm
	opRelease
	opExtend
	opVoidHold
	opVoidTake
)

// Operations of fatigue: 80 to 84.
const (
	opHit  op = 80
	opHelp op = 81
)

// Operations of persons, and of what was compared with a live version: 72 to 74.
const (
	opKey           op = 72 + iota
	opPublishFrom      // a publish that says with which version it was compared
	opPublishAtFrom    // the same, at a time
)

// Operations of the cluster: 100 to 109.
const (
	opRaise    op = 100 // the feature level
	opRestored op = 103 // a backup was restored
)

// ErrUnknownEntry is in the chain of what Apply returns for an entry that this build cannot read: an unknown form or
// operation. Skipping it would let replicas diverge, so the node stops; a newer drawd can go on from the same data.
var ErrUnknownEntry = errors.New("engine: entry of an unknown form or operation; a newer drawd wrote it")

// ErrDamagedEntry is in the chain of what Apply returns for an entry that cannot have been proposed by any drawd.
var ErrDamagedEntry = errors.New("engine: damaged entry")

// EntryHeader stands before the commands of an entry.
type EntryHeader struct {
	Stamp    UnixMilli // the leader's clock; the engine uses max(stamp, last)
	Count    uint32    // commands that follow
	Proposer uint64    // random per process: lets the proposer know its own entries again
	Sequence uint64    // of the proposer
}

// AppendEntryHeader appends h.
func AppendEntryHeader(dst []byte, h *EntryHeader) []byte {
	dst = append(dst, entryForm, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, h.Count)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.Stamp))
	dst = binary.LittleEndian.AppendUint64(dst, h.Proposer)
	return binary.LittleEndian.AppendUint64(dst, h.Sequence)
}

// ParseEntryHeader takes the header off an entry and returns the commands.
func ParseEntryHeader(entry []byte) (EntryHeader, []byte, error) {
	if len(entry) < EntryHeaderSize {
		return EntryHeader{}, nil, fmt.Errorf("%w: %d bytes", ErrDamagedEntry, len(entry))
	}
	if entry[0] != entryForm || entry[1] != 0 || entry[2] != 0 || entry[3] != 0 {
		return EntryHeader{}, nil, fmt.Errorf("%w: form %d", ErrUnknownEntry, entry[0])
	}
	return EntryHeader{
		Count:    binary.LittleEndian.Uint32(entry[4:]),
		Stamp:    UnixMilli(binary.LittleEndian.Uint64(entry[8:])),
		Proposer: binary.LittleEndian.Uint64(entry[16:]),
		Sequence: binary.LittleEndian.Uint64(entry[24:]),
	}, entry[EntryHeaderSize:], nil
}

// begin opens a command in b; end closes it and fills in its length.
func (b *Batch) begin(o op) (writer, int) {
	start := len(b.commands)
	return writer{append(b.commands, byte(o), 0, 0, 0)}, start
}

func (b *Batch) end(w writer, start int) {
	n := len(w.b) - start - CommandHeaderSize
	if n > MaxCommandBytes {
		panic(fmt.Sprintf("BUG: command of %d bytes; callers bound what they send (MaxCommandBytes)", n))
	}
	w.b[start+1], w.b[start+2], w.b[start+3] = byte(n), byte(n>>8), byte(n>>16)
	b.commands = w.b
	b.count++
}

// nextCommand takes one command off commands.
func nextCommand(commands []byte) (o op, body, rest []byte, err error) {
	if len(commands) < CommandHeaderSize {
		return 0, nil, nil, fmt.Errorf("%w: command header", ErrDamagedEntry)
	}
	head := binary.LittleEndian.Uint32(commands)
	end := CommandHeaderSize + int(head>>8)
	if end > len(commands) || head>>8 > MaxCommandBytes {
		return 0, nil, nil, fmt.Errorf("%w: command of %d bytes", ErrDamagedEntry, head>>8)
	}
	return op(head), commands[CommandHeaderSize:end:end], commands[end:], nil
}

// The body of a draw. The order of the variable part is that of the flags, then channel, then user.
//
//	0  u32  campaign
//	4  u8   times
//	5  u8   flags
//	6  u8   length of the user
//	7  u8   length of the channel
//	8  16 B user key
//	24 16 B digest of the idempotency key
//	40 u32  expected version, 0 for any
//	44 u32  highest price, 0 for any
//	48 …    [device key 16 B] [ip key 16 B] [key stamp 12 B] channel, user [sections up to the end: section.go]
const (
	drawFixed = 48

	drawListed   = 1 << 0
	drawDevice   = 1 << 1
	drawIP       = 1 << 2
	drawKeyStamp = 1 << 3 // reserved: seen(index, offset) or absent_through(index) of keys that left memory
	drawMore     = 1 << 4 // sections follow
	drawFlags    = drawListed | drawDevice | drawIP | drawMore
)

// AddDraw appends a draw.
func (b *Batch) AddDraw(d *Draw) {
	w, start := b.begin(opDraw)
	var fixed [drawFixed]byte
	binary.LittleEndian.PutUint32(fixed[0:], uint32(d.Campaign))
	fixed[4] = d.Times
	fixed[5] = d.flags()
	fixed[6] = byte(len(d.UserID))
	fixed[7] = byte(len(d.Channel))
	copy(fixed[8:], d.User[:])
	copy(fixed[24:], d.Digest[:])
	binary.LittleEndian.PutUint32(fixed[40:], d.ExpectVersion)
	binary.LittleEndian.PutUint32(fixed[44:], d.MaxPrice)
	w.raw(fixed[:])
	if d.HasDevice {
		w.raw(d.Device[:])
	}
	if d.HasIP {
		w.raw(d.IP[:])
	}
	w.raw(d.Channel)
	w.raw(d.UserID)
	w.eligibility(&d.Eligibility)
	b.end(w, start)
}

func (d *Draw) flags() (f byte) {
	if d.Listed {
		f |= drawListed
	}
	if d.HasDevice {
		f |= drawDevice
	}
	if d.HasIP {
		f |= drawIP
	}
	if d.more() {
		f |= drawMore
	}
	return f
}

// parseDraw decodes the body of a draw into d, which then aliases body.
func parseDraw(body []byte, d *Draw) error {
	if len(body) < drawFixed {
		return fmt.Errorf("%w: draw of %d bytes", ErrDamagedEntry, len(body))
	}
	flags := body[5]
	if flags&^drawFlags != 0 {
		return fmt.Errorf("%w: draw flags %#x", ErrUnknownEntry, flags)
	}
	d.Campaign = CampaignRef(binary.LittleEndian.Uint32(body))
	d.Times = body[4]
	d.Listed, d.HasDevice, d.HasIP = flags&drawListed != 0, flags&drawDevice != 0, flags&drawIP != 0
	d.User, d.Digest = Key(body[8:24]), Key(body[24:40])
	d.ExpectVersion = binary.LittleEndian.Uint32(body[40:])
	d.MaxPrice = binary.LittleEndian.Uint32(body[44:])
	users, channel := int(body[6]), int(body[7])
	r := reader{b: body[drawFixed:]}
	if d.HasDevice {
		d.Device = r.key()
	}
	if d.HasIP {
		d.IP = r.key()
	}
	d.Channel, d.UserID = r.take(channel), r.take(users)
	if r.fail || (len(r.b) > 0) != (flags&drawMore != 0) || !sectionsOrdered(r.b) || !d.valid() {
		return fmt.Errorf("%w: draw", ErrDamagedEntry)
	}
	return d.parse(r.b)
}

// valid reports whether d is within the bounds that the edge promises.
func (d *Draw) valid() bool {
	return d.Times >= 1 && d.Times <= MaxTimes && (d.Listed || d.Times == 1) && len(d.UserID) >= 1 &&
		len(d.UserID) <= MaxUserBytes && len(d.Channel) <= MaxChannelBytes &&
		d.Digest[0] == d.User[0] && (d.Digest[1]^d.User[1])&0xC0 == 0
}
