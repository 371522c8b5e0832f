package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/drawd/drawd/internal/mutant"
)

// Verify proves the log at the start of a node, before it may vote or append; base is the newest checkpoint's, or zero. It reads
// every record. It checks that
//
//   - every record has the bytes it was written with, their indexes are consecutive, and each one carries the chain hash of the one before;
//   - the log begins at or before base.Index+1 and agrees with base where they meet;
//   - log or checkpoint reach up to the watermark, and the log has the watermark's chain hash at its index;
//   - log or checkpoint reach up to the newest record blob, which was written after the log was synced;
//   - no stable write that the watermark knows is missing.
//
// A log that ends before base.Index, or that has another term there, is superseded by the checkpoint (a snapshot from a peer was
// installed, and the power went before the log was deleted), and is deleted. Everything else is a *DamagedError.
func (l *Log) Verify(base Base) error {
	l.write.Lock()
	defer l.write.Unlock()
	if l.write.verified {
		return errors.New("storage: BUG: Log.Verify is called twice")
	}
	if mutant.On(mutant.NoWatermark) {
		l.watermark.mark, l.floor = mark{seq: l.watermark.mark.seq}, 0
	}
	if err := l.verifyEnds(base); err != nil {
		return err
	}
	if l.last.Load() < base.Index {
		return l.start(base, true)
	}
	s := scan{log: l, base: base, mark: l.watermark.mark.base, before: base, previous: base}
	if err := s.run(); err != nil {
		return err
	}
	if s.superseded {
		return l.start(base, true)
	}
	l.mu.Lock()
	l.mu.base, l.mu.tail, l.mu.sizes = s.before, s.previous, s.sizes
	l.mu.Unlock()
	return l.start(base, false)
}

// start opens the log for writes; with rebase it is emptied first.
func (l *Log) start(base Base, rebase bool) error {
	if rebase {
		if l.last.Load() != 0 {
			l.store.o.Logger.Warn("the log is superseded by the checkpoint and deleted",
				"first", l.first.Load(), "last", l.last.Load(), "checkpoint", base.Index)
		}
		if err := l.rebase(base); err != nil {
			return err
		}
	}
	l.write.verified = true
	l.done = make(chan struct{})
	go l.advanceWatermark()
	l.wakeWatermark()
	return nil
}

// verifyEnds checks what needs no record: how far the log must reach, and where it must begin.
func (l *Log) verifyEnds(base Base) error {
	first, last, mark := l.first.Load(), l.last.Load(), l.watermark.mark
	reach := max(last, base.Index)
	damaged := func(index uint64, format string, args ...any) error {
		return &DamagedError{What: fmt.Sprintf(format, args...), Index: index, Remedy: remedyReplace}
	}
	switch {
	case reach < mark.base.Index:
		return damaged(mark.base.Index, "the log has lost synced records: it ends at %d, the checkpoint is at %d, and the watermark proves %d",
			last, base.Index, mark.base.Index)
	case reach < l.floor:
		return damaged(l.floor, "the log has lost synced records: it ends at %d, the checkpoint is at %d, and there are records of entry %d",
			last, base.Index, l.floor)
	case l.stableSeq.Load() < mark.stable:
		return damaged(0, "the log database has lost synced stable values: it has write %d, and the watermark proves %d",
			l.stableSeq.Load(), mark.stable)
	case first > base.Index+1:
		return damaged(base.Index+1, "the log begins at %d and the checkpoint is at %d: the records between are missing", first, base.Index)
	}
	return nil
}

// scan is one pass of Verify over the records.
type scan struct {
	log        *Log
	base, mark Base
	previous   Base // the record before the current one
	before     Base // what the first record follows
	sizes      sizes
	superseded bool
}

func (s *scan) run() (err error) {
	it, err := s.log.iterator()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	expect := s.log.first.Load()
	for ok := it.First(); ok && !s.superseded; ok = it.Next() {
		if err := s.record(it, expect); err != nil {
			return err
		}
		expect++
	}
	if err := it.Error(); err != nil {
		return damagedRead("the log", expect, err)
	}
	if last := s.log.last.Load(); last != 0 && !s.superseded && expect != last+1 {
		return &DamagedError{What: "the log ends early", Index: expect, Remedy: remedyReplace}
	}
	return nil
}

// record checks one record.
func (s *scan) record(it *pebble.Iterator, expect uint64) error {
	damaged := func(what string) error {
		return &DamagedError{What: what, Index: expect, Remedy: remedyReplace}
	}
	if k := it.Key(); len(k) != logKeySize || binary.BigEndian.Uint64(k[1:]) != expect {
		return damaged("the log has a gap")
	}
	v, err := it.ValueAndErr()
	if err != nil {
		return damagedRead("a log record", expect, err)
	}
	var r LogRecord
	chain, fault := decodeRecord(expect, v, &r)
	if fault != "" {
		return damaged(fault)
	}
	first := expect == s.log.first.Load()
	if first {
		// What it follows is known in full only if that is the base. Otherwise the term stays 0: nobody asks for it.
		s.before = Base{Index: expect - 1, Chain: chain}
		if s.base.Index == expect-1 {
			s.before.Term = s.base.Term
		}
	}
	switch at := r.base(); {
	case first && s.base.Index == expect-1 && chain != s.base.Chain:
		return damaged("the log does not continue the checkpoint: its first record has another chain hash")
	case !first && chain != s.previous.Chain:
		return damaged("a log record does not follow the one before: another chain hash")
	case !first && r.Term < s.previous.Term:
		return damaged("a log record has a lower term than the one before")
	case expect == s.base.Index && r.Term != s.base.Term:
		// It proves itself, so it is no rot: it is an uncommitted record of another term, replaced by a snapshot.
		s.superseded = true
	case expect == s.base.Index && at != s.base:
		return damaged("the log has another chain hash than the checkpoint")
	case expect == s.mark.Index && r.Chain != s.mark.Chain:
		return damaged("the log has another chain hash than the watermark: a synced record was changed or replaced")
	default:
		s.previous = at
		s.sizes.add(expect, int64(logKeySize+len(v)))
	}
	return nil
}
