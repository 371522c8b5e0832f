package raftlog

import (
	"sync"

	"github.com/hashicorp/raft"
)

// A node that does not lead hears that an entry is committed with the next one, or, when none follows, after commitTimeout. Until
// then it cannot answer what it forwarded: whoever draws at a node must find his draw there. So the leader says at once what it
// committed, to a node whose draws it decided, unless the next entry is about to say so.
//
// It says so by a message of raft's own, without entries, that names nothing but what was true of this leader in that term: the
// last entry that the node was seen to have, and a commit index not beyond it. The node compares its log at that entry as always.
// For raft it is a message that came late or twice.
type teller struct {
	send func(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error

	mu struct {
		sync.Mutex
		nodes map[raft.ServerID]*told
	}
}

// told is what one node was told, in the newest term that this node led.
type told struct {
	target  raft.ServerAddress
	has     raft.AppendEntriesRequest // without entries: its PrevLogEntry and PrevLogTerm are the last entry that the node has
	want    uint64                    // the commit index that it should know
	sending bool
}

// tellingTransport notes what other nodes have. It is raft's transport in a cluster.
type tellingTransport struct {
	serialTransport
	teller *teller
}

// AppendEntries sends a message of this node's raft.
func (t tellingTransport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	err := t.serialTransport.AppendEntries(id, target, args, resp)
	if err == nil && resp.Success {
		t.teller.note(id, target, args)
	}
	return err
}

// over makes the transport of a cluster of t.
func (x *teller) over(t serialTransport) tellingTransport {
	x.send = t.AppendEntries
	x.mu.nodes = make(map[raft.ServerID]*told)
	return tellingTransport{t, x}
}

// note learns from a message that a node has taken. A heartbeat says nothing about entries.
func (x *teller) note(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest) {
	index, term := args.PrevLogEntry, args.PrevLogTerm
	if n := len(args.Entries); n > 0 {
		index, term = args.Entries[n-1].Index, args.Entries[n-1].Term
	}
	if index == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	d := x.mu.nodes[id]
	if d == nil {
		d = new(told)
		x.mu.nodes[id] = d
	}
	if args.Term < d.has.Term || args.Term == d.has.Term && index < d.has.PrevLogEntry {
		return
	}
	d.target, d.has = target, *args
	d.has.Entries, d.has.PrevLogEntry, d.has.PrevLogTerm = nil, index, term
	x.beginLocked(id, d)
}

// tell lets a node know that this one, leading, has committed the entry at index. It does not wait.
func (x *teller) tell(id raft.ServerID, index uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	d := x.mu.nodes[id]
	if d == nil || index <= d.want {
		return
	}
	d.want = index
	x.beginLocked(id, d)
}

func (x *teller) beginLocked(id raft.ServerID, d *told) {
	if !d.sending && d.news() {
		d.sending = true
		go x.run(id, d)
	}
}

// news reports whether there is something to say: it must not go beyond the entry that the node is known to have.
func (d *told) news() bool { return d.want > d.has.LeaderCommitIndex && d.want <= d.has.PrevLogEntry }

// run tells one node what it should know, until it does.
func (x *teller) run(id raft.ServerID, d *told) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for d.news() {
		target, args := d.target, d.has
		args.LeaderCommitIndex = d.want
		x.mu.Unlock()
		var resp raft.AppendEntriesResponse
		err := x.send(id, target, &args, &resp)
		x.mu.Lock()
		if err != nil || !resp.Success {
			break // raft itself says so soon, and finds out why it was not taken
		}
		if d.has.Term == args.Term {
			d.has.LeaderCommitIndex = max(d.has.LeaderCommitIndex, args.LeaderCommitIndex)
		}
	}
	d.sending = false
}
