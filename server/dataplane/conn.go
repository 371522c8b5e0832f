package dataplane

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/drawd/drawd/engine/problem"
)

// conn stands between the socket and fasthttp. It reads request heads itself, strictly, keeps what the handler needs of
// them in head, and hands fasthttp a canonical head of its own making in their place, followed by the body. So there is
// one reading of a message and not two: whatever fasthttp's parser would make of a doubtful head, it never sees one. A
// head that is refused becomes a request without a body; its handler finds the fault here, answers it, and the connection
// ends. What follows a refused head is never read as a request.
//
// A POST that came whole is not handed over at all: it is answered here (lane.go).
//
// One request is handed over at a time; what a client sent ahead of its answer waits in pending.
//
// A conn belongs to the goroutine that serves it. The sweeper and Shutdown touch until, writing, answering and the
// socket's deadlines only.
type conn struct {
	net.Conn
	server *Server
	peer   netip.Addr
	place  int // in Server.open.conns; guarded by Server.open

	// until is when the read that is going on is given up, in coarse milliseconds, shifted left by one; the lowest bit
	// says that it waits for the first byte of a request. 0: it was given up. A stale value is harmless.
	until atomic.Int64
	// writing is when the write that is going on is given up; 0 when there is none.
	writing atomic.Int64

	// answering is true while a request is on the short lane: Close leaves the connection to its goroutine then.
	answering atomic.Bool
	answered  bool // by the short lane, and nothing was read since
	ended     bool // by an answer of the short lane

	// linger says that the peer may still be sending what was refused.
	linger atomic.Bool

	head     head
	fault    problem.Code // why the head was refused
	headFrom int64        // coarse ms at which the first byte of the request came
	body     int64        // bytes of the body that were not handed over
	scan     headScan
	raw      []byte // the head as it came; head aliases it, or on the short lane the reader's buffer
	pending  []byte // read, but belongs to the next request
}

// headSlack is how much longer than the original a canonical head may be: "Connection:close" is said aloud for HTTP/1.0.
const headSlack = 64

var errSmallBuffer = errors.New("BUG: dataplane: the reader's buffer is smaller than Options.MaxHeaderBytes")

