package storage

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// CheckpointReader reads one checkpoint from a consistent cut of the database, while blobs, and newer checkpoints, are
// written. It belongs to one goroutine, and must be closed before the Store.
type CheckpointReader struct {
	cut      *pebble.Snapshot
	it       *pebble.Iterator
	manifest storedManifest
	begun    bool
	pages    uint64 // given out
	sum      uint64 // of their checksums
}

// OpenCheckpoint opens the newest checkpoint for reading; ErrNotFound when there is none.
func (s *State) OpenCheckpoint() (*CheckpointReader, error) {
	r := &CheckpointReader{cut: s.db.NewSnapshot()}
	if err := r.open(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// open reads the manifest of the cut. A checkpoint's manifest and pages come in one ingestion, so a cut has both of one.
func (r *CheckpointReader) open() error {
	v, closer, err := r.cut.Get(manifestKey())
	if errors.Is(err, pebble.ErrNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return damagedRead("the checkpoint's manifest", 0, err)
	}
	m, ok := decodeManifest(v)
	if err := closer.Close(); err != nil {
		return damagedRead("the checkpoint's manifest", 0, err)
	}
	if !ok {
		return &DamagedError{What: "the checkpoint's manifest is not what was written", Remedy: remedyReplace}
	}
	r.manifest = m
	if r.it, err = r.cut.NewIter(&pebble.IterOptions{LowerBound: []byte{keyPage}, UpperBound: []byte{keyPage + 1}}); err != nil {
		return fmt.Errorf("storage: read the checkpoint: %w", err)
	}
	return nil
}

// Manifest returns the manifest of the checkpoint that is read.
func (r *CheckpointReader) Manifest() Manifest { return r.manifest.Manifest }

// Pages returns how many pages Next will give.
func (r *CheckpointReader) Pages() uint64 { return r.manifest.pages }

// Next returns the next page, in ascending order, proven; its data is valid until the call after. At the end, ok is false, and
// the error is nil only if all pages of the manifest were there.
func (r *CheckpointReader) Next() (page uint64, data []byte, ok bool, err error) {
	if !r.begun {
		r.begun = true
		ok = r.it.First()
	} else {
		ok = r.it.Next()
	}
	m := &r.manifest
	if ok {
		var sum uint64
		if page, data, sum, err = readPage(r.it, m.Generation); err != nil {
			return 0, nil, false, err
		}
		r.pages++
		r.sum += sum
		return page, data, true, nil
	}
	if err := r.it.Error(); err != nil {
		return 0, nil, false, damagedRead("the checkpoint", m.Index, err)
	}
	if r.pages != m.pages || r.sum != m.sum {
		return 0, nil, false, &DamagedError{What: fmt.Sprintf("the checkpoint has %d pages with sum %#x, and its manifest says %d with sum %#x",
			r.pages, r.sum, m.pages, m.sum), Index: m.Index, Remedy: remedyReplace}
	}
	return 0, nil, false, nil
}

// Close ends the cut. It may be called more than once.
func (r *CheckpointReader) Close() error {
	var errs []error
	if r.it != nil {
		errs = append(errs, r.it.Close())
		r.it = nil
	}
	if r.cut != nil {
		errs = append(errs, r.cut.Close())
		r.cut = nil
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("storage: close a checkpoint: %w", err)
	}
	return nil
}
