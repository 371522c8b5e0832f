package frames

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/zeebo/xxh3"
)

// Numbers of the form.
const (
	MagicSize  = 8
	HeaderSize = 16        // of a frame
	EndSize    = 16 + 24   // the whole end frame
	MaxPayload = 1 << 20   // bytes: what a reader makes room for before anything is proven
	KindEnd    = byte(255) // every other kind is the caller's
	form       = 1
)

// DamagedError says that a stream is not what was written.
type DamagedError struct {
	What  string
	Frame uint64 // its number, from 0
	Err   error  // the cause, if another error showed it
}

func (e *DamagedError) Error() string {
	s := fmt.Sprintf("frames: frame %d: %s", e.Frame, e.What)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *DamagedError) Unwrap() error { return e.Err }

// sum is the checksum of a frame: of its first 8 bytes and its payload, at its place.
func sum(number uint64, header, payload []byte) uint64 {
	return xxh3.HashSeed(payload, xxh3.HashSeed(header[:8], number))
}

// Writer writes a stream. It belongs to one goroutine.
type Writer struct {
	w      io.Writer
	total  *xxh3.Hasher
	number uint64
	header [HeaderSize]byte
	err    error // the first failure: nothing is written after it
}

// NewWriter begins a stream with its magic.
func NewWriter(w io.Writer, magic [MagicSize]byte) *Writer {
	f := &Writer{w: w, total: xxh3.New()}
	f.put(magic[:])
	return f
}

func (f *Writer) put(b []byte) {
	if f.err != nil {
		return
	}
	_, _ = f.total.Write(b) // never fails
	if _, err := f.w.Write(b); err != nil {
		f.err = fmt.Errorf("frames: write: %w", err)
	}
}

// Frame writes one frame of at most MaxPayload bytes.
func (f *Writer) Frame(kind byte, payload []byte) error {
	if len(payload) > MaxPayload || kind == KindEnd {
		return fmt.Errorf("frames: BUG: a frame of kind %d with %d bytes", kind, len(payload))
	}
	f.frame(kind, payload)
	return f.err
}

func (f *Writer) frame(kind byte, payload []byte) {
	f.header = [HeaderSize]byte{0: kind, 1: form}
	binary.LittleEndian.PutUint32(f.header[4:], uint32(len(payload)))
	binary.LittleEndian.PutUint64(f.header[8:], sum(f.number, f.header[:], payload))
	f.put(f.header[:])
	f.put(payload)
	f.number++
}

// End closes the stream. Nothing may be written after it.
func (f *Writer) End() error {
	b := binary.LittleEndian.AppendUint64(nil, f.number)
	total := f.total.Sum128().Bytes()
	f.frame(KindEnd, append(b, total[:]...))
	return f.err
}

// Reader reads a stream and proves it. It belongs to one goroutine.
type Reader struct {
	r       io.Reader
	magic   [MagicSize]byte
	total   *xxh3.Hasher
	begun   bool
	number  uint64
	header  [HeaderSize]byte
	payload []byte
	err     error // the first failure, or io.EOF
}

// NewReader returns a reader of a stream with the given magic.
func NewReader(r io.Reader, magic [MagicSize]byte) *Reader {
	return &Reader{r: r, magic: magic, total: xxh3.New()}
}

// Next returns the next frame; its payload is valid until the call after. io.EOF says that the stream is whole and that
// nothing follows it; a *DamagedError that it is not what was written. Every other error is the source's.
func (f *Reader) Next() (kind byte, payload []byte, err error) {
	if f.err == nil {
		kind, payload, f.err = f.next()
	}
	if f.err != nil {
		return 0, nil, f.err
	}
	return kind, payload, nil
}

func (f *Reader) next() (kind byte, payload []byte, err error) {
	if !f.begun {
		f.begun = true
		var magic [MagicSize]byte
		if err := f.fill(magic[:]); err != nil {
			return 0, nil, err
		}
		if magic != f.magic {
			return 0, nil, f.damaged(fmt.Sprintf("it begins with %q, not with %q", magic[:], f.magic[:]), nil)
		}
		_, _ = f.total.Write(magic[:])
	}
	before := f.total.Sum128().Bytes()
	if err := f.fill(f.header[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(f.header[4:])
	if f.header[1] != form || f.header[2] != 0 || f.header[3] != 0 || n > MaxPayload {
		return 0, nil, f.damaged("it has an unknown form", nil)
	}
	if uint32(cap(f.payload)) < n {
		f.payload = make([]byte, max(n, 64<<10))
	}
	payload = f.payload[:n]
	if err := f.fill(payload); err != nil {
		return 0, nil, err
	}
	if binary.LittleEndian.Uint64(f.header[8:]) != sum(f.number, f.header[:], payload) {
		return 0, nil, f.damaged("it does not have the bytes it was written with", nil)
	}
	if f.header[0] == KindEnd {
		return 0, nil, f.end(payload, before)
	}
	_, _ = f.total.Write(f.header[:])
	_, _ = f.total.Write(payload)
	f.number++
	return f.header[0], payload, nil
}

// end checks the end frame, and that nothing follows it.
func (f *Reader) end(payload []byte, total [16]byte) error {
	if len(payload) != 24 || binary.LittleEndian.Uint64(payload) != f.number || [16]byte(payload[8:]) != total {
		return f.damaged("the sum at the end is another one", nil)
	}
	var more [1]byte
	switch n, err := io.ReadFull(f.r, more[:]); {
	case n > 0:
		return f.damaged("something follows the end", nil)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("frames: read: %w", err)
	}
	return io.EOF
}

// fill reads exactly len(b) bytes.
func (f *Reader) fill(b []byte) error {
	_, err := io.ReadFull(f.r, b)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return f.damaged("the stream is cut short", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("frames: read: %w", err)
}

func (f *Reader) damaged(what string, err error) error {
	return &DamagedError{What: what, Frame: f.number, Err: err}
}
