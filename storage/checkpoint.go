package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

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
	last    uint64        // page of the last Put
	value   []byte        // scratch
	key     [pageKeySize]byte
	err     error // the first failure: nothing is written after it
	done    bool
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

// Put writes a page. Pages come in ascending order, each at most once. Data that is all zero, or empty, says that the page is gone.
func (w *CheckpointWriter) Put(page uint64, data []byte) error {
	if w.err != nil {
		return w.err
	}
	if len(w.changed) > 0 && page <= w.last {
		return w.fail("write page", fmt.Errorf("BUG: page %#x comes after page %#x", page, w.last))
	}
	w.last = page
	old, had := w.s.live.pages[page]
	gone := allZero(data)
	if gone && !had {
		return nil
	}
	if had {
		w.stored.pages--
		w.stored.sum -= old
	}
	if err := w.room(pageKeySize + pageHeader + len(data)); err != nil {
		return err
	}
	putPageKey(w.key[:], page)
	if gone {
		w.changed = append(w.changed, changedPage{page: page, gone: true})
		if err := w.table.Delete(w.key[:]); err != nil {
			return w.fail("delete page", err)
		}
		return nil
	}
	sum := pageSum(page, w.stored.Generation, data)
	w.stored.pages++
	w.stored.sum += sum
	w.changed = append(w.changed, changedPage{page: page, sum: sum})
	w.value = binary.LittleEndian.AppendUint64(w.value[:0], sum)
	w.value = binary.LittleEndian.AppendUint64(w.value, w.stored.Generation)
	w.value = append(w.value, data...)
	if err := w.table.Set(w.key[:], w.value); err != nil {
		return w.fail("write page", err)
	}
	return nil
}

// room makes sure that there is a table that takes a row of the given size.
func (w *CheckpointWriter) room(bytes int) error {
	if w.table != nil && w.bytes >= tableBytes {
		if err := w.closeTable(); err != nil {
			return err
		}
	}
	w.bytes += int64(bytes)
	if w.table != nil {
		return nil
	}
	fs := w.s.store.fs
	path := fs.PathJoin(w.s.incoming(), fmt.Sprintf("%d-%d.sst", w.stored.Generation, len(w.tables)))
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return w.fail("create table", err)
	}
	w.tables = append(w.tables, path)
	f = vfs.NewSyncingFile(f, vfs.SyncingFileOptions{BytesPerSync: syncBytes})
	o := w.s.tableOptions.MakeWriterOptions(0, w.s.db.TableFormat())
	o.FilterPolicy = pebble.NoFilterPolicy // pages are only read in order
	w.table = sstable.NewWriter(objstorageprovider.NewFileWritable(f), o)
	w.bytes = int64(bytes)
	return nil
}

// closeTable finishes the table and syncs it.
func (w *CheckpointWriter) closeTable() error {
	if w.table == nil {
		return nil
	}
	err := w.table.Close()
	w.table = nil
	if err != nil {
		return w.fail("write table", err)
	}
	return nil
}

func (w *CheckpointWriter) fail(what string, err error) error {
	w.err = fmt.Errorf("storage: checkpoint %d: %s: %w", w.stored.Generation, what, err)
	return w.err
}

// Commit makes the checkpoint the newest one, and returns when it is durable, along with everything that State wrote before.
// m.Generation is ignored. A power cut at any point leaves the older or the newer checkpoint. After an error the checkpoint is
// aborted.
func (w *CheckpointWriter) Commit(m Manifest) error {
	if w.done {
		return errors.New("storage: BUG: a checkpoint is committed after its end")
	}
	defer w.Abort()
	if w.err != nil {
		return w.err
	}
	m.Generation = w.stored.Generation
	w.stored.Manifest = m
	row := w.stored.encode()
	if err := w.room(len(row)); err != nil {
		return err
	}
	if err := w.table.Set(manifestKey(), row); err != nil {
		return w.fail("write manifest", err)
	}
	if err := w.closeTable(); err != nil {
		return err
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
