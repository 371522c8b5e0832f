package raftlog

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/hashicorp/raft"
)

// manualLog is a log whose entries land when the test says so.
type manualLog struct {
	machine trivial
	taken   chan *manualEntry // every entry that was proposed
	gate    chan struct{}     // when not nil, Propose waits for it, or for the timeout
}

// manualEntry is one proposed entry, and its future.
type manualEntry struct {
	data  []byte
	index engine.LogIndex
	out   *engine.Outcome
	err   error
	done  chan struct{}
}

func (e *manualEntry) Error() error { <-e.done; return e.err }

func (e *manualEntry) Response() any {
	if e.out == nil {
		return nil
	}
	return e.out
}

func newManualLog() *manualLog { return &manualLog{taken: make(chan *manualEntry, 1024)} }

func (l *manualLog) Propose(entry []byte, timeout time.Duration) future {
	e := &manualEntry{data: entry, done: make(chan struct{})}
	if l.gate != nil {
		select {
		case <-l.gate:
		case <-time.After(timeout):
			e.err = raft.ErrEnqueueTimeout
			close(e.done)
			return e
		}
	}
	l.taken <- e
	return e
}

// land applies an entry.
func (l *manualLog) land(e *manualEntry) {
	l.machine.applied.Add(1)
	e.index, e.out = engine.LogIndex(l.machine.applied.Load()), new(engine.Outcome)
	if err := l.machine.Apply(e.index, e.data, e.out); err != nil {
		panic(err)
	}
	close(e.done)
}

func (e *manualEntry) fail(err error) {
	e.err = err
	close(e.done)
}

func (e *manualEntry) commands() int {
	h, _, err := engine.ParseEntryHeader(e.data)
	if err != nil {
		panic(err)
	}
	return int(h.Count)
}

// newTestProposer returns a running proposer over a log, without raft, and ends it with the test.
func newTestProposer(t *testing.T, log entryLog, tune func(*Options)) *proposer {
	o := Options{Metrics: metrics.NewSet(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if tune != nil {
		tune(&o)
	}
	o = o.withDefaults()
	g := new(gate)
	p := newProposer(&o, 7, log, g, newTimekeeper(&o, g), newMetricSet(o.Metrics), func(_ int, why string) { t.Error("fatal: " + why) })
	p.start()
	stop := make(chan struct{})
	go func() { // the node's watch
		tick := time.NewTicker(watchInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.watch(o.Clock.Monotonic())
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		close(p.stop)
		p.done.Wait()
	})
	return p
}

// draws returns a batch of n draws; its user names it.
func draws(user string, n int) *engine.Batch {
	b := new(engine.Batch)
	for range n {
		b.AddDraw(&engine.Draw{Campaign: 1, Times: 1, UserID: []byte(user)})
	}
	return b
}

// call is one Decide under way.
type call struct {
	batch *engine.Batch
	err   error
	took  time.Duration
	done  chan struct{}
}

func decide(p *proposer, b *engine.Batch) *call {
	c := &call{batch: b, done: make(chan struct{})}
	begun := p.clock.Monotonic()
	go func() {
		c.err = p.decide(context.Background(), b)
		c.took = p.clock.Monotonic() - begun
		close(c.done)
	}()
	return c
}

func (c *call) finished() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *call) code() problem.Code {
	var p *problem.Error
	if errors.As(c.err, &p) {
		return p.Code
	}
	return problem.OK
}

// instantLog applies at once, into one outcome.
type instantLog struct {
	machine trivial
	out     engine.Outcome
}

func (l *instantLog) Propose(entry []byte, _ time.Duration) future {
	l.machine.applied.Add(1)
	if err := l.machine.Apply(engine.LogIndex(l.machine.applied.Load()), entry, &l.out); err != nil {
		panic(err)
	}
	return l
}
func (l *instantLog) Error() error  { return nil }
func (l *instantLog) Response() any { return &l.out }
