package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/drawd/drawd/internal/mutant"
	"github.com/zeebo/xxh3"
)

// LogRecord is one record of the raft log.
type LogRecord struct {
	Index, Term uint64
	Type        uint8
	AppendedAt  int64 // the writer's own; not part of the chain
	Data        []byte
	Extensions  []byte
	Chain       [16]byte // filled by Append and Get
}

// Base is where the log continues from: a checkpoint's index, the term of the record there and the chain hash at it. The zero Base
// is the beginning of every log.
type Base struct {
	Index, Term uint64
	Chain       [16]byte
}

// Log is the raft log and the stable values. Every write is one synced batch. One goroutine at a time gets to write; any number
// may read beside it. Lock order: write, watermark.token, mu.
type Log struct {
	store     *Store
	db        *pebble.DB
	watermark watermark
	counters  counters

	appends, appendedRecords, appendedBytes atomic.Uint64

	first, last atomic.Uint64 // written under mu, both 0 when the log is empty
	stableSeq   atomic.Uint64
	floor       uint64 // the log or a checkpoint must reach up to here; set at Open

	// write serialises the writers; it is held over I/O.
	write struct {
		turn
		verified bool
		failed   error // the first failed write: nothing is written after it, as nobody knows what a retried sync would mean
	}

	mu struct {
		sync.RWMutex
		ring  ring
		sizes sizes
		base  Base // the record before the first one, if it is known
		tail  Base // the last record, or base when the log is empty
	}

	advance chan struct{} // wakes the goroutine that brings the watermark up to date
	stop    chan struct{}
	done    chan struct{} // nil until that goroutine runs
}

func newLog(s *Store) *Log {
	l := &Log{store: s, advance: make(chan struct{}, 1), stop: make(chan struct{})}
	l.write.turn, l.watermark.token = newTurn(), newTurn()
	l.mu.ring.limit = s.o.RingBytes
	return l
}

// load reads the ends of the log, the number of the newest stable write and the watermark. The state database has records of log
// entries up to floor.
func (l *Log) load(floor uint64) error {
	l.floor = floor
	path := l.store.fs.PathJoin(l.store.o.Dir, watermarkName)
	if err := l.watermark.open(l.store.fs, path); err != nil {
		return err
	}
	it, err := l.iterator()
	if err != nil {
		return err
	}
	var first, last uint64
	if it.First() {
		first = binary.BigEndian.Uint64(it.Key()[1:])
		it.Last()
		last = binary.BigEndian.Uint64(it.Key()[1:])
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return damagedRead("the ends of the log", 0, err)
	}
	l.first.Store(first)
	l.last.Store(last)
	return l.loadStableSeq()
}

// iterator returns an iterator over all log records.
func (l *Log) iterator() (*pebble.Iterator, error) {
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyLog}, UpperBound: []byte{keyLog + 1}})
	if err != nil {
		return nil, fmt.Errorf("storage: read the log: %w", err)
	}
	return it, nil
}

// damagedRead tells a read that found damage from one that the disk refused; both are errors to stop for.
func damagedRead(what string, index uint64, err error) error {
	if pebble.IsCorruptionError(err) {
		return &DamagedError{What: what + " cannot be read", Index: index, Remedy: remedyReplace, Err: err}
	}
	return fmt.Errorf("storage: read %s: %w", what, err)
}

// First returns the index of the first record, 0 when the log is empty.
func (l *Log) First() uint64 { return l.first.Load() }

// Last returns the index of the last record, 0 when the log is empty.
func (l *Log) Last() uint64 { return l.last.Load() }

// Bytes returns the bytes that the live records take on disk, keys and headers included; 0 before Verify. After a truncation
// it may be off by less than 256 KiB.
func (l *Log) Bytes() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.mu.sizes.total
}

// TailStart returns the lowest index from which the records up to the last take at most the given bytes, as exactly as Bytes. It
// is beyond the last one when not even that fits, and 0 when the log is empty.
func (l *Log) TailStart(bytes int64) uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.mu.sizes.tail(bytes)
}

// Get fills r with the record at index. ErrNotFound when the log does not have it. r's slices are those that Append was given, or
// a copy of what is stored: either may be kept, neither may be changed.
func (l *Log) Get(index uint64, r *LogRecord) error {
	l.mu.RLock()
	if p := l.mu.ring.get(index); p != nil {
		*r = *p
		l.mu.RUnlock()
		return nil
	}
	l.mu.RUnlock()
	if !l.has(index) {
		return ErrNotFound
	}
	_, err := l.read(index, r)
	if errors.Is(err, pebble.ErrNotFound) {
		if !l.has(index) { // truncated meanwhile
			return ErrNotFound
		}
		return &DamagedError{What: "the log has a gap", Index: index, Remedy: remedyReplace}
	}
	return err
}

func (l *Log) has(index uint64) bool {
	return index != 0 && index >= l.first.Load() && index <= l.last.Load()
}

// read reads the record at index from the database and proves it. It returns the chain hash of the record before.
func (l *Log) read(index uint64, r *LogRecord) (previous [16]byte, err error) {
	k := logKey(index)
	v, closer, err := l.db.Get(k[:])
	if err != nil {
		if errors.Is(err, pebble.ErrNotFound) {
			return previous, err
		}
		return previous, damagedRead("a log record", index, err)
	}
	v = append(make([]byte, 0, len(v)), v...)
	if err := closer.Close(); err != nil {
		return previous, damagedRead("a log record", index, err)
	}
	previous, fault := decodeRecord(index, v, r)
	if fault != "" {
		return previous, &DamagedError{What: fault, Index: index, Remedy: remedyReplace}
	}
	return previous, nil
}

