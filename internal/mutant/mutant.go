package mutant

// Name names a fault.
type Name string

// The faults.
const (
	Oversell         Name = "oversell"           // stock is checked before the log and not when a draw is decided
	MapOrder         Name = "map-order"          // a prize is chosen by the order of a map
	ClockInApply     Name = "clock-in-apply"     // an entry is decided at the replica's time and not at its stamp
	DedupeInProcess  Name = "dedupe-in-process"  // idempotency keys are known to the process that proposed them only
	HoldKeyInProcess Name = "hold-in-process"    // the same for keys of holds and takes
	SnapshotNoKeys   Name = "snapshot-no-keys"   // a checkpoint leaves the idempotency keys out
	PackForgets      Name = "pack-forgets"       // packing old keys drops those of the packed pages in its way
	PackUnmarked     Name = "pack-unmarked"      // a checkpoint does not know which packed pages are new
	WindowEdge       Name = "window-edge"        // a rolling window is one millisecond too short
	CapPlusOne       Name = "cap-plus-one"       // a cap lets one more through
	SwitchAtEdge     Name = "switch-at-edge"     // a prize that is off is given by whatever is in the log already
	UnsyncedLog      Name = "unsynced-log"       // the log is written and not synced
	NoWatermark      Name = "no-watermark"       // a log that lost its end is believed
	HeartbeatAside   Name = "heartbeat-aside"    // heartbeats are handled beside raft's main goroutine (hashicorp/raft#695)
	AckBeforeQuorum  Name = "ack-before-quorum"  // a follower that does not answer is counted as one that has the entry
	LostIsNone       Name = "lost-is-none"       // a lost leadership is told as "no effect"
	ReadNoBarrier    Name = "read-no-barrier"    // whoever believes to lead answers reads from what he has
	ProposeTwice     Name = "propose-twice"      // an entry is proposed again after a while
	TailStays        Name = "tail-stays"         // a follower keeps entries that its leader does not have
	VoteForgotten    Name = "vote-forgotten"     // terms and votes are kept in memory
	CheckpointAhead  Name = "checkpoint-ahead"   // a checkpoint says that it holds one entry more than it does
	AnswerBeforeBlob Name = "answer-before-blob" // an outcome is told before its records are stored
	RetryUnheard     Name = "retry-unheard"      // what is sent again is denied from what a node knows, like anything else
	UnknownIsNone    Name = "unknown-is-none"    // the data plane tells an unknown outcome as "no effect"
	BatchReused      Name = "batch-reused"       // a batch whose outcome is unknown is used for the next request
	MinIndexUnheard  Name = "min-index-unheard"  // a read does not wait for the entry that it asks for
	BarrierUnheard   Name = "barrier-unheard"    // a read over HTTP that must be linearizable is not
	RollbackBelieved Name = "rollback-believed"  // a node does not listen when others have seen more of it than its disk has
	DiskUnnamed      Name = "disk-unnamed"       // a data directory that was emptied is taken for the one before
	ClockUnasked     Name = "clock-unasked"      // a new leader stamps before it knows how its clock stands to the others'
)

// All returns every fault.
func All() []Name {
	return []Name{
		Oversell, MapOrder, ClockInApply, DedupeInProcess, HoldKeyInProcess, SnapshotNoKeys, PackForgets, PackUnmarked, WindowEdge, CapPlusOne, SwitchAtEdge, UnsyncedLog, NoWatermark,
		HeartbeatAside, AckBeforeQuorum, LostIsNone, ReadNoBarrier, ProposeTwice, TailStays, VoteForgotten, CheckpointAhead, AnswerBeforeBlob,
		RetryUnheard, UnknownIsNone, BatchReused, MinIndexUnheard, BarrierUnheard,
		RollbackBelieved, ClockUnasked, DiskUnnamed,
	}
}
