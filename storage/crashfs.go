package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// CrashFS is a file system in memory that tells what was synced from what was not. It fits Options.FS.
//
// Pebble's own takes its lock for reading twice in one Link and in one ReuseForWrite. A clone that comes between the two waits for
// the first, and is waited for by the second, for ever: so here these and clones come one at a time.
type CrashFS struct {
	*vfs.MemFS
	twice sync.Mutex // held over what takes MemFS's lock twice, and over a clone
}

// FS is what Options.FS takes.
type FS = vfs.FS

// NewCrashFS returns an empty CrashFS.
func NewCrashFS() *CrashFS { return &CrashFS{MemFS: vfs.NewCrashableMem()} }

// Link implements FS.
func (fs *CrashFS) Link(oldname, newname string) error {
	fs.twice.Lock()
	defer fs.twice.Unlock()
	return fs.MemFS.Link(oldname, newname)
}

// ReuseForWrite implements FS.
func (fs *CrashFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	fs.twice.Lock()
	defer fs.twice.Unlock()
	return fs.MemFS.ReuseForWrite(oldname, newname, category)
}

// CrashClone returns a state that a crash could leave of fs at this moment, as Pebble's does.
func (fs *CrashFS) CrashClone(how vfs.CrashCloneCfg) *CrashFS {
	fs.twice.Lock()
	defer fs.twice.Unlock()
	return &CrashFS{MemFS: fs.MemFS.CrashClone(how)}
}

// PowerCut returns a state that a power cut could leave of fs at this moment: all that was synced, and each block that was not
// with the given probability in percent. fs goes on unharmed, so that what ran on it can be stopped in peace.
func PowerCut(fs *CrashFS, unsyncedPercent int, rng *rand.Rand) *CrashFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsyncedPercent, RNG: rng})
}

// DiskOp is one change of a disk that is about to be made.
type DiskOp struct {
	Path string
	Sync bool // it makes earlier writes to the file durable; otherwise it writes, creates, renames or removes
	Log  bool // the file is a WAL of the log
	Calm bool // of a Sync with Log: nobody holds a lock on which somebody else would wait, so it may take time
}

// Disk returns fs with before called for each change. What before returns, unless it is nil, becomes of the change; in
// simulated time it may also sleep, if the operation is calm.
func Disk(fs *CrashFS, before func(DiskOp) error) FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil
		}
		o := DiskOp{Path: op.Path}
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			o.Sync = true
		}
		o.Log = isLogWAL(op.Path)
		o.Calm = o.Log && o.Sync && !closesWAL()
		return before(o)
	}))
}

// closesWAL reports whether its caller's caller syncs a WAL because that ends: Pebble holds locks then, while a sync that
// a commit waits for runs on a goroutine that holds none.
func closesWAL() bool {
	var pcs [24]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, ".closeInternal") {
			return true
		}
		if !more {
			return false
		}
	}
}

func isLogWAL(path string) bool {
	return strings.Contains(path, "/"+logName+"/") && strings.HasSuffix(path, ".log")
}

// LoseTail overwrites the last n bytes of the newest WAL of the log in a data directory with zeros, as a disk does that lied
// about what it had synced. The directory must not be open.
func LoseTail(fs *CrashFS, dir string, n int64) error {
	folder := fs.PathJoin(dir, logName)
	names, err := fs.List(folder)
	if err != nil {
		return fmt.Errorf("storage: list the log's files: %w", err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, ".log") })
	if len(names) == 0 {
		return fmt.Errorf("storage: %s has no WAL", folder)
	}
	f, err := fs.OpenReadWrite(fs.PathJoin(folder, slices.Max(names)), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("storage: open the newest WAL: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		n = min(n, info.Size())
		_, err = f.WriteAt(make([]byte, n), info.Size()-n)
	}
	return errors.Join(err, f.Sync(), f.Close())
}
