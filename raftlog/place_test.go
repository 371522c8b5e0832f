package raftlog

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
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
