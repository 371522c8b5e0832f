package storage

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
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
	fs    *vfs.MemFS
	fail  atomic.Pointer[func(op errorfs.Op) bool]
	fatal chan error
}

func openFailing(t *testing.T) *failing {
	f := &failing{fs: NewCrashFS(), fatal: make(chan error, 100)}
	inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fail := f.fail.Load(); fail != nil && (*fail)(op) {
			return errDisk
		}
		return nil
	})
	o := small(errorfs.Wrap(f.fs, inject), "/d")
	o.OnFatal = func(err error) {
		f.fatal <- err
		runtime.Goexit() // the process ends here
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
	case <-time.After(20 * time.Second):
		t.Errorf("the process goes on after a disk error of %s", what)
	}
}

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
}

// acknowledged runs an operation that must not return nil: it ends the process, or returns an error.
func acknowledged(op func() error) bool {
	ok := make(chan bool, 1)
	go func() {
		defer close(ok)
		if op() == nil {
			ok <- true
		}
	}()
	return <-ok
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
				if acknowledged(func() error { return op(f.s.Log()) }) {
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
		if acknowledged(func() error { return checkpoint(f.s.State(), manifestOf(2), map[uint64][]byte{1: page(1, 2, 4000)}) }) {
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

// The same in a process of its own, with nobody to catch the end: it exits with ExitDisk, and what it had acknowledged is there.
func TestDiskErrorEndsTheProcess(t *testing.T) {
	for _, call := range []string{"append", "truncate"} {
		dir := t.TempDir()
		out, status := child(t, "disk-error-"+call, dir)
		if status != ExitDisk || !strings.Contains(out, "FATAL: storage: log database") || strings.Contains(out, "acknowledged") {
			t.Errorf("%s: status %d after %s", call, status, out)
		}
		s := mustVerify(t, small(nil, dir))
		if last := s.Log().Last(); last < 3 || last > 6 {
			t.Errorf("%s: log ends at %d", call, last)
		}
		mustClose(t, s)
	}
}

// diskErrorChild appends five records, and then meets a disk whose syncs fail.
func diskErrorChild(t *testing.T, call, dir string) {
	var broken atomic.Bool
	o := small(errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && wal(op) && isSync(op) {
			return errDisk
		}
		return nil
	})), dir)
	s, err := Open(o)
	check(t, err)
	check(t, verify(s))
	check(t, s.Log().Append(recs(1, 5, 1, 100)))
	broken.Store(true)
	if call == "append" {
		err = s.Log().Append(recs(6, 1, 1, 100))
	} else {
		err = s.Log().TruncateTail(4)
	}
	if err == nil {
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
	case <-time.After(20 * time.Second):
		t.Error("the start neither ends nor gives up")
	}
}

// A blob for which there is no room ends the process in words: Pebble panics.
func TestABlobWithoutRoomEndsInWords(t *testing.T) {
	f := openFailing(t)
	f.from(func(op errorfs.Op) bool {
		return strings.Contains(op.Path, "/state/") && strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpRename || op.Kind == errorfs.OpReuseForWrite)
	})
	go func() {
		for i := uint64(1); i < 5000; i++ { // a memtable is 1 MiB
			b := makeBlob(i, 40, size110)
			if b.put(f.s.State(), i) != nil {
				return
			}
		}
	}()
	f.mustBeFatal(t, "state database")
}
