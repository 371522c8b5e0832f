package storage

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

var errDisk = errors.New("input/output error")

// failing is a store on a disk whose operations fail from a moment on.
type failing struct {
	s     *Store
	fs    *CrashFS
	fail  atomic.Pointer[func(op errorfs.Op) bool]
	fatal chan error
	ended chan struct{} // closed at the first fatal error
}

func openFailing(t *testing.T) *failing {
	f := &failing{fs: NewCrashFS(), fatal: make(chan error, 100), ended: make(chan struct{})}
	var once sync.Once
	inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fail := f.fail.Load(); fail != nil && (*fail)(op) {
			return errDisk
		}
		return nil
	})
	o := small(errorfs.Wrap(f.fs, inject), "/d")
	o.OnFatal = func(err error) {
		f.fatal <- err
		once.Do(func() { close(f.ended) })
		select {} // the process ends here: nothing that it would do comes any more, no deferred call either
	}
	f.s = mustVerify(t, o)
	return f
}

// from makes the operations fail that where names. Nothing may be written to the store after that.
func (f *failing) from(where func(op errorfs.Op) bool) { f.fail.Store(&where) }

// mustBeFatal waits for the process to end.
func (f *failing) mustBeFatal(t *testing.T, what string) {
	t.Helper()
	select {
	case err := <-f.fatal:
		if !strings.Contains(err.Error(), what) || !errors.Is(err, errDisk) && !strings.Contains(err.Error(), errDisk.Error()) {
			t.Errorf("fatal error %q does not name %q and its cause", err, what)
		}
	case <-time.After(time.Minute):
		t.Errorf("the process goes on after a disk error of %s", what)
	}
}

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
}

// acknowledged runs an operation that must not return nil: it ends the process, which may leave it waiting, or returns an error.
func (f *failing) acknowledged(op func() error) bool {
	ok := make(chan bool, 1)
	go func() {
		defer close(ok)
		if op() == nil {
			ok <- true
		}
	}()
	select {
	case yes := <-ok:
		return yes
	case <-f.ended:
		return false
	}
}

// wal says that an operation is on a WAL of the log.
func wal(op errorfs.Op) bool {
	return strings.Contains(op.Path, "/log/") && strings.HasSuffix(op.Path, ".log")
}

// A failing sync or write of the log ends the process, and nothing is acknowledged.
func TestLogDiskErrors(t *testing.T) {
	for name, fail := range map[string]func(op errorfs.Op) bool{
		"sync":  func(op errorfs.Op) bool { return wal(op) && isSync(op) },
		"write": func(op errorfs.Op) bool { return wal(op) && op.Kind == errorfs.OpFileWrite },
	} {
		for call, op := range map[string]func(l *Log) error{
			"append": func(l *Log) error { return l.Append(recs(6, 1, 1, 100)) },
			"stable": func(l *Log) error { return l.SetStable([]byte("vote"), []byte{2}) },
		} {
			t.Run(name+" "+call, func(t *testing.T) {
				f := openFailing(t)
				check(t, f.s.Log().Append(recs(1, 5, 1, 100)))
				f.from(fail)
				if f.acknowledged(func() error { return op(f.s.Log()) }) {
					t.Fatal("acknowledged")
				}
				f.mustBeFatal(t, "log database")
				var r LogRecord
				if err := f.s.Log().Get(6, &r); f.s.Log().Last() > 5 || !errors.Is(err, ErrNotFound) {
					t.Errorf("a record that was not synced is visible: %d, %v", f.s.Log().Last(), err)
				}
				s := mustVerify(t, small(f.fs.CrashClone(vfs.CrashCloneCfg{}), "/d"))
				if last := s.Log().Last(); last != 5 {
					t.Errorf("log ends at %d", last)
				}
				mustClose(t, s)
			})
		}
	}
}

