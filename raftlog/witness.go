package raftlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// witnessKey is the stable value of what this node has seen of the others.
const witnessKey = "drawd/witness"

// seen is what was seen of a member. All of it was synced on that member's disk before anybody could see it, and none of it is ever
// taken back, so a member that starts again on the disk that it had has it still:
//
//   - its term, and the newest term in which it gave its vote;
//   - that in the term hadTerm it had the log up to had, as the leader of that term has it. For as long as its own term is that
//     one nobody cuts it: only the leader of a newer term may, and that term is on its disk first;
//   - of that, what was committed. Nobody ever cuts that, so its term does not matter.
//
// That a log ends earlier than it once did is no sign by itself: a new leader cuts what was not committed, and gives it anew in
// pieces.
type seen struct {
	term, voted  uint64
	hadTerm, had uint64
	committed    uint64
	chain        [16]byte // of the log at committed; it is told, not kept
}

// add takes in what else was seen. urgent says that it is about a term, and news that it is about anything.
func (s *seen) add(o *seen) (news, urgent bool) {
	was := *s
	s.term, s.voted, s.committed = max(s.term, o.term), max(s.voted, o.voted), max(s.committed, o.committed)
	if o.hadTerm > s.hadTerm || o.hadTerm == s.hadTerm && o.had > s.had {
		s.hadTerm, s.had = o.hadTerm, o.had
	}
	return *s != was, s.term != was.term || s.voted != was.voted
}

// witness remembers what this node has seen of the other members, for them: in memory at once, on the disk soon (ADR 40). A nil
// one sees nothing: that of a node that runs alone.
type witness struct {
	mu struct {
		sync.Mutex
		members map[string]*seen
		// Whatever a log has of a term came from that term's one leader, who had it first.
		leader     string
		leaderTerm uint64
		news       bool // not on the disk yet
		urgent     bool // and it should be there soon
		keptAt     time.Duration
	}
}

// note takes in what was seen of a member.
func (w *witness) note(id string, s *seen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.mu.members[id]
	if m == nil {
		m = new(seen)
		w.mu.members[id] = m
	}
	news, urgent := m.add(s)
	w.mu.news, w.mu.urgent = w.mu.news || news, w.mu.urgent || urgent
}

// leads takes in who leads a term.
func (w *witness) leads(id string, term uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if term > w.mu.leaderTerm {
		w.mu.leader, w.mu.leaderTerm, w.mu.news, w.mu.urgent = id, term, true, true
	}
}

// about returns what is known of a member, given where this node's own log ends.
func (w *witness) about(id string, tailTerm, tail uint64) seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	var s seen
	if m := w.mu.members[id]; m != nil {
		s = *m
	}
	if id == w.mu.leader && tailTerm == w.mu.leaderTerm {
		s.add(&seen{term: tailTerm, hadTerm: tailTerm, had: tail})
	}
	return s
}

// forget drops who is no member any more.
func (w *witness) forget(members []Member) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.mu.members {
		if find(members, id) == nil {
			delete(w.mu.members, id)
			w.mu.news = true
		}
	}
}

// appended takes in a follower's answer to its leader. An answer that is no success tells the follower's term.
func (w *witness) appended(id string, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) {
	s := seen{term: resp.Term}
	if resp.Success {
		s.hadTerm, s.had = args.Term, args.PrevLogEntry // 0 in a heartbeat, which tells nothing of the log
		if n := len(args.Entries); n > 0 {
			s.had = args.Entries[n-1].Index
		}
	}
	w.note(id, &s)
}

// voted takes in what a member answered to a candidate. A pre-vote is on no disk: it is not seen.
func (w *witness) voted(id string, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) {
	s := seen{term: resp.Term}
	if resp.Granted {
		s.voted = args.Term
	}
	w.note(id, &s)
}

const witnessVersion = 1

// due returns what is to be written to the disk, nil for nothing: news of a term at once, of indexes every witnessEvery, and all
// of it at the end.
func (w *witness) due(now time.Duration, last bool) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.mu.news || !w.mu.urgent && !last && now-w.mu.keptAt < witnessEvery {
		return nil
	}
	w.mu.news, w.mu.urgent, w.mu.keptAt = false, false, now
	return w.appendLocked(nil)
}

func (w *witness) appendLocked(dst []byte) []byte {
	dst = appendStr(append(dst, witnessVersion), w.mu.leader)
	dst = binary.LittleEndian.AppendUint64(dst, w.mu.leaderTerm)
	dst = append(dst, byte(min(len(w.mu.members), MaxMembers)))
	left := MaxMembers
	for id, s := range w.mu.members { // order: read into a map again
		if left--; left < 0 {
			break
		}
		dst = appendSeen(appendStr(dst, id), s)
	}
	return dst
}

// load reads what was kept.
func (w *witness) load(b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.members = make(map[string]*seen)
	if len(b) == 0 {
		return nil
	}
	r := words{b: b}
	if r.u8() < witnessVersion {
		return fmt.Errorf("raftlog: %q: %w", witnessKey, errWords)
	}
	w.mu.leader, w.mu.leaderTerm = r.str(), r.u64()
	for range r.u8() {
		id, s := r.str(), r.seen()
		w.mu.members[id] = &s
	}
	if err := r.err(); err != nil {
		return fmt.Errorf("raftlog: %q: %w", witnessKey, err)
	}
	return nil
}

func appendSeen(dst []byte, s *seen) []byte {
	for _, v := range []uint64{s.term, s.voted, s.hadTerm, s.had, s.committed} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}

func (w *words) seen() seen {
	return seen{term: w.u64(), voted: w.u64(), hadTerm: w.u64(), had: w.u64(), committed: w.u64()}
}

// newWitness reads what this node knew of the others before it started.
func (n *Node) newWitness() (*witness, error) {
	w := new(witness)
	b, err := n.log.Get([]byte(witnessKey))
	if err != nil {
		return nil, err
	}
	return w, w.load(bytes.Clone(b))
}

// lookAtLeader notes who leads. Raft takes the leader away before it changes the term, and names one after: so between two equal
// readings of the term the leader is that term's.
func (n *Node) lookAtLeader() {
	term := n.raft.CurrentTerm()
	_, id := n.raft.LeaderWithID()
	if id != "" && string(id) != n.options.NodeID && n.raft.CurrentTerm() == term {
		n.witness.leads(string(id), term)
	}
}

// knownOf returns what this node can tell of another one.
func (n *Node) knownOf(id string) seen {
	n.lookAtLeader()
	tail := n.log.disk.Tail()
	s := n.witness.about(id, tail.Term, tail.Index)
	// What it had in this term it has of the leader of this term, and so all that anybody knew to be committed in this term.
	if committed := n.raft.CommitIndex(); s.hadTerm == n.raft.CurrentTerm() && min(committed, s.had) > s.committed {
		s.committed = min(committed, s.had)
		n.witness.note(id, &seen{committed: s.committed})
	}
	if chain, ok := n.log.disk.Chain(s.committed); ok && s.committed > 0 {
		s.chain = chain
	}
	return s
}

// keepWitness writes down what was seen, when it is time. A disk that fails here would fail at the next entry.
func (n *Node) keepWitness(last bool) {
	if b := n.witness.due(n.options.Clock.Monotonic(), last); b != nil && !n.stopped.Load() {
		n.log.begin(&n.log.noting)
		_ = n.log.end(&n.log.noting, "write what was seen of other nodes", n.log.disk.SetStable([]byte(witnessKey), b))
	}
}
