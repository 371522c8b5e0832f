package raftlog

import (
	"time"
)

// PeerStatus is where one member stands, as this node knows it: of itself at once, of others by the newest ping.
type PeerStatus struct {
	Member
	Self    bool
	Leader  bool   // it says that it leads
	Ready   bool   // it takes commands itself
	API     string // where its HTTP API is reached; empty when it did not say
	Version string // of its build
	Applied uint64 // last entry that decided something
	Lag     uint64 // entries between the leader's and this; 0 when no leader is known
	// HashIndex and Hash are the newest running hash: two nodes that say another hash of one index have diverged.
	HashIndex     uint64
	Hash          [16]byte
	ClockOffset   time.Duration // its clock minus ours
	ClockKnown    bool
	RTT           time.Duration
	Level         uint32 // the feature level of its state
	Supports      uint32 // the newest feature level of its build
	BlobsComplete bool
	KeptOut       bool          // it was rolled back, and votes for nobody: replace it
	Contact       bool          // it ever answered; without it only Member is known
	LastContact   time.Duration // since its newest answer
}

// Peers returns all members by id; without Options.Peers none.
func (n *Node) Peers() []PeerStatus {
	if !n.cluster() {
		return nil
	}
	now := n.options.Clock.Monotonic()
	var all []PeerStatus
	leader := uint64(0)
	for _, m := range n.Members() {
		s := PeerStatus{Member: m, Self: m.ID == n.options.NodeID}
		if s.Self {
			s.say(n.report(m.ID))
			s.ClockKnown = true
		} else if a := n.pinger.known(m.ID); a != nil {
			s.say(a.report)
			s.RTT, s.LastContact, s.ClockOffset = a.rtt, now-a.at, a.offset
			s.ClockKnown = a.clockAt != 0 && now-a.clockAt <= clockFor
		}
		if s.Leader && s.LastContact <= freshFor {
			leader = max(leader, s.Applied)
		}
		all = append(all, s)
	}
	for i := range all {
		if all[i].Contact && leader > all[i].Applied {
			all[i].Lag = leader - all[i].Applied
		}
	}
	return all
}

func (s *PeerStatus) say(r *report) {
	s.Contact, s.Leader, s.Ready, s.API, s.Version = true, r.leads, r.ready, r.api, r.build
	s.Applied, s.Level, s.Supports, s.BlobsComplete = r.applied, r.level, r.supports, r.complete
	s.KeptOut = r.rolledBack
	for _, h := range r.samples {
		if h.index >= s.HashIndex {
			s.HashIndex, s.Hash = h.index, h.hash
		}
	}
}
