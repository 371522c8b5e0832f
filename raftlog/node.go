package raftlog

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/mutant"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/drawd/drawd/storage"
	"github.com/hashicorp/raft"
)

// Node is one member of a log: the way of a batch into the log and of its results out of it.
type Node struct {
	options Options
	machine machine
	state   stateDisk
	metrics *metricSet

	gate      gate
	full      atomic.Pointer[problem.Error] // what a command under a new key is told; nil while there is room
	time      *timekeeper
	log       *logStore
	fsm       *fsm
	proposer  *proposer
	ticker    *ticker
	points    *checkpointer
	snapshots *snapshotStore
	blobs     *blobs
	backup    sync.Mutex // one backup at a time
	inbound   inbound
	raft      *raft.Raft
	known     chan struct{} // closed once raft is there
	pinger    *pinger       // nil for a node that runs alone
	judged    judged
	novice    novice
	witness   *witness // nil for a node that runs alone
	recall    recall
	belongs   belongs
	reloading sync.Mutex      // one change of raft's configuration at a time
	asked     <-chan raft.RPC // what other nodes' rafts ask, and what of it this node's raft is asked; nil but for a novice
	screened  chan raft.RPC
	settling  *settling   // nil on a node that runs alone
	forwarder *forwarding // nil: what this node does not decide is refused
	takers    *takers     // of what others forward; nil as forwarder
	teller    teller
	progress  *progress
	place     place

	leadership chan bool // from raft, which must never block on it
	leading    atomic.Bool
	ready      chan struct{} // closed when this node led for the first time, with everything applied
	readyOnce  sync.Once

	stopped atomic.Bool   // see die
	dead    chan struct{} // closed when Exit was called and returned
	stop    chan struct{}
	loops   sync.WaitGroup
	awaits  awaits
	closing sync.Once
	closed  error
}

// Open starts a node on its data: it loads the newest checkpoint, checks the log, replays what follows, and returns when
// this node leads and has applied everything that it knows. An empty data directory becomes a cluster of one.
//
// With Options.Peers the node may have others beside it: Open returns when it runs. Status says whether it takes commands.
// An empty data directory begins with the members in Options.Found, or waits to be added by AddMember on another node.
//
// It fails when the data cannot be trusted, with a message that says what to do, and when ctx ends first.
func Open(ctx context.Context, o Options) (*Node, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	return open(ctx, o, engineMachine{o.Engine}, o.Store.Log(), o.Store.State())
}

func open(ctx context.Context, o Options, m machine, disk logDisk, state stateDisk) (*Node, error) {
	n := assemble(o, m, disk, state)
	if err := n.load(); err != nil {
		return nil, err
	}
	if err := n.startRaft(); err != nil {
		return nil, err
	}
	n.startLoops()
	if n.cluster() {
		n.gate.relabel(reasonNoLeader, says(electing))
		return n, nil
	}
	var err error
	select {
	case <-n.ready:
		return n, nil
	case <-n.dead:
		err = n.gate.why(reasonStopped)
	case <-ctx.Done():
		err = fmt.Errorf("raftlog: this node did not come to lead: %w", ctx.Err())
	}
	ended, cancel := context.WithTimeout(context.Background(), rpcTimeout)
	defer cancel()
	return nil, errors.Join(err, n.Close(ended))
}

