package raftlog

import (
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine/problem"
)

// TestCompareHashes: who is told what, by who says what at which index.
func TestCompareHashes(t *testing.T) {
	at := func(index uint64, hash byte) sample { return sample{index, [16]byte{hash}} }
	three := []Member{{ID: "a", Voter: true}, {ID: "b", Voter: true}, {ID: "c", Voter: true}, {ID: "watcher"}}
	two := three[:2]
	for _, test := range []struct {
		name    string
		members []Member
		said    map[string][]sample
		want    hashVerdict // of a
	}{
		{"all agree", three, map[string][]sample{"a": {at(5, 1)}, "b": {at(5, 1)}, "c": {at(5, 1)}}, hashVerdict{}},
		{"no common index", three, map[string][]sample{"a": {at(5, 1)}, "b": {at(6, 2)}, "c": {at(7, 3)}}, hashVerdict{}},
		{"a is wrong", three, map[string][]sample{"a": {at(5, 1)}, "b": {at(5, 2)}, "c": {at(5, 2)}},
			hashVerdict{minority: true, index: 5, mine: [16]byte{1}, theirs: [16]byte{2}}},
		{"a is wrong, seen at an older index", three, map[string][]sample{"a": {at(5, 1), at(9, 1)}, "b": {at(5, 2), at(8, 2)}, "c": {at(5, 2)}},
			hashVerdict{minority: true, index: 5, mine: [16]byte{1}, theirs: [16]byte{2}}},
		{"b is wrong", three, map[string][]sample{"a": {at(5, 1)}, "b": {at(5, 2)}, "c": {at(5, 1)}},
			hashVerdict{majority: true, others: []string{"b"}, index: 5, mine: [16]byte{1}}},
		{"a node that does not vote is wrong", three, map[string][]sample{"a": {at(5, 1)}, "b": {at(5, 1)}, "watcher": {at(5, 2)}},
			hashVerdict{majority: true, others: []string{"watcher"}, index: 5, mine: [16]byte{1}}},
		{"it does not count", three, map[string][]sample{"a": {at(5, 1)}, "b": {at(5, 2)}, "watcher": {at(5, 2)}},
			hashVerdict{others: []string{"b", "watcher"}, index: 5, mine: [16]byte{1}}},
		{"everybody says something else", three, map[string][]sample{"a": {at(5, 1)}, "b": {at(5, 2)}, "c": {at(5, 3)}},
			hashVerdict{others: []string{"b", "c"}, index: 5, mine: [16]byte{1}}},
		{"two nodes", two, map[string][]sample{"a": {at(5, 1)}, "b": {at(5, 2)}},
			hashVerdict{others: []string{"b"}, index: 5, mine: [16]byte{1}}},
	} {
		got := compareHashes("a", test.members, test.said)
		if test.want.minority {
			got.others = nil // those seen before the majority was full
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", test.name, got, test.want)
		}
	}
	watcher := compareHashes("watcher", three, map[string][]sample{"watcher": {at(5, 1)}, "b": {at(5, 2)}, "c": {at(5, 2)}})
	if !watcher.minority {
		t.Errorf("a node that does not vote must end, too: %+v", watcher)
	}
}

func TestMedianOffset(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		offsets []time.Duration // others' clocks minus ours; ours is the 0
		quorum  int
		median  time.Duration
		known   bool
	}{
		{[]time.Duration{0}, 1, 0, true},
		{[]time.Duration{0}, 2, 0, false},
		{[]time.Duration{0, 9 * s}, 2, 0, true}, // which of two is wrong?
		{[]time.Duration{0, 9 * s, 10 * s}, 2, 9 * s, true},
		{[]time.Duration{0, -9 * s, 1 * s}, 2, 0, true},
		{[]time.Duration{0, -9 * s, -8 * s}, 2, -8 * s, true},
		{[]time.Duration{0, 7 * s, 8 * s, 9 * s}, 3, 7 * s, true},
		{[]time.Duration{0, -7 * s, -8 * s, -9 * s}, 3, -7 * s, true},
		{[]time.Duration{0, 1, 2, 9 * s, 9 * s}, 3, 2, true},
	} {
		offsets := make(map[string]time.Duration)
		for i, o := range test.offsets {
			offsets[fmt.Sprint(i)] = o
		}
		if got, known := medianOffset(offsets, test.quorum); got != test.median && known || known != test.known {
			t.Errorf("%v: %v, %v", test.offsets, got, known)
		}
	}
}

