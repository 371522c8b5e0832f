package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// LoadPages calls fn for each live page of the newest complete checkpoint, in ascending order, and proves them against its
// manifest: none is missing, none is another one's or an older version. An error from fn ends it. data is valid during the call.
// What an unfinished or interrupted checkpoint left is passed over and deleted. Without a checkpoint there are no pages.
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
	m, has := s.Manifest()
	if !has {
		return nil
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyPage}, UpperBound: []byte{keyPage + 1}})
	if err != nil {
		return fmt.Errorf("storage: read the checkpoint: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	l := pageLoad{s: s, manifest: m.Generation, next: m.Generation + 1, pages: map[uint64]livePage{}, batch: s.db.NewBatch()}
	defer l.batch.Close()
	for ok := it.First(); ok; ok = it.Next() {
		if err := l.row(it, fn); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return damagedRead("the checkpoint", m.Index, err)
	}
	return l.finish()
}

// pageLoad is one pass over all page rows.
type pageLoad struct {
	s        *State
	manifest uint64 // the newest complete generation
	next     uint64 // above every generation met
	pages    map[uint64]livePage
	sum      uint64
	batch    *pebble.Batch // deletions of leftovers

	page      uint64 // of the row before
	seen      bool   // a version of page that counts was met
	tombstone []byte // key of page's tombstone, to be deleted after what is under it; empty for none
}

func (l *pageLoad) row(it *pebble.Iterator, fn func(page uint64, data []byte) error) error {
	damaged := func(page uint64, err error) error {
		return &DamagedError{What: fmt.Sprintf("page %#x of the checkpoint is not what was written", page), Remedy: remedyReplace, Err: err}
	}
	page, generation, ok := parsePageKey(it.Key())
	if !ok {
		return damaged(page, nil)
	}
	if page != l.page || !l.seen {
		if err := l.endPage(); err != nil {
			return err
		}
		l.page, l.seen = page, false
	}
	if generation > l.manifest || l.seen {
		// Of an unfinished checkpoint, or a version that a newer one superseded.
		l.next = max(l.next, generation+1)
		return l.delete(it.Key())
	}
	l.seen = true
	v, err := it.ValueAndErr()
	if err != nil || len(v) < pageHeader {
		return damaged(page, err)
	}
	sum, data := binary.LittleEndian.Uint64(v), v[pageHeader:]
	if sum != pageSum(page, generation, data) {
		return damaged(page, nil)
	}
	if len(data) == 0 {
		l.tombstone = append(l.tombstone, it.Key()...)
		return nil
	}
	l.pages[page] = livePage{generation: generation, sum: sum}
	l.sum += sum
	return fn(page, data)
}

// endPage deletes the tombstone of the page before: everything under it is in the batch already.
func (l *pageLoad) endPage() error {
	if len(l.tombstone) == 0 {
		return nil
	}
	err := l.delete(l.tombstone)
	l.tombstone = l.tombstone[:0]
	return err
}

func (l *pageLoad) delete(key []byte) error {
	if err := l.batch.Delete(key, nil); err != nil {
		return fmt.Errorf("storage: delete leftovers of a checkpoint: %w", err)
	}
	if l.batch.Len() < pageBatch {
		return nil
	}
	return l.flush()
}

func (l *pageLoad) flush() error {
	if err := l.batch.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("storage: delete leftovers of a checkpoint: %w", err)
	}
	l.batch.Reset()
	return nil
}

// finish proves the whole against the manifest, and only then deletes leftovers and remembers the pages.
func (l *pageLoad) finish() error {
	if err := l.endPage(); err != nil {
		return err
	}
	m := &l.s.checkpoints.manifest // only the owner of live changes it
	if uint64(len(l.pages)) != m.pages || l.sum != m.sum {
		return &DamagedError{What: fmt.Sprintf("the checkpoint has %d pages with sum %#x, and its manifest says %d with sum %#x",
			len(l.pages), l.sum, m.pages, m.sum), Index: m.Index, Remedy: remedyReplace}
	}
	live := &l.s.live
	live.pages, live.known = l.pages, true
	live.next = max(live.next, l.next)
	return l.flush()
}

// livePages returns the number of pages of the newest checkpoint.
func (s *State) livePages() uint64 {
	s.checkpoints.Lock()
	defer s.checkpoints.Unlock()
	return s.checkpoints.manifest.pages
}
