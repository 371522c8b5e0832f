package engine

import (
	"encoding/binary"

	"github.com/drawd/drawd/engine/internal/pages"
)

// rowTable is one kind of row of one owner, by shard. The lock of a shard covers its part.
type rowTable struct {
	id    uint32 // in each shard's arena, and in checkpoints
	parts []*pages.Table
	block []pages.Table // what parts point to
	// located are offsets of positions in the log that rows hold besides those of draws; 0 for none. No hash covers those.
	located [2]int
}

// Table ids: owner<<3 | kind, with the top bit for a namespace. Numbers are on disk.
const (
	tableUser       = uint32(ScopeUser)
	tableDevice     = uint32(ScopeDevice)
	tableIP         = uint32(ScopeIP)
	tableKeys       = 3
	tableAttributes = 4 // values of attributes
	tableLists      = 5 // users on lists
	tableAwards     = 6 // awards that were moved
	ofNamespace     = 1 << 31
)

// Sizes of rows. A subject's key keeps 12 of its 16 bytes, an idempotency key's digest 10: a false match is then less
// likely than one in 10^15 for 10 million users, and than one in 10^7 for 200 million keys of one campaign.
const (
	subjectKeyBytes = 12
	digestKeyBytes  = 10
	keyRowBytes     = locationBytes + 4 // place of the first answer, fingerprint of the request
)

func (w *world) newRowTable(id uint32, keyBytes, width int) *rowTable {
	t := &rowTable{id: id, parts: make([]*pages.Table, len(w.shards)), block: make([]pages.Table, len(w.shards))}
	for i := range t.parts {
		t.parts[i] = &t.block[i]
		w.shards[i].mu.arena.PutTable(t.parts[i], id, keyBytes, width)
	}
	return t
}

// widen makes room for more counters at the end of every row. Every shard is locked. Pages follow when they are next
// looked at, by whoever looks: from then on readers, too, move rows, under their shard's lock.
func (w *world) widen(t *rowTable, width int) {
	for _, part := range t.parts {
		if part.Width() < width {
			part.Widen(width)
			w.widened = true
		}
	}
}

func (w *world) dropRowTable(t *rowTable) {
	for i := range t.parts {
		w.shards[i].mu.arena.Drop(t.id)
	}
}

// rows returns the number of rows. Every shard is locked, or nobody writes.
func (t *rowTable) rows() (n uint64) {
	for _, part := range t.parts {
		n += uint64(part.Len())
	}
	return n
}

// A user's row in a campaign begins with these; counters follow. Rows of devices, of ips and of namespaces hold counters
// only.
const (
	rowDraws    = 0 // u32, draws of this user in this campaign
	rowLast     = 4 // location of the last draw
	rowLastWin  = rowLast + locationBytes
	rowCounters = rowLastWin + locationBytes
)

// keyRow is a remembered idempotency key. A zero place means that the key was abandoned before anything was decided.
type keyRow struct {
	at          Location
	fingerprint uint32
}

func getKeyRow(b []byte) keyRow {
	return keyRow{getLocation(b), binary.LittleEndian.Uint32(b[locationBytes:])}
}

func (k keyRow) put(b []byte) {
	putLocation(b, k.at)
	binary.LittleEndian.PutUint32(b[locationBytes:], k.fingerprint)
}