// assemble makes the parts and ties them together. Nothing runs yet.
func assemble(o Options, m machine, disk logDisk, state stateDisk) *Node {
	n := &Node{
		options: o, machine: m, state: state, metrics: newMetricSet(o.Metrics),
		leadership: make(chan bool, 64), ready: make(chan struct{}), dead: make(chan struct{}), stop: make(chan struct{}), known: make(chan struct{}),
	}
	n.recall.settled = make(chan struct{})
	n.inbound.held = n.recall.settled
	if o.Peers == nil {
		close(n.recall.settled)
	}
	n.gate.shut(reasonNoLeader, says(starting))
	n.time = newTimekeeper(&o, &n.gate)
	n.log = &logStore{disk: disk, clock: o.Clock, metrics: n.metrics, fatal: n.die, durable: n.durable, pins: &pins{clock: o.Clock}}
	n.snapshots = &snapshotStore{
		state: state, log: n.log, machine: m, clock: o.Clock, logger: o.Logger, metrics: n.metrics, fatal: n.die, stopped: n.leaving,
	}
	id := randomID()
	n.proposer = newProposer(&o, id, raftEntries{n}, &n.gate, n.time, n.metrics, n.die)
	n.ticker = &ticker{
		machine: m, clock: o.Clock, busy: n.proposer.queue.busy, decide: n.decideHere, kicked: make(chan struct{}, 1), stop: n.stop,
	}
	n.points = &checkpointer{
		disk: disk, clock: o.Clock, metrics: n.metrics, interval: o.CheckpointInterval, trailing: o.TrailingBytes,
		warn: o.Logger.Warn, due: make(chan struct{}, 1), stop: n.stop,
	}
	n.fsm = &fsm{
		machine: m, state: state, time: n.time, clock: o.Clock, logger: o.Logger, metrics: n.metrics, fatal: n.die,
		stopped: &n.stopped, kick: n.ticker.kick, grown: n.points.grown, limit: o.CheckpointBytes, skip: o.Skip, self: id,
		spare: n.proposer.outcome, keepLevel: n.keepLevel,
	}
	n.blobs = newBlobs(n)
	if n.options.BlobsComplete == nil {
		n.options.BlobsComplete = n.BlobsComplete
	}
	n.fsm.lacking = n.blobs.kick
	n.points.fsm, n.fsm.snapshots, n.snapshots.fsm = n.fsm, n.snapshots, n.fsm
	n.progress = newProgress(&n.fsm.applied, n.stop)
	n.fsm.moved = n.progress.moved
	if n.cluster() {
		n.fsm.hashes, n.fsm.novice, n.pinger = new(hashRing), &n.novice, newPinger(n)
		n.judged.moving = make(chan struct{}, 1)
		n.forwarder = n.newForwarding(o.Metrics)
		n.settling = &settling{look: n.catchUp, kicked: make(chan struct{}, 1), stop: n.stop}
	}
	n.gauges(o.Metrics)
	return n
}

func randomID() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

// load fills the machine from the newest checkpoint and proves that the log continues it.
func (n *Node) load() error {
	if err := n.refuseNewer(); err != nil {
		return err
	}
	m, ok := n.state.Manifest()
	if ok {
		if err := n.loadPages(&m); err != nil {
			return fmt.Errorf("raftlog: load the checkpoint at log index %d: %w", m.Index, tooOld(err))
		}
		n.fsm.base = m.Index
		n.fsm.applied.Store(m.Index)
		n.fsm.conf.index, n.fsm.conf.data = m.ConfigurationIndex, m.Configuration
		n.fsm.hashes.begin(uint64(n.machine.AppliedIndex()), m.Running)
	}
	if err := n.log.disk.Verify(storage.Base{Index: m.Index, Term: m.Term, Chain: m.Chain}); err != nil {
		return fmt.Errorf("raftlog: %w", err)
	}
	return nil
}

func (n *Node) loadPages(m *storage.Manifest) error {
	l := n.machine.Loader()
	err := n.state.LoadPages(func(page uint64, data []byte) error { return l.Page(engine.PageID(page), data) })
	if err == nil {
		err = l.Finish(m.Meta)
	}
	if err != nil {
		return err
	}
	if l.Foreign() {
		n.fsm.era.Add(1)
	}
	if n.machine.RunningHash() != m.Running || uint64(n.machine.AppliedIndex()) > m.Index {
		return &storage.DamagedError{
			What: "the pages of the checkpoint do not belong to its manifest", Index: m.Index,
			Remedy: "Replace this node, or restore a backup; keep the data directory for analysis",
		}
	}
	return nil
}

