package raftlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/storage"
	"github.com/drawd/drawd/storage/frames"
)

// A snapshot on its way to another node is a stream of frames (package frames), little endian; a backup begins with the
// same frames:
//
//	1 header  form u32 = 1 · page size u32 · index u64 · term u64 · chain hash 16 B · running hash 16 B · written at, unix ms, i64
//	          index of the configuration u64 · pages u64 · length of the meta u64 · configuration, to the end
//	2 pages   for each, ascending: id u64, page; 60 of them in a frame, the rest in the last one
//	3 meta    pieces of 256 KiB, the rest in the last one
//
// Its length follows from the header, and so raft can be told before anything is read.
const (
	frameHeader = 1
	framePages  = 2
	frameMeta   = 3

	streamForm     = 1
	streamHeader   = 88 // bytes of the header before the configuration
	pagesPerFrame  = 60
	pageInFrame    = 8 + engine.PageSize
	metaPiece      = 256 << 10
	maxStreamMeta  = 1 << 32 // what the engine can read back
	maxStreamPages = 1 << 34 // 64 TiB
)

var streamMagic = [frames.MagicSize]byte{'d', 'r', 'a', 'w', 'd', 's', 'n', '1'}

// snapshotHeader is what a stream says before its pages.
type snapshotHeader struct {
	manifest storage.Manifest // without Meta and Generation
	pages    uint64
	meta     uint64 // bytes
}

func (h *snapshotHeader) encode() []byte {
	m, le := &h.manifest, binary.LittleEndian
	b := make([]byte, 0, streamHeader+len(m.Configuration))
	b = le.AppendUint32(b, streamForm)
	b = le.AppendUint32(b, engine.PageSize)
	b = le.AppendUint64(b, m.Index)
	b = le.AppendUint64(b, m.Term)
	b = append(append(b, m.Chain[:]...), m.Running[:]...)
	b = le.AppendUint64(b, uint64(m.At))
	b = le.AppendUint64(b, m.ConfigurationIndex)
	b = le.AppendUint64(b, h.pages)
	b = le.AppendUint64(b, h.meta)
	return append(b, m.Configuration...)
}

func decodeSnapshotHeader(b []byte) (h snapshotHeader, err error) {
	le := binary.LittleEndian
	switch {
	case len(b) < streamHeader:
		return h, errors.New("raftlog: the header of a snapshot is cut short")
	case le.Uint32(b) != streamForm:
		return h, fmt.Errorf("raftlog: a snapshot of form %d: this drawd reads %d; a newer one wrote it", le.Uint32(b), streamForm)
	case le.Uint32(b[4:]) != engine.PageSize:
		return h, fmt.Errorf("raftlog: a snapshot with pages of %d bytes: this drawd has %d", le.Uint32(b[4:]), engine.PageSize)
	}
	m := &h.manifest
	m.Index, m.Term = le.Uint64(b[8:]), le.Uint64(b[16:])
	m.Chain, m.Running = [16]byte(b[24:]), [16]byte(b[40:])
	m.At, m.ConfigurationIndex = int64(le.Uint64(b[56:])), le.Uint64(b[64:])
	h.pages, h.meta = le.Uint64(b[72:]), le.Uint64(b[80:])
	m.Configuration = bytes.Clone(b[streamHeader:])
	if h.pages > maxStreamPages || h.meta > maxStreamMeta || m.Index == 0 {
		return h, errors.New("raftlog: the header of a snapshot is of no snapshot")
	}
	return h, nil
}

// size returns the length of the whole stream.
func (h *snapshotHeader) size() int64 {
	in := func(bytes, frame uint64) uint64 { return bytes + (bytes+frame-1)/frame*frames.HeaderSize }
	n := uint64(frames.MagicSize+frames.HeaderSize) + uint64(len(h.encode()))
	n += in(h.pages*pageInFrame, pagesPerFrame*pageInFrame) + in(h.meta, metaPiece)
	return int64(n + frames.EndSize)
}

// snapshotSource gives a checkpoint frame by frame. It belongs to one goroutine.
type snapshotSource struct {
	checkpoint *storage.CheckpointReader
	header     snapshotHeader
	meta       []byte // what is left of it
	begun      bool
	paged      bool // all pages are out
	payload    []byte
}

