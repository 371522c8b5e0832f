package raftlog

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/failpoint"
	"github.com/drawd/drawd/raftlog/peer"
	"github.com/drawd/drawd/storage"
)

// Exit codes that this package gives to Options.Exit, with a reason that says what to do.
const (
	ExitFailed = 1                // this node cannot go on with what it has read
	ExitDisk   = storage.ExitDisk // the disk failed, or does not answer
)

// Options configures a Node. Zero values mean the documented default.
type Options struct {
	NodeID string         // this node's server id; it must never change on a data directory. Default "node-1"
	Store  *storage.Store // the open data directory; the caller closes it after Close. Required
	Engine *engine.Engine // empty; Open fills it from the checkpoint and the log. Required
	Clock  Clock          // default: the machine's
	Logger *slog.Logger   // default: slog.Default()
	// Entropy is where the secrets of a new cluster come from; default crypto/rand. It is read by one goroutine, once.
	Entropy io.Reader
	// Exit ends the process. It must not return; when it does, the node refuses everything. It may be called while the
	// disk hangs: it must not wait for one. Default: one line to stderr, then os.Exit.
	Exit    func(code int, why string)
	Metrics *metrics.Set // where drawd_raft_* and drawd_proposer_* are registered; default: a set of its own

	QueueCommands int           // commands that may wait for an entry; default DefaultQueueCommands
	QueueBytes    int           // their bytes; default DefaultQueueBytes
	QueueAge      time.Duration // how long a command may wait; default DefaultQueueAge
	GiveUp        time.Duration // how long an outcome is waited for after dispatch; default DefaultGiveUp
	EntryBytes    int           // where an entry is full; default and maximum engine.MaxEntryBytes
	Depth         int           // entries in flight, 1 or 2; default DefaultDepth

	CheckpointBytes    int64         // log between two checkpoints; default DefaultCheckpointBytes
	CheckpointInterval time.Duration // least time between two; default DefaultCheckpointInterval
	TrailingBytes      int64         // log kept behind a checkpoint; default DefaultTrailingBytes

	// FreeBytes returns the room on the disk; default Store.FreeBytes. Below MinFreeBytes (default DefaultMinFreeBytes)
	// commands are refused as storage_low.
	FreeBytes    func() (uint64, error)
	MinFreeBytes uint64
	// MaxStateBytes bounds the memory of the engine's pages (Engine.Bytes). At it, commands under new keys are refused as
	// capacity, before they are in the log. Default 0: no bound.
	MaxStateBytes uint64

	SyncLimit       time.Duration // age of a running sync that ends the process; default DefaultSyncLimit
	ElectionTimeout time.Duration // heartbeat and election timeout; default 20 ms for one node, 500 ms in a cluster
	LeaseTimeout    time.Duration // leader lease; default 20 ms for one node, 250 ms in a cluster

	// Stream carries raft's messages of one node; default: one in memory that reaches this node only. The node closes it.
	Stream StreamLayer

	// Peers makes this node one that may have others beside it, and carries everything that they say to each other. NodeID
	// must be set then. The node serves it; whoever made it closes it, after Close.
	Peers *peer.Mux
	// Found is the members that an empty data directory begins with, this node among them; all of them vote. Every founder
	// passes the same list. Whoever passes it answers for it that none of them has had a data directory before: a node
	// that lost its disk must come back under another id, by AddMember. On a directory with a past it means nothing.
	Found []Member
	// API is where clients reach this node, and Build the version of its program: both are told to the other members.
	API, Build string
	// Outcast reports whether a node that is no member has been removed, or never votes: what it says of this node while it starts
	// is not believed. Default: no node is. It may be asked before the log is opened, and then says no.
	Outcast func(id string) bool
	// BlobsComplete reports whether this node has the record blobs of everything that it applied; only then may it become
	// a voter. Default: the node knows itself.
	BlobsComplete func() bool

	// Skip names one entry that is not applied: the escape from an entry that stops the node (poison). Both the index and
	// the hash come from the message with which the node stopped. It is recorded in the log output.
	Skip SkipEntry
}

// SkipEntry names one log entry. The zero value names none.
type SkipEntry struct {
	Index uint64
	Hash  string // as the node printed it
}

