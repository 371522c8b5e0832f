// Command drawd is the one binary: daemon, client, load generator and checker.
//
// main hands over to run, which builds the command tree and turns what comes back into an exit code. Flags, environment
// and the configuration file live here only; every other package takes an Options struct.
//
// Files: serve.go tells the daemon's life, node.go builds a node in order and takes it down in reverse, dev.go is a node
// that is thrown away; check*.go reads a stopped node's data; bench.go wraps package bench. The other commands are clients of
// a running node: client.go sends for them, lines.go imports files of lines, output.go prints tables.
//
// Threads: commands run on the main goroutine; a daemon's own goroutines belong to the packages it starts. Signals
// arrive on a channel and are handled by the goroutine that started the command.
//
// Durability: this package writes one file itself, cluster.key, synced before the first entry of the log.
//
// Not here: anything that decides, stores or answers.
package main
