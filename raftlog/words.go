package raftlog

import (
	"encoding/binary"
	"errors"
)

// What nodes tell each other in calls is written by hand: little endian, strings with one byte of length, and a version in
// front. A later version appends; a reader takes what it knows and leaves the rest.

var errWords = errors.New("raftlog: another node sent what is not understood")

// words reads one message. After a fault every reading is zero.
type words struct {
	b   []byte
	bad bool
}

func (w *words) take(n int) []byte {
	if w.bad || len(w.b) < n {
		w.bad = true
		return make([]byte, n)
	}
	b := w.b[:n]
	w.b = w.b[n:]
	return b
}

func (w *words) u8() uint8   { return w.take(1)[0] }
func (w *words) u32() uint32 { return binary.LittleEndian.Uint32(w.take(4)) }
func (w *words) u64() uint64 { return binary.LittleEndian.Uint64(w.take(8)) }
func (w *words) str() string { return string(w.take(int(w.u8()))) }

func (w *words) hash() (h [16]byte) {
	copy(h[:], w.take(len(h)))
	return h
}

// err tells whether everything asked for was there.
func (w *words) err() error {
	if w.bad {
		return errWords
	}
	return nil
}

// appendStr appends a string, cut to what its length byte can say.
func appendStr(dst []byte, s string) []byte {
	s = s[:min(len(s), 255)]
	return append(append(dst, byte(len(s))), s...)
}
