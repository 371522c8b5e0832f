package storage

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// quiet is a logger that drops everything.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// small are options for tests: one directory, small memtables.
func small(fs vfs.FS, dir string) Options {
	return Options{Dir: dir, FS: fs, Logger: quiet, LogMemtable: 1 << 20, StateMemtable: 1 << 20}
}

// mustOpen opens a store whose fatal errors fail the test.
func mustOpen(tb testing.TB, o Options) *Store {
	tb.Helper()
	if o.OnFatal == nil {
		o.OnFatal = func(err error) {
			tb.Errorf("fatal: %v", err)
			runtime.Goexit()
		}
	}
	s, err := Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// mustVerify opens a store and proves its log against its checkpoint.
func mustVerify(tb testing.TB, o Options) *Store {
	tb.Helper()
	s := mustOpen(tb, o)
	if err := verify(s); err != nil {
		tb.Fatal(err)
	}
	return s
}

func verify(s *Store) error {
	m, _ := s.State().Manifest()
	return s.Log().Verify(m.Base())
}

func mustClose(tb testing.TB, s *Store) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// isDamaged fails the test unless err is a DamagedError whose text contains what and says what to do.
func isDamaged(tb testing.TB, err error, what string) {
	tb.Helper()
	var d *DamagedError
	if !errors.As(err, &d) {
		tb.Fatalf("want a DamagedError with %q, got %v", what, err)
	}
	if !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "restore a backup") {
		tb.Fatalf("want %q and a remedy, got %v", what, err)
	}
}

func TestOpenNewStoreOnTheRealDisk(t *testing.T) {
	o := small(nil, filepath.Join(t.TempDir(), "a", "b"))
	s := mustVerify(t, o)
	check(t, s.Log().Append([]LogRecord{{Index: 1, Term: 1, Data: []byte("x")}}))
	if _, err := Open(o); !errors.As(err, new(*LockedError)) || !strings.Contains(err.Error(), "is in use") {
		t.Fatalf("second open: %v", err)
	}
	mustClose(t, s)
	s = mustVerify(t, o)
	if s.Log().Last() != 1 {
		t.Fatalf("last is %d", s.Log().Last())
	}
	if m := s.Metrics(); m.LogBytes == 0 || m.Watermark != 1 {
		t.Fatalf("metrics %+v", m)
	}
	mustClose(t, s)
	names, err := os.ReadDir(o.Dir)
	check(t, err)
	var got []string
	for _, n := range names {
		got = append(got, n.Name())
	}
	if want := "FORMAT LOCK WATERMARK log state"; strings.Join(got, " ") != want {
		t.Fatalf("directory has %q, want %q", got, want)
	}
}

