package raftlog

import (
	"context"
	"encoding/hex"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/drawd/drawd/storage"
)

// join starts a node with an empty disk that waits to be added.
func (c *crew) join(id string) *rig {
	c.t.Helper()
	c.disks[id] = storage.NewCrashFS()
	return c.start(id)
}

func (c *crew) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *crew) wants(code problem.Code, err error) {
	c.t.Helper()
	if !errors.Is(err, &problem.Error{Code: code}) {
		c.t.Errorf("got %v, want %v", err, code)
	}
}

// peersKnown waits until every node has heard of every other.
func (c *crew) peersKnown() {
	c.t.Helper()
	c.eventually("all have heard of all", func() bool {
		for _, r := range c.rigs {
			for _, p := range r.node.Peers() {
				if !p.Contact || p.LastContact > time.Second {
					return false
				}
			}
		}
		return true
	})
}

// TestANoviceIsNotPromoted: a node whose log does not tell yet that it was added answers no to every candidate. Were it a
// voter, a cluster that has lost another one could be left without a majority that votes, for ever.
func TestANoviceIsNotPromoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.tune = func(id string, o *Options) {
			if id == "n4" {
				o.Found = nil
			}
		}
		c.startAll()
		leader := c.leader()
		n4 := c.join("n4")
		c.must(leader.node.AddMember(c.soon(), Member{ID: "n4", Address: "n4"}))
		c.level()
		c.peersKnown()
		n4.node.novice.is.Store(true) // as if the entry were still on its way
		time.Sleep(2 * time.Second)   // simulated: some pings
		c.wants(problem.Conflict, leader.node.Promote(c.soon(), "n4"))
		n4.node.novice.is.Store(false)
		time.Sleep(2 * time.Second)
		c.must(leader.node.Promote(c.soon(), "n4"))
	})
}

// TestAChangeThatIsNotCommittedIsNotDone: a leader that reaches nobody has the change that it was asked for, and may lose it.
// Asked again it must not say that there is nothing left to do: whoever hears that a node was removed takes its disk.
func TestAChangeThatIsNotCommittedIsNotDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		c.peersKnown()
		leader := c.leader()
		for _, id := range c.followers(leader) {
			c.kill(id)
		}
		for _, what := range []string{"asked", "asked again"} { // both within the leader's lease
			ctx, cancel := context.WithTimeout(t.Context(), clusterLease/4)
			if err := leader.node.AddMember(ctx, Member{ID: "n9", Address: "n9"}); err == nil {
				t.Errorf("%s: done, and nobody else knows", what)
			}
			cancel()
		}
	})
}

// TestMembership adds a fourth node, lets it vote, and takes out a follower and the leader; asked from any node.
func TestMembership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		var complete atomic.Bool
		c.tune = func(id string, o *Options) {
			if id == "n4" {
				o.Found, o.BlobsComplete = nil, complete.Load
			}
		}
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1000))
		a := c.draw("u1", "u1/1")
		c.peersKnown()
		leader := c.leader()
		far := c.rigs[c.followers(leader)[0]].node // asks the leader
		c.wants(problem.NotFound, far.Promote(c.soon(), "n4"))
		c.wants(problem.InvalidField, far.AddMember(c.soon(), Member{ID: "n 4", Address: "n4"}))
		c.wants(problem.Conflict, far.AddMember(c.soon(), Member{ID: "n4", Address: "n1"}))

		n4 := c.join("n4")
		c.must(far.AddMember(c.soon(), Member{ID: "n4", Address: "n4"}))
		c.must(far.AddMember(c.soon(), Member{ID: "n4", Address: "n4"})) // again
		c.level()
		if _, err := n4.opened.State().Records(nil, uint64(a.at.Index), a.at.Ordinal, 1); err != nil {
			t.Error(err)
		}
		if m := find(n4.node.Members(), "n4"); m == nil || m.Voter {
			t.Errorf("members %v", n4.node.Members())
		}
		c.peersKnown()
		c.wants(problem.Conflict, far.Promote(c.soon(), "n4")) // its blobs
		complete.Store(true)
		time.Sleep(time.Second)
		c.must(far.Promote(c.soon(), "n4"))
		c.must(far.Promote(c.soon(), "n4"))

		gone := c.followers(leader)[0]
		c.must(n4.node.Remove(c.soon(), gone))
		c.must(n4.node.Remove(c.soon(), gone))
		c.eventually("the removed node knows it", func() bool { return c.rigs[gone].node.Status().Removed })
		if s := c.rigs[gone].node.Status(); s.Code != problem.NoLeader || s.Reason != says(removed).Error() {
			t.Errorf("%+v", s)
		}
		c.stop(gone)

		self := c.leader().options.NodeID
		c.must(c.rigs[self].node.Remove(c.soon(), self))
		c.eventually("the removed leader knows it", func() bool { return c.rigs[self].node.Status().Removed })
		c.stop(self)
		if m := c.leader().node.Members(); len(m) != 2 || voters(m) != 2 {
			t.Errorf("members %v", m)
		}
		c.draw("u2", "u2/1")
		c.level()
		c.leader().mustStand([]answer{a}, user)
	})
}

