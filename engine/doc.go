// Package engine is the state machine that decides who wins what.
//
// It is a function of (state, entry): no clock, no I/O, no goroutine, no logger and no randomness of its own.
// The same entries give the same results and the same state on every machine, in any batching and with any shard count.
package engine
