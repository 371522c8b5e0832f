package raftlog

import (
	"errors"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/mutant"
	"github.com/hashicorp/raft"
)

// refusal names what this package refuses with. The errors are made once: an overloaded node must not allocate to say so.
type refusal uint8

const (
	queueFull refusal = iota
	queueOld
	queueSlow
	notSent
	electing
	starting
	closing
	transferring
	leadershipLost
	shutDown
	gaveUp
	hasStopped
	notAwaited
	removed
	unreachable
	moved
	behind
	leaderLost
	tooLarge
	leaderShut
	asking
	needsVote
)

var refusals = [...]problem.Error{
	queueFull:      {Code: problem.Overloaded, Detail: "the queue is full: the log takes fewer commands than arrive"},
	queueOld:       {Code: problem.Overloaded, Detail: "the command waited longer than the queue allows and was not sent to the log"},
	queueSlow:      {Code: problem.Overloaded, Detail: "what waits for the log has waited so long that this command would hardly be sent to it in time"},
	notSent:        {Code: problem.Overloaded, Detail: "the log took no new entry in time; the command was not sent to it"},
	electing:       {Code: problem.NoLeader, Detail: "this node does not lead"},
	starting:       {Code: problem.NoLeader, Detail: "this node is starting"},
	closing:        {Code: problem.NoLeader, Detail: "this node is shutting down"},
	transferring:   {Code: problem.NoLeader, Detail: "the leadership is being transferred"},
	leadershipLost: {Code: problem.UnknownOutcome, Detail: "the leadership was lost while the entry was on its way"},
	shutDown:       {Code: problem.UnknownOutcome, Detail: "this node was shut down while the entry was on its way"},
	gaveUp:         {Code: problem.UnknownOutcome, Detail: "the entry was not applied in time"},
	hasStopped:     {Code: problem.UnknownOutcome, Detail: "this node stopped while the entry was on its way"},
	notAwaited:     {Code: problem.UnknownOutcome, Detail: "the caller did not wait for the outcome"},
	removed:        {Code: problem.NoLeader, Detail: "this node was removed from the cluster"},
	unreachable:    {Code: problem.NoLeader, Detail: "this node does not lead, and does not reach the one that does; the command was not sent"},
	moved:          {Code: problem.NoLeader, Detail: "the leadership has moved; the command was not sent"},
	behind:         {Code: problem.NoLeader, Detail: "this node has not applied yet what the leader answered with"},
	leaderLost:     {Code: problem.UnknownOutcome, Detail: "the leader, or the connection to it, was lost while the command was on its way"},
	tooLarge:       {Code: problem.UnknownOutcome, Detail: "the answer is too large to be carried from the leader to this node"},
	leaderShut:     {Code: problem.NoLeader, Detail: "this node does not lead, and the one that does takes no commands: its own readiness says why"},
	asking:         {Code: problem.NoLeader, Detail: "this node has started again and waits until a majority told what they know of it"},
	needsVote:      {Code: problem.Conflict, Detail: "the leader takes this from a node with a vote only: ask one of those"},
}

// says returns the error of a refusal.
func says(r refusal) *problem.Error { return &refusals[r] }

// ErrBatchTooLarge says that a batch cannot become one entry. Callers bound what they send, so it is a fault of theirs.
var ErrBatchTooLarge = errors.New("raftlog: batch is larger than an entry")

// errNoOutcome says that raft applied an entry and our side gave nothing back: the node has stopped (fsm.go).
var errNoOutcome = errors.New("raftlog: no outcome")

// raftErrors is the one table from what raft answers to what a caller is told (raft-and-pebble.md, rule 6). What is not
// in it may or may not have been decided.
var raftErrors = []struct {
	err  error
	says refusal
}{
	// Nothing was written: raft answers these before it touches its log.
	{raft.ErrNotLeader, electing},
	{raft.ErrLeadershipTransferInProgress, transferring},
	{raft.ErrEnqueueTimeout, notSent}, // true only while BatchApplyCh is off; the test of the configuration holds it
	// Written, and perhaps replicated.
	{raft.ErrLeadershipLost, leadershipLost},
	{raft.ErrRaftShutdown, shutDown},
	{raft.ErrAbortedByRestore, leadershipLost},
}

// refusalOf returns what a caller is told about an entry that raft answered with err.
func refusalOf(err error) *problem.Error {
	for _, row := range raftErrors {
		if mutant.On(mutant.LostIsNone) && row.says == leadershipLost {
			row.says = electing
		}
		if errors.Is(err, row.err) {
			return says(row.says)
		}
	}
	return says(hasStopped)
}

// unsound is the refusal of a batch with a command that no node could apply.
func unsound(err error) *problem.Error {
	return &problem.Error{
		Code: problem.Internal, Undone: true, Detail: "a command is damaged and was not sent to the log: " + err.Error(),
	}
}

// checkSize refuses a batch that cannot stand in one entry.
func checkSize(b *engine.Batch) error {
	if engine.EntryHeaderSize+len(b.Commands()) > engine.MaxEntryBytes || b.Len() > maxEntryCommands {
		return ErrBatchTooLarge
	}
	return nil
}
