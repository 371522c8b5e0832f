package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// slowDisk is the duration from which one disk operation is counted as slow.
const slowDisk = time.Second

// commonOptions are the settings that both databases share.
func (s *Store) commonOptions(name string, c *counters) *pebble.Options {
	o := &pebble.Options{
		FS: &walFS{FS: s.fs, store: s, db: name},
		// The default is the oldest format, with which a flipped byte in the newest WAL silently drops what follows.
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableStopWritesThreshold: 4, // the default stalls writers as soon as one flush is behind
		Logger:                      &pebbleLogger{name: name, log: s.o.Logger, fatal: s.o.fatal},
		EventListener:               s.events(name, c),
	}
	return o
}

// logOptions are the settings of the raft log: every write synced, short-lived values, served from the ring.
func (s *Store) logOptions() *pebble.Options {
	o := s.commonOptions("log", &s.log.counters)
	o.MemTableSize = uint64(s.o.LogMemtable)
	o.L0CompactionThreshold = 8
	o.L0StopWritesThreshold = 24
	o.LBaseMaxBytes = 512 << 20
	o.CacheSize = 8 << 20
	o.CompactionConcurrencyRange = func() (int, int) { return 1, 1 }
	o.FlushDelayDeleteRange = 10 * time.Second // or range deletions never force a flush, and their space stays taken
	o.TargetFileSizes[0] = 16 << 20
	for i := range o.Levels {
		o.Levels[i].BlockSize = 32 << 10
	}
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	return o
}

// stateOptions are the settings of what replay can rebuild: NoSync writes, point reads of blobs, sequential reads of pages.
func (s *Store) stateOptions() *pebble.Options {
	o := s.commonOptions("state", &s.state.counters)
	o.MemTableSize = uint64(s.o.StateMemtable)
	o.L0CompactionThreshold = 4
	o.L0StopWritesThreshold = 24
	o.LBaseMaxBytes = 256 << 20
	o.CacheSize = s.o.StateCache
	o.CompactionConcurrencyRange = func() (int, int) { return 1, 2 }
	o.WALBytesPerSync = 1 << 20 // nothing syncs this WAL for minutes: keep the write-back smooth
	o.Experimental.SpanPolicyFunc = tablesOfOneKind
	o.TargetFileSizes = [7]int64{flushedTable, s.o.StateMemtable / blobShare, 8 << 20, 16 << 20, 32 << 20, 64 << 20, 128 << 20}
	o.L0CompactionFileThreshold = 64 // from here on tables that nothing overlaps leave L0, one by one, by a line in the manifest
	for i := range o.Levels {
		o.Levels[i].BlockSize = 32 << 10
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

// blobShare keeps blobs out of the compactions of others. Win rows of every flush overlap, so they are compacted all the time, and
// Pebble lets such a compaction grow by whatever else lies in L0, as long as all of it stays below 25 target sizes of a table of
// the level it goes to. With a target of this part of a memtable one flush of blobs, compressed to half, is beyond that.
const blobShare = 64

// flushedTable is how large the tables of a flush become, compressed. Those of blobs stay as they are for good, and each costs a move
// from level to level, a sync of the manifest each time, and a place in memory. 6 million records in 24,000 blobs: 82 tables and 17
// moves, where tables of 2 MiB were 321 and took 318.
const flushedTable = 8 << 20

// tablesOfOneKind ends a table where the next kind of key begins. Blobs come in the order of the log: in tables of their own
// no two overlap, and none need ever be written again. In one table with win rows, whose keys begin with the campaign, each
// overlaps all others.
func tablesOfOneKind(start []byte) (pebble.SpanPolicy, []byte, error) {
	return pebble.SpanPolicy{}, []byte{start[0] + 1}, nil
}

// events counts and logs what Pebble reports, and ends the process when a background job fails.
func (s *Store) events(name string, c *counters) *pebble.EventListener {
	log := s.o.Logger.With("db", name)
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			c.backgroundErrors.Add(1)
			log.Error("background work of the database failed", "err", firstLine(err))
			// While it opens a database Pebble tries a flush again and again, for as long as there is no room for it.
			if phase := s.phase.Load(); phase == phaseOpen || phase == phaseOpening && vfs.IsNoSpaceError(err) {
				s.o.fatal(backgroundFault(name, err))
			}
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			c.corruptions.Add(1)
			log.Error("damaged file", "path", i.Path, "err", i.Details)
		},
		DiskSlow: func(i pebble.DiskSlowInfo) { s.diskSlow(i) },
		LowDiskSpace: func(i pebble.LowDiskSpaceInfo) {
			log.Warn("little disk space is left", "available_bytes", i.AvailBytes, "total_bytes", i.TotalBytes)
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			c.stalls.Add(1)
			c.stalled.Store(true)
			log.Warn("writes stall", "reason", i.Reason)
		},
		WriteStallEnd: func() { c.stalled.Store(false) },
	}
}

