package storage

import (
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/drawd/drawd/internal/mutant"
)

var errNotVerified = errors.New("storage: BUG: the log is written before Log.Verify proved it")

// maxBatchRetained bounds the batch memory that Pebble keeps for the next Append.
const maxBatchRetained = 20 << 20

// Append writes records with consecutive indexes in one batch and returns when it is synced; it fills their Chain. They follow the
// last record, or the base of an empty log. Where they begin at or before the last record, the records from there on are deleted
// in the same batch. It retains Data and Extensions: they must not change until their index has left the ring. An error means
// that nothing was acknowledged and that the process must end.
func (l *Log) Append(recs []LogRecord) error {
	if len(recs) == 0 {
		return nil
	}
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.writable(); err != nil {
		return err
	}
	from := recs[0].Index
	for i := range recs {
		if recs[i].Index != from+uint64(i) || from == 0 {
			return fmt.Errorf("storage: BUG: append of log index %d as number %d from %d", recs[i].Index, i, from)
		}
	}
	l.mu.RLock()
	before := l.mu.tail
	l.mu.RUnlock()
	if from <= before.Index {
		return l.overwrite(recs)
	}
	if from != before.Index+1 {
		return fmt.Errorf("storage: BUG: append of log index %d after %d", from, before.Index)
	}
	return l.commit(recs, before, false)
}

// writable says whether the log may be written. The caller holds write.
func (l *Log) writable() error {
	if l.write.failed != nil {
		return l.write.failed
	}
	if !l.write.verified {
		return errNotVerified
	}
	return nil
}

// commit writes one batch of records after before, and then makes them visible. The caller holds write.
func (l *Log) commit(recs []LogRecord, before Base, overwrite bool) error {
	var bytes int
	for i := range recs {
		bytes += logKeySize + recs[i].encodedSize()
	}
	const perRecord, batchHeader, deleteRange = 12, 12, 32 // generous: the lengths in a batch are varints
	b := l.db.NewBatchWithSize(batchHeader+deleteRange+bytes+perRecord*len(recs), pebble.WithMaxRetainedSizeBytes(maxBatchRetained))
	defer b.Close()
	if overwrite {
		if err := l.deleteFrom(b, recs[0].Index); err != nil {
			return l.fail(err)
		}
	}
	chain := before.Chain
	for i := range recs {
		r := &recs[i]
		op := b.SetDeferred(logKeySize, r.encodedSize())
		putLogKey(op.Key, r.Index)
		r.encode(op.Value, chain)
		if err := op.Finish(); err != nil {
			return l.fail(err)
		}
		chain = r.Chain
	}
	durable := pebble.Sync
	if mutant.On(mutant.UnsyncedLog) {
		durable = pebble.NoSync
	}
	if err := b.Commit(durable); err != nil {
		return l.fail(err)
	}
	l.appends.Add(1)
	l.appendedRecords.Add(uint64(len(recs)))
	l.appendedBytes.Add(uint64(bytes))
	l.publish(recs)
	l.wakeWatermark()
	return nil
}

// publish makes synced records visible to readers.
func (l *Log) publish(recs []LogRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range recs {
		l.mu.ring.push(&recs[i])
		l.mu.sizes.add(recs[i].Index, int64(logKeySize+recs[i].encodedSize()))
	}
	l.mu.tail = recs[len(recs)-1].base()
	l.last.Store(l.mu.tail.Index)
	if l.first.Load() == 0 {
		l.first.Store(recs[0].Index)
	}
}

// overwrite appends records that begin at or before the last one. Raft truncates the tail first; this is for safety, and as safe:
// the deletion and the new records are one batch. The caller holds write.
func (l *Log) overwrite(recs []LogRecord) error {
	before, err := l.before(recs[0].Index)
	if err != nil {
		return err
	}
	l.watermark.token.Lock()
	defer l.watermark.token.Unlock()
	if err := l.lowerWatermark(before); err != nil {
		return l.fail(err)
	}
	l.forget(before)
	return l.commit(recs, before, true)
}

// before returns what the record at from follows: a record in the log or its base.
func (l *Log) before(from uint64) (Base, error) {
	if b, ok := l.at(from - 1); ok {
		return b, nil
	}
	return Base{}, fmt.Errorf("storage: BUG: truncation at log index %d of a log that begins at %d", from, l.First())
}

