package raftlog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/drawd/drawd/storage"
)

// crew is a cluster: rigs by node id, on one network.
type crew struct {
	t     testing.TB
	found []Member
	rigs  map[string]*rig
	disks map[string]*storage.CrashFS
	tune  func(id string, o *Options)
	wrap  func(id string, m machine) machine
	ring  int64             // storage.Options.RingBytes: beyond it a leader cannot give entries that were cut from its log
	build map[string]uint32 // feature levels, where they are not this build's

	listen func(id string) peer.Stream
}

// newCrew returns n founders n1, n2, … on pipes; none runs yet.
func newCrew(t testing.TB, n int) *crew {
	net := peer.NewPipes()
	c := &crew{
		t: t, rigs: make(map[string]*rig), disks: make(map[string]*storage.CrashFS),
		listen: func(id string) peer.Stream { return net.Listen(id) },
	}
	for i := range n {
		id := fmt.Sprint("n", i+1)
		c.found = append(c.found, Member{ID: id, Address: id, Voter: true})
		c.disks[id] = storage.NewCrashFS()
	}
	return c
}

// start opens a node on its disk.
func (c *crew) start(id string) *rig {
	c.t.Helper()
	r := newRig(c.t, c.disks[id])
	c.startAs(id, r)
	return r
}

// startAs opens a node on a rig that was prepared.
func (c *crew) startAs(id string, r *rig) {
	c.t.Helper()
	if err := c.tryAs(id, r); err != nil {
		c.t.Fatal(err)
	}
}

// tryAs is startAs for a node that may refuse.
func (c *crew) tryAs(id string, r *rig) error {
	r.options.NodeID, r.options.Found, r.store.RingBytes = id, c.found, c.ring
	if c.tune != nil {
		c.tune(id, &r.options)
	}
	r.level = c.build[id]
	if c.wrap != nil {
		r.wrapMachine = func(m machine) machine { return c.wrap(id, m) }
	}
	r.mux = peer.NewMux(c.listen(id))
	c.rigs[id] = r
	return r.start()
}

func (c *crew) startAll() {
	c.t.Helper()
	for _, m := range c.found {
		c.start(m.ID)
	}
}

// stop closes a node.
func (c *crew) stop(id string) {
	c.t.Helper()
	c.rigs[id].stop()
	delete(c.rigs, id)
}

// kill takes a node's power away: what was not synced is gone. First of all nobody hears from it any more: what the others
// have heard that its disk holds, it does hold.
func (c *crew) kill(id string) {
	c.t.Helper()
	r := c.rigs[id]
	if err := r.mux.Close(); err != nil {
		c.t.Error(err)
	}
	cut := storage.PowerCut(c.disks[id], 0, nil)
	r.stop()
	delete(c.rigs, id)
	c.disks[id] = cut
}

// eventually waits until f holds: for a minute of the test's time.
func (c *crew) eventually(what string, f func() bool) {
	c.t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for range 6000 {
		if f() {
			return
		}
		<-look.C
	}
	for id, r := range c.rigs {
		c.t.Logf("%s: %+v\n%s", id, r.node.Status(), r.logged.String())
	}
	c.t.Fatalf("after a minute still not: %s", what)
}

// leader waits for a node that takes commands.
func (c *crew) leader() *rig {
	c.t.Helper()
	var leads *rig
	c.eventually("a node leads", func() bool {
		leads = nil
		for _, r := range c.rigs {
			if s := r.node.Status(); s.Ready && s.Leader {
				leads = r
			}
		}
		return leads != nil
	})
	return leads
}

// followers returns the ids of the others that run.
func (c *crew) followers(leader *rig) []string {
	var all []string
	for id, r := range c.rigs {
		if r != leader {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return all
}

// level waits until all nodes that run have applied the same, and are in one state. Nodes propose by themselves, too: an entry may come
// between two looks, and one that is being applied may be half in a hash. States that differ for good stay different.
func (c *crew) level() {
	c.t.Helper()
	type state struct { // fsm.applied may stand on a barrier, after a restart
		applied       engine.LogIndex
		running, rows [16]byte
	}
	c.eventually("all have applied the same, and are in one state", func() bool {
		seen := make(map[state]bool)
		for _, r := range c.rigs {
			seen[state{r.engine.AppliedIndex(), r.engine.RunningHash(), r.engine.StateHash()}] = true
		}
		return len(seen) == 1
	})
}

// draw decides one draw on whoever leads, as a client does that asks again with the same key.
func (c *crew) draw(user, key string) answer {
	c.t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for range 1000 {
		a, err := c.leader().draw(new(engine.Batch), user, key)
		if err == nil {
			return a
		}
		var p *problem.Error
		if !errors.As(err, &p) || !p.Code.Info().Retryable {
			c.t.Fatal(err)
		}
		<-again.C
	}
	c.t.Fatal("a draw was never decided")
	return answer{}
}

// onTCP puts the crew on ports of the loopback. Time is real there: how long a command or a heartbeat waits for a processor is
// not what is tested.
func (c *crew) onTCP() {
	c.tune = func(_ string, o *Options) {
		o.QueueAge, o.GiveUp, o.SyncLimit = time.Minute, time.Hour, time.Hour
		o.ElectionTimeout, o.LeaseTimeout = 1500*time.Millisecond, 750*time.Millisecond
	}
	listeners := make(map[string]net.Listener)
	for i, m := range c.found {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			c.t.Fatal(err)
		}
		listeners[m.ID], c.found[i].Address = l, l.Addr().String()
	}
	c.listen = func(id string) peer.Stream {
		l := listeners[id]
		if l == nil { // it was closed with the node before
			var err error
			if l, err = net.Listen("tcp", c.address(id)); err != nil {
				c.t.Fatal(err)
			}
		}
		delete(listeners, id)
		return peer.TCP{Listener: l}
	}
}

func (c *crew) address(id string) string {
	for _, m := range c.found {
		if m.ID == id {
			return m.Address
		}
	}
	return id
}

// soon gives a call of the membership its time.
func (c *crew) soon() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	c.t.Cleanup(cancel)
	return ctx
}
