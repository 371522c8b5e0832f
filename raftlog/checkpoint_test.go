package raftlog

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/storage"
)

// some decides n draws and returns what was answered.
func (r *rig) some(round string, n int) []answer {
	r.t.Helper()
	var answers []answer
	var b engine.Batch
	for i := range n {
		a, err := r.draw(&b, fmt.Sprint("u", i%71), fmt.Sprintf("u%d/%s-%d", i%71, round, i))
		if err != nil {
			r.t.Fatal(err)
		}
		answers = append(answers, a)
	}
	return answers
}

// TestCheckpointAndTail is rule 15: the state after a restart, from a checkpoint and the log behind it, is the one that
// replaying everything from the first entry gives.
func TestCheckpointAndTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := storage.NewCrashFS()
		entries := map[uint64][]byte{}
		recording := func(fs *storage.CrashFS) *rig {
			r := newRig(t, fs)
			r.options.TrailingBytes = 1
			r.wrapLog = func(inner logDisk) logDisk { return &tape{inner, entries} }
			return r
		}
		r := recording(fs)
		r.mustStart()
		r.publish(testVersion(time.Now(), 1<<40))
		answers := r.some("a", 300)
		for round := range 3 {
			if err := r.node.points.take(); err != nil {
				t.Fatal(err)
			}
			answers = append(answers, r.some(fmt.Sprint("b", round), 200)...)
		}
		m, ok := r.opened.State().Manifest()
		if !ok || m.Index <= 500 || r.node.Status().FirstLog < m.Index-2*minTrailingLogs || r.node.Status().Checkpoint != m.Index {
			t.Errorf("checkpoint at %d, log from %d", m.Index, r.node.Status().FirstLog)
		}
		hash, running := r.engine.StateHash(), r.engine.RunningHash()
		cut := storage.PowerCut(fs, 50, rand.New(rand.NewPCG(1, 1)))
		r.stop()

		r = recording(cut)
		r.mustStart()
		if r.node.fsm.base != m.Index {
			t.Errorf("it began at %d, the checkpoint is at %d", r.node.fsm.base, m.Index)
		}
		if r.engine.StateHash() != hash || r.engine.RunningHash() != running {
			t.Error("checkpoint and tail give another state")
		}
		r.mustStand(answers, user)
		hash, running = r.engine.StateHash(), r.engine.RunningHash()

		all, err := engine.New(engine.Options{Shards: 2})
		if err != nil {
			t.Fatal(err)
		}
		var out engine.Outcome
		for _, index := range slices.Sorted(maps.Keys(entries)) {
			if err := all.Apply(engine.LogIndex(index), entries[index], &out); err != nil {
				t.Fatal(err)
			}
		}
		if all.StateHash() != hash || all.RunningHash() != running {
			t.Error("replaying everything gives another state")
		}
	})
}

// TestShardsChange: pages belong to a shard count. With another one, the next checkpoint must leave none of the old.
func TestShardsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := storage.NewCrashFS()
		var answers []answer
		for round, shards := range []int{64, 2, 2, 1, 64} {
			r := newRig(t, fs)
			r.shards = shards
			r.mustStart()
			if round == 0 {
				r.publish(testVersion(time.Now(), 1<<40))
			}
			r.mustStand(answers, user)
			answers = append(answers, r.some(fmt.Sprint(round), 200)...)
			for range 2 {
				if err := r.node.points.take(); err != nil {
					t.Fatal(err)
				}
				answers = append(answers, r.some(fmt.Sprint(round, "x"), 1)...)
			}
			if err := r.engine.CheckInvariants(); err != nil {
				t.Fatal(err)
			}
			r.stop()
		}
	})
}

