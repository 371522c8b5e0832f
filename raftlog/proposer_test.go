package raftlog

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/hashicorp/raft"
)

func TestProposerBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		p := newTestProposer(t, log, nil)
		first := decide(p, draws("a", 1))
		e1 := <-log.taken
		var rest []*call
		for i := range 50 {
			rest = append(rest, decide(p, draws(fmt.Sprint("u", i), i%3)))
			synctest.Wait()
		}
		if len(log.taken) != 0 {
			t.Fatal("a second entry was sent although no whole entry waits")
		}
		log.land(e1)
		e2 := <-log.taken
		log.land(e2)
		synctest.Wait()
		if n := e2.commands(); n != 49 {
			t.Errorf("the second entry has %d commands, 49 were waiting", n)
		}
		if first.err != nil || first.batch.Index != 1 || len(first.batch.Results) != 1 {
			t.Errorf("first: %v, %+v", first.err, first.batch)
		}
		next := uint16(0)
		for i, c := range rest {
			if !c.finished() || c.err != nil || c.batch.Index != 2 || len(c.batch.Results) != i%3 {
				t.Fatalf("batch %d: %v, index %d, %d results", i, c.err, c.batch.Index, len(c.batch.Results))
			}
			for j, r := range c.batch.Results {
				if r.At.Ordinal != next || int(r.Offset) != j*160 || len(c.batch.Records) != 160*(i%3) {
					t.Fatalf("batch %d, result %d: %+v of %d bytes; the next ordinal is %d", i, j, r, len(c.batch.Records), next)
				}
				next++
			}
		}
	})
}

// TestProposerKeepsBatchesWhole: a batch is never split, an entry never too large, order is kept.
func TestProposerKeepsBatchesWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		p := newTestProposer(t, log, func(o *Options) { o.Depth = 1 })
		decide(p, draws("first", 1))
		e := <-log.taken
		big := func() *engine.Batch { return draws(string(make([]byte, 120)), engine.MaxBatchDraws) } // 172 KB
		var calls []*call
		for range 4 {
			calls = append(calls, decide(p, big()))
			synctest.Wait()
			calls = append(calls, decide(p, draws("x", 1)))
			synctest.Wait()
		}
		log.land(e)
		for i, want := range []int{1001, 1001, 1001, 1001} {
			e := <-log.taken
			if n := e.commands(); n != want || len(e.data) > engine.MaxEntryBytes {
				t.Errorf("entry %d has %d commands in %d bytes, want %d", i, n, len(e.data), want)
			}
			log.land(e)
			synctest.Wait()
		}
		for i, c := range calls {
			if c.err != nil || c.batch.Index != engine.LogIndex(2+i/2) {
				t.Errorf("call %d: %v at %d", i, c.err, c.batch.Index)
			}
		}
	})
}

func TestProposerRefusesWhatFitsNoEntry(t *testing.T) {
	p := newTestProposer(t, newManualLog(), nil)
	for _, b := range []*engine.Batch{draws(string(make([]byte, 128)), 2000), draws("x", maxEntryCommands+1)} {
		if err := p.decide(context.Background(), b); !errors.Is(err, ErrBatchTooLarge) {
			t.Errorf("%d commands, %d bytes: %v", b.Len(), len(b.Commands()), err)
		}
	}
}

// TestDepth: a second entry is in flight only when a whole one waits, a third never.
func TestDepth(t *testing.T) {
	for _, depth := range []int{1, 2} {
		t.Run(fmt.Sprint(depth), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newManualLog()
				p := newTestProposer(t, log, func(o *Options) { o.Depth, o.EntryBytes = depth, 4096 })
				var calls []*call
				add := func(n int) {
					calls = append(calls, decide(p, draws("u", n)))
					synctest.Wait()
				}
				inFlight := func(want int) {
					t.Helper()
					if len(log.taken) != want {
						t.Fatalf("%d entries in flight, want %d", len(log.taken), want)
					}
				}
				add(1)
				inFlight(1)
				add(30) // 1.6 KB
				inFlight(1)
				for range 10 {
					add(60) // 3.2 KB each
				}
				inFlight(depth)
				for i := 0; i < len(calls); i++ {
					for !calls[i].finished() {
						log.land(<-log.taken)
						synctest.Wait()
					}
				}
			})
		})
	}
}