func TestWatermarkDiskErrors(t *testing.T) {
	for name, kind := range map[string]errorfs.OpKind{"sync": errorfs.OpFileSyncData, "write": errorfs.OpFileWriteAt} {
		t.Run(name, func(t *testing.T) {
			f := openFailing(t)
			check(t, f.s.Log().Append(recs(1, 5, 1, 100)))
			f.mustReach(t, 5)
			f.from(func(op errorfs.Op) bool { return strings.HasSuffix(op.Path, watermarkName) && op.Kind == kind })
			// A truncation that cannot lower the watermark does not happen.
			if err := f.s.Log().TruncateTail(3); !errors.Is(err, errDisk) {
				t.Errorf("truncation: %v", err)
			}
			if f.s.Log().Last() != 5 {
				t.Errorf("log ends at %d", f.s.Log().Last())
			}
			// After a failure nothing is written any more.
			if err := f.s.Log().Append(recs(6, 1, 1, 100)); !errors.Is(err, errDisk) {
				t.Errorf("append after a failure: %v", err)
			}

			f = openFailing(t)
			f.from(func(op errorfs.Op) bool { return strings.HasSuffix(op.Path, watermarkName) && op.Kind == kind })
			check(t, f.s.Log().Append(recs(1, 5, 1, 100)))
			f.mustBeFatal(t, "watermark")
		})
	}
}

// mustReach waits until the watermark proves an index.
func (f *failing) mustReach(t *testing.T, index uint64) {
	t.Helper()
	check(t, f.s.Log().raiseWatermark())
	if f.s.Metrics().Watermark != index {
		t.Fatalf("watermark at %d", f.s.Metrics().Watermark)
	}
}

// A checkpoint that the disk refuses is an error, and the one before stays; what fails in Pebble's own work ends the process.
func TestCheckpointDiskErrors(t *testing.T) {
	incoming := func(op errorfs.Op) bool { return strings.Contains(op.Path, "/incoming/") }
	for name, fail := range map[string]func(op errorfs.Op) bool{
		"create": func(op errorfs.Op) bool { return incoming(op) && op.Kind == errorfs.OpCreate },
		"write":  func(op errorfs.Op) bool { return incoming(op) && op.Kind == errorfs.OpFileWrite },
		"sync":   func(op errorfs.Op) bool { return incoming(op) && isSync(op) },
		"link":   func(op errorfs.Op) bool { return op.Kind == errorfs.OpLink || op.Kind == errorfs.OpCreate },
	} {
		t.Run(name, func(t *testing.T) {
			f := openFailing(t)
			st := f.s.State()
			check(t, checkpoint(st, manifestOf(1), map[uint64][]byte{1: page(1, 1, 4000)}))
			f.from(fail)
			if err := checkpoint(st, manifestOf(2), map[uint64][]byte{1: page(1, 2, 4000)}); !errors.Is(err, errDisk) {
				t.Errorf("checkpoint: %v", err)
			}
			f.fail.Store(nil)
			if m, _ := st.Manifest(); m.Index != 1 {
				t.Errorf("manifest at %d", m.Index)
			}
			got, err := loaded(st)
			if err != nil || !samePages(got, map[uint64][]byte{1: page(1, 1, 4000)}) {
				t.Errorf("pages of the older checkpoint: %v", err)
			}
			check(t, checkpoint(st, manifestOf(3), map[uint64][]byte{1: page(1, 3, 4000)}))
		})
	}
	t.Run("manifest of the database", func(t *testing.T) {
		f := openFailing(t)
		f.from(func(op errorfs.Op) bool { return strings.Contains(op.Path, "state/MANIFEST") && isSync(op) })
		if f.acknowledged(func() error { return checkpoint(f.s.State(), manifestOf(2), map[uint64][]byte{1: page(1, 2, 4000)}) }) {
			t.Error("acknowledged")
		}
		f.mustBeFatal(t, "state database")
	})
	t.Run("background", func(t *testing.T) {
		f := openFailing(t)
		f.from(func(op errorfs.Op) bool { return strings.HasSuffix(op.Path, ".sst") })
		b := makeBlob(1, 3, size110)
		check(t, b.put(f.s.State(), 1))
		if _, err := f.s.state.db.AsyncFlush(); err != nil {
			t.Fatal(err)
		}
		f.mustBeFatal(t, "background work failed")
		if f.s.state.counters.backgroundErrors.Load() == 0 {
			t.Error("not counted")
		}
	})
}

