package sim

import (
	"context"
	"log/slog"
	"time"

	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/raftlog/peer"
)

// Settings of every node: checkpoints often, and little log behind them, so that minutes hold what days hold elsewhere.
const (
	checkpointBytes    = 24 << 10
	checkpointInterval = 2 * time.Second
	trailingBytes      = 256 << 10
	freeBytes          = 1 << 40 // of a disk that has room
)

// open starts the node on the run's store.
func (r *run) open() error {
	m := r.machine
	m.free.Store(freeBytes)
	o := raftlog.Options{
		NodeID: m.id, Store: r.store, Engine: r.engine, Clock: m.clock, Logger: slog.New(r.logger().Handler()), Exit: r.exit,
		CheckpointBytes: checkpointBytes, CheckpointInterval: checkpointInterval, TrailingBytes: trailingBytes,
		FreeBytes: func() (uint64, error) { return m.free.Load(), nil },
	}
	if m.world.options.Nodes > 1 {
		r.mux = peer.NewMux(r.layer)
		o.Peers, o.Found, o.API, o.Build = r.mux, m.found, m.apiURL(), "sim"
	}
	ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
	defer cancel()
	var err error
	r.node, err = raftlog.Open(ctx, o)
	return err
}
