package storage

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// sweeper damages one file at a time of a data directory and looks at what the store does about it.
type sweeper struct {
	fs    *CrashFS // the undamaged directory, as SIGKILL left it
	want  *world
	stale []byte // the watermark file as it was when the log ended at 550
}

const sweepRecords = 600

// newSweeper makes a log with tables, an older and a newest WAL, a truncated head and a checkpoint, and kills it with everything
// on disk and the watermark up to date.
func newSweeper(t *testing.T) *sweeper {
	fs := NewCrashFS()
	s := mustVerify(t, small(fs, "/d"))
	w := &world{first: 41, last: sweepRecords, terms: map[uint64]uint64{}, sizes: map[uint64]int{}, stable: map[string]byte{"vote": 7}}
	l := s.Log()
	add := func(from, to uint64) {
		for i := from; i <= to; i++ {
			w.terms[i], w.sizes[i] = 1, int(i*37%1500)
			check(t, l.Append(recs(i, 1, 1, w.sizes[i])))
		}
	}
	add(1, 200)
	check(t, s.log.db.Flush())
	add(201, 400)
	check(t, s.log.db.Flush())
	chain, _ := l.Chain(60)
	w.base = Base{Index: 60, Term: 1, Chain: chain}
	check(t, checkpoint(s.State(), Manifest{Index: 60, Term: 1, Chain: chain}, map[uint64][]byte{1: page(1, 1, 3000)}))
	w.generation, w.pages = 1, map[uint64][]byte{1: page(1, 1, 3000)}
	check(t, l.TruncateHead(40))
	add(401, 550)
	check(t, l.SetStable([]byte("vote"), []byte{7}))
	check(t, l.raiseWatermark())
	stale := contents(t, fs, "/d/WATERMARK")
	add(551, sweepRecords)
	check(t, l.raiseWatermark())
	killed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	mustClose(t, s)
	return &sweeper{fs: killed, want: w, stale: stale}
}

// lost says what an opened store has lost of the log after the checkpoint, of the stable values and of the checkpoint.
func (w *sweeper) lost(s *Store) error {
	c := *w.want
	l := s.Log()
	if l.Last() != c.last {
		return fmt.Errorf("log ends at %d, want %d", l.Last(), c.last)
	}
	for i := c.base.Index + 1; i <= c.last; i++ {
		var r LogRecord
		if err := l.Get(i, &r); err != nil {
			return err
		}
		if r.Term != c.terms[i] || !bytes.Equal(r.Data, data(i, c.sizes[i])) || r.AppendedAt != int64(i) {
			return fmt.Errorf("record %d changed", i)
		}
	}
	if v, err := l.Stable([]byte("vote")); err != nil || !bytes.Equal(v, []byte{7}) {
		return fmt.Errorf("the vote is %v: %w", v, err)
	}
	if got, err := loaded(s.State()); err != nil || !samePages(got, c.pages) {
		return fmt.Errorf("%d pages: %w", len(got), err)
	}
	return nil
}

var errFatal = errors.New("fatal")

// outcome opens the directory and proves it. silent is what was lost without an error; err is how the loss was found.
func (w *sweeper) outcome(t *testing.T, fs vfs.FS) (silent, err error) {
	done := make(chan struct{})
	go func() { // a Fatalf of Pebble ends this goroutine, as it would the process
		defer close(done)
		err = errFatal
		o := small(fs, "/d")
		o.OnFatal = func(error) { runtime.Goexit() }
		s, e := Open(o)
		if e != nil {
			err = e
			return
		}
		if e = verify(s); e == nil {
			// LoadPages is a part of every start.
			if e = s.State().LoadPages(func(uint64, []byte) error { return nil }); e == nil {
				silent = w.lost(s)
			}
		}
		_ = s.Close()
		err = e
	}()
	<-done
	return silent, err
}

