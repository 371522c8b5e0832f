package raftlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/storage"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// The rules of raft-and-pebble.md that concern one node, by number. Rule 1 is heartbeat_test.go; 5 and 6 are in
// proposer_test.go and members_test.go; 11 to 13 and 16 are storage's; 18 is in cluster_test.go; 19 is the contract of peer.Stream.

// Rules 2 and 3, and the settings that other rules stand on.
func TestConfiguration(t *testing.T) {
	o := Options{}.withDefaults()
	c := raftConfig(&o, hclog.NewNullLogger(), nil)
	if err := raft.ValidateConfig(c); err != nil {
		t.Fatal(err)
	}
	if transportConfig(o.Stream, rpcTimeout, hclog.NewNullLogger()).MaxRPCsInFlight != 1 {
		t.Error("rule 2: the pipeline is on")
	}
	if c.RestoreCommittedLogs {
		t.Error("rule 3: RestoreCommittedLogs is on")
	}
	if c.BatchApplyCh {
		t.Error("rule 6: with BatchApplyCh an entry may run after ErrEnqueueTimeout, which errors.go says it does not")
	}
	if !c.NoSnapshotRestoreOnStart || c.PreVoteDisabled || c.ProtocolVersion != 3 || c.MaxAppendEntries*engine.MaxEntryBytes > 16<<20 {
		t.Errorf("%+v", c)
	}
	if c.SnapshotInterval < 365*24*time.Hour || c.SnapshotThreshold < 1<<60 {
		t.Error("raft's own trigger is on")
	}
	if c.HeartbeatTimeout != 20*time.Millisecond || c.ElectionTimeout != 20*time.Millisecond || c.LeaderLeaseTimeout != 20*time.Millisecond {
		t.Errorf("one node: %v, %v, %v", c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout)
	}
}

// Rule 3: more entries after the checkpoint than RestoreCommittedLogs would survive (128 × MaxAppendEntries).
func TestManyEntriesAfterTheCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := storage.NewCrashFS()
		r := newRig(t, fs)
		r.mustStart()
		var b engine.Batch
		for range 128*maxAppendEntries + 10 {
			if err := r.node.Decide(&b); err != nil {
				t.Fatal(err)
			}
		}
		hash, last := r.engine.RunningHash(), r.node.Status().Applied
		cut := storage.PowerCut(fs, 0, nil)
		r.stop()
		r = newRig(t, cut)
		r.mustStart()
		if r.engine.RunningHash() != hash || r.node.Status().Applied != last {
			t.Errorf("applied %d, want %d", r.node.Status().Applied, last)
		}
	})
}

// Rule 3: what is reported as applied was applied, whatever raft says.
func TestAppliedIndexIsOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		m := new(slowMachine)
		r.wrapMachine = func(inner machine) machine { m.machine = inner; return m }
		r.mustStart()
		before := r.node.Status().Applied
		release := m.block()
		c := decide(r.node.proposer, new(engine.Batch))
		synctest.Wait()
		if raftSays := r.node.raft.AppliedIndex(); r.node.Status().Applied != before || raftSays <= before {
			t.Errorf("applied %d, was %d; raft says %d", r.node.Status().Applied, before, raftSays)
		}
		close(release)
		<-c.done
		if r.node.Status().Applied <= before {
			t.Error("applied did not move")
		}
	})
}

// Rule 4: a failed write ends the process, and nobody is told that his command was decided.
func TestStoreErrorEndsTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := faultyRig(t)
		log.set(errNoDisk, nil)
		err := r.node.Decide(draws("u", 1))
		if !errors.Is(err, problem.New(problem.UnknownOutcome, "")) {
			t.Errorf("Decide: %v", err)
		}
		<-r.exits.ch
		if why := r.exits.all(); len(why) != 1 || !strings.Contains(why[0], "no disk") || !strings.Contains(why[0], "--data") || r.exits.codes[0] != ExitDisk {
			t.Errorf("exit: %q %v", why, r.exits.codes)
		}
		log.set(nil, nil) // a disk that comes back is not trusted
		if err := r.node.Decide(draws("u", 1)); !errors.Is(err, problem.New(problem.NoLeader, "")) {
			t.Errorf("after the end: %v", err)
		}
		if s := r.node.Status(); s.Ready || !s.Stopped {
			t.Errorf("%+v", s)
		}
	})
}

