package raftlog

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/storage"
)

// TestMixedVersions: the feature level is raised once the last voter was upgraded and not before, one node after the other
// while draws go on; from then on the old build is of no more use, and says so.
func TestMixedVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 3)
		c.build = map[string]uint32{"n1": 1, "n2": 1, "n3": 1}
		c.startAll()
		c.leader().publish(testVersion(time.Now(), 1000))
		var answers []answer
		for i, id := range []string{"n1", "n2", "n3"} {
			time.Sleep(5 * time.Second)
			for id, r := range c.rigs {
				if level := r.engine.Level(); level != 1 {
					t.Errorf("%s is at level %d with %d nodes upgraded", id, level, i)
				}
			}
			c.stop(id)
			time.Sleep(10 * time.Second) // an absent voter may come back as what it was
			if level := c.leader().engine.Level(); level != 1 {
				t.Errorf("raised to %d without %s", level, id)
			}
			c.build[id] = 2
			answers = append(answers, c.draw("u"+id, "u"+id+"/1"))
			c.start(id)
			c.level()
		}
		c.eventually("the level is raised", func() bool {
			for _, r := range c.rigs {
				if r.engine.Level() != 2 || r.node.Status().Level != 2 {
					return false
				}
			}
			return true
		})
		c.level()
		c.leader().mustStand(answers, user)

		old := c.followers(c.leader())[0]
		c.kill(old)
		c.build[old] = 1
		r := newRig(t, c.disks[old])
		err := c.tryAs(old, r)
		if err == nil { // its checkpoint is from before
			<-r.exits.ch
			err = errors.New(r.exits.all()[0])
		}
		if !strings.Contains(err.Error(), "feature level 2, this build supports 1") {
			t.Errorf("the old build: %v", err)
		}
	})
}

// TestALoneNodeTakesTheNewestLevel: nobody would have to follow, so the first entry raises it, and a newer build does at its
// first start. The older build is of no more use then, and says so.
func TestALoneNodeTakesTheNewestLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := storage.NewCrashFS()
		start := func(build uint32) (*rig, error) {
			r := newRig(t, fs)
			r.level = build
			return r, r.start()
		}
		r, err := start(1)
		if err != nil || r.engine.Level() != 1 {
			t.Fatal(err, r.engine.Level())
		}
		first := r.engine.AppliedIndex()
		r.stop()
		for range 2 { // the second start finds nothing to do
			if r, err = start(2); err != nil || r.engine.Level() != 2 || r.node.Status().Level != 2 {
				t.Fatal(err, r.engine.Level())
			}
			r.stop()
		}
		if _, err = start(1); err == nil || !strings.Contains(err.Error(), "feature level 2, this build supports 1") {
			t.Errorf("the old build: %v", err)
		}

		fs = storage.NewCrashFS()
		if r, err = start(2); err != nil || r.engine.Level() != 2 || r.engine.AppliedIndex() != first {
			t.Errorf("%v, level %d by entry %d, not %d", err, r.engine.Level(), r.engine.AppliedIndex(), first)
		}
	})
}
