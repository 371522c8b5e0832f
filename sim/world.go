package sim

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/sim/check"
	"github.com/drawd/drawd/storage"
)

// Options of one world. Zero values mean the documented default.
type Options struct {
	Seed     uint64
	Nodes    int           // default 3
	Length   time.Duration // simulated time under nemeses; default 5 minutes
	Clients  int           // default 6
	Think    time.Duration // mean pause of a client between two operations; default 800 ms
	Calm     time.Duration // mean time between two acts of nemeses; default 2.5 s
	Days     int           // by which log time passes meanwhile; default none
	Nemeses  []string      // names of those that act; default all that fit
	LogLevel slog.Level    // of what nodes say that the trace keeps
	Watch    func(*World)  // called once the world is up, beside everything else: a script of a test
}

func (o Options) withDefaults() Options {
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Length == 0 {
		o.Length = 5 * time.Minute
	}
	if o.Clients == 0 {
		o.Clients = 6
	}
	if o.Think == 0 {
		o.Think = 800 * time.Millisecond
	}
	if o.Calm == 0 {
		o.Calm = 2500 * time.Millisecond
	}
	return o
}

// Report is what happened in one world, or in several.
type Report struct {
	Simulated time.Duration
	Worlds    int
	Counts    map[string]int // acts of nemeses, and what came of them
	Decided   int            // attempts that were told an outcome: acknowledged
	Refused   int            // attempts that were told that they had no effect
	Unknown   int            // attempts that were told nothing
	Resolved  int            // of those, how many the log has
	Reads     int
	Commands  int // in the logs
	Entries   int
	Samples   int
	Sampled   int
	Faults    []check.Fault
	Seed      uint64 // of the first world with a fault
	Trace     *Trace // of that world
}

// World is one cluster, with those who use it and those who break it.
type World struct {
	options Options
	trace   *Trace
	network *Network
	journal journal
	dump    *dump
	exits   chan *run // processes that ended by themselves
	stop    chan struct{}
	crew    sync.WaitGroup // clients, nemeses, the dump
	dying   sync.WaitGroup // runs that are being stopped
	shop    *shop
	ahead   atomic.Int64 // ns by which right clocks are ahead of simulated time
	lasted  time.Duration
	lived   bool // to its end
	mu      struct {
		sync.Mutex
		rng                 *rand.Rand
		machines            []*machine // those that are gone, too
		runs                int
		replaced            int  // machines so far
		replacing, settling bool // a machine is being replaced; no more faults are made
		counts              map[string]int
		faults              []check.Fault
	}
}

// Run runs one world to its end and judges it. It opens a bubble of simulated time: t must not be in one.
func Run(t *testing.T, o Options) *Report {
	t.Helper()
	w := newWorld(o)
	w.inBubble(t)
	return w.report()
}

// inBubble lives in simulated time. Raft never answers a leadership transfer that it was asked for in the moment in which it
// lost the leadership, and then was shut down: whoever waits for that waits for ever. A process that ends takes him along; here
// the bubble says that he is left behind.
func (w *World) inBubble(t *testing.T) {
	defer func() {
		if left := recover(); left != nil {
			if !w.lived || !strings.Contains(fmt.Sprint(left), "blocked goroutines remain") {
				panic(left)
			}
			w.count("transfers never answered")
		}
	}()
	synctest.Test(t, func(*testing.T) {
		w.began()
		w.live()
		w.lasted, w.lived = time.Since(w.trace.began), true
	})
}

func newWorld(o Options) *World {
	w := &World{options: o.withDefaults()}
	w.mu.rng = rand.New(rand.NewPCG(w.options.Seed, 0x776f726c64))
	w.mu.counts = map[string]int{}
	return w
}

// began makes what belongs to simulated time.
func (w *World) began() {
	w.trace = NewTrace()
	w.network = NewNetwork(w.options.Seed, w.trace)
	w.exits, w.stop = make(chan *run, 64), make(chan struct{})
	w.dump = newDump(w)
	var found []raftlog.Member
	for i := range w.options.Nodes {
		id := fmt.Sprintf("n%d", i+1)
		found = append(found, raftlog.Member{ID: id, Address: id, Voter: true})
	}
	for _, f := range found {
		w.addMachine(f.ID, found)
	}
}

