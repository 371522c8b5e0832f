package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"time"

	"github.com/drawd/drawd/engine/problem"
)

// Call is one question that nodes ask each other. Append only.
type Call byte

const (
	CallHello        Call = 1 // who joins or founds, and the cluster's key
	CallPing         Call = 2 // where a node stands, every 500 ms
	CallMembers      Call = 3 // changes of the members, to the leader
	CallBlobs        Call = 4 // ranges of record blobs
	CallSnapshotInfo Call = 5 // the newest checkpoint of a node
)

var (
	// ErrUnreachable says that no connection was made: nothing was asked.
	ErrUnreachable = errors.New("peer: the node is not reached")
	// ErrUnknownCall says that the node has nobody who answers: it is older, or still starting.
	ErrUnknownCall = errors.New("peer: the node does not answer this call")
)

// FailedError is the other node's own error, of which only the text travels.
type FailedError struct {
	Address string
	Text    string
}

func (e *FailedError) Error() string { return fmt.Sprintf("peer: %s answered: %s", e.Address, e.Text) }

type answerFunc = func(ctx context.Context, peerName string, request []byte) ([]byte, error)

// Answer gives the answers to a call. f runs on the connection's goroutine, and ctx ends when nobody waits any more, or
// with the mux. peerName is "" when the stream proves no names. A *problem.Error reaches the asker as such. Nil takes the
// answers away.
func (m *Mux) Answer(c Call, f func(ctx context.Context, peerName string, request []byte) (response []byte, err error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f == nil {
		delete(m.mu.answers, c)
		return
	}
	m.mu.answers[c] = f
}

func (m *Mux) answerer(c Call) answerFunc {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.answers[c]
}

// serveCalls answers one question after the other, until the connection ends or says nothing for idleTimeout.
func (m *Mux) serveCalls(c *conn) {
	defer c.Close()
	r, out := bufio.NewReader(c), []byte(nil)
	for {
		q, err := readQuestion(c, r)
		if err != nil {
			return
		}
		out = appendFrame(out[:0], m.answer(c, q))
		if c.SetWriteDeadline(from(frameTimeout)) != nil {
			return
		}
		if _, err := c.Write(out); err != nil {
			return
		}
		if cap(out) > bodyStep {
			out = nil // a connection that idles holds little
		}
	}
}

// readQuestion waits for a frame for as long as a connection may idle, and then reads it within frameTimeout.
func readQuestion(c net.Conn, r *bufio.Reader) (*frame, error) {
	if err := c.SetReadDeadline(from(idleTimeout)); err != nil {
		return nil, err
	}
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	if err := c.SetReadDeadline(from(frameTimeout)); err != nil {
		return nil, err
	}
	q, err := readFrame(r, MaxRequestBytes)
	if err != nil {
		return nil, err
	}
	if q.kind != frameQuestion {
		return nil, fmt.Errorf("%w: type %d where a question was due", errFrame, q.kind)
	}
	return q, nil
}

// answer asks whoever answers q, and puts what they say into a frame.
func (m *Mux) answer(c net.Conn, q *frame) *frame {
	f := m.answerer(q.call)
	if f == nil {
		return &frame{kind: frameUnknown, call: q.call}
	}
	ctx, cancel := context.WithTimeout(m.ctx, min(time.Duration(q.waitMS)*time.Millisecond, MaxAskTime))
	defer cancel()
	body, err := f(ctx, Name(c), q.body)
	var refused *problem.Error
	switch {
	case errors.As(err, &refused):
		return &frame{kind: frameRefusal, call: q.call, code: uint8(refused.Code), body: text(refused.Detail)}
	case err != nil:
		return &frame{kind: frameFailure, call: q.call, body: text(err.Error())}
	case len(body) > MaxResponseBytes:
		return &frame{kind: frameFailure, call: q.call, body: text(fmt.Sprintf("the answer has %d bytes, at most %d travel", len(body), MaxResponseBytes))}
	}
	return &frame{kind: frameAnswer, call: q.call, body: body}
}

func text(s string) []byte { return []byte(s[:min(len(s), maxTextBytes)]) }

// Ask asks the node at address, and returns its answer. It waits as long as ctx lasts, and no longer than MaxAskTime.
// ErrUnreachable and ErrUnknownCall say that nothing was done; a *problem.Error and a *FailedError are the other node's;
// after any other error the question may have been answered.
func (m *Mux) Ask(ctx context.Context, address string, c Call, request []byte) ([]byte, error) {
	if len(request) > MaxRequestBytes {
		return nil, fmt.Errorf("peer: a question of %d bytes, at most %d travel", len(request), MaxRequestBytes)
	}
	ctx, cancel := context.WithTimeout(ctx, MaxAskTime)
	defer cancel()
	k := m.enter(address)
	defer m.leave(address, k)
	select {
	case k.turns <- struct{}{}:
		defer func() { <-k.turns }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %s: its turn did not come: %w", ErrUnreachable, address, ctx.Err())
	}
	for {
		a, err := m.line(ctx, address, k)
		if err != nil {
			return nil, err
		}
		f, err := a.ask(ctx, c, request)
		if err != nil {
			_ = a.c.Close()
			switch {
			case ctx.Err() != nil:
				err = context.Cause(ctx) // the connection knows only that its deadline passed
			case errors.Is(err, os.ErrDeadlineExceeded):
				err = context.DeadlineExceeded // at the same moment as that of ctx
			case a.used && !a.heard:
				continue // the other side closed it while it was idle; a fresh one ends the loop
			}
			return nil, fmt.Errorf("peer: call %d to %s: %w", c, address, err)
		}
		m.keep(k, a)
		return result(address, f)
	}
}

func result(address string, f *frame) ([]byte, error) {
	switch f.kind {
	case frameAnswer:
		return f.body, nil
	case frameRefusal:
		return nil, problem.New(problem.Code(f.code), string(f.body))
	case frameUnknown:
		return nil, fmt.Errorf("%w: call %d, %s", ErrUnknownCall, f.call, address)
	}
	return nil, &FailedError{Address: address, Text: string(f.body)}
}

// kept is what is kept of the way to one address, while it is used or has an idle connection.
type kept struct {
	turns  chan struct{} // holds maxAsking
	idle   []*line       // guarded by Mux.mu, as asking is
	asking int
}

// line is one connection for questions.
type line struct {
	c     net.Conn
	r     *bufio.Reader
	used  bool // it has carried an answer before
	heard bool // a byte of the present answer came
}

func (m *Mux) enter(address string) *kept {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.mu.peers[address]
	if k == nil {
		k = &kept{turns: make(chan struct{}, maxAsking)}
		m.mu.peers[address] = k
	}
	k.asking++
	return k
}

// leave forgets an address that is not used any more.
func (m *Mux) leave(address string, k *kept) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k.asking--
	if k.asking == 0 && len(k.idle) == 0 {
		delete(m.mu.peers, address)
	}
}

