package engine

// LogIndex is a position in the replicated log. The first entry has index 1.
type LogIndex uint64

// UnixMilli is a time in milliseconds since 1970-01-01T00:00:00Z: the only unit of time in the engine.
type UnixMilli int64

// Quantity counts units of stock.
type Quantity int64

// Key is a 128-bit keyed hash: of a subject (user, device, ip), or of an idempotency key in its scope.
type Key [16]byte

// CampaignRef is the number of a campaign in this cluster, given at its first publish, from 1. Zero means none.
type CampaignRef uint32

// NamespaceRef is the number of a namespace in this cluster, from 1. Zero means none.
type NamespaceRef uint32

// Location is where a record stands: the entry's index and the record's ordinal in that entry. Ids are made from it.
// The zero Location means none.
type Location struct {
	Index   LogIndex
	Ordinal uint16
}

// IsZero reports whether l names no record.
func (l Location) IsZero() bool { return l.Index == 0 }

// Less orders locations as the log does.
func (l Location) Less(m Location) bool {
	return l.Index < m.Index || l.Index == m.Index && l.Ordinal < m.Ordinal
}
