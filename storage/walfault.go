package storage

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// walFS ends the process at the first operation on a WAL, or on the directory of the database, that the disk refuses while the
// store is open. It sits below Pebble, because Pebble cannot say it any more: when it comes to its next WAL and cannot close the
// last one or make the new one it panics without the lock that its caller's defer gives back, and that is the end of a Go
// process in two unreadable lines, with the exit status of any crash.
type walFS struct {
	vfs.FS
	store *Store
	db    string
}

// fault ends the process if err is an error. It returns err, which matters before the store is open and while it closes.
func (w *walFS) fault(doing, path string, err error) error {
	if err == nil || w.store.phase.Load() != phaseOpen {
		return err
	}
	w.store.o.fatal(refused(w.db, fmt.Errorf("%s %s: %w", doing, w.FS.PathBase(path), err)))
	return err
}

// refused is the error of a database whose disk refuses.
func refused(db string, err error) error {
	if vfs.IsNoSpaceError(err) {
		return fmt.Errorf("storage: %s database: %w: make room on the disk under the data directory, then start again", db, err)
	}
	return fmt.Errorf("storage: %s database: %w: check the disk under the data directory, then start again", db, err)
}

func (w *walFS) file(f vfs.File, path string, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &walFile{File: f, fs: w, path: path}, nil
}

func (w *walFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := w.FS.Create(name, category)
	if !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return w.file(f, name, w.fault("create", name, err))
}

func (w *walFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := w.FS.ReuseForWrite(oldname, newname, category)
	if !strings.HasSuffix(newname, ".log") {
		return f, err
	}
	return w.file(f, newname, w.fault("reuse", newname, err))
}

func (w *walFS) OpenDir(name string) (vfs.File, error) {
	f, err := w.FS.OpenDir(name)
	return w.file(f, name, err)
}

// Unwrap is for Pebble, which looks for the file system of the kernel.
func (w *walFS) Unwrap() vfs.FS { return w.FS }

// walFile is an open WAL, or the directory.
type walFile struct {
	vfs.File
	fs   *walFS
	path string
}

func (f *walFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.fs.fault("write", f.path, err)
}

func (f *walFile) Sync() error {
	return f.fs.fault("sync", f.path, f.File.Sync())
}

func (f *walFile) SyncData() error {
	return f.fs.fault("sync", f.path, f.File.SyncData())
}

func (f *walFile) SyncTo(length int64) (fullSync bool, err error) {
	fullSync, err = f.File.SyncTo(length)
	return fullSync, f.fs.fault("sync", f.path, err)
}

func (f *walFile) Close() error {
	return f.fs.fault("close", f.path, f.File.Close())
}
