package raftlog

import (
	"encoding/hex"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/storage"
)

// rolled is a crew of which one node's disk is older than it was.
type rolled struct {
	*crew
	bad   string
	older *storage.CrashFS
}

// newRolled returns a running crew of three that has decided something, and a copy of the disk of a follower, or of the leader.
func newRolled(t *testing.T, leads bool) *rolled {
	c := newCrew(t, 3)
	c.startAll()
	leader := c.leader()
	leader.publish(testVersion(time.Now(), 1000))
	c.peersKnown()
	c.draw("u1", "u1/1")
	c.level()
	x := &rolled{crew: c, bad: leader.options.NodeID}
	if !leads {
		x.bad = c.followers(leader)[0]
	}
	x.older = storage.PowerCut(c.disks[x.bad], 0, nil)
	return x
}

// putBack kills the node and starts it on the older copy.
func (x *rolled) putBack() *rig {
	x.t.Helper()
	x.kill(x.bad)
	x.disks[x.bad] = x.older
	return x.start(x.bad)
}

// mustBeTold waits until the node says why it is kept out.
func (x *rolled) mustBeTold(what string) {
	x.t.Helper()
	r := x.rigs[x.bad]
	x.eventually("it is told", func() bool { return r.node.Status().RolledBack != "" })
	s := r.node.Status()
	if s.Ready || s.Forwards || s.Leader || !strings.Contains(s.RolledBack, what) || !strings.Contains(s.Reason, "under a new id") {
		x.t.Errorf("%+v", s)
	}
	x.eventually("the log says so", func() bool { return strings.Contains(r.logged.String(), "this node was rolled back") })
	if err := r.node.Decide(new(engine.Batch)); err == nil {
		x.t.Error("it answers")
	}
}

// TestRolledBackNodeIsTold: a node whose data directory is put back to an older copy forgot what it acknowledged. The others have
// seen it, so it is kept out, at once and whenever it starts again, and they go on.
func TestRolledBackNodeIsTold(t *testing.T) {
	for _, leads := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			x := newRolled(t, leads)
			x.draw("u1", "u1/2")
			x.level()
			last := x.rigs[x.bad].opened.Log().Last()
			r := x.putBack()
			x.mustBeTold("")
			x.draw("u1", "u1/3")
			time.Sleep(10 * time.Second)
			if got := r.opened.Log().Last(); got >= last {
				t.Errorf("its log went on to %d, which it had before", got)
			}
			x.kill(x.bad)
			x.start(x.bad)
			x.mustBeTold("")
			leader := x.leader().node
			for _, p := range leader.Peers() {
				if p.KeptOut != (p.ID == x.bad) {
					t.Errorf("%s: kept out is %v", p.ID, p.KeptOut)
				}
				if p.ID != x.bad { // two would be left, and one of them votes for nobody
					x.wants(problem.Conflict, leader.MayRemove(x.soon(), p.ID))
				}
			}
			x.must(leader.Remove(x.soon(), x.bad))
			x.draw("u1", "u1/4")
		})
	}
}

// TestRolledBackWithinItsTerm: one entry is missing, and nobody led since.
func TestRolledBackWithinItsTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRolled(t, false)
		x.draw("u1", "u1/2")
		x.level()
		x.putBack()
		x.mustBeTold("it had the log up to")
	})
}

// TestForgottenVote: a node that forgot its term and its vote could vote twice.
func TestForgottenVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRolled(t, false)
		first := x.leader()
		x.must(first.node.TransferLeadership(x.soon()))
		x.leader()
		x.putBack()
		x.mustBeTold("it was in term")
	})
}

// slowLog appends nothing while it is held.
type slowLog struct {
	logDisk
	held atomic.Pointer[chan struct{}]
}

func (l *slowLog) Append(recs []storage.LogRecord) error {
	if h := l.held.Load(); h != nil {
		<-*h
	}
	return l.logDisk.Append(recs)
}

// TestRolledBackWhileTheLeaderIsAway: an entry was acknowledged by the leader and by the node that is rolled back; the third had heard
// of that, and did not have the entry. Those two would elect one of themselves, and lose it.
func TestRolledBackWhileTheLeaderIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRolled(t, false)
		leader := x.leader().options.NodeID
		third := x.followers(x.leader())[1]
		x.stop(third)
		slow := new(slowLog)
		r := newRig(t, x.disks[third])
		r.wrapLog = func(inner logDisk) logDisk { slow.logDisk = inner; return slow }
		x.startAs(third, r)
		x.level()
		x.older = storage.PowerCut(x.disks[x.bad], 0, nil)
		hold := make(chan struct{})
		slow.held.Store(&hold)
		a := x.draw("u1", "u1/2")
		time.Sleep(witnessEvery + 2*pingInterval)
		without := storage.PowerCut(x.disks[third], 0, nil)
		slow.held.Store(nil)
		close(hold)
		for _, m := range x.found {
			x.kill(m.ID)
		}
		x.disks[third], x.disks[x.bad] = without, x.older
		x.start(third)
		x.start(x.bad)
		time.Sleep(20 * time.Second)
		for id, r := range x.rigs {
			if s := r.node.Status(); s.Ready || s.Leader {
				t.Errorf("%s: %+v", id, s)
			}
		}
		x.start(leader)
		x.leader().mustStand([]answer{a}, func(string) string { return "u1" })
		x.mustBeTold("had the log up to")
	})
}

