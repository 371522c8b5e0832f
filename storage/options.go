package storage

import (
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options configures a Store. Zero values mean the documented default.
type Options struct {
	Dir    string       // data directory; created when missing. Required
	FS     vfs.FS       // nil: the real disk
	Logger *slog.Logger // nil: slog.Default()
	// OnFatal is called once when the store can no longer be trusted to write: a failed sync, a failed background write. It must not
	// return; when it does, or is nil, the process exits with ExitDisk.
	OnFatal func(error)

	RingBytes     int64 // recent log records kept in memory; default 64 MiB
	LogMemtable   int64 // memtable of the log database; default 64 MiB
	StateMemtable int64 // memtable of the state database; default 64 MiB
	StateCache    int64 // block cache of the state database; default 64 MiB
}
