package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/zeebo/xxh3"
)

// Range is a run of log entries, both ends included, whose records are not on this node: their effect came with another
// node's checkpoint.
type Range struct {
	From, To uint64
	Running  [16]byte // the engine's running hash after To: what the newest blob at or before To must have in its head
}

// maxRanges bounds the ranges that are kept. Beyond it the newest two become one: what lies between is fetched again and
// compared.
const maxRanges = 1024

// MissingError says that the records of an entry exist, but not on this node yet.
type MissingError struct{ Range }

func (e *MissingError) Error() string {
	return fmt.Sprintf("storage: the records of log entries %d to %d are not on this node yet: they are being fetched from other nodes; ask again, or ask another node", e.From, e.To)
}

// The value of the row of missing ranges, little endian: 0 xxh3-64 of everything from byte 8 on · 8 form u32 = 1 ·
// 12 number u32 · 16 for each, ascending and apart: from u64, to u64, running 16 B.
const (
	missingHeader = 16
	missingForm   = 1
	rangeBytes    = 32
)

func missingKey() []byte { return []byte{keyMissing} }

func encodeMissing(all []Range) []byte {
	le := binary.LittleEndian
	b := make([]byte, missingHeader, missingHeader+rangeBytes*len(all))
	le.PutUint32(b[8:], missingForm)
	le.PutUint32(b[12:], uint32(len(all)))
	for _, r := range all {
		b = le.AppendUint64(b, r.From)
		b = le.AppendUint64(b, r.To)
		b = append(b, r.Running[:]...)
	}
	le.PutUint64(b, xxh3.Hash(b[8:]))
	return b
}

// decodeMissing parses the row.
func decodeMissing(b []byte) (all []Range, ok bool) {
	le := binary.LittleEndian
	if len(b) < missingHeader || le.Uint64(b) != xxh3.Hash(b[8:]) || le.Uint32(b[8:]) != missingForm || len(b) != missingHeader+rangeBytes*int(le.Uint32(b[12:])) {
		return nil, false
	}
	last := uint64(0)
	for b = b[missingHeader:]; len(b) > 0; b = b[rangeBytes:] {
		r := Range{From: le.Uint64(b), To: le.Uint64(b[8:]), Running: [16]byte(b[16:])}
		if r.From <= last || r.To < r.From {
			return nil, false
		}
		last = r.To
		all = append(all, r)
	}
	return all, true
}

// loadMissing reads the row of missing ranges.
func (s *State) loadMissing() error {
	v, closer, err := s.db.Get(missingKey())
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return damagedRead("the list of missing records", 0, err)
	}
	defer closer.Close()
	all, ok := decodeMissing(v)
	if !ok {
		return &DamagedError{What: "the list of missing records is not what was written", Remedy: remedyReplace}
	}
	s.missing.ranges.Store(&all)
	return nil
}

// Missing returns the ranges of entries whose records are not here, ascending. The result is shared: do not change it.
func (s *State) Missing() []Range {
	if all := s.missing.ranges.Load(); all != nil {
		return *all
	}
	return nil
}

// missingFrom returns the first missing range that reaches up to an index.
func (s *State) missingFrom(index uint64) (Range, bool) {
	for _, r := range s.Missing() {
		if r.To >= index {
			return r, true
		}
	}
	return Range{}, false
}

// notFound is what a read says that found no records at an index.
func (s *State) notFound(index uint64) error {
	if r, some := s.missingFrom(index); some && r.From <= index {
		return &MissingError{r}
	}
	return ErrNotFound
}

// withRange returns all with r added at its end, without changing it. Ranges that touch or overlap become one.
func withRange(all []Range, r Range) []Range {
	if r.From == 0 || r.To < r.From {
		return all
	}
	sum := append([]Range(nil), all...)
	for n := len(sum); n > 0 && (sum[n-1].To+1 >= r.From || n >= maxRanges); n = len(sum) {
		r.From = min(r.From, sum[n-1].From)
		if sum[n-1].To > r.To {
			r.To, r.Running = sum[n-1].To, sum[n-1].Running
		}
		sum = sum[:n-1]
	}
	return append(sum, r)
}

// without returns all without the entries [from, through], which begin a range.
func without(all []Range, from, through uint64) []Range {
	rest := make([]Range, 0, len(all))
	for _, r := range all {
		if r.From >= from && r.From <= through {
			r.From = through + 1
		}
		if r.From <= r.To {
			rest = append(rest, r)
		}
	}
	return rest
}
