package raftlog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/failpoint"
	"github.com/drawd/drawd/internal/mutant"
	"github.com/drawd/drawd/storage"
	"github.com/hashicorp/raft"
)

// machine is what this package needs of engine.Engine.
type machine interface {
	CheckCommands(commands []byte, count int) error
	AddsKeys(commands []byte, count int) bool
	Bytes() uint64
	Apply(index engine.LogIndex, entry []byte, out *engine.Outcome) error
	NextDue() (engine.UnixMilli, bool)
	LogTime() engine.UnixMilli
	AppliedIndex() engine.LogIndex
	RunningHash() [16]byte
	Initialized() bool
	ClusterID() [16]byte
	Level() uint32
	Supports() uint32
	Capture(full bool) (capture, error)
	Loader() loader
}

// capture is a cut of the machine's state.
type capture interface {
	Index() engine.LogIndex
	Meta() []byte
	Next(buf []byte) (engine.PageID, bool)
	Commit()
	Abort()
}

// loader rebuilds a machine from pages.
type loader interface {
	Page(id engine.PageID, page []byte) error
	Finish(meta []byte) error // Prepare and Swap
	Prepare(meta []byte) error
	Index() engine.LogIndex
	RunningHash() [16]byte
	Swap()
	// Foreign reports whether the loaded state has other pages than those it was loaded from.
	Foreign() bool
}

// engineMachine gives the engine the types of machine.
type engineMachine struct{ *engine.Engine }

func (m engineMachine) Capture(full bool) (capture, error) {
	c, err := m.Engine.Capture(full)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (m engineMachine) Loader() loader { return m.Engine.Loader() }

// stateDisk is what this package needs of storage.State.
type stateDisk interface {
	PutBlob(index uint64, head []byte, offsets []uint32, records []byte, wins []storage.Win) error
	Sync() error
	Manifest() (storage.Manifest, bool)
	BeginCheckpoint() *storage.CheckpointWriter
	LoadPages(fn func(page uint64, data []byte) error) error
	OpenCheckpoint() (*storage.CheckpointReader, error)
	Missing() []storage.Range
	AppendBlobs(dst []byte, from, to uint64, size int) (rows []byte, through uint64, err error)
	PutBlobs(from, through uint64, rows []byte) error
	Records(dst []byte, index uint64, ordinal uint16, n int) ([]byte, error)
	Scan(index uint64, ordinal uint16, fn func(index uint64, head []byte, ordinal uint16, record []byte) (more bool)) error
}

// fsm adapts the machine to raft. All of it but the atomics and conf belongs to raft's FSM goroutine.
//
// The outcome of an entry that this process proposed goes back to the proposer through raft's future; the blob is
// committed before that, so whoever was answered finds the record.
type fsm struct {
	machine machine
	state   stateDisk
	time    *timekeeper
	clock   Clock
	logger  *slog.Logger
	metrics *metricSet
	fatal   func(code int, why string)
	stopped *atomic.Bool // the process is about to end: nothing is applied any more
	moved   func(uint64) // called with the index of an entry, after it was applied
	kick    func()       // called after an entry: something may have become due
	raised  uint32       // the feature level that was kept last; the lowest is not kept
	grown   func()       // called when the log since the last checkpoint passed checkpointBytes
	limit   int64        // checkpointBytes
	skip    SkipEntry    // the operator's escape
	self    uint64       // the proposer's id
	base    uint64       // the checkpoint's index: entries at or below it are in the machine already
	hashes  *hashRing    // nil for a node that runs alone
	novice  *novice
	applied atomic.Uint64 // the last entry applied. raft.AppliedIndex counts entries that are only queued

	// A checkpoint holds the pages changed since the one before, unless the pages were replaced in between: era counts
	// replacements, durableEra is that of the newest checkpoint.
	era, durableEra atomic.Uint64

	keepLevel func(level uint32) error // called when an entry has raised the feature level

	snapshots *snapshotStore // where what Restore puts in force comes from
	lacking   func()         // called after a restore: records are missing

	sinceCheckpoint atomic.Int64 // bytes of entries applied after the last capture
	lastDue         engine.UnixMilli

	conf struct {
		sync.Mutex
		index uint64
		data  []byte // raft.EncodeConfiguration
	}

	responses []any
	scratch   engine.Outcome
	wins      []storage.Win
	spare     <-chan *engine.Outcome
}

var _ raft.BatchingFSM = (*fsm)(nil)

// ApplyBatch applies committed entries. Raft panics unless it gets one response for each, configurations included.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	f.responses = f.responses[:0]
	for _, l := range logs {
		f.responses = append(f.responses, f.Apply(l))
	}
	return f.responses
}

// Apply applies one entry and returns its *engine.Outcome when this process proposed it.
func (f *fsm) Apply(l *raft.Log) any {
	if f.stopped.Load() || l.Index <= f.base {
		return nil
	}
	switch l.Type {
	case raft.LogConfiguration:
		f.keepConfiguration(l.Index, l.Data)
	case raft.LogCommand:
		out, err := f.command(l)
		if err != nil {
			f.fatal(ExitFailed, err.Error())
			return nil
		}
		f.advance(l.Index)
		failpoint.Hit(failpoint.AfterApply)
		if out == nil {
			return nil
		}
		return out
	default:
		f.fatal(ExitFailed, fmt.Sprintf("raftlog: log record %d has type %d, which this drawd does not know: start the drawd that wrote it, or a newer one", l.Index, l.Type))
		return nil
	}
	f.advance(l.Index)
	return nil
}

// advance says that everything up to index is applied.
func (f *fsm) advance(index uint64) {
	f.applied.Store(index)
	f.moved(index)
}

