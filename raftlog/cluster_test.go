package raftlog

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/drawd/drawd/storage"
)

// TestThreeNodes: they elect, agree, lose a leader by its power and one by Close, and nothing that was acknowledged.
func TestThreeNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { threeNodes(t, newCrew(t, 3)) })
}

// TestThreeNodesOnTCP is the same on sockets and a real clock.
func TestThreeNodesOnTCP(t *testing.T) {
	c := newCrew(t, 3)
	c.onTCP()
	threeNodes(t, c)
}

func threeNodes(t *testing.T, c *crew) {
	c.startAll()
	c.leader().publish(testVersion(time.Now(), 10_000))
	var answers []answer
	some := func(n int) {
		t.Helper()
		for range n {
			answers = append(answers, c.draw(user(fmt.Sprintf("u%d/1", len(answers))), fmt.Sprintf("u%d/1", len(answers))))
		}
	}
	some(30)
	c.level()

	first := c.leader()
	if m := first.node.Members(); len(m) != 3 || m[0] != c.found[0] || m[2] != c.found[2] {
		t.Errorf("members %v", m)
	}
	for _, id := range c.followers(first) {
		r := c.rigs[id]
		if leader, address := r.node.Leader(); leader != first.options.NodeID || address != c.address(leader) {
			t.Errorf("%s takes %s at %s for the leader, it is %s", id, leader, address, first.options.NodeID)
		}
		if a, err := r.draw(new(engine.Batch), "u", "u/1"); err != nil || a.at.Index == 0 {
			t.Errorf("%s forwards nothing: %v", id, err)
		}
		c.eventually("followers forward", func() bool { return r.node.Status().Forwards })
		if r.node.time.mu.last != r.engine.LogTime() {
			t.Errorf("%s has log time %d and the timekeeper %d", id, r.engine.LogTime(), r.node.time.mu.last)
		}
	}
	gone := first.options.NodeID
	c.kill(gone)
	some(30)
	c.leader().mustStand(answers, user)
	c.start(gone)
	c.level()

	second := c.leader()
	gone = second.options.NodeID
	begun, limit := time.Now(), second.node.options.ElectionTimeout
	c.stop(gone)
	if c.leader(); time.Since(begun) > limit {
		t.Errorf("the next leader led %v after Close: the leadership was not handed over", time.Since(begun))
	}
	some(30)
	c.start(gone)
	c.level()
	for _, r := range c.rigs {
		if len(r.exits.all()) > 0 {
			t.Errorf("%s stopped: %q", r.options.NodeID, r.exits.all())
		}
	}
	c.leader().mustStand(answers, user)
}

// TestFollowersTakeCheckpoints: by bytes as a leader does, and by Close; they start from them.
func TestFollowersTakeCheckpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.tune = func(_ string, o *Options) { o.CheckpointBytes, o.CheckpointInterval = 4096, time.Second }
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 10_000))
		for i := range 100 {
			c.draw("u", fmt.Sprint("u/", i))
		}
		c.eventually("all have a checkpoint", func() bool {
			for _, r := range c.rigs {
				if r.node.Status().Checkpoint < 10 {
					return false
				}
			}
			return true
		})
		c.level()
		for _, id := range []string{"n1", "n2", "n3"} {
			applied := c.rigs[id].node.Status().Applied
			c.stop(id)
			r := newRig(t, c.disks[id])
			store, err := storage.Open(r.store)
			if err != nil {
				t.Fatal(err)
			}
			if m, ok := store.State().Manifest(); !ok || m.Index < applied {
				t.Errorf("%s had applied %d, Close left a checkpoint at %d", id, applied, m.Index)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
			c.start(id)
			c.level()
		}
	})
}

// TestOneNodeBecomesThree: the data of a node that ran alone goes on in a cluster, under an address that can be dialled.
func TestOneNodeBecomesOneOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 1)
		alone := newRig(t, c.disks["n1"])
		alone.options.NodeID = "n1"
		alone.mustStart()
		alone.publish(testVersion(time.Now(), 100))
		a, err := alone.draw(new(engine.Batch), "u1", "u1/1")
		if err != nil {
			t.Fatal(err)
		}
		alone.stop()
		c.found[0].Address = "host:7070"
		net := peer.NewPipes()
		c.listen = func(string) peer.Stream { return net.Listen("host:7070") }
		c.start("n1")
		r := c.leader()
		r.mustStand([]answer{a}, user)
		if m := r.node.Members(); len(m) != 1 || m[0].Address != "host:7070" {
			t.Errorf("members %v", m)
		}
		c.stop("n1")

		other := newRig(t, c.disks["n1"])
		other.options.NodeID = "n2"
		if err := other.start(); err == nil || !strings.Contains(err.Error(), `"n1"`) {
			t.Errorf("under another id: %v", err)
		}
	})
}

