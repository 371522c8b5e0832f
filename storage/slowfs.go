package storage

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// SlowSyncs is the real disk on which each sync of the log's WAL takes longer by delay, so that a load test can make the log the
// limit of a daemon whatever the machine has. It has no health checks: they would count what was asked for as a fault.
func SlowSyncs(delay time.Duration) FS { return slowSyncs(vfs.Default, delay, time.Sleep) }

func slowSyncs(fs FS, delay time.Duration, sleep func(time.Duration)) FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			if isLogWAL(op.Path) {
				sleep(delay)
			}
		}
		return nil
	}))
}
