package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/zeebo/xxh3"
)

// The value of a page, little endian: 0 xxh3-64 of the data, seeded with page and generation, u64 · 8 generation u64 · 16 data.
const (
	pageKeySize = 9
	pageHeader  = 16
)

func putPageKey(k []byte, page uint64) {
	k[0] = keyPage
	binary.BigEndian.PutUint64(k[1:], page)
}

// pageSum is the checksum of a page. Page and generation go in, so that a page in another one's place, or an older version of the
// same page, changes the manifest's sum.
func pageSum(page, generation uint64, data []byte) uint64 {
	const odd = 0x9e3779b97f4a7c15 // spreads the page's number over the word, away from the generation's low bits
	return xxh3.HashSeed(data, page*odd^generation)
}

// How a checkpoint's tables are written.
const (
	tableBytes = 64 << 20  // then the next table begins; few tables make the ingestion short
	syncBytes  = 512 << 10 // written back in such steps, so that no sync of the log waits behind a whole table
)

// CheckpointWriter writes one checkpoint: the changed pages, then the manifest. It belongs to one goroutine.
//
// Pages go into sorted tables beside the database. Commit hands these to Pebble in one ingestion, with the manifest in the last of
// them: that is atomic and durable, so there is no moment at which pages of two checkpoints could be mixed up, no generation in a
// key, and nothing to delete afterwards. Before that nothing of it is in the database, and a crash leaves files that Open removes.
// doc.go has the measurements against batches.
type CheckpointWriter struct {
	s       *State
	stored  storedManifest // what the manifest will say
	tables  []string       // paths, ascending and disjoint
	table   *sstable.Writer
	bytes   int64         // in table
	changed []changedPage // to be entered into live when durable
	rest    []uint64      // after ReplaceAll: pages of the checkpoint before that were not put yet, ascending
	begun   bool          // there was a Put
	last    uint64        // page of the last Put
	value   []byte        // scratch
	key     [pageKeySize]byte
	err     error // the first failure: nothing is written after it
	done    bool
	lacks   Range // see Lacks
}

type changedPage struct {
	page, sum uint64
	gone      bool
}

// BeginCheckpoint starts the next generation. One at a time: the one before must be committed or aborted, and LoadPages be over.
func (s *State) BeginCheckpoint() *CheckpointWriter {
	s.claim("BeginCheckpoint")
	w := &CheckpointWriter{s: s}
	if !s.live.known {
		w.err = s.loadPages(func(uint64, []byte) error { return nil })
	}
	m := &s.checkpoints.manifest // only the owner of live changes it
	w.stored.Generation, w.stored.pages, w.stored.sum = m.Generation+1, m.pages, m.sum
	if err := s.store.fs.MkdirAll(s.incoming(), 0o700); err != nil && w.err == nil {
		_ = w.fail("create directory", err)
	}
	return w
}

// ReplaceAll says that this checkpoint has all pages: those of the one before that are not Put are gone. Before the first Put.
func (w *CheckpointWriter) ReplaceAll() {
	if w.err == nil && w.begun {
		_ = w.fail("replace all pages", errors.New("BUG: after the first page"))
	}
	w.rest = slices.Sorted(maps.Keys(w.s.live.pages))
}

// Lacks says that the records of the entries in r are not here: the checkpoint is another node's, and this node has not applied
// them. They count as missing from Commit on.
func (w *CheckpointWriter) Lacks(r Range) { w.lacks = r }

// Put writes a page. Pages come in ascending order, each at most once. Data that is all zero, or empty, says that the page is gone.
func (w *CheckpointWriter) Put(page uint64, data []byte) error {
	if w.err == nil && w.begun && page <= w.last {
		return w.fail("write page", fmt.Errorf("BUG: page %#x comes after page %#x", page, w.last))
	}
	w.begun, w.last = true, page
	w.dropBelow(page)
	if len(w.rest) > 0 && w.rest[0] == page {
		w.rest = w.rest[1:]
	}
	if allZero(data) {
		w.drop(page)
	} else {
		w.set(page, data)
	}
	return w.err
}

// dropBelow drops the pages below one that ReplaceAll found and nobody put.
func (w *CheckpointWriter) dropBelow(page uint64) {
	for len(w.rest) > 0 && w.rest[0] < page {
		w.drop(w.rest[0])
		w.rest = w.rest[1:]
	}
}

// drop writes that a page is gone.
func (w *CheckpointWriter) drop(page uint64) {
	old, had := w.s.live.pages[page]
	if !had || !w.room(pageKeySize) {
		return
	}
	w.stored.pages--
	w.stored.sum -= old
	w.changed = append(w.changed, changedPage{page: page, gone: true})
	putPageKey(w.key[:], page)
	if err := w.table.Delete(w.key[:]); err != nil {
		_ = w.fail("delete page", err)
	}
}

