package raftlog

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/raftlog/peer"
)

// cuts is a network in which single nodes can be cut off.
type cuts struct {
	under func(id string) peer.Stream
	mu    struct {
		sync.Mutex
		off   map[string]bool
		conns map[net.Conn][2]string
	}
}

func newCuts(c *crew) *cuts {
	x := &cuts{under: c.listen}
	x.mu.off, x.mu.conns = make(map[string]bool), make(map[net.Conn][2]string)
	c.listen = func(id string) peer.Stream { return cutStream{x.under(id), id, x} }
	return x
}

// set cuts a node off, or joins it again; its connections end.
func (x *cuts) set(id string, off bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.mu.off[id] = off
	for conn, ends := range x.mu.conns {
		if ends[0] == id || ends[1] == id {
			_ = conn.Close()
			delete(x.mu.conns, conn)
		}
	}
}

type cutStream struct {
	peer.Stream
	id   string
	cuts *cuts
}

func (s cutStream) Dial(address string, timeout time.Duration) (net.Conn, error) {
	s.cuts.mu.Lock()
	defer s.cuts.mu.Unlock()
	if s.cuts.mu.off[s.id] || s.cuts.mu.off[address] {
		return nil, errors.New("cut off")
	}
	conn, err := s.Stream.Dial(address, timeout)
	if err == nil {
		s.cuts.mu.conns[conn] = [2]string{s.id, address}
	}
	return conn, err
}

// TestAgeAfterACut: a node that was cut off hears heartbeats again long before it is sent what it missed: raft's replication
// backs off for up to ten seconds, its heartbeats do not. Until it has everything it must not say that its facts are new.
func TestAgeAfterACut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		x := newCuts(c)
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 1000))
		c.level()
		id := c.followers(leader)[0]
		r := c.rigs[id]
		x.set(id, true)
		time.Sleep(time.Minute)
		a, err := leader.draw(new(engine.Batch), "u", "u/1")
		if err != nil {
			t.Fatal(err)
		}
		decided := time.Now()
		x.set(id, false)
		step := time.NewTicker(5 * time.Millisecond)
		defer step.Stop()
		lied := ""
		for range 6000 {
			<-step.C
			age, since := r.node.Age(), time.Since(decided)
			if r.engine.AppliedIndex() >= a.at.Index {
				break
			}
			if age < since {
				lied = fmt.Sprintf("%v after the draw at %d this node is at %d and says that its facts are %v old", since, a.at.Index, r.engine.AppliedIndex(), age)
			}
		}
		if lied != "" {
			t.Error(lied)
		}
		if r.engine.AppliedIndex() < a.at.Index {
			t.Fatal("it never caught up")
		}
		time.Sleep(time.Second)
		if age := r.node.Age(); age > pingInterval+4*watchInterval {
			t.Errorf("it has caught up, and its facts are %v old", age)
		}
	})
}