// Rule 4: a disk that does not answer for 5 s ends the process. Until then commands are refused by their age.
func TestHungSyncEndsTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := faultyRig(t)
		hang := make(chan struct{})
		log.set(nil, hang)
		begun := time.Now()
		flying := decide(r.node.proposer, draws("u", 1))
		synctest.Wait()
		queued := decide(r.node.proposer, draws("v", 1))
		<-queued.done
		if queued.code() != problem.Overloaded || queued.took > DefaultQueueAge+2*watchInterval {
			t.Errorf("queued behind a hung disk: %v after %v", queued.err, queued.took)
		}
		<-r.exits.ch
		if age := time.Since(begun); age < DefaultSyncLimit || age > DefaultSyncLimit+2*watchInterval {
			t.Errorf("ended after %v", age)
		}
		<-flying.done
		if flying.code() != problem.UnknownOutcome {
			t.Errorf("in flight: %v", flying.err)
		}
		if r.exits.codes[0] != ExitDisk {
			t.Errorf("exit code %d", r.exits.codes[0])
		}
		close(hang)
	})
}

// faultyRig returns a running node whose log can be made to fail.
func faultyRig(t *testing.T) (*rig, *faultyLog) {
	r := newRig(t, storage.NewCrashFS())
	log := new(faultyLog)
	r.wrapLog = func(inner logDisk) logDisk { log.logDisk = inner; return log }
	r.mustStart()
	return r, log
}

// Rule 7: a leader takes nothing before everything that it knows is applied.
func TestBarrierBeforeService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := storage.NewCrashFS()
		r := newRig(t, fs)
		r.mustStart()
		r.publish(testVersion(time.Now(), 10))
		cut := storage.PowerCut(fs, 0, nil)
		r.stop()

		r = newRig(t, cut)
		m := new(slowMachine)
		r.wrapMachine = func(inner machine) machine { m.machine = inner; return m }
		release := m.block()
		started := make(chan error, 1)
		go func() { started <- r.start() }()
		time.Sleep(10 * time.Second)
		select {
		case err := <-started:
			t.Fatalf("open although the log is not applied: %v", err)
		default:
		}
		close(release)
		if err := <-started; err != nil {
			t.Fatal(err)
		}
	})
}

// Rule 8: what raft compares by identity, or would by text.
func TestStoreErrorsAreRafts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		r.mustStart()
		s := r.node.log
		var l raft.Log
		if err := s.GetLog(1<<40, &l); err != raft.ErrLogNotFound { //nolint:errorlint // raft compares it so
			t.Errorf("a missing record: %v", err)
		}
		if v, err := s.Get([]byte("nothing")); v != nil || err != nil {
			t.Errorf("a missing value: %v, %v", v, err)
		}
		if v, err := s.GetUint64([]byte("nothing")); v != 0 || err != nil {
			t.Errorf("a missing number: %v, %v", v, err)
		}
		if err := s.SetUint64([]byte("number"), 1<<60); err != nil {
			t.Fatal(err)
		}
		if v, err := s.GetUint64([]byte("number")); v != 1<<60 || err != nil {
			t.Errorf("a number: %v, %v", v, err)
		}
		if err := s.Set([]byte("word"), []byte("value")); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Get([]byte("word")); string(v) != "value" || err != nil {
			t.Errorf("a value: %q, %v", v, err)
		}
		if _, err := s.GetUint64([]byte("word")); err == nil {
			t.Error("a word is no number")
		}
	})
}

// Rule 9: one response per log, configurations included; and an idle node can take a checkpoint.
func TestConfigurationReachesTheFSM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		r.wrapMachine = func(machine) machine { return new(trivial) } // proposes nothing by itself
		r.mustStart()
		index, data := r.node.fsm.configuration()
		if want := raft.EncodeConfiguration(r.node.raft.GetConfiguration().Configuration()); index != 1 || string(data) != string(want) {
			t.Errorf("the FSM has the configuration of index %d, %x", index, data)
		}
		if err := r.node.points.take(); err != nil {
			t.Errorf("checkpoint of an idle node: %v", err)
		}
		if m, ok := r.opened.State().Manifest(); !ok || m.ConfigurationIndex != 1 || string(m.Configuration) != string(data) {
			t.Errorf("manifest %+v", m)
		}
		responses := r.node.fsm.ApplyBatch([]*raft.Log{
			{Index: 100, Type: raft.LogConfiguration, Data: data}, {Index: 101, Data: engine.AppendEntryHeader(nil, &engine.EntryHeader{})},
		})
		if len(responses) != 2 {
			t.Errorf("%d responses to 2 logs", len(responses))
		}
	})
}

