package storage

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Win says that the record with this ordinal is a win of the prize.
type Win struct {
	Campaign uint32
	Prize    uint16
	Ordinal  uint16
}

const winKeySize = 15

func putWinKey(k []byte, campaign uint32, prize uint16, index uint64) {
	k[0] = keyWin
	binary.BigEndian.PutUint32(k[1:], campaign)
	binary.BigEndian.PutUint16(k[5:], prize)
	binary.BigEndian.PutUint64(k[7:], index)
}

// PutBlob stores the records of one log entry: head (HeadSize bytes), the first byte of each record in records, the records, and
// the wins among them in ordinal order. It copies everything, and sorts wins in place. One batch, not synced: readers see all of
// it or nothing.
//
// After a restart the entries after the checkpoint are replayed, and their blobs may be there already. Up to the highest blob that
// Open found, PutBlob compares: equal, nothing is written; different, *DivergedError. Beyond it nothing is read.
func (s *State) PutBlob(index uint64, head []byte, offsets []uint32, records []byte, wins []Win) error {
	if len(head) != HeadSize || len(offsets) > maxRecords {
		return fmt.Errorf("storage: BUG: blob %d has a head of %d bytes and %d records", index, len(head), len(offsets))
	}
	b := s.db.NewBatchWithSize(512+len(records)+4*len(offsets)+32*len(wins), pebble.WithMaxRetainedSizeBytes(2<<20))
	defer b.Close()
	for at := 0; at == 0 || at < len(offsets); {
		p := nextChunk(at, offsets, len(records))
		op := b.SetDeferred(blobKeySize, p.size())
		putBlobKey(op.Key, index, uint16(p.from))
		p.encode(op.Value, index, head, offsets, records)
		if err := op.Finish(); err != nil {
			return fmt.Errorf("storage: write blob %d: %w", index, err)
		}
		if at = p.to; at == 0 {
			break
		}
	}
	if err := putWins(b, index, wins); err != nil {
		return fmt.Errorf("storage: write the wins of blob %d: %w", index, err)
	}
	if index <= s.replayTo {
		same, err := s.sameAsStored(b, index)
		if err != nil || same {
			return err
		}
	}
	if err := s.commit(b); err != nil {
		return fmt.Errorf("storage: write blob %d: %w", index, err)
	}
	s.reached(index)
	return nil
}

// reached notes that there is a blob at index.
func (s *State) reached(index uint64) {
	for last := s.lastBlob.Load(); index > last; last = s.lastBlob.Load() {
		if s.lastBlob.CompareAndSwap(last, index) {
			return
		}
	}
}

// commit commits a batch. Pebble panics when it cannot write to its WAL: walFS has ended the process by then, and what is left
// ends it here, in words too.
func (s *State) commit(b *pebble.Batch) error {
	defer func() {
		if r := recover(); r != nil {
			s.store.o.fatal(fmt.Errorf("storage: state database: %v: check the disk under the data directory and its free space, then start again", r))
		}
	}()
	return b.Commit(pebble.NoSync)
}

// putWins adds the win index rows: one per campaign and prize.
func putWins(b *pebble.Batch, index uint64, wins []Win) error {
	slices.SortFunc(wins, func(x, y Win) int {
		kx := uint64(x.Campaign)<<32 | uint64(x.Prize)<<16 | uint64(x.Ordinal)
		ky := uint64(y.Campaign)<<32 | uint64(y.Prize)<<16 | uint64(y.Ordinal)
		return cmp.Compare(kx, ky)
	})
	for len(wins) > 0 {
		n := 1
		for n < len(wins) && wins[n].Campaign == wins[0].Campaign && wins[n].Prize == wins[0].Prize {
			n++
		}
		op := b.SetDeferred(winKeySize, 2*n)
		putWinKey(op.Key, wins[0].Campaign, wins[0].Prize, index)
		for i := range n {
			binary.BigEndian.PutUint16(op.Value[2*i:], wins[i].Ordinal)
		}
		if err := op.Finish(); err != nil {
			return err
		}
		wins = wins[n:]
	}
	return nil
}

// sameAsStored compares a batch with what is stored. False: nothing of it is there.
func (s *State) sameAsStored(b *pebble.Batch, index uint64) (bool, error) {
	r := b.Reader()
	for n := 0; ; n++ {
		_, key, value, ok, err := r.Next()
		if err != nil {
			return false, fmt.Errorf("storage: compare blob %d: %w", index, err)
		}
		if !ok {
			return true, nil
		}
		stored, closer, err := s.db.Get(key)
		if errors.Is(err, pebble.ErrNotFound) {
			if n == 0 {
				return false, nil
			}
			return false, &DivergedError{Index: index, What: describe(key) + " is not stored"}
		}
		if err != nil {
			return false, damagedRead("a record blob", index, err)
		}
		fault := ""
		if equal := bytes.Equal(stored, value); !equal && key[0] == keyBlob {
			at, ordinal, _ := parseBlobKey(key)
			_, fault = parseChunk(at, ordinal, stored)
			err = &DivergedError{Index: index, What: describe(key) + " differs"}
		} else if !equal {
			err = &DivergedError{Index: index, What: describe(key) + " differs"}
		}
		if e := closer.Close(); e != nil {
			return false, damagedRead("a record blob", index, e)
		}
		if fault != "" {
			return false, &DamagedError{What: fault, Index: index, Remedy: remedyReplace}
		}
		if err != nil {
			return false, err
		}
	}
}

// describe names a row of a blob for people.
func describe(key []byte) string {
	if key[0] == keyWin {
		return fmt.Sprintf("the win row of campaign %d, prize %d", binary.BigEndian.Uint32(key[1:]), binary.BigEndian.Uint16(key[5:]))
	}
	_, ordinal, _ := parseBlobKey(key)
	return fmt.Sprintf("the chunk from record %d on", ordinal)
}
