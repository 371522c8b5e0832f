package raftlog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/hashicorp/raft"
)

// memberOp is one change of the members. Append only: it travels in CallMembers.
type memberOp uint8

const (
	memberAdd      memberOp = 1
	memberPromote  memberOp = 2
	memberRemove   memberOp = 3
	memberTransfer memberOp = 4
	memberAsk      memberOp = 5 // whether a member may be removed
)

// memberChange is what a node asks its leader for.
type memberChange struct {
	op          memberOp
	id, address string
}

const memberVersion = 1

func appendMemberChange(dst []byte, c *memberChange) []byte {
	return appendStr(appendStr(append(dst, memberVersion, byte(c.op)), c.id), c.address)
}

func parseMemberChange(b []byte) (*memberChange, error) {
	w := words{b: b}
	if w.u8() < memberVersion {
		return nil, errWords
	}
	c := &memberChange{op: memberOp(w.u8()), id: w.str(), address: w.str()}
	return c, w.err()
}

// AddMember adds a node that does not vote yet, or changes the address of one that is a member; m.Voter means nothing. The
// node must be started on an empty data directory, without Options.Found. An id that was ever used on another disk must
// not come back.
//
// These four may be called on any member: they are done by the leader. A *problem.Error says why not: no_leader,
// not_found, conflict (the text says what stands against it), invalid_field; unknown_outcome when the leader was lost on
// the way: ask for Members, or ask again. Each does nothing when there is nothing left to do.
func (n *Node) AddMember(ctx context.Context, m Member) error {
	return n.change(ctx, &memberChange{op: memberAdd, id: m.ID, address: m.Address})
}

// Promote lets a member vote. It must have answered a ping lately, have its record blobs complete and be close behind.
func (n *Node) Promote(ctx context.Context, id string) error {
	return n.change(ctx, &memberChange{op: memberPromote, id: id})
}

// Remove takes a member out. A leader that is to be removed hands over first. What remains must be able to decide: a
// majority of the voters that are left must have answered a ping lately.
func (n *Node) Remove(ctx context.Context, id string) error {
	return n.change(ctx, &memberChange{op: memberRemove, id: id})
}

// MayRemove asks the leader whether Remove would take a member out now. It changes nothing. A leader of an older version does not know
// the question, and is believed to agree: Remove itself still refuses.
func (n *Node) MayRemove(ctx context.Context, id string) error {
	err := n.change(ctx, &memberChange{op: memberAsk, id: id})
	if errors.Is(err, &problem.Error{Code: problem.InvalidField}) {
		return nil
	}
	return err
}

// TransferLeadership hands the leadership to the voter that is closest behind. It returns when this leader leads no more.
func (n *Node) TransferLeadership(ctx context.Context) error {
	return n.change(ctx, &memberChange{op: memberTransfer})
}

// change has a change made by the leader.
func (n *Node) change(ctx context.Context, c *memberChange) error {
	if !n.cluster() {
		return problem.New(problem.Conflict, "this node runs alone: start it as one of a cluster, with serve --raft")
	}
	if n.leading.Load() {
		return n.changeHere(ctx, c)
	}
	return n.changeAt(ctx, "", c)
}

// changeAt asks the leader for a change, unless that is the node called not.
func (n *Node) changeAt(ctx context.Context, not string, c *memberChange) error {
	id, address := n.Leader()
	if address == "" { // raft hears of no leader that cannot reach this node
		id, address = n.pinger.leader()
	}
	if address == "" || id == n.options.NodeID || id == not {
		return says(electing)
	}
	_, err := n.options.Peers.Ask(ctx, address, peer.CallMembers, appendMemberChange(nil, c))
	var refused *problem.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, peer.ErrUnreachable) || errors.Is(err, peer.ErrUnknownCall):
		return problem.New(problem.NoLeader, fmt.Sprintf("the leader, node %q, is not reached", id))
	}
	return problem.New(problem.UnknownOutcome, fmt.Sprintf("the leader, node %q, did not say what became of it: %v", id, err))
}