// Rule 10: raft is told that the log is dense, and it is kept so.
func TestLogStaysDense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := storage.NewCrashFS()
		r := newRig(t, fs)
		r.mustStart()
		var b engine.Batch
		for range 20 {
			if err := r.node.Decide(&b); err != nil {
				t.Fatal(err)
			}
		}
		s := r.node.log
		if !s.IsMonotonic() {
			t.Error("raft would leave gaps")
		}
		first, last := s.disk.First(), s.disk.Last()
		if err := s.DeleteRange(first+2, last-2); err == nil {
			t.Error("a hole was cut")
		}
		if err := s.DeleteRange(last+1, last+5); err != nil || s.disk.Last() != last {
			t.Errorf("beyond the end: %v", err)
		}
		// A conflict with a leader cuts the end, which must not look like a loss afterwards (rule 12).
		if err := s.DeleteRange(last-3, last); err != nil || s.disk.Last() != last-4 || s.disk.First() != first {
			t.Errorf("tail: %v, %d to %d", err, s.disk.First(), s.disk.Last())
		}
		cut := storage.PowerCut(fs, 0, nil)
		r.stop()
		r = newRig(t, cut)
		r.mustStart()
	})
}

// TestDeleteRange: which end is cut, also when it is the whole log.
func TestDeleteRange(t *testing.T) {
	for _, test := range []struct {
		from, to, durable uint64
		want              string
	}{
		{10, 15, 15, "head 15"},
		{1, 15, 15, "head 15"},
		{15, 20, 12, "tail 15"},
		{10, 20, 20, "head 20"}, // behind a checkpoint
		{10, 20, 15, "head 15"}, // a snapshot was installed that the log continues
		{10, 20, 5, "tail 10"},  // a conflict from the first record on
		{21, 30, 5, ""},
		{1, 9, 5, ""},
	} {
		var d cutLog
		s := &logStore{disk: &d, clock: newSetClock(), durable: func() uint64 { return test.durable }, pins: &pins{clock: newSetClock()}}
		if err := s.DeleteRange(test.from, test.to); err != nil || d.done != test.want {
			t.Errorf("%d to %d of 10 to 20, durable %d: %q, %v; want %q", test.from, test.to, test.durable, d.done, err, test.want)
		}
	}
}

// cutLog is a log of 10 to 20 that says how it was cut.
type cutLog struct {
	logDisk
	done string
}

func (*cutLog) First() uint64 { return 10 }
func (*cutLog) Last() uint64  { return 20 }
func (*cutLog) Bytes() int64  { return 0 }
func (l *cutLog) TruncateHead(through uint64) error {
	l.done = fmt.Sprint("head ", through)
	return nil
}
func (l *cutLog) TruncateTail(from uint64) error {
	l.done = fmt.Sprint("tail ", from)
	return nil
}