// TestRolledBackWithAllStopped: what others have seen is on their disks, too.
func TestRolledBackWithAllStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newRolled(t, false)
		x.draw("u1", "u1/2")
		time.Sleep(witnessEvery + 2*pingInterval)
		x.draw("u1", "u1/3")
		for _, m := range x.found {
			x.kill(m.ID)
		}
		x.disks[x.bad] = x.older
		x.startAll()
		x.mustBeTold("")
		x.draw("u1", "u1/4")
	})
}

// TestRolledBackToBeforeTheOthers: the older copy knows of no other member, so it would lead alone.
func TestRolledBackToBeforeTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 1)
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1000))
		older := storage.PowerCut(c.disks["n1"], 0, nil)
		first := c.leader()
		c.tune = func(id string, o *Options) {
			if id != "n1" {
				o.Found = nil
			}
		}
		for _, id := range []string{"n2", "n3"} {
			c.join(id)
			c.must(first.node.AddMember(c.soon(), Member{ID: id, Address: id}))
			c.level()
			c.peersKnown()
			time.Sleep(2 * pingInterval)
			c.must(first.node.Promote(c.soon(), id))
		}
		c.draw("u1", "u1/1")
		c.level()
		x := &rolled{crew: c, bad: "n1", older: older}
		x.putBack()
		x.mustBeTold("")
		c.draw("u1", "u1/2")
	})
}

// TestALoneVoterComesBack: nobody else can tell it anything.
func TestALoneVoterComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 1)
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1000))
		c.kill("n1")
		c.start("n1")
		if s := c.rigs["n1"].node.Status(); s.Ready || !strings.Contains(s.Reason, "what they know of it") {
			t.Errorf("%+v", s)
		}
		c.draw("u1", "u1/1")
	})
}

// TestWaitsForAMajority: a node that comes back alone neither votes nor leads until another one told it something.
func TestWaitsForAMajority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1000))
		for _, m := range c.found {
			c.kill(m.ID)
		}
		r := c.start("n1")
		term := r.node.Status().Term
		time.Sleep(time.Minute)
		if s := r.node.Status(); s.State != "Follower" || s.Term != term || s.Ready || s.RolledBack != "" {
			t.Errorf("%+v", s)
		}
		c.start("n2")
		c.draw("u1", "u1/1")
		c.start("n3")
		c.level()
	})
}

// TestSeen: what is told of a member that has it, and of one that does not. A log that ends earlier is no sign by itself.
func TestSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1000))
		c.level()
		n := c.rigs["n1"].node
		last, term := n.log.disk.Last(), n.raft.CurrentTerm()
		n.log.voted.Store(term)
		chain, _ := n.log.disk.Chain(last)
		for _, test := range []struct {
			name string
			seen seen
			want string
		}{
			{"nothing", seen{}, ""},
			{"all of it", seen{term: term, voted: term, hadTerm: term, had: last, committed: last, chain: chain}, ""},
			{"a newer term", seen{term: term + 1}, "was in term"},
			{"a vote", seen{voted: term + 1}, "gave its vote"},
			{"more of the log in this term", seen{hadTerm: term, had: last + 1}, "had the log up to"},
			{"more of the log in an older term, which a leader may have cut", seen{hadTerm: term - 1, had: last + 100}, ""},
			{"more of the log, committed", seen{hadTerm: term - 1, had: last + 1, committed: last + 1}, "all of it committed"},
			{"another log", seen{committed: last, chain: [16]byte{1}}, "another log"},
			{"a log of which the chain is not known", seen{committed: last}, ""},
		} {
			if got := n.missing(&test.seen); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("%s: %q", test.name, got)
			}
		}
		var s seen
		for _, o := range []seen{{term: 2, hadTerm: 2, had: 9}, {term: 1, hadTerm: 1, had: 20}, {term: 3, hadTerm: 3, had: 5, voted: 3}, {hadTerm: 3, had: 4}} {
			s.add(&o)
		}
		if s != (seen{term: 3, voted: 3, hadTerm: 3, had: 5}) {
			t.Errorf("%+v", s)
		}
	})
}

