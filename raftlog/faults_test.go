package raftlog

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/storage"
)

// faultyLog is a log on which faults can be switched on.
type faultyLog struct {
	logDisk
	appends atomic.Int64
	mu      struct {
		sync.Mutex
		fail error
		hang chan struct{} // appends wait for it
	}
}

func (l *faultyLog) Append(recs []storage.LogRecord) error {
	l.mu.Lock()
	fail, hang := l.mu.fail, l.mu.hang
	l.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if fail != nil {
		return fail
	}
	l.appends.Add(1)
	return l.logDisk.Append(recs)
}

func (l *faultyLog) set(fail error, hang chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.fail, l.mu.hang = fail, hang
}

var errNoDisk = errors.New("no disk")

// tape remembers every command entry that was written.
type tape struct {
	logDisk
	entries map[uint64][]byte
}

func (l *tape) Append(recs []storage.LogRecord) error {
	for _, r := range recs {
		if r.Type == 0 {
			l.entries[r.Index] = append([]byte(nil), r.Data...)
		}
	}
	return l.logDisk.Append(recs)
}

// order records in which order the state is made durable.
type order struct {
	stateDisk
	steps []string
	fail  error // of the next Sync
}

func (s *order) Sync() error {
	s.steps = append(s.steps, "sync")
	if s.fail != nil {
		return s.fail
	}
	return s.stateDisk.Sync()
}

func (s *order) BeginCheckpoint() *storage.CheckpointWriter {
	s.steps = append(s.steps, "checkpoint")
	return s.stateDisk.BeginCheckpoint()
}

// setClock is a machine's clock that somebody sets.
type setClock struct {
	start  time.Time
	offset atomic.Int64 // of the wall clock, ns
	passed atomic.Int64 // time that the test did not wait for, ns
}

func newSetClock() *setClock { return &setClock{start: time.Now()} }

func (c *setClock) Now() time.Time {
	return time.Now().Add(time.Duration(c.offset.Load() + c.passed.Load()))
}
func (c *setClock) Monotonic() time.Duration {
	return time.Since(c.start) + time.Duration(c.passed.Load())
}
func (c *setClock) pass(d time.Duration) { c.passed.Add(int64(d)) }
func (c *setClock) jump(d time.Duration) { c.offset.Add(int64(d)) }

// slowMachine can be held up before an entry is applied, or be made to refuse one.
type slowMachine struct {
	machine
	hold atomic.Pointer[chan struct{}]
}

// block holds the next Apply up until the channel is closed.
func (m *slowMachine) block() chan struct{} {
	c := make(chan struct{})
	m.hold.Store(&c)
	return c
}

func (m *slowMachine) Apply(index engine.LogIndex, entry []byte, out *engine.Outcome) error {
	if c := m.hold.Load(); c != nil {
		<-*c
	}
	return m.machine.Apply(index, entry, out)
}
