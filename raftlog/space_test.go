package raftlog

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/storage"
)

// TestStorageLow: nearly full refuses, room opens again, and a disk that cannot tell is not held against it.
func TestStorageLow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		var free atomic.Uint64
		var fail atomic.Bool
		free.Store(DefaultMinFreeBytes)
		r.options.FreeBytes = func() (uint64, error) {
			if fail.Load() {
				return 0, errNoDisk
			}
			return free.Load(), nil
		}
		r.mustStart()
		refused := func() bool {
			time.Sleep(2 * spaceInterval)
			err := r.node.Decide(new(engine.Batch))
			if err != nil && !errors.Is(err, problem.New(problem.StorageLow, "")) {
				t.Fatal(err)
			}
			return err != nil
		}
		if refused() {
			t.Error("refused with just enough room")
		}
		free.Store(DefaultMinFreeBytes - 1)
		if !refused() || !strings.Contains(r.node.Status().Reason, "--data") {
			t.Errorf("%+v", r.node.Status())
		}
		free.Store(DefaultMinFreeBytes)
		if !refused() {
			t.Error("opened by a single byte")
		}
		free.Store(2 * DefaultMinFreeBytes)
		if refused() {
			t.Error("refused with room")
		}
		fail.Store(true)
		if refused() {
			t.Error("refused because the disk cannot tell")
		}
	})
}
