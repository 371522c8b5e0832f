package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/drawtest"
	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/drawd/drawd/storage"
)

// machine is one node's hardware: a disk, a clock, an address. It outlives what runs on it.
type machine struct {
	world  *World
	id     string // node id and address
	clock  *Clock
	fs     *storage.CrashFS
	run    *run             // nil while it is down
	spent  bool             // its disk is no good: it is never started again
	rolled bool             // an older copy of its disk was put back
	found  []raftlog.Member // those that found the cluster; none for a node that is added later
	free   atomic.Uint64
}

// run is one life of a process, from its start to its end.
type run struct {
	machine *machine
	number  int
	layer   *Layer
	store   *storage.Store
	engine  *engine.Engine
	node    *raftlog.Node
	mux     *peer.Mux       // nil for one node alone
	ctx     context.Context // ends with the process
	cancel  context.CancelFunc
	fs      *storage.CrashFS
	up      atomic.Bool // it has started, and whoever kills it must have it stopped
	dead    atomic.Bool
	ended   chan struct{} // closed when nothing of it runs any more
	disk    disk
	front   front // how callers reach it over HTTP
}

// disk is what can be wrong with a run's disk.
type disk struct {
	mu struct {
		sync.Mutex
		rng    *rand.Rand
		fail   error     // of the next sync or write of the log
		stalls time.Time // syncs of the log take until then
	}
}

// dataDir is where a node's data is, on its own disk.
const dataDir = "data"

// Latency of a sync of the log.
const (
	leastSync, mostSync = 20 * time.Microsecond, 3 * time.Millisecond
)

var errDisk = errors.New("sim: input/output error")

// before is called before each change of the disk.
func (r *run) before(op storage.DiskOp) error {
	if !op.Log || r.dead.Load() {
		return nil
	}
	d := &r.disk
	d.mu.Lock()
	fail := d.mu.fail
	wait := time.Duration(0)
	if op.Calm {
		wait = max(time.Until(d.mu.stalls), leastSync+time.Duration(d.mu.rng.Int64N(int64(mostSync-leastSync))))
	}
	d.mu.Unlock()
	if fail != nil && op.Calm {
		// What a store makes of the error is told by its own tests. Here the process ends at once: Pebble, left alone with an
		// error in its WAL, panics when it comes to the next file, and that would end all nodes.
		r.exit(storage.ExitDisk, fail.Error())
		return nil
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.ctx.Done():
		}
	}
	return nil
}

// exit ends the process, from within: its data stays in the kernel, unlike after a power cut.
func (r *run) exit(code int, why string) {
	w, died := r.machine.world, false
	w.dump.still(func() {
		if died = r.die(false); died {
			w.mu.Lock()
			defer w.mu.Unlock()
			r.machine.fs = storage.PowerCut(r.fs, 100, rand.New(rand.NewPCG(w.mu.rng.Uint64(), 3)))
		}
	})
	if died {
		w.trace.Add("%s exits with %d: %s", r, code, why)
		w.count("process exits")
		w.exits <- r
	}
}

// die cuts a run off from the world: from here on nothing that it does is seen. False when it is dead already.
func (r *run) die(silence bool) bool {
	if !r.dead.CompareAndSwap(false, true) {
		return false
	}
	r.layer.Kill(silence)
	r.front.layer.Kill(silence)
	r.cancel()
	return true
}

func (r *run) String() string { return fmt.Sprintf("%s#%d", r.machine.id, r.number) }