// TestRemoveKeepsAMajority: what remains must be able to decide, and somebody must remain.
func TestRemoveKeepsAMajority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		leader := c.leader()
		c.peersKnown()
		off := c.followers(leader)
		c.stop(off[0])
		time.Sleep(2 * freshFor)
		c.wants(problem.Conflict, leader.node.Remove(c.soon(), off[1]))
		c.wants(problem.Conflict, leader.node.MayRemove(c.soon(), off[1]))
		c.must(leader.node.MayRemove(c.soon(), off[0]))
		if n := len(leader.node.Members()); n != 3 {
			t.Errorf("asking left %d members", n)
		}
		c.must(leader.node.Remove(c.soon(), off[0]))
		c.must(leader.node.Remove(c.soon(), off[1]))
		c.wants(problem.Conflict, leader.node.Remove(c.soon(), leader.options.NodeID))
		c.wants(problem.Conflict, leader.node.TransferLeadership(c.soon()))
		c.must(leader.node.Remove(c.soon(), "nobody"))
	})
}

// TestTransferLeadership: another node leads at once, asked from any node, and nothing is refused for long.
func TestTransferLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1000))
		c.peersKnown()
		for range 6 {
			before := c.leader()
			begun := time.Now()
			c.must(c.rigs["n1"].node.TransferLeadership(c.soon()))
			if after := c.leader(); after == before || time.Since(begun) > 100*time.Millisecond {
				t.Errorf("from %s to %s in %v", before.options.NodeID, after.options.NodeID, time.Since(begun))
			}
			c.draw("u1", "u1/1")
		}
		alone := newRig(t, storage.NewCrashFS())
		alone.mustStart()
		c.wants(problem.Conflict, alone.node.TransferLeadership(c.soon()))
	})
}

// TestPeers: every node knows where the others stand.
func TestPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.tune = func(id string, o *Options) { o.API, o.Build = "http://"+id, "v-"+id }
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 1000))
		c.draw("u1", "u1/1")
		c.eventually("the feature level is raised", func() bool { return leader.engine.Level() == engine.NewestLevel })
		c.level()
		time.Sleep(2 * pingInterval)
		for id, r := range c.rigs {
			all := r.node.Peers()
			if len(all) != 3 {
				t.Fatalf("%s knows %v", id, all)
			}
			for i, p := range all {
				want := PeerStatus{
					Member: c.found[i], Self: p.ID == id, Leader: p.ID == leader.options.NodeID, Ready: p.ID == leader.options.NodeID,
					API: "http://" + p.ID, Version: "v-" + p.ID, Applied: uint64(leader.engine.AppliedIndex()),
					HashIndex: uint64(leader.engine.AppliedIndex()), Hash: leader.engine.RunningHash(),
					ClockKnown: true, Level: engine.NewestLevel, Supports: engine.NewestLevel, BlobsComplete: true, Contact: true, LastContact: p.LastContact,
				}
				if !reflect.DeepEqual(p, want) || p.LastContact > pingInterval {
					t.Errorf("%s of %s:\n got %+v\nwant %+v", id, p.ID, p, want)
				}
			}
		}
		c.stop(c.followers(leader)[0])
		time.Sleep(10 * time.Second)
		for _, p := range leader.node.Peers() {
			if lost := c.rigs[p.ID] == nil; lost != (p.LastContact > 9*time.Second) {
				t.Errorf("%s was heard %v ago", p.ID, p.LastContact)
			}
		}
	})
}

