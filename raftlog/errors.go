package raftlog

import (
	"errors"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/hashicorp/raft"
)

// The refusals of this package, made once: an overloaded node must not allocate to say so.
var (
	errQueueFull = problem.New(problem.Overloaded, "the queue is full: the log takes fewer commands than arrive")
	errQueueOld  = problem.New(problem.Overloaded, "the command waited longer than the queue allows and was not sent to the log")
	errNotSent   = problem.New(problem.Overloaded, "the log took no new entry in time; the command was not sent to it")
	errElecting  = problem.New(problem.NoLeader, "this node does not lead")
	errStarting  = problem.New(problem.NoLeader, "this node is starting")
	errClosing   = problem.New(problem.NoLeader, "this node is shutting down")
	errTransfer  = problem.New(problem.NoLeader, "the leadership is being transferred")
	errLost      = problem.New(problem.UnknownOutcome, "the leadership was lost while the entry was on its way")
	errShutdown  = problem.New(problem.UnknownOutcome, "this node was shut down while the entry was on its way")
	errGaveUp    = problem.New(problem.UnknownOutcome, "the entry was not applied in time")
	errStopped   = problem.New(problem.UnknownOutcome, "this node stopped while the entry was on its way")
)

// ErrBatchTooLarge says that a batch cannot become one entry. Callers bound what they send, so it is a fault of theirs.
var ErrBatchTooLarge = errors.New("raftlog: batch is larger than an entry")

// errNoOutcome says that raft applied an entry and our side gave nothing back: the node has stopped (fsm.go).
var errNoOutcome = errors.New("raftlog: no outcome")

// raftErrors is the one table from what raft answers to what a caller is told (raft-and-pebble.md, rule 6). What is not
// in it may or may not have been decided.
var raftErrors = []struct {
	err  error
	says *problem.Error
}{
	// Nothing was written: raft answers these before it touches its log.
	{raft.ErrNotLeader, errElecting},
	{raft.ErrLeadershipTransferInProgress, errTransfer},
	{raft.ErrEnqueueTimeout, errNotSent}, // true only while BatchApplyCh is off; the test of the configuration holds it
	// Written, and perhaps replicated.
	{raft.ErrLeadershipLost, errLost},
	{raft.ErrRaftShutdown, errShutdown},
	{raft.ErrAbortedByRestore, errLost},
}

// refusalOf returns what a caller is told about an entry that raft answered with err.
func refusalOf(err error) *problem.Error {
	for _, row := range raftErrors {
		if errors.Is(err, row.err) {
			return row.says
		}
	}
	return errStopped
}

// checkSize refuses a batch that cannot stand in one entry.
func checkSize(b *engine.Batch) error {
	if engine.EntryHeaderSize+len(b.Commands()) > engine.MaxEntryBytes || b.Len() > maxEntryCommands {
		return ErrBatchTooLarge
	}
	return nil
}