// launch starts a process on the machine, unless one runs, and returns when it does. A process that is killed while it
// starts is no error; one that does not want to run on what its disk holds is.
func (m *machine) launch() error {
	w := m.world
	r := &run{machine: m, number: w.number(), ended: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.disk.mu.rng = rand.New(rand.NewPCG(w.options.Seed, uint64(r.number)))
	w.mu.Lock()
	if busy := m.run != nil && !m.run.dead.Load() || m.spent; busy {
		w.mu.Unlock()
		return nil
	}
	r.layer, r.front.layer = w.network.Listen(m.id), w.network.Listen(m.apiAddress())
	r.fs, m.run = m.fs, r
	w.mu.Unlock()
	err := r.start()
	switch {
	case err == nil && !r.dead.Load():
		w.trace.Add("%s runs", r)
		r.up.Store(true)
		if r.dead.Load() && r.up.CompareAndSwap(true, false) { // killed just now, by somebody who did not see it up
			w.stopRun(r)
		}
		return nil
	case err == nil:
		w.stopRun(r)
		return nil
	}
	killed := !r.die(false)
	if r.mux != nil {
		err = errors.Join(err, r.mux.Close())
	}
	if r.store != nil {
		err = errors.Join(err, r.store.Close())
	}
	close(r.ended)
	w.trace.Add("%s does not start, killed %v: %v", r, killed, err)
	if killed {
		return nil
	}
	return err
}

func (r *run) start() (err error) {
	r.engine, err = engine.New(engine.Options{Shards: 1 << (r.number % 4), ClusterKey: drawtest.ClusterKey})
	if err != nil {
		return err
	}
	r.store, err = storage.Open(storage.Options{
		Dir: dataDir, FS: storage.Disk(r.fs, r.before), LogMemtable: 1 << 20, StateMemtable: 1 << 20, StateCache: 1 << 20, RingBytes: 1 << 20,
		Logger: r.logger(),
		OnFatal: func(err error) {
			r.exit(storage.ExitDisk, err.Error())
			runtime.Goexit() // the goroutine must not go on
		},
	})
	if err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	return r.serve()
}

// logger sends what a node says to the trace.
func (r *run) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(said{r}, &slog.HandlerOptions{Level: r.machine.world.options.LogLevel, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

type said struct{ r *run }

func (s said) Write(p []byte) (int, error) {
	s.r.machine.world.trace.Add("%s says %s", s.r, strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

var _ io.Writer = said{}

// end stops what is left of a dead run. Nothing of that is seen by anybody; it must only not be left behind.
func (r *run) end() error {
	defer close(r.ended)
	ctx, cancel := context.WithTimeout(context.Background(), endLimit)
	defer cancel()
	if err := r.node.Close(&hurried{Context: ctx}); err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	if err := r.front.close(ctx); err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	if r.mux != nil {
		if err := r.mux.Close(); err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
	}
	if err := r.store.Close(); err != nil && !strings.Contains(err.Error(), errDisk.Error()) {
		return fmt.Errorf("%s: %w", r, err)
	}
	return nil
}

// endLimit bounds, in simulated time, how long a dead run may take to stop.
const endLimit = 2 * time.Minute

// hurried is a context whose owner does not wait for niceties: Node.Close takes no checkpoint under it, and waits only
// a moment for what is on its way, which is the first thing that it asks Done for. A log whose disk failed must be closed
// before Pebble comes to its next file and panics.
type hurried struct {
	context.Context
	asked atomic.Bool
}

// drainTime is how long what is on its way may take to land.
const drainTime = 50 * time.Millisecond

func (h *hurried) Err() error { return context.Canceled }

func (h *hurried) Done() <-chan struct{} {
	if h.asked.Swap(true) {
		return h.Context.Done()
	}
	soon := make(chan struct{})
	time.AfterFunc(drainTime, func() { close(soon) })
	return soon
}

// usable reports whether the machine may come back.
func (m *machine) usable() bool {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	return !m.spent
}

// kill ends the process on a machine at this moment, and leaves its disk as it is then: after a power cut every write that
// was not synced may be lost, each with a probability of 100 − kept percent. It reports whether anything ran.
func (m *machine) kill(silence bool, kept int) bool {
	w := m.world
	r := m.current()
	if r == nil {
		return false
	}
	killed := false
	w.dump.still(func() {
		if killed = r.die(silence); killed {
			w.mu.Lock()
			defer w.mu.Unlock()
			m.fs = storage.PowerCut(r.fs, kept, rand.New(rand.NewPCG(w.mu.rng.Uint64(), 3)))
		}
	})
	if killed && r.up.CompareAndSwap(true, false) {
		w.stopRun(r)
	}
	return killed
}

// complete reports whether the node has every record blob: one that got a snapshot copies them in the background.
func (r *run) complete() bool {
	for _, p := range r.node.Peers() {
		if p.Self {
			return p.BlobsComplete
		}
	}
	return true
}
