// Package engine is the state machine that decides who wins what.
//
// It is a function of (state, entry): no clock, no I/O, no goroutine, no logger and no randomness of its own. The same
// entries give the same results and the same state on every machine, with any shard count and after any restart.
//
// # One draw
//
// [Engine.Apply] takes one log entry, a header and commands, and decides the commands in order. A draw is one flat
// ladder (draw.go), in the order of the semantics: idempotency, campaign, scope values, caps on draws, exhaustion,
// word, pity, availability, outcome. Each rung is one check, one early return and one named code. All checks of a command
// come before its first write.
//
// # State
//
//   - Subject rows, one per (campaign or namespace, user or device or ip): draw number, the places of the last draw and
//     win, and the counters of the caps. Key rows, one per remembered idempotency key. Both live in pointer-free pages
//     (internal/pages), sharded by the first bits of the subject's key.
//   - Rows of holds and takes, of owners, and of their keys, in the owner's shard, and pools with their books and the sums that
//     come back at each second (stockroom.go).
//   - A campaign: versions, stock cells, control state, seed. A namespace: policy and secret. Documents.
//
// Layouts of rows only grow: a cap id keeps its place for the campaign's life, so that a later version finds the
// counters of an earlier one (layout.go).
//
// # Threads and lock order
//
// One goroutine applies, or (as a library, [Engine.Decide]) many decide at once; readers run beside both. Locks, always
// in this order: the shards of a command (of a help those of both users) ascending without duplicates → the campaign's lock →
// pools' locks, ascending by their refs → the clock's lock.
// Changes to campaigns, policies and namespaces take every shard, ascending, so a draw that holds its shard sees one
// version, one policy and one control state from its first rung to its last. So does, as a library, a draw of a campaign with
// prizes that are chances for another one: it decides by how that one stands. Position, seq and time are assigned while
// all locks of a command are held: commands that touch a common row have their positions in the order of their effects,
// and replaying by position gives the same bytes. The campaign's lock covers the books; as a library it is let go before rows
// and record are written, where these need nothing else of the campaign (tx.commit). So are pools' locks by holds and takes
// (tx.commitHold).
//
// # Determinism
//
//   - D1 The result depends on state and entry only.
//   - D2 Time is the entry's stamp, max(stamp, last), in milliseconds.
//   - D3 No map iteration order in any output.
//   - D4 Integers only: no floats in state or results.
//   - D5 A draw's word is the first 8 bytes of SHA-256(0x01 ‖ seed ‖ user key ‖ draw number ‖ key digest): see odds.go.
//   - D6 Ids come from the log: (index, ordinal). See id.go.
//   - D7 An unknown operation or version halts the replica; behaviour changes of Apply go behind the feature level.
//   - D8 A running hash over (index, entry, results) stands at the head of each record blob. The state hash is a sum of
//     row hashes and depends on no order, no page layout and no log position.
//
// # What it does not do
//
// It does not persist (package storage), replicate (package raftlog), authenticate or render (package server). Request
// rate limits are not its business: it counts decisions, not attempts.
package engine