// Read hands over the next bytes of what fasthttp is to see.
func (c *conn) Read(p []byte) (int, error) {
	if c.body > 0 {
		n, err := c.receive(p[:min(int64(len(p)), c.body)], false)
		c.body -= int64(n)
		return n, err
	}
	if len(p) < c.server.options.MaxHeaderBytes+headSlack {
		return 0, errSmallBuffer
	}
	for c.fault == problem.OK && !c.ended {
		if n, err := c.readHead(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

// readHead reads until a head is complete and returns how much of p is to be read; 0 when the request was answered.
func (c *conn) readHead(p []byte) (int, error) {
	room := p[:c.server.options.MaxHeaderBytes]
	n := copy(room, c.pending)
	c.pending = c.pending[:copy(c.pending, c.pending[n:])]
	c.scan = headScan{}
	if n > 0 {
		c.headFrom = c.server.coarse.Load()
	}
	for {
		done, fault := c.scan.next(room[:n])
		if fault == problem.OK && !done && n == len(room) {
			fault = problem.HeadersTooLarge
		}
		if fault != problem.OK {
			return c.refuse(p, fault), nil
		}
		if done {
			return c.handOver(p, n), nil
		}
		if n == 0 && c.answered {
			// Whoever was just answered asks again soon, but not at once. A read now would find nothing, and the
			// connection would have to be parked and found ready again; those who can run go first.
			c.answered = false
			runtime.Gosched()
		}
		m, err := c.receive(room[n:], n == 0)
		if m == 0 && err != nil {
			if n > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
				return c.refuse(p, problem.RequestTimeout), nil
			}
			return 0, io.EOF // idle for too long, gone, or gone in the middle of a head: nobody to answer
		}
		if n == 0 {
			c.headFrom = c.server.coarse.Load()
		}
		n += m
	}
}

// handOver takes the head that ends at c.scan.at of p[:n]. It answers the request, or replaces the head by a canonical
// one, and returns how much of p is to be read.
func (c *conn) handOver(p []byte, n int) int {
	end := c.scan.at
	fault := c.head.parse(p[:end], &c.scan)
	if fault == problem.OK && c.head.length > int64(c.server.maxBody(c.head.path)) {
		fault = problem.BodyTooLarge
	}
	if fault != problem.OK {
		return c.refuse(p, fault)
	}
	taken := int(min(c.head.length, int64(n-end)))
	c.pending = append(c.pending, p[end+taken:n]...)
	if c.head.short(taken) && c.answer(p[end:end+taken:end+taken]) {
		return 0
	}
	c.body = c.head.length - int64(taken)
	c.raw = append(c.raw[:0], p[:end]...)
	_ = c.head.parse(c.raw, &c.scan) // as before: its slices must outlive p

	var canonical [headSlack * 2]byte
	b := c.head.appendCanonical(canonical[:0])
	copy(p[len(b):], p[end:end+taken])
	copy(p, b)
	return len(b) + taken
}

// appendCanonical appends all that fasthttp has to know of a request: how long its body is, whether a 100 Continue is
// awaited, whether the answer has a body, and whether the connection ends.
func (h *head) appendCanonical(dst []byte) []byte {
	switch {
	case h.method == methodHead:
		dst = append(dst, "HEAD"...)
	case h.length > 0:
		dst = append(dst, "POST"...)
	default:
		dst = append(dst, "GET"...)
	}
	dst = append(dst, " / HTTP/1.1\r\nHost:a\r\n"...)
	if h.close {
		dst = append(dst, "Connection:close\r\n"...)
	}
	if h.length > 0 {
		if h.expect {
			dst = append(dst, "Expect:100-continue\r\n"...)
		}
		dst = append(dst, "Content-Length:"...)
		dst = strconv.AppendInt(dst, h.length, 10)
		dst = append(dst, '\r', '\n')
	}
	return append(dst, '\r', '\n')
}

// refuse hands over a request that stands for the refused head in p. The answer to a HEAD has no body in any case.
func (c *conn) refuse(p []byte, fault problem.Code) int {
	c.fault = fault
	c.linger.Store(true)
	c.head = head{close: true}
	if bytes.HasPrefix(p[c.scan.start:], []byte("HEAD ")) {
		c.head.method = methodHead
	}
	c.pending = nil
	return len(c.head.appendCanonical(p[:0]))
}

// receive reads from the socket. idle says that no byte of a request has come yet.
func (c *conn) receive(p []byte, idle bool) (int, error) {
	for {
		c.await(idle)
		// Shutdown sets draining and then looks at until; here it is the other way round. One of the two sees the other.
		if idle && c.server.draining.Load() {
			return 0, io.EOF
		}
		n, err := c.Conn.Read(p)
		if n > 0 || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if c.expired(idle) {
			return 0, err
		}
	}
}

// await notes when the sweeper gives up the read that follows.
func (c *conn) await(idle bool) {
	o := &c.server.options
	if idle {
		c.until.Store((c.server.coarse.Load()+o.IdleTimeout.Milliseconds())<<1 | 1)
		return
	}
	c.until.Store((c.headFrom + o.ReadTimeout.Milliseconds()) << 1)
}

// expired reports whether a read that timed out was given up. If not, the deadline was set for an earlier read that came
// to its end just then: it is taken back.
func (c *conn) expired(idle bool) bool {
	if c.until.Load() == 0 || idle && c.server.draining.Load() {
		return true
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return true
	}
	// The sweeper zeroes until before it sets the deadline: had it done so since the look above, the deadline is gone.
	return c.until.Load() == 0
}

// sweep gives up what takes longer than it may. It is called by the sweeper.
func (c *conn) sweep(now int64) {
	if until := c.until.Load(); until != 0 && until>>1 <= now && c.until.CompareAndSwap(until, 0) {
		c.expire()
	}
	if writing := c.writing.Load(); writing != 0 && writing <= now {
		_ = c.Conn.Close() // the peer does not read: nothing can be told to it
	}
}

// expire makes the read that is going on return.
func (c *conn) expire() { _ = c.SetReadDeadline(time.Unix(1, 0)) }

// Write writes an answer, or a part of a large one.
func (c *conn) Write(p []byte) (int, error) {
	c.writing.Store(c.server.coarse.Load() + c.server.options.WriteTimeout.Milliseconds())
	n, err := c.Conn.Write(p)
	c.writing.Store(0)
	return n, err
}

// Bounds of how long and how much is read from a peer that was refused, so that the refusal reaches it.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// Close ends the connection. After a refusal the peer may still be sending: closing at once would reset the connection,
// and a reset can overtake the answer. So sending ends first, and what comes is thrown away for a moment.
//
// fasthttp's Shutdown closes connections that look idle to it. One that is answering ends by itself: it reads next, and
// nothing is read while the server drains.
func (c *conn) Close() error {
	if c.answering.Load() {
		return nil
	}
	c.server.forget(c)
	if c.linger.Load() {
		if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			_ = c.SetReadDeadline(time.Now().Add(lingerTime))
			_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
		}
	}
	return c.Conn.Close()
}

// elapsed returns for how many ms the request has been here, coarsely.
func (c *conn) elapsed() int64 { return c.server.coarse.Load() - c.headFrom }
