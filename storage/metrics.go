package storage

import (
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// counters are one database's events since Open.
type counters struct {
	stalls, backgroundErrors, corruptions atomic.Uint64
	stalled                               atomic.Bool
}

// DBMetrics tells of one database.
type DBMetrics struct {
	Stalls           uint64 // write stalls begun
	Stalled          bool   // writes stall now
	BackgroundErrors uint64
	Corruptions      uint64 // damaged files met
	DiskBytes        uint64 // of all files
	MemtableBytes    uint64
	WALBytes         uint64 // written to the WAL, with its overhead
	WrittenBytes     uint64 // written by flushes, compactions and ingestions
	L0Files          int64
	Flushes          int64
	Compactions      int64
}

// Metrics is a snapshot of what a Store counts.
type Metrics struct {
	Log, State DBMetrics

	DiskSlow     uint64        // disk operations that took longer than a second
	DiskSlowLast time.Duration // the newest of them

	Appends, AppendedRecords, AppendedBytes uint64 // since Open
	LogBytes                                int64  // live log records
	RingBytes                               int64
	Watermark                               uint64 // log index that the watermark file proves
	Pages                                   uint64 // live pages of the newest checkpoint
}

// Metrics returns a snapshot. It takes locks of the databases for a moment: ask once a second, not per request.
func (s *Store) Metrics() Metrics {
	m := Metrics{
		Log:             dbMetrics(s.log.db, &s.log.counters),
		State:           dbMetrics(s.state.db, &s.state.counters),
		DiskSlow:        uint64(s.slow.count.Load()),
		DiskSlowLast:    time.Duration(s.slow.last.Load()),
		Appends:         s.log.appends.Load(),
		AppendedRecords: s.log.appendedRecords.Load(),
		AppendedBytes:   s.log.appendedBytes.Load(),
		LogBytes:        s.log.Bytes(),
		Watermark:       s.log.Proven(),
		Pages:           s.state.livePages(),
	}
	s.log.mu.RLock()
	m.RingBytes = s.log.mu.ring.bytes
	s.log.mu.RUnlock()
	return m
}

// Proven returns the log index that the watermark file proves. Unlike Metrics it may be asked while the store closes, and after.
func (l *Log) Proven() uint64 { return l.watermark.proven.Load() }

func dbMetrics(db *pebble.DB, c *counters) DBMetrics {
	p := db.Metrics()
	total := p.Total()
	return DBMetrics{
		Stalls: c.stalls.Load(), Stalled: c.stalled.Load(),
		BackgroundErrors: c.backgroundErrors.Load(), Corruptions: c.corruptions.Load(),
		DiskBytes: p.DiskSpaceUsage(), MemtableBytes: p.MemTable.Size, WALBytes: p.WAL.BytesWritten,
		WrittenBytes: total.TableBytesFlushed + total.TableBytesCompacted + total.TableBytesIngested,
		L0Files:      p.Levels[0].TablesCount, Flushes: p.Flush.Count, Compactions: p.Compact.Count,
	}
}
