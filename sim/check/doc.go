// Package check judges a history: what clients asked and were told, beside the log that decided it. It knows nothing of how
// the history came about.
//
// # What is judged
//
//	gap          the log as it was read has a hole
//	foreign      the log has a command that no client sent
//	twice        one attempt was decided twice
//	effect       an attempt was told that it had no effect, and is in the log
//	lost         an attempt was told its outcome, and is not in the log
//	changed      what an attempt was told is not what the log's entry comes to
//	outcomes     one idempotency key has two first outcomes
//	order        one attempt ended before another began, and stands behind it in the log
//	replay       the engine, led through the log, differs from the reference engine (internal/drawtest)
//	read         a read shows books that were never so, or not since it began
//	seq          the numbers of a campaign's records have a gap or a repetition
//	stock        more units of a prize were won than there ever were
//	linear       no order of the operations on one prize, or of one user, explains the answers (porcupine); also when that
//	             cannot be decided in time: a check that gives up is a failed check
//
// Rules up to stock see every operation. linear sees samples, and nothing of the log: no index, no seq, no position.
//
// # Threads
//
// A History is filled in by one goroutine, or under its owner's lock. [History.Judge] changes nothing in it.
//
// # What it does not do
//
// It compares no replicas, and reads no disk: the simulation does. It does not judge odds, which are bench/oracle's.
package check
