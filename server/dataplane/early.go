package dataplane

import (
	"net"
	"syscall"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// An early answer is written by whoever delivers what the log has decided (engine.Batch.Landed), before the goroutine of the
// connection wakes. One goroutine then answers all draws of an entry in a row: its code, its stack and the kernel's way to a
// socket stay in the processor's caches, where each connection's own would be cold again; and a connection that wakes finds the
// next request there, in place of nothing.
//
// It is for answers to draws on the short lane of a plain socket only, and for what was decided just now: replays and refusals
// are the connection's own to answer. It never blocks: what the socket does not take at once, the connection writes.
type early struct {
	campaign *engine.Campaign // of the draw that waits
	done     bool             // the answer is made
	laid     bool             // all of it is in worker.out
	written  int              // bytes of it
}

// decideEarly is decide, for a draw whose answer may be written before it returns.
func (w *worker) decideEarly(c *engine.Campaign) bool {
	if !w.short || w.conn.direct.raw == nil {
		return w.decide()
	}
	w.early = early{campaign: c}
	w.batch.Landed = w.landed
	decided := w.decide()
	w.batch.Landed = nil
	return decided
}

// answerEarly is w.landed. The goroutine that serves the request waits meanwhile. A panic is left to it: it does the same again.
func (w *worker) answerEarly() {
	defer func() {
		if recover() != nil {
			w.early.done = false
		}
	}()
	if len(w.batch.Results) != 1 || w.batch.Results[0].Code != problem.OK || w.batch.Results[0].Replayed {
		return
	}
	w.answerDecided(w.early.campaign, &w.batch.Results[0])
	w.early.done = true
	if w.plain() {
		w.lay()
		w.early.laid = true
		w.early.written = w.conn.direct.write(w.out)
	}
}

// direct writes to a socket without waiting for it.
type direct struct {
	raw     syscall.RawConn
	attempt func(fd uintptr) bool // made once: a closure for each write would be garbage
	bytes   []byte
	written int
}

// open prepares d for a plain socket. Anything else, such as TLS, is written to by its own goroutine.
func (d *direct) open(nc net.Conn) {
	plain, ok := nc.(syscall.Conn)
	if !ok || !canWriteAtOnce {
		return
	}
	raw, err := plain.SyscallConn()
	if err != nil {
		return
	}
	d.raw = raw
	d.attempt = func(fd uintptr) bool {
		d.written = writeAtOnce(fd, d.bytes)
		return true // do not wait until more can be written
	}
}

// write writes what can be written now, and returns how much that was. Of an error it says 0: a further write finds it, too.
func (d *direct) write(b []byte) int {
	d.bytes, d.written = b, 0
	err := d.raw.Write(d.attempt)
	d.bytes = nil
	if err != nil {
		return 0
	}
	return d.written
}
