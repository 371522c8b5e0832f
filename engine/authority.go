package engine

// Authority is what a node must be to have a command decided that came in at it.
type Authority uint8

// From what any member may send to what nobody sends.
const (
	AuthorityFront    Authority = iota // the data plane asks for it: whoever terminates HTTP
	AuthorityOperator                  // the control plane asks for it: a node with a vote
	AuthorityLeader                    // the leader alone proposes it, for itself
)

// AuthorityOf returns the most that one of the commands takes. A command that is not known here takes an operator's.
func AuthorityOf(commands []byte, count int) (Authority, error) {
	most := AuthorityFront
	for range count {
		o, _, rest, err := nextCommand(commands)
		if err != nil {
			return most, err
		}
		most, commands = max(most, o.authority()), rest
	}
	return most, nil
}

func (o op) authority() Authority {
	switch o {
	case opDraw, opTick, opAbandon, opGrant, opRevoke, opHit, opHelp, opTake, opHold, opConfirm, opRelease, opExtend, opVoidHold, opVoidTake, opMoveAward:
		// A tick is a barrier: the leader stamps its time. An award is moved by whoever claims it.
		return AuthorityFront
	case opInit, opRaise, opRestored:
		return AuthorityLeader
	}
	return AuthorityOperator
}
