package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ExitDisk is the exit status of a process that stops because its disk failed and Options.OnFatal did not stop it.
const ExitDisk = 10

// Bounds of the sizes in Options.
const (
	minMemtable = 1 << 20 // below it a checkpoint batch would be half a memtable, which rotates the WAL each time
	maxMemtable = 1 << 30
)

// Options configures a Store. Zero values mean the documented default.
type Options struct {
	Dir    string       // data directory; created when missing. Required
	FS     vfs.FS       // nil: the real disk, with health checks
	Logger *slog.Logger // nil: slog.Default()

	// OnFatal is called when the store can no longer write what it must: a failed sync, write or background job. Several goroutines
	// may call it, some of them with locks of the databases held, so it must not call back into the store. It must neither return nor
	// unwind its goroutine (Pebble's deferred calls would crash); when it returns, or is nil, the process exits with ExitDisk.
	OnFatal func(error)

	RingBytes     int64 // recent log records kept in memory; default 64 MiB
	LogMemtable   int64 // memtable of the log database; default 64 MiB. An Append should stay below half of it
	StateMemtable int64 // memtable of the state database; default 64 MiB
	StateCache    int64 // block cache of the state database; default 64 MiB
}

// Validate reports all faults of o at once.
func (o *Options) Validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("storage: Options.Dir is empty: name the data directory"))
	}
	memtable := func(name string, size int64) {
		if size != 0 && (size < minMemtable || size > maxMemtable) {
			errs = append(errs, fmt.Errorf("storage: Options.%s is %d bytes: use %d to %d, or 0 for the default", name, size, minMemtable, maxMemtable))
		}
	}
	memtable("LogMemtable", o.LogMemtable)
	memtable("StateMemtable", o.StateMemtable)
	if o.RingBytes < 0 {
		errs = append(errs, fmt.Errorf("storage: Options.RingBytes is %d: use a positive number, or 0 for the default", o.RingBytes))
	}
	if o.StateCache < 0 {
		errs = append(errs, fmt.Errorf("storage: Options.StateCache is %d: use a positive number, or 0 for the default", o.StateCache))
	}
	return errors.Join(errs...)
}

// withDefaults fills in the zero values, except FS.
func (o Options) withDefaults() Options {
	size := func(p *int64) {
		if *p == 0 {
			*p = 64 << 20
		}
	}
	size(&o.RingBytes)
	size(&o.LogMemtable)
	size(&o.StateMemtable)
	size(&o.StateCache)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// fatal ends the process: OnFatal's way if there is one.
func (o *Options) fatal(err error) {
	if o.OnFatal != nil {
		o.OnFatal(err)
	} else {
		fmt.Fprintln(os.Stderr, "FATAL:", err)
	}
	os.Exit(ExitDisk)
}
