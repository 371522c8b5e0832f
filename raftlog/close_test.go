package raftlog

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/storage"
	"github.com/hashicorp/raft"
)

// TestClose: what waits is decided, what comes is refused, and the next start has nothing to replay.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := storage.NewCrashFS()
		r := newRig(t, fs)
		m := new(slowMachine)
		r.wrapMachine = func(inner machine) machine { m.machine = inner; return m }
		r.mustStart()
		r.publish(testVersion(time.Now(), 1000))
		release := m.block()
		var calls []*call
		for i := range 20 {
			b := new(engine.Batch)
			r.addDraw(b, "u", fmt.Sprint(i))
			calls = append(calls, decide(r.node.proposer, b))
			synctest.Wait()
		}
		closed := make(chan error, 1)
		go func() { closed <- r.node.Close(t.Context()) }()
		synctest.Wait()
		err := r.node.Decide(draws("late", 1))
		if !errors.Is(err, problem.New(problem.NoLeader, "")) {
			t.Errorf("while closing: %v", err)
		}
		select {
		case err := <-closed:
			t.Fatalf("closed before what waits is decided: %v", err)
		default:
		}
		close(release)
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
		for i, c := range calls {
			if <-c.done; c.err != nil || c.batch.Results[0].Code != problem.OK {
				t.Errorf("call %d: %v", i, c.err)
			}
		}
		if err := r.node.Decide(draws("late", 1)); !errors.Is(err, problem.New(problem.NoLeader, "")) {
			t.Errorf("after Close: %v", err)
		}
		applied, hash := r.node.fsm.applied.Load(), r.engine.StateHash()
		r.stop()

		r = newRig(t, fs)
		r.mustStart()
		if r.node.fsm.base < applied || r.engine.StateHash() != hash {
			t.Errorf("the checkpoint of Close is at %d, applied was %d", r.node.fsm.base, applied)
		}
	})
}

// TestCloseWithAHungDisk: Close ends when its context does, and nobody waits for ever.
func TestCloseWithAHungDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := faultyRig(t)
		hang := make(chan struct{})
		log.set(nil, hang)
		flying := decide(r.node.proposer, draws("u", 1))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		err := r.node.Close(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		<-flying.done
		if flying.code() != problem.UnknownOutcome {
			t.Errorf("in flight: %v", flying.err)
		}
		close(hang)
		r.node = nil
		time.Sleep(time.Second) // simulated: what was held up ends
	})
}

// TestOpenGivesUp: a node that cannot lead in time says so, and leaves nothing running.
func TestOpenGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		log := new(faultyLog)
		m := new(slowMachine)
		r.wrapLog = func(inner logDisk) logDisk { log.logDisk = inner; return log }
		r.wrapMachine = func(inner machine) machine { m.machine = inner; return m }
		release := m.block()
		go func() {
			time.Sleep(62 * time.Second)
			close(release)
		}()
		r.options.GiveUp = 2 * time.Minute
		if err := r.start(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		r.node = nil
	})
}

// TestCloseLeavesNobodyWaitingForRaft: what waits behind an entry of a node that has stopped is answered before raft is shut
// down, which answers nothing that its machine has not taken.
func TestCloseLeavesNobodyWaitingForRaft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		m := &slowMachine{machine: new(trivial)}
		r.wrapMachine = func(machine) machine { return m }
		r.mustStart()
		release := m.block()
		applied := make(chan error, 1)
		entry := engine.AppendEntryHeader(nil, &engine.EntryHeader{})
		go func() { applied <- r.node.raft.Apply(entry, 0).Error() }()
		synctest.Wait()
		answered := make(chan error, 16)
		for range cap(answered) {
			go func() { answered <- r.node.barrier() }()
		}
		synctest.Wait()
		r.node.die(ExitFailed, "the test says so")
		closed := make(chan error, 1)
		go func() { closed <- r.node.Close(t.Context()) }()
		synctest.Wait()
		close(release)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(applied) != 1 || len(answered) != cap(answered) {
			t.Fatalf("%d of 1 entries and %d of %d barriers were answered", len(applied), len(answered), cap(answered))
		}
		if err := r.node.barrier(); !errors.Is(err, raft.ErrRaftShutdown) {
			t.Errorf("after Close: %v", err)
		}
	})
}
