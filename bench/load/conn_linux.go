package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// The states of a connection.
const (
	closed uint8 = iota
	connecting
	idle
	busy
)

// conn is one connection. It carries at most one request.
type conn struct {
	fd      int
	state   uint8
	cycle   int32 // moves with every close, so that an event of an earlier life is known as such
	id      uint32
	attempt int

	due, sent, idleSince time.Duration

	out     []byte
	written int
	in      []byte
	have    int
}

const interest = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff

// connect starts to connect connection i. A refusal that is known at once is handled like one that comes later.
func (l *loop) connect(i int) {
	c := &l.conns[i]
	fd, err := unix.Socket(l.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		l.refused()
		return
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	c.fd, c.state = fd, connecting
	err = unix.Connect(fd, l.addr)
	if err != nil && err != unix.EINPROGRESS {
		l.drop(i)
		l.refused()
		return
	}
	ev := unix.EpollEvent{Events: interest, Fd: int32(i), Pad: c.cycle}
	if unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, fd, &ev) != nil {
		l.drop(i)
		l.refused()
	}
}

// connectAll starts to connect whatever is closed.
func (l *loop) connectAll() {
	for i := range l.conns {
		if l.down {
			return
		}
		if l.conns[i].state == closed {
			l.connect(i)
		}
	}
}

// refused notes that the server does not accept connections: from now on one connection knocks for all.
func (l *loop) refused() {
	l.down = true
	l.knockAt = l.now() + knockEvery
}

// knock lets one closed connection try again, when its time has come.
func (l *loop) knock(now time.Duration) {
	if !l.down || now < l.knockAt {
		return
	}
	for i := range l.conns {
		if l.conns[i].state == connecting {
			return
		}
	}
	for i := range l.conns {
		if l.conns[i].state == closed {
			l.knockAt = now + knockEvery
			l.connect(i)
			return
		}
	}
}

// drop closes connection i without asking what it carried.
func (l *loop) drop(i int) {
	c := &l.conns[i]
	if c.state == closed {
		return
	}
	_ = unix.Close(c.fd)
	if c.state == idle {
		l.idle.remove(int32(i))
	}
	c.state, c.have, c.written = closed, 0, 0
	c.cycle++
}

// broken closes connection i, gives the request it carried back to the workload, and connects again.
func (l *loop) broken(i int) {
	c := &l.conns[i]
	carried := c.state == busy
	wasConnecting := c.state == connecting
	l.drop(i)
	if carried {
		l.inflight--
		l.stats.LostCount++
		if wait := l.work.Lost(c.id, c.attempt); wait >= 0 {
			l.again.push(retry{at: l.now() + wait, due: c.due, id: c.id, attempt: c.attempt + 1})
		} else {
			l.settled++
		}
	}
	if wasConnecting {
		l.refused()
		return
	}
	if !l.down {
		l.connect(i)
	}
}

// opened makes connection i usable.
func (l *loop) opened(i int) {
	c := &l.conns[i]
	if code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
		l.broken(i)
		return
	}
	l.rest(i)
	if l.running {
		l.stats.Reconnects++
	}
	if l.down {
		l.down = false
		l.connectAll()
	}
}

// rest makes connection i wait for its next request.
func (l *loop) rest(i int) {
	c := &l.conns[i]
	c.state, c.idleSince, c.have = idle, l.now(), 0
	l.idle.push(int32(i))
}

// queue is a ring of connection numbers: the one that rests longest is first.
type queue struct {
	ring        []int32
	first, size int
}

func newQueue(n int) queue { return queue{ring: make([]int32, n)} }

func (q *queue) push(i int32) {
	q.ring[(q.first+q.size)%len(q.ring)] = i
	q.size++
}

func (q *queue) pop() int32 {
	i := q.ring[q.first]
	if q.first++; q.first == len(q.ring) {
		q.first = 0
	}
	q.size--
	return i
}

// remove takes i out of the middle: only when an idle connection breaks.
func (q *queue) remove(i int32) {
	for n := q.size; n > 0; n-- {
		if j := q.pop(); j != i {
			q.push(j)
		}
	}
}
