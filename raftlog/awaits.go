package raftlog

import (
	"context"
	"sync"

	"github.com/hashicorp/raft"
)

// awaits knows who waits for raft to answer something that goes through its machine: a barrier, a change of the members. What
// raft has queued for its machine when it is shut down it never answers, and who waits for that waits for ever. So Close lets
// everybody have his answer first, for as long as it may take; the proposer's entries have theirs once its queue is drained.
type awaits struct {
	waiting sync.WaitGroup

	mu struct {
		sync.Mutex
		over bool
	}
}

// answer asks raft and returns its answer.
func (a *awaits) answer(ask func() raft.Future) error {
	a.mu.Lock()
	if a.mu.over {
		a.mu.Unlock()
		return raft.ErrRaftShutdown
	}
	a.waiting.Add(1)
	a.mu.Unlock()
	defer a.waiting.Done()
	return ask().Error()
}

// end refuses later questions and waits for the answers to those that were asked, no longer than ctx lasts.
func (a *awaits) end(ctx context.Context) error {
	a.mu.Lock()
	a.mu.over = true
	a.mu.Unlock()
	return within(ctx, func() error { a.waiting.Wait(); return nil })
}