// set writes a page that has data.
func (w *CheckpointWriter) set(page uint64, data []byte) {
	if !w.room(pageKeySize + pageHeader + len(data)) {
		return
	}
	sum := pageSum(page, w.stored.Generation, data)
	if old, had := w.s.live.pages[page]; had {
		w.stored.pages--
		w.stored.sum -= old
	}
	w.stored.pages++
	w.stored.sum += sum
	w.changed = append(w.changed, changedPage{page: page, sum: sum})
	putPageKey(w.key[:], page)
	w.value = binary.LittleEndian.AppendUint64(w.value[:0], sum)
	w.value = binary.LittleEndian.AppendUint64(w.value, w.stored.Generation)
	w.value = append(w.value, data...)
	if err := w.table.Set(w.key[:], w.value); err != nil {
		_ = w.fail("write page", err)
	}
}

// room makes sure that there is a table that takes a row of the given size; false after a failure.
func (w *CheckpointWriter) room(bytes int) bool {
	if w.table != nil && w.bytes >= tableBytes {
		w.closeTable()
	}
	if w.err == nil && w.table == nil {
		w.openTable()
	}
	w.bytes += int64(bytes)
	return w.err == nil
}

func (w *CheckpointWriter) openTable() {
	fs := w.s.store.fs
	path := fs.PathJoin(w.s.incoming(), fmt.Sprintf("%d-%d.sst", w.stored.Generation, len(w.tables)))
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		_ = w.fail("create table", err)
		return
	}
	w.tables = append(w.tables, path)
	f = vfs.NewSyncingFile(f, vfs.SyncingFileOptions{BytesPerSync: syncBytes})
	o := w.s.tableOptions.MakeWriterOptions(0, w.s.db.TableFormat())
	o.FilterPolicy = pebble.NoFilterPolicy // pages are only read in order
	w.table = sstable.NewWriter(objstorageprovider.NewFileWritable(f), o)
	w.bytes = 0
}

// closeTable finishes the table, if there is one, and syncs it.
func (w *CheckpointWriter) closeTable() {
	if w.table == nil {
		return
	}
	err := w.table.Close()
	w.table = nil
	if err != nil {
		_ = w.fail("write table", err)
	}
}

func (w *CheckpointWriter) fail(what string, err error) error {
	w.err = fmt.Errorf("storage: checkpoint %d: %s: %w", w.stored.Generation, what, err)
	return w.err
}

// Commit makes the checkpoint the newest one, and returns when it is durable, along with everything that State wrote before.
// m.Generation is ignored. A power cut at any point leaves the older or the newer checkpoint. After an error the checkpoint is
// aborted.
func (w *CheckpointWriter) Commit(m Manifest) (err error) {
	if w.done {
		return errors.New("storage: BUG: a checkpoint is committed after its end")
	}
	defer w.Abort()
	for _, page := range w.rest {
		w.drop(page)
	}
	m.Generation = w.stored.Generation
	w.stored.Manifest = m
	w.seal()
	if w.lacks != (Range{}) {
		w.s.missing.turn.Lock()
		defer w.s.missing.turn.Unlock()
		missing := withRange(w.s.Missing(), w.lacks)
		w.row(missingKey(), encodeMissing(missing))
		defer func() {
			if err == nil {
				w.s.missing.ranges.Store(&missing)
			}
		}()
	}
	w.closeTable()
	if w.err != nil {
		return w.err
	}
	// The blobs up to m.Index come first: with the manifest raft may drop the entries that would rebuild them.
	if err := w.s.Sync(); err != nil {
		return w.fail("sync", err)
	}
	if err := w.s.db.Ingest(context.Background(), w.tables); err != nil {
		return w.fail("ingest", err)
	}
	for _, p := range w.changed {
		if p.gone {
			delete(w.s.live.pages, p.page)
		} else {
			w.s.live.pages[p.page] = p.sum
		}
	}
	c := &w.s.checkpoints
	c.Lock()
	defer c.Unlock()
	c.manifest, c.has = w.stored, true
	return nil
}

// seal writes the manifest and the blob mark, into the same table.
func (w *CheckpointWriter) seal() {
	last, err := w.s.lastBlobUpTo(w.stored.Index)
	if err != nil && w.err == nil {
		_ = w.fail("find its last blob", err)
	}
	w.row(manifestKey(), w.stored.encode())
	w.row(blobMarkKey(), encodeBlobMark(last))
}

// row writes a row that is no page.
func (w *CheckpointWriter) row(key, value []byte) {
	if !w.room(len(value)) {
		return
	}
	if err := w.table.Set(key, value); err != nil {
		_ = w.fail("write manifest", err)
	}
}

// Abort gives the checkpoint up and removes its files. After Commit it does nothing.
func (w *CheckpointWriter) Abort() {
	if w.done {
		return
	}
	w.done = true
	if w.table != nil {
		_ = w.table.Close() // it is thrown away
	}
	w.table, w.changed = nil, nil
	w.err = errors.New("storage: BUG: the checkpoint has ended")
	if err := w.s.store.fs.RemoveAll(w.s.incoming()); err != nil {
		w.s.store.o.Logger.Warn("the files of a checkpoint cannot be removed; the next start tries again", "err", err)
	}
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
