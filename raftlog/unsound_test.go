package raftlog

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// TestDamagedCommandIsNotProposed: a command that every node would stop at is refused by the one that was handed it, says
// that nothing was done, and the node goes on.
func TestDamagedCommandIsNotProposed(t *testing.T) {
	r := newRig(t, nil)
	r.mustStart()
	r.publish(testVersion(time.Now(), 100))
	var b engine.Batch
	if _, err := r.draw(&b, "u1", "k1"); err != nil {
		t.Fatal(err)
	}
	damaged := map[string]func(*engine.Batch){
		"no times":      func(b *engine.Batch) { b.AddDraw(&engine.Draw{Campaign: 1, UserID: []byte("u2")}) },
		"an empty user": func(b *engine.Batch) { b.AddDraw(&engine.Draw{Campaign: 1, Times: 1}) },
		"too many items": func(b *engine.Batch) {
			b.AddHold(&engine.Hold{Namespace: 1, OwnerID: []byte("o"), Items: make([]engine.Item, 9)})
		},
		"a foreign seal": func(b *engine.Batch) {
			b.AddPublish(&engine.Publish{Namespace: 1, Version: testVersion(time.Now(), 1), SealedSeed: engine.SealSeed([32]byte{1}, [12]byte{}, [16]byte{})})
		},
		"a long reason": func(b *engine.Batch) {
			b.AddControl(&engine.Control{Campaign: 1, Action: engine.ActionPause, Reason: strings.Repeat("x", engine.MaxReasonBytes+1)})
		},
		"behind good one": func(b *engine.Batch) {
			r.addDraw(b, "u3", "k3")
			b.AddDraw(&engine.Draw{Campaign: 1, UserID: []byte("u2")})
		},
	}
	before, applied := r.engine.StateHash(), r.engine.AppliedIndex()
	for what, add := range damaged {
		b.Reset()
		add(&b)
		sent := bytes.Clone(b.Commands())
		var p *problem.Error
		if err := r.node.Decide(&b); !errors.As(err, &p) || p.Code != problem.Internal || p.Effect() != problem.None {
			t.Errorf("%s: %v", what, err)
		}
		if !bytes.Equal(sent, b.Commands()) || len(b.Results) != 0 {
			t.Errorf("%s: the batch is not as it was", what)
		}
	}
	if r.engine.StateHash() != before || r.engine.AppliedIndex() != applied {
		t.Error("a refused command changed the state")
	}
	if got := r.node.metrics.unsound.Get(); got != uint64(len(damaged)) {
		t.Errorf("%d were counted, %d were refused", got, len(damaged))
	}
	if !strings.Contains(r.logged.String(), "damaged command") {
		t.Error("nobody is told")
	}
	if _, err := r.draw(&b, "u2", "k2"); err != nil {
		t.Error("the node does not go on:", err)
	}
	if stopped := r.exits.all(); len(stopped) > 0 {
		t.Error(stopped)
	}
}