// startRaft gives a node without a past its first configuration, and starts raft on it.
func (n *Node) startRaft() error {
	logger := newRaftLogger(n.options.Logger)
	config := raftConfig(&n.options, logger, n.leadership)
	transport := newTransport(n.inbound.over(n.stream()), n.rpcTimeout(), logger)
	fail := func(err error) error {
		return errors.Join(fmt.Errorf("raftlog: start: %w", err), transport.Close())
	}
	past, err := raft.HasExistingState(n.log, n.log, n.snapshots)
	if err != nil {
		return fail(err)
	}
	first := n.founding(raft.Server{ID: config.LocalID, Address: transport.LocalAddr()})
	if n.cluster() {
		if err := n.beginNovice(past, len(first.Servers) > 0); err != nil {
			return fail(err)
		}
		if n.witness, err = n.newWitness(); err != nil {
			return fail(err)
		}
		if err := n.beginBelongs(); err != nil {
			return fail(err)
		}
		voted, err := n.log.GetUint64([]byte(lastVoteKey))
		if err != nil {
			return fail(err)
		}
		n.log.voted.Store(voted)
		transport.witness = n.witness
		if n.novice.is.Load() {
			n.screened = make(chan raft.RPC)
			n.asked, transport.screened = transport.Consumer(), n.screened
		}
	}
	if !past && len(first.Servers) > 0 {
		if err := raft.BootstrapCluster(config, n.log, n.log, n.snapshots, transport, first); err != nil {
			return fail(err)
		}
	}
	waits := n.cluster() && past && !n.novice.is.Load()
	if waits {
		if err := n.hold(config); err != nil {
			return fail(err)
		}
	}
	var carrier raft.Transport = transport
	if n.cluster() {
		carrier = n.teller.over(transport)
	}
	n.raft, err = raft.NewRaft(config, n.fsm, n.log, n.log, n.snapshots, carrier)
	if err != nil {
		return fail(err)
	}
	close(n.known)
	n.points.raft, n.points.reload = n.raft, n.reload
	if err := n.member(); err != nil {
		return errors.Join(err, n.raft.Shutdown().Error())
	}
	if n.cluster() {
		if !waits {
			n.release()
		}
		n.pinger.start()
		n.options.Peers.Answer(peer.CallMembers, n.answerMembers)
		n.takeForwarded()
		n.options.Peers.Answer(peer.CallBlobs, n.blobs.give)
		n.options.Peers.Serve()
	}
	return nil
}

func (n *Node) startLoops() {
	n.proposer.start()
	loops := []func(){n.lead, n.watch, n.space, n.ticker.run, n.points.run, n.progress.run, n.blobs.run}
	if n.cluster() {
		loops = append(loops, n.pinger.run, n.attend, n.settling.run)
	}
	if n.screened != nil {
		loops = append(loops, func() { n.novice.screen(n.asked, n.screened, n.stop) })
	}
	if n.options.MaxStateBytes > 0 {
		loops = append(loops, n.memory)
	}
	for _, loop := range loops {
		n.loops.Add(1)
		go func() {
			defer n.loops.Done()
			loop()
		}()
	}
}

// leaving reports whether the node ends: nothing long begins or goes on.
func (n *Node) leaving() bool { return n.stopped.Load() || n.gate.why(reasonClosing) != nil }

// durable returns the newest checkpoint's index.
func (n *Node) durable() uint64 {
	m, _ := n.state.Manifest()
	return m.Index
}

// Decide hands a batch to the log and returns when its results are in b. It does not allocate, and any number of
// goroutines may call it.
//
// A *problem.Error says what became of a batch without results: with the effect none, b is as it was; with the effect
// unknown, b may still be decided, and must be dropped. ErrBatchTooLarge is a fault of the caller. An empty batch
// returns when everything that was acknowledged before the call is applied here.
func (n *Node) Decide(b *engine.Batch) error { return n.DecideContext(context.Background(), b) }