// TestHashRing: nodes that are not equally far on, or that started elsewhere, still have an index in common.
func TestHashRing(t *testing.T) {
	whole, late := new(hashRing), new(hashRing)
	hash := func(i uint64) [16]byte { return [16]byte{byte(i), byte(i >> 8)} }
	for i := uint64(1); i <= 10_000; i++ {
		if i%7 == 0 { // raft's own records are not the engine's
			continue
		}
		whole.add(i, hash(i))
		switch {
		case i == 3000:
			late.begin(i, hash(i))
		case i > 3000 && i < 9000:
			late.add(i, hash(i))
		}
	}
	if n := len(whole.all()); n != maxSamples {
		t.Errorf("%d are kept", n)
	}
	common := 0
	for _, a := range whole.all() {
		for _, b := range late.all() {
			if a.index == b.index {
				common++
			}
		}
	}
	if common < maxSamples/2 {
		t.Errorf("%d indexes in common", common)
	}
}

// liar says another running hash once it was told to.
type liar struct {
	machine
	lies atomic.Bool
}

func (l *liar) RunningHash() [16]byte {
	h := l.machine.RunningHash()
	if l.lies.Load() {
		h[0] ^= 1
	}
	return h
}

// lyingCrew is a running crew of which each can be made to lie.
func lyingCrew(t *testing.T, n int) (*crew, map[string]*liar) {
	c := newCrew(t, n)
	liars := make(map[string]*liar)
	c.wrap = func(id string, m machine) machine {
		liars[id] = &liar{machine: m}
		return liars[id]
	}
	c.startAll()
	c.leader().publish(testVersion(time.Now(), 1000))
	c.peersKnown()
	return c, liars
}

// TestDivergedNodeEnds: whoever has decided something else than a majority ends, a follower as a leader, and the others go on.
func TestDivergedNodeEnds(t *testing.T) {
	for _, leads := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, liars := lyingCrew(t, 3)
			bad := c.leader()
			if !leads {
				bad = c.rigs[c.followers(bad)[0]]
			}
			liars[bad.options.NodeID].lies.Store(true)
			c.draw("u1", "u1/1")
			<-bad.exits.ch
			if why := bad.exits.all()[0]; !strings.Contains(why, "a majority has") || bad.exits.codes[0] != ExitFailed {
				t.Errorf("%d: %s", bad.exits.codes[0], why)
			}
			c.kill(bad.options.NodeID)
			c.draw("u2", "u2/1")
			time.Sleep(5 * time.Second)
			for id, r := range c.rigs {
				if len(r.exits.all()) != 0 || r.node.Status().Diverged != "" {
					t.Errorf("%s: %q, %q", id, r.exits.all(), r.node.Status().Diverged)
				}
			}
		})
	}
}

// TestDivergedWithoutMajority: of two nodes nobody can tell which is right. Both say so, neither ends, nothing is decided;
// removing one is the way out.
func TestDivergedWithoutMajority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, liars := lyingCrew(t, 2)
		liars["n1"].lies.Store(true)
		c.draw("u1", "u1/1")
		c.eventually("both say so", func() bool {
			return c.rigs["n1"].node.Status().Diverged != "" && c.rigs["n2"].node.Status().Diverged != ""
		})
		var leads *rig
		for _, r := range c.rigs {
			if s := r.node.Status(); s.Leader {
				leads = r
			} else if s.Ready {
				t.Errorf("%+v", s)
			}
			if len(r.exits.all()) != 0 {
				t.Errorf("%q", r.exits.all())
			}
		}
		if s := leads.node.Status(); s.Ready || s.Code != problem.NoLeader || !strings.Contains(s.Reason, "disagrees") {
			t.Errorf("%+v", s)
		}
		c.must(leads.node.Remove(c.soon(), c.followers(leads)[0]))
		c.leader()
		c.draw("u2", "u2/1")
	})
}

