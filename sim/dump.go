package sim

import (
	"bytes"
	"errors"
	"sort"
	"sync"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/sim/check"
	"github.com/drawd/drawd/storage"
)

// dump reads what nodes have applied, out of their logs, before checkpoints cut it, and compares: two nodes that have
// applied the same index have applied the same bytes, and came to the same running hash, at any time.
type dump struct {
	world *World
	mu    struct {
		sync.Mutex
		entries  map[uint64]*applied
		next     map[*run]uint64     // the first index that was not read of a run
		furthest map[*machine]uint64 // how far any run on a machine was read
	}
}

// applied is one entry as the first node had it.
type applied struct {
	check.Entry
	term uint64
	by   string
	head []byte // of its records: the running hash; nil before somebody has it
}

const dumpInterval = 150 * time.Millisecond

func newDump(w *World) *dump {
	d := &dump{world: w}
	d.mu.entries, d.mu.next, d.mu.furthest = map[uint64]*applied{}, map[*run]uint64{}, map[*machine]uint64{}
	return d
}

// follow reads until stop.
func (d *dump) follow(stop <-chan struct{}) {
	for {
		for _, r := range d.world.running() {
			d.read(r)
		}
		timer := time.NewTimer(dumpInterval)
		select {
		case <-timer.C:
		case <-stop:
			timer.Stop()
			return
		}
	}
}

// finish reads what is left, and once more everything that a replica still has.
func (d *dump) finish() {
	for _, r := range d.world.running() {
		d.mu.Lock()
		d.mu.next[r] = 1
		d.mu.Unlock()
		d.read(r)
	}
}

// lookBack is how many of the entries that an earlier process had applied are read again after a restart.
const lookBack = 30

// still runs f while nothing is read: a run that dies in it is not read afterwards, when what it applies is nobody's.
func (d *dump) still(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// read reads what a run has applied since the last time.
func (d *dump) read(r *run) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.dead.Load() {
		return
	}
	last, from := r.node.Status().Applied, d.mu.next[r]
	if known := d.mu.furthest[r.machine]; from == 0 {
		from = max(known, lookBack+1) - lookBack
	}
	if first := r.store.Log().First(); from < first {
		from = first // cut, or never had: others have it
	}
	for i := from; i <= last; i++ {
		var l storage.LogRecord
		if err := r.store.Log().Get(i, &l); err != nil {
			if !errors.Is(err, storage.ErrNotFound) && !r.dead.Load() {
				d.world.fault("read", "%s cannot read entry %d of its log: %v", r, i, err)
			}
			return // cut meanwhile: the next turn begins behind it
		}
		d.compareLocked(r, &l)
		d.mu.next[r] = i + 1
	}
	d.mu.furthest[r.machine] = max(d.mu.furthest[r.machine], d.mu.next[r])
}

func (d *dump) compareLocked(r *run, l *storage.LogRecord) {
	var head []byte
	if l.Type == 0 {
		if b, ok, err := r.store.State().Head(l.Index); err == nil && ok {
			head = b
		}
	}
	known := d.mu.entries[l.Index]
	if known == nil {
		d.mu.entries[l.Index] = &applied{
			Entry: check.Entry{Index: engine.LogIndex(l.Index), Command: l.Type == 0, Data: bytes.Clone(l.Data)}, term: l.Term, by: r.String(), head: head,
		}
		return
	}
	if known.term != l.Term || known.Command != (l.Type == 0) || !bytes.Equal(known.Data, l.Data) {
		d.world.fault("diverged", "entry %d is of term %d at %s, of term %d at %s, with %d and %d bytes", l.Index, known.term, known.by, l.Term, r, len(known.Data), len(l.Data))
	}
	switch {
	case head == nil:
	case known.head == nil:
		known.head = head
	case !bytes.Equal(known.head, head):
		d.world.fault("diverged", "entry %d came to %x at %s, to %x at %s", l.Index, known.head, known.by, head, r)
	}
}

// log returns what was read, ascending.
func (d *dump) log() []check.Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]check.Entry, 0, len(d.mu.entries))
	for _, e := range d.mu.entries {
		all = append(all, e.Entry)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Index < all[j].Index })
	return all
}