// diskErrorCalls are what a child does to a disk that fails: which operations of Pebble fail, and what of the store meets it. The
// disk of "rotate" fails when Pebble comes to its next WAL, where it panics in a way that nobody can catch.
var diskErrorCalls = map[string]struct {
	db   string
	fail func(op errorfs.Op) bool
	call func(s *Store) error
}{
	"append":        {"log", func(op errorfs.Op) bool { return wal(op) && isSync(op) }, func(s *Store) error { return s.Log().Append(recs(6, 1, 1, 100)) }},
	"truncate":      {"log", func(op errorfs.Op) bool { return wal(op) && isSync(op) }, func(s *Store) error { return s.Log().TruncateTail(4) }},
	"rotate-log":    {"log", newWAL("/log/"), appendMany},
	"rotate-state":  {"state", newWAL("/state/"), putMany},
	"rotate-folder": {"state", func(op errorfs.Op) bool { return strings.HasSuffix(op.Path, "/state") && isSync(op) }, putMany},
	"write-state":   {"state", func(op errorfs.Op) bool { return walIn(op, "/state/") && op.Kind == errorfs.OpFileWrite }, putMany},
	"close-state": {"state", func(op errorfs.Op) bool {
		return walIn(op, "/state/") && (isSync(op) || op.Kind == errorfs.OpFileClose)
	}, putMany},
}

func walIn(op errorfs.Op, in string) bool {
	return strings.Contains(op.Path, in) && strings.HasSuffix(op.Path, ".log")
}

// newWAL says that an operation makes a WAL, or reuses one.
func newWAL(in string) func(op errorfs.Op) bool {
	return func(op errorfs.Op) bool {
		return walIn(op, in) && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpRename || op.Kind == errorfs.OpReuseForWrite)
	}
}

// appendMany fills several memtables of the log.
func appendMany(s *Store) error {
	for i := uint64(6); i < 60; i++ {
		if err := s.Log().Append(recs(i, 1, 1, 100_000)); err != nil {
			return err
		}
	}
	return nil
}

// putMany fills several memtables of the state, of 1 MiB each, with the records of entries that the log holds.
func putMany(s *Store) error {
	if err := s.Log().Append(recs(6, 5000, 1, 10)); err != nil {
		return err
	}
	for i := uint64(1); i < 5000; i++ {
		b := makeBlob(i, 40, size110)
		if err := b.put(s.State(), i); err != nil {
			return err
		}
	}
	return nil
}

// A process that nobody catches ends with ExitDisk and says which database, file and error it was; what it had acknowledged is
// there.
func TestDiskErrorEndsTheProcess(t *testing.T) {
	for name, c := range diskErrorCalls {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			out, status := child(t, "disk-error-"+name, dir)
			if status != ExitDisk || !strings.Contains(out, "FATAL: storage: "+c.db+" database") || !strings.Contains(out, errDisk.Error()) || strings.Contains(out, "acknowledged") {
				t.Errorf("status %d after %s", status, out)
			}
			s := mustVerify(t, small(nil, dir))
			if last := s.Log().Last(); last < 3 || last < 5 && name != "truncate" {
				t.Errorf("log ends at %d", last)
			}
			mustClose(t, s)
		})
	}
}

// diskErrorChild appends five records, and then meets a disk that fails.
func diskErrorChild(t *testing.T, name, dir string) {
	c := diskErrorCalls[name]
	var broken atomic.Bool
	o := small(errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && c.fail(op) {
			return errDisk
		}
		return nil
	})), dir)
	s, err := Open(o)
	check(t, err)
	check(t, verify(s))
	check(t, s.Log().Append(recs(1, 5, 1, 100)))
	broken.Store(true)
	if c.call(s) == nil {
		fmt.Println("acknowledged")
	}
}

// A start on a volume without room ends the process. Pebble alone would try the flush of its WAL again for ever.
func TestAStartWithoutRoomEnds(t *testing.T) {
	fs := NewCrashFS()
	s := mustVerify(t, small(fs, "/d"))
	check(t, s.Log().Append(recs(1, 5, 1, 100)))
	mustClose(t, s)
	full := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			return syscall.ENOSPC
		}
		return nil
	})
	fatal := make(chan error, 100)
	o := small(errorfs.Wrap(fs, full), "/d")
	o.OnFatal = func(err error) {
		fatal <- err
		runtime.Goexit() // the process ends here
	}
	go func() { _, _ = Open(o) }() // it does not come back, as its background work ended
	select {
	case err := <-fatal:
		if !strings.Contains(err.Error(), "make room") {
			t.Errorf("fatal error %q does not say what to do", err)
		}
	case <-time.After(time.Minute):
		t.Error("the start neither ends nor gives up")
	}
}
