package raftlog

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// TestPlaceOfANode: a node that does not lead names the API of the one that does, and how old its facts may be; cut off from
// the others it ages and names nobody.
func TestPlaceOfANode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.tune = func(id string, o *Options) { o.API = "http://" + id + ":7070" }
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 1000))
		c.level()
		time.Sleep(2 * time.Second) // nothing is decided: pings alone keep them young
		for id, r := range c.rigs {
			api, age := r.node.LeaderAPI(), r.node.Age()
			switch s := r.node.Status(); {
			case r == leader && (api != "" || age != 0 || s.Forwards || !s.Ready):
				t.Errorf("the leader %s names %q, age %v, %+v", id, api, age, s)
			case r != leader && (api != leader.options.API || age <= 0 || age > pingInterval+4*watchInterval || !s.Forwards || s.Ready):
				t.Errorf("%s names %q, age %v, forwards %v", id, api, age, s.Forwards)
			}
		}
		last := c.followers(leader)[0]
		c.kill(c.followers(leader)[1])
		c.kill(leader.options.NodeID)
		r := c.rigs[last]
		time.Sleep(3 * time.Second)
		if api, age := r.node.LeaderAPI(), r.node.Age(); api != "" || age < 2*time.Second || r.node.Status().Forwards {
			t.Errorf("alone it names %q, age %v", api, age)
		}
	})
}

// TestFollowersAskTheLeader: while the node that leads refuses commands by itself, the others do not say that they take them,
// and what is sent to them all the same is refused as it refuses.
func TestFollowersAskTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		free := make(map[string]*atomic.Uint64)
		c.tune = func(id string, o *Options) {
			f := new(atomic.Uint64)
			f.Store(2 * DefaultMinFreeBytes)
			o.FreeBytes = func() (uint64, error) { return f.Load(), nil }
			free[id] = f
		}
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 1000))
		c.level()
		followers := c.followers(leader)
		forward := func(want bool) func() bool {
			return func() bool {
				for _, id := range followers {
					if c.rigs[id].node.Status().Forwards != want {
						return false
					}
				}
				return true
			}
		}
		c.eventually("the followers take commands", forward(true))
		free[leader.options.NodeID].Store(0)
		c.eventually("the followers take none", forward(false))
		r := c.rigs[followers[1]]
		if s := r.node.Status(); s.Ready || s.Code != problem.NoLeader || s.Reason != says(leaderShut).Error() {
			t.Errorf("%+v", s)
		}
		if _, err := r.draw(new(engine.Batch), "u", "k"); codeOf(err) != problem.StorageLow {
			t.Errorf("a draw is refused with %v", err)
		}
		for _, f := range free {
			f.Store(2 * DefaultMinFreeBytes)
		}
		c.eventually("the followers take commands again", forward(true))
		if _, err := r.draw(new(engine.Batch), "u", "k"); err != nil {
			t.Error(err)
		}
	})
}

// TestReach: who waits for an index is woken when it is applied here, wherever it was decided.
func TestReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 1000))
		c.level()
		for _, id := range c.followers(leader) {
			next := c.rigs[id].engine.AppliedIndex() + 1
			reached := make(chan bool)
			go func() { reached <- c.rigs[id].node.Reach(t.Context(), next) }()
			synctest.Wait()
			select {
			case <-reached:
				t.Error("reached before it was decided")
			default:
			}
			if _, err := leader.draw(new(engine.Batch), "u", "u/"+id); err != nil {
				t.Fatal(err)
			}
			if !<-reached || c.rigs[id].engine.AppliedIndex() < next {
				t.Errorf("%s is at %d, %d was waited for", id, c.rigs[id].engine.AppliedIndex(), next)
			}
		}
	})
}

// TestReadyAgainWithTheLeader: a node that heard that the leader takes no commands is ready again soon after the leader is, and not
// with its next round of pings.
func TestReadyAgainWithTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		leader := c.leader()
		forward := func(want bool) func() bool {
			return func() bool {
				for _, id := range c.followers(leader) {
					if c.rigs[id].node.Status().Forwards != want {
						return false
					}
				}
				return true
			}
		}
		for i := range 10 {
			leader.node.gate.shut(reasonNoLeader, says(electing))
			c.eventually("the others hear of it", forward(false))
			time.Sleep(time.Duration(i) * pingInterval / 10)
			leader.node.gate.open(reasonNoLeader)
			began := time.Now()
			c.eventually("the others hear that it is over", forward(true))
			if took := time.Since(began); took > shutAgain+2*watchInterval {
				t.Errorf("the others are ready %v after the leader", took)
			}
		}
	})
}
