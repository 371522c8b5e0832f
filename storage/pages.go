package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// LoadPages calls fn for each page of the newest checkpoint, in ascending order, and proves them against its manifest: none is
// missing, none is another one's or an older version. An error from fn ends it. data is valid during the call. Without a
// checkpoint there are no pages.
//
// The caller must not use what fn was given until LoadPages returned nil: a missing page shows at the end. Not while a checkpoint
// is written.
func (s *State) LoadPages(fn func(page uint64, data []byte) error) error {
	s.claim("LoadPages")
	defer s.release()
	return s.loadPages(fn)
}

// loadPages is LoadPages for a caller who has claimed live.
func (s *State) loadPages(fn func(page uint64, data []byte) error) (err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyPage}, UpperBound: []byte{keyPage + 1}})
	if err != nil {
		return fmt.Errorf("storage: read the checkpoint: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	m := &s.checkpoints.manifest // only the owner of live changes it
	pages := make(map[uint64]uint64, m.pages)
	var total uint64
	for ok := it.First(); ok; ok = it.Next() {
		page, data, sum, err := readPage(it, m.Generation)
		if err != nil {
			return err
		}
		pages[page] = sum
		total += sum
		if err := fn(page, data); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return damagedRead("the checkpoint", m.Index, err)
	}
	if uint64(len(pages)) != m.pages || total != m.sum {
		return &DamagedError{What: fmt.Sprintf("the checkpoint has %d pages with sum %#x, and its manifest says %d with sum %#x",
			len(pages), total, m.pages, m.sum), Index: m.Index, Remedy: remedyReplace}
	}
	s.live.pages, s.live.known = pages, true
	return nil
}

// readPage reads the page that an iterator stands on, and proves it.
func readPage(it *pebble.Iterator, newest uint64) (page uint64, data []byte, sum uint64, err error) {
	k := it.Key()
	if len(k) == pageKeySize {
		page = binary.BigEndian.Uint64(k[1:])
	}
	v, err := it.ValueAndErr()
	if err == nil && len(k) == pageKeySize && len(v) > pageHeader {
		sum = binary.LittleEndian.Uint64(v)
		generation := binary.LittleEndian.Uint64(v[8:])
		data = v[pageHeader:]
		if generation <= newest && sum == pageSum(page, generation, data) {
			return page, data, sum, nil
		}
	}
	return page, nil, 0, &DamagedError{What: fmt.Sprintf("page %#x of the checkpoint is not what was written", page), Remedy: remedyReplace, Err: err}
}

// livePages returns the number of pages of the newest checkpoint.
func (s *State) livePages() uint64 {
	s.checkpoints.Lock()
	defer s.checkpoints.Unlock()
	return s.checkpoints.manifest.pages
}