// answerMembers makes a change that another member asked for.
func (n *Node) answerMembers(ctx context.Context, name string, request []byte) ([]byte, error) {
	c, err := parseMemberChange(request)
	if err != nil {
		return nil, err
	}
	if name != "" {
		member, voter := n.standing(name)
		switch {
		case !member:
			return nil, problem.New(problem.Forbidden, fmt.Sprintf("node %q is not a member", name))
		case !voter && !(c.op == memberAdd && c.id == name): // it may tell that it is reached at another address
			return nil, problem.New(problem.Conflict, fmt.Sprintf("node %q has no vote, and may not change the members: ask one that has", name))
		}
	}
	if !n.leading.Load() {
		return nil, says(electing)
	}
	return nil, n.changeHere(ctx, c)
}

// changeHere makes a change as the leader. The configuration it was judged by is named to raft, which refuses when another
// change came first.
func (n *Node) changeHere(ctx context.Context, c *memberChange) error {
	members, index := n.configuration()
	m := find(members, c.id)
	var ask func() raft.Future
	switch c.op {
	case memberAdd:
		if done, err := n.mayAdd(members, c); done || err != nil {
			return n.stands(ctx, err)
		}
		ask = func() raft.Future {
			return n.raft.AddNonvoter(raft.ServerID(c.id), raft.ServerAddress(c.address), index, configurationTimeout)
		}
	case memberPromote:
		if done, err := n.mayPromote(members, m, c.id); done || err != nil {
			return n.stands(ctx, err)
		}
		ask = func() raft.Future {
			return n.raft.AddVoter(raft.ServerID(c.id), raft.ServerAddress(m.Address), index, configurationTimeout)
		}
	case memberRemove:
		if m == nil {
			return n.stands(ctx, nil)
		}
		if err := n.mayRemove(members, m); err != nil {
			return err
		}
		if m.ID == n.options.NodeID {
			return n.removeMyself(ctx, c)
		}
		ask = func() raft.Future {
			return n.raft.RemoveServer(raft.ServerID(c.id), index, configurationTimeout)
		}
	case memberAsk:
		if m == nil {
			return nil
		}
		return n.mayRemove(members, m)
	case memberTransfer:
		return n.transfer(ctx, "")
	default:
		return problem.New(problem.InvalidField, fmt.Sprintf("this drawd does not know the change %d of the members", c.op))
	}
	err := memberError(within(ctx, func() error { return n.awaits.answer(ask) }))
	n.options.Logger.Info("the members were to be changed", "change", c.op, "member", c.id, "address", c.address, "error", err)
	return err
}

// stands returns when the configuration by which there is nothing to do is committed, or what stands against the change. Raft
// shows the newest one that it has: a leader that is cut off may have it alone, and lose it with its leadership.
func (n *Node) stands(ctx context.Context, against error) error {
	if against != nil {
		return against
	}
	return memberError(within(ctx, n.barrier))
}

// memberError names what raft answered to a change of the members.
func memberError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return says(notAwaited)
	case strings.HasPrefix(err.Error(), "configuration changed since"): // raft has no value for it
		return problem.New(problem.Conflict, "the members were changed by somebody else at the same moment: look at them, and ask again")
	}
	return refusalOf(err)
}

func (n *Node) mayAdd(members []Member, c *memberChange) (done bool, err error) {
	if err := checkMember(Member{ID: c.id, Address: c.address}); err != nil {
		return false, problem.New(problem.InvalidField, err.Error())
	}
	for _, m := range members {
		switch {
		case m.ID == c.id && m.Address == c.address:
			return true, nil
		case m.ID != c.id && m.Address == c.address:
			return false, problem.New(problem.Conflict, fmt.Sprintf("the address %s is that of node %q", m.Address, m.ID))
		}
	}
	if len(members) >= MaxMembers && find(members, c.id) == nil {
		return false, problem.New(problem.Conflict, fmt.Sprintf("there are %d members, no more are taken", len(members)))
	}
	return false, nil
}

