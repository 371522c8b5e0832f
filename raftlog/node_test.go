package raftlog

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/storage"
)

func TestOneNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := storage.NewCrashFS()
		r := newRig(t, fs)
		r.mustStart()
		r.publish(testVersion(time.Now(), 100))
		var b engine.Batch
		first, err := r.draw(&b, "u1", "u1/1")
		if err != nil {
			t.Fatal(err)
		}
		s := r.node.Status()
		if !s.Ready || !s.Leader || s.Applied != uint64(first.at.Index) || s.LastLog < s.Applied || s.Members != 1 {
			t.Errorf("status: %+v", s)
		}
		hash := r.engine.StateHash()
		r.stop()

		r = newRig(t, fs)
		r.mustStart()
		if r.engine.StateHash() != hash {
			t.Error("another state after a restart")
		}
		r.mustStand([]answer{first}, user)
		r.stop()
	})
}
