package raftlog

import (
	"math"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// raftConfig is raft's configuration: every field that a rule of raft-and-pebble.md speaks about is set here, also where
// it is the library's default.
func raftConfig(o *Options, logger hclog.Logger, leadership chan<- bool) *raft.Config {
	c := raft.DefaultConfig()
	c.ProtocolVersion = 3
	c.LocalID = raft.ServerID(o.NodeID)
	c.Logger = logger
	c.NotifyCh = leadership
	c.NoLegacyTelemetry = true

	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = o.ElectionTimeout, o.ElectionTimeout, o.LeaseTimeout
	c.CommitTimeout = commitTimeout
	c.ShutdownOnRemove = false // a node that was removed answers for itself (members.go)
	c.PreVoteDisabled = false
	c.MaxAppendEntries = maxAppendEntries
	// With a buffer an entry may run after its enqueue timed out, and refusals would no longer have the effect none. It
	// gains nothing either: the proposer has at most MaxDepth entries under way.
	c.BatchApplyCh = false

	// It hangs NewRaft when more than 128 × MaxAppendEntries entries stand after the snapshot, and takes entries for
	// applied that are only queued. The FSM keeps its own applied index.
	c.RestoreCommittedLogs = false
	// The engine is loaded from the checkpoint before raft starts.
	c.NoSnapshotRestoreOnStart = true
	// Checkpoints are triggered by bytes (checkpointer.go); raft counts entries.
	c.SnapshotInterval = 10000 * time.Hour
	c.SnapshotThreshold = math.MaxUint64
	c.TrailingLogs = math.MaxUint64 // until the first checkpoint sets it by bytes: nothing is cut by default
	return c
}