// live is the world's life: founded, used and broken, healed, compared, stopped.
func (w *World) live() {
	for _, m := range w.machines() {
		if err := m.launch(); err != nil {
			w.fault("start", "%s does not start on an empty disk: %v", m.id, err)
		}
	}
	done := make(chan struct{})
	go func() { w.supervise(); close(done) }()
	if len(w.faults()) == 0 && w.settled("at the start") {
		w.shop = newShop(w)
		w.use()
	}
	for _, m := range w.machines() {
		w.shut(m)
	}
	w.dying.Wait()
	close(w.exits)
	<-done
	time.Sleep(drowsy) // else they are left behind
}

// drowsy is more than the time after which the last goroutines of a data plane notice that it has ended: they sleep for 10 s at
// a time.
const drowsy = 11 * time.Second

// use lets clients and nemeses at the cluster for its length, heals it, and compares the replicas.
func (w *World) use() {
	if !w.shop.open() {
		w.fault("setup", "the campaigns could not be published")
		return
	}
	w.crew.Add(1)
	go func() { defer w.crew.Done(); w.dump.follow(w.stop) }()
	var clients sync.WaitGroup
	over := make(chan struct{})
	var all []*client
	for i := range w.options.Clients {
		all = append(all, newClient(w, i+1))
	}
	w.crowd(all)
	for _, c := range all {
		clients.Add(1)
		go func() { defer clients.Done(); c.shop(over) }()
	}
	clients.Go(func() { w.pass(over) })
	if w.options.Watch != nil {
		clients.Add(1)
		go func() { defer clients.Done(); w.options.Watch(w) }()
	}
	w.torment(w.options.Length)
	w.heal()
	w.settled("after the last nemesis")
	close(over)
	clients.Wait()
	w.askForOldKeys(all)
	if w.settled("at the end") {
		w.dump.finish()
	}
	close(w.stop)
	w.crew.Wait()
}

func (w *World) addMachine(id string, found []raftlog.Member) *machine {
	m := &machine{world: w, id: id, found: found, clock: NewClock(&w.ahead), fs: storage.NewCrashFS()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.machines = append(w.mu.machines, m)
	return m
}

func (w *World) machines() []*machine {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.mu.machines)
}

// running returns the runs that are alive.
func (w *World) running() (runs []*run) {
	for _, m := range w.machines() {
		if r := m.current(); r != nil && r.up.Load() && !r.dead.Load() {
			runs = append(runs, r)
		}
	}
	return runs
}

func (w *World) number() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.runs++
	return w.mu.runs
}

// count counts an act.
func (w *World) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.counts[what]++
}

func (w *World) intn(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.rng.IntN(n)
}

// about returns a random time with a mean: exponential, bounded by ten times the mean.
func (w *World) about(mean time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return min(time.Duration(w.mu.rng.ExpFloat64()*float64(mean)), 10*mean)
}

func (w *World) fault(rule, format string, args ...any) {
	w.mu.Lock()
	w.mu.faults = append(w.mu.faults, check.Fault{Rule: rule, Detail: fmt.Sprintf(format, args...)})
	w.mu.Unlock()
	w.trace.Add("FAULT "+rule+": "+format, args...)
}

func (w *World) faults() []check.Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.mu.faults)
}

// current returns what runs on the machine.
func (m *machine) current() *run {
	m.world.mu.Lock()
	defer m.world.mu.Unlock()
	return m.run
}

// stopRun stops what is left of a run, in the background.
func (w *World) stopRun(r *run) {
	w.dying.Add(1)
	go func() {
		defer w.dying.Done()
		if err := r.end(); err != nil {
			w.fault("stop", "%v", err)
		}
	}()
}

// shut ends a machine's process for good.
func (w *World) shut(m *machine) {
	r := m.current()
	if r == nil {
		return
	}
	m.kill(false, 100)
	<-r.ended
}

