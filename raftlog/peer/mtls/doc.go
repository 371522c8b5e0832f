// Package mtls is the line between nodes: TLS 1.3 on both sides with certificates of a private authority, so that no byte of
// a stranger reaches raft, which decodes whatever it is given (raft-and-pebble.md, rule 19).
//
// An [Authority] signs a certificate for each node. It names the node (a URI, urn:drawd:node:ID) and the hosts at which the
// node is dialled, and it is good for both sides of a connection. A [Stream] listens and dials with one. Who dials checks the
// host as everybody does; who accepts checks that there is a certificate, that the authority signed it, that it is in time and
// for a client, and which node it names ([Conn.PeerName]). What a node may do is decided above: a certificate only says who.
//
// # Strangers
//
// A handshake has a goroutine and a deadline of its own, so who dials and says nothing does not hold Accept. There are at most
// MaxPending of them; one more cuts the oldest off, which a node of ours, done in two round trips, hardly ever is.
//
// # Rotation
//
// The files are read again when they have changed (every ReloadEvery) and by Reload. Files that do not fit together leave what
// is in force, and say so. The authority's file may hold several certificates: first the new authority is added on all nodes,
// then their certificates are replaced, then the old one is taken out. Connections whose certificate is no longer good, by the
// authorities or by time, are closed then.
//
// # Threads
//
// One goroutine accepts, one watches the files, one for each pending handshake. Lock order: Stream.mu alone; nothing is
// written, closed or logged under it.
//
// # What it does not do
//
// Revocation lists: a node that is removed stays authenticated until its certificate ends, and who is a member is replicated
// state. It does not know raft, nor what is said on a connection. [ListenPlain] has no protection at all, for one machine.
package mtls
