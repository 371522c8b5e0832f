package engine

import (
	"errors"
	"fmt"
)

// The feature level of a cluster is what all its voters' builds can apply (D7). An operation, or a change of what Apply
// does, that came after the first level is written "from level n on"; the leader proposes the raise to n once every voter
// says that its build supports it. So builds N and N+1 may run beside each other, and an older one may come back for as long
// as the level was not raised. A build that meets a level above its own stops: it cannot know what it would have to do.

// NewestLevel is the feature level that this build supports. Levels, append only:
//
//	1  everything up to the first cluster
//	2  checkpoints with packed keys, and with notes of which entries came when (oldkeys.go)
//
// The build tag nextlevel adds one that exists for tests alone (nextlevel.go): with it the build of today and the one of
// tomorrow are two programs. A change of what Apply does is written like the one there; none has been needed yet.
const NewestLevel = 2 + nextLevels

// ErrLevel is in the chain of what CheckCommands returns for an operation that the cluster's feature level does not have
// yet. It may be proposed once every voter was upgraded.
var ErrLevel = errors.New("engine: the feature level of the cluster does not have this operation yet")

// ErrNewerLevel is in the chain of what a build returns for a log or a state of a feature level that it does not support. It is
// an ErrUnknownEntry.
var ErrNewerLevel = fmt.Errorf("%w; its feature level is above this build's", ErrUnknownEntry)

// Raise sets the feature level, which never falls.
type Raise struct{ Level uint32 }

// AddRaise appends the raise of the feature level.
func (b *Batch) AddRaise(c *Raise) {
	w, start := b.begin(opRaise)
	w.u32(c.Level)
	b.end(w, start)
}

func (r *reader) raise() Raise { return Raise{Level: r.u32()} }

// since returns the level from which on an operation may stand in the log.
func (e *Engine) since(o op) uint32 {
	if level, ok := e.options.since[o]; ok {
		return level
	}
	if nextLevels > 0 && o == opNext {
		return levelNext
	}
	return 1 // so far all came with the first level
}

// mayApply refuses what the level in force does not have: it would stop an older build, so no replica may apply it.
func (e *Engine) mayApply(o op) error {
	if need, level := e.since(o), e.Level(); need > level {
		return fmt.Errorf("%w: operation %d comes with level %d, the level is %d", ErrLevel, o, need, level)
	}
	return nil
}

// Supports returns the newest feature level that this build supports.
func (e *Engine) Supports() uint32 { return e.options.Level }

// supports refuses a level that this build does not know, as it would an operation.
func (e *Engine) supports(level uint32) error {
	if level > e.options.Level {
		return fmt.Errorf("%w: feature level %d, this build supports %d", ErrNewerLevel, level, e.options.Level)
	}
	return nil
}

// applyRaise puts a level in force. Every shard is locked.
func (t *tx) applyRaise(c *Raise) (Result, error) {
	if err := t.world.engine.supports(c.Level); err != nil {
		return Result{}, err
	}
	if c.Level <= t.world.level.Load() {
		return Result{AlreadyLive: true, Value: uint64(t.world.level.Load())}, nil
	}
	t.world.level.Store(c.Level)
	t.world.settle(t.now)
	return Result{Value: uint64(c.Level)}, nil
}