// Rule 20, and the escape from it: an entry that cannot be applied stops the node, again after a restart, until an
// operator names it.
func TestPoisonEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := storage.NewCrashFS()
		r := newRig(t, fs)
		r.mustStart()
		r.publish(testVersion(time.Now(), 1000))
		var b engine.Batch
		good, err := r.draw(&b, "u1", "u1/1")
		if err != nil {
			t.Fatal(err)
		}
		entry := engine.AppendEntryHeader(nil, &engine.EntryHeader{Count: 1, Stamp: 1})
		entry = append(entry, 250, 0, 0, 0) // an operation of the future
		_ = r.node.raft.Apply(entry, 0).Error()
		<-r.exits.ch
		why := r.exits.all()[0]
		escape := why[strings.LastIndex(why, "--skip-entry ")+len("--skip-entry "):]
		at, hash, _ := strings.Cut(escape, ":")
		cut := storage.PowerCut(fs, 0, nil)
		r.stop()

		r = newRig(t, cut)
		if err := r.start(); err == nil || len(r.exits.all()) != 1 || r.exits.all()[0] != why {
			t.Fatalf("after a restart: %v, %q", err, r.exits.all())
		}
		cut = storage.PowerCut(cut, 0, nil)
		r.stop()

		var index uint64
		fmt.Sscan(at, &index)
		r = newRig(t, cut)
		r.options.Skip = SkipEntry{Index: index, Hash: "0123456789abcdef"}
		if err := r.start(); err == nil || !strings.Contains(r.exits.all()[0], "nothing was skipped") {
			t.Fatalf("with another hash: %v, %q", err, r.exits.all())
		}
		cut = storage.PowerCut(cut, 0, nil)
		r.stop()

		r = newRig(t, cut)
		r.options.Skip = SkipEntry{Index: index, Hash: hash}
		r.mustStart()
		r.mustStand([]answer{good}, user)
		if !strings.Contains(r.logged.String(), hash) {
			t.Error("the skip is not in the log output")
		}
	})
}

// TestAnotherNodeID: raft would wait for ever.
func TestAnotherNodeID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := storage.NewCrashFS()
		r := newRig(t, fs)
		r.mustStart()
		r.stop()
		r = newRig(t, fs)
		r.options.NodeID = "somebody-else"
		err := r.start()
		if err == nil || !strings.Contains(err.Error(), "node-1") || !strings.Contains(err.Error(), "somebody-else") {
			t.Errorf("%v", err)
		}
	})
}

func TestOptionsValidate(t *testing.T) {
	err := Options{
		QueueCommands: 1, QueueBytes: 1, QueueAge: 1, GiveUp: 1, EntryBytes: 1, Depth: 3, CheckpointBytes: -1, CheckpointInterval: -1,
		TrailingBytes: -1, SyncLimit: 1, ElectionTimeout: 1, LeaseTimeout: 1, Skip: SkipEntry{Index: 1},
	}.Validate()
	for _, field := range []string{
		"Store", "Engine", "QueueCommands", "QueueBytes", "QueueAge", "EntryBytes", "Depth", "CheckpointBytes", "CheckpointInterval", "TrailingBytes",
		"SyncLimit", "ElectionTimeout", "LeaseTimeout", "Skip",
	} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not among the faults", field)
		}
	}
	if err := (Options{Store: new(storage.Store), Engine: new(engine.Engine)}).Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	if _, err := Open(context.Background(), Options{}); err == nil {
		t.Error("Open took options without a store")
	}
}

// TestLogger: raft's everyday life is not news, its errors are.
func TestLogger(t *testing.T) {
	var b syncBuffer
	l := newRaftLogger(slog.New(slog.NewTextHandler(&b, nil)))
	l.Info("entering follower state")
	l.Named("net").With("peer", "b").Warn("heartbeat timeout", "last", hclog.Fmt("%03d", 7))
	l.Error("failed", "error", errNoDisk)
	got := b.String()
	for _, want := range []string{`level=INFO msg="heartbeat timeout" peer=b component=raft.net last=007`, `level=ERROR msg=failed component=raft error="no disk"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "follower") || l.IsInfo() || !l.IsWarn() || l.GetLevel() != hclog.Warn {
		t.Errorf("level %v:\n%s", l.GetLevel(), got)
	}
}

// TestMetricNames: they are written out, and in docs/metrics.md.
func TestMetricNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		r.options.Metrics = metrics.NewSet()
		r.mustStart()
		documented, err := os.ReadFile("../docs/metrics.md")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range r.options.Metrics.ListMetricNames() {
			name, _, _ = strings.Cut(name, "{")
			if !strings.HasPrefix(name, "drawd_raft_") && !strings.HasPrefix(name, "drawd_proposer_") || !strings.Contains(string(documented), "`"+name+"`") {
				t.Errorf("%s is not documented, or misnamed", name)
			}
		}
		var b strings.Builder
		r.options.Metrics.WritePrometheus(&b)
		for _, want := range []string{"drawd_raft_ready 1", "drawd_raft_leader 1", "drawd_proposer_entries_total 1", "drawd_raft_log_bytes "} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("no %q in\n%s", want, b.String())
			}
		}
	})
}