// TestLeaderWithAWrongClock: it stamps nothing that the others' clocks do not agree with, and another node leads. That it
// is behind is known by them only.
func TestLeaderWithAWrongClock(t *testing.T) {
	for _, jump := range []time.Duration{-time.Hour, 2 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c := newCrew(t, 3)
			clocks := make(map[string]*setClock)
			c.tune = func(id string, o *Options) {
				clocks[id] = newSetClock()
				o.Clock = clocks[id]
			}
			c.startAll()
			first := c.leader()
			first.publish(testVersion(time.Now(), 1000))
			c.peersKnown()
			clocks[first.options.NodeID].jump(jump)
			c.eventually("another node leads", func() bool { return c.leader() != first })
			if s := first.node.Status(); s.ClockSkew == "" || (s.ClockOffset-jump).Abs() > time.Millisecond {
				t.Errorf("%+v", s)
			}
			time.Sleep(10 * time.Second)
			a := c.draw("u1", "u1/1")
			if got, want := int64(c.leader().engine.LogTime()), time.Now().UnixMilli(); got != want {
				t.Errorf("draw %s was stamped %d ms off", a.key, got-want)
			}
			clocks[first.options.NodeID].jump(-jump)
			c.eventually("its clock is trusted again", func() bool { return first.node.Status().ClockSkew == "" })
		})
	}
}

// TestClocksOfTwo: two clocks that differ cannot tell which is wrong, so both go on, and say by how much.
func TestClocksOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 2)
		c.tune = func(id string, o *Options) {
			clock := newSetClock()
			if id == "n2" {
				clock.jump(3 * time.Second)
			}
			o.Clock = clock
		}
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1000))
		c.peersKnown()
		c.draw("u1", "u1/1")
		for _, p := range c.rigs["n1"].node.Peers() {
			if p.ID == "n2" && (p.ClockOffset-3*time.Second).Abs() > time.Millisecond {
				t.Errorf("n2's clock is off by %v, as n1 measures it", p.ClockOffset)
			}
		}
	})
}

// TestAnIdleClusterMayWait: a follower that leads after days without an entry is not taken for one whose clock jumped.
func TestAnIdleClusterMayWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		clocks := make(map[string]*setClock)
		c.tune = func(id string, o *Options) {
			clocks[id] = newSetClock()
			o.Clock = clocks[id]
		}
		c.startAll()
		first := c.leader()
		first.publish(testVersion(time.Now(), 1000))
		c.level()
		c.peersKnown()
		for _, clock := range clocks {
			clock.pass(50 * time.Hour)
		}
		time.Sleep(2 * pingInterval)
		c.must(first.node.TransferLeadership(c.soon()))
		if next := c.leader(); next == first {
			t.Errorf("%+v", next.node.Status())
		}
		c.draw("u1", "u1/1")
	})
}

// TestWedgedFollower: a node that applies nothing while the leader goes on says so, until it does again.
func TestWedgedFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		slow := make(map[string]*slowMachine)
		c.wrap = func(id string, m machine) machine {
			slow[id] = &slowMachine{machine: m}
			return slow[id]
		}
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1000))
		c.peersKnown()
		bad := c.followers(c.leader())[0]
		release := slow[bad].block()
		for i := range 20 {
			c.draw("u1", fmt.Sprint("u1/", i))
			time.Sleep(time.Second)
		}
		for id, r := range c.rigs {
			if w := r.node.Status().Wedged; (w != "") != (id == bad) {
				t.Errorf("%s: %q", id, w)
			}
		}
		for _, p := range c.leader().node.Peers() {
			if (p.Lag >= 20) != (p.ID == bad) {
				t.Errorf("%s is %d behind", p.ID, p.Lag)
			}
		}
		close(release)
		c.level()
		time.Sleep(2 * pingInterval)
		if w := c.rigs[bad].node.Status().Wedged; w != "" {
			t.Error(w)
		}
	})
}

// TestOnlyTheNewestLeaderRemoves: a leader of an older term, which was cut off before it saw an addition, says that this node is no
// member. It is not believed; a leader of this term is, and so is its word that it was wrong.
func TestOnlyTheNewestLeaderRemoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 1000))
		c.level()
		ids := c.followers(leader)
		n := c.rigs[ids[0]].node
		term := n.raft.CurrentTerm()
		members := n.Members()
		for _, test := range []struct {
			term    uint64
			member  bool
			removed bool
		}{{term - 1, false, false}, {term, false, true}, {term - 1, true, true}, {term, true, false}, {term + 1, false, true}} {
			n.pinger.mu.Lock()
			for id, a := range n.pinger.mu.asked {
				a.at, a.report = n.options.Clock.Monotonic(), &report{id: id, leads: id == ids[1], term: test.term, youAreMember: test.member}
			}
			n.pinger.mu.Unlock()
			n.judgeRemoval(members)
			if _, _, removed := n.judged.read(); removed != test.removed {
				t.Errorf("a leader of term %d says member %v in term %d: removed %v", test.term, test.member, term, removed)
			}
		}
	})
}