// line returns an idle connection, or makes one.
func (m *Mux) line(ctx context.Context, address string, k *kept) (*line, error) {
	if a := m.takeIdle(k); a != nil {
		return a, nil
	}
	wait := dialTimeout
	if until, ok := ctx.Deadline(); ok {
		wait = min(wait, left(until))
	}
	if wait <= 0 || ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, address, context.DeadlineExceeded)
	}
	c, err := m.Dial(KindCall, address, wait)
	if err != nil {
		return nil, err
	}
	return &line{c: c, r: bufio.NewReader(c)}, nil
}

func (m *Mux) takeIdle(k *kept) *line {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(k.idle)
	if n == 0 {
		return nil
	}
	a := k.idle[n-1]
	k.idle[n-1], k.idle = nil, k.idle[:n-1]
	return a
}

// keep puts a connection aside for the next question.
func (m *Mux) keep(k *kept, a *line) {
	a.used, a.heard = true, false
	m.mu.Lock()
	room := len(k.idle) < maxIdle && !m.mu.closed
	if room {
		k.idle = append(k.idle, a)
	}
	m.mu.Unlock()
	if !room {
		_ = a.c.Close()
	}
}

// ask sends one question and reads its answer. After an error the connection is of no more use.
func (a *line) ask(ctx context.Context, c Call, request []byte) (*frame, error) {
	until, _ := ctx.Deadline()
	if err := a.c.SetDeadline(until); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = a.c.SetDeadline(past()) })
	q := &frame{kind: frameQuestion, call: c, waitMS: uint32(min(max(1, left(until).Milliseconds()), math.MaxUint32)), body: request}
	if _, err := a.c.Write(appendFrame(nil, q)); err != nil {
		stop()
		return nil, err
	}
	f, err := a.read(c)
	if !stop() && err == nil {
		err = ctx.Err() // its deadline may be set to the past at any moment
	}
	return f, err
}

func (a *line) read(c Call) (*frame, error) {
	if _, err := a.r.Peek(1); err != nil {
		return nil, err
	}
	a.heard = true
	f, err := readFrame(a.r, MaxResponseBytes)
	if err != nil {
		return nil, err
	}
	if f.kind == frameQuestion || f.call != c {
		return nil, fmt.Errorf("%w: type %d of call %d is no answer to call %d", errFrame, f.kind, f.call, c)
	}
	return f, nil
}