func TestQueueFull(t *testing.T) {
	tests := []struct {
		name string
		tune func(*Options)
		load func() *engine.Batch
		fit  int
	}{
		{"commands", func(o *Options) { o.QueueCommands = 1000 }, func() *engine.Batch { return draws("u", 100) }, 10},
		{"bytes", func(o *Options) { o.QueueBytes = engine.MaxEntryBytes }, func() *engine.Batch { return draws(string(make([]byte, 100)), 800) }, 2},
		{"empty batches", func(o *Options) { o.QueueCommands = 1000 }, func() *engine.Batch { return new(engine.Batch) }, 1000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newManualLog()
				p := newTestProposer(t, log, func(o *Options) { test.tune(o); o.Depth = 1 })
				flying := decide(p, draws("first", 1))
				e := <-log.taken
				var inside []*call
				for range test.fit {
					inside = append(inside, decide(p, test.load()))
				}
				synctest.Wait()
				over := decide(p, test.load())
				synctest.Wait()
				if !over.finished() || over.code() != problem.Overloaded || len(over.batch.Results) != 0 {
					t.Fatalf("beyond the bound: %v", over.err)
				}
				log.land(e)
				seen := 1
				for !inside[len(inside)-1].finished() {
					e := <-log.taken
					seen += e.commands()
					log.land(e)
					synctest.Wait()
				}
				for _, c := range append(inside, flying) {
					if c.err != nil {
						t.Errorf("inside the bound: %v", c.err)
					}
				}
				want := 1 + test.fit*test.load().Len()
				if test.load().Len() == 0 {
					want = 2 // the entry needs a command
				}
				if seen != want {
					t.Errorf("%d commands went into the log, want %d: a refused one must not", seen, want)
				}
			})
		})
	}
}

// TestQueueAge: a command that waited too long is refused, also while the log hangs, and never once it was sent.
func TestQueueAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		p := newTestProposer(t, log, nil)
		sent := decide(p, draws("sent", 1))
		e := <-log.taken // and nothing comes back: the disk hangs
		time.Sleep(10 * time.Millisecond)
		old := decide(p, draws("old", 1))
		time.Sleep(100 * time.Millisecond)
		younger := decide(p, draws("younger", 1))
		time.Sleep(DefaultQueueAge - 101*time.Millisecond)
		if old.finished() {
			t.Error("refused before its time")
		}
		time.Sleep(1*time.Millisecond + 2*watchInterval)
		if !old.finished() || old.code() != problem.Overloaded || younger.finished() || sent.finished() {
			t.Fatalf("after %v: old %v (%v), younger %v, sent %v", DefaultQueueAge+2*watchInterval, old.finished(), old.err, younger.finished(), sent.finished())
		}
		log.land(e)
		e = <-log.taken
		if e.commands() != 1 {
			t.Errorf("%d commands were sent, only one was young enough", e.commands())
		}
		log.land(e)
		<-younger.done
		<-sent.done
		if younger.err != nil || sent.err != nil {
			t.Error(younger.err, sent.err)
		}
	})
}

// TestQueueDoor: who would wait too long is refused at once, and only while that is so.
func TestQueueDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		p := newTestProposer(t, log, nil)
		sent := decide(p, draws("sent", 1))
		e := <-log.taken // and nothing comes back for a while
		time.Sleep(time.Second)
		first := decide(p, draws("first", 1))
		time.Sleep(DefaultQueueAge - DefaultQueueAge/doorShare - time.Millisecond)
		early := decide(p, draws("early", 1))
		synctest.Wait()
		if early.finished() {
			t.Errorf("refused although what waits is young: %v", early.err)
		}
		time.Sleep(1*time.Millisecond + watchInterval + watchInterval/2)
		late := decide(p, draws("late", 1))
		synctest.Wait()
		if !late.finished() || late.code() != problem.Overloaded || late.took != 0 || first.finished() {
			t.Fatalf("late: %v %v after %v; first: %v", late.finished(), late.err, late.took, first.finished())
		}
		log.land(e)
		e = <-log.taken
		if e.commands() != 2 {
			t.Errorf("%d commands were sent, two waited", e.commands())
		}
		next := decide(p, draws("next", 1))
		synctest.Wait()
		if next.finished() {
			t.Errorf("refused although nobody waits: %v", next.err)
		}
		log.land(e)
		log.land(<-log.taken)
		for _, c := range []*call{sent, first, early, next} {
			<-c.done
			if c.err != nil {
				t.Error(c.err)
			}
		}
	})
}

