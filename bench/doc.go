// Package bench puts load on drawd and proves, while it measures, that drawd was right.
//
// Scenarios are plain functions: [Flash] (a crowd, then a verdict), [CrashLoop] (SIGKILL under load, again and again),
// [Calibrate] (what this machine can do without drawd) and [Figures] (the table of performance figures beside an empty
// handler). Each takes one options struct whose zero values are the documented defaults and gives a report that prints
// itself as text and marshals as JSON.
//
// # Parts
//
// Package bench/load is the generator: raw TCP connections driven by epoll, requests patched into place, latency
// counted from the intended time. Package bench/oracle is the judge: it recounts stock, caps, keys, odds and books from
// the records feed alone, with its own arithmetic. This package starts daemons, publishes campaigns, plans arrivals,
// keeps the journal of answers and writes reports. Package bench/runfile is the document that a run leaves behind. Package bench/link
// carries messages to agents ([Agent]), which send shares of one schedule from other machines.
//
// # Processes
//
// A daemon under test is always a process of its own, so that it can be killed and its CPU counted. So is the empty
// handler that it is compared with. Both are started from the running binary; the commands can be replaced.
//
// # Verdicts
//
// A run of unary draws at given times has a journal, and every answer is compared. What measures capacity remembers a bit for each
// request (heard) and is recounted afterwards (recount): all records, the books, and a sample that is asked for again.
//
// # Journal
//
// Of every request one row is kept in memory: its state, the seq and the prize it was answered with, the draw's id and
// a 64-bit hash of the answer's bytes. That is about 64 bytes a request, whatever the size of the answers. The journal
// is not on disk: it must outlive the daemon, not the bench.
//
// # Threads
//
// Each load loop is one goroutine locked to one thread. It alone writes the rows of its requests; the others read them
// after the loop has ended. Progress travels over a channel that drops rather than blocks.
//
// # Documents
//
// Every report has a document ([runfile.Run], docs/bench-run.schema.json), whatever the scenario: with the machine (commit,
// Go, processor, cores, kernel, file system, fsync of the same run), a row for each second and whole histograms, so that runs
// can be merged and compared. [Outputs] writes it, holds it against conditions, and keeps the error that tells the exit code.
//
// # What it does not do
//
// It does not average percentiles, hide a slow generator (such a run is INVALID) or leave the verdict out. It proves
// nothing about caps by device or address, because records do not carry them; the report says so when a campaign has
// such caps. Timed figures live here and never in a test.
package bench
