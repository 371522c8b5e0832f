// Package resp is an optional listener that speaks RESP2, the protocol of Redis, so that redis-cli, redis-benchmark and any
// Redis client can draw, take and hold. Commands, replies and limits are docs/resp.md's; what a command means is the data
// plane's: the same keys, the same checks, the same records.
//
// # One read, one proposal
//
// Whatever commands have come whole with one read are taken together: what changes something is collected into one batch
// of commands, and the batch goes to the log before the first reply to any of them is written. So a pipeline of a hundred
// draws costs one entry. A command that only reads waits for what stands before it in the pipeline: replies are in order,
// and a client reads what it has written.
//
// # Why commands are parsed here
//
// A bulk length of 2^63-1 makes the parser that was to be used (redcon 1.6.2) index before its slice, which ends the
// process; a count of 10^12 arguments keeps it busy for minutes, and neither an argument nor an unfinished command has a
// bound. All that happens before AUTH. The parser here (protocol.go) is fuzzed, bounded, and aliases the read buffer.
//
// # Threads
//
// One goroutine serves a connection and waits for the log. Server.open guards the list of connections; nothing is called
// while it is held. After an unknown outcome the batch is dropped, because the log may still write into it.
//
// # Durability
//
// None of its own: a reply is written after Decider.Decide returned, and that is after it was synced.
//
// # What it does not do
//
// RESP3, transactions, scripts, subscriptions, databases. Signed tickets and attributes out of them: a front that
// cannot be trusted belongs on HTTP.
package resp
