package raftlog

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/storage"
	"github.com/hashicorp/raft"
)

// TestFSMSkipsTheCheckpoint is rule 15: what the checkpoint holds is not applied again, whatever raft delivers.
func TestFSMSkipsTheCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := storage.NewCrashFS()
		r := newRig(t, fs)
		r.mustStart()
		var b engine.Batch
		for range 10 {
			if err := r.node.Decide(&b); err != nil {
				t.Fatal(err)
			}
		}
		r.stop()
		r = newRig(t, fs)
		r.mustStart()
		f, running := r.node.fsm, r.engine.RunningHash()
		if f.base == 0 {
			t.Fatal("no checkpoint")
		}
		f.Apply(&raft.Log{Index: f.base, Data: engine.AppendEntryHeader(nil, &engine.EntryHeader{})})
		if r.engine.RunningHash() != running || len(r.exits.all()) != 0 {
			t.Errorf("an entry of the checkpoint was applied again: %v", r.exits.all())
		}
	})
}

// TestUnknownLogType is rule 20 for records that are not commands.
func TestUnknownLogType(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		r.mustStart()
		r.node.fsm.Apply(&raft.Log{Index: 1 << 30, Type: raft.LogAddPeerDeprecated})
		if why := r.exits.all(); len(why) != 1 || !strings.Contains(why[0], "type 2") {
			t.Errorf("%q", why)
		}
	})
}

// TestDivergence: a replay that gives other records than those stored stops the node.
func TestDivergence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := storage.NewCrashFS()
		r := newRig(t, fs)
		r.wrapMachine = func(machine) machine { return new(trivial) }
		r.mustStart()
		if err := r.node.Decide(draws("u", 3)); err != nil {
			t.Fatal(err)
		}
		if err := r.opened.State().Sync(); err != nil {
			t.Fatal(err)
		}
		cut := storage.PowerCut(fs, 0, nil)
		r.stop()
		r = newRig(t, cut)
		other := new(trivial)
		other.record[17] = 1
		r.wrapMachine = func(machine) machine { return other }
		if err := r.start(); err == nil || len(r.exits.all()) != 1 || !strings.Contains(r.exits.all()[0], "diverged") {
			t.Errorf("%v, %q", err, r.exits.all())
		}
	})
}
