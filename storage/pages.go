package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// LoadPages calls fn for each page of the newest checkpoint and proves them against its manifest: none is missing, none is
// another one's or an older version. Pages whose numbers share the upper 32 bits come from one goroutine, in ascending order;
// others may come from other goroutines at the same time, as many as there are processors: most of the work is checksums. An
// error from fn ends it. data is valid during the call. Without a checkpoint there are no pages.
//
// The caller must not use what fn was given until LoadPages returned nil: a missing page shows at the end. Not while a checkpoint
// is written.
func (s *State) LoadPages(fn func(page uint64, data []byte) error) error {
	s.claim("LoadPages")
	defer s.release()
	return s.loadPages(fn)
}

// loadPages is LoadPages for a caller who has claimed live.
func (s *State) loadPages(fn func(page uint64, data []byte) error) error {
	m := &s.checkpoints.manifest // only the owner of live changes it
	loaders := make([]pageLoader, runtime.GOMAXPROCS(0))
	var turn groups
	var wg sync.WaitGroup
	for i := range loaders {
		l := &loaders[i]
		l.pages = make(map[uint64]uint64, m.pages/uint64(len(loaders)))
		wg.Go(func() {
			if l.err = l.run(s.db, &turn, m.Generation, fn); l.err != nil {
				turn.end()
			}
		})
	}
	wg.Wait()
	pages := loaders[0].pages
	var total uint64
	for i := range loaders {
		l := &loaders[i]
		if l.err != nil {
			var damaged *DamagedError
			if errors.As(l.err, &damaged) && damaged.Index == 0 {
				damaged.Index = m.Index
			}
			return l.err
		}
		total += l.sum
		if i > 0 {
			maps.Copy(pages, l.pages)
		}
	}
	if uint64(len(pages)) != m.pages || total != m.sum {
		return &DamagedError{What: fmt.Sprintf("the checkpoint has %d pages with sum %#x, and its manifest says %d with sum %#x",
			len(pages), total, m.pages, m.sum), Index: m.Index, Remedy: remedyReplace}
	}
	s.live.pages, s.live.known = pages, true
	return nil
}

// groups hands out the groups of pages: those whose numbers share the upper 32 bits.
type groups struct {
	sync.Mutex
	next uint64 // the first group that nobody has taken
	done bool
}

// take moves it to the first page of the next group that exists.
func (g *groups) take(it *pebble.Iterator) (group uint64, ok bool) {
	g.Lock()
	defer g.Unlock()
	if g.done {
		return 0, false
	}
	var k [pageKeySize]byte
	putPageKey(k[:], g.next<<32)
	if found := g.next == 0 && it.First() || g.next > 0 && it.SeekGE(k[:]); !found {
		g.done = true
		return 0, false
	}
	if k := it.Key(); len(k) == pageKeySize { // else readPage will say so
		group = binary.BigEndian.Uint64(k[1:]) >> 32
	}
	g.next = group + 1
	g.done = g.next > math.MaxUint32
	return group, true
}

// end lets nobody take another group.
func (g *groups) end() {
	g.Lock()
	defer g.Unlock()
	g.done = true
}

// pageLoader is one goroutine of LoadPages: what it found.
type pageLoader struct {
	pages map[uint64]uint64 // checksums
	sum   uint64
	err   error
}

func (l *pageLoader) run(db *pebble.DB, turn *groups, generation uint64, fn func(page uint64, data []byte) error) (err error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyPage}, UpperBound: []byte{keyPage + 1}})
	if err != nil {
		return fmt.Errorf("storage: read the checkpoint: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for group, ok := turn.take(it); ok; group, ok = turn.take(it) {
		for more := true; more; more = it.Next() {
			page, data, sum, err := readPage(it, generation)
			if err != nil {
				return err
			}
			if page>>32 != group {
				break
			}
			l.pages[page] = sum
			l.sum += sum
			if err := fn(page, data); err != nil {
				return err
			}
		}
	}
	if err := it.Error(); err != nil {
		return damagedRead("the checkpoint", 0, err)
	}
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
