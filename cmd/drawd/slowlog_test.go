package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/storage"
)

// TestSlowLog: without its flags a daemon is as fast as it can be; with them it says so, and nonsense is refused.
func TestSlowLog(t *testing.T) {
	var said strings.Builder
	usual := storage.Options{Dir: "d", Logger: slog.New(slog.NewTextHandler(&said, nil))}
	var none slowLog
	if of := none.disk(usual); of.FS != nil || said.Len() > 0 || none.faults() != nil {
		t.Errorf("without its flags: %v, %q, %v", of.FS, said.String(), none.faults())
	}
	slow := slowLog{SyncDelay: time.Millisecond, EntryBytes: 4096, Queue: 4096}
	if of := slow.disk(usual); of.FS == nil || !strings.Contains(said.String(), "a load test asked for it") || slow.faults() != nil {
		t.Errorf("%v, %q, %v", of.FS, said.String(), slow.faults())
	}
	var log raftlog.Options
	if slow.log(&log); log.EntryBytes != 4096 || log.QueueCommands != 4096 {
		t.Errorf("%+v", log)
	}
	err := (&slowLog{SyncDelay: time.Hour, EntryBytes: 5, Queue: 3}).faults()
	for _, says := range []string{"--bench-sync-delay is 1h0m0s", "--bench-entry-bytes is 5", "--bench-queue is 3"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is not in %v", says, err)
		}
	}
}
