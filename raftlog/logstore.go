package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/internal/failpoint"
	"github.com/drawd/drawd/internal/mutant"
	"github.com/drawd/drawd/storage"
	"github.com/hashicorp/raft"
)

// logDisk is what this package needs of storage.Log. Tests put faults behind it.
type logDisk interface {
	First() uint64
	Last() uint64
	Append(recs []storage.LogRecord) error
	Get(index uint64, r *storage.LogRecord) error
	TruncateHead(through uint64) error
	TruncateTail(from uint64) error
	Bytes() int64
	TailStart(bytes int64) uint64
	Stable(key []byte) ([]byte, error)
	SetStable(key, val []byte) error
	Verify(base storage.Base) error
	Chain(index uint64) ([16]byte, bool)
	Rebase(base storage.Base) error
	Tail() storage.Base
}

// logStore is raft's LogStore and StableStore over storage.Log: thin, but exact about what raft compares by identity or
// by text, and fail-stop. Raft would only step down after a failed write, and a leader whose disk hangs would lead for
// ever: here a failed write ends the process, and the watch reads the age of a running one.
type logStore struct {
	disk    logDisk
	clock   Clock
	metrics *metricSet
	fatal   func(code int, why string)
	// durable is the newest checkpoint's index: what lies at or below it may be cut from the front of the log.
	durable func() uint64
	pins    *pins

	// When a running write began, monotonic ns, 0 for none: writes of raft's main goroutine, truncations, notes of other nodes.
	writing, cutting, noting atomic.Int64

	voted atomic.Uint64 // the newest term in which this node gave its vote

	records []storage.LogRecord // raft's main goroutine only
}

var (
	_ raft.LogStore          = (*logStore)(nil)
	_ raft.StableStore       = (*logStore)(nil)
	_ raft.MonotonicLogStore = (*logStore)(nil)
)

// IsMonotonic tells raft that the log has no gaps: it then deletes everything after a restore instead of leaving one.
func (s *logStore) IsMonotonic() bool { return true }

func (s *logStore) FirstIndex() (uint64, error) { return s.disk.First(), nil }
func (s *logStore) LastIndex() (uint64, error)  { return s.disk.Last(), nil }

// GetLog reads one record. Raft compares raft.ErrLogNotFound with ==: it must not be wrapped.
func (s *logStore) GetLog(index uint64, l *raft.Log) error {
	var r storage.LogRecord
	err := s.disk.Get(index, &r)
	if errors.Is(err, storage.ErrNotFound) {
		return raft.ErrLogNotFound
	}
	if err != nil {
		return fmt.Errorf("raftlog: read log record %d: %w", index, err)
	}
	*l = raft.Log{Index: r.Index, Term: r.Term, Type: raft.LogType(r.Type), Data: r.Data, Extensions: r.Extensions}
	if r.AppendedAt != 0 {
		l.AppendedAt = time.Unix(0, r.AppendedAt)
	}
	return nil
}