// supervise restarts processes that ended by themselves, as an init system does: their disks are as the kernel left them.
func (w *World) supervise() {
	for r := range w.exits {
		if r.up.CompareAndSwap(true, false) {
			w.stopRun(r)
		}
		w.later(time.Second, func() { w.restart(r.machine) })
	}
}

// later calls f after a while, even when the world is over by then.
func (w *World) later(d time.Duration, f func()) {
	w.dying.Add(1)
	go func() {
		defer w.dying.Done()
		w.sleep(d)
		f()
	}()
}

// restart boots a machine again, unless the world is over.
func (w *World) restart(m *machine) {
	if w.over() {
		return
	}
	if err := m.launch(); err != nil {
		w.fault("start", "%s does not start again: %v", m.id, err)
	}
}

func (w *World) over() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// sleep waits, or until the world is over.
func (w *World) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.stop:
	}
}

// settleLimit is how long a cluster whose faults are all healed may take to agree.
const settleLimit = 2 * time.Minute

// settled waits until one node leads, takes commands, and everybody has applied the same. It reports whether that came.
func (w *World) settled(when string) bool {
	deadline := time.Now().Add(settleLimit)
	for time.Now().Before(deadline) {
		w.acceptClocks()
		w.keptOut()
		if w.agreed() {
			return true
		}
		time.Sleep(200 * time.Millisecond)
	}
	var where []error
	for _, r := range w.running() {
		s := r.node.Status()
		where = append(where, fmt.Errorf("%s: %s of term %d, ready %v (%s), applied %d of %d", r, s.State, s.Term, s.Ready, s.Reason, s.Applied, s.LastLog))
	}
	w.fault("converge", "%s the nodes did not agree within %v: %v", when, settleLimit, errors.Join(where...))
	return false
}

func (w *World) agreed() bool {
	w.mu.Lock()
	replacing := w.mu.replacing
	w.mu.Unlock()
	if replacing {
		return false
	}
	runs, ready := w.running(), 0
	for _, r := range runs {
		s := r.node.Status()
		if s.Ready {
			ready++
		}
		if s.Applied != runs[0].node.Status().Applied {
			return false
		}
	}
	return ready > 0 && len(runs) >= w.wanted()
}

// wanted returns how many nodes should run when all is well.
func (w *World) wanted() (n int) {
	all := w.machines()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range all {
		if !m.spent {
			n++
		}
	}
	return n
}

// report judges the world, in real time.
func (w *World) report() *Report {
	r := &Report{Simulated: w.lasted, Worlds: 1, Counts: w.mu.counts, Faults: w.mu.faults}
	h := check.History{Attempts: w.journal.all(), Log: w.dump.log()}
	v := h.Judge(4)
	r.Decided, r.Refused, r.Unknown = w.journal.mu.counts[check.Decided], w.journal.mu.counts[check.None], w.journal.mu.counts[check.Unknown]
	r.Resolved, r.Reads, r.Commands, r.Entries, r.Samples, r.Sampled = v.Resolved, v.Reads, v.Commands, v.Entries, v.Samples, v.Sampled
	r.Faults = append(r.Faults, v.Faults...)
	if len(r.Faults) > 0 {
		r.Seed, r.Trace = w.options.Seed, w.trace
	}
	return r
}

// Add adds another report. The faults of the first world that has some are kept.
func (r *Report) Add(o *Report) {
	r.Simulated += o.Simulated
	r.Worlds += o.Worlds
	if r.Counts == nil {
		r.Counts = map[string]int{}
	}
	for what, n := range o.Counts {
		r.Counts[what] += n
	}
	for _, p := range [][2]*int{
		{&r.Decided, &o.Decided}, {&r.Refused, &o.Refused}, {&r.Unknown, &o.Unknown}, {&r.Resolved, &o.Resolved}, {&r.Reads, &o.Reads},
		{&r.Commands, &o.Commands}, {&r.Entries, &o.Entries}, {&r.Samples, &o.Samples}, {&r.Sampled, &o.Sampled},
	} {
		*p[0] += *p[1]
	}
	if len(r.Faults) == 0 && len(o.Faults) > 0 {
		r.Faults, r.Seed, r.Trace = o.Faults, o.Seed, o.Trace
	}
}
