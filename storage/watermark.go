package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/zeebo/xxh3"
)

// watermarkInterval bounds how far the watermark may be behind the log.
const watermarkInterval = 250 * time.Millisecond

// The watermark file: two slots on different sectors and pages, so that a torn write can hurt one of them only.
const (
	watermarkMagic  = "drawdwm1"
	watermarkSlot   = 64
	watermarkStride = 4096
	watermarkSize   = 2 * watermarkStride
)

// mark is what a slot says: the log once had, synced, the record index with this chain hash, and stable values up to stable.
//
//	0 magic 8 B · 8 seq u64 · 16 index u64 · 24 term u64 · 32 chain 16 B · 48 stable u64 · 56 xxh3-64 of bytes 0 to 55
type mark struct {
	seq    uint64 // counts the writes of the file; the valid slot with the higher one holds
	base   Base
	stable uint64 // number of the newest stable write
}

func (m *mark) encode() (b [watermarkSlot]byte) {
	le := binary.LittleEndian
	copy(b[:], watermarkMagic)
	le.PutUint64(b[8:], m.seq)
	le.PutUint64(b[16:], m.base.Index)
	le.PutUint64(b[24:], m.base.Term)
	copy(b[32:], m.base.Chain[:])
	le.PutUint64(b[48:], m.stable)
	le.PutUint64(b[56:], xxh3.Hash(b[:56]))
	return b
}

func decodeMark(b []byte) (m mark, ok bool) {
	le := binary.LittleEndian
	if string(b[:8]) != watermarkMagic || le.Uint64(b[56:]) != xxh3.Hash(b[:56]) {
		return mark{}, false
	}
	m.seq = le.Uint64(b[8:])
	m.base = Base{Index: le.Uint64(b[16:]), Term: le.Uint64(b[24:])}
	copy(m.base.Chain[:], b[32:])
	m.stable = le.Uint64(b[48:])
	return m, true
}

// watermark is the file that proves, apart from the log database, how far the log once was.
type watermark struct {
	proven atomic.Uint64 // index of the newest synced mark

	// token serialises writers of the file with truncations of the tail: it is held over I/O, by nobody who holds another lock
	// except Log.write, which comes before it.
	token turn
	f     vfs.File
	mark  mark // newest written
}

// createWatermark makes the file in its full size, so that later writes change no metadata, and syncs it and its entry.
func createWatermark(fs vfs.FS, path string) error {
	b := make([]byte, watermarkSize)
	for i := range uint64(2) {
		slot := (&mark{seq: i}).encode()
		copy(b[i*watermarkStride:], slot[:])
	}
	if err := writeFileSynced(fs, path, b); err != nil {
		return err
	}
	return syncDir(fs, fs.PathDir(path))
}

// open reads the file.
func (w *watermark) open(fs vfs.FS, path string) error {
	if _, err := fs.Stat(path); errors.Is(err, os.ErrNotExist) {
		return &DamagedError{What: path + " is missing", Remedy: remedyReplace}
	}
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("storage: open %s: %w", path, err)
	}
	w.f = f
	var b [watermarkSize]byte
	if n, err := f.ReadAt(b[:], 0); n < len(b) {
		return &DamagedError{What: path + " is cut short", Remedy: remedyReplace, Err: err}
	}
	first, ok1 := decodeMark(b[:watermarkSlot])
	second, ok2 := decodeMark(b[watermarkStride:][:watermarkSlot])
	switch {
	case !ok1 && !ok2:
		return &DamagedError{What: path + " has no valid slot", Remedy: remedyReplace}
	case !ok1 || ok2 && second.seq > first.seq:
		w.mark = second
	default:
		w.mark = first
	}
	w.proven.Store(w.mark.base.Index)
	return nil
}

// write writes the mark into the older slot and syncs it. The caller holds the token.
func (w *watermark) write(base Base, stable uint64) error {
	m := mark{seq: w.mark.seq + 1, base: base, stable: stable}
	slot := m.encode()
	// Slot 1 was made with the odd number, and numbers grow by one: the parity is the slot.
	if _, err := w.f.WriteAt(slot[:], int64(m.seq%2)*watermarkStride); err != nil {
		return fmt.Errorf("storage: write the watermark: %w", err)
	}
	if err := w.f.SyncData(); err != nil {
		return fmt.Errorf("storage: sync the watermark: %w", err)
	}
	w.mark = m
	w.proven.Store(base.Index)
	return nil
}

// lower takes the watermark back to base in both slots, so that one damaged slot cannot bring the higher mark back. The caller
// holds the token.
func (w *watermark) lower(base Base, stable uint64) error {
	for range 2 {
		if err := w.write(base, stable); err != nil {
			return err
		}
	}
	return nil
}
