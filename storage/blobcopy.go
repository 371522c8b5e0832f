package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"
)

// Record blobs on their way between nodes, or into a backup, are rows as they are stored, those of the blobs before those of the
// win index, each group in key order:
//
//	key (11 bytes of a chunk, 15 of a win row; the first byte tells) · length of the value u32 · value
const (
	runningInHead = 24 // where the engine's running hash stands in a blob head
	maxRowValue   = 64 << 20
)

// AppendBlobs appends to dst the rows of the entries from an index on: of at least one entry, of as many as keep them at about the
// given bytes, up to and including to. It returns through, the last entry that they cover; entries between that have no
// records have no rows. A *MissingError when the records of the first entry are not here.
func (s *State) AppendBlobs(dst []byte, from, to uint64, size int) (rows []byte, through uint64, err error) {
	gap, missing := s.missingFrom(from)
	switch {
	case from == 0 || to < from:
		return dst, 0, fmt.Errorf("storage: BUG: the blobs from %d to %d are asked for", from, to)
	case missing && gap.From <= from:
		return dst, 0, &MissingError{gap}
	case missing:
		to = min(to, gap.From-1)
	}
	rows, through, err = s.appendChunks(dst, from, to, size)
	if err == nil {
		rows, err = s.appendWins(rows, from, through)
	}
	if err != nil {
		return dst, 0, err
	}
	return rows, through, nil
}

func appendRow(dst, key, value []byte) []byte {
	dst = append(dst, key...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}

// appendChunks appends whole blobs.
func (s *State) appendChunks(dst []byte, from, to uint64, size int) (rows []byte, through uint64, err error) {
	lower, upper := blobKey(from, 0), blobKey(to, math.MaxUint16)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower[:], UpperBound: append(upper[:], 0)})
	if err != nil {
		return nil, 0, fmt.Errorf("storage: read the blobs: %w", err)
	}
	rows, through = dst, to
	var last uint64
	for ok := it.First(); ok; ok = it.Next() {
		index, ordinal, valid := parseBlobKey(it.Key())
		v, err := it.ValueAndErr()
		if err != nil || !valid {
			return nil, 0, errors.Join(damagedRead("a record blob", index, err), it.Close())
		}
		if index != last && len(rows)-len(dst) >= size {
			through = index - 1
			break
		}
		last = index
		if _, fault := parseChunk(index, ordinal, v); fault != "" {
			return nil, 0, errors.Join(blobDamage(index, fault), it.Close())
		}
		rows = appendRow(rows, it.Key(), v)
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return nil, 0, damagedRead("a record blob", from, err)
	}
	return rows, through, nil
}

// appendWins appends the win rows of the entries [from, through]. Their keys begin with campaign and prize, so it goes from prize
// to prize: two lookups for each that ever was won.
func (s *State) appendWins(dst []byte, from, through uint64) ([]byte, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyWin}, UpperBound: []byte{keyWin + 1}})
	if err != nil {
		return nil, fmt.Errorf("storage: read the wins: %w", err)
	}
	var next [winKeySize]byte
	for ok := it.First(); ok; {
		k := it.Key()
		if len(k) != winKeySize {
			return nil, errors.Join(damagedRead("a win row", 0, nil), it.Close())
		}
		campaign, prize, index := binary.BigEndian.Uint32(k[1:]), binary.BigEndian.Uint16(k[5:]), binary.BigEndian.Uint64(k[7:])
		switch {
		case index < from:
			putWinKey(next[:], campaign, prize, from)
			ok = it.SeekGE(next[:])
		case index > through:
			putWinKey(next[:], campaign, prize, math.MaxUint64)
			ok = it.SeekGE(append(next[:], 0))
		default:
			v, err := it.ValueAndErr()
			if err != nil {
				return nil, errors.Join(damagedRead("a win row", index, err), it.Close())
			}
			dst = appendRow(dst, k, v)
			ok = it.Next()
		}
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return nil, damagedRead("a win row", 0, err)
	}
	return dst, nil
}

// BlobsError says that rows from elsewhere are not the records that they should be. Nothing of them was written.
type BlobsError struct {
	From, Through uint64
	What          string
}