// backgroundFault is the error of a flush or compaction that failed: what it read was damaged, or the disk refused.
func backgroundFault(name string, err error) error {
	if pebble.IsCorruptionError(err) {
		return &DamagedError{What: "a compaction of the " + name + " database found a damaged file", Remedy: remedyReplace, Err: err}
	}
	if vfs.IsNoSpaceError(err) {
		return refused(name, err)
	}
	return fmt.Errorf("storage: %s database: background work failed: %w", name, err)
}

func (s *Store) diskSlow(i vfs.DiskSlowInfo) {
	s.slow.count.Add(1)
	s.slow.last.Store(int64(i.Duration))
	s.o.Logger.Warn("disk is slow", "path", i.Path, "operation", i.OpType.String(), "duration", i.Duration)
}

// openDB opens one database. Only with create may it be missing, and then it is created.
func (s *Store) openDB(name string, o *pebble.Options, create bool) (db *pebble.DB, err error) {
	dir := s.fs.PathJoin(s.o.Dir, name)
	o.ErrorIfNotExists = !create
	o.ErrorIfExists = create
	defer func() {
		// Pebble panics on some damages of its files.
		if r := recover(); r != nil {
			db, err = nil, damagedDB(dir, fmt.Errorf("panic: %v", r))
		}
	}()
	db, err = pebble.Open(dir, o)
	if err != nil {
		return nil, damagedDB(dir, err)
	}
	return db, nil
}

// damagedDB tells a damaged database from a disk or a system that refuses (no space, no permission, input/output error).
func damagedDB(dir string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != syscall.ENOENT {
		return fmt.Errorf("storage: open %s: %w", dir, err)
	}
	return &DamagedError{What: "the database in " + dir + " cannot be opened", Remedy: remedyReplace, Err: err}
}

// createDB makes a new database and closes it, for Open to open it again: the first WAL of a new one still has the oldest format.
// Nothing is kept of an interrupted creation, for the same reason.
func (s *Store) createDB(name string, o *pebble.Options) error {
	dir := s.fs.PathJoin(s.o.Dir, name)
	if err := s.fs.RemoveAll(dir); err != nil {
		return fmt.Errorf("storage: remove %s: %w", dir, err)
	}
	if err := mkdirSynced(s.fs, dir); err != nil {
		return err
	}
	db, err := s.openDB(name, o, true)
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return fmt.Errorf("storage: close %s: %w", dir, err)
	}
	return nil
}

// pebbleLogger gives Pebble's messages to slog. Its Fatalf really ends the process: Pebble goes on with a broken commit pipeline
// when Fatalf returns.
type pebbleLogger struct {
	name  string
	log   *slog.Logger
	fatal func(error)
}

func (l *pebbleLogger) Infof(format string, args ...any)  { l.logf(slog.LevelDebug, format, args) }
func (l *pebbleLogger) Errorf(format string, args ...any) { l.logf(slog.LevelError, format, args) }
func (l *pebbleLogger) Fatalf(format string, args ...any) {
	l.fatal(fmt.Errorf("storage: %s database: "+format, append([]any{l.name}, args...)...))
}

func (l *pebbleLogger) logf(level slog.Level, format string, args []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, fmt.Sprintf(format, args...), "db", l.name)
	}
}
