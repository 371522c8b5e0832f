package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/drawd/drawd/engine"
)

// levelKey is the stable value of the feature level that was reached on this node's data: a u32, little endian. The level is
// state of the machine; but what a log holds is only decided once a leader says that it is committed, and until then a build
// that is too old would vote and lead. So it is kept beside the votes, and looked at before anything else.
const levelKey = "drawd/level"

// keepLevel writes the level down, synced, when an entry has raised it. FSM goroutine only.
func (n *Node) keepLevel(level uint32) error {
	return n.log.disk.SetStable([]byte(levelKey), binary.LittleEndian.AppendUint32(nil, level))
}

// refuseNewer refuses data of a feature level that this build does not support, before anything is read of it.
func (n *Node) refuseNewer() error {
	n.fsm.raised = 1 // where every cluster begins
	v, err := n.log.Get([]byte(levelKey))
	if err != nil || v == nil {
		return err
	}
	if len(v) != 4 {
		return fmt.Errorf("raftlog: BUG: the feature level was kept as %x", v)
	}
	level := binary.LittleEndian.Uint32(v)
	if n.fsm.raised = level; level > n.machine.Supports() {
		return tooOld(fmt.Errorf("%w: feature level %d, this build supports %d", engine.ErrNewerLevel, level, n.machine.Supports()))
	}
	return nil
}

// tooOld adds what to do to the error of a build that is too old for its data; any other stays as it is.
func tooOld(err error) error {
	if !errors.Is(err, engine.ErrNewerLevel) {
		return err
	}
	return fmt.Errorf("raftlog: this drawd is too old for its cluster, and changed nothing: start the version that ran here before, or a newer one; "+
		"the way back to this one is a backup from before the level was raised: %w", err)
}

// raiseAlone puts in force, on a node that runs alone, the newest feature level that its build supports: there is nobody who
// would have to follow. When it is refused, by a clock that nobody trusts, the node runs on without what the level brings, and
// the next start tries again.
func (n *Node) raiseAlone() {
	level := n.machine.Supports()
	if n.cluster() || n.machine.Level() >= level {
		return
	}
	if err := n.raise(level); err != nil && !n.leaving() {
		n.options.Logger.Warn("the feature level was not raised", "level", level, "error", err)
	}
}
