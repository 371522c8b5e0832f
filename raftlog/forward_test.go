package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// TestAnyNodeDraws: every node takes draws, the same keys give the same draw on every other node, and who drew on a node
// finds his draw there.
func TestAnyNodeDraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { anyNodeDraws(t, newCrew(t, 3)) })
}

func TestAnyNodeDrawsOnTCP(t *testing.T) {
	c := newCrew(t, 3)
	c.onTCP()
	anyNodeDraws(t, c)
}

func anyNodeDraws(t *testing.T, c *crew) {
	c.startAll()
	leader := c.leader()
	c.rigs[c.followers(leader)[0]].publish(testVersion(time.Now(), 10_000)) // an operator's command, too
	c.level()
	var mu sync.Mutex
	var answers []answer
	var all sync.WaitGroup
	for id, r := range c.rigs {
		for caller := range 4 {
			all.Add(1)
			go func() {
				defer all.Done()
				var b engine.Batch
				for i := range 25 {
					key := fmt.Sprintf("u%d/%s-%d", caller, id, i)
					a, err := r.draw(&b, user(key), key) // looks its record up on r's own disk
					if err != nil {
						t.Errorf("%s: %v", id, err)
						return
					}
					mu.Lock()
					answers = append(answers, a)
					mu.Unlock()
				}
			}()
		}
	}
	all.Wait()
	if len(answers) != 300 {
		t.Fatalf("%d draws", len(answers))
	}
	for _, r := range c.rigs {
		r.mustStand(answers, user)
	}
	c.level()
	forwarded := leader.node.forwarder.figures.takenCommands.Get()
	if forwarded < 200 {
		t.Errorf("%d commands came to the leader, 200 draws were sent to others", forwarded)
	}
}

// TestBarrierOnAnyNode: an empty batch comes back when this node has everything that was acknowledged before anywhere.
func TestBarrierOnAnyNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		leader := c.leader()
		leader.publish(testVersion(time.Now(), 10_000))
		for i := range 20 {
			key := fmt.Sprint("u/", i)
			a, err := leader.draw(new(engine.Batch), "u", key)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range c.followers(leader) {
				var b engine.Batch
				if err := c.rigs[id].node.Decide(&b); err != nil {
					t.Fatal(err)
				}
				if b.Index <= a.at.Index || c.rigs[id].engine.AppliedIndex() < a.at.Index {
					t.Fatalf("%s: a draw at %d was acknowledged, after the barrier at %d this node is at %d", id, a.at.Index, b.Index, c.rigs[id].engine.AppliedIndex())
				}
			}
		}
	})
}

// TestDamagedCommandOfAnotherNode: the leader does not trust what other nodes send.
func TestDamagedCommandOfAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.startAll()
		leader := c.leader()
		for _, id := range c.followers(leader) {
			var b engine.Batch
			b.AddDraw(&engine.Draw{Campaign: 1, UserID: []byte("u")})
			sent := bytes.Clone(b.Commands())
			var p *problem.Error
			if err := c.rigs[id].node.Decide(&b); !errors.As(err, &p) || p.Code != problem.Internal || p.Effect() != problem.None {
				t.Errorf("%s: %v", id, err)
			}
			if !bytes.Equal(sent, b.Commands()) {
				t.Error("the batch is not as it was")
			}
		}
		c.level()
		if stopped := leader.exits.all(); len(stopped) > 0 {
			t.Error(stopped)
		}
	})
}

// TestNextLeaderTakesOverLate: the others hear of the next leader before it has applied what the one before left. A draw that
// comes to it in between, through any node, is not refused: it is decided once it can be.
func TestNextLeaderTakesOverLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		slow := make(map[string]*slowMachine)
		c.wrap = func(id string, m machine) machine {
			slow[id] = &slowMachine{machine: m}
			return slow[id]
		}
		c.startAll()
		first := c.leader()
		first.publish(testVersion(time.Now(), 1000))
		c.level()
		var held []chan struct{}
		for _, id := range c.followers(first) {
			held = append(held, slow[id].block())
		}
		if _, err := first.draw(new(engine.Batch), "u0", "u0/1"); err != nil { // they have it, and do not apply it
			t.Fatal(err)
		}
		c.must(first.node.TransferLeadership(c.soon()))
		time.AfterFunc(movedWait/2, func() {
			for _, h := range held {
				close(h)
			}
		})
		var all sync.WaitGroup
		for id, r := range c.rigs {
			all.Go(func() {
				if _, err := r.draw(new(engine.Batch), id, id+"/1"); err != nil {
					t.Errorf("at %s: %v", id, err)
				}
			})
		}
		all.Wait()
		if leads := c.leader(); leads == first {
			t.Error("the leadership did not move")
		}
		c.level()
	})
}

