package drawd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/engine"
)

// tickEvery is the least time between two ticks, and tickLookAhead the longest that the ticker sleeps while something is due
// later: the wall clock may be set meanwhile, which a timer does not see.
const (
	tickEvery     = 50 * time.Millisecond
	tickLookAhead = time.Minute
)

// memory decides in the callers' goroutines. What is shared is the engine, which has locks of its own, and the records.
type memory struct {
	engine *engine.Engine
	clock  Clock
	kept   *recordRing
	due    atomic.Int64 // what the ticker waits for
	kicked chan struct{}
	closed atomic.Bool
	stop   chan struct{}
	loop   sync.WaitGroup
}

// openMemory makes an empty engine and its first decision.
func (db *DB) openMemory() error {
	if err := db.read(db.key[:]); err != nil {
		return err
	}
	var err error
	if db.engine, err = engine.New(engine.Options{Shards: db.options.Shards, ClusterKey: db.key}); err != nil {
		return err
	}
	first := engine.Init{Namespace: engine.NewNamespace{Name: "default"}}
	for _, secret := range [][]byte{first.ClusterID[:], first.IDKey[:], first.Namespace.Secret[:]} {
		if err := db.read(secret); err != nil {
			return err
		}
	}
	m := &memory{
		engine: db.engine, clock: db.options.Clock, kept: newRecordRing(db.options.RecordBytes),
		kicked: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	db.log = m
	var b engine.Batch
	b.AddInit(&first)
	b.AddRaise(&engine.Raise{Level: engine.NewestLevel})
	if err := m.decide(context.Background(), &b); err != nil {
		return err
	}
	if !db.options.Stepped {
		m.loop.Add(1)
		go m.tick()
	}
	return nil
}

func (m *memory) decide(_ context.Context, b *engine.Batch) error {
	if m.closed.Load() {
		return ErrClosed
	}
	err := m.engine.Decide(b, engine.UnixMilli(m.clock.Now().UnixMilli()))
	m.kept.keep(b)
	if err != nil {
		return fmt.Errorf("drawd: BUG: a command of our own making: %w", err)
	}
	if due, some := m.engine.NextDue(); some && int64(due) != m.due.Load() {
		select {
		case m.kicked <- struct{}{}:
		default:
		}
	}
	return nil
}

func (m *memory) records(dst []byte, at engine.Location, n int) ([]byte, error) {
	return m.kept.records(dst, at, n)
}

func (m *memory) scan(from engine.Location, fn func(engine.Location, []byte) bool) error {
	return m.kept.scan(from, m.engine.AppliedIndex(), fn)
}

func (m *memory) peeks() bool { return false }

func (m *memory) acceptClock() error { return nil }

func (m *memory) close(context.Context) (Lost, error) {
	m.closed.Store(true)
	close(m.stop)
	m.loop.Wait()
	return Lost{Decided: uint64(m.engine.AppliedIndex())}, nil
}

// tick decides one when something is due that no command brought about. It sleeps while nothing is.
func (m *memory) tick() {
	defer m.loop.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		due, some := m.engine.NextDue()
		m.due.Store(int64(due))
		wait := tickLookAhead
		if some {
			wait = min(wait, max(0, time.Duration(due-engine.UnixMilli(m.clock.Now().UnixMilli()))*time.Millisecond))
		}
		if some && wait == 0 {
			var b engine.Batch
			b.AddTick()
			if err := m.decide(context.Background(), &b); errors.Is(err, ErrClosed) {
				return
			}
			wait = tickEvery
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-m.kicked:
		case <-m.stop:
			return
		}
	}
}

var _ decider = (*memory)(nil)
