package failpoint

import "time"

// Name names a point.
type Name string

// The points, in the order in which an entry comes by them.
const (
	BeforeSync     Name = "before-sync"     // the log was given records, and has none of them yet
	AfterSync      Name = "after-sync"      // records are synced, and nobody knows
	BeforeApply    Name = "before-apply"    // an entry is committed and not decided here
	MidApply       Name = "mid-apply"       // an entry is decided, and its records are not stored
	AfterApply     Name = "after-apply"     // an entry is applied, and nobody was answered
	StableWrite    Name = "stable-write"    // a term or a vote is about to be written
	CheckpointMid  Name = "checkpoint-mid"  // a page of a checkpoint is written
	CheckpointMade Name = "checkpoint-made" // a checkpoint is in force, and the log behind it not cut
	BeforeCut      Name = "before-cut"      // the log is about to be cut at its front
	AfterCut       Name = "after-cut"       // the log is cut at its front
)

// Variable is the environment variable that names the directory in which points are armed.
const Variable = "DRAWD_FAILPOINTS"

// Settings of a build with points: bytes of log and time between two checkpoints, and bytes behind one.
const (
	CheckpointBytes    = 128 << 10
	CheckpointInterval = time.Second
	TrailingBytes      = 16 << 10
)

// All returns every point.
func All() []Name {
	return []Name{
		BeforeSync, AfterSync, BeforeApply, MidApply, AfterApply, StableWrite, CheckpointMid, CheckpointMade, BeforeCut, AfterCut,
	}
}