// TestLeaderGoesUnderForwardedDraws: callers on followers draw while the leader loses its power, again and again. Whatever
// was answered stands; what was refused with the effect none was never decided.
func TestLeaderGoesUnderForwardedDraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { leaderGoes(t, newCrew(t, 3), (*crew).kill, false) })
}

// TestLeaderLeavesUnderForwardedDraws: the same with Close, as a rolling restart does it.
func TestLeaderLeavesUnderForwardedDraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { leaderGoes(t, newCrew(t, 3), (*crew).stop, true) })
}

func leaderGoes(t *testing.T, c *crew, goes func(*crew, string), seamless bool) {
	c.startAll()
	c.leader().publish(testVersion(time.Now(), 1_000_000))
	c.level()
	for round := range 4 {
		leader := c.leader()
		var mu sync.Mutex
		var answers []answer
		var none, unknown []string
		var all sync.WaitGroup
		for _, id := range c.followers(leader) {
			r := c.rigs[id]
			for caller := range 8 {
				all.Add(1)
				go func() {
					defer all.Done()
					for i := range 60 {
						key := fmt.Sprintf("u%d/%d-%s-%d", caller, round, id, i)
						var b engine.Batch
						r.addDraw(&b, user(key), key)
						err := r.node.Decide(&b)
						var p *problem.Error
						mu.Lock()
						switch {
						case err == nil: // perhaps before this node has it: the leader went in between
							res := b.Results[0]
							answers = append(answers, answer{key, res.At, b.Records[res.Offset : res.Offset+res.Length]})
						case !errors.As(err, &p):
							t.Errorf("%s: %v", key, err)
						case p.Effect() == problem.None:
							none = append(none, key)
						default:
							unknown = append(unknown, key)
						}
						mu.Unlock()
						time.Sleep(time.Millisecond)
					}
				}()
			}
		}
		time.Sleep(30 * time.Millisecond)
		gone := leader.options.NodeID
		goes(c, gone)
		all.Wait()
		next := c.leader()
		c.level()
		for _, key := range none {
			var b engine.Batch
			next.addDraw(&b, user(key), key)
			if err := next.node.Decide(&b); err != nil || b.Results[0].Code != problem.OK || b.Results[0].Replayed {
				t.Errorf("round %d, %s was refused with the effect none, and now: %v %+v", round, key, err, b.Results)
			}
		}
		for _, r := range c.rigs {
			r.mustStand(answers, user)
		}
		t.Logf("round %d: %d answered, %d refused with effect none, %d unknown", round, len(answers), len(none), len(unknown))
		if len(answers) == 0 || seamless && len(none) > 0 {
			t.Errorf("%d were answered, %d refused", len(answers), len(none))
		}
		c.start(gone)
		c.level()
	}
	for id, r := range c.rigs {
		if stopped := r.exits.all(); len(stopped) > 0 {
			t.Errorf("%s stopped: %q", id, stopped)
		}
	}
}

// TestForwardMetricNames: what a node of a cluster registers of forwarding is what docs/metrics.md lists.
func TestForwardMetricNames(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "## Forwarded commands\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !found {
		t.Fatal("docs/metrics.md has no section on forwarded commands")
	}
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)`").FindAllStringSubmatch(section, -1) {
		listed["drawd_forward_"+row[1]] = true
	}
	set := metrics.NewSet()
	newForwardSet(set)
	for _, name := range set.ListMetricNames() {
		if !listed[name] {
			t.Errorf("%s is not documented", name)
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("%s is documented and not registered", name)
	}
}
