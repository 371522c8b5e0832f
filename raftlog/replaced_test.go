package raftlog

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/storage"
)

// joinVoter starts a new node and lets it vote; another one may be away.
func (c *crew) joinVoter(id string) {
	c.t.Helper()
	c.join(id)
	leader := c.leader().node
	c.must(leader.AddMember(c.soon(), Member{ID: id, Address: id}))
	c.eventually("it may vote", func() bool { return leader.Promote(c.soon(), id) == nil })
}

// TestOthersReplacedMeanwhile: while a node was away all others were replaced, so that nobody whom its log knows can tell it anything.
// Those of the newer configuration do.
func TestOthersReplacedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1000))
		c.level()
		c.tune = func(id string, o *Options) {
			if id > "n3" {
				o.Found = nil
			}
		}
		first := c.leader().options.NodeID
		rest := c.followers(c.leader())
		away, second := rest[0], rest[1]
		c.stop(away)
		c.joinVoter("n4")
		c.stop(second)
		c.must(c.leader().node.Remove(c.soon(), second))
		c.joinVoter("n5")
		c.must(c.leader().node.Remove(c.soon(), first))
		c.stop(first)
		c.leader()
		c.start(away)
		c.eventually("it takes part", func() bool { return c.rigs[away].node.Status().Forwards })
		c.draw("u1", "u1/1")
		c.level()
	})
}

// TestLaterConfiguration: whoever votes, knows this node, and has more of the log than it counts; nobody else.
func TestLaterConfiguration(t *testing.T) {
	var r recall
	here := storage.Base{Term: 5, Index: 10}
	heard := func(id string, members bool, voters uint8, term, last uint64) {
		r.mu.heard[id] = &report{id: id, youAreMember: members, voters: voters, own: seen{hadTerm: term, had: last}}
	}
	r.mu.heard = make(map[string]*report)
	heard("edge", true, 0, 6, 20)
	heard("of another cluster", false, 3, 6, 20)
	heard("behind", true, 9, 4, 20)
	heard("level", true, 9, 5, 10)
	if told, of := r.laterLocked(here); told != 0 || of != 0 {
		t.Errorf("%d of %d", told, of)
	}
	heard("later", true, 3, 5, 11)
	heard("much later", true, 5, 6, 1)
	if told, of := r.laterLocked(here); told != 2 || of != 5 {
		t.Errorf("%d of %d", told, of)
	}
}

// TestTwoRemovalsAtOnce: each of two removals would leave a majority that is reached, both together would not. The second is judged by
// what the first has left.
func TestTwoRemovalsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		c.startAll()
		c.peersKnown()
		leader := c.leader()
		rest := c.followers(leader)
		c.stop(rest[0])
		time.Sleep(2 * freshFor)
		errs := make(chan error)
		for _, id := range rest[1:] {
			go func() { errs <- leader.node.Remove(c.soon(), id) }()
		}
		if a, b := <-errs, <-errs; (a == nil) == (b == nil) {
			t.Errorf("both the same: %v, %v", a, b)
		}
		leader.publish(testVersion(time.Now(), 1000))
		c.draw("u1", "u1/1")
	})
}
