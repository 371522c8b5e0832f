package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/storage"
)

// replaceOne loses a machine with its disk. Another one comes in its place, under another id, as the runbook has it.
func (w *World) replaceOne() {
	m := w.takeOut()
	if m == nil {
		return
	}
	w.did("wipe", "%s loses its disk", m.id)
	m.kill(w.intn(2) == 0, 0)
	w.later(w.about(time.Second), func() { w.replace(m) })
}

// takeOut marks a machine as one that never comes back, unless another one is being replaced. Nil when it may not.
func (w *World) takeOut() *machine {
	m := w.some(1)[0]
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.replacing || w.mu.settling {
		return nil
	}
	w.mu.replacing, m.spent = true, true
	return m
}

// replace brings a new machine in for a lost one, with the patience of an operator.
func (w *World) replace(gone *machine) {
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.mu.replacing = false
	}()
	w.mu.Lock()
	w.mu.replaced++
	id := fmt.Sprintf("n%d", w.options.Nodes+w.mu.replaced)
	w.mu.Unlock()
	m := w.addMachine(id, nil)
	w.restart(m)
	for _, step := range []struct {
		name string
		do   func(ctx context.Context, n *raftlog.Node) error
	}{
		{"added", func(ctx context.Context, n *raftlog.Node) error {
			return n.AddMember(ctx, raftlog.Member{ID: id, Address: id})
		}},
		{"promoted", func(ctx context.Context, n *raftlog.Node) error { return n.Promote(ctx, id) }},
		{"removed", func(ctx context.Context, n *raftlog.Node) error { return n.Remove(ctx, gone.id) }},
	} {
		if !w.insist(step.do) {
			return
		}
		w.trace.Add("operator: %s for %s: %s", id, gone.id, step.name)
	}
	w.count("nodes replaced")
}

// insist asks one node after the other until a change of the members is made; false when the world ends before.
func (w *World) insist(do func(ctx context.Context, n *raftlog.Node) error) bool {
	for !w.over() {
		for _, r := range w.running() {
			ctx, cancel := context.WithTimeout(r.ctx, 5*time.Second)
			err := do(ctx, r.node)
			cancel()
			if err == nil {
				return true
			}
			w.trace.Add("operator: %s says %v", r, err)
		}
		w.sleep(time.Second)
	}
	return false
}

// transfer hands the leadership over.
func (w *World) transfer() {
	r := w.leader().current()
	if r == nil || !r.up.Load() {
		return
	}
	w.did("transfer", "%s", r)
	w.later(0, func() {
		ctx, cancel := context.WithTimeout(r.ctx, 5*time.Second)
		defer cancel()
		if err := r.node.TransferLeadership(ctx); err != nil {
			w.trace.Add("%s does not hand over: %v", r, err)
		}
	})
}

// rotTime is how long a node whose disk will turn out to have lied hears nothing: long enough for its watermark to
// prove all that it has (storage: at most 250 ms behind).
const rotTime = 1500 * time.Millisecond

// rotOne is a disk that loses the end of the log although it was synced. The node must notice when it starts, and is
// replaced then. Meanwhile nobody else touches the machine.
func (w *World) rotOne() {
	m := w.takeOut()
	if m == nil {
		return
	}
	r := m.current()
	if r == nil || !r.up.Load() {
		w.putBack(m)
		w.restart(m)
		return
	}
	lost := int64(1 + w.intn(600))
	w.did("rot", "%s, %d bytes", r, lost)
	away := w.around(m, true, true)
	for _, d := range away {
		w.network.Cut(d[0], d[1], true)
	}
	w.later(rotTime, func() {
		defer w.reconnect(away)
		if r.dead.Load() || !m.kill(false, 100) { // it ended by itself
			<-r.ended
			w.putBack(m)
			w.restart(m)
			return
		}
		last, proven := r.store.Log().Last(), r.store.Log().Proven()
		<-r.ended
		var err error
		if last == proven { // else the loss of what is not proven yet could not be noticed
			err = storage.LoseTail(m.fs, dataDir, lost)
		}
		w.reconnect(away)
		w.allow(m)
		if err == nil {
			err = m.launch()
		}
		w.afterRot(m, last, err)
	})
}

// allow lets a machine be started again.
func (w *World) allow(m *machine) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.spent = false
}

// putBack ends what takeOut began, for a machine that stays.
func (w *World) putBack(m *machine) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.replacing, m.spent = false, false
}

func (w *World) reconnect(directions [][2]string) {
	for _, d := range directions {
		w.network.Cut(d[0], d[1], false)
	}
}

// afterRot looks at what a node made of a log that lost its end: last was its last index before.
func (w *World) afterRot(m *machine, last uint64, err error) {
	var damaged *storage.DamagedError
	switch r := m.current(); {
	case errors.As(err, &damaged):
		w.count("rot found")
		w.mu.Lock()
		m.spent = true
		w.mu.Unlock()
		w.replace(m)
		return
	case err != nil:
		w.fault("start", "%s, whose disk lost the end of its log, does not say so: %v", m.id, err)
	case r.up.Load():
		if s := r.node.Status(); max(s.LastLog, s.Checkpoint) < last { // what a checkpoint holds the log need not
			w.fault("rot", "%s had the log up to %d, lost its end, and goes on with %d and a checkpoint at %d", r, last, s.LastLog, s.Checkpoint)
		}
	}
	w.putBack(m)
}
