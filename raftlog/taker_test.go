package raftlog

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog/peer"
)

// TestRemovedNodeIsRefused: the certificate of a node that was removed is still good. What it forwards is not decided, on a
// connection from before, too, and it is given no records.
func TestRemovedNodeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 1000))
		c.level()
		id := c.followers(leader)[0]
		r := c.rigs[id]
		l := r.node.forwarder.newLane(Member{ID: leader.options.NodeID, Address: c.address(leader.options.NodeID)})
		defer l.leave(moved, 0)
		decide := func(user string) error {
			var b engine.Batch
			r.addDraw(&b, user, user)
			return l.decide(t.Context(), &b)
		}
		if err := decide("before"); err != nil {
			t.Fatal(err)
		}
		if err := leader.node.Remove(c.soon(), id); err != nil {
			t.Fatal(err)
		}
		var p *problem.Error
		if err := decide("after"); !errors.As(err, &p) || p.Effect() != problem.None {
			t.Errorf("forwarded by a removed node: %v", err)
		}
		q := append([]byte{blobsForm}, make([]byte, blobsQuestion-1)...)
		q[1], q[9], q[17] = 1, 1, 1
		if _, err := r.mux.Ask(c.soon(), l.leader.Address, peer.CallBlobs, q); !errors.As(err, &p) || p.Code != problem.Forbidden {
			t.Errorf("asked for records by a removed node: %v", err)
		}
	})
}

// TestTakersOfOnePeer: a node that sends and reads nothing keeps neither a reader nor a place; and its newest connection is served
// whatever became of those before.
func TestTakersOfOnePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 1000))
		c.level()
		id := c.followers(leader)[0]
		r := c.rigs[id]
		at := c.address(leader.options.NodeID)
		frame := beginForward(nil, forwardCommands, 0, 1)
		endForward(frame, 0)
		for range 2 * maxTakers {
			conn, err := r.mux.Dial(peer.KindForward, at, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for range 2 * maxTaken {
					if _, err := conn.Write(frame); err != nil {
						return
					}
				}
			}()
		}
		if _, err := r.draw(new(engine.Batch), "u", "u/1"); err != nil {
			t.Error("beside them:", err)
		}
		time.Sleep(time.Minute)
		leader.node.takers.mu.Lock()
		defer leader.node.takers.mu.Unlock()
		if n := len(leader.node.takers.mu.byPeer[id]); n > 1 {
			t.Errorf("%d connections of one peer are served after a minute", n)
		}
	})
}

// TestWhatAnEdgeMayForward: a node without a vote sends on what the data plane asks for, and nothing that operators decide; nobody sends
// what leaders propose for themselves. What is refused changes nothing.
func TestWhatAnEdgeMayForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.tune = func(id string, o *Options) {
			if id == "edge" {
				o.Found = nil
			}
		}
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 1000))
		edge := c.join("edge")
		c.must(leader.node.AddMember(c.soon(), Member{ID: "edge", Address: "edge"}))
		c.level()
		voter := c.rigs[c.followers(leader)[1]]
		if _, err := edge.draw(new(engine.Batch), "u", "u/1"); err != nil {
			t.Error("a draw at the edge:", err)
		}
		c.eventually("the level is raised", func() bool { return leader.engine.Level() == engine.NewestLevel }) // no entry of its own later on
		c.level()
		operator := func(b *engine.Batch) {
			b.AddDocument(&engine.PutDocument{Namespace: 1, Name: "d", Body: []byte("x"), Actor: "a"})
		}
		hidden := func(b *engine.Batch) { edge.addDraw(b, "u", "u/2"); operator(b) }
		for what, x := range map[string]struct {
			at      *rig
			add     func(*engine.Batch)
			allowed bool
		}{
			"a document from the edge":   {edge, operator, false},
			"one behind a draw":          {edge, hidden, false},
			"a document from a voter":    {voter, operator, true},
			"a raise from a voter":       {voter, func(b *engine.Batch) { b.AddRaise(&engine.Raise{Level: 1}) }, false},
			"a restoration from a voter": {voter, func(b *engine.Batch) { b.AddRestored(&engine.Restored{Cluster: [16]byte{9}}) }, false},
		} {
			before, index := leader.engine.StateHash(), leader.engine.AppliedIndex()
			var b engine.Batch
			x.add(&b)
			err := x.at.node.Decide(&b)
			var p *problem.Error
			switch {
			case x.allowed && err != nil:
				t.Errorf("%s: %v", what, err)
			case !x.allowed && (!errors.As(err, &p) || p.Code != problem.Conflict || p.Effect() != problem.None):
				t.Errorf("%s: %v", what, err)
			case !x.allowed && (leader.engine.StateHash() != before || leader.engine.AppliedIndex() != index):
				t.Errorf("%s was refused and changed something", what)
			}
		}
		if got := leader.node.forwarder.figures.forbidden.Get(); got != 4 {
			t.Errorf("%d were counted", got)
		}
		c.wants(problem.Conflict, edge.node.Remove(c.soon(), voter.options.NodeID))
		c.wants(problem.Conflict, edge.node.Promote(c.soon(), "edge"))
		c.must(edge.node.AddMember(c.soon(), Member{ID: "edge", Address: "elsewhere"})) // its own address
	})
}