// newSnapshotSource opens the newest checkpoint of a state.
func newSnapshotSource(state stateDisk) (*snapshotSource, error) {
	checkpoint, err := state.OpenCheckpoint()
	if err != nil {
		return nil, fmt.Errorf("raftlog: open the newest checkpoint: %w", err)
	}
	s := &snapshotSource{checkpoint: checkpoint}
	s.header = snapshotHeader{manifest: checkpoint.Manifest(), pages: checkpoint.Pages()}
	s.meta = s.header.manifest.Meta
	s.header.meta = uint64(len(s.meta))
	return s, nil
}

// next returns the next frame; ok is false when there is none left. The payload is valid until the call after.
func (s *snapshotSource) next() (kind byte, payload []byte, ok bool, err error) {
	if !s.begun {
		s.begun = true
		return frameHeader, s.header.encode(), true, nil
	}
	if !s.paged {
		if s.payload, err = s.pages(s.payload[:0]); err != nil {
			return 0, nil, false, err
		}
		if len(s.payload) > 0 {
			return framePages, s.payload, true, nil
		}
	}
	if n := min(len(s.meta), metaPiece); n > 0 {
		payload, s.meta = s.meta[:n], s.meta[n:]
		return frameMeta, payload, true, nil
	}
	return 0, nil, false, nil
}

func (s *snapshotSource) pages(dst []byte) ([]byte, error) {
	for range pagesPerFrame {
		id, page, ok, err := s.checkpoint.Next()
		if err != nil {
			return nil, fmt.Errorf("raftlog: read a checkpoint: %w", err)
		}
		if !ok {
			s.paged = true
			break
		}
		if len(page) != engine.PageSize {
			return nil, fmt.Errorf("raftlog: BUG: a page of %d bytes", len(page))
		}
		dst = append(binary.LittleEndian.AppendUint64(dst, id), page...)
	}
	return dst, nil
}

// snapshotReader is a checkpoint as the stream that raft sends.
type snapshotReader struct {
	source  *snapshotSource
	frames  *frames.Writer
	out     bytes.Buffer
	ended   bool
	stopped func() bool // the node ends, and waits for nobody
	close   func() error
}

func (r *snapshotReader) Read(b []byte) (int, error) {
	for r.out.Len() == 0 {
		if r.ended {
			return 0, io.EOF
		}
		if r.stopped() {
			return 0, errNoOutcome
		}
		kind, payload, ok, err := r.source.next()
		if err == nil && ok {
			err = r.frames.Frame(kind, payload)
		} else if err == nil {
			r.ended = true
			err = r.frames.End()
		}
		if err != nil {
			return 0, err
		}
	}
	return r.out.Read(b)
}

func (r *snapshotReader) Close() error { return r.close() }

// snapshotTarget takes what a stream brings.
type snapshotTarget interface {
	begin(h *snapshotHeader) error
	page(id uint64, page []byte) error
}

// readSnapshot reads the snapshot's frames of a stream into a target, and proves that nothing is missing. It returns the manifest,
// and the first frame of another kind: io.EOF when the stream ends there.
func readSnapshot(in *frames.Reader, to snapshotTarget) (m storage.Manifest, kind byte, payload []byte, err error) {
	kind, payload, err = in.Next()
	if err != nil {
		return m, 0, nil, err
	}
	if kind != frameHeader {
		return m, 0, nil, errors.New("raftlog: a snapshot without a header")
	}
	h, err := decodeSnapshotHeader(payload)
	if err != nil {
		return m, 0, nil, err
	}
	if err := to.begin(&h); err != nil {
		return m, 0, nil, err
	}
	var pages uint64
	var meta []byte
	kind, payload, err = in.Next()
	for ; err == nil && kind == framePages && len(meta) == 0; kind, payload, err = in.Next() {
		for ; len(payload) >= pageInFrame; payload = payload[pageInFrame:] {
			if err := to.page(binary.LittleEndian.Uint64(payload), payload[8:pageInFrame]); err != nil {
				return m, 0, nil, err
			}
			pages++
		}
		if len(payload) != 0 {
			return m, 0, nil, errors.New("raftlog: a snapshot with a part of a page")
		}
	}
	for ; err == nil && kind == frameMeta && uint64(len(meta)) < h.meta; kind, payload, err = in.Next() {
		meta = append(meta, payload...)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return m, 0, nil, err
	}
	if pages != h.pages || uint64(len(meta)) != h.meta {
		return m, 0, nil, fmt.Errorf("raftlog: a snapshot with %d pages of %d and %d bytes of meta of %d", pages, h.pages, len(meta), h.meta)
	}
	h.manifest.Meta = meta
	return h.manifest, kind, payload, err
}