func TestOptionsReportAllFaults(t *testing.T) {
	_, err := Open(Options{LogMemtable: 5, StateMemtable: 2 << 30, RingBytes: -1, StateCache: -1})
	for _, want := range []string{"Dir", "LogMemtable", "StateMemtable", "RingBytes", "StateCache"} {
		if err == nil || !strings.Contains(err.Error(), "Options."+want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestFormatFile(t *testing.T) {
	if got, want := string(encodeFormat(1, formatReady)), "drawd-data 1 ready a8a71c63edae3621\n"; got != want {
		t.Errorf("format file is %q, want %q", got, want)
	}
	open := func(contents string) error {
		fs := vfs.NewMem()
		mustClose(t, mustOpen(t, small(fs, "/d")))
		if contents == "" {
			check(t, fs.Remove("/d/FORMAT"))
		} else {
			check(t, writeFileSynced(fs, "/d/FORMAT", []byte(contents)))
		}
		s, err := Open(small(fs, "/d"))
		if err == nil {
			mustClose(t, s)
		}
		return err
	}
	if err := open(string(encodeFormat(1, formatReady))); err != nil {
		t.Errorf("same format: %v", err)
	}
	var f *FormatError
	if err := open(string(encodeFormat(3, formatReady))); !errors.As(err, &f) || f.Found != 3 || f.Upto != FormatVersion {
		t.Errorf("newer format: %v", err)
	} else if want := "has format 3, this drawd reads up to 1: start it with the drawd that wrote it, or restore a backup"; !strings.Contains(err.Error(), want) {
		t.Errorf("newer format says %q", err)
	}
	isDamaged(t, open(""), "no FORMAT")
	isDamaged(t, open("drawd-data 1 ready a8a71c63edae3622\n"), "FORMAT cannot be read")
	isDamaged(t, open("drawd-data 3 ready a8a71c63edae3621\n"), "FORMAT cannot be read")
	isDamaged(t, open(string(encodeFormat(1, "other"))), "FORMAT cannot be read")
	isDamaged(t, open(string(encodeFormat(0, formatReady))), "FORMAT cannot be read")
}

// A file that is missing from a directory that was ready is a loss, never a reason to begin anew.
func TestMissingParts(t *testing.T) {
	for _, part := range []string{"log", "state", "WATERMARK"} {
		fs := vfs.NewMem()
		mustClose(t, mustVerify(t, small(fs, "/d")))
		check(t, fs.RemoveAll("/d/"+part))
		s, err := Open(small(fs, "/d"))
		if err == nil {
			mustClose(t, s)
		}
		isDamaged(t, err, "/d/"+part)
	}
}

// The power may be cut at any point of a store's creation: what is left opens.
func TestCreationIsAtomic(t *testing.T) {
	count := func(after int64) (left vfs.FS, done bool) {
		fs := NewCrashFS()
		var n atomic.Int64
		var cut *CrashFS
		hook := onSync(fs, func() {
			if n.Add(1) == after {
				cut = fs.CrashClone(vfs.CrashCloneCfg{})
			}
		})
		mustClose(t, mustOpen(t, small(hook, "/x/d")))
		if cut == nil {
			return nil, true
		}
		return cut, false
	}
	for i := int64(1); ; i++ {
		fs, done := count(i)
		if done {
			if i < 20 {
				t.Fatalf("only %d syncs seen", i)
			}
			return
		}
		s := mustVerify(t, small(fs, "/x/d"))
		check(t, s.Log().Append([]LogRecord{{Index: 1, Term: 1}}))
		mustClose(t, s)
	}
}

// child runs this test binary again, to do what only another process can show.
func child(t *testing.T, do, dir string) (output string, status int) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestChild$")
	c.Env = append(os.Environ(), "STORAGE_CHILD="+do, "STORAGE_DIR="+dir)
	b, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(b), c.ProcessState.ExitCode()
}

// TestChild is the other process; alone it does nothing.
func TestChild(t *testing.T) {
	dir := os.Getenv("STORAGE_DIR")
	do := os.Getenv("STORAGE_CHILD")
	if call, ok := strings.CutPrefix(do, "disk-error-"); ok {
		diskErrorChild(t, call, dir)
	}
	switch do {
	case "open":
		_, err := Open(Options{Dir: dir, Logger: quiet})
		fmt.Println(err)
	case "fatal":
		s, err := Open(Options{Dir: dir, Logger: quiet})
		check(t, err)
		s.log.db.Close()
		(&pebbleLogger{name: "log", log: quiet, fatal: s.o.fatal}).Fatalf("fatal commit error: %v", errDisk)
		fmt.Println("survived")
	}
}

func TestOtherProcess(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, small(nil, dir))
	if out, _ := child(t, "open", dir); !strings.Contains(out, "is in use: another drawd is running on it") {
		t.Errorf("a second process says %s", out)
	}
	mustClose(t, s)
	out, status := child(t, "fatal", dir)
	if status != ExitDisk || !strings.Contains(out, "FATAL: storage: log database: fatal commit error: input/output error") || strings.Contains(out, "survived") {
		t.Errorf("status %d after %s", status, out)
	}
}

func TestEvents(t *testing.T) {
	var fatal []error
	o := small(vfs.NewMem(), "/d")
	o.OnFatal = func(err error) { fatal = append(fatal, err); panic("end of the process") }
	s := mustOpen(t, o)
	e := s.events("log", &s.log.counters)
	e.WriteStallBegin(pebble.WriteStallBeginInfo{Reason: "test"})
	m := s.Metrics()
	if m.Log.Stalls != 1 || !m.Log.Stalled || m.State.Stalls != 0 {
		t.Errorf("stall: %+v", m)
	}
	e.WriteStallEnd()
	e.DataCorruption(pebble.DataCorruptionInfo{Path: "x", Details: errDisk})
	e.DiskSlow(vfs.DiskSlowInfo{Path: "x", Duration: 3 * time.Second})
	func() {
		defer func() { _ = recover() }()
		e.BackgroundError(errDisk)
	}()
	m = s.Metrics()
	if m.Log.Stalled || m.Log.Corruptions != 1 || m.Log.BackgroundErrors != 1 || m.DiskSlow != 1 || m.DiskSlowLast != 3*time.Second {
		t.Errorf("events: %+v", m)
	}
	if len(fatal) != 1 || !errors.Is(fatal[0], errDisk) {
		t.Errorf("a background error while open: %v", fatal)
	}
	mustClose(t, s)
	e.BackgroundError(errDisk) // of a job that Close broke off: not fatal
	if len(fatal) != 1 {
		t.Error("a background error after Close is fatal")
	}
}