// lowerWatermark takes the watermark back, so that the tail can go. The caller holds write and the watermark's token.
func (l *Log) lowerWatermark(to Base) error {
	if l.watermark.mark.base.Index <= to.Index {
		return nil
	}
	return l.watermark.lower(to, l.watermark.mark.stable)
}

// deleteFrom adds to b the deletion of all records from an index on.
func (l *Log) deleteFrom(b *pebble.Batch, from uint64) error {
	start := logKey(from)
	return b.DeleteRange(start[:], []byte{keyLog + 1}, nil)
}

// forget makes the records after to invisible.
func (l *Log) forget(to Base) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.ring.truncate(to.Index + 1)
	l.mu.tail = to
	if to.Index < l.first.Load() || l.first.Load() == 0 {
		l.first.Store(0)
		l.last.Store(0)
		l.mu.base = to
		l.mu.sizes.keep(1, 0)
		return
	}
	l.last.Store(to.Index)
	l.mu.sizes.keep(0, to.Index)
}

// TruncateTail deletes all records from an index on. First the watermark is lowered and synced, so that a power cut in between
// leaves a log that is longer than its watermark says, never a shorter one.
func (l *Log) TruncateTail(from uint64) error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.writable(); err != nil {
		return err
	}
	if from > l.last.Load() {
		return nil
	}
	to, err := l.before(max(from, l.first.Load()))
	if err != nil {
		return err
	}
	l.watermark.token.Lock()
	defer l.watermark.token.Unlock()
	if err := l.lowerWatermark(to); err != nil {
		return l.fail(err)
	}
	l.forget(to)
	return l.deleteTail(to.Index + 1)
}

func (l *Log) deleteTail(from uint64) error {
	b := l.db.NewBatch()
	defer b.Close()
	if err := l.deleteFrom(b, from); err != nil {
		return l.fail(err)
	}
	// Synced, although the append that follows would carry it: it is rare, and so each step stands for itself.
	if err := b.Commit(pebble.Sync); err != nil {
		return l.fail(err)
	}
	return nil
}

// TruncateHead deletes all records up to and including through; the ring keeps them. It is not synced: records that come back
// after a power cut do no harm. The caller has a durable checkpoint at or after through.
func (l *Log) TruncateHead(through uint64) error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.writable(); err != nil {
		return err
	}
	first, last := l.first.Load(), l.last.Load()
	through = min(through, last)
	if through < first || last == 0 {
		return nil
	}
	base, ok := l.at(through)
	if !ok {
		return &DamagedError{What: "the log has a gap", Index: through, Remedy: remedyReplace}
	}
	// From the prefix's start, so that the newest deletion covers the earlier ones and compactions can drop those.
	end := logKey(through + 1)
	if err := l.db.DeleteRange([]byte{keyLog}, end[:], pebble.NoSync); err != nil {
		return l.fail(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.base = base
	l.mu.sizes.keep(through+1, math.MaxUint64)
	if through == last {
		l.first.Store(0)
		l.last.Store(0)
		return nil
	}
	l.first.Store(through + 1)
	return nil
}

// Rebase deletes the whole log: the next record follows base. It is for a snapshot that was installed from a peer, after its
// manifest is durable.
func (l *Log) Rebase(base Base) error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.writable(); err != nil {
		return err
	}
	return l.rebase(base)
}

// rebase is Rebase for a caller who holds write.
func (l *Log) rebase(base Base) error {
	l.watermark.token.Lock()
	defer l.watermark.token.Unlock()
	// A mark at or above base may be of records that the snapshot replaces, and whose branch never was committed.
	if m := l.watermark.mark; m.base.Index >= base.Index && m.base != base {
		if err := l.watermark.lower(base, m.stable); err != nil {
			return l.fail(err)
		}
	}
	l.mu.Lock()
	l.mu.ring.clear()
	l.mu.base, l.mu.tail = base, base
	l.mu.sizes.keep(1, 0)
	l.first.Store(0)
	l.last.Store(0)
	l.mu.Unlock()
	return l.deleteTail(0)
}