// TestNotSent: the log does not take the entry. That is certain, so the effect is none.
func TestNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		log.gate = make(chan struct{})
		p := newTestProposer(t, log, nil)
		c := decide(p, draws("u", 1))
		<-c.done
		if c.code() != problem.Overloaded || c.took > DefaultQueueAge+watchInterval {
			t.Errorf("%v after %v", c.err, c.took)
		}
	})
}

// TestGiveUp: no outcome for too long is an unknown outcome, and what comes later touches nobody.
func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		p := newTestProposer(t, log, nil)
		c := decide(p, draws("u", 1))
		e := <-log.taken
		<-c.done
		if c.code() != problem.UnknownOutcome || c.took < DefaultGiveUp || c.took > DefaultGiveUp+2*watchInterval {
			t.Fatalf("%v after %v", c.err, c.took)
		}
		// The waiter goes back to the pool and is used again, before the late entry lands.
		again := decide(p, draws("v", 1))
		synctest.Wait()
		log.land(e)
		synctest.Wait()
		if again.finished() || len(again.batch.Results) != 0 || len(c.batch.Results) != 0 {
			t.Fatalf("a late outcome was delivered: %+v, %+v", again.batch, c.batch)
		}
		log.land(<-log.taken)
		<-again.done
		if again.err != nil || again.batch.Index != 2 {
			t.Errorf("%v at %d", again.err, again.batch.Index)
		}
	})
}

// TestWaiterGenerations: who is late names an older use of the waiter, and gets nothing.
func TestWaiterGenerations(t *testing.T) {
	var pool waiters
	w := pool.get()
	first := w.begin(draws("a", 1))
	if first.claim(phaseDispatched) || !first.dispatch() || first.dispatch() || first.claim(phaseQueued) {
		t.Fatal("phases do not follow each other")
	}
	if !first.claim(phaseDispatched) || first.claim(phaseDispatched) {
		t.Fatal("the right to answer was not given exactly once")
	}
	second := w.begin(draws("b", 1))
	if first.claim(phaseQueued) || first.dispatch() || !second.dispatch() || first.claim(phaseDispatched) {
		t.Error("an older use took the newer one over")
	}
	if !second.claim(phaseDispatched) {
		t.Error("the newer use cannot be answered")
	}
}

// TestGiveUpRace gives up and delivers at the same moments; the race detector watches the batches. It gives up by hand, never
// by the clock.
func TestGiveUpRace(t *testing.T) {
	p := newTestProposer(t, &instantLog{}, func(o *Options) { o.QueueAge, o.GiveUp = time.Minute, time.Hour })
	stop := make(chan struct{})
	var impatient, callers sync.WaitGroup
	impatient.Add(1)
	go func() {
		defer impatient.Done()
		var some []ticket
		for {
			select {
			case <-stop:
				return
			default:
				some = wakeAll(p.ground(some[:0], func(*flight) bool { return true }, nil), says(gaveUp))
				runtime.Gosched() // with one processor the callers would wait for its time slice again and again
			}
		}
	}()
	var decided, unknown atomic.Int64
	for c := range 16 {
		callers.Add(1)
		go func() {
			defer callers.Done()
			b := draws(fmt.Sprint("u", c), 3)
			for range 3000 {
				err := p.decide(context.Background(), b)
				switch {
				case err == nil:
					decided.Add(1)
					if len(b.Results) != 3 || len(b.Records) != 480 || b.Results[2].Offset != 320 {
						t.Errorf("%+v", b)
					}
				case errors.Is(err, problem.New(problem.UnknownOutcome, "")):
					unknown.Add(1)
					b.Reset() // a caller may do what it likes with what it dropped
					b = draws(fmt.Sprint("u", c), 3)
				default:
					t.Error(err)
				}
			}
		}()
	}
	callers.Wait()
	close(stop)
	impatient.Wait()
	t.Logf("%d decided, %d unknown", decided.Load(), unknown.Load())
	if decided.Load() == 0 || unknown.Load() == 0 {
		t.Error("both ends of the race must be met")
	}
}

