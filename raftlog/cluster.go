package raftlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/drawd/drawd/raftlog/peer"
	"github.com/hashicorp/raft"
)

// Member is one node of a cluster, as its configuration has it.
type Member struct {
	ID      string // never used again once its disk is lost (raft-and-pebble.md, rule 18)
	Address string // where its peer.Mux is reached
	Voter   bool
}

// nodeKey is the stable value under which a node of a cluster keeps its id: a log that it is not a member of yet does not
// tell it.
const nodeKey = "drawd/node"

// cluster reports whether this node may have others beside it.
func (n *Node) cluster() bool { return n.options.Peers != nil }

// stream returns what raft's transport runs on.
func (n *Node) stream() StreamLayer {
	if n.cluster() {
		return knownStream{n.options.Peers.Stream(peer.KindRaft), n.known, n.Members}
	}
	return n.options.Stream
}

// founding returns the configuration that an empty data directory begins with: none for a node that waits to be added.
// Every founder makes the same one, so that their first entries are the same.
func (n *Node) founding(self raft.Server) raft.Configuration {
	if !n.cluster() {
		return raft.Configuration{Servers: []raft.Server{self}}
	}
	var c raft.Configuration
	for _, m := range n.options.Found {
		c.Servers = append(c.Servers, raft.Server{ID: raft.ServerID(m.ID), Address: raft.ServerAddress(m.Address)})
	}
	slices.SortFunc(c.Servers, func(a, b raft.Server) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return c
}

// checkFounders returns what is wrong with a list of founders.
func checkFounders(self string, found []Member) error {
	if len(found) == 0 {
		return nil
	}
	if len(found) > MaxVoters {
		return fmt.Errorf("the list of founders has %d voters, at most %d", len(found), MaxVoters)
	}
	ids, addresses := make(map[string]bool), make(map[string]bool)
	for _, m := range found {
		if err := checkMember(m); err != nil {
			return fmt.Errorf("founder: %w", err)
		}
		if ids[m.ID] || addresses[m.Address] {
			return fmt.Errorf("the list of founders has %q at %q twice", m.ID, m.Address)
		}
		ids[m.ID], addresses[m.Address] = true, true
	}
	if !ids[self] {
		return fmt.Errorf("the list of founders does not have this node, %q", self)
	}
	return nil
}

// checkMember holds ids and addresses to what fits a log line and a certificate.
func checkMember(m Member) error {
	switch {
	case m.ID == "" || len(m.ID) > maxNodeID || strings.ContainsFunc(m.ID, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("the node id %q must be 1 to %d visible ASCII characters", m.ID, maxNodeID)
	case m.Address == "" || len(m.Address) > maxAddress || strings.ContainsFunc(m.Address, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("the address %q of node %q must be 1 to %d visible ASCII characters", m.Address, m.ID, maxAddress)
	}
	return nil
}

// member checks that the log is this node's own: raft would wait for ever. In a cluster a node may start that is not in
// the configuration, because what it has of the log is from before it was added, but then it has written down its id.
func (n *Node) member() error {
	f := n.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return fmt.Errorf("raftlog: read the members: %w", err)
	}
	var others []raft.ServerID
	for _, s := range f.Configuration().Servers {
		if s.ID == raft.ServerID(n.options.NodeID) {
			others = nil
			break
		}
		others = append(others, s.ID)
	}
	if !n.cluster() && others == nil {
		return nil
	}
	was, err := n.log.Get([]byte(nodeKey))
	switch {
	case err != nil:
		return fmt.Errorf("raftlog: read the node id: %w", err)
	case string(was) == n.options.NodeID:
		return nil
	case was != nil:
		others = []raft.ServerID{raft.ServerID(was)}
	case others == nil:
		return n.log.Set([]byte(nodeKey), []byte(n.options.NodeID))
	}
	return fmt.Errorf("raftlog: the data directory belongs to node %q, this node is %q: start it with the node id it was made with", others, n.options.NodeID)
}

// Leader returns the node that leads, as far as this one knows; empty when it knows none.
func (n *Node) Leader() (id, address string) {
	a, i := n.raft.LeaderWithID()
	return string(i), string(a)
}

// Members returns the newest configuration that this node knows, committed or not, by id.
func (n *Node) Members() []Member {
	all, _ := n.configuration()
	return all
}

// standing reports whether the newest configuration has a node, and with a vote.
func (n *Node) standing(id string) (member, voter bool) {
	for _, s := range n.raft.GetConfiguration().Configuration().Servers {
		if s.ID == raft.ServerID(id) {
			return true, s.Suffrage == raft.Voter
		}
	}
	return false, false
}

// configuration returns the members, and the log index of the newest configuration that is applied here. It is read first, so that the
// members are of this index or of a later one: a change that names it to raft is refused then. Raft itself tells 0 for it, always.
func (n *Node) configuration() ([]Member, uint64) {
	index, _ := n.fsm.configuration()
	f := n.raft.GetConfiguration()
	if f.Error() != nil {
		return nil, 0
	}
	var all []Member
	for _, s := range f.Configuration().Servers {
		all = append(all, Member{ID: string(s.ID), Address: string(s.Address), Voter: s.Suffrage == raft.Voter})
	}
	slices.SortFunc(all, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
	return all, index
}

// readdress tells the others where the new leader is reached, when that is not what the configuration says: the data of a
// node that ran alone names no address that anybody could dial.
func (n *Node) readdress() error {
	if !n.cluster() {
		return nil
	}
	here := raft.ServerAddress(n.options.Peers.Addr().String())
	for _, s := range n.raft.GetConfiguration().Configuration().Servers {
		if s.ID == raft.ServerID(n.options.NodeID) && s.Address != here {
			err := n.awaits.answer(func() raft.Future { return n.raft.AddVoter(s.ID, here, 0, configurationTimeout) })
			if err != nil {
				return fmt.Errorf("raftlog: change this node's address from %s to %s: %w", s.Address, here, err)
			}
		}
	}
	return nil
}

// handOver gives the leadership to another voter, just before this node stops: the others need not wait for a timeout
// then. A transfer that fails costs them that wait and nothing else.
func (n *Node) handOver(ctx context.Context) {
	if !n.cluster() || !n.leading.Load() || n.stopped.Load() || ctx.Err() != nil {
		return
	}
	if voters(n.Members()) < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, transferLimit*n.options.ElectionTimeout)
	defer cancel()
	if err := within(ctx, n.raft.LeadershipTransfer().Error); err != nil && !errors.Is(err, raft.ErrNotLeader) {
		n.options.Logger.Warn("the leadership was not handed over: the others will elect a leader after their timeout", "error", err)
	}
}
