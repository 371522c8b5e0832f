// Package load is the load generator: it sends requests over raw TCP connections at times fixed beforehand (open loop)
// or as soon as the answer before has come (closed loop), and measures.
//
// # Why not an HTTP client
//
// On a machine that the server shares, each microsecond of the generator is taken from the server. A loop here is one
// thread with one epoll instance: a request is a template with a few bytes patched, one write and one read; there is no
// goroutine, channel, timer or allocation per request. It understands just enough HTTP/1.1 for a server that answers
// with a Content-Length, and the framing of RESP2, so that Redis is measured by the same generator.
//
// # What is measured
//
// Latency runs from the time at which a request was due to the time its final answer was read, so that a stalled server
// cannot hide behind requests that were never sent. Service time runs from the write. Lag is the generator's own fault:
// from the moment a request was due and a connection was free to the write. Waiting for a free connection is the
// server's doing: it is in the latency and not in the lag.
//
// # Connections
//
// A connection carries one request at a time and the one that has been idle longest is taken first, so that all of them
// are in use, as those of many front servers would be. When the server refuses connections only one of them keeps
// knocking, every few milliseconds; the others follow when it is let in. Requests whose connection broke are given back
// to the workload, which says whether to send them again.
//
// # Threads
//
// A loop is one goroutine locked to its thread for life; it alone calls its Workload. It asks for a higher priority and
// a fine timer and goes on without them. Statistics are read after Run has returned; OnSecond is called on the loop's
// thread and must not block.
//
// # What it does not do
//
// It runs on Linux only; elsewhere Run says so. It does not pipeline, follow redirects or speak TLS.
package load
