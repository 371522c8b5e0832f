package storage

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestSlowSyncs: each synced append to the log is late, and nothing else is.
func TestSlowSyncs(t *testing.T) {
	const delay = 10 * time.Millisecond
	var slept atomic.Int32
	s := mustVerify(t, small(slowSyncs(NewCrashFS(), delay, func(d time.Duration) {
		if d != delay {
			t.Errorf("a sync is late by %v", d)
		}
		slept.Add(1)
	}), "/d"))
	before := slept.Load()
	for i := range uint64(5) {
		check(t, s.Log().Append(recs(i+1, 1, 1, 100)))
	}
	if n := slept.Load() - before; n != 5 {
		t.Errorf("%d late syncs for 5 appends", n)
	}
	before = slept.Load()
	check(t, writeFileSynced(slowSyncs(NewCrashFS(), delay, func(time.Duration) { slept.Add(1) }), "/elsewhere", []byte("x")))
	if n := slept.Load() - before; n != 0 {
		t.Errorf("%d late syncs of a file that is no WAL of the log", n)
	}
	mustClose(t, s)
}
