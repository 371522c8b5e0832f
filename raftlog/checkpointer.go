package raftlog

import (
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// checkpointer decides when a checkpoint is due: by bytes of log, and not too often. One goroutine.
type checkpointer struct {
	raft     *raft.Raft
	reload   func(change func(*raft.ReloadableConfig)) error
	disk     logDisk
	fsm      *fsm
	clock    Clock
	metrics  *metricSet
	interval time.Duration
	trailing int64
	warn     func(msg string, args ...any)

	due  chan struct{} // 1-buffered: from the FSM
	stop <-chan struct{}

	mu struct {
		sync.Mutex
		last lastCheckpoint
	}
}

// lastCheckpoint is what became of the newest try.
type lastCheckpoint struct {
	at   time.Duration // monotonic, when it began
	took time.Duration
	err  error
}

// grown is called by the FSM goroutine.
func (c *checkpointer) grown() {
	select {
	case c.due <- struct{}{}:
	default:
	}
}

func (c *checkpointer) run() {
	for {
		select {
		case <-c.due:
		case <-c.stop:
			return
		}
		if !c.pause() {
			return
		}
		if c.fsm.sinceCheckpoint.Load() < c.fsm.limit {
			continue // somebody else took one
		}
		if err := c.take(); err != nil && !errors.Is(err, raft.ErrRaftShutdown) {
			c.warn("a checkpoint failed and will be tried again; until then the log grows", "error", err)
		}
	}
}

// pause waits until the last try is an interval ago; false when the node stops.
func (c *checkpointer) pause() bool {
	last := c.latest()
	if last.at == 0 {
		return true
	}
	timer := time.NewTimer(last.at + c.interval - c.clock.Monotonic())
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.stop:
		return false
	}
}

// take makes one checkpoint and lets raft cut the log behind it.
func (c *checkpointer) take() error {
	begun := c.clock.Monotonic()
	err := c.trail()
	if err == nil {
		err = c.raft.Snapshot().Error()
	}
	if errors.Is(err, raft.ErrNothingNewToSnapshot) {
		err = nil
	}
	took := c.clock.Monotonic() - begun
	if err == nil {
		c.metrics.checkpoints.Inc()
		c.metrics.checkpoint.Update(took.Seconds())
	} else {
		c.metrics.failed.Inc()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.last = lastCheckpoint{at: max(1, begun), took: took, err: err}
	return err
}

// trail tells raft how much log to keep behind the checkpoint. Raft counts records, we count bytes. Nothing at or below
// a checkpoint is needed by one node itself; what is kept serves followers that are a little behind, and people who look
// for what happened. It is never nothing: a log that is never cut to its last record keeps the watermark where it is.
func (c *checkpointer) trail() error {
	keep := uint64(minTrailingLogs)
	if last, start := c.disk.Last(), c.disk.TailStart(c.trailing); start > 0 && start <= last {
		keep = max(keep, last-start+1)
	}
	return c.reload(func(config *raft.ReloadableConfig) { config.TrailingLogs = keep })
}

func (c *checkpointer) latest() lastCheckpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.last
}
