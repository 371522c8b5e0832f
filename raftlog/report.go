package raftlog

import (
	"encoding/binary"
)

// report is what a node tells the others about itself in every ping, and in the answer to one.
type report struct {
	id, api, build string
	term           uint64
	applied        uint64 // the engine's: the last entry that decided something
	members        uint64 // index of the configuration it knows
	leads          bool
	ready          bool
	complete       bool // its record blobs are complete
	youAreMember   bool // the other side is in its configuration
	novice         bool // it gives no vote: its log does not tell yet that it was added
	level          uint32
	supports       uint32 // the newest feature level it knows
	wallUS         int64  // its clock when it wrote this, in microseconds
	samples        []sample
	rolledBack     bool // its disk is not what it was: it gives no vote

	own   seen   // what it has itself: without committed
	about string // of whom known is: the other side; empty from a version that does not tell
	known seen

	cluster [16]byte // of a leader that has taken over, and of whoever was told; zero else
	voters  uint8    // how many vote in the configuration it knows, itself among them; 0 when it gives no vote, or does not tell
}

// sample is the running hash after one entry.
type sample struct {
	index uint64
	hash  [16]byte
}

const reportVersion = 1

// Bits of a report's flags. Append only.
const (
	flagLeads    = 1
	flagReady    = 2
	flagComplete = 4
	flagMember   = 8
	flagNovice   = 16
	flagRolled   = 32
)

// appendReport encodes r.
func appendReport(dst []byte, r *report) []byte {
	dst = append(dst, reportVersion)
	dst = appendStr(appendStr(appendStr(dst, r.id), r.api), r.build)
	for _, v := range []uint64{r.term, r.applied, r.members} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	flags := byte(0)
	for bit, on := range map[byte]bool{flagLeads: r.leads, flagReady: r.ready, flagComplete: r.complete, flagMember: r.youAreMember, flagNovice: r.novice, flagRolled: r.rolledBack} {
		if on { // order: bits commute
			flags |= bit
		}
	}
	dst = append(dst, flags)
	dst = binary.LittleEndian.AppendUint32(dst, r.level)
	dst = binary.LittleEndian.AppendUint32(dst, r.supports)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.wallUS))
	dst = append(dst, byte(len(r.samples)))
	for _, s := range r.samples {
		dst = append(binary.LittleEndian.AppendUint64(dst, s.index), s.hash[:]...)
	}
	dst = appendStr(appendSeen(dst, &r.own), r.about)
	dst = appendSeen(dst, &r.known)
	dst = append(dst, r.known.chain[:]...)
	return append(append(dst, r.cluster[:]...), r.voters)
}

// parseReport decodes a report. What a later version appended is left.
func parseReport(b []byte) (*report, error) {
	w := words{b: b}
	if w.u8() < reportVersion {
		return nil, errWords
	}
	r := &report{id: w.str(), api: w.str(), build: w.str(), term: w.u64(), applied: w.u64(), members: w.u64()}
	flags := w.u8()
	r.leads, r.ready = flags&flagLeads != 0, flags&flagReady != 0
	r.complete, r.youAreMember, r.novice = flags&flagComplete != 0, flags&flagMember != 0, flags&flagNovice != 0
	r.rolledBack = flags&flagRolled != 0
	r.level, r.supports, r.wallUS = w.u32(), w.u32(), int64(w.u64())
	for range w.u8() {
		r.samples = append(r.samples, sample{w.u64(), w.hash()})
		if w.bad || len(r.samples) > maxSamples {
			return nil, errWords
		}
	}
	if len(w.b) > 0 { // else of a version before it
		r.own, r.about, r.known = w.seen(), w.str(), w.seen()
		r.known.chain = w.hash()
	}
	if len(w.b) > 0 {
		r.cluster = w.hash()
	}
	if len(w.b) > 0 {
		r.voters = w.u8()
	}
	return r, w.err()
}
