package raftlog

import (
	"fmt"
	"time"

	"github.com/drawd/drawd/engine/problem"
)

// space refuses commands while the disk is nearly full. A write that finds no room ends the process, and a restart needs
// room, too: it is better to stop taking what must be written while there is some left. Asking the disk may hang with it,
// so this is a goroutine of its own, and the watch does not wait for it.
func (n *Node) space() {
	t := time.NewTicker(spaceInterval)
	defer t.Stop()
	for {
		n.checkSpace()
		select {
		case <-t.C:
		case <-n.stop:
			return
		}
	}
}

func (n *Node) checkSpace() {
	free, err := n.options.FreeBytes()
	if err != nil {
		return // not every file system can tell
	}
	least := n.options.MinFreeBytes
	switch {
	case free < least:
		e := problem.New(problem.StorageLow, fmt.Sprintf("%d MiB are free on the disk under --data, %d MiB must be: make room there", free>>20, least>>20))
		if n.gate.shut(reasonStorage, e) {
			n.options.Logger.Error("the disk is nearly full: no draw is decided", "free_bytes", free, "least_bytes", least)
		}
	case free >= least+least/8: // not at once: a file more or less should not open and shut the gate
		if n.gate.open(reasonStorage) {
			n.options.Logger.Info("there is room on the disk again", "free_bytes", free)
		}
	}
}
