package raftlog

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/raftlog/peer"
)

// deaf is a crew of three whose n1 comes to lead before any ping of its own is answered: the others, whose elections come later, answer
// none until heard is closed.
type deaf struct {
	*crew
	clocks map[string]*setClock
	heard  chan struct{}
}

// newDeaf starts all, n1 with a clock that is ahead, and returns when n1 leads a raft.
func newDeaf(t *testing.T, ahead time.Duration) (d *deaf, n1 *rig) {
	d = &deaf{crew: newCrew(t, 3), clocks: make(map[string]*setClock), heard: make(chan struct{})}
	d.tune = func(id string, o *Options) {
		d.clocks[id] = newSetClock()
		o.Clock = d.clocks[id]
		if id != "n1" {
			o.ElectionTimeout = 10 * clusterTimeout
		}
	}
	for _, id := range []string{"n2", "n3"} {
		r := d.start(id)
		answer := r.node.pinger.answer
		r.mux.Answer(peer.CallPing, func(ctx context.Context, name string, request []byte) ([]byte, error) {
			select {
			case <-d.heard:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return answer(ctx, name, request)
		})
	}
	n1 = d.start("n1")
	d.clocks["n1"].jump(ahead)
	d.eventually("n1 leads", n1.node.leading.Load)
	return d, n1
}

// TestALeaderAsksForTheClocksFirst: a node that was just started leads before it knows the others' clocks. Its own is an hour
// ahead: had it stamped, the right clocks would be an hour behind the log, and no draw be decided until a person accepted one.
func TestALeaderAsksForTheClocksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, n1 := newDeaf(t, time.Hour)
		time.Sleep(n1.options.ElectionTimeout / clockWaitShare / 2) // the barrier is applied meanwhile
		if s := n1.node.Status(); s.Ready || !s.Leader {
			t.Fatalf("it takes commands already: %+v", s)
		}
		close(d.heard)
		d.eventually("its clock is not trusted", func() bool { return n1.node.Status().ClockSkew != "" })
		d.eventually("another node leads", func() bool { return d.leader() != n1 })
		d.leader().publish(testVersion(time.Now(), 1000))
		d.draw("u1", "u1/1")
		if got, want := int64(d.leader().engine.LogTime()), time.Now().UnixMilli(); got != want {
			t.Errorf("log time is %d ms off", got-want)
		}
		if n := n1.node.metrics.clocksUnheard.Get(); n != 0 || d.leader().node.Status().ClockSkew != "" {
			t.Errorf("unheard %d, %+v", n, d.leader().node.Status())
		}
	})
}

// TestALeaderWhomNobodyTellsTheTime: pings that are never answered do not keep a cluster from deciding; that the clock is believed is said.
func TestALeaderWhomNobodyTellsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, n1 := newDeaf(t, 0)
		defer close(d.heard)
		begun := time.Now()
		d.eventually("it takes commands", func() bool { return n1.node.Status().Ready })
		if took := time.Since(begun); took > clusterTimeout/clockWaitShare+100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		n1.publish(testVersion(time.Now(), 1000))
		d.draw("u1", "u1/1")
		if n := n1.node.metrics.clocksUnheard.Get(); n != 1 || !strings.Contains(n1.logged.String(), "before a majority of the voters told their clocks") {
			t.Errorf("unheard %d: %s", n, n1.logged.String())
		}
	})
}

// TestAFailoverWaitsForNoClock: who has run for a moment knows the clocks, and waits for none, also when one of three is gone.
func TestAFailoverWaitsForNoClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1000))
		c.peersKnown()
		c.kill(c.leader().options.NodeID)
		var next *rig
		c.eventually("another one leads", func() bool {
			for _, r := range c.rigs {
				if r.node.leading.Load() {
					next = r
				}
			}
			return next != nil
		})
		members := next.node.Members()
		if m := next.node.medianOfClocks(members); !m.known || len(m.offsets) != 3 {
			t.Errorf("%+v", m)
		}
		c.leader()
		if n := next.node.metrics.clocksUnheard.Get(); n != 0 {
			t.Errorf("unheard %d", n)
		}
	})
}