func (w *sweeper) clone(t *testing.T) *CrashFS {
	c := &CrashFS{MemFS: vfs.NewMem()}
	if _, err := vfs.Clone(w.fs, c, "/d", "/d"); err != nil {
		t.Fatal(err)
	}
	return c
}

// files lists the files of the data directory, without the empty lock files.
func (w *sweeper) files(t *testing.T) (paths []string) {
	for _, dir := range []string{"/d", "/d/log", "/d/state"} {
		names, err := w.fs.List(dir)
		check(t, err)
		slices.Sort(names)
		for _, n := range names {
			if st, err := w.fs.Stat(dir + "/" + n); err == nil && !st.IsDir() && n != lockName {
				paths = append(paths, dir+"/"+n)
			}
		}
	}
	return paths
}

// kind names the kind of a file, for the table that the sweep prints.
func kind(path string) string {
	i := strings.LastIndexByte(path, '/')
	name := path[i+1:]
	switch {
	case strings.HasPrefix(name, "marker"):
		name = "marker"
	case strings.HasSuffix(name, ".log"):
		name = "WAL"
	case strings.HasSuffix(name, ".sst"):
		name = "table"
	case strings.Contains(name, "-0"):
		name, _, _ = strings.Cut(name, "-")
	}
	return strings.TrimPrefix(path[:i+1], "/d") + name
}

type tally struct{ tried, found, harmless int }

func (w *sweeper) run(t *testing.T, tallies map[string]*tally, what, path string, damage func(fs *CrashFS)) {
	t.Helper()
	fs := w.clone(t)
	damage(fs)
	silent, err := w.outcome(t, fs)
	k := kind(path)
	if tallies[k] == nil {
		tallies[k] = &tally{}
	}
	tallies[k].tried++
	switch {
	case silent != nil:
		t.Errorf("SILENT LOSS: %s of %s: %v", what, path, silent)
	case err != nil:
		tallies[k].found++
	default:
		tallies[k].harmless++
	}
}

func report(t *testing.T, tallies map[string]*tally) {
	for k, v := range tallies {
		t.Logf("%-20s tried %4d, found %4d, nothing lost %4d", k, v.tried, v.found, v.harmless)
	}
}

// One byte is flipped, in every kind of file: the start fails, or nothing was lost.
func TestFlippedByteSweep(t *testing.T) {
	w := newSweeper(t)
	if silent, err := w.outcome(t, w.clone(t)); silent != nil || err != nil {
		t.Fatalf("undamaged: %v %v", silent, err)
	}
	rng := rand.New(rand.NewPCG(9, 9))
	tallies := map[string]*tally{}
	for _, path := range w.files(t) {
		size := len(contents(t, w.fs, path))
		perFile := 60
		switch {
		case strings.HasSuffix(path, ".sst"):
			perFile = 12 // slow: Pebble looks for the bit that flipped
		case strings.HasPrefix(path, "/d/log/") && strings.HasSuffix(path, ".log"):
			perFile = 300
		case strings.HasPrefix(path, "/d/state/"):
			perFile = 20
		}
		if testing.Short() {
			perFile = max(4, perFile/6)
		}
		for i := range min(perFile, size) {
			at := i * size / min(perFile, size)
			if size > perFile {
				at += rng.IntN(size / perFile)
			}
			// The last bytes are where Pebble takes damage for an unfinished write: try each.
			if used := usedLength(t, w.fs, path); i < 20 && i < used {
				at = used - 1 - i
			}
			bit := byte(1) << rng.IntN(8)
			w.run(t, tallies, fmt.Sprintf("flip at %d of %d", at, size), path, func(fs *CrashFS) {
				b := contents(t, fs, path)
				b[at] ^= bit
				overwrite(t, fs, path, b)
			})
		}
	}
	report(t, tallies)
}

