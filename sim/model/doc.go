// Package model runs the state machine under a model of a replicated log: one goroutine, integers for time, everything from
// one seed. The same seed gives the same run, bit for bit, on every machine.
//
// A script of commands (internal/drawtest) is proposed by a leader and decided, entry by entry, by the engine and the
// reference engine, which must agree about everything that can be seen (drawtest.Replay). On the way the model may
//
//   - put several commands into an entry, or an entry twice into the log,
//   - lose what was proposed and is not committed, with its leader; the next one has another clock,
//   - lose a reply: the client sends the command again, later,
//   - let replicas lag, each by its own, with its own number of shards,
//   - take checkpoints while entries go on being applied, give them up, restart a replica from its last one,
//   - bring a replica up by a snapshot of another, or by a damaged one, which must change nothing.
//
// After each entry a replica's running hash, results and records are held against those of the reference's engine; at the
// end every replica's whole state.
//
// It has no disk, no network and no raft: that is package sim's part.
package model
