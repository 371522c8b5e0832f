package raftlog

import (
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/raftlog/peer"
)

// The bounds of this package. Those that an operator may move are defaults of Options.
const (
	// DefaultQueueCommands and DefaultQueueBytes bound what waits for an entry; DefaultQueueAge is how long it may wait.
	DefaultQueueCommands = 65536
	DefaultQueueBytes    = 32 << 20
	DefaultQueueAge      = 250 * time.Millisecond
	// doorShare: when the oldest batch has only this part of the queue's age left, nothing more is let in. It would wait as long
	// and be refused then, after its caller was woken for that, at the cost of those who are served.
	doorShare = 5
	// DefaultGiveUp is how long after its dispatch a command's outcome is waited for.
	DefaultGiveUp = 5 * time.Second
	// DefaultDepth and MaxDepth bound the entries in flight. hashicorp/raft syncs on the goroutine that also processes
	// commits: a third entry only delays the answers to the first.
	DefaultDepth = 2
	MaxDepth     = 2

	// DefaultCheckpointBytes of log and DefaultCheckpointInterval lie between two checkpoints; DefaultTrailingBytes of
	// log are kept behind one.
	DefaultCheckpointBytes    = 192 << 20
	DefaultCheckpointInterval = 30 * time.Second
	DefaultTrailingBytes      = 8 << 20
	// stallLimit is how long raft waits for the next bytes of a snapshot; it can do nothing else meanwhile.
	stallLimit = 10 * time.Second
	// pinGrace is how long the log behind a snapshot that was sent is kept, and maxPinnedBytes how much of it (pins.go).
	pinGrace       = 2 * time.Minute
	maxPinnedBytes = 1 << 30
	// blobsPiece is how much of the records behind a snapshot is asked for at once; one entry may have more, up to
	// maxBlobsBytes. After a failure it is tried again after blobsRetry, up to maxBlobsRetry.
	blobsPiece    = 1 << 20
	maxBlobsBytes = 1 << 28
	blobsRetry    = 250 * time.Millisecond
	maxBlobsRetry = 15 * time.Second
	// maxMisses reads at once, each for missTimeout, ask another node for a record that is not here.
	maxMisses   = 16
	missTimeout = 2 * time.Second
	// minTrailingLogs keeps the log from ever becoming empty, so that no truncation reaches its last index.
	minTrailingLogs = 16

	// DefaultSyncLimit is the age at which a running sync ends the process on a leader.
	DefaultSyncLimit = 5 * time.Second
	// followerSyncFactor is by how much longer a follower waits: nobody depends on its disk alone.
	followerSyncFactor = 4
	// transferLimit is for how many election timeouts ErrLeadershipTransferInProgress is believed.
	transferLimit = 3

	// DefaultMinFreeBytes is what must be free on the disk; it holds a checkpoint's log and what a restart writes.
	// spaceInterval is how often that is looked at.
	DefaultMinFreeBytes = 512 << 20
	spaceInterval       = 2 * time.Second
	// memoryInterval is how often the state's memory is looked at: at a million new keys a second it grows by 30 MB between two looks.
	memoryInterval = time.Second

	// watchInterval is the resolution of every age above.
	watchInterval = 25 * time.Millisecond
	// tickInterval is the least time between two ticks; tickLookAhead the longest sleep of the ticker while something
	// is due later.
	tickInterval  = 50 * time.Millisecond
	tickLookAhead = time.Minute

	// stampSlack is what log time may gain on the monotonic clock between two moves; startAhead how far ahead of the
	// last stamp a clock may be when a node starts.
	stampSlack = 500 * time.Millisecond
	startAhead = 24 * time.Hour

	// maxEntryCommands bounds the commands of one entry: each may leave MaxTimes records, and a record's ordinal is a
	// uint16.
	maxEntryCommands = engine.MaxEntryRecords / engine.MaxTimes

	// MaxVoters bounds the members that vote, MaxMembers all of them; maxNodeID and maxAddress their names, in bytes.
	MaxVoters  = 7
	MaxMembers = 32
	maxNodeID  = 64
	maxAddress = 255

	// A cluster: with pre-vote the second follower's timer decides, so longer timers are felt twice. The lease is shorter
	// than the timeout, so that a leader without a majority stops before another one may begin.
	clusterTimeout = 500 * time.Millisecond
	clusterLease   = 250 * time.Millisecond
	// peerTimeout bounds one message between nodes: for so long does a broken connection keep raft from making another.
	peerTimeout = 2 * time.Second
	// configurationTimeout is for a change of the members to be taken by raft's main goroutine.
	configurationTimeout = 5 * time.Second
	// pingInterval is between two pings to one node, pingTimeout for one answer. An answer tells something for freshFor, its
	// clock, if it came within clockRTT, for clockFor.
	pingInterval = 500 * time.Millisecond
	pingTimeout  = 2 * time.Second
	// shutAgain is between two pings to a leader that takes no commands: whoever sends him some is not ready meanwhile.
	shutAgain = 50 * time.Millisecond
	freshFor  = 3 * time.Second
	clockRTT  = 250 * time.Millisecond
	clockFor  = 30 * time.Second
	// clockTolerance is how far a clock may be off the voters' median and still stamp entries.
	clockTolerance = 500 * time.Millisecond
	// A node that comes to lead waits for the clocks of a majority for this part of an election timeout, and looks every clockLook.
	clockWaitShare = 2
	clockLook      = 10 * time.Millisecond
	// wedgedAfter is for how long a node may apply nothing while the leader is ahead, until it says so.
	wedgedAfter = 5 * time.Second
	// hashStride is how many log indexes lie between two running hashes that are kept for comparison; maxSamples of them
	// travel in a ping, the newest one included.
	hashStride = 256
	maxSamples = 16
	// promoteLag is how many entries a member may be behind and still become a voter.
	promoteLag = 1024
	// moveTimeout bounds what a node does by itself about the leadership or the feature level, movePause is the pause
	// before it does so again.
	moveTimeout = 10 * time.Second
	movePause   = 5 * time.Second
	// What was seen of other members is written down every witnessEvery, and at once when it is about a term.
	witnessEvery = 5 * time.Second
	// A node that comes back is told what others know of it: it asks every recallEvery, and waits for recallGrace for those that a
	// majority does not need.
	recallEvery = 100 * time.Millisecond
	recallGrace = 2 * pingInterval
	// takeOverRetry is the pause after a take-over that failed while this node still leads.
	takeOverRetry = 250 * time.Millisecond

	// Forwarding. maxFrames bounds the frames that one node has under way to the leader, maxTaken those that a leader takes
	// from one connection before it stops reading it, maxTakers its connections of one node.
	maxFrames = 32
	maxTaken  = 64
	maxTakers = 4
	// maxOutcomeBytes bounds the payload of an answer; a larger one is told as an unknown outcome. maxRefusalDetail bounds
	// the text of a refusal.
	maxOutcomeBytes  = 64 << 20
	maxRefusalDetail = 1 << 10
	// forwardBuffer is the buffer of a connection; memory beyond keptBuffer is not kept for the next frame.
	forwardBuffer = 64 << 10
	keptBuffer    = 1 << 20
	// linkTimeout is for making a connection to the leader, writeTimeout for writing what stands together; linkRetry is the
	// pause after a connection that could not be made.
	linkTimeout  = time.Second
	writeTimeout = 5 * time.Second
	linkRetry    = 100 * time.Millisecond
	// laneGrace is for how long a former leader may still answer what it was sent.
	laneGrace = 500 * time.Millisecond
	// movedWait is for how long somebody who was refused because the leadership moves waits for the next leader, from the
	// refusal; movedLook how often he looks. Who refused is asked again after lostLooks: it leads still, or by now.
	movedWait = 250 * time.Millisecond
	movedLook = 5 * time.Millisecond
	lostLooks = 10
	// behindLimit is for how long an answer waits until this node has applied what it tells of.
	behindLimit = time.Second

	// settleEvery is between two questions to the leader for what is not known here, settleLimit for one of them with what
	// follows; at most maxSettling wait for the next one.
	settleEvery = 10 * time.Millisecond
	settleLimit = time.Second
	maxSettling = 1024

	// One node: a lone voter would otherwise wait its whole timeout for a leader that cannot exist.
	oneNodeTimeout = 20 * time.Millisecond
	commitTimeout  = 10 * time.Millisecond
	// maxAppendEntries counts entries and not bytes: 64 × MaxEntryBytes is a message of 16 MiB.
	maxAppendEntries = 64
	// rpcTimeout bounds one message of a node to itself, and what Open gives Close.
	rpcTimeout = 10 * time.Second
)

// Relations that the code relies on: a negative constant does not fit in a uint.
const (
	_ = uint(maxEntryCommands - engine.MaxBatchDraws)
	_ = uint(DefaultQueueBytes - engine.MaxEntryBytes)
	_ = uint(maxTaken - maxFrames)
	_ = uint(peer.MaxInbound - (MaxMembers-1)*peer.UsualOfPeer)
	_ = uint(engine.MaxEntryBytes - engine.EntryHeaderSize - engine.MaxCommandBytes - engine.CommandHeaderSize)
)
