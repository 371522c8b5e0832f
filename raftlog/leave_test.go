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

	"github.com/drawd/drawd/engine/problem"
)

// TestCallersWhoLeave: what is on its way is unknown to who does not wait for it; what waits is taken out, in the middle of
// the queue too, and nobody else notices.
func TestCallersWhoLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		p := newTestProposer(t, log, nil)
		ctx, cancel := context.WithCancel(context.Background())
		leaving := func(user string) chan error {
			ended := make(chan error, 1)
			b := draws(user, 1)
			go func() { ended <- p.decide(ctx, b) }()
			synctest.Wait()
			return ended
		}
		flying := leaving("flying")
		entry := <-log.taken
		before := decide(p, draws("before", 1))
		synctest.Wait()
		queued := leaving("queued")
		after := decide(p, draws("after", 1))
		synctest.Wait()
		cancel()
		if err := <-flying; !errors.Is(err, problem.New(problem.UnknownOutcome, "")) {
			t.Errorf("on its way: %v", err)
		}
		if err := <-queued; !errors.Is(err, context.Canceled) {
			t.Errorf("in the queue: %v", err)
		}
		log.land(entry)
		next := <-log.taken
		if n := next.commands(); n != 2 {
			t.Errorf("the next entry has %d commands, want those of before and after", n)
		}
		log.land(next)
		<-before.done
		<-after.done
		if before.err != nil || after.err != nil {
			t.Errorf("%v, %v", before.err, after.err)
		}
		synctest.Wait()
		if n, bytes := p.queue.size(); n != 0 || bytes != 0 || p.queue.busy() {
			t.Errorf("%d commands of %d bytes are still counted", n, bytes)
		}
	})
}

// TestLeaveRace leaves and delivers at the same moments; the race detector watches the batches. How long a batch waits for a
// processor is not what is tested.
func TestLeaveRace(t *testing.T) {
	p := newTestProposer(t, &instantLog{}, func(o *Options) { o.QueueAge, o.GiveUp = time.Minute, time.Hour })
	var decided, unknown, never atomic.Int64
	var callers sync.WaitGroup
	for c := range 16 {
		callers.Add(1)
		go func() {
			defer callers.Done()
			b := draws(fmt.Sprint("u", c), 3)
			for round := range 2000 {
				ctx, cancel := context.WithCancel(context.Background())
				go func() { // at another moment of its way each time
					for range round % 100 {
						runtime.Gosched()
					}
					cancel()
				}()
				err := p.decide(ctx, b)
				switch {
				case err == nil:
					decided.Add(1)
					if len(b.Results) != 3 || len(b.Records) != 480 {
						t.Errorf("%+v", b)
					}
				case errors.Is(err, context.Canceled):
					never.Add(1) // ours again
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
	t.Logf("%d decided, %d unknown, %d never sent", decided.Load(), unknown.Load(), never.Load())
	if decided.Load() == 0 || never.Load()+unknown.Load() == 0 { // which of the two is a matter of microseconds
		t.Error("both ends of the race must be met")
	}
}
