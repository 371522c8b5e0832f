package engine

import "encoding/binary"

// HelpNote is what the record of a help tells besides Name (the owner) and Actor (the helper).
type HelpNote struct {
	OwnerLast, HelperLast       Location // the last help of each before this one, in the same role
	OwnerGranted, HelperGranted uint32   // chances
	Event                       []byte   // empty for none
	used                        []byte
}

// Used returns what a cap of the version counts after the help: of one that counts invites the owner's, of one that counts
// assists of users the helper's. ok is false for any other.
func (n *HelpNote) Used(cap int) (used uint32, ok bool) {
	for b := n.used; len(b) > 0; b = b[usedBytes:] {
		if int(b[0]) == cap {
			return binary.LittleEndian.Uint32(b[1:]), true
		}
	}
	return 0, false
}

// helpNote is a HelpNote that is made.
type helpNote struct {
	last    [2]Location
	granted [2]uint32
	caps    int
	used    [MaxCaps]struct {
		cap  uint8
		used uint32
	}
	event []byte
}

func (n *helpNote) add(cap uint8, used uint32) {
	n.used[n.caps].cap, n.used[n.caps].used = cap, used
	n.caps++
}

// append appends the section of a help's record:
//
//	0 7 B owner's last help     14 u32 chances of the owner     22 u8 number of caps: each u8 index in the version, u32 used
//	7 7 B helper's last help    18 u32 chances of the helper     … the event
func (n *helpNote) append(b []byte) []byte {
	start := len(b)
	b = append(b, recordHelp, 0)
	for _, l := range n.last {
		b = append(b, make([]byte, locationBytes)...)
		putLocation(b[len(b)-locationBytes:], l)
	}
	b = binary.LittleEndian.AppendUint32(b, n.granted[0])
	b = binary.LittleEndian.AppendUint32(b, n.granted[1])
	b = append(b, byte(n.caps))
	for _, u := range n.used[:n.caps] {
		b = binary.LittleEndian.AppendUint32(append(b, u.cap), u.used)
	}
	b = append(b, n.event...)
	b[start+1] = byte(len(b) - start - 2)
	return b
}

const (
	helpNoteFixed = 2*locationBytes + 8 + 1
	usedBytes     = 1 + 4
)

// A section's length is one byte.
const _ = uint(255 - helpNoteFixed - MaxCaps*usedBytes - MaxEventBytes)

func (n *HelpNote) decode(b []byte) bool {
	if len(b) < helpNoteFixed || b[helpNoteFixed-1] > MaxCaps {
		return false
	}
	end := helpNoteFixed + int(b[helpNoteFixed-1])*usedBytes
	if len(b) < end || len(b) > end+MaxEventBytes {
		return false
	}
	n.OwnerLast, n.HelperLast = getLocation(b), getLocation(b[locationBytes:])
	n.OwnerGranted, n.HelperGranted = binary.LittleEndian.Uint32(b[14:]), binary.LittleEndian.Uint32(b[18:])
	n.used, n.Event = b[helpNoteFixed:end], b[end:]
	return true
}

// Help returns what the record of a help tells besides.
func (r *Record) Help() (n HelpNote, ok bool) {
	body, ok := r.section(recordHelp)
	return n, ok && r.Kind == RecordHelp && n.decode(body)
}
