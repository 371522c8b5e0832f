package raftlog

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/hashicorp/raft"
)

// TestForwardedDrawsAreAnsweredAtOnce: who draws at a node that does not lead does not wait until raft's leader says by itself what
// is committed, also when nobody else draws. Time moves only while everybody waits.
func TestForwardedDrawsAreAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 10_000))
		c.level()
		var b engine.Batch
		for _, id := range c.followers(leader) {
			for i := range 20 {
				key := fmt.Sprintf("u/%s-%d", id, i)
				begun := time.Now()
				if _, err := c.rigs[id].draw(&b, user(key), key); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun); took >= commitTimeout {
					t.Errorf("draw %d at %s took %v", i, id, took)
				}
				time.Sleep(10 * commitTimeout) // nothing is under way any more
			}
		}
		c.level()
	})
}

// TestTellerSaysOnlyWhatANodeHas: no commit index goes beyond the entry that the node is known to have, in the newest term; what it
// cannot be told yet it is told when it has more.
func TestTellerSaysOnlyWhatANodeHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var x teller
		var said []raft.AppendEntriesRequest
		var fails error
		x.over(serialTransport{})
		x.send = func(_ raft.ServerID, _ raft.ServerAddress, a *raft.AppendEntriesRequest, r *raft.AppendEntriesResponse) error {
			said = append(said, *a)
			r.Success = true
			return fails
		}
		entries := func(term, previous, commit uint64, more ...uint64) *raft.AppendEntriesRequest {
			a := &raft.AppendEntriesRequest{Term: term, PrevLogEntry: previous, PrevLogTerm: term, LeaderCommitIndex: commit}
			for _, i := range more {
				a.Entries = append(a.Entries, &raft.Log{Index: i, Term: term})
			}
			return a
		}
		says := func(what string, want ...raft.AppendEntriesRequest) {
			t.Helper()
			synctest.Wait()
			if fmt.Sprint(said) != fmt.Sprint(want) {
				t.Errorf("%s: said %v, want %v", what, said, want)
			}
			said = nil
		}
		x.tell("n", 5)
		says("of a node that nothing is known of")
		x.note("n", "a", entries(2, 6, 5, 7))
		x.tell("n", 5)
		says("of what the node was told with the entry")
		x.tell("n", 7)
		says("of the entry that it has", *entries(2, 7, 7))
		x.tell("n", 9)
		says("of an entry that it does not have")
		x.note("n", "a", entries(2, 7, 7, 8))
		x.note("n", "a", &raft.AppendEntriesRequest{Term: 2}) // a heartbeat
		x.note("n", "a", entries(1, 30, 30))
		says("after an entry too few, a heartbeat and a message of an older term")
		x.note("n", "a", entries(2, 8, 8, 9, 10))
		says("once it has it", *entries(2, 10, 9))
		x.note("n", "a", entries(2, 8, 8))
		x.tell("n", 10)
		says("after a message that came late", *entries(2, 10, 10))
		x.note("n", "a", entries(3, 4, 3))
		says("in a new term, in which it has less than it was told before")
		fails = errors.New("the connection broke")
		x.note("n", "a", entries(3, 11, 3, 12))
		says("to a node that is not reached", *entries(3, 12, 10))
	})
}