func (s *logStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs returns when the records are synced.
func (s *logStore) StoreLogs(logs []*raft.Log) error {
	s.records = s.records[:0]
	for _, l := range logs {
		if mutant.On(mutant.TailStays) && l.Index <= s.disk.Last() {
			continue
		}
		r := storage.LogRecord{Index: l.Index, Term: l.Term, Type: uint8(l.Type), Data: l.Data, Extensions: l.Extensions}
		if !l.AppendedAt.IsZero() {
			r.AppendedAt = l.AppendedAt.UnixNano()
		}
		s.records = append(s.records, r)
	}
	begun := s.begin(&s.writing)
	failpoint.Hit(failpoint.BeforeSync)
	err := s.disk.Append(s.records)
	failpoint.Hit(failpoint.AfterSync)
	clear(s.records)
	s.metrics.appendLog.Update((s.clock.Monotonic() - begun).Seconds())
	return s.end(&s.writing, "append to the log", err)
}

// DeleteRange cuts the log at its front (behind a checkpoint, or all of it after a snapshot was installed) or at its end (a
// conflict with the leader). At the front it never goes beyond the checkpoint, although raft, after a snapshot, asks for all
// there is: entries that continue it were acknowledged, and those that do not were deleted with install. Nor does it go beyond
// a pin. Raft asks for the first index each time, so it takes less for an answer.
func (s *logStore) DeleteRange(from, to uint64) error {
	first, last := s.disk.First(), s.disk.Last()
	if last == 0 || to < first || from > last {
		return nil
	}
	switch durable := s.durable(); {
	case from <= first && (to < last || first <= durable):
		if to >= last {
			to = min(last, durable)
		}
		s.begin(&s.cutting)
		failpoint.Hit(failpoint.BeforeCut)
		err := s.disk.TruncateHead(s.pins.keep(to, s.disk.Bytes()))
		failpoint.Hit(failpoint.AfterCut)
		return s.end(&s.cutting, "truncate the log", err)
	case to >= last && mutant.On(mutant.TailStays):
		return nil
	case to >= last:
		s.begin(&s.writing)
		return s.end(&s.writing, "truncate the log", s.disk.TruncateTail(max(from, first)))
	}
	return fmt.Errorf("raftlog: refused to cut records %d to %d out of a log of %d to %d: it must stay dense", from, to, first, last)
}

// rebase deletes the log, which an installed snapshot replaces, unless it continues the snapshot. After that, restart says that
// raft still knows of a longer log: it keeps the last index in memory and never looks again.
func (s *logStore) rebase(base storage.Base) (restart bool, err error) {
	if chain, ok := s.disk.Chain(base.Index); ok && chain == base.Chain {
		return false, nil
	}
	longer := s.disk.Last() > base.Index
	s.begin(&s.writing)
	return longer, s.end(&s.writing, "delete the log", s.disk.Rebase(base))
}

// Set writes a stable value and returns when it is synced.
func (s *logStore) Set(key, val []byte) error {
	s.begin(&s.writing)
	failpoint.Hit(failpoint.StableWrite)
	return s.end(&s.writing, "write a stable value", s.disk.SetStable(key, val))
}

// Get returns nil and no error for a missing key: raft knows other ways to say so by their text only.
func (s *logStore) Get(key []byte) ([]byte, error) {
	v, err := s.disk.Stable(key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	return v, err
}

func (s *logStore) SetUint64(key []byte, val uint64) error {
	err := s.Set(key, binary.BigEndian.AppendUint64(nil, val))
	if err == nil && string(key) == lastVoteKey {
		s.voted.Store(val)
	}
	return err
}

// GetUint64 returns 0 and no error for a missing key.
func (s *logStore) GetUint64(key []byte) (uint64, error) {
	v, err := s.Get(key)
	switch {
	case err != nil || len(v) == 0:
		return 0, err
	case len(v) != 8:
		return 0, &storage.DamagedError{
			What:   fmt.Sprintf("stable value %q has %d bytes", key, len(v)),
			Remedy: "This node must not vote with it: replace the node, keep its data directory for analysis",
		}
	}
	return binary.BigEndian.Uint64(v), nil
}

func (s *logStore) begin(slot *atomic.Int64) time.Duration {
	now := s.clock.Monotonic()
	slot.Store(max(1, int64(now)))
	return now
}

// end closes a write. A failed one is never tried again: what the kernel dropped once it does not report twice.
func (s *logStore) end(slot *atomic.Int64, what string, err error) error {
	slot.Store(0)
	if err != nil {
		err = fmt.Errorf("raftlog: %s: %w", what, err)
		s.fatal(ExitDisk, err.Error()+"; check the disk under --data and its free space, then start drawd again")
	}
	return err
}

// lastVoteKey is where raft keeps the newest term in which it voted.
const lastVoteKey = "LastVoteTerm"

// syncAge returns how long the oldest running write has been under way.
func (s *logStore) syncAge(now time.Duration) time.Duration {
	age := time.Duration(0)
	for _, slot := range []*atomic.Int64{&s.writing, &s.cutting, &s.noting} {
		if begun := slot.Load(); begun != 0 {
			age = max(age, now-time.Duration(begun))
		}
	}
	return age
}
