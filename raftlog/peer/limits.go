package peer

import "time"

// The bounds of what one node takes from, and waits for with, another.
const (
	// MaxRequestBytes and MaxResponseBytes bound the bodies of a call.
	MaxRequestBytes  = 1 << 20
	MaxResponseBytes = 4 << 20
	// maxTextBytes bounds the text of a refusal or failure.
	maxTextBytes = 1 << 10

	// MaxInbound is how many connections are open at once that others made, of all kinds together; UsualOfPeer of them one node
	// makes that is well: five of raft's, two that forward, maxAsking with questions. All members together find room
	// (raftlog/limits.go). One more is closed as it comes.
	MaxInbound  = 512
	UsualOfPeer = 5 + 2 + maxAsking
	// maxInboundOfPeer is how many of them one node may have: one that is broken, or not what it was, must not keep out the
	// others. Raft has up to five, forwarding two, calls maxAsking.
	maxInboundOfPeer = 32
	// maxQueued is how many connections of one kind wait for an Accept.
	maxQueued = 16
	// maxAsking is how many questions are under way at once to one address; more wait for their turn. Of their
	// connections maxIdle are kept afterwards.
	maxAsking = 8
	maxIdle   = 2

	// maxNamed is how many addresses are remembered as those of nodes that know KindNamed.
	maxNamed = 64
	// olderAfter is how often in a row one of them closes a connection without an answer before it is taken for an older node.
	olderAfter = 8

	// kindTimeout is for the handshake of the stream and the first bytes, until the kind is known.
	kindTimeout = 5 * time.Second
	// frameTimeout is for a whole frame, from its first byte on; MaxAskTime is for a question with its answer.
	frameTimeout = 10 * time.Second
	MaxAskTime   = 30 * time.Second
	// idleTimeout closes a connection on which nothing is asked; dialTimeout is for making one.
	idleTimeout = time.Minute
	dialTimeout = 5 * time.Second
	// acceptRetry is the pause after an Accept that failed.
	acceptRetry = 50 * time.Millisecond

	// bodyStep is how much of a body is made room for before it arrives.
	bodyStep = 64 << 10
)

// Relations that the code relies on: a negative constant does not fit in a uint.
const (
	_ = uint(MaxResponseBytes - maxTextBytes)
	_ = uint(maxAsking - maxIdle)
	_ = uint(MaxInbound - 2*maxInboundOfPeer)
	_ = uint(MaxAskTime - frameTimeout)
)
