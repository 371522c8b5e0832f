package raftlog

import (
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/drawd/drawd/engine"
)

// lane is the way to one leader: a queue, one connection at a time, and the frames that are under way on it. Like the
// proposer it takes everything that waits into its next flight, so that many draws share a frame when there are many; but a
// frame needs no sync, so it is sent at once, and up to maxFrames are under way.
//
// What becomes of a flight is decided once: by whoever takes it out of the air. A flight that was not given to a connection
// has the effect none. From the first byte that a connection was given on, the frame may have arrived: when the connection
// or the leader goes, its effect is unknown.
//
// Goroutines: fly sends, one for each connection reads, land delivers once this node has applied what the answers tell of.
type lane struct {
	*hall
	*forwarding
	leader Member

	number  uint64        // of the last frame; fly only
	out     []byte        // fly only
	barred  time.Duration // until when no connection is tried, monotonic; fly only
	landing chan *flight  // holds maxFrames
	ended   chan struct{}
	running sync.WaitGroup

	mu struct {
		sync.Mutex
		link   *link // nil: none
		closed bool
	}
}

// link is one connection.
type link struct {
	conn net.Conn
	dead bool // guarded by the air: none of its flights is in there any more, and none comes
}

func (f *forwarding) newLane(leader Member) *lane {
	l := &lane{
		hall: newHall(&f.options, maxFrames, f.metrics), forwarding: f, leader: leader,
		landing: make(chan *flight, maxFrames), ended: make(chan struct{}),
	}
	l.queue.depth, l.queue.eager = maxFrames, true
	l.running.Add(2)
	go l.fly()
	go l.land()
	return l
}

// fly sends frames for as long as there is something to send and room for it. It lets others run first, as the proposer's
// does: they come along.
func (l *lane) fly() {
	defer l.running.Done()
	for {
		select {
		case <-l.queue.wake:
		case <-l.ended:
			return
		}
		runtime.Gosched()
		for l.send() {
		}
	}
}

// send sends one frame. It reports whether there was something to send.
func (l *lane) send() bool {
	if !l.queue.waiting() {
		return false
	}
	k := l.connected()
	if k == nil {
		wakeAll(l.queue.clear(nil, nil), says(unreachable))
		return false
	}
	f := l.spareFlight()
	now := l.clock.Monotonic()
	if !l.queue.take(f, now) {
		l.release(f)
		return false
	}
	l.number++
	f.number, f.link, f.sentAt = l.number, k, now
	l.out = beginForward(l.out[:0], forwardCommands, f.commands, f.number)
	for _, it := range f.items {
		l.out = append(l.out, it.w.batch.Commands()...)
	}
	endForward(l.out, 0)
	l.figures.sent(f)
	if !l.embark(f, k) {
		l.settle(f, says(unreachable))
		l.over(f)
		return true
	}
	// From here on f belongs to whoever takes it out of the air.
	err := k.conn.SetWriteDeadline(from(writeTimeout))
	if err == nil {
		_, err = k.conn.Write(l.out)
	}
	if err != nil {
		l.fail(k, err)
	}
	if cap(l.out) > keptBuffer {
		l.out = nil
	}
	return true
}

// embark puts f into the air, unless its connection has failed: nobody would answer it then, and nothing was sent.
func (l *lane) embark(f *flight, k *link) bool {
	l.air.Lock()
	defer l.air.Unlock()
	if k.dead {
		return false
	}
	l.boardLocked(f)
	return true
}

// over gives a flight back that is not in the air.
func (l *lane) over(f *flight) {
	l.release(f)
	l.queue.landed(l.clock.Monotonic())
}

// connected returns the connection, and makes one if there is none; nil when the leader is not reached.
func (l *lane) connected() *link {
	if k := l.current(); k != nil {
		return k
	}
	if l.clock.Monotonic() < l.barred {
		return nil
	}
	conn, err := l.dial(l.leader.Address, linkTimeout)
	if err != nil {
		l.barred = l.clock.Monotonic() + linkRetry
		l.options.Logger.Warn("the leader is not reached", "leader", l.leader.ID, "address", l.leader.Address, "error", err)
		return nil
	}
	k := &link{conn: conn}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		_ = conn.Close()
		return nil
	}
	l.mu.link = k
	l.figures.links.Inc()
	l.running.Add(1)
	go l.read(k)
	return k
}

func (l *lane) current() *link {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.link
}

// read takes the leader's answers until the connection ends.
func (l *lane) read(k *link) {
	defer l.running.Done()
	r := newFrameReader(k.conn, maxOutcomeBytes)
	for {
		answer, err := r.next()
		if err == nil {
			err = l.answered(k, &answer)
		}
		if err != nil {
			l.fail(k, err)
			return
		}
	}
}