// What the watermark is for, and what it leaves: with the watermark of before the newest records, a byte flipped in the last WAL
// block takes those away and nothing shows. In life the watermark is at most 250 ms behind.
func TestResidualBehindTheWatermark(t *testing.T) {
	w := newSweeper(t)
	silent, found := 0, 0
	var wal string
	for _, path := range w.files(t) {
		if kind(path) == "/log/WAL" {
			wal = path // the newest sorts last
		}
	}
	for back := range 40 {
		fs := w.clone(t)
		overwrite(t, fs, "/d/WATERMARK", w.stale)
		b := contents(t, fs, wal)
		b[usedLength(t, fs, wal)-1-back*50] ^= 1
		overwrite(t, fs, wal, b)
		lost, err := w.outcome(t, fs)
		switch {
		case lost != nil && !strings.Contains(lost.Error(), "log ends at 5"):
			t.Errorf("more was lost than the newest records: %v", lost)
		case lost != nil:
			silent++
		case err != nil:
			found++
		}
	}
	if silent == 0 {
		t.Error("nothing was lost silently: the sweep would not see a loss")
	}
	t.Logf("of 40 flips behind a stale watermark %d lost records silently, %d were found", silent, found)
}

// The very first WAL of a new store has the newest format already: a byte flipped in it, well before its end, is found by Pebble
// even where no watermark helps. With the default format, or without the second opening, all after it would be dropped silently.
func TestNewStoreHasTheNewestWAL(t *testing.T) {
	fs := NewCrashFS()
	s := mustVerify(t, small(fs, "/d"))
	zero := contents(t, fs, "/d/WATERMARK")
	for i := range uint64(1000) {
		check(t, s.Log().Append(recs(i+1, 1, 1, 60)))
	}
	killed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
	mustClose(t, s)
	names, err := killed.List("/d/log")
	check(t, err)
	var wal string
	for _, n := range names {
		if path := "/d/log/" + n; strings.HasSuffix(n, ".log") && (wal == "" || usedLength(t, killed, path) > usedLength(t, killed, wal)) {
			wal = path
		}
	}
	used := usedLength(t, killed, wal)
	if used < 100_000 {
		t.Fatalf("the WAL has %d bytes only", used)
	}
	for _, back := range []int{70_000, 90_000, 100_000} {
		clone := vfs.NewMem()
		_, err := vfs.Clone(killed, clone, "/d", "/d")
		check(t, err)
		overwrite(t, clone, "/d/WATERMARK", zero)
		b := contents(t, clone, wal)
		b[used-back] ^= 0xff
		overwrite(t, clone, wal, b)
		s, err := Open(small(clone, "/d"))
		if err == nil {
			t.Errorf("flipped %d bytes before the end: opened, and the log ends at %d of 1000", back, s.Log().Last())
			mustClose(t, s)
			continue
		}
		isDamaged(t, err, "cannot be opened")
	}
}

// A file is cut, or deleted.
func TestCutAndDeletedFiles(t *testing.T) {
	w := newSweeper(t)
	tallies := map[string]*tally{}
	for _, path := range w.files(t) {
		used := usedLength(t, w.fs, path)
		for i := range 12 {
			to := used * i / 12
			w.run(t, tallies, fmt.Sprintf("cut to %d of %d", to, used), path, func(fs *CrashFS) {
				overwrite(t, fs, path, contents(t, fs, path)[:to])
			})
		}
		w.run(t, tallies, "deletion", path, func(fs *CrashFS) { check(t, fs.Remove(path)) })
	}
	report(t, tallies)
}

func contents(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	b, err := readFile(fs, path)
	check(t, err)
	return b
}

func overwrite(t *testing.T, fs vfs.FS, path string, b []byte) {
	t.Helper()
	check(t, writeFileSynced(fs, path, b))
}

// usedLength is the length of a file without the zeros that were preallocated.
func usedLength(t *testing.T, fs vfs.FS, path string) int {
	return len(bytes.TrimRight(contents(t, fs, path), "\x00"))
}
