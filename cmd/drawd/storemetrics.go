package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/drawd/drawd/storage"
)

// storeMetrics exposes what the store counts. It is one snapshot for each scrape.
type storeMetrics struct{ store *storage.Store }

// WritePrometheus writes the metrics in the Prometheus text format.
func (s storeMetrics) WritePrometheus(w io.Writer) {
	m := s.store.Metrics()
	var b bytes.Buffer
	line := func(name string, value any) { fmt.Fprintf(&b, "drawd_storage_%s %v\n", name, value) }
	for _, db := range []struct {
		name string
		storage.DBMetrics
	}{{"log", m.Log}, {"state", m.State}} {
		labelled := func(name string, value any) { line(fmt.Sprintf("%s{db=%q}", name, db.name), value) }
		labelled("stalls_total", db.Stalls)
		labelled("stalled", flag(db.Stalled))
		labelled("background_errors_total", db.BackgroundErrors)
		labelled("corruptions_total", db.Corruptions)
		labelled("disk_bytes", db.DiskBytes)
		labelled("memtable_bytes", db.MemtableBytes)
		labelled("wal_written_bytes_total", db.WALBytes)
		labelled("written_bytes_total", db.WrittenBytes)
		labelled("l0_files", db.L0Files)
		labelled("flushes_total", db.Flushes)
		labelled("compactions_total", db.Compactions)
	}
	line("disk_slow_total", m.DiskSlow)
	line("disk_slow_last_seconds", m.DiskSlowLast.Seconds())
	line("appends_total", m.Appends)
	line("appended_records_total", m.AppendedRecords)
	line("appended_bytes_total", m.AppendedBytes)
	line("log_bytes", m.LogBytes)
	line("ring_bytes", m.RingBytes)
	line("watermark_index", m.Watermark)
	line("checkpoint_pages", m.Pages)
	_, _ = w.Write(b.Bytes()) // a scrape that went away
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
