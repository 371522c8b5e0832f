// Package proxy stands between the nodes of a cluster and makes their connections bad: slow, narrow, silent, or refused. It is the
// network of `drawd bench nemesis --faults link`, where the kernel offers no such thing.
//
// A [Network] has a front for each node, which the others dial in its place. Bytes belong to a link, from one node to another,
// whoever of them dialed: a [Rule] of a link holds for both kinds of connections.
//
//	pass     bytes arrive, late (Delay, Jitter) and at a bounded rate (Rate), in order
//	hold     bytes wait; they arrive when the rule ends, as after a cut that TCP outlives
//	swallow  bytes are taken and never arrive; nobody is told. A connection that lost some is reset when the rule ends
//	refuse   connections are reset, and new ones are, too
//
// # Threads
//
// A connection has four goroutines: for each direction one that reads and one that delivers. Network.mu guards the links and the
// list of connections; nothing waits while it holds it.
package proxy
