package raftlog

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/hashicorp/raft"
)

// future is what the proposer needs of raft.ApplyFuture.
type future interface {
	Error() error
	Response() any
}

// entryLog takes entries. Propose blocks until the log has taken the entry, or refuses it after the timeout.
type entryLog interface {
	Propose(entry []byte, timeout time.Duration) future
}

// proposer turns batches into entries and outcomes back into results. It has two goroutines: fly builds entries and
// hands them to the log, land waits for them in order and wakes the callers. Neither is the goroutine that applies.
//
// Batching needs no timer: while an entry is on its way the queue fills, and the next entry takes all of it.
type proposer struct {
	*hall
	gate  *gate
	time  *timekeeper
	clock Clock
	log   entryLog
	fatal func(code int, why string)

	id       uint64 // random per process, in every entry
	sequence uint64 // of the last entry; fly only
	transfer transferWatch

	landing chan *flight         // in order; holds MaxDepth
	outcome chan *engine.Outcome // outcomes that land has finished with, for the applier to use again
	stop    chan struct{}
	done    sync.WaitGroup
}

func newProposer(o *Options, id uint64, log entryLog, g *gate, keeper *timekeeper, m *metricSet, fatal func(int, string)) *proposer {
	return &proposer{
		hall: newHall(o, MaxDepth, m), gate: g, time: keeper, clock: o.Clock, log: log, fatal: fatal, id: id,
		transfer: transferWatch{limit: transferLimit * o.ElectionTimeout},
		landing:  make(chan *flight, MaxDepth), outcome: make(chan *engine.Outcome, MaxDepth), stop: make(chan struct{}),
	}
}

func (p *proposer) start() {
	p.done.Add(2)
	go p.fly()
	go p.land()
}

// fly sends entries for as long as there is something to send and room for it.
//
// Before it looks into the queue it lets everybody run who can, as land does between waking the callers of an entry and
// making room for the next one: those who were just answered, and those whose request has just been read, come along.
// That is a linger without a timer, which costs nothing when nobody else can run. Measured with 64 callers and no work
// of their own: 33 commands an entry without it, 56 with it, and 5.5 against 3.5 µs of CPU a command.
func (p *proposer) fly() {
	defer p.done.Done()
	defer close(p.landing)
	for {
		select {
		case <-p.queue.wake:
		case <-p.stop:
			return
		}
		runtime.Gosched()
		for p.send() {
		}
	}
}

// send builds one entry from the queue and hands it to the log. It reports whether there was one to build.
func (p *proposer) send() bool {
	f := p.spareFlight()
	now := p.clock.Monotonic()
	if !p.queue.take(f, now) {
		p.release(f)
		return false
	}
	stamp, bad := p.time.stamp()
	if bad.kind != skewNone {
		p.refuse(f, p.time.close(bad))
		return true
	}
	p.somebody(f)
	p.metrics.sent(f, now)
	entry := p.build(f, stamp)
	f.sentAt = now
	p.board(f)
	f.future = p.log.Propose(entry, p.queue.maxAge)
	p.landing <- f
	return true
}

// build encodes the entry. Its memory goes to raft and to the ring of recent entries for good: it is never pooled.
func (p *proposer) build(f *flight, stamp engine.UnixMilli) []byte {
	p.sequence++
	header := engine.EntryHeader{Stamp: stamp, Count: uint32(f.commands), Proposer: p.id, Sequence: p.sequence}
	entry := engine.AppendEntryHeader(make([]byte, 0, engine.EntryHeaderSize+f.bytes), &header)
	for _, it := range f.items {
		entry = append(entry, it.w.batch.Commands()...)
	}
	return entry
}

// somebody gives an entry a command when all its batches are empty: they wait for a commit, whatever is in it.
func (p *proposer) somebody(f *flight) {
	if f.commands > 0 {
		return
	}
	w := p.waiters.get() // nobody waits on it
	tick := new(engine.Batch)
	tick.AddTick()
	t := w.begin(tick)
	t.dispatch()
	f.add(&pending{ticket: t, commands: 1, bytes: int32(len(tick.Commands()))})
}

// refuse answers a flight that was never sent.
func (p *proposer) refuse(f *flight, e *problem.Error) {
	p.settle(f, e)
	p.queue.landed(p.clock.Monotonic())
	p.release(f)
}

// land answers the callers of each entry, oldest first.
func (p *proposer) land() {
	defer p.done.Done()
	for f := range p.landing {
		if err := f.future.Error(); err != nil {
			p.arrive(f, nil, err)
			continue
		}
		out, _ := f.future.Response().(*engine.Outcome)
		p.arrive(f, out, errNoOutcome)
	}
}

// arrive ends a flight: with its outcome, or with the error that explains why there is none.
func (p *proposer) arrive(f *flight, out *engine.Outcome, err error) {
	now := p.clock.Monotonic()
	if out != nil {
		p.transfer.clear()
		p.metrics.landed(f, now)
		p.deliver(f, out)
		select {
		case p.outcome <- out:
		default:
		}
	} else {
		if errors.Is(err, raft.ErrLeadershipTransferInProgress) && p.transfer.stuck(now) {
			p.fatal(ExitFailed, "a leadership transfer does not end: this node refuses every entry; it must be started again")
		}
		p.settle(f, refusalOf(err))
	}
	p.disembark(f)
	runtime.Gosched() // see fly
	p.queue.landed(now)
	p.release(f)
}

// transferWatch notices a leadership transfer that never ends (raft-and-pebble.md, rule 5). land only.
type transferWatch struct {
	limit time.Duration
	since time.Duration
	on    bool
	fired atomic.Bool
}

// stuck counts one refusal and reports, once, that refusals went on for longer than the limit.
func (t *transferWatch) stuck(now time.Duration) bool {
	if !t.on {
		t.on, t.since = true, now
	}
	return now-t.since > t.limit && t.fired.CompareAndSwap(false, true)
}

func (t *transferWatch) clear() { t.on = false }
