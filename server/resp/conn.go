package resp

import (
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/render"
)

// Bounds of what stands in one batch, below those of an entry (engine.MaxEntryBytes, engine.MaxBatchDraws).
const (
	maxBatchBytes    = 192 << 10
	maxBatchCommands = engine.MaxBatchDraws
)

const (
	firstBuffer = 4 << 10
	// mostBuffer is how far a read buffer grows for a client that pipelines: the more comes with one read, the more goes
	// into one proposal.
	mostBuffer = 64 << 10
	// keptReplies is how much of a reply buffer a connection keeps while it waits.
	keptReplies = 64 << 10
	// mostReplies is how much may wait to be written before the next command: a few bytes ask for the books of a whole
	// campaign, and a read brings thousands of such commands.
	mostReplies = 64 << 10
)

// conn is one connection. All of it belongs to its goroutine.
type conn struct {
	net.Conn
	server *Server
	peer   netip.Addr

	in         []byte // in[from:to] has come and is not taken yet
	from, to   int
	begun      time.Time // when more was first waited for of a command that has not come whole; zero for none
	strange    time.Time // since when nobody is known to be at the other end where AUTH is needed; zero when it is well
	args       [][]byte  // of the command in hand; they alias in
	out        []byte    // replies that are not written yet
	hangup     bool      // after the replies
	credential []byte    // "Bearer …" since AUTH; nil without
	namespace  []byte    // that AUTH named; nil for the key's own
	request    access.Request

	grant access.Grant // of the command in hand
	now   time.Time    // when the read returned that brought the commands in hand

	batch   *engine.Batch
	waiting []waiting // for the commands of batch, in order
	draws   int       // sub-draws in batch

	answer  render.Answer
	problem render.Problem
	facts   render.Facts
	record  engine.Record
	records []byte
	id      []byte
}

// waiting is a command in the batch. reply appends what its client is told of the result.
type waiting struct {
	reply     func(c *conn, w *waiting, r *engine.Result)
	campaign  *engine.Campaign  // of a draw or grant
	namespace *engine.Namespace // of a hit, a take, a hold
	owner     engine.Key        // of a take or hold
	user      uint16            // for the request id of a refusal
	times     uint8             // of a draw
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{Conn: nc, server: s, in: make([]byte, firstBuffer), batch: new(engine.Batch)}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.peer = a.AddrPort().Addr().Unmap()
	}
	c.answer.IDs = s.options.Engine
	return c
}

// serve answers until the client goes, or says what cannot be understood.
func (c *conn) serve() {
	defer func() {
		if r := recover(); r != nil {
			c.server.figures.panics.Inc()
			c.server.options.Logger.Error("a RESP command panicked", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	for !c.hangup && c.read() {
		c.now = c.server.options.Now()
		err := c.take()
		c.flush()
		if err != nil {
			c.server.figures.broken.Inc()
			c.out = appendError(c.out, "ERR", err.Error())
			c.hangup = true
		}
		if !c.write() {
			return
		}
	}
}

// read waits for more bytes; false when the client is gone or too slow, or the server is going.
func (c *conn) read() bool {
	switch {
	case c.from == c.to:
		if c.to == len(c.in) && len(c.in) < mostBuffer {
			c.in = make([]byte, 2*len(c.in))
		}
		c.from, c.to = 0, 0
	case c.to == len(c.in) && c.from > 0:
		c.to = copy(c.in, c.in[c.from:c.to])
		c.from = 0
	case c.to == len(c.in): // a command longer than the buffer: next bounds it
		c.in = append(c.in, make([]byte, len(c.in))...)
	}
	deadline := time.Now().Add(c.server.options.IdleTimeout)
	if c.from < c.to {
		if c.begun.IsZero() {
			c.begun = time.Now()
		}
		deadline = c.begun.Add(c.server.options.ReadTimeout)
	}
	if !c.stranger() {
		c.strange = time.Time{}
	} else {
		if c.strange.IsZero() {
			c.strange = time.Now()
		}
		if until := c.strange.Add(c.server.options.AuthTimeout); until.Before(deadline) {
			deadline = until // whatever he sends meanwhile: connections are few
		}
	}
	_ = c.SetReadDeadline(deadline)
	if c.server.draining.Load() { // after the deadline was set: Shutdown's would be overwritten
		return false
	}
	n, err := c.Conn.Read(c.in[c.to:])
	c.to += n
	return n > 0 || err == nil
}

// stranger reports whether the connection has said no valid AUTH and needs one.
func (c *conn) stranger() bool {
	if c.credential != nil {
		return false
	}
	c.request = access.Request{Now: c.server.options.Now(), Peer: c.peer, Host: loopbackHost}
	_, refusal := c.server.options.Gate.Check(&c.request, 0)
	return refusal.Code != problem.OK
}

// take carries out the commands that have come whole.
func (c *conn) take() error {
	for !c.hangup {
		n, args, err := next(c.in[c.from:c.to], c.args)
		c.args = args
		if n == 0 || err != nil {
			return err
		}
		c.from, c.begun = c.from+n, time.Time{}
		if len(args) > 0 {
			c.do(args)
		}
		if len(c.out) > mostReplies && !c.write() {
			c.hangup = true
		}
	}
	return nil
}

func (c *conn) write() bool {
	if len(c.out) == 0 {
		return true
	}
	_ = c.SetWriteDeadline(time.Now().Add(c.server.options.WriteTimeout))
	_, err := c.Conn.Write(c.out)
	if c.out = c.out[:0]; cap(c.out) > keptReplies {
		c.out = nil
	}
	return err == nil
}

// room makes sure that one more command with so many sub-draws fits into the batch.
func (c *conn) room(draws int) {
	if c.batch.Len() >= maxBatchCommands || c.draws+draws > engine.MaxBatchDraws || len(c.batch.Commands()) > maxBatchBytes {
		c.flush()
	}
	c.draws += draws
}

// wait notes who is told of the command that was just added to the batch.
func (c *conn) wait(w waiting) { c.waiting = append(c.waiting, w) }

var errResults = errors.New("BUG: resp: the decider returned another number of results than there were commands")

// flush hands the batch to the log, waits, and replies.
func (c *conn) flush() {
	if len(c.waiting) == 0 {
		return
	}
	c.server.figures.batches.Inc()
	err := c.server.options.Decider.Decide(c.batch)
	if err == nil && len(c.batch.Results) != len(c.waiting) {
		err = errResults
	}
	for i := range c.waiting {
		w := &c.waiting[i]
		if err != nil {
			c.facts = render.Facts{User: w.user}
			if w.campaign != nil {
				c.facts.Campaign = w.campaign.Ref()
			}
			c.failed(err)
			continue
		}
		c.facts = render.Facts{User: w.user, Campaign: c.batch.Results[i].Campaign}
		w.reply(c, w, &c.batch.Results[i])
	}
	if err != nil {
		c.batch = new(engine.Batch) // the log may still write into the old one
	}
	c.batch.Reset()
	clear(c.waiting)
	c.waiting, c.draws = c.waiting[:0], 0
}

// failed replies for an error of the decider, of the records or of a render.
func (c *conn) failed(err error) {
	var refusal *problem.Error
	if !errors.As(err, &refusal) {
		c.server.options.Logger.Error("a RESP command failed", "error", err)
		refusal = &problem.Error{Code: problem.Internal}
	}
	if refusal.Effect() != problem.None {
		c.server.figures.lost.Inc()
	}
	c.problem = render.Problem{Code: refusal.Code, Detail: refusal.Detail, Undone: refusal.Undone}
	c.tell()
}
