// Package peer carries bytes between the nodes of a cluster: one listener for everything that they say to each other.
//
// A [Stream] is what connections are made of: TCP under mutual TLS, or pipes in memory. A [Mux] shares one among the
// kinds of conversation. The first byte on a connection, written by the side that dialled, is [KindNamed]: both sides name their
// cluster, and nodes of two clusters hang up. From there on the connection belongs to its [Kind]: to raft's transport, to
// forwarded commands, or to calls. Nodes of an older version begin with the kind itself.
//
// # Calls
//
// A [Call] is one question with one answer, for what is asked now and then: [Mux.Ask] on one side, [Mux.Answer] on the other.
// Connections for calls are kept and used again, one question at a time on each, so that a slow answer delays no other
// question. A question may arrive twice, when a kept connection breaks under it: who answers must not mind. One frame is
//
//	offset 0  u32  bytes of the body
//	       4  u32  CRC-32C of everything from offset 8 to the end
//	       8  u8   version of this layout: 1
//	       9  u8   1 question, 2 answer, 3 refusal, 4 failure, 5 nobody answers this call here
//	      10  u8   the call
//	      11  u8   the problem's code, in a refusal; else 0
//	      12  u32  milliseconds for which the answer is waited for, in a question; else 0
//	      16  body: what is asked; what is answered; the text of a refusal or failure
//
// little endian. A frame that breaks a bound or a checksum ends its connection; nothing is guessed.
//
// # What a peer can cost
//
// A peer is authenticated by the stream, before its first byte can be read, and then trusted with no more than
// limits.go: connections, bytes in a frame, the time for the first byte, for a frame, for an idle connection. Memory for
// a body is taken as it arrives and not as it is announced.
//
// # Threads
//
// One goroutine accepts, one runs for each connection that was accepted. Ask and Dial may be called by any number.
// There are two locks, Mux.mu and the one in each Pipes; neither is held while something is called, sent or waited for.
//
// # What it does not do
//
// It encrypts nothing and knows no certificate: that is the stream's. It repeats no question by itself but the one that a
// kept connection lost, and it keeps no order between questions.
package peer
