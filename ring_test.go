package drawd

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/drawd/drawd/engine"
)

// TestRingStopsAtWhatIsNotKnown: a reader in order waits for a goroutine that has decided and not written yet.
func TestRingStopsAtWhatIsNotKnown(t *testing.T) {
	r := newRecordRing(minRecordBytes)
	record := func(mark byte) []byte {
		b := []byte{1, 1, 0, 0, mark}
		binary.LittleEndian.PutUint16(b[recordLength:], uint16(len(b)))
		return b
	}
	keep := func(index engine.LogIndex, marks ...byte) {
		b := engine.Batch{Positions: []engine.Position{{Index: index}}}
		for _, m := range marks {
			b.Records = append(b.Records, record(m)...)
		}
		r.keep(&b)
	}
	read := func(from engine.Location) (s string) {
		if err := r.scan(from, 9, func(_ engine.Location, b []byte) bool { s += string(b[4:]); return true }); err != nil {
			t.Error(err)
		}
		return s
	}
	keep(1, 'a', 'b')
	keep(2) // a tick
	keep(4, 'd')
	if s := read(engine.Location{}); s != "ab" {
		t.Errorf("%q before the third is known", s)
	}
	keep(3, 'c')
	if s := read(engine.Location{}); s != "abcd" {
		t.Errorf("%q when all are known", s)
	}
	if s := read(engine.Location{Index: 1, Ordinal: 1}); s != "bcd" {
		t.Errorf("%q from the second on", s)
	}
	if b, err := r.records(nil, engine.Location{Index: 1, Ordinal: 1}, 1); err != nil || b[4] != 'b' {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := r.records(nil, engine.Location{Index: 4}, 2); !errors.Is(err, ErrRecordGone) {
		t.Errorf("more records than there are: %v", err)
	}
}
