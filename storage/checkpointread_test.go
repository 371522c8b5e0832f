package storage

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A checkpoint is read as it was when it was opened, whatever is written meanwhile.
func TestCheckpointReader(t *testing.T) {
	s := mustOpen(t, small(vfs.NewMem(), "/d"))
	defer mustClose(t, s)
	if _, err := s.State().OpenCheckpoint(); !errors.Is(err, ErrNotFound) {
		t.Fatalf("before the first one: %v", err)
	}
	want := map[uint64][]byte{3: {1}, 9: {2, 2}, 1 << 40: {3}}
	check(t, checkpoint(s.State(), manifestOf(1), want))
	r, err := s.State().OpenCheckpoint()
	check(t, err)
	check(t, checkpoint(s.State(), manifestOf(2), map[uint64][]byte{3: {7}, 4: {8}, 9: nil}))
	got, last := map[uint64][]byte{}, uint64(0)
	for {
		page, data, ok, err := r.Next()
		if check(t, err); !ok {
			break
		}
		if page <= last {
			t.Errorf("page %d after %d", page, last)
		}
		last, got[page] = page, bytes.Clone(data)
	}
	if m := r.Manifest(); m.Index != 1 || r.Pages() != 3 || !samePages(got, want) {
		t.Errorf("checkpoint at %d with %d pages: %v", m.Index, r.Pages(), got)
	}
	check(t, errors.Join(r.Close(), r.Close()))
}

// A page that is missing, or is not what was written, is an error at the latest at the end.
func TestCheckpointReaderProves(t *testing.T) {
	s := mustOpen(t, small(vfs.NewMem(), "/d"))
	defer mustClose(t, s)
	check(t, checkpoint(s.State(), manifestOf(1), map[uint64][]byte{3: {1}, 9: {2, 2}}))
	var k [pageKeySize]byte
	putPageKey(k[:], 9)
	check(t, s.State().db.Delete(k[:], nil))
	r, err := s.State().OpenCheckpoint()
	check(t, err)
	for ok := true; ok && err == nil; {
		_, _, ok, err = r.Next()
	}
	isDamaged(t, err, "pages with sum")
	check(t, r.Close())
}
