package raftlog

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
)

// TestSettle: what was published at one node is known at the others once they have settled, whoever leads; and where no leader is,
// nobody says that he knows.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		leader := c.leader()
		late := 0
		for i := range 20 {
			leader.publish(testVersion(time.Now().Add(time.Duration(i)*time.Second), 1000))
			want := leader.engine.AppliedIndex()
			var asks sync.WaitGroup
			for _, id := range c.followers(leader) {
				r := c.rigs[id]
				asks.Go(func() {
					if !r.node.Settle(t.Context()) || r.engine.AppliedIndex() < want {
						t.Errorf("%s settled at %d, %d was acknowledged", id, r.engine.AppliedIndex(), want)
					}
				})
				if r.engine.AppliedIndex() < want {
					late++
				}
			}
			asks.Wait()
		}
		if late == 0 {
			t.Error("no follower was behind: this test shows nothing")
		}
		rest := c.followers(leader)
		for _, id := range []string{leader.options.NodeID, rest[0]} {
			c.kill(id)
		}
		time.Sleep(5 * time.Second)
		if c.rigs[rest[1]].node.Settle(t.Context()) {
			t.Error("a node without a leader settled")
		}
	})
}

// TestStrangersSettle: ten thousand ask a follower for what does not exist. The leader gets one question each 10 ms at most, and
// nothing comes into the log; those beyond the bound are told at once that nobody knows.
func TestStrangersSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const strangers, each = 2000, 5
		c := newCrew(t, 3)
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 1000))
		c.level()
		r := c.rigs[c.followers(leader)[0]]
		began, last, before := time.Now(), leader.node.log.disk.Last(), r.node.metrics.settled.Get()
		var mu sync.Mutex
		answers := map[bool]int{}
		var asks sync.WaitGroup
		for range strangers {
			asks.Go(func() {
				for range each {
					ok := r.node.Settle(t.Context())
					mu.Lock()
					answers[ok]++
					mu.Unlock()
				}
			})
		}
		if _, err := r.draw(new(engine.Batch), "u", "k"); err != nil { // others go on meanwhile
			t.Error(err)
		}
		asks.Wait()
		took := time.Since(began)
		questions := r.node.metrics.settled.Get() - before
		if most := uint64(took/settleEvery) + 1; questions == 0 || questions > most {
			t.Errorf("%d questions in %v, at most %d", questions, took, most)
		}
		if answers[true] < maxSettling || answers[false] == 0 || answers[true]+answers[false] != strangers*each {
			t.Errorf("answers %v", answers)
		}
		if more := leader.node.log.disk.Last() - last; more != 1 {
			t.Errorf("%d entries came into the log, one was drawn", more)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if r.node.Settle(ended) {
			t.Error("it settled for one who does not wait")
		}
		t.Logf("%d questions for %d calls in %v of simulated time: %v", questions, strangers*each, took, answers)
	})
}