func (e *BlobsError) Error() string {
	return fmt.Sprintf("storage: the records of log entries %d to %d, as they came, are wrong: %s", e.From, e.Through, e.What)
}

// PutBlobs stores the rows of the entries [from, through], with which a missing range begins, as AppendBlobs of another node gave
// them, and notes them as here: both at once, not synced. It proves them first: every chunk, that no chunk of a blob is
// missing, that wins are of records that are there, and at the end of a range that its newest blob has the running hash that
// the checkpoint gave. One goroutine at a time.
func (s *State) PutBlobs(from, through uint64, rows []byte) error {
	c := copied{state: s, from: from, through: through, totals: map[uint64]int{}, batch: s.db.NewBatchWithSize(len(rows) + 1024)}
	defer c.batch.Close()
	for len(rows) > 0 {
		var err error
		if rows, err = c.row(rows); err != nil {
			return err
		}
	}
	if c.open {
		return c.wrong("a blob lacks its last chunk")
	}
	s.missing.turn.Lock()
	defer s.missing.turn.Unlock()
	missing := s.Missing()
	gap, some := s.missingFrom(from)
	if !some || gap.From != from || through < from || through > gap.To {
		return c.wrong("they do not begin a range of missing ones")
	}
	if through == gap.To {
		if err := c.ends(gap); err != nil {
			return err
		}
	}
	rest := without(missing, from, through)
	if err := c.batch.Set(missingKey(), encodeMissing(rest), nil); err != nil {
		return fmt.Errorf("storage: write blobs: %w", err)
	}
	if err := c.batch.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("storage: write blobs: %w", err)
	}
	if c.last != 0 {
		s.reached(c.last)
	}
	s.missing.ranges.Store(&rest)
	return nil
}

// CheckBlobs proves rows of the entries [from, through], as PutBlobs does, and stores nothing. It returns the running hash in the
// head of their newest blob; false when they have none.
func CheckBlobs(from, through uint64, rows []byte) (running [16]byte, some bool, err error) {
	c := copied{from: from, through: through, totals: map[uint64]int{}}
	for len(rows) > 0 {
		if rows, err = c.row(rows); err != nil {
			return running, false, err
		}
	}
	if c.open {
		return running, false, c.wrong("a blob lacks its last chunk")
	}
	return [16]byte(c.head[runningInHead:HeadSize]), c.last != 0, nil
}

// copied is one PutBlobs, or CheckBlobs.
type copied struct {
	state         *State
	from, through uint64
	batch         *pebble.Batch  // nil of CheckBlobs
	totals        map[uint64]int // records of each blob
	last          uint64         // the newest blob
	next          int            // the record that its next chunk begins with
	open          bool           // and there must be one
	wins          bool           // the rows of the win index have begun
	head          [HeadSize]byte // of the newest blob
}

func (c *copied) wrong(format string, args ...any) error {
	return &BlobsError{From: c.from, Through: c.through, What: fmt.Sprintf(format, args...)}
}

// row takes the first row over.
func (c *copied) row(rows []byte) (rest []byte, err error) {
	key, value, rest, err := c.cut(rows)
	switch {
	case err != nil:
		return nil, err
	case key[0] == keyBlob:
		err = c.chunk(key, value)
	default:
		err = c.win(key, value)
	}
	if err == nil && c.batch != nil {
		err = c.put(key, value)
	}
	return rest, err
}

// cut cuts the first row off.
func (c *copied) cut(rows []byte) (key, value, rest []byte, err error) {
	n := 0
	switch rows[0] {
	case keyBlob:
		n = blobKeySize
	case keyWin:
		n = winKeySize
	}
	if n == 0 || len(rows) < n+4 {
		return nil, nil, nil, c.wrong("they have an unknown form")
	}
	key, rows = rows[:n], rows[n:]
	size := binary.LittleEndian.Uint32(rows)
	if rows = rows[4:]; size > maxRowValue || int(size) > len(rows) {
		return nil, nil, nil, c.wrong("they are cut short")
	}
	return key, rows[:size], rows[size:], nil
}

