package raftlog

import (
	"log/slog"
	"sync"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// timekeeper reads the clock, keeps the stamper, and shuts the gate while the clock cannot be trusted.
type timekeeper struct {
	clock  Clock
	gate   *gate
	logger *slog.Logger
	mu     struct {
		sync.Mutex
		stamper
		offset time.Duration // this clock minus the voters' median; 0 for a node that runs alone
	}
}

func newTimekeeper(o *Options, g *gate) *timekeeper {
	k := &timekeeper{clock: o.Clock, gate: g, logger: o.Logger}
	if o.Peers != nil {
		k.mu.behind = clockTolerance // the entry before was stamped by another clock
	}
	return k
}

// stamp returns the time of an entry that is proposed now.
func (k *timekeeper) stamp() (engine.UnixMilli, skew) {
	wall, mono := k.clock.Now(), k.clock.Monotonic()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mu.stamp(engine.UnixMilli(wall.UnixMilli()), mono)
}

// close shuts the gate because of bad and returns what callers are told.
func (k *timekeeper) close(bad skew) *problem.Error {
	e := problem.New(problem.ClockSkew, bad.String())
	if k.gate.shut(reasonClock, e) {
		k.logger.Error("the clock cannot be trusted: no draw is decided", "why", bad.String())
	}
	return e
}

// recheck shuts or opens the gate by what the clock says now.
func (k *timekeeper) recheck() {
	wall, mono := k.clock.Now(), k.clock.Monotonic()
	k.mu.Lock()
	bad := k.mu.check(engine.UnixMilli(wall.UnixMilli()), mono)
	k.mu.Unlock()
	if bad.kind != skewNone {
		k.close(bad)
		return
	}
	if k.gate.open(reasonClock) {
		k.logger.Info("the clock agrees with the log again")
	}
}

// accept takes the clock as it is, on an operator's word.
func (k *timekeeper) accept() {
	wall, mono := k.clock.Now(), k.clock.Monotonic()
	k.mu.Lock()
	before := k.mu.last
	k.mu.accept(engine.UnixMilli(wall.UnixMilli()), mono)
	after := k.mu.last
	k.mu.Unlock()
	k.gate.open(reasonClock)
	k.logger.Warn("the clock was accepted by an operator", "log_time_before_ms", int64(before), "log_time_after_ms", int64(after),
		"clock_ms", wall.UnixMilli())
}

// observe learns the time of an entry that this process did not stamp.
func (k *timekeeper) observe(at engine.UnixMilli) {
	mono := k.clock.Monotonic()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.observe(at, mono)
}

// compared learns how this clock stands to those of the other voters: by how much it differs from their median, and by how
// much too far; 0 when not. While it is off, no entry is stamped.
func (k *timekeeper) compared(offset, off time.Duration) {
	k.mu.Lock()
	k.mu.offset, k.mu.off = offset, off
	k.mu.Unlock()
	k.recheck()
}

func (k *timekeeper) offset() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mu.offset
}