// command decides one entry and stores its blob. The outcome is nil when nobody here waits for it.
func (f *fsm) command(l *raft.Log) (*engine.Outcome, error) {
	if l.Index == f.skip.Index {
		return nil, f.skipped(l)
	}
	failpoint.Hit(failpoint.BeforeApply)
	out, own := f.outcomeFor(l.Data)
	begun := f.clock.Monotonic()
	if err := f.machine.Apply(engine.LogIndex(l.Index), l.Data, out); err != nil {
		if errors.Is(err, engine.ErrClusterKey) { // the node is wrong, not the entry: leaving it out would lose a campaign
			return nil, fmt.Errorf("raftlog: log entry %d: %w", l.Index, err)
		}
		if errors.Is(err, engine.ErrNewerLevel) {
			return nil, tooOld(err)
		}
		return nil, fmt.Errorf("raftlog: log entry %d (hash %s) cannot be applied: %w; if no drawd can apply it, an operator may leave it out with: serve --skip-entry %d:%s",
			l.Index, entryHash(l.Data), err, l.Index, entryHash(l.Data))
	}
	decided := f.clock.Monotonic()
	f.wins = f.wins[:0]
	for _, w := range out.Wins {
		f.wins = append(f.wins, storage.Win{Campaign: uint32(w.Campaign), Prize: w.Prize, Ordinal: w.Ordinal})
	}
	failpoint.Hit(failpoint.MidApply)
	if mutant.On(mutant.AnswerBeforeBlob) {
		return out, f.putLater(l.Index, out)
	}
	if err := f.state.PutBlob(l.Index, out.Head[:], out.Offsets, out.Records, f.wins); err != nil {
		return nil, fmt.Errorf("raftlog: store the records of log entry %d: %w", l.Index, err)
	}
	if f.hashes != nil {
		f.hashes.add(l.Index, f.machine.RunningHash())
	}
	if level := f.machine.Level(); level > f.raised {
		if err := f.keepLevel(level); err != nil {
			return nil, fmt.Errorf("raftlog: keep the feature level of log entry %d: %w", l.Index, err)
		}
		f.raised = level
	}
	f.metrics.apply.Update((decided - begun).Seconds())
	f.metrics.blob.Update((f.clock.Monotonic() - decided).Seconds())
	if f.sinceCheckpoint.Add(int64(len(l.Data))) >= f.limit {
		f.grown()
	}
	if due, some := f.machine.NextDue(); some && due != f.lastDue {
		f.lastDue = due
		f.kick()
	}
	if !own {
		f.time.observe(out.Time)
		return nil, nil
	}
	return out, nil
}

// outcomeFor returns the outcome to fill: one that may leave this goroutine when the entry is ours, else the scratch.
func (f *fsm) outcomeFor(entry []byte) (out *engine.Outcome, own bool) {
	h, _, err := engine.ParseEntryHeader(entry)
	if err != nil || h.Proposer != f.self {
		return &f.scratch, false // a header that does not parse is the machine's to refuse
	}
	select {
	case out = <-f.spare:
	default:
		out = new(engine.Outcome)
	}
	return out, true
}

// skipped leaves one entry out, if it is the one that the operator named.
func (f *fsm) skipped(l *raft.Log) error {
	if hash := entryHash(l.Data); hash != f.skip.Hash {
		return fmt.Errorf("raftlog: log entry %d has the hash %s, --skip-entry names %s: nothing was skipped", l.Index, hash, f.skip.Hash)
	}
	f.logger.Warn("an entry was left out on an operator's word", "index", l.Index, "hash", f.skip.Hash, "bytes", len(l.Data))
	return nil
}

// entryHash names an entry's content: 16 hex digits of SHA-256.
func entryHash(entry []byte) string {
	sum := sha256.Sum256(entry)
	return hex.EncodeToString(sum[:8])
}

// keepConfiguration keeps the members. Raft calls no ConfigurationStore on a batching FSM, so the entry comes here.
func (f *fsm) keepConfiguration(index uint64, data []byte) {
	f.novice.learn(data)
	f.conf.Lock()
	defer f.conf.Unlock()
	f.conf.index, f.conf.data = index, append([]byte(nil), data...)
}

func (f *fsm) configuration() (index uint64, data []byte) {
	f.conf.Lock()
	defer f.conf.Unlock()
	return f.conf.index, f.conf.data
}

// Restore puts the snapshot in force that the sink took: it was built, proven and made durable there, so nothing can fail
// here, and the reader, which would give it once more, is not read.
func (f *fsm) Restore(r io.ReadCloser) error {
	i := f.snapshots.taken()
	if err := r.Close(); err != nil {
		return fmt.Errorf("raftlog: restore a snapshot: %w", err)
	}
	switch {
	case i == nil:
		return errors.New("raftlog: BUG: a snapshot is restored that was not taken")
	case i.known:
		f.base = max(f.base, f.applied.Load()) // raft delivers what follows the snapshot once more
		return nil
	}
	i.loader.Swap()
	f.base = i.manifest.Index
	f.advance(f.base)
	f.keepConfiguration(i.manifest.ConfigurationIndex, i.manifest.Configuration)
	f.sinceCheckpoint.Store(0)
	f.lastDue = 0
	era := f.era.Add(1)
	if !i.loader.Foreign() { // the pages in memory are those of the checkpoint
		f.durableEra.Store(era)
	}
	f.hashes.begin(uint64(f.machine.AppliedIndex()), f.machine.RunningHash())
	f.time.observe(f.machine.LogTime())
	f.kick()
	f.lacking()
	return nil
}
