package load

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	knockEvery = 2 * time.Millisecond  // between attempts to reach a server that refuses
	tickEvery  = 20 * time.Millisecond // between looks for late answers and for the end
	shortNap   = 40 * time.Microsecond // naps are not shorter than this: a wake-up costs more than the delay
)

// loop is one load loop. Everything in it belongs to its goroutine.
type loop struct {
	number int
	o      *Options
	s      *Schedule
	work   Workload
	stop   *atomic.Bool

	ep     int
	addr   unix.Sockaddr
	family int
	conns  []conn
	idle   queue
	again  retries

	next     uint64 // id of the next new request
	dueNext  uint64 // id of the next request that is not yet counted as due
	count    uint64
	inflight int
	settled  uint64 // requests that need nothing more
	down     bool   // the server refuses connections
	knockAt  time.Duration
	running  bool
	measured bool // answers count: past the warm-up and before the end of a closed loop
	t0       time.Time
	tickAt   time.Duration
	lastSend time.Duration
	stats    *Stats
	cpu0     time.Duration
	second   secondMeter
}

func newLoop(k int, o *Options, s *Schedule, w Workload, stop *atomic.Bool) (*loop, error) {
	addr, family, err := sockaddr(o.Addr)
	if err != nil {
		return nil, err
	}
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("load: epoll: %w", err)
	}
	n := o.Connections / o.Loops
	if k < o.Connections%o.Loops {
		n++
	}
	l := &loop{
		number: k, o: o, s: s, work: w, stop: stop, ep: ep, addr: addr, family: family,
		conns: make([]conn, n), idle: newQueue(n), next: uint64(k), dueNext: uint64(k), count: uint64(s.count()),
		t0: time.Now(), stats: NewStats(),
	}
	for i := range l.conns {
		l.conns[i].in = make([]byte, 4<<10)
	}
	l.second.latency = NewHistogram()
	return l, nil
}

// now returns the time since the start of the run.
func (l *loop) now() time.Duration { return time.Since(l.t0) }

// run connects, says so, waits for the common start, and works until nothing is left to do.
func (l *loop) run(connected func(), start <-chan time.Time) error {
	// The thread ends with the goroutine, and its priority with it: it is not unlocked.
	runtime.LockOSThread()
	tuneThread(l.s.Arrivals != nil)
	defer l.closeAll()
	err := l.connectFirst()
	connected()
	t0 := <-start
	if err != nil {
		return err
	}
	sleepUntil(t0)
	l.t0, l.running = t0, true
	l.measured = l.s.Arrivals != nil || l.s.Warmup == 0
	for i := range l.conns {
		l.conns[i].idleSince = 0
	}
	l.cpu0 = threadCPU()
	l.second.cpu = l.cpu0
	events := make([]unix.EpollEvent, max(64, len(l.conns)))
	for {
		now := l.now()
		if now >= l.tickAt {
			if l.tick(now) {
				break
			}
		}
		l.send(now)
		if l.finished() {
			break
		}
		if err := l.turn(events, l.patience()); err != nil {
			return err
		}
	}
	l.finish()
	return nil
}

// turn waits for events and handles them.
func (l *loop) turn(events []unix.EpollEvent, patience time.Duration) error {
	n, err := epollWait(l.ep, events, patience)
	if err != nil {
		return fmt.Errorf("load: epoll: %w", err)
	}
	for _, ev := range events[:n] {
		i := int(ev.Fd)
		if l.conns[i].cycle != ev.Pad {
			continue
		}
		l.handle(i, ev.Events)
		if l.running {
			l.send(l.now())
		}
	}
	return nil
}

// connectFirst opens all connections before the start.
func (l *loop) connectFirst() error {
	l.connectAll()
	events := make([]unix.EpollEvent, 64)
	for l.idle.size < len(l.conns) {
		now := l.now()
		if now > l.o.Connect || l.stop.Load() {
			return fmt.Errorf("load: %d of %d connections to %s within %v", l.idle.size, len(l.conns), l.o.Addr, l.o.Connect)
		}
		l.knock(now)
		if err := l.turn(events, knockEvery); err != nil {
			return err
		}
	}
	return nil
}