func (n *Node) mayPromote(members []Member, m *Member, id string) (done bool, err error) {
	if m == nil {
		return false, problem.New(problem.NotFound, fmt.Sprintf("there is no member %q", id))
	}
	if m.Voter {
		return true, nil
	}
	if voters(members) >= MaxVoters {
		return false, problem.New(problem.Conflict, fmt.Sprintf("%d members vote, no more may", MaxVoters))
	}
	a := n.pinger.fresh(id)
	switch {
	case a == nil:
		return false, problem.New(problem.Conflict, fmt.Sprintf("node %q did not answer a ping lately", id))
	case a.report.novice: // with its vote counted and not given, the others could be too few to elect anybody
		return false, problem.New(problem.Conflict, fmt.Sprintf("node %q does not have the log entry yet that added it: wait until it has caught up", id))
	case !a.report.complete:
		return false, problem.New(problem.Conflict, fmt.Sprintf("node %q is still copying records: wait until its blobs are complete", id))
	case uint64(n.machine.AppliedIndex()) > a.report.applied+promoteLag:
		return false, problem.New(problem.Conflict, fmt.Sprintf("node %q has applied entry %d, the leader %d: wait until it has caught up", id, a.report.applied, n.machine.AppliedIndex()))
	case a.report.supports < n.machine.Level():
		return false, problem.New(problem.Conflict, fmt.Sprintf("node %q knows feature level %d, the cluster is at %d: start it with a newer drawd", id, a.report.supports, n.machine.Level()))
	}
	return false, nil
}

// mayRemove holds that what remains can decide.
func (n *Node) mayRemove(members []Member, gone *Member) error {
	if !gone.Voter {
		return nil
	}
	remain, reached := 0, 0
	for _, m := range members {
		if !m.Voter || m.ID == gone.ID {
			continue
		}
		remain++
		if a := n.pinger.fresh(m.ID); m.ID == n.options.NodeID || a != nil && !a.report.rolledBack { // who is kept out does not vote
			reached++
		}
	}
	if remain == 0 {
		return problem.New(problem.Conflict, fmt.Sprintf("node %q is the only one that votes", gone.ID))
	}
	if reached < remain/2+1 {
		return problem.New(problem.Conflict, fmt.Sprintf("without node %q only %d of %d voters are reached: nothing could be decided any more", gone.ID, reached, remain))
	}
	return nil
}

// removeMyself hands the leadership over and has the next leader do it.
func (n *Node) removeMyself(ctx context.Context, c *memberChange) error {
	if err := n.transfer(ctx, ""); err != nil {
		return err
	}
	var err error
	for ctx.Err() == nil {
		err = n.changeAt(ctx, n.options.NodeID, c)
		if !errors.Is(err, &problem.Error{Code: problem.NoLeader}) {
			return err
		}
		if n.pause(ctx, clusterTimeout/10) != nil {
			break
		}
	}
	return err
}

// transfer gives the leadership to one voter, or to the one that is closest behind.
func (n *Node) transfer(ctx context.Context, to string) error {
	members, _ := n.configuration()
	if voters(members) < 2 {
		return problem.New(problem.Conflict, "there is no other node that votes")
	}
	var f raft.Future
	if m := find(members, to); m != nil {
		f = n.raft.LeadershipTransferToServer(raft.ServerID(m.ID), raft.ServerAddress(m.Address))
	} else {
		f = n.raft.LeadershipTransfer()
	}
	ctx, cancel := context.WithTimeout(ctx, transferLimit*n.options.ElectionTimeout)
	defer cancel()
	err := within(ctx, f.Error)
	if err == nil || errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrLeadershipLost) {
		for n.leading.Load() && n.raft.State() != raft.Leader { // until lead has heard of it, too
			if err := n.pause(ctx, time.Millisecond); err != nil {
				return nil
			}
		}
		return nil
	}
	return problem.New(problem.Conflict, fmt.Sprintf("the leadership was not handed over: %v", err))
}

// find returns the member with an id.
func find(members []Member, id string) *Member {
	for i := range members {
		if members[i].ID == id {
			return &members[i]
		}
	}
	return nil
}

func voters(members []Member) int {
	n := 0
	for _, m := range members {
		if m.Voter {
			n++
		}
	}
	return n
}