// withDefaults returns o with every zero value replaced.
func (o Options) withDefaults() Options {
	def(&o.NodeID, "node-1")
	def(&o.QueueCommands, DefaultQueueCommands)
	def(&o.QueueBytes, DefaultQueueBytes)
	def(&o.QueueAge, DefaultQueueAge)
	def(&o.GiveUp, DefaultGiveUp)
	def(&o.EntryBytes, engine.MaxEntryBytes)
	def(&o.Depth, DefaultDepth)
	if failpoint.Built {
		def(&o.CheckpointBytes, failpoint.CheckpointBytes)
		def(&o.CheckpointInterval, failpoint.CheckpointInterval)
		def(&o.TrailingBytes, failpoint.TrailingBytes)
	}
	def(&o.CheckpointBytes, DefaultCheckpointBytes)
	def(&o.CheckpointInterval, DefaultCheckpointInterval)
	def(&o.TrailingBytes, DefaultTrailingBytes)
	def(&o.MinFreeBytes, DefaultMinFreeBytes)
	def(&o.SyncLimit, DefaultSyncLimit)
	election, lease := oneNodeTimeout, oneNodeTimeout
	if o.Peers != nil {
		election, lease = clusterTimeout, clusterLease
	}
	def(&o.ElectionTimeout, election)
	def(&o.LeaseTimeout, min(lease, o.ElectionTimeout))
	if o.FreeBytes == nil && o.Store != nil {
		o.FreeBytes = o.Store.FreeBytes
	}
	if o.Clock == nil {
		o.Clock = newSystemClock()
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Entropy == nil {
		o.Entropy = rand.Reader
	}
	if o.Exit == nil {
		o.Exit = exitProcess
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	if o.Stream == nil {
		o.Stream = newLoopLayer(o.NodeID)
	}
	return o
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports every fault of o at once.
func (o Options) Validate() error {
	anonymous := o.NodeID == ""
	o = o.withDefaults()
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf("raftlog: "+format, args...))
		}
	}
	fault(o.Store == nil, "Store is missing")
	fault(o.Engine == nil, "Engine is missing")
	fault(o.QueueCommands < engine.MaxBatchDraws, "QueueCommands is %d; one batch may have %d commands", o.QueueCommands, engine.MaxBatchDraws)
	fault(o.QueueBytes < engine.MaxEntryBytes, "QueueBytes is %d; one batch may have %d bytes", o.QueueBytes, engine.MaxEntryBytes)
	fault(o.QueueAge < watchInterval, "QueueAge is %v; ages are measured in steps of %v", o.QueueAge, watchInterval)
	fault(o.GiveUp < o.QueueAge, "GiveUp is %v, less than QueueAge, %v", o.GiveUp, o.QueueAge)
	fault(o.EntryBytes < 4096 || o.EntryBytes > engine.MaxEntryBytes, "EntryBytes is %d; it must be 4096 to %d", o.EntryBytes, engine.MaxEntryBytes)
	fault(o.Depth < 1 || o.Depth > MaxDepth, "Depth is %d; it must be 1 to %d", o.Depth, MaxDepth)
	fault(o.CheckpointBytes < 0, "CheckpointBytes is %d", o.CheckpointBytes)
	fault(o.CheckpointInterval < 0, "CheckpointInterval is %v", o.CheckpointInterval)
	fault(o.TrailingBytes < 0, "TrailingBytes is %d", o.TrailingBytes)
	fault(o.SyncLimit < 4*watchInterval, "SyncLimit is %v; it must be at least %v", o.SyncLimit, 4*watchInterval)
	fault(o.ElectionTimeout < 5*time.Millisecond, "ElectionTimeout is %v; it must be at least 5ms", o.ElectionTimeout)
	fault(o.LeaseTimeout < 5*time.Millisecond || o.LeaseTimeout > o.ElectionTimeout, "LeaseTimeout is %v; it must be 5ms to ElectionTimeout, %v", o.LeaseTimeout, o.ElectionTimeout)
	fault(o.Peers != nil && anonymous, "NodeID is missing; with Peers every node has one of its own")
	fault(len(o.Found) > 0 && o.Peers == nil, "Found needs Peers")
	if err := checkFounders(o.NodeID, o.Found); err != nil {
		faults = append(faults, fmt.Errorf("raftlog: %w", err))
	}
	fault((o.Skip.Index == 0) != (o.Skip.Hash == ""), "Skip needs both an index and a hash")
	return errors.Join(faults...)
}

// exitProcess is the default Exit. Standard error may be a pipe that nobody reads: the line gets a moment, not a veto.
func exitProcess(code int, why string) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = os.Stderr.WriteString("drawd: " + why + "\n")
	}()
	timer := time.NewTimer(200 * time.Millisecond)
	select {
	case <-written:
	case <-timer.C:
	}
	os.Exit(code)
}
