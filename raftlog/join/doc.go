// Package join is how a node comes to its cluster: by founding it with others, or by being let into one that runs. It
// gives a node the cluster's key, which it must have before it opens its data, and the members that raft begins with. ADR
// 0033 has the reasons.
//
// # Founding
//
// Every founder is started with the number of founders and with addresses of the others. They tell each other who they are
// (peer.CallHello, several times a second) until each has heard of exactly that many. Then each promises the list of all of
// them, on its disk, before it tells anybody; it never promises another one. When a founder has heard the same promise from
// everybody on its list, the list is decided: all nodes begin with it. So a partition delays founding and cannot make two
// clusters of one, because each list needs every node on it, and a node is on one list. The founder with the lowest id makes
// the cluster's key; it gives it to those who promised the same.
//
// Whoever comes late, because it was down between its promise and its first entry, still has the promise, and is given the
// key by any founder that runs. Whoever comes with an empty directory does not: it may have voted and forgotten it. It is
// refused, and joins under another id.
//
// # Joining
//
// A running cluster lets a node in that an operator expects by its id, or that has a token: 32 random bytes, good for one node,
// for a while. Tokens stand in the replicated state as hashes; using one up is one conditional write, so that two nodes with
// the same token do not both come in. Whoever was let in is added as a member without a vote and given the key. Asking again is
// harmless, as long as the node does not vote yet. The id of a member that was removed is never let in again.
//
// # Trust
//
// Names are those of certificates where there are any: a node cannot ask as another. Where the line proves no names, on
// loopback, what a node says is believed.
//
// # Durability
//
// One file, cluster.json, beside cluster.key. It is written whole, synced and renamed before anything depends on it.
//
// # Threads
//
// Enter runs on its caller's goroutine and asks from others, which end with it. Answers run on the connections' goroutines.
// One lock each, in founding; nothing is asked or written under it but the promise.
//
// # What it does not do
//
// It decides nothing about raft's members after the first list: that is package raftlog. It does not promote.
package join