// TestCallBytes: these are spoken between versions.
func TestCallBytes(t *testing.T) {
	r := &report{
		id: "n1", api: "http://a", build: "v1", term: 1, applied: 2, members: 3, leads: true, complete: true, level: 4, supports: 5, wallUS: 6,
		samples: []sample{{7, [16]byte{8}}, {9, [16]byte{10}}},
		own:     seen{term: 1, voted: 2, hadTerm: 3, had: 4, committed: 5}, about: "n2",
		known: seen{term: 6, voted: 7, hadTerm: 8, had: 9, committed: 10, chain: [16]byte{11}}, cluster: [16]byte{12}, voters: 13,
	}
	want := "01" + "026e31" + "08687474703a2f2f61" + "027631" + "0100000000000000" + "0200000000000000" + "0300000000000000" + "05" + "04000000" +
		"05000000" + "0600000000000000" + "02" + "0700000000000000" + "08000000000000000000000000000000" + "0900000000000000" + "0a000000000000000000000000000000" +
		"0100000000000000" + "0200000000000000" + "0300000000000000" + "0400000000000000" + "0500000000000000" + "026e32" +
		"0600000000000000" + "0700000000000000" + "0800000000000000" + "0900000000000000" + "0a00000000000000" + "0b000000000000000000000000000000" +
		"0c000000000000000000000000000000" + "0d"
	b := appendReport(nil, r)
	if hex.EncodeToString(b) != want {
		t.Errorf("a report is\n%x, want\n%s", b, want)
	}
	for _, more := range []string{"", "appended by a later version"} {
		if got, err := parseReport(append(b[:len(b):len(b)], more...)); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("came back as %+v, %v", got, err)
		}
	}
	cluster := len(b) - 1 - 16
	first := cluster - (5*8 + 1 + len(r.about) + 5*8 + 16) // what older versions say ends here, or before the cluster
	for i := range b {
		if i == first || i == cluster || i == len(b)-1 {
			continue
		}
		if _, err := parseReport(b[:i]); err == nil {
			t.Errorf("%d of %d bytes are a report", i, len(b))
		}
	}
	m := &memberChange{op: memberPromote, id: "n4", address: "a"}
	b = appendMemberChange(nil, m)
	if hex.EncodeToString(b) != "0102026e340161" {
		t.Errorf("a change is %x", b)
	}
	if got, err := parseMemberChange(b); err != nil || *got != *m {
		t.Errorf("came back as %+v, %v", got, err)
	}
	if memberAdd != 1 || memberPromote != 2 || memberRemove != 3 || memberTransfer != 4 || memberAsk != 5 {
		t.Error("the numbers of changes have changed")
	}
}

// TestAddressChanges: a follower and a leader that come back at another address are reached there.
func TestAddressChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		pipes, moved := peer.NewPipes(), ""
		c.listen = func(id string) peer.Stream {
			if id == moved {
				return pipes.ListenAs(id, "new-"+id)
			}
			return pipes.Listen(id)
		}
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1000))
		c.peersKnown()
		leader := c.leader()
		for _, moved = range []string{c.followers(leader)[0], leader.options.NodeID} {
			c.stop(moved)
			c.draw("u1", "u1/"+moved)
			c.start(moved)
			c.eventually("all know its address", func() bool {
				for _, r := range c.rigs {
					if m := find(r.node.Members(), moved); m == nil || m.Address != "new-"+moved || !m.Voter {
						return false
					}
				}
				return true
			})
			c.level()
			c.peersKnown()
		}
	})
}
