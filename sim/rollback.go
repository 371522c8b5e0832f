package sim

import (
	"math/rand/v2"
	"time"

	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/storage"
)

// The life of a rolled back disk: a copy of it is taken, the node goes on for about rollTime, and then for rollHeard, in which the
// others hear of what it has by then. After that the copy is put back, and the node has rollTold to be told.
const (
	rollTime  = 4 * time.Second
	rollHeard = 1500 * time.Millisecond
	rollTold  = 30 * time.Second
	rollLook  = 100 * time.Millisecond
)

// keptOut finds nodes that are kept out although nobody put an older disk under them: tails that were cut, snapshots, power cuts
// and members that come and go must not look like that.
func (w *World) keptOut() {
	for _, r := range w.running() {
		w.mu.Lock()
		rolled := r.machine.rolled
		w.mu.Unlock()
		if s := r.node.Status(); s.RolledBack != "" && !rolled {
			w.fault("kept-out", "%s: %s", r, s.RolledBack)
		}
	}
}

// rollOneBack puts an older copy of its disk under a node. The others have seen what it had, so it must be kept out, and is replaced.
func (w *World) rollOneBack() {
	m := w.takeOut()
	if m == nil {
		return
	}
	r := m.current()
	if r == nil || !r.up.Load() || r.dead.Load() {
		w.putBack(m)
		w.restart(m)
		return
	}
	var older *storage.CrashFS
	w.dump.still(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		older = storage.PowerCut(r.fs, 0, rand.New(rand.NewPCG(w.mu.rng.Uint64(), 3)))
	})
	then := r.node.Status()
	w.did("rollback", "%s, copied in term %d at %d", r, then.Term, then.LastLog)
	w.later(w.about(rollTime), func() {
		if w.forgets(r, &then) && m.kill(false, 100) {
			<-r.ended
			w.goOnWith(m, older)
			return
		}
		if r.dead.Load() { // it ended by itself
			<-r.ended
		}
		w.putBack(m)
		w.restart(m)
	})
}

// forgets waits until the others have heard of what r has now, and reports whether an older copy would miss something of it.
// Only what everybody knows counts: a node that was alone meanwhile may have more than anybody saw.
func (w *World) forgets(r *run, then *raftlog.Status) bool {
	if r.dead.Load() {
		return false
	}
	now, others := r.node.Status(), w.running()
	w.sleep(rollHeard)
	if r.dead.Load() || len(others) < w.options.Nodes || now.Term == then.Term && now.LastLog <= then.LastLog {
		return false
	}
	for _, o := range others {
		if o != r && (o.dead.Load() || !o.heard(r.machine.id)) {
			return false
		}
	}
	// A tail may have been cut within the term in which the copy was taken: then it has nothing that anybody relies on.
	return now.Term > then.Term || now.Applied > then.LastLog
}

// heard reports whether a node had an answer from another one since that one's state was looked at.
func (r *run) heard(id string) bool {
	for _, p := range r.node.Peers() {
		if p.ID == id {
			return p.Contact && p.LastContact+p.RTT < rollHeard
		}
	}
	return false
}

// goOnWith starts a machine on an older disk, and looks at what its node makes of it.
func (w *World) goOnWith(m *machine, older *storage.CrashFS) {
	w.mu.Lock()
	m.fs, m.rolled, m.spent = older, true, false
	w.mu.Unlock()
	if err := m.launch(); err != nil {
		w.fault("start", "%s does not start on an older disk: %v", m.id, err)
	}
	told := false
	for end := time.Now().Add(rollTold); !told && time.Now().Before(end) && !w.over(); w.sleep(rollLook) {
		r := m.current()
		if !r.up.Load() || r.dead.Load() {
			w.restart(m) // somebody else ended it; what it is told stays so
			continue
		}
		switch s := r.node.Status(); {
		case s.RolledBack != "":
			told = true
		case s.Ready || s.Forwards:
			w.fault("rollback", "%s goes on with an older disk: in term %d, log up to %d", r, s.Term, s.LastLog)
			return
		}
	}
	if told {
		w.count("rollbacks told")
	}
	w.mu.Lock()
	m.spent = true
	w.mu.Unlock()
	m.kill(false, 0)
	w.trace.Add("%s was put back to an older disk, told %v", m.id, told)
	w.replace(m)
}
