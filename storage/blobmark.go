package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/zeebo/xxh3"
)

// The blob mark says which record blob was the last one at or below the checkpoint's index when the checkpoint was committed,
// which made it durable. It is written with the manifest, and proven at Open. Without it, a state database that lost its newest
// table of blobs opens as if nothing were missing: Pebble's own manifest, cut at a record's end, looks like one that ends there,
// and so does a WAL whose last block is damaged. Both lose a suffix of what was written before the checkpoint, so the last
// blob is the one that tells; what was written after it, the log writes again.
//
//	0 index u64, 0 for no blob · 8 xxh3-64 of bytes 0 to 7
const blobMarkSize = 16

// blobMarkKey lies between the pages and the win rows, like the manifest's: a table of a checkpoint that reached over win rows
// could not be ingested before the memtable with the newest of them is flushed.
func blobMarkKey() []byte { return []byte{keyManifest, 0x01} }

func encodeBlobMark(index uint64) []byte {
	v := binary.LittleEndian.AppendUint64(make([]byte, 0, blobMarkSize), index)
	return binary.LittleEndian.AppendUint64(v, xxh3.Hash(v))
}

func decodeBlobMark(v []byte) (index uint64, ok bool) {
	if len(v) != blobMarkSize || binary.LittleEndian.Uint64(v[8:]) != xxh3.Hash(v[:8]) {
		return 0, false
	}
	return binary.LittleEndian.Uint64(v), true
}

// lastBlobUpTo returns the highest index up to the given one that has a blob, 0 for none.
func (s *State) lastBlobUpTo(index uint64) (last uint64, err error) {
	upper := blobKey(index+1, 0)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyBlob}, UpperBound: upper[:]})
	if err != nil {
		return 0, fmt.Errorf("storage: read the blobs: %w", err)
	}
	if it.Last() {
		last = binary.BigEndian.Uint64(it.Key()[1:])
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return 0, damagedRead("the newest record blob of the checkpoint", index, err)
	}
	return last, nil
}

// proveBlobMark holds the blob mark against the blobs. A checkpoint from before there were marks has none.
func (s *State) proveBlobMark() error {
	v, closer, err := s.db.Get(blobMarkKey())
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return damagedRead("the mark of the checkpoint's records", 0, err)
	}
	index, ok := decodeBlobMark(v)
	if err := closer.Close(); err != nil {
		return damagedRead("the mark of the checkpoint's records", 0, err)
	}
	if !ok {
		return &DamagedError{What: "the mark of the checkpoint's records is not what was written", Remedy: remedyReplace}
	}
	if index == 0 {
		return nil
	}
	switch _, found, err := s.Head(index); {
	case err != nil:
		return err
	case !found:
		return &DamagedError{What: "synced records are missing: the checkpoint was written with those of this entry", Index: index, Remedy: remedyReplace}
	}
	return nil
}
