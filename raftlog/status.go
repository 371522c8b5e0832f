package raftlog

import (
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Status is where a node stands. It is assembled from single readings: no common cut.
type Status struct {
	Ready    bool   // commands are decided here
	Forwards bool   // they are taken here, and another node decides them
	Reason   string // why not: a code and what to do about it
	Code     problem.Code
	NodeID   string
	Leader   bool
	State    string // raft's word: Leader, Follower, Candidate, Shutdown
	Term     uint64
	Members  int

	Applied   uint64 // last entry applied by the engine
	FirstLog  uint64
	LastLog   uint64
	LogBytes  int64
	LogTime   engine.UnixMilli
	ClockSkew string // what is wrong with the clock; empty when it is trusted

	Level       uint32        // feature level of the state
	ClockOffset time.Duration // this clock minus the voters' median; 0 when too few are known
	Diverged    string        // with whom this node disagrees; empty when with nobody
	Wedged      string        // what this node does not follow; empty when it does
	RolledBack  string        // why this node is kept out: its disk lacks what others have seen of it; empty when it is not
	Removed     bool          // this node is no member any more

	QueueCommands int
	QueueBytes    int
	SyncAge       time.Duration // of the running write to the log; 0 when there is none

	Checkpoint      uint64           // index of the newest checkpoint
	CheckpointAt    engine.UnixMilli // when it was written
	CheckpointTook  time.Duration    // of the newest one of this process
	CheckpointError string           // of the newest try, when it failed
	SinceCheckpoint int64            // bytes of log

	BlobsMissing uint64 // entries whose records are not here yet (a snapshot came without them)
	BlobsNext    uint64 // the first of them; 0 for none

	Stopped bool // the node found a reason to end its process
}

// Status returns where the node stands. It takes no lock for long and touches no disk.
func (n *Node) Status() Status {
	now := n.options.Clock.Monotonic()
	s := Status{
		NodeID: n.options.NodeID, Leader: n.leading.Load(), State: n.raft.State().String(), Term: n.raft.CurrentTerm(),
		Members: len(n.raft.GetConfiguration().Configuration().Servers),
		Applied: n.fsm.applied.Load(), FirstLog: n.log.disk.First(), LastLog: n.log.disk.Last(), LogBytes: n.log.disk.Bytes(),
		LogTime: n.machine.LogTime(), SyncAge: n.log.syncAge(now), SinceCheckpoint: n.fsm.sinceCheckpoint.Load(),
	}
	if e := n.gate.refusal.Load(); e != nil {
		if leader, other := n.otherLeader(); e == says(electing) && n.forwarder != nil && other && n.shutAt(leader.ID) {
			e = says(leaderShut)
		}
		s.Reason, s.Code = e.Error(), e.Code
	} else {
		s.Ready = true
	}
	s.Forwards = n.forwards()
	if e := n.gate.why(reasonClock); e != nil {
		s.ClockSkew = e.Detail
	}
	s.QueueCommands, s.QueueBytes = n.proposer.queue.size()
	if m, ok := n.state.Manifest(); ok {
		s.Checkpoint, s.CheckpointAt = m.Index, engine.UnixMilli(m.At)
	}
	s.Level, s.ClockOffset = n.machine.Level(), n.time.offset()
	s.Diverged, s.Wedged, s.Removed = n.judged.read()
	if e := n.rolledBack(); e != nil {
		s.RolledBack = e.Error()
	}
	if missing := n.state.Missing(); len(missing) > 0 {
		s.BlobsMissing, s.BlobsNext = missingEntries(missing), missing[0].From
	}
	last := n.points.latest()
	s.CheckpointTook, s.Stopped = last.took, n.stopped.Load()
	if last.err != nil {
		s.CheckpointError = last.err.Error()
	}
	return s
}
