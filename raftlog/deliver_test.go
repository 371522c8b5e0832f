package raftlog

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
)

// TestLanded: whoever wants to hear of an outcome hears it once, with the results in the batch, while every caller of that entry
// still waits; also where a large entry is shared out.
func TestLanded(t *testing.T) {
	for _, hands := range []int{1, 3} {
		t.Run(fmt.Sprint(hands), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := newManualLog()
				p := newTestProposer(t, log, nil)
				p.hands = hands
				first := decide(p, draws("first", 1))
				e1 := <-log.taken
				const many = 5*leastShare + 3
				var mu sync.Mutex
				told := map[*engine.Batch]int{}
				var calls []*call
				for i := range many {
					b := draws(fmt.Sprint("u", i), 1+i%2)
					b.Landed = func() {
						mu.Lock()
						defer mu.Unlock()
						told[b]++
						if len(b.Results) != b.Len() || b.Index != 2 || len(b.Records) != 160*b.Len() {
							t.Errorf("batch %d was told of without its outcome: %+v", i, b)
						}
						if len(calls) < many || hands == 1 && slices.ContainsFunc(calls, (*call).finished) {
							t.Errorf("batch %d was told of when a caller had woken", i)
						}
					}
					calls = append(calls, decide(p, b))
					synctest.Wait()
				}
				log.land(e1)
				log.land(<-log.taken)
				synctest.Wait()
				next := 0
				for i, c := range calls {
					if !c.finished() || c.err != nil || told[c.batch] != 1 {
						t.Fatalf("batch %d: finished %v, %v, told %d times", i, c.finished(), c.err, told[c.batch])
					}
					for _, r := range c.batch.Results {
						if int(r.At.Ordinal) != next {
							t.Fatalf("batch %d has the result of command %d, not of %d", i, r.At.Ordinal, next)
						}
						next++
					}
				}
				if !first.finished() || first.err != nil {
					t.Error(first.err)
				}
			})
		})
	}
}

// TestNotLanded: a batch that was given up is told nothing, whatever lands later.
func TestNotLanded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		p := newTestProposer(t, log, nil)
		b := draws("u", 1)
		b.Landed = func() { t.Error("it was told of an outcome that its caller calls unknown") }
		c := decide(p, b)
		e := <-log.taken
		time.Sleep(DefaultGiveUp + 2*watchInterval)
		synctest.Wait()
		if !c.finished() || c.err == nil {
			t.Fatal("it was not given up")
		}
		log.land(e)
		synctest.Wait()
		refused := draws("v", 1)
		refused.Landed = b.Landed
		d := decide(p, refused)
		(<-log.taken).fail(errNoOutcome)
		synctest.Wait()
		if !d.finished() || d.err == nil {
			t.Error("an entry without an outcome has one")
		}
	})
}
