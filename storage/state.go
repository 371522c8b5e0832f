package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// Prefixes of the keys in state/. Numbers are on disk.
const (
	keyBlob     = 0x01 // ‖ index u64 BE ‖ first ordinal u16 BE → chunk
	keyPage     = 0x02 // ‖ page u64 BE → page
	keyManifest = 0x03 // → manifest
	keyWin      = 0x04 // ‖ campaign u32 BE ‖ prize u16 BE ‖ index u64 BE → ordinals, u16 BE each
	keyMissing  = 0x05 // → ranges of entries whose records are not here
)

// State holds what replaying the log can rebuild: record blobs, the win index and checkpoints. Its writes are not synced: they
// are in this process's memory until Sync or CheckpointWriter.Commit. PutBlob belongs to one goroutine; a checkpoint to one
// other, PutBlobs to a third; any number may read beside them.
type State struct {
	store    *Store
	db       *pebble.DB
	counters counters

	tableOptions *pebble.Options // those of db, with Pebble's defaults filled in: for the tables of checkpoints

	replayTo uint64        // highest index with a blob at Open: up to here PutBlob compares
	lastBlob atomic.Uint64 // highest index with a blob

	// missing are the ranges of entries whose records are not here. turn is to change the row and then ranges: it is held over
	// I/O, by nobody who holds another lock; readers take ranges only.
	missing struct {
		turn   sync.Mutex
		ranges atomic.Pointer[[]Range]
	}

	checkpoints struct {
		sync.Mutex
		manifest storedManifest // the newest complete one
		has      bool
		busy     bool // a CheckpointWriter or LoadPages is at work: it owns live
	}

	// live is what a checkpoint must know of the pages on disk: their checksums, to take those of rewritten pages out of the sum.
	// Some 40 bytes of memory per page: 8 MB for 10 million users, beside 800 MB of pages.
	live struct {
		known bool // pages is filled in
		pages map[uint64]uint64
	}
}

// claim takes live; one at a time.
func (s *State) claim(what string) {
	s.checkpoints.Lock()
	defer s.checkpoints.Unlock()
	if s.checkpoints.busy {
		panic("BUG: " + what + " while a checkpoint is written or loaded")
	}
	s.checkpoints.busy = true
}

func (s *State) release() {
	s.checkpoints.Lock()
	defer s.checkpoints.Unlock()
	s.checkpoints.busy = false
}

func newState(s *Store) *State { return &State{store: s} }

// load reads the newest manifest and the highest blob.
func (s *State) load() error {
	if err := s.store.fs.RemoveAll(s.incoming()); err != nil {
		return fmt.Errorf("storage: remove what an unfinished checkpoint left: %w", err)
	}
	if err := errors.Join(s.loadManifest(), s.loadMissing()); err != nil {
		return err
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyBlob}, UpperBound: []byte{keyBlob + 1}})
	if err != nil {
		return fmt.Errorf("storage: read the blobs: %w", err)
	}
	if it.Last() {
		s.replayTo = binary.BigEndian.Uint64(it.Key()[1:])
		s.lastBlob.Store(s.replayTo)
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return damagedRead("the newest record blob", 0, err)
	}
	return s.proveBlobMark()
}

// incoming is the directory of the tables of a checkpoint that is being written.
func (s *State) incoming() string {
	return s.store.fs.PathJoin(s.store.o.Dir, stateName, "incoming")
}

// LastBlob returns the highest index that has a blob, 0 for none.
func (s *State) LastBlob() uint64 { return s.lastBlob.Load() }

// Sync makes every earlier write of State durable.
func (s *State) Sync() error {
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		return fmt.Errorf("storage: sync the state: %w", err)
	}
	return nil
}

func (s *State) close() error {
	if s.db == nil {
		return nil
	}
	err := s.db.Close()
	s.db = nil
	return err
}
