// Package sim runs whole clusters in simulated time: the real node (raftlog), the real engine and the real store, on disks that
// forget what was not synced, over a network that is cut, slow or one-way, used by clients that repeat what they were not told
// the outcome of, and broken by nemeses. Afterwards package check judges everything that was answered against the log.
//
// # One world
//
// [Run] opens a bubble of testing/synctest: time moves when everybody waits, so minutes pass in seconds. Within it:
//
//   - machines have a disk (storage.CrashFS), a clock and an address; a run is one life of a process on one.
//   - nemeses (nemesis.go) act at random times, and each takes back what it did after a while.
//   - clients (client.go) draw, hold, take, confirm, restock, publish and read; a third of what they send they send again.
//   - the dump reads what each replica applied, while it does, and compares entries and running hashes.
//   - at the end everything is healed, the replicas must agree, and the history goes to [check.History.Judge].
//
// # What is exact and what is not
//
// A seed chooses what nemeses and clients want. It does not choose the schedule: raft draws its timeouts elsewhere, and the Go
// scheduler is free. So a fault comes with a trace (Report.Trace), and a seed that failed is run again some dozens of times.
//
// Time passes in syncs of the log and on the network only: computing takes none. A process that is killed is cut off from its
// disk, its peers and its clients at one instant; its goroutines end later, unseen. A pause stops a process's disk and
// network but not its timers.
//
// # Threads
//
// World.mu guards the world's lists and counters. No lock is held while simulated time may pass: the bubble would hang.
package sim