// TestWhoIsBelieved: an edge, and whoever is no member, cannot keep a node out that takes part.
func TestWhoIsBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 1)
		c.startAll()
		c.leader()
		c.must(c.rigs["n1"].node.AddMember(c.soon(), Member{ID: "edge", Address: "edge"}))
		n := c.rigs["n1"].node
		for _, from := range []string{"edge", "stranger", "n1"} {
			n.hear(&report{id: from, about: "n1", known: seen{term: 1 << 40}})
		}
		if s := n.Status(); s.RolledBack != "" || len(c.rigs["n1"].exits.all()) > 0 {
			t.Errorf("%+v", s)
		}
		n.belongs.mu.Lock()
		n.belongs.mu.id = [16]byte{} // as on a node that was not told yet
		n.belongs.mu.Unlock()
		for _, from := range []string{"edge", "stranger"} {
			n.saw(&report{id: from, leads: true, ready: true, cluster: [16]byte{1}})
		}
		if id := n.cluster16(); id != [16]byte{} {
			t.Errorf("it belongs to %x now", id)
		}
	})
}

// TestOutcastsAreNotBelieved: while a node starts it believes a stranger, who may have been added behind its back, but nobody whom it
// knows as removed or as an edge.
func TestOutcastsAreNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 1)
		c.tune = func(_ string, o *Options) { o.Outcast = func(id string) bool { return id == "gone" } }
		c.startAll()
		c.leader()
		n := c.rigs["n1"].node
		n.recall.mu.Lock()
		n.recall.mu.done = false // as on a node that starts
		n.recall.mu.Unlock()
		n.hear(&report{id: "gone", about: "n1", known: seen{term: 1 << 40}})
		if err := n.rolledBack(); err != nil {
			t.Error(err)
		}
		n.hear(&report{id: "stranger", about: "n1", known: seen{term: 1 << 40}})
		if err := n.rolledBack(); err == nil || err.By != "stranger" {
			t.Errorf("a stranger was not believed: %v", err)
		}
	})
}

// TestToldLate: a node that takes part already ends when it is told, and remembers it.
func TestToldLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1000))
		r := c.rigs["n1"]
		r.node.hear(&report{id: "n2", about: "n1", known: seen{term: 1 << 40}})
		<-r.exits.ch
		if all := r.exits.all(); len(all) != 1 || !strings.Contains(all[0], `what node "n2" has seen of it`) {
			t.Errorf("%q", all)
		}
		c.kill("n1")
		c.start("n1")
		if s := c.rigs["n1"].node.Status(); !strings.Contains(s.RolledBack, `what node "n2" has seen of it`) {
			t.Errorf("%+v", s)
		}
		c.draw("u1", "u1/1")
	})
}

// TestWitnessBytes: these are on disks.
func TestWitnessBytes(t *testing.T) {
	var w witness
	if err := w.load(nil); err != nil {
		t.Fatal(err)
	}
	w.leads("n2", 7)
	w.note("n3", &seen{term: 1, voted: 2, hadTerm: 3, had: 4, committed: 5})
	b := w.due(0, false)
	if want := "01" + "026e32" + "0700000000000000" + "01" + "026e33" + "0100000000000000" + "0200000000000000" + "0300000000000000" + "0400000000000000" + "0500000000000000"; hex.EncodeToString(b) != want {
		t.Errorf("%x, want\n%s", b, want)
	}
	var again witness
	if err := again.load(b); err != nil || !reflect.DeepEqual(again.mu.members, w.mu.members) || again.mu.leader != "n2" || again.mu.leaderTerm != 7 {
		t.Errorf("%v, %+v", err, &again.mu.members)
	}
	for i := 1; i < len(b); i++ {
		if again.load(b[:i]) == nil {
			t.Errorf("%d of %d bytes are read", i, len(b))
		}
	}
	for _, test := range []struct {
		what string
		seen seen
		now  time.Duration
		last bool
		kept bool
	}{
		{"nothing new", seen{}, witnessEvery, true, false},
		{"an index, soon", seen{had: 9, hadTerm: 3}, witnessEvery - 1, false, false},
		{"an index, later", seen{}, witnessEvery, false, true},
		{"an index, at the end", seen{had: 10, hadTerm: 3}, witnessEvery, true, true},
		{"a term", seen{term: 10}, witnessEvery, false, true},
		{"a vote", seen{voted: 10}, witnessEvery, false, true},
	} {
		w.note("n3", &test.seen)
		if got := w.due(test.now, test.last) != nil; got != test.kept {
			t.Errorf("%s: written %v", test.what, got)
		}
	}
	w.forget([]Member{{ID: "n4"}})
	if w.about("n3", 0, 0) != (seen{}) || w.about("n2", 7, 12) != (seen{term: 7, hadTerm: 7, had: 12}) || w.about("n2", 6, 12) != (seen{}) {
		t.Error("what is told is not what was seen")
	}
}
