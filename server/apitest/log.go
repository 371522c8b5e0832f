package apitest

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/engine"
)

// Log decides with a real engine, one entry for each batch, and keeps the records in memory: the log and the store of a
// server under test.
type Log struct {
	// Before, when it is set, is asked first: an error is returned instead of a decision.
	Before atomic.Pointer[func(*engine.Batch) error]

	engine *engine.Engine
	now    func() time.Time
	mu     struct {
		sync.Mutex
		index engine.LogIndex
		entry []byte
		out   engine.Outcome
		blobs map[uint64]blob
	}
}

type blob struct {
	records []byte
	offsets []uint32
}

// NewLog returns the log of an engine that nobody else applies to.
func NewLog(e *engine.Engine, now func() time.Time) *Log {
	l := &Log{engine: e, now: now}
	l.mu.blobs = make(map[uint64]blob)
	return l
}

// Decide decides the commands of b.
func (l *Log) Decide(b *engine.Batch) error {
	if f := l.Before.Load(); f != nil {
		if err := (*f)(b); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &l.mu
	m.index++
	stamp := engine.UnixMilli(l.now().UnixMilli())
	m.entry = engine.AppendEntryHeader(m.entry[:0], &engine.EntryHeader{Stamp: stamp, Count: uint32(b.Len())})
	m.entry = append(m.entry, b.Commands()...)
	if err := l.engine.Apply(m.index, m.entry, &m.out); err != nil {
		panic(err)
	}
	b.Index, b.Time = m.index, m.out.Time
	b.Results = append(b.Results[:0], m.out.Results...)
	b.Records = append(b.Records[:0], m.out.Records...)
	if len(m.out.Records) > 0 {
		m.blobs[uint64(m.index)] = blob{bytes.Clone(m.out.Records), append([]uint32(nil), m.out.Offsets...)}
	}
	return nil
}

// ErrNoRecord is returned for records that were never made.
var ErrNoRecord = errors.New("no such record")

// Records returns records that stand next to each other.
func (l *Log) Records(dst []byte, index uint64, ordinal uint16, n int) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.mu.blobs[index]
	if !ok || int(ordinal)+n > len(b.offsets) {
		return dst, ErrNoRecord
	}
	end := uint32(len(b.records))
	if int(ordinal)+n < len(b.offsets) {
		end = b.offsets[int(ordinal)+n]
	}
	return append(dst, b.records[b.offsets[ordinal]:end]...), nil
}