// answered ends a flight, or hands it on to land. An error is one of the connection.
func (l *lane) answered(k *link, a *forwardFrame) error {
	f := l.find(k, a.number)
	if f == nil {
		return fmt.Errorf("%w: an answer to frame %d, which is not under way", errForward, a.number)
	}
	if err := l.understand(f, a); err != nil {
		l.settle(f, says(leaderLost))
		l.over(f)
		return err
	}
	return nil
}

// understand ends a flight that is not in the air any more; after an error it did not.
func (l *lane) understand(f *flight, a *forwardFrame) error {
	switch a.kind {
	case forwardRefusal:
		e, err := parseForwardRefusal(a.payload)
		if err != nil {
			return err
		}
		l.figures.refused.Inc()
		l.settle(f, e)
		l.over(f)
		return nil
	case forwardOutcome:
		if int(a.count) != f.commands {
			return fmt.Errorf("%w: %d results for %d commands", errForward, a.count, f.commands)
		}
		if f.out == nil || cap(f.out.Records) > keptBuffer {
			f.out = new(engine.Outcome)
		}
		if err := parseOutcome(a.payload, int(a.count), f.out); err != nil {
			return err
		}
		f.answeredAt = l.clock.Monotonic()
		l.figures.answered(f)
		l.landing <- f
		return nil
	}
	return fmt.Errorf("%w: type %d is no answer", errForward, a.kind)
}

// find takes a flight out of the air.
func (l *lane) find(k *link, number uint64) *flight {
	l.air.Lock()
	defer l.air.Unlock()
	for i, f := range l.air.flights {
		if f != nil && f.link == k && f.number == number {
			l.air.flights[i] = nil
			return f
		}
	}
	return nil
}

// fail ends a connection, and with it what is under way there: nobody knows what became of it.
func (l *lane) fail(k *link, why error) {
	var lost []*flight
	l.air.Lock()
	first := !k.dead
	k.dead = true
	for i, f := range l.air.flights {
		if f != nil && f.link == k {
			l.air.flights[i] = nil
			lost = append(lost, f)
		}
	}
	l.air.Unlock()
	_ = k.conn.Close()
	l.mu.Lock()
	closed := l.mu.closed
	if l.mu.link == k {
		l.mu.link = nil
	}
	l.mu.Unlock()
	if first && !closed {
		l.options.Logger.Warn("the connection to the leader ended", "leader", l.leader.ID, "frames_under_way", len(lost), "error", why)
	}
	for _, f := range lost {
		l.settle(f, says(leaderLost))
		l.over(f)
	}
}

// land hands the answers to the callers, in the order in which they came.
func (l *lane) land() {
	defer l.running.Done()
	w, limit := newWait(), time.NewTimer(0)
	<-limit.C
	defer limit.Stop()
	for {
		select {
		case f := <-l.landing:
			l.arrive(f, w, limit)
		case <-l.ended:
			return
		}
	}
}

// arrive delivers an answer once this node has applied the entry that it tells of: who draws here and then reads here finds
// his draw. A node that lags too far behind answers nevertheless. What it cannot say then is that it is up to date.
func (l *lane) arrive(f *flight, w *wait, limit *time.Timer) {
	index := uint64(f.out.Index)
	if l.progress.applied.Load() < index {
		limit.Reset(f.answeredAt + behindLimit - l.clock.Monotonic())
		if !l.progress.await(w, index, l.ended, limit.C) {
			l.figures.behind.Inc()
			for _, it := range f.items {
				if it.commands == 0 && it.claim(phaseDispatched) {
					it.wake(says(behind))
				}
			}
		}
		limit.Stop()
	}
	l.figures.landed(f, l.clock.Monotonic())
	l.deliver(f, f.out)
	l.over(f)
}

// look ends what waited too long. A leader that does not answer for so long is not reached any more, whatever the
// connection says.
func (l *lane) look(now time.Duration) {
	l.watch(now)
	if k := l.current(); k != nil && l.silent(k, now) {
		l.fail(k, errSilent)
	}
}

func (l *lane) silent(k *link, now time.Duration) bool {
	l.air.Lock()
	defer l.air.Unlock()
	for _, f := range l.air.flights {
		if f != nil && f.link == k && now-f.sentAt >= l.giveUp {
			return true
		}
	}
	return false
}

// leave takes nothing more and gives what is under way some time; then the lane ends. Whoever waits in the queue is told
// that nothing was done.
func (l *lane) leave(why refusal, grace time.Duration) {
	wakeAll(l.queue.clear(says(why), nil), says(why))
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-l.queue.drained:
	case <-timer.C:
	}
	l.mu.Lock()
	l.mu.closed = true
	k := l.mu.link
	l.mu.Unlock()
	if k != nil {
		l.fail(k, net.ErrClosed)
	}
	<-l.queue.drained // what was answered lands within behindLimit
	close(l.ended)
	l.running.Wait()
}
