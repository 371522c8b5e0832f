package raftlog

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/storage"
	"github.com/drawd/drawd/storage/frames"
	"github.com/hashicorp/raft"
)

// snapshotStore shows raft one snapshot: the newest checkpoint. There is no other notion of what is durable.
type snapshotStore struct {
	state   stateDisk
	log     *logStore
	machine machine
	fsm     *fsm
	clock   Clock
	logger  *slog.Logger
	metrics *metricSet
	fatal   func(code int, why string)
	stopped func() bool // the node ends

	// turn is to write a checkpoint: one of this node or one that came. It is held over I/O, from the first byte that comes to
	// the last; nobody who holds it waits for raft.
	turn sync.Mutex

	// coming is when the last bytes of a snapshot came that raft waits for, monotonic ns; 0 while it waits for none.
	coming atomic.Int64

	mu struct {
		sync.Mutex
		install *install // what came and was proven, until Restore
	}
}

// stalled reports whether raft has been waiting for a snapshot's next bytes for longer than stallLimit, and then asks no more.
func (s *snapshotStore) stalled(now time.Duration) bool {
	since := s.coming.Load()
	return since != 0 && now-time.Duration(since) > stallLimit && s.coming.CompareAndSwap(since, 0)
}

// came notes that bytes came, or that raft begins to wait for them.
func (s *snapshotStore) came() { s.coming.Store(max(1, int64(s.clock.Monotonic()))) }

// List returns the newest checkpoint as a snapshot, if there is one.
func (s *snapshotStore) List() ([]*raft.SnapshotMeta, error) {
	m, ok := s.state.Manifest()
	if !ok {
		return nil, nil
	}
	return []*raft.SnapshotMeta{snapshotMeta(&m)}, nil
}

func snapshotMeta(m *storage.Manifest) *raft.SnapshotMeta {
	return &raft.SnapshotMeta{
		Version: 1, ID: fmt.Sprintf("checkpoint-%d", m.Generation), Index: m.Index, Term: m.Term,
		Configuration: raft.DecodeConfiguration(m.Configuration), ConfigurationIndex: m.ConfigurationIndex,
	}
}

// Open returns the newest checkpoint as a stream, whatever id raft asks for: its own word for the newest may be out of date.
// While it is open, and for a while after, the log from it on is kept: whoever takes it must find what follows.
func (s *snapshotStore) Open(string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	source, err := newSnapshotSource(s.state)
	if err != nil {
		return nil, nil, err
	}
	meta := snapshotMeta(&source.header.manifest)
	meta.Size = source.header.size()
	r := &snapshotReader{source: source, stopped: s.stopped}
	r.frames = frames.NewWriter(&r.out, streamMagic)
	release := s.log.pins.pin(meta.Index)
	r.close = sync.OnceValue(func() error {
		release(r.ended)
		if r.ended {
			s.metrics.snapshotsSent.Inc()
		}
		return source.checkpoint.Close()
	})
	return meta, r, nil
}

// Create is called before each checkpoint, and when another node's snapshot comes. Which of the two it is shows by what follows:
// snapshot.Persist, or bytes.
func (s *snapshotStore) Create(_ raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	s.came()
	return &checkpointSink{
		store: s, index: index, term: term, configuration: raft.EncodeConfiguration(configuration), configurationIndex: configurationIndex,
	}, nil
}

// taken returns what came last, once.
func (s *snapshotStore) taken() *install {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.mu.install
	s.mu.install = nil
	return i
}

func (s *snapshotStore) take(i *install) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.install = i
}

// checkpointSink names the checkpoint that snapshot.Persist writes, and then nothing is written to it; or it takes what another
// node sends.
type checkpointSink struct {
	store              *snapshotStore
	index, term        uint64
	configuration      []byte
	configurationIndex uint64
	install            *install // nil until bytes come
}

// Write takes a part of a snapshot. It runs on raft's main goroutine, which does nothing else until the snapshot is in force.
func (c *checkpointSink) Write(b []byte) (int, error) {
	c.store.coming.Store(0) // it is this node that works now
	if c.install == nil {
		c.store.turn.Lock() // an own checkpoint under way ends first
		c.install = newInstall(c)
	}
	c.store.metrics.snapshotBytes.Add(len(b))
	n, err := c.install.in.Write(b)
	c.store.came()
	return n, err
}

func (c *checkpointSink) ID() string { return fmt.Sprintf("checkpoint-at-%d", c.index) }

// Close makes what came durable. After an error the state is the old one, in memory and on disk.
func (c *checkpointSink) Close() error {
	c.store.coming.Store(0)
	if c.install == nil {
		return nil
	}
	defer c.store.turn.Unlock()
	if err := c.install.finish(); err != nil {
		c.store.metrics.snapshotsRefused.Inc()
		return fmt.Errorf("raftlog: take the snapshot at %d: %w", c.index, err)
	}
	c.store.metrics.snapshotsTaken.Inc()
	c.store.take(c.install)
	return nil
}

// Cancel drops what came so far.
func (c *checkpointSink) Cancel() error {
	c.store.coming.Store(0)
	if c.install == nil {
		return nil
	}
	defer c.store.turn.Unlock()
	c.store.metrics.snapshotsRefused.Inc()
	c.install.drop(io.ErrUnexpectedEOF)
	return nil
}

// matches holds a header against what raft announced.
func (c *checkpointSink) matches(m *storage.Manifest) error {
	if m.Index != c.index || m.Term != c.term || m.ConfigurationIndex != c.configurationIndex || !bytes.Equal(m.Configuration, c.configuration) {
		return fmt.Errorf("it is of index %d, term %d, configuration %d; index %d, term %d, configuration %d were announced",
			m.Index, m.Term, m.ConfigurationIndex, c.index, c.term, c.configurationIndex)
	}
	return nil
}
