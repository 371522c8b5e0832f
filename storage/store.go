package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The phases of a Store. A failing background job ends the process only while the store is open: before, Open reports it, and
// after, there is nothing left to lose.
const (
	phaseOpening int32 = iota
	phaseOpen
	phaseClosing
)

// Store is one data directory: the log database, the state database, the watermark file, the format file and the lock.
type Store struct {
	o     Options
	fs    vfs.FS
	log   *Log
	state *State
	lock  io.Closer
	watch io.Closer // stops the disk health checks; nil when there are none
	phase atomic.Int32
	slow  struct{ count, last atomic.Int64 }
}

// Open opens the data directory, and creates it when it is new. The errors *FormatError, *LockedError and *DamagedError say what
// to do. Nothing may be appended to the log before Log.Verify.
func Open(o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Store{o: o.withDefaults(), fs: o.FS}
	if s.fs == nil {
		s.fs, s.watch = vfs.WithDiskHealthChecks(vfs.Default, slowDisk, nil, s.diskSlow)
	}
	s.log, s.state = newLog(s), newState(s)
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.phase.Store(phaseOpen)
	return s, nil
}

func (s *Store) open() error {
	if err := mkdirSynced(s.fs, s.o.Dir); err != nil {
		return err
	}
	var err error
	if s.lock, err = s.fs.Lock(s.fs.PathJoin(s.o.Dir, lockName)); err != nil {
		var path *os.PathError
		if errors.As(err, &path) { // the file itself, not the lock on it
			return fmt.Errorf("storage: lock the data directory: %w", err)
		}
		return &LockedError{Dir: s.o.Dir, Err: err}
	}
	format, err := s.readFormat()
	if err != nil {
		return err
	}
	if format != formatReady {
		if err := s.create(); err != nil {
			return err
		}
	}
	if s.log.db, err = s.openDB(logName, s.logOptions(), false); err != nil {
		return err
	}
	if s.state.db, err = s.openDB(stateName, s.stateOptions(), false); err != nil {
		return err
	}
	s.state.tableOptions = s.stateOptions()
	s.state.tableOptions.EnsureDefaults()
	if err := s.state.load(); err != nil {
		return err
	}
	return s.log.load(s.state.LastBlob())
}

// create makes an empty data directory, in an order that lets a power cut at any point be told from a loss.
func (s *Store) create() error {
	if err := s.writeFormat(formatCreating); err != nil {
		return err
	}
	if err := createWatermark(s.fs, s.fs.PathJoin(s.o.Dir, watermarkName)); err != nil {
		return err
	}
	if err := s.createDB(logName, s.logOptions()); err != nil {
		return err
	}
	if err := s.createDB(stateName, s.stateOptions()); err != nil {
		return err
	}
	if err := syncDir(s.fs, s.o.Dir); err != nil {
		return err
	}
	return s.writeFormat(formatReady)
}

// Log returns the raft log and the stable values.
func (s *Store) Log() *Log { return s.log }

// State returns what replaying the log can rebuild.
func (s *Store) State() *State { return s.state }

// Close brings the watermark up to date and closes both databases. Log and State must not be in use. What State has not synced
// may be lost all the same: Close is no Sync.
func (s *Store) Close() error {
	s.phase.Store(phaseClosing)
	errs := []error{s.log.close(), s.state.close()}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	if s.watch != nil {
		errs = append(errs, s.watch.Close())
		s.watch = nil
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("storage: close %s: %w", s.o.Dir, err)
	}
	return nil
}
