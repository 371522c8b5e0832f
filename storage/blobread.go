package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"
)

// blobDamage makes the error of a chunk that is not what was written.
func blobDamage(index uint64, fault string) error {
	return &DamagedError{What: fault, Index: index, Remedy: remedyReplace}
}

// Head returns a copy of the blob head of an entry; false when there is no blob. Like every read of records, it gives a
// *MissingError for those that this node has not been given yet.
func (s *State) Head(index uint64) ([]byte, bool, error) {
	k := blobKey(index, 0)
	v, closer, err := s.db.Get(k[:])
	if errors.Is(err, pebble.ErrNotFound) {
		if err := s.notFound(index); !errors.Is(err, ErrNotFound) {
			return nil, false, err
		}
		return nil, false, nil
	}
	if err != nil {
		return nil, false, damagedRead("a record blob", index, err)
	}
	defer closer.Close()
	c, fault := parseChunk(index, 0, v)
	if fault != "" {
		return nil, false, blobDamage(index, fault)
	}
	return append([]byte(nil), c.head...), true, nil
}

// Records appends n consecutive encoded records to dst, from one record of an entry on. ErrNotFound when they are not all there;
// dst is then as it was.
//
// It goes from chunk to chunk by lookups rather than by an iterator: most blobs are one chunk, the others few, each chunk tells the
// key of the next one, and a lookup costs a small part of what an iterator does.
func (s *State) Records(dst []byte, index uint64, ordinal uint16, n int) ([]byte, error) {
	if n <= 0 {
		return dst, nil
	}
	out := dst
	for from, to, at := int(ordinal), int(ordinal)+n, 0; from < to; {
		next, got, err := s.recordsOf(out, index, at, from, to)
		if err != nil {
			return dst, err
		}
		out, at, from = got, next, max(from, min(next, to))
	}
	return out, nil
}

// recordsOf appends those of the records [from, to) that stand in the chunk that begins with record at. It returns the record that
// the next chunk begins with.
func (s *State) recordsOf(dst []byte, index uint64, at, from, to int) (next int, out []byte, err error) {
	k := blobKey(index, uint16(at))
	v, closer, err := s.db.Get(k[:])
	switch {
	case errors.Is(err, pebble.ErrNotFound) && at == 0:
		return 0, nil, s.notFound(index)
	case errors.Is(err, pebble.ErrNotFound):
		return 0, nil, blobDamage(index, "a record blob lacks a chunk")
	case err != nil:
		return 0, nil, damagedRead("a record blob", index, err)
	}
	c, fault := parseChunk(index, uint16(at), v)
	next = at + c.count
	switch {
	case fault != "":
		err = blobDamage(index, fault)
	case to > c.total:
		err = ErrNotFound
	case from < next:
		dst = append(dst, c.span(from-at, min(to, next)-at)...)
	}
	if e := closer.Close(); e != nil && err == nil {
		err = damagedRead("a record blob", index, e)
	}
	return next, dst, err
}

// chunks calls fn for each chunk from the one that holds a record on, until fn returns false, or the records of an entry are
// missing.
func (s *State) chunks(index uint64, ordinal uint16, fn func(c *chunk) (more bool)) error {
	lower, upper := blobKey(index, 0), []byte{keyBlob + 1}
	gap, missing := s.missingFrom(index)
	if missing {
		k := blobKey(max(index, gap.From), 0)
		upper = k[:]
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower[:], UpperBound: upper})
	if err != nil {
		return fmt.Errorf("storage: read the blobs: %w", err)
	}
	ok := it.First()
	if ordinal > 0 {
		seek := blobKey(index, ordinal)
		if ok = it.SeekLT(append(seek[:], 0)); !ok {
			ok = it.First() // no blob has this index
		}
	}
	var c chunk // one for all: fn is given its address
	more := true
	for ; ok && more; ok = more && it.Next() {
		at, first, valid := parseBlobKey(it.Key())
		v, err := it.ValueAndErr()
		if err != nil || !valid {
			return errors.Join(damagedRead("a record blob", at, err), it.Close())
		}
		var fault string
		if c, fault = parseChunk(at, first, v); fault != "" {
			return errors.Join(blobDamage(at, fault), it.Close())
		}
		more = fn(&c)
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return damagedRead("a record blob", index, err)
	}
	if more && missing {
		return &MissingError{gap}
	}
	return nil
}

// Scan calls fn for each record from a location on, in log order and across entries, until fn returns false. Entries that have
// no records are passed over. The slices are valid during the call. It reads one consistent cut, which holds back compactions
// while it lasts: page through long ranges.
func (s *State) Scan(index uint64, ordinal uint16, fn func(index uint64, head []byte, ordinal uint16, record []byte) (more bool)) error {
	var (
		head   [HeadSize]byte
		headOf uint64
		fault  error
	)
	err := s.chunks(index, ordinal, func(c *chunk) bool {
		if len(c.head) == HeadSize {
			copy(head[:], c.head)
			headOf = c.index
		} else if headOf != c.index {
			// The scan begins within a blob of several chunks: its head stands in the first one.
			h, ok, err := s.Head(c.index)
			if err != nil || !ok {
				fault = errors.Join(err, blobDamage(c.index, "a record blob lacks its first chunk"))
				return false
			}
			copy(head[:], h)
			headOf = c.index
		}
		i := 0
		if c.index == index {
			i = max(0, int(ordinal)-c.first)
		}
		for ; i < c.count; i++ {
			if !fn(c.index, head[:], uint16(c.first+i), c.span(i, i+1)) {
				return false
			}
		}
		return true
	})
	return errors.Join(fault, err)
}

// Wins calls fn for each win of a prize after a location, in log order, until fn returns false. Location (0, 0) is before all.
func (s *State) Wins(campaign uint32, prize uint16, afterIndex uint64, afterOrdinal uint16, fn func(index uint64, ordinal uint16) (more bool)) error {
	var lower, upper [winKeySize]byte
	putWinKey(lower[:], campaign, prize, afterIndex)
	putWinKey(upper[:], campaign, prize, math.MaxUint64)
	gap, missing := s.missingFrom(afterIndex)
	if missing {
		putWinKey(upper[:], campaign, prize, max(afterIndex, gap.From-1))
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower[:], UpperBound: append(upper[:], 0)})
	if err != nil {
		return fmt.Errorf("storage: read the wins: %w", err)
	}
	more := true
	for ok := it.First(); ok && more; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return errors.Join(damagedRead("a win row", 0, err), it.Close())
		}
		index := binary.BigEndian.Uint64(it.Key()[7:])
		for ; len(v) >= 2 && more; v = v[2:] {
			ordinal := binary.BigEndian.Uint16(v)
			if index > afterIndex || ordinal > afterOrdinal {
				more = fn(index, ordinal)
			}
		}
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return damagedRead("a win row", 0, err)
	}
	if more && missing {
		return &MissingError{gap}
	}
	return nil
}
