package storage

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/zeebo/xxh3"
)

// The value of a page: xxh3-64 of the data, seeded with page and generation, u64 little endian, then the data. Without data it is a
// tombstone: the page is gone since that generation.
const (
	pageKeySize = 17
	pageHeader  = 8
)

// putPageKey writes the key of one version of a page. The generation stands complemented, so that the newest version of a page
// comes first and a reader need not remember the older ones.
func putPageKey(k []byte, page, generation uint64) {
	k[0] = keyPage
	binary.BigEndian.PutUint64(k[1:], page)
	binary.BigEndian.PutUint64(k[9:], ^generation)
}

func parsePageKey(k []byte) (page, generation uint64, ok bool) {
	if len(k) != pageKeySize {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(k[1:]), ^binary.BigEndian.Uint64(k[9:]), true
}

// pageSum is the checksum of a page. Page and generation go in, so that a page in another one's place, or an older version of the
// same page, changes the manifest's sum.
func pageSum(page, generation uint64, data []byte) uint64 {
	const odd = 0x9e3779b97f4a7c15 // spreads the page's number over the word, away from the generation's low bits
	return xxh3.HashSeed(data, page*odd^generation)
}

// livePage is what the writer must know of a page that it rewrites: which version to delete, and what to take out of the sum.
// About 50 bytes per page in memory with the map around it: 10 MB for 10 million users, next to 800 MB of pages.
type livePage struct{ generation, sum uint64 }

// changedPage is a page of the checkpoint being written.
type changedPage struct {
	page, sum uint64
	gone      bool
}

// Bounds of a checkpoint's batches. A batch holds the commit pipeline, and with it PutBlob, for as long as it takes to copy it to
// the WAL and the memtable: see doc.go for what was measured.
const pageBatch = 256 << 10

// CheckpointWriter writes one checkpoint: the changed pages, then the manifest. It belongs to one goroutine.
type CheckpointWriter struct {
	s          *State
	generation uint64
	batch      *pebble.Batch
	changed    []changedPage
	err        error // the first failure: nothing is written after it
	done       bool
}

// BeginCheckpoint starts the next generation. One at a time: the one before must be committed or aborted, and LoadPages be over.
func (s *State) BeginCheckpoint() *CheckpointWriter {
	s.claim("BeginCheckpoint")
	w := &CheckpointWriter{s: s, batch: s.db.NewBatchWithSize(pageBatch)}
	if !s.live.known {
		w.err = s.loadPages(func(uint64, []byte) error { return nil })
	}
	w.generation = s.live.next
	s.live.next++
	return w
}

// Put writes a page; each page at most once. Data that is all zero, or empty, says that the page is gone.
func (w *CheckpointWriter) Put(page uint64, data []byte) error {
	if w.err != nil {
		return w.err
	}
	p := changedPage{page: page, gone: allZero(data)}
	if p.gone {
		data = nil
	}
	p.sum = pageSum(page, w.generation, data)
	if w.batch.Len()+pageKeySize+pageHeader+len(data) > pageBatch {
		if err := w.flush(); err != nil {
			return err
		}
	}
	op := w.batch.SetDeferred(pageKeySize, pageHeader+len(data))
	putPageKey(op.Key, page, w.generation)
	binary.LittleEndian.PutUint64(op.Value, p.sum)
	copy(op.Value[pageHeader:], data)
	if err := op.Finish(); err != nil {
		return w.fail("write page", err)
	}
	w.changed = append(w.changed, p)
	return nil
}

// flush commits the batch and empties it.
func (w *CheckpointWriter) flush() error {
	if err := w.batch.Commit(pebble.NoSync); err != nil {
		return w.fail("write pages", err)
	}
	w.batch.Reset()
	return nil
}

func (w *CheckpointWriter) fail(what string, err error) error {
	w.err = fmt.Errorf("storage: checkpoint %d: %s: %w", w.generation, what, err)
	return w.err
}

// Commit makes the checkpoint the newest one, and returns when it is durable. m.Generation is ignored. The order is: pages synced,
// manifest synced, then the superseded versions and the older manifest deleted; so a power cut at any point leaves the older or
// the newer checkpoint. After an error the checkpoint is aborted.
func (w *CheckpointWriter) Commit(m Manifest) error {
	if w.done {
		return errors.New("storage: BUG: a checkpoint is committed after its end")
	}
	stored, err := w.complete(m)
	if err != nil {
		w.Abort()
		return err
	}
	defer w.finish()
	// From here on nothing may be taken back: a manifest whose write failed may stand on disk all the same.
	if err := w.s.db.Set(manifestKey(w.generation), stored.encode(), pebble.Sync); err != nil {
		return w.fail("write manifest", err)
	}
	c := &w.s.checkpoints
	c.Lock()
	before, had := c.manifest.Generation, c.has
	c.manifest, c.has = stored, true
	c.Unlock()
	if err := w.deleteSuperseded(); err != nil {
		return err
	}
	if had {
		if err := w.s.db.Delete(manifestKey(before), pebble.NoSync); err != nil {
			return w.fail("delete the manifest before", err)
		}
	}
	return nil
}

// complete syncs the pages and completes the manifest with the number and sum of those that are live after it.
func (w *CheckpointWriter) complete(m Manifest) (storedManifest, error) {
	stored := storedManifest{Manifest: m, pages: w.s.checkpoints.manifest.pages, sum: w.s.checkpoints.manifest.sum}
	stored.Generation = w.generation
	if w.err != nil {
		return stored, w.err
	}
	if err := w.flush(); err != nil {
		return stored, err
	}
	if err := w.s.Sync(); err != nil {
		return stored, w.fail("sync pages", err)
	}
	slices.SortFunc(w.changed, func(x, y changedPage) int { return cmp.Compare(x.page, y.page) })
	for i, p := range w.changed {
		if i > 0 && w.changed[i-1].page == p.page {
			return stored, w.fail("write pages", fmt.Errorf("BUG: page %d is put twice", p.page))
		}
		if old, ok := w.s.live.pages[p.page]; ok {
			stored.pages--
			stored.sum -= old.sum
		}
		if !p.gone {
			stored.pages++
			stored.sum += p.sum
		}
	}
	return stored, nil
}

// deleteSuperseded deletes the older version of each page that this checkpoint wrote, and the tombstones once nothing is under
// them. Not synced: LoadPages finds what a power cut brings back.
func (w *CheckpointWriter) deleteSuperseded() error {
	pages := w.s.live.pages
	for _, p := range w.changed {
		if old, had := pages[p.page]; had {
			if err := w.deletePage(p.page, old.generation); err != nil {
				return err
			}
		}
		if !p.gone {
			pages[p.page] = livePage{generation: w.generation, sum: p.sum}
			continue
		}
		delete(pages, p.page)
		// After the version under it, in the order of the WAL: a power cut must not take the tombstone alone.
		if err := w.deletePage(p.page, w.generation); err != nil {
			return err
		}
	}
	return w.flush()
}

// deletePage deletes one version of a page, in bounded batches.
func (w *CheckpointWriter) deletePage(page, generation uint64) error {
	op := w.batch.DeleteDeferred(pageKeySize)
	putPageKey(op.Key, page, generation)
	if err := op.Finish(); err != nil {
		return w.fail("delete page", err)
	}
	if w.batch.Len() > pageBatch {
		return w.flush()
	}
	return nil
}

// Abort gives the checkpoint up and deletes what it wrote. After Commit it does nothing.
func (w *CheckpointWriter) Abort() {
	if w.done {
		return
	}
	defer w.finish()
	w.batch.Reset()
	w.err = nil
	for _, p := range w.changed {
		if err := w.deletePage(p.page, w.generation); err != nil {
			return // what is left has a generation that no manifest will name, and LoadPages deletes it
		}
	}
	_ = w.flush()
}

func (w *CheckpointWriter) finish() {
	w.done = true
	w.err = errors.New("storage: BUG: the checkpoint has ended")
	_ = w.batch.Close()
	w.changed = nil
	w.s.release()
}

// allZero reports whether b has no other byte than 0.
func allZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
