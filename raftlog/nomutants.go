//go:build !mutants

package raftlog

import (
	"github.com/drawd/drawd/engine"
	"github.com/hashicorp/raft"
)

// putLater belongs to a planted fault; no ordinary build calls it.
func (*fsm) putLater(uint64, *engine.Outcome) error { return nil }

// acknowledged belongs to a planted fault; no ordinary build calls it.
func acknowledged(_ *raft.AppendEntriesRequest, _ *raft.AppendEntriesResponse, err error) error {
	return err
}
