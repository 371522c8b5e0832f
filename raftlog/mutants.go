//go:build mutants

package raftlog

import (
	"bytes"
	"slices"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/mutant"
	"github.com/drawd/drawd/storage"
	"github.com/hashicorp/raft"
)

// AppendEntries counts a follower that does not answer as one that has the entries.
func (t serialTransport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	err := t.NetworkTransport.AppendEntries(id, target, args, resp)
	if n := len(args.Entries); err != nil && n > 0 && mutant.On(mutant.AckBeforeQuorum) {
		*resp = raft.AppendEntriesResponse{RPCHeader: args.RPCHeader, Term: args.Term, LastLog: args.Entries[n-1].Index, Success: true}
		return nil
	}
	return err
}

// putLater stores an entry's records after a while, on nobody's time.
func (f *fsm) putLater(index uint64, out *engine.Outcome) error {
	head, offsets, records := out.Head, slices.Clone(out.Offsets), bytes.Clone(out.Records)
	time.AfterFunc(300*time.Millisecond, func() {
		if f.stopped.Load() {
			return
		}
		defer func() { _ = recover() }() // the store may be closed by now
		_ = f.state.PutBlob(index, head[:], offsets, records, []storage.Win{})
	})
	f.applied.Store(index)
	return nil
}
