package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/failpoint"
	"github.com/drawd/drawd/internal/mutant"
	"github.com/drawd/drawd/storage"
	"github.com/hashicorp/raft"
)

// Snapshot cuts the machine's state, between two entries, on raft's FSM goroutine: nothing is applied meanwhile.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if f.stopped.Load() {
		return nil, errNoOutcome
	}
	begun := f.clock.Monotonic()
	era := f.era.Load()
	full := era != f.durableEra.Load()
	cut, err := f.machine.Capture(full)
	if err != nil {
		return nil, fmt.Errorf("raftlog: cut the state: %w", err)
	}
	index, conf := f.configuration()
	s := &snapshot{
		fsm: f, cut: cut, era: era, full: full, applied: f.applied.Load(), running: f.machine.RunningHash(),
		configuration: conf, configurationIndex: index, bytes: f.sinceCheckpoint.Swap(0),
	}
	s.pause = f.clock.Monotonic() - begun
	f.metrics.pause.Update(s.pause.Seconds())
	return s, nil
}

// snapshot is one checkpoint on its way to disk. Persist runs beside the FSM goroutine.
type snapshot struct {
	fsm                *fsm
	cut                capture
	era                uint64
	full               bool   // it replaces every page of the checkpoint before
	applied            uint64 // the last entry in the cut
	running            [16]byte
	configuration      []byte
	configurationIndex uint64
	bytes              int64 // of log since the checkpoint before
	pause              time.Duration
	committed          atomic.Bool
}

// Persist writes the checkpoint and returns when its manifest is synced: only then may raft cut the log. The records of
// all its entries are synced before, because the log that could rebuild them goes.
func (s *snapshot) Persist(sink raft.SnapshotSink) error {
	target, ok := sink.(*checkpointSink)
	if !ok {
		return fmt.Errorf("BUG: a checkpoint is persisted to %T", sink)
	}
	target.store.coming.Store(0) // no bytes come: it is our own
	target.store.turn.Lock()
	defer target.store.turn.Unlock()
	if err := s.persist(target); err != nil {
		return fmt.Errorf("raftlog: checkpoint at %d: %w", target.index, err)
	}
	s.committed.Store(true)
	s.fsm.durableEra.Store(s.era)
	s.cut.Commit()
	return nil
}

func (s *snapshot) persist(target *checkpointSink) error {
	if err := s.check(target); err != nil {
		return err
	}
	if err := s.fsm.state.Sync(); err != nil {
		return err
	}
	chain, ok := target.store.log.disk.Chain(target.index)
	if !ok {
		return fmt.Errorf("the log knows no chain hash at its index")
	}
	w := s.fsm.state.BeginCheckpoint()
	if s.full {
		w.ReplaceAll()
	}
	if err := s.pages(w); err != nil {
		w.Abort()
		return err
	}
	// Commit releases w whether it succeeds or not.
	index := target.index
	if mutant.On(mutant.CheckpointAhead) {
		index++
	}
	err := w.Commit(storage.Manifest{
		Index: index, Term: target.term, Chain: chain, Running: s.running,
		Configuration: s.configuration, ConfigurationIndex: s.configurationIndex,
		Meta: s.cut.Meta(), At: s.fsm.clock.Now().UnixMilli(),
	})
	failpoint.Hit(failpoint.CheckpointMade)
	return err
}

// pages writes the pages of the cut.
func (s *snapshot) pages(w *storage.CheckpointWriter) error {
	page := make([]byte, engine.PageSize)
	for id, more := s.cut.Next(page); more; id, more = s.cut.Next(page) {
		if err := w.Put(uint64(id), page); err != nil {
			return err
		}
		failpoint.Hit(failpoint.CheckpointMid)
	}
	return nil
}

// errSuperseded says that the state was replaced by another node's after the cut.
var errSuperseded = errors.New("a snapshot of another node came first")

// check holds what raft asks for against what was cut. Raft's index counts records that the FSM never sees (no-ops,
// barriers), so it may lie above the cut, never below.
func (s *snapshot) check(target *checkpointSink) error {
	if m, _ := s.fsm.state.Manifest(); m.Index > target.index || s.era != s.fsm.era.Load() {
		return errSuperseded
	}
	if target.index < s.applied {
		return fmt.Errorf("BUG: entry %d is in a checkpoint at %d", s.applied, target.index)
	}
	if target.configurationIndex != s.configurationIndex || !bytes.Equal(target.configuration, s.configuration) {
		return fmt.Errorf("BUG: raft has the configuration of index %d, the FSM that of %d", target.configurationIndex, s.configurationIndex)
	}
	return nil
}

// Release is called when raft is done with s, written or not.
func (s *snapshot) Release() {
	if s.committed.Load() {
		return
	}
	s.cut.Abort()
	s.fsm.sinceCheckpoint.Add(s.bytes)
}
