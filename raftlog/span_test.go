package raftlog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/hashicorp/raft"
)

// span is the two sides of forwarding without raft between them: a lane, connections that the test makes, and takers on a
// proposer whose log is the test's.
type span struct {
	t        *testing.T
	lane     *forwarding
	takers   *takers
	proposer *proposer
	applied  atomic.Uint64 // of the side that forwards
	stop     chan struct{}
	dials    int
	wrap     func(n int, near, far net.Conn) (net.Conn, net.Conn) // the n-th connection, from 0; nil closes it
	serving  sync.WaitGroup
	gate     gate // of the leader
	now      atomic.Pointer[Member]
}

func newSpan(t *testing.T, log entryLog, tune func(*Options)) *span {
	s := &span{t: t, stop: make(chan struct{})}
	s.now.Store(&Member{ID: "leader", Address: "leader"})
	s.applied.Store(1 << 60)
	s.proposer = newTestProposer(t, log, tune)
	o := Options{Metrics: metrics.NewSet(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if tune != nil {
		tune(&o)
	}
	o = o.withDefaults()
	progress := newProgress(&s.applied, s.stop)
	go progress.run()
	figures := newForwardSet(o.Metrics)
	s.takers = &takers{
		proposer: s.proposer, gate: &s.gate, figures: figures, stop: s.stop,
		check: func(*engine.Batch) *problem.Error { return nil }, tell: func(raft.ServerID, uint64) {},
	}
	s.lane = &forwarding{
		options: o, clock: o.Clock, dial: s.dial, progress: progress, metrics: newMetricSet(o.Metrics), figures: figures,
		leads: func() (Member, bool) { return *s.now.Load(), true },
	}
	ticking := make(chan struct{})
	go func() {
		defer close(ticking)
		tick := time.NewTicker(watchInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.lane.attend(o.Clock.Monotonic())
			case <-s.stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s.lane.close(ctx)
		close(s.stop)
		<-ticking
		s.serving.Wait()
	})
	return s
}

var errNoDial = errors.New("nobody is there")

func (s *span) dial(string, time.Duration) (net.Conn, error) {
	near, far := net.Pipe()
	n := s.dials
	s.dials++
	if s.wrap != nil {
		if near, far = s.wrap(n, near, far); near == nil {
			return nil, errNoDial
		}
	}
	s.serving.Add(1)
	go func() {
		defer s.serving.Done()
		s.takers.take(far)
		_ = far.Close()
	}()
	return near, nil
}

// decide forwards n draws of a user.
func (s *span) decide(ctx context.Context, user string, n int) (*engine.Batch, error) {
	b := draws(user, n)
	return b, s.lane.forward(ctx, *s.now.Load(), b)
}

func codeOf(err error) problem.Code {
	var p *problem.Error
	if errors.As(err, &p) {
		return p.Code
	}
	return problem.OK
}

// countingLog applies at once, and counts whose draws it took.
type countingLog struct {
	instantLog
	mu    sync.Mutex
	taken map[string]int
}

func (l *countingLog) Propose(entry []byte, timeout time.Duration) future {
	l.mu.Lock()
	for _, user := range usersOf(entry) {
		l.taken[user]++
	}
	l.mu.Unlock()
	return l.instantLog.Propose(entry, timeout)
}

// landAtEnd lands whatever the test has left in the air, so that everything ends.
func (l *manualLog) landAtEnd(t *testing.T) {
	t.Cleanup(func() {
		for {
			synctest.Wait()
			select {
			case e := <-l.taken:
				l.land(e)
			default:
				return
			}
		}
	})
}

// usersOf finds the users in an entry of draws: what ends each command.
func usersOf(entry []byte) (all []string) {
	_, commands, err := engine.ParseEntryHeader(entry)
	if err != nil {
		panic(err)
	}
	for len(commands) > 0 {
		n := 4 + (int(commands[1]) | int(commands[2])<<8 | int(commands[3])<<16)
		command := commands[:n]
		commands = commands[n:]
		if at := bytes.IndexByte(command, '#'); at >= 0 {
			all = append(all, string(command[at:]))
		}
	}
	return all
}

// cutConn breaks after a number of bytes, in one direction, counted over the life of the connection.
type cutConn struct {
	net.Conn
	reads, writes int // left; below 0 for ever
}

var errCut = errors.New("cut")

func (c *cutConn) Write(b []byte) (int, error) {
	if c.writes < 0 || len(b) <= c.writes {
		if c.writes >= 0 {
			c.writes -= len(b)
		}
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:c.writes])
	c.writes = 0
	return n, errors.Join(errCut, c.Close())
}

func (c *cutConn) Read(b []byte) (int, error) {
	if c.reads < 0 {
		return c.Conn.Read(b)
	}
	if c.reads == 0 {
		return 0, errors.Join(errCut, c.Close())
	}
	n, err := c.Conn.Read(b[:min(len(b), c.reads)])
	c.reads -= n
	return n, err
}