// patience returns how long to wait for events before something else is to be done.
func (l *loop) patience() time.Duration {
	now := l.now()
	until := l.tickAt
	if l.down {
		until = min(until, l.knockAt)
	}
	if l.idle.size > 0 {
		if len(l.again) > 0 {
			until = min(until, l.again[0].at)
		}
		if l.s.Arrivals != nil && l.next < l.count {
			until = min(until, l.s.Arrivals[l.next])
		}
	}
	if until <= now {
		return 0
	}
	return max(until-now, shortNap)
}

// tick looks after what is rare; it reports whether the run is over.
func (l *loop) tick(now time.Duration) bool {
	l.tickAt = now + tickEvery
	for i := range l.conns {
		if c := &l.conns[i]; c.state == busy && now-c.sent > l.o.Timeout {
			l.broken(i)
		}
	}
	l.knock(now)
	if l.down {
		l.tickAt = min(l.tickAt, l.knockAt)
	}
	l.second.turn(l, now)
	if l.s.Arrivals == nil {
		l.window(now)
	}
	return l.stop.Load() || l.lastSend > 0 && l.startedAll(now) && now > l.lastSend+l.s.Drain+l.o.Timeout
}

// window opens and shuts the measured part of a closed loop.
func (l *loop) window(now time.Duration) {
	if !l.measured && now >= l.s.Warmup && (l.s.For == 0 || now < l.s.For) {
		// What came before the window does not count, but for the seconds: they are a diary.
		fresh := NewStats()
		fresh.Seconds = l.stats.Seconds
		l.stats, l.measured = fresh, true
		l.cpu0 = threadCPU()
	}
	if l.measured && l.s.For > 0 && now >= l.s.For {
		l.measured = false
		l.stats.CPU = threadCPU() - l.cpu0
		l.stats.Wall = now - l.s.Warmup
	}
}

// startedAll reports whether every new request has been started.
func (l *loop) startedAll(now time.Duration) bool {
	return l.next >= l.count || l.s.Arrivals == nil && l.s.For > 0 && now >= l.s.For
}

func (l *loop) finished() bool {
	return l.inflight == 0 && len(l.again) == 0 && l.startedAll(l.now())
}

// finish closes the books.
func (l *loop) finish() {
	now := l.now()
	l.second.close(l, now)
	if l.measured {
		l.stats.CPU = threadCPU() - l.cpu0
		l.stats.Wall = now - l.s.Warmup
	}
	l.stats.Unresolved = uint64(l.inflight) + uint64(len(l.again))
	if l.s.Arrivals != nil && l.next < l.count {
		l.stats.Unresolved += (l.count - l.next + uint64(l.o.Loops) - 1) / uint64(l.o.Loops)
	}
}

func (l *loop) closeAll() {
	for i := range l.conns {
		l.drop(i)
	}
	if l.ep >= 0 {
		_ = unix.Close(l.ep)
		l.ep = -1
	}
}

// send starts whatever is due while a connection is idle.
func (l *loop) send(now time.Duration) {
	for l.idle.size > 0 {
		// What is due first goes first: what is asked for again must not make the generator late with what is new.
		if len(l.again) > 0 && l.again[0].at <= now && !(l.s.Arrivals != nil && l.next < l.count && l.s.Arrivals[l.next] < l.again[0].at) {
			r := l.again.pop()
			l.start(r.id, r.due, r.attempt)
		} else if l.next < l.count && l.dueNow(now) {
			id, due := l.next, now
			if l.s.Arrivals != nil {
				due = l.s.Arrivals[id]
			}
			l.next += uint64(l.o.Loops)
			l.start(uint32(id), due, 0)
		} else {
			return
		}
		now = l.now()
	}
}