// TestEmptyBatch waits for a commit: the barrier of a linearizable read.
func TestEmptyBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		p := newTestProposer(t, log, nil)
		c := decide(p, new(engine.Batch))
		e := <-log.taken
		if e.commands() != 1 {
			t.Errorf("%d commands, want a tick", e.commands())
		}
		synctest.Wait()
		if c.finished() {
			t.Fatal("it did not wait")
		}
		log.land(e)
		<-c.done
		if c.err != nil || c.batch.Index != 1 || len(c.batch.Results) != 0 {
			t.Errorf("%v, %+v", c.err, c.batch)
		}
	})
}

// TestDecideAllocates: one allocation an entry, which is the entry, and none for the commands in it.
func TestDecideAllocates(t *testing.T) {
	p := newTestProposer(t, &instantLog{}, nil)
	b := draws("u", 256)
	decide := func() {
		if err := p.decide(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	decide()
	if n := testing.AllocsPerRun(500, decide); n > 1 {
		t.Errorf("%v allocations an entry of 256 commands, want 1", n)
	}
}

// TestDrop: what waits is refused with effect none, what flies with effect unknown, what comes is refused.
func TestDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		p := newTestProposer(t, log, nil)
		flying := decide(p, draws("a", 1))
		e := <-log.taken
		waiting := decide(p, draws("b", 1))
		synctest.Wait()
		p.drop(says(closing))
		late := decide(p, draws("c", 1))
		synctest.Wait()
		if flying.code() != problem.UnknownOutcome || waiting.code() != problem.NoLeader || late.code() != problem.NoLeader {
			t.Errorf("flying %v, waiting %v, late %v", flying.err, waiting.err, late.err)
		}
		log.land(e)
	})
}

// TestTransferWatch is rule 5: a transfer that does not end ends the process, a short one does not.
func TestTransferWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		var died []time.Duration
		p := newTestProposer(t, log, func(o *Options) { o.ElectionTimeout = 100 * time.Millisecond })
		start := p.clock.Monotonic()
		p.fatal = func(int, string) { died = append(died, p.clock.Monotonic()-start) }
		refuse := func(err error) {
			c := decide(p, draws("u", 1))
			e := <-log.taken
			if err == nil {
				log.land(e)
			} else {
				e.fail(err)
			}
			<-c.done
			if err != nil && (c.code() != problem.NoLeader || c.code().Info().Effect != problem.None) {
				t.Fatal(c.err)
			}
		}
		refuse(raft.ErrLeadershipTransferInProgress)
		time.Sleep(250 * time.Millisecond)
		refuse(nil) // it ended
		time.Sleep(250 * time.Millisecond)
		for range 4 {
			refuse(raft.ErrLeadershipTransferInProgress)
			time.Sleep(100 * time.Millisecond)
		}
		if len(died) != 0 {
			t.Fatalf("it was ended at %v", died)
		}
		refuse(raft.ErrLeadershipTransferInProgress)
		refuse(raft.ErrLeadershipTransferInProgress)
		if len(died) != 1 {
			t.Errorf("after more than three election timeouts: %v", died)
		}
	})
}

// TestRaftErrors is rule 6: what raft answers, and what is true of the command then.
func TestRaftErrors(t *testing.T) {
	for _, test := range []struct {
		err    error
		effect problem.Effect
	}{
		{raft.ErrNotLeader, problem.None},
		{raft.ErrLeadershipTransferInProgress, problem.None},
		{raft.ErrEnqueueTimeout, problem.None},
		{raft.ErrLeadershipLost, problem.Unknown},
		{raft.ErrRaftShutdown, problem.Unknown},
		{raft.ErrAbortedByRestore, problem.Unknown},
		{errNoOutcome, problem.Unknown},
		{errors.New("the disk is on fire"), problem.Unknown},
		{fmt.Errorf("wrapped: %w", raft.ErrNotLeader), problem.None},
	} {
		e := refusalOf(test.err)
		if got := e.Code.Info().Effect; got != test.effect {
			t.Errorf("%v: %v, effect %v; want %v", test.err, e, got, test.effect)
		}
		if i := e.Code.Info(); !i.Retryable {
			t.Errorf("%v: %v cannot be retried", test.err, e)
		}
	}
}