// TestStateIsSyncedFirst is rule 14: the records of a checkpoint's entries are durable before raft may cut the log.
func TestStateIsSyncedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := storage.NewCrashFS()
		r := newRig(t, fs)
		var o order
		r.wrapState = func(inner stateDisk) stateDisk { o.stateDisk = inner; return &o }
		r.options.TrailingBytes = 1
		r.mustStart()
		r.publish(testVersion(time.Now(), 1<<40))
		answers := r.some("a", 100)
		if err := r.node.points.take(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(o.steps, " "); got != "sync checkpoint" {
			t.Errorf("steps: %s", got)
		}
		cut := storage.PowerCut(fs, 0, nil)

		// What fails is no checkpoint: the log is not cut, and the next try succeeds.
		first := r.node.log.disk.First()
		answers = append(answers, r.some("b", 100)...)
		since := r.node.fsm.sinceCheckpoint.Load()
		o.fail = errNoDisk
		if err := r.node.points.take(); err == nil || !strings.Contains(err.Error(), "no disk") {
			t.Errorf("%v", err)
		}
		s := r.node.Status()
		if r.node.log.disk.First() != first || s.SinceCheckpoint != since || !strings.Contains(s.CheckpointError, "no disk") {
			t.Errorf("after a failed checkpoint: %+v", s)
		}
		o.fail = nil
		if err := r.node.points.take(); err != nil {
			t.Error(err)
		}
		if r.node.log.disk.First() <= first || r.node.Status().SinceCheckpoint != 0 {
			t.Errorf("after a good one: %+v", r.node.Status())
		}
		r.mustStand(answers, user)
		r.stop()

		r = newRig(t, cut)
		r.mustStart()
		r.mustStand(answers[:100], user)
	})
}

// TestCheckpointTrigger: by bytes of log, and not too often.
func TestCheckpointTrigger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		r.options.CheckpointBytes, r.options.TrailingBytes = 32<<10, 8<<10
		r.options.ElectionTimeout = time.Second // fewer timers to simulate
		r.mustStart()
		begun := time.Now()
		var at []time.Duration
		seen := uint64(0)
		for time.Since(begun) < 3*time.Minute {
			if err := r.node.Decide(draws("u", 100)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if m, ok := r.opened.State().Manifest(); ok && m.Index != seen {
				seen = m.Index
				at = append(at, time.Since(begun))
			}
		}
		if len(at) != 6 || at[0] > 10*time.Second {
			t.Errorf("checkpoints at %v", at)
		}
		for i := 1; i < len(at); i++ {
			if d := at[i] - at[i-1]; d < DefaultCheckpointInterval-time.Second || d > DefaultCheckpointInterval+5*time.Second {
				t.Errorf("%v between two checkpoints", d)
			}
		}
		if s := r.node.Status(); s.LogBytes > 1<<20 || s.FirstLog == 1 {
			t.Errorf("the log was not cut: %+v", s)
		}
	})
}

// TestSnapshotStore is rule 15: raft sees one snapshot, the newest checkpoint.
func TestSnapshotStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		r.mustStart()
		if list, err := r.node.snapshots.List(); len(list) != 0 || err != nil {
			t.Errorf("before the first checkpoint: %v, %v", list, err)
		}
		r.publish(testVersion(time.Now(), 1<<40))
		for range 3 {
			r.some(time.Now().String(), 20)
			if err := r.node.points.take(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		list, err := r.node.snapshots.List()
		m, _ := r.opened.State().Manifest()
		if err != nil || len(list) != 1 || list[0].Index != m.Index || list[0].Term != m.Term || list[0].ConfigurationIndex != 1 || len(list[0].Configuration.Servers) != 1 {
			t.Errorf("%+v, %v", list, err)
		}
		chain, ok := r.node.log.disk.Chain(m.Index)
		if !ok || chain != m.Chain || m.Running != r.engine.RunningHash() {
			t.Errorf("manifest %+v", m)
		}
	})
}

// TestDamage: what is on disk is not what was written. The node refuses to start and says what to do.
func TestDamage(t *testing.T) {
	tests := []struct {
		name   string
		damage func(r *rig)
		want   []string
	}{
		{"the pages of another checkpoint", func(r *rig) {
			r.wrapMachine = func(m machine) machine { return wrongHash{m} }
		}, []string{"checkpoint", "pages", "restore a backup"}},
		{"a log that does not continue the checkpoint", func(r *rig) {
			r.wrapLog = func(inner logDisk) logDisk { return &otherLog{logDisk: inner} }
		}, []string{"damaged"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := storage.NewCrashFS()
				r := newRig(t, fs)
				r.mustStart()
				r.publish(testVersion(time.Now(), 1<<40))
				r.some("a", 50)
				r.stop()
				r = newRig(t, fs)
				test.damage(r)
				err := r.start()
				for _, want := range test.want {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%v: does not say %q", err, want)
					}
				}
				r.node = nil
			})
		})
	}
}

// wrongHash is a machine whose running hash is not what was written down.
type wrongHash struct{ machine }

func (wrongHash) RunningHash() [16]byte { return [16]byte{1} }

// otherLog is asked to continue a checkpoint that it does not.
type otherLog struct{ logDisk }

func (l *otherLog) Verify(b storage.Base) error {
	b.Chain[3] ^= 1
	return l.logDisk.Verify(b)
}