// Chain returns the chain hash at index: of a record in the log, or of what the log continues from.
func (l *Log) Chain(index uint64) ([16]byte, bool) {
	b, ok := l.at(index)
	return b.Chain, ok
}

// Tail returns the last record, or what the next one follows when the log is empty. Of a log that was emptied the term may be 0.
func (l *Log) Tail() Base {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.mu.tail
}

// at returns index, term and chain of a record in the log or of its base.
func (l *Log) at(index uint64) (Base, bool) {
	l.mu.RLock()
	base, tail, p := l.mu.base, l.mu.tail, l.mu.ring.get(index)
	var b Base
	if p != nil {
		b = p.base()
	}
	l.mu.RUnlock()
	switch {
	case p != nil:
		return b, true
	case index == tail.Index:
		return tail, true
	case index == base.Index:
		return base, true
	}
	var r LogRecord
	if !l.has(index) {
		return Base{}, false
	}
	if _, err := l.read(index, &r); err != nil {
		return Base{}, false
	}
	return r.base(), true
}

// Stable returns a copy of a stable value; nil, nil when there is none.
func (l *Log) Stable(key []byte) ([]byte, error) {
	k := append([]byte{keyStable}, key...)
	v, closer, err := l.db.Get(k)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, damagedRead("a stable value", 0, err)
	}
	defer closer.Close()
	if len(v) < 8 || binary.LittleEndian.Uint64(v) != stableSum(k, v[8:]) {
		return nil, &DamagedError{What: fmt.Sprintf("the stable value %q is not what was written", key), Remedy: remedyReplace}
	}
	return append([]byte{}, v[8:]...), nil
}

func stableSum(k, v []byte) uint64 {
	return xxh3.Hash(append(append(make([]byte, 0, len(k)+len(v)), k...), v...))
}

// SetStable writes a stable value and returns when it is synced. An error means that the process must end.
func (l *Log) SetStable(key, val []byte) error {
	l.write.Lock()
	defer l.write.Unlock()
	if l.write.failed != nil {
		return l.write.failed
	}
	k := append([]byte{keyStable}, key...)
	v := binary.LittleEndian.AppendUint64(nil, stableSum(k, val))
	seq := l.stableSeq.Load() + 1
	b := l.db.NewBatch()
	defer b.Close()
	if err := errors.Join(b.Set(k, append(v, val...), nil), b.Set([]byte{keyStableSeq}, encodeStableSeq(seq), nil)); err != nil {
		return l.fail(err)
	}
	durable := pebble.Sync
	if mutant.On(mutant.VoteForgotten) {
		durable = pebble.NoSync
	}
	if err := b.Commit(durable); err != nil {
		return l.fail(err)
	}
	l.stableSeq.Store(seq)
	l.wakeWatermark()
	return nil
}

func encodeStableSeq(seq uint64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, seq)
	return binary.LittleEndian.AppendUint64(b, xxh3.Hash(b))
}

// loadStableSeq reads the number of the newest stable write.
func (l *Log) loadStableSeq() error {
	v, closer, err := l.db.Get([]byte{keyStableSeq})
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return damagedRead("the stable values", 0, err)
	}
	defer closer.Close()
	if len(v) != 16 || binary.LittleEndian.Uint64(v[8:]) != xxh3.Hash(v[:8]) {
		return &DamagedError{What: "the number of the newest stable write is not what was written", Remedy: remedyReplace}
	}
	l.stableSeq.Store(binary.LittleEndian.Uint64(v))
	return nil
}

// fail keeps the first failure of a write for all later ones. The caller holds write.
func (l *Log) fail(err error) error {
	l.write.failed = fmt.Errorf("storage: write the log: %w", err)
	return l.write.failed
}

func (l *Log) wakeWatermark() {
	select {
	case l.advance <- struct{}{}:
	default: // it is awake already
	}
}

// advanceWatermark is the goroutine that brings the watermark up to date, at most watermarkInterval after an append. A goroutine
// rather than the next append, because an idle log has no next append, and its newest records are exactly those that Pebble
// cannot prove: a flipped byte in the last block of the WAL looks like an unfinished write.
func (l *Log) advanceWatermark() {
	defer close(l.done)
	timer := time.NewTimer(0)
	for stopped := false; !stopped; {
		select {
		case <-l.advance:
			timer.Reset(watermarkInterval)
			select {
			case <-timer.C:
			case <-l.stop:
				stopped = true
			}
		case <-l.stop:
			stopped = true
		}
		if err := l.raiseWatermark(); err != nil {
			l.store.o.fatal(err)
		}
	}
}

// raiseWatermark brings the watermark up to the last synced record and stable write.
func (l *Log) raiseWatermark() error {
	l.watermark.token.Lock()
	defer l.watermark.token.Unlock()
	stable := l.stableSeq.Load()
	l.mu.RLock()
	tail := l.mu.tail
	l.mu.RUnlock()
	if tail == l.watermark.mark.base && stable == l.watermark.mark.stable {
		return nil
	}
	return l.watermark.write(tail, stable)
}

// close stops the watermark's goroutine, which writes it a last time, and closes the files.
func (l *Log) close() error {
	if l.done != nil {
		close(l.stop)
		<-l.done
		l.done = nil
	}
	var errs []error
	if l.db != nil {
		errs = append(errs, l.db.Close())
		l.db = nil
	}
	if l.watermark.f != nil {
		errs = append(errs, l.watermark.f.Close())
		l.watermark.f = nil
	}
	return errors.Join(errs...)
}
