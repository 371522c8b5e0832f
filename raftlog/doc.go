// Package raftlog is the replicated log: the way of a batch of commands into it, and of their results out of it. It is the
// only importer of hashicorp/raft and knows its traps (raft-and-pebble.md; the tests carry the numbers of its rules).
//
//	Decide → queue → fly: stamp, entry → raft → logStore: sync → raft: commit → fsm: engine.Apply, blob → land → Decide
//
// # One batch
//
// [Node.Decide] puts a batch into the queue and waits. The proposer takes everything that waits, up to 256 KiB, makes one
// entry of it, stamps it and hands it to raft; while that is on its way the queue fills again. A batch is never split, and
// two batches are never reordered. Batching needs no timer: it comes from the time that an entry takes. A second entry is
// put in flight only when a whole one waits, because raft syncs and processes commits on one goroutine.
//
// Commands stay in their callers' batches until they are dispatched. So the queue's lock is held for a few words, and a
// batch that waited for longer than QueueAge can still be taken out: by the watch, also while the log hangs. Once a batch
// is dispatched it is never refused, only given up, after GiveUp, with an effect that is unknown. Who may answer a batch is
// decided by one compare-and-swap on its waiter (waiter.go): an outcome that comes after its caller was told "unknown"
// touches nothing.
//
// # Time
//
// Entries are stamped from [Clock] by the stamper (stamper.go has the rules, as a value without a clock). A clock that
// breaks them shuts the gate with clock_skew: every Decide is refused, effect none, until the clock agrees (looked at every
// 25 ms) or [Node.AcceptClock] takes it as it is. Accepting is not an entry of its own: it is in the log output, and in the
// stamp of the next entry, which every replica applies as it stands. When something is due (engine.NextDue) and no command
// is on its way, the ticker proposes an OpTick, at most every 50 ms.
//
// # A cluster
//
// With Options.Peers a node has others beside it, and everything between them runs over that one mux (package raftlog/peer): raft's
// messages, forwarded batches, calls. A leader takes commands once everything that earlier leaders committed is applied (lead);
// every other node sends its batches there (elsewhere.go). Members are changed by the leader, asked from anywhere (members.go).
//
// Every 500 ms each member asks each other one where it stands (ping.go), and concludes for itself (judge.go): a node that a
// majority disagrees with, by running hashes at one index, ends; without a majority the gate is shut; a clock that is off the
// voters' median stamps nothing, and its leader hands over; the feature level is raised once every voter supports the next; who
// was removed, or applies nothing while the leader goes on, says so. ADR 30 has the reasons.
//
// A forwarded batch travels in a frame with everything that waited beside it, and is one batch in the leader's queue. The leader
// decides it or refuses it and never hands it on. Not sent, or refused with the effect none because the leadership moves: tried
// once more when another leader appears within 250 ms. Sent, and the connection or the leader lost: unknown_outcome. The answer is
// delivered when this node has applied the entry, or after a second without; a barrier (an empty batch) only when it has. ADR 31.
//
// A node with a past takes part again once a majority told what they have seen of it, and nothing of that is missing on its disk
// (witness.go, recall.go, ADR 40); until then raft's connections wait, and it does not campaign.
//
// A node that begins with an empty data directory and does not found gives no vote until its log says that it was added
// without one (novice.go, rule 18). Close hands the leadership over before it takes its checkpoint.
//
// # Goroutines
//
//   - callers: Decide; they park on a pooled waiter. No goroutine, channel or timer per call.
//   - fly: takes from the queue, stamps, encodes, hands to raft.
//   - land: waits for raft's futures in order, copies results into batches, wakes callers: off the goroutine that applies.
//   - raft's main goroutine: appends and syncs (logStore), commits. Raft's FSM goroutine: the fsm, in log order.
//     Raft's snapshot goroutine: writes a checkpoint's pages while entries go on being applied.
//   - watch: every 25 ms, ages: of commands in the queue and in flight, of a running sync; the clock, while it is not trusted.
//     It touches neither disk nor logger.
//   - lead: on a new leadership, waits for the barrier, proposes the cluster's first entry if need be, opens the gate.
//   - attend, in a cluster: ages of forwarded batches, who leads, how old this node's facts are.
//   - of a lane, the way to a leader (lane.go): fly sends frames, one reads each connection, land delivers when this node has
//     applied what the answers tell of. Of a connection that another node forwards on (taker.go): one reads, one writes.
//   - progress: wakes who waits until this node has applied an index.
//   - pinger, in a cluster: the pings, and what is concluded from them; a short one for each question under way.
//   - ticker, checkpointer, space, blobs: what their names say; they sleep while there is nothing to do. memory, where it is bounded.
//
// # Locks
//
// queue.mu, hall.air, lane.mu, forwarding.mu, takers.mu, progress.mu, gate.mu, timekeeper.mu, checkpointer.mu, fsm.conf,
// pinger.mu, judged.mu, hashRing.mu, witness.mu, recall.mu. None is taken while another is held, and nothing is called, sent or written under one; but
// forwarding.mu asks raft who leads, and progress.mu leaves a token with whoever waits.
//
// snapshotStore.turn (to write a checkpoint, this node's or one that came), Node.backup and blobs.answer are turns, not guards of
// fields: they are held over I/O, and nobody who holds one waits for raft.
//
// # Durability
//
// A Decide that returned nil is in the log, synced, applied, and its records are in the store: nothing acknowledged is
// lost by a kill or a power cut. Records and checkpoints are not synced by themselves; the log rebuilds them. The one
// durable index is that of the newest checkpoint's manifest: raft's snapshot is made up from it, a restart loads its pages,
// proves that the log continues it (storage.Log.Verify) and replays the rest, comparing with the records that are there.
// Before raft cuts the log, the records up to the checkpoint are synced, then its pages, then its manifest.
//
// A checkpoint is taken after CheckpointBytes of log, at least CheckpointInterval after the last, and by Close. The state is
// cut between two entries, on the FSM goroutine, without copying a page; drawd_raft_checkpoint_pause_seconds is that time.
//
// # Snapshots
//
// A node whose log the leader no longer continues is sent the leader's newest checkpoint, as a stream of checksummed frames, read
// from one cut of the database while draws and checkpoints go on (snapshotstream.go). The node that takes it builds a machine
// and a checkpoint beside its own; when all of it is proven, the checkpoint is committed, with the range of entries whose records
// it does not have; the log is deleted, the snapshot's chain hash its new base; and Restore swaps the machine. A stream that
// breaks at any point leaves the old state. While one is sent, and for two minutes after, the log from it on is kept (pins.go).
//
// The records of the entries before it are fetched behind it, from any node that has them, piece by piece in the order of the
// log, proven, across restarts (blobs.go). Until then [Node.Records] asks another node for one that is not here, and refuses
// with record_elsewhere when none gives it. A node without all its records is not to be promoted: [Node.BlobsComplete].
//
// # What ends the process
//
// Options.Exit is called, with a reason that says what to do, when a write to the log or a stable value fails, when such a
// write has been running for SyncLimit on a leader (four times that on a follower: a hung disk would keep its leadership for
// ever), when an entry cannot be applied or a replay gives other records, when a leadership transfer does not end, when a majority
// of the voters has another running hash, and when the cluster knows a voter by this id and the data directory was empty. A poison entry can be left out with Options.Skip, by its index and hash; that is written to the log output.
//
// # Errors of Decide
//
//	overloaded       the queue is full, or the batch waited too long, or raft took no entry     effect none
//	no_leader        starting, nobody leads, shutting down, stopped, transferring, diverged    effect none
//	conflict         the operation comes with a later feature level                            effect none
//	clock_skew       see Time                                                                   effect none
//	storage_low      less than MinFreeBytes on the disk                                         effect none
//	capacity         a new key, and the state takes MaxStateBytes of memory                     effect none
//	unknown_outcome  the leadership or the node went while the entry was on its way; GiveUp     effect unknown
//	record_elsewhere of Records and Scan: decided, and not here yet                            effect none
//	ErrBatchTooLarge the caller did not bound its batch                                         effect none
//
// errors.go has the one table from raft's errors to these. After an unknown outcome the batch must be dropped.
//
// # What it does not do
//
// It encrypts nothing and makes no certificate: that is the stream under Options.Peers (raftlog/peer/mtls), and who may join is
// decided in raftlog/join. It does not decide when a member is promoted or removed: people do, or who calls. It does not route
// reads: an empty batch is the barrier of a linearizable one. It does not authenticate clients, rate-limit or render.
//
// What was measured, on two cores, is with the benchmarks (bench_test.go) and at the lines it decided.
package raftlog