func (l *loop) dueNow(now time.Duration) bool {
	if l.s.Arrivals != nil {
		return l.s.Arrivals[l.next] <= now
	}
	return l.s.For == 0 || now < l.s.For
}

// start writes a request to the connection that has been idle longest.
func (l *loop) start(id uint32, due time.Duration, attempt int) {
	i := int(l.idle.pop())
	c := &l.conns[i]
	c.state, c.id, c.due, c.attempt = busy, id, due, attempt
	c.out, c.written = l.work.AppendRequest(c.out[:0], id, attempt > 0), 0
	c.sent = l.now()
	l.lastSend = c.sent
	l.inflight++
	l.stats.Sent++
	l.second.sent++
	if attempt == 0 && l.s.Arrivals != nil {
		record(l.stats.Lag, c.sent-max(due, c.idleSince))
	}
	l.flush(i)
}

// flush writes what is left of a request. What does not fit goes out when the socket says so.
func (l *loop) flush(i int) {
	c := &l.conns[i]
	for c.written < len(c.out) {
		n, e := rawWrite(c.fd, c.out[c.written:])
		switch e {
		case 0:
			c.written += n
		case unix.EINTR:
		case unix.EAGAIN:
			return
		default:
			l.broken(i)
			return
		}
	}
}

// handle deals with what epoll said about connection i.
func (l *loop) handle(i int, events uint32) {
	const bad = unix.EPOLLERR | unix.EPOLLHUP
	c := &l.conns[i]
	switch {
	case c.state == connecting && events&bad != 0:
		l.broken(i)
		return
	case c.state == connecting && events&unix.EPOLLOUT != 0:
		l.opened(i)
		return
	case c.state == closed || c.state == connecting:
		return
	}
	if events&unix.EPOLLOUT != 0 && c.state == busy && c.written < len(c.out) {
		l.flush(i)
	}
	if c.state != closed && events&(bad|unix.EPOLLIN|unix.EPOLLRDHUP) != 0 {
		l.read(i)
	}
}

// read takes what has come in on connection i, and handles an answer that is whole.
func (l *loop) read(i int) {
	c := &l.conns[i]
	for {
		n, e := rawRead(c.fd, c.in[c.have:])
		switch {
		case e == unix.EINTR:
			continue
		case e == unix.EAGAIN:
			return
		case e != 0 || n == 0 || c.state != busy:
			// Ended by the server, or it speaks without being asked: either way of no more use.
			l.broken(i)
			return
		}
		c.have += n
		var a Answer
		size, err := l.parse(c.in[:c.have], &a)
		if err != nil {
			l.broken(i)
			return
		}
		if size > 0 {
			l.answered(i, &a, size < c.have)
			return
		}
		if c.have < len(c.in) {
			return
		}
		c.in = append(c.in, make([]byte, len(c.in))...)
	}
}

// parse looks for one whole answer.
func (l *loop) parse(b []byte, a *Answer) (int, error) {
	if l.o.Replies > 0 {
		return parseReplies(b, l.o.Replies, a)
	}
	return parseAnswer(b, a)
}

// answered hands an answer to the workload. surplus says that more bytes came than the answer has.
func (l *loop) answered(i int, a *Answer, surplus bool) {
	c := &l.conns[i]
	now := l.now()
	a.Due, a.Sent, a.Received, a.Attempt = c.due, c.sent, now, c.attempt
	closing := surplus || a.Has(string(closeHeader[2:]))
	class, wait := l.work.Answer(c.id, a)
	l.inflight--
	if l.measured {
		record(l.stats.Service[class], now-c.sent)
	}
	if wait >= 0 {
		l.stats.Repeated++
		l.again.push(retry{at: now + wait, due: c.due, id: c.id, attempt: c.attempt + 1})
	} else {
		l.settled++
		if l.measured {
			record(l.stats.Latency[class], now-c.due)
			l.stats.Answered[class]++
		}
		l.second.answered[class]++
		record(l.second.latency, now-c.due)
	}
	l.rest(i)
	if closing {
		l.broken(i)
	}
}
