//go:build mutants

package raftlog

import (
	"bytes"
	"slices"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/storage"
	"github.com/hashicorp/raft"
)

// acknowledged counts a follower that does not answer as one that has the entries.
func acknowledged(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse, err error) error {
	if n := len(args.Entries); err != nil && n > 0 {
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
