package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/storage"
)

// slowLog makes the log the limit of a daemon, so that a load test can offer many times what it can do. Its flags are hidden: they
// make a daemon slower and nothing else.
type slowLog struct {
	SyncDelay  time.Duration // by which each sync of the log takes longer
	EntryBytes int           // where an entry is full; 0 for the usual
	Queue      int           // commands that may wait for an entry; 0 for as many as usual
}

func (o *slowLog) flags(c *cobra.Command) {
	f := c.Flags()
	f.DurationVar(&o.SyncDelay, "bench-sync-delay", 0, "for load tests: each sync of the log takes longer by this")
	f.IntVar(&o.EntryBytes, "bench-entry-bytes", 0, "for load tests: bytes at which an entry is full; 0 for the usual")
	f.IntVar(&o.Queue, "bench-queue", 0, "for load tests: commands that may wait for an entry; 0 for as many as usual")
	for _, name := range []string{"bench-sync-delay", "bench-entry-bytes", "bench-queue"} {
		if err := f.MarkHidden(name); err != nil {
			panic("BUG: " + err.Error())
		}
	}
}

// faults is everything that is wrong with o.
func (o *slowLog) faults() error {
	var all []error
	if o.SyncDelay < 0 || o.SyncDelay > time.Second {
		all = append(all, fmt.Errorf("--bench-sync-delay is %v: it must be 0 to 1s", o.SyncDelay))
	}
	if o.EntryBytes != 0 && (o.EntryBytes < 4096 || o.EntryBytes > engine.MaxEntryBytes) {
		all = append(all, fmt.Errorf("--bench-entry-bytes is %d: it must be 4096 to %d", o.EntryBytes, engine.MaxEntryBytes))
	}
	if o.Queue != 0 && o.Queue < engine.MaxBatchDraws {
		all = append(all, fmt.Errorf("--bench-queue is %d: it must be at least %d, which one batch may have", o.Queue, engine.MaxBatchDraws))
	}
	return errors.Join(all...)
}

// disk makes the disk slow, and says so.
func (o *slowLog) disk(of storage.Options) storage.Options {
	if *o != (slowLog{}) {
		of.Logger.Warn("the log is slower than it could be: a load test asked for it", "sync_delay", o.SyncDelay.String(), "entry_bytes", o.EntryBytes, "queue", o.Queue)
	}
	if o.SyncDelay > 0 {
		of.FS = storage.SlowSyncs(o.SyncDelay)
	}
	return of
}

// log makes the log small.
func (o *slowLog) log(of *raftlog.Options) { of.EntryBytes, of.QueueCommands = o.EntryBytes, o.Queue }
