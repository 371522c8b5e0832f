package engine

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/zeebo/xxh3"
)

// A snapshot stream: magic u32, form u32; pages, each u64 id and PageSize bytes; the end mark, all ones; u32 length
// and the meta; XXH3-128 of everything before it.
const (
	snapshotMagic = 0x44575331 // "DWS1"
	snapshotForm  = 1
	snapshotEnd   = 1<<64 - 1
	maxMetaBytes  = 1<<32 - 1 // what its length can say
)

// WriteSnapshot writes the whole state. Nothing may be applied while the cut is taken; afterwards it may.
func (e *Engine) WriteSnapshot(w io.Writer) error {
	c, err := e.Capture(true)
	if err != nil {
		return err
	}
	defer c.Abort() // a stream is no checkpoint: what is dirty stays dirty
	h := xxh3.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, h), 64<<10)
	var head writer
	head.u32(snapshotMagic)
	head.u32(snapshotForm)
	out.Write(head.b)
	var page [8 + PageSize]byte
	for {
		id, ok := c.Next(page[8:])
		if !ok {
			break
		}
		binary.LittleEndian.PutUint64(page[:], uint64(id))
		if _, err := out.Write(page[:]); err != nil {
			return fmt.Errorf("engine: writing a snapshot: %w", err)
		}
	}
	meta := c.Meta()
	if len(meta) > maxMetaBytes {
		return fmt.Errorf("engine: writing a snapshot: the state beside the tables has %d bytes, more than can be read back", len(meta))
	}
	var tail writer
	tail.u64(snapshotEnd)
	tail.bytes(meta)
	out.Write(tail.b)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("engine: writing a snapshot: %w", err)
	}
	sum := h.Sum128().Bytes()
	if _, err := w.Write(sum[:]); err != nil {
		return fmt.Errorf("engine: writing a snapshot: %w", err)
	}
	return nil
}

// ReadSnapshot replaces the state by a snapshot's. A truncated, damaged or foreign stream is an error, and the state
// stays as it was.
func (e *Engine) ReadSnapshot(r io.Reader) error {
	h := xxh3.New()
	plain := bufio.NewReaderSize(r, 64<<10)
	in := io.TeeReader(plain, h)
	var head [8]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return fmt.Errorf("engine: reading a snapshot: %w", err)
	}
	if binary.LittleEndian.Uint32(head[:]) != snapshotMagic {
		return fmt.Errorf("engine: this is no snapshot")
	}
	if form := binary.LittleEndian.Uint32(head[4:]); form != snapshotForm {
		return fmt.Errorf("engine: snapshot of form %d: this drawd reads %d; a newer one wrote it", form, snapshotForm)
	}
	l := e.Loader()
	if err := l.readPages(in); err != nil {
		return fmt.Errorf("engine: reading a snapshot: %w", err)
	}
	meta, err := readMeta(in)
	if err != nil {
		return fmt.Errorf("engine: reading a snapshot: %w", err)
	}
	want := h.Sum128().Bytes()
	var sum [sumBytes]byte
	if _, err := io.ReadFull(plain, sum[:]); err != nil {
		return fmt.Errorf("engine: reading a snapshot: %w", err)
	}
	if sum != want {
		return fmt.Errorf("engine: snapshot: wrong checksum")
	}
	return l.Finish(meta)
}

func (l *Loader) readPages(in io.Reader) error {
	var page [8 + PageSize]byte
	for {
		if _, err := io.ReadFull(in, page[:8]); err != nil {
			return err
		}
		id := binary.LittleEndian.Uint64(page[:])
		if id == snapshotEnd {
			return nil
		}
		if _, err := io.ReadFull(in, page[8:]); err != nil {
			return err
		}
		if err := l.Page(PageID(id), page[8:]); err != nil {
			return err
		}
	}
}

func readMeta(in io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(size[:])
	// The announced length is not trusted with memory before the bytes are there.
	meta, err := io.ReadAll(io.LimitReader(in, int64(n)))
	if err == nil && len(meta) != int(n) {
		err = io.ErrUnexpectedEOF
	}
	return meta, err
}