// DecideContext is Decide for a caller who may stop waiting. When ctx ends while b waits in the queue, b is taken out: the
// error is that of ctx, and the effect none. When b is on its way already, the effect is unknown, and b must be dropped.
func (n *Node) DecideContext(ctx context.Context, b *engine.Batch) error {
	if mutant.On(mutant.ReadNoBarrier) && b.Len() == 0 && n.raft.State() == raft.Leader {
		b.Index = n.machine.AppliedIndex()
		return nil
	}
	if e := n.gate.refusal.Load(); e != nil {
		return n.decideElsewhere(ctx, b, e)
	}
	if e := n.check(b); e != nil {
		return e
	}
	if err := n.proposer.decide(ctx, b); err != nil {
		return n.decideAgain(ctx, b, n.options.NodeID, err)
	}
	return nil
}

// decideHere decides a batch on this node or not at all.
func (n *Node) decideHere(b *engine.Batch) error {
	if e := n.gate.refusal.Load(); e != nil {
		n.metrics.refused(e)
		return e
	}
	return n.proposer.decide(context.Background(), b)
}

// check refuses what every node would stop at, before it is in the log for good. That one comes here is a fault of a front:
// it is logged and counted. It also refuses new keys while there is no room for them.
func (n *Node) check(b *engine.Batch) *problem.Error {
	err := n.machine.CheckCommands(b.Commands(), b.Len())
	if err == nil {
		if e := n.full.Load(); e != nil && n.machine.AddsKeys(b.Commands(), b.Len()) {
			n.metrics.crowded.Inc()
			return e
		}
		return nil
	}
	if errors.Is(err, engine.ErrLevel) { // not a fault: it comes once every voter was upgraded
		return problem.New(problem.Conflict, err.Error())
	}
	n.metrics.unsound.Inc()
	n.options.Logger.Error("a damaged command was not sent to the log: this is a fault of drawd, please report it", "error", err)
	return unsound(err)
}

// AcceptClock takes this machine's clock as it is, after clock_skew. Log time still never goes back: behind it, it stays
// until the clock has passed it.
func (n *Node) AcceptClock() error {
	n.time.accept()
	n.ticker.kick()
	return nil
}

// die ends the process: what is in memory can no longer be trusted, or no longer be written. It is called while a disk
// may hang, so it neither logs nor waits. If Exit returns, which it may in tests only, the node refuses everything.
func (n *Node) die(code int, why string) {
	if !n.stopped.CompareAndSwap(false, true) {
		return
	}
	n.options.Exit(code, why)
	e := problem.New(problem.NoLeader, "this node has stopped: "+why)
	n.gate.shut(reasonStopped, e)
	n.proposer.drop(e)
	close(n.dead)
}

// watch looks at every age, every watchInterval: of commands in the queue and in flight, and of a running sync.
func (n *Node) watch() {
	t := time.NewTicker(watchInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-n.stop:
			return
		}
		now := n.options.Clock.Monotonic()
		n.proposer.watch(now)
		if n.snapshots.stalled(now) {
			n.inbound.drop()
		}
		limit := n.options.SyncLimit
		if !n.leading.Load() {
			limit *= followerSyncFactor
		}
		if age := n.log.syncAge(now); age >= limit {
			n.die(ExitDisk, fmt.Sprintf("raftlog: the disk did not answer for %v while the log was written: check the disk under --data, then start drawd again", age.Round(time.Millisecond)))
		}
		if n.gate.why(reasonClock) != nil {
			n.time.recheck()
		}
	}
}

// raftEntries is raft as the proposer sees it.
type raftEntries struct{ n *Node }

func (r raftEntries) Propose(entry []byte, timeout time.Duration) future {
	if mutant.On(mutant.ProposeTwice) {
		time.AfterFunc(200*time.Millisecond, func() { r.n.raft.Apply(entry, timeout) })
	}
	return r.n.raft.Apply(entry, timeout)
}
