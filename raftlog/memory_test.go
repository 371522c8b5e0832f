package raftlog

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/storage"
)

// sized is a machine that says how large its state is.
type sized struct {
	machine
	bytes *atomic.Uint64
}

func (m sized) Bytes() uint64 { return m.bytes.Load() }

// TestStateFull: at the bound of its memory a node decides nothing under a new key, and changes nothing; known keys get their
// first answers, operators go on, and room opens it again.
func TestStateFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, storage.NewCrashFS())
		var bytes atomic.Uint64
		r.wrapMachine = func(m machine) machine { return sized{m, &bytes} }
		r.options.MaxStateBytes = 1600
		r.mustStart()
		r.publish(testVersion(time.Now(), 100))
		var b engine.Batch
		first, err := r.draw(&b, "u1", "k1")
		if err != nil {
			t.Fatal(err)
		}
		grows := func(to uint64) {
			bytes.Store(to)
			time.Sleep(2 * memoryInterval)
		}
		if grows(1599); r.node.full.Load() != nil {
			t.Error("full with just enough room")
		}
		grows(1600)
		before, applied := r.engine.StateHash(), r.engine.AppliedIndex()
		b.Reset()
		r.addDraw(&b, "u1", "k1")
		r.addDraw(&b, "u2", "k2")
		var p *problem.Error
		if err := r.node.Decide(&b); !errors.As(err, &p) || p.Code != problem.Capacity || p.Effect() != problem.None || !strings.Contains(p.Error(), "--state-memory") {
			t.Errorf("a batch with a new key: %v", err)
		}
		if r.engine.StateHash() != before || r.engine.AppliedIndex() != applied || r.node.metrics.crowded.Get() != 1 {
			t.Errorf("refused: index %d, was %d; %d counted", r.engine.AppliedIndex(), applied, r.node.metrics.crowded.Get())
		}
		if again, err := r.draw(&b, "u1", "k1"); err != nil || again.at != first.at {
			t.Errorf("a known key: %+v, %v; first %+v", again, err, first)
		}
		b.Reset()
		b.AddControl(&engine.Control{Campaign: 1, Action: engine.ActionPause, Actor: "op", Reason: "r"})
		b.AddControl(&engine.Control{Campaign: 1, Action: engine.ActionResume, Actor: "op", Reason: "r"})
		if err := r.node.Decide(&b); err != nil {
			t.Errorf("an operator: %v", err)
		}
		grows(1500)
		if _, err := r.draw(&b, "u2", "k2"); !errors.Is(err, problem.New(problem.Capacity, "")) {
			t.Errorf("opened by a few bytes: %v", err)
		}
		grows(1499)
		if _, err := r.draw(&b, "u2", "k2"); err != nil {
			t.Errorf("with room: %v", err)
		}
	})
}