// chunk proves a chunk, and that it comes where it must.
func (c *copied) chunk(key, value []byte) error {
	index, ordinal, _ := parseBlobKey(key)
	k, fault := parseChunk(index, ordinal, value)
	follows := !c.open && ordinal == 0 && index > c.last || c.open && index == c.last && int(ordinal) == c.next && k.total == c.totals[index]
	switch {
	case fault != "":
		return c.wrong("entry %d: %s", index, fault)
	case index < c.from || index > c.through || c.wins || !follows:
		return c.wrong("a chunk of entry %d is not where it belongs", index)
	case ordinal == 0 && len(k.head) != HeadSize:
		return c.wrong("entry %d: a blob without a head", index)
	}
	if ordinal == 0 {
		copy(c.head[:], k.head)
		c.totals[index] = k.total
	}
	c.last, c.next = index, int(ordinal)+k.count
	c.open = c.next < k.total
	return nil
}

// win proves a row of the win index against the blobs that came.
func (c *copied) win(key, value []byte) error {
	index := binary.BigEndian.Uint64(key[7:])
	total, some := c.totals[index]
	if !some || len(value) == 0 || len(value)%2 != 0 || c.open {
		return c.wrong("a win row of entry %d without its records", index)
	}
	for ; len(value) > 0; value = value[2:] {
		if int(binary.BigEndian.Uint16(value)) >= total {
			return c.wrong("a win row of entry %d names a record that it does not have", index)
		}
	}
	c.wins = true
	return nil
}

// put adds a row to the batch, unless it is there. Another one in its place is a divergence.
func (c *copied) put(key, value []byte) error {
	stored, closer, err := c.state.db.Get(key)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		if err := c.batch.Set(key, value, nil); err != nil {
			return fmt.Errorf("storage: write blobs: %w", err)
		}
		return nil
	case err != nil:
		return damagedRead("a record blob", c.from, err)
	}
	same := bytes.Equal(stored, value)
	if err := closer.Close(); err != nil {
		return damagedRead("a record blob", c.from, err)
	}
	if !same {
		return &DivergedError{Index: c.last, What: describe(key) + " differs from another node's"}
	}
	return nil
}

// ends proves that a range ends with the blob that it must end with.
func (c *copied) ends(gap Range) error {
	head := c.head[:]
	if c.last == 0 { // the rows had no blob: the newest one came with rows before
		k, err := c.state.newestBlob(gap.To)
		if err != nil || k == nil {
			return errors.Join(err, c.wrong("there is no blob at all"))
		}
		head = k
	}
	if gap.Running != [16]byte(head[runningInHead:HeadSize]) {
		return c.wrong("the newest has the running hash %x, and the checkpoint says %x", head[runningInHead:HeadSize], gap.Running)
	}
	return nil
}

// newestBlob returns the head of the newest blob at or before an index; nil when there is none.
func (s *State) newestBlob(index uint64) ([]byte, error) {
	upper := blobKey(index, math.MaxUint16)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyBlob}, UpperBound: append(upper[:], 0)})
	if err != nil {
		return nil, fmt.Errorf("storage: read the blobs: %w", err)
	}
	at, some := uint64(0), it.Last()
	if some {
		at = binary.BigEndian.Uint64(it.Key()[1:])
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil || !some {
		if err != nil {
			err = damagedRead("a record blob", index, err)
		}
		return nil, err
	}
	head, _, err := s.Head(at)
	return head, err
}

// RecordsIn appends n consecutive records to dst, from one record of an entry on, out of the rows that AppendBlobs of another node
// gave. ErrNotFound when they are not all there; dst is then as it was.
func RecordsIn(dst, rows []byte, index uint64, ordinal uint16, n int) ([]byte, error) {
	c := copied{from: index, through: index, totals: map[uint64]int{}}
	out, at := dst, int(ordinal)
	for len(rows) > 0 && at < int(ordinal)+n && rows[0] == keyBlob {
		key, value, rest, err := c.cut(rows)
		if err == nil {
			err = c.chunk(key, value)
		}
		if err != nil {
			return dst, err
		}
		_, first, _ := parseBlobKey(key)
		k, _ := parseChunk(index, first, value) // proven a moment ago
		if next := k.first + k.count; at < next && at >= k.first {
			to := min(int(ordinal)+n, next)
			out, at = append(out, k.span(at-k.first, to-k.first)...), to
		}
		rows = rest
	}
	if at < int(ordinal)+n {
		return dst, ErrNotFound
	}
	return out, nil
}
