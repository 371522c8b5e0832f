package storage

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const markedBlobs = 60

// markedStore makes a state with blobs that its checkpoint made durable, and closes it: they are in its WAL.
func markedStore(t *testing.T) *CrashFS {
	fs := &CrashFS{MemFS: vfs.NewMem()}
	s := mustOpen(t, small(fs, "/d"))
	for i := range uint64(markedBlobs) {
		b := makeBlob(i+1, 10, size110)
		check(t, b.put(s.State(), i+1))
	}
	check(t, checkpoint(s.State(), manifestOf(markedBlobs+5), map[uint64][]byte{1: page(1, 1, 3000)}))
	mustClose(t, s)
	return fs
}

// missing opens the directory; it returns how many of the checkpoint's blobs are gone, or how the damage was found.
func missing(fs vfs.FS) (gone int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = errFatal
		o := small(fs, "/d")
		o.OnFatal = func(error) { runtime.Goexit() }
		var s *Store
		if s, err = Open(o); err != nil {
			return
		}
		if _, has := s.State().Manifest(); has { // without a checkpoint the log writes the blobs again
			for i := range uint64(markedBlobs) {
				if _, found, e := s.State().Head(i + 1); !found || e != nil {
					gone, err = gone+1, errors.Join(err, e)
				}
			}
		}
		err = errors.Join(err, s.Close())
	}()
	<-done
	return gone, err
}

// newest returns the newest state file with such a name.
func newest(t *testing.T, fs vfs.FS, match func(name string) bool) string {
	names, err := fs.List("/d/state")
	check(t, err)
	slices.Sort(names)
	for _, n := range slices.Backward(names) {
		if match(n) {
			return "/d/state/" + n
		}
	}
	t.Fatalf("no such file in %v", names)
	return ""
}

func isWAL(name string) bool { return strings.HasSuffix(name, ".log") }

// damagedOnce opens a copy in which one file has other contents.
func damagedOnce(t *testing.T, fs *CrashFS, path string, b []byte) (gone int, err error) {
	c := &CrashFS{MemFS: vfs.NewMem()}
	if _, err := vfs.Clone(fs, c, "/d", "/d"); err != nil {
		t.Fatal(err)
	}
	check(t, writeFileSynced(c, path, b))
	return missing(c)
}

// A damaged last block of the state's WAL looks like writes that were never finished; so does a WAL that is cut. Pebble drops what
// follows, and the log cannot write it again: it may end at the checkpoint.
func TestADamagedStateWALLosesNoRecordsInSilence(t *testing.T) {
	fs := markedStore(t)
	path := newest(t, fs, isWAL)
	whole := contents(t, fs, path)
	told := 0
	for at := 3; at < len(whole); at += max(len(whole)/150, 1) {
		b := slices.Clone(whole)
		b[at] ^= 0x10
		for what, b := range map[string][]byte{"flipped": b, "the end": whole[:at]} {
			gone, err := damagedOnce(t, fs, path, b)
			if gone > 0 && err == nil {
				t.Fatalf("with byte %d of %d %s, %d of %d blobs are gone and nobody says so", at, len(whole), what, gone, markedBlobs)
			}
			if err != nil {
				told++
			}
		}
	}
	if told == 0 {
		t.Error("no damage was noticed")
	}
}