// TestWaitsToBeAdded: an empty directory without founders belongs to nobody, and says so.
func TestWaitsToBeAdded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 1)
		c.found = nil
		r := c.start("n1")
		time.Sleep(time.Minute)
		if s := r.node.Status(); s.Ready || s.Leader || s.Members != 0 || s.Code != problem.NoLeader || s.LastLog != 0 {
			t.Errorf("%+v", s)
		}
		c.stop("n1")
		c.start("n1") // again
	})
}

// TestClusterOptions: what a cluster needs, and its defaults.
func TestClusterOptions(t *testing.T) {
	mux := peer.NewMux(peer.NewPipes().Listen("n1"))
	good := Options{Store: new(storage.Store), Engine: new(engine.Engine), NodeID: "n1", Peers: mux, Found: []Member{{ID: "n1", Address: "a"}, {ID: "n2", Address: "b"}}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	if o := good.withDefaults(); o.ElectionTimeout != 500*time.Millisecond || o.LeaseTimeout != 250*time.Millisecond {
		t.Errorf("timeouts %v and %v", o.ElectionTimeout, o.LeaseTimeout)
	}
	for want, spoil := range map[string]func(*Options){
		"NodeID is missing":       func(o *Options) { o.NodeID, o.Found = "", nil },
		"Found needs Peers":       func(o *Options) { o.Peers = nil },
		"does not have this node": func(o *Options) { o.NodeID = "n3" },
		"twice":                   func(o *Options) { o.Found = append([]Member{{ID: "n3", Address: "a"}}, o.Found...) },
		"visible ASCII":           func(o *Options) { o.Found = append([]Member{{ID: "n 3", Address: "c"}}, o.Found...) },
		"the address \"\"":        func(o *Options) { o.Found = append([]Member{{ID: "n3"}}, o.Found...) },
		"at most 7":               func(o *Options) { o.Found = make([]Member, 8) },
	} {
		o := good
		spoil(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestEmptiedVoter is rule 18: a voter that lost its disk gives no vote under its id and ends; what the others know is not
// lost, and it comes back under another id.
func TestEmptiedVoter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		waits := "" // starts without founders
		c.tune = func(id string, o *Options) {
			if id == waits || id == "n4" {
				o.Found = nil
			}
		}
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 1000))
		c.level()
		behind, emptied := c.followers(leader)[0], c.followers(leader)[1]
		c.stop(behind)
		a := c.draw("u1", "u1/1") // the leader and the one whose disk will be emptied have it
		last := leader.options.NodeID
		c.stop(last)
		c.stop(emptied)

		// With its vote the node that is behind would lead, and the draw would be gone.
		waits = emptied
		c.disks[emptied] = storage.NewCrashFS()
		c.start(behind)
		c.start(emptied)
		time.Sleep(time.Minute)
		for _, r := range c.rigs {
			if s := r.node.Status(); s.Leader {
				t.Errorf("elected by an emptied disk: %+v", s)
			}
		}
		c.stop(emptied) // it is still a novice after another start
		r := c.start(emptied)
		time.Sleep(time.Minute)

		c.start(last)
		<-r.exits.ch
		if why := r.exits.all()[0]; !strings.Contains(why, "new id") || !strings.Contains(why, emptied) {
			t.Error(why)
		}
		c.stop(emptied)
		c.leader().mustStand([]answer{a}, user)
		c.eventually("it is removed", func() bool { return c.leader().node.Remove(c.soon(), emptied) == nil })
		c.join("n4")
		c.must(c.leader().node.AddMember(c.soon(), Member{ID: "n4", Address: "n4"}))
		c.level()
		time.Sleep(time.Second)
		c.must(c.leader().node.Promote(c.soon(), "n4"))
		c.stop("n4")
		c.start("n4")
		c.level()
	})
}
