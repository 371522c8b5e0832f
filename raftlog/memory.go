package raftlog

import (
	"fmt"
	"time"

	"github.com/drawd/drawd/engine/problem"
)

// memory refuses what would add to a state that has no more room, before it is in the log: what stands there every replica must
// apply, however little memory it has. Known keys get their answers, and what ends something goes on.
func (n *Node) memory() {
	t := time.NewTicker(memoryInterval)
	defer t.Stop()
	for {
		n.checkMemory()
		select {
		case <-t.C:
		case <-n.stop:
			return
		}
	}
}

func (n *Node) checkMemory() {
	used, most := n.machine.Bytes(), n.options.MaxStateBytes
	switch full := n.full.Load() != nil; {
	case used >= most && !full:
		n.full.Store(problem.New(problem.Capacity, fmt.Sprintf(
			"users and keys take %d MiB of this node's memory, and --state-memory allows %d: give every node more, or end campaigns", used>>20, most>>20)))
		n.options.Logger.Error("the state has no more room in memory: nothing is decided under a new key", "state_bytes", used, "most_bytes", most)
	case used < most-most/16 && full: // not at once: a page more or less should not open and shut it
		n.full.Store(nil)
		n.options.Logger.Info("there is room for the state again", "state_bytes", used)
	}
}
