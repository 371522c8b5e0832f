// Package dataplane is the HTTP server for draws, on fasthttp: what front servers call. Paths, bodies and codes are those
// of docs/openapi.yaml; the binary form of batches is docs/wire.md.
//
// # One draw
//
// A connection reads and judges the head itself (head.go, conn.go) → the path is matched on its raw bytes (route.go) → the
// gate admits → the body is read strictly (scan.go, drawbody.go) → committed facts answer if they can (replays, denials)
// → the log decides → the record is rendered (package render). On our side a draw and a denial allocate nothing, and a
// test holds that.
//
// # Why connections read heads themselves
//
// fasthttp's parser takes some messages that must be refused (Transfer-Encoding beside Content-Length, folded lines, bare
// LF, HTTP/2 prefaces), and waits for more on others. So it is never shown a client's head: conn checks it, keeps what the
// handler needs, and hands fasthttp a canonical head of three lines in its place. There is one reading of a message and
// not two, hence nothing to smuggle between them; and fasthttp parses a third of the bytes.
//
// # Two lanes
//
// A POST that has arrived whole is answered on the connection's own goroutine inside conn.Read, and fasthttp sees nothing
// of it (lane.go); everything else passes through fasthttp. A handler does not know the difference: it reads
// worker.sent and fills worker.response. What almost every answer has (status, type, Drawd-Index, body) it gives to send
// and sayIndex, which on the short lane leave fasthttp's response alone: its memory would be cold.
//
// # Threads
//
// One goroutine serves a connection (fasthttp's pool) and waits for the log. Workers are pooled and belong to one request;
// nothing of a request outlives its handler. After an unknown outcome the command batch is dropped and not pooled, because
// the log may still write into it. One sweeper goroutine gives up reads and writes that take too long: no timers per
// request. Figures are atomic counters made at the start.
//
// Lock order: Server.open only, and nothing is called while it is held.
//
// # Durability
//
// None of its own. A draw is answered after Decider.Decide returned, and that is after it was synced.
//
// # What it does not do
//
// It decides nothing, stores nothing, and knows no campaign rules; it terminates no TLS (give Serve a TLS listener) and
// compresses nothing. It sends no Date header: the time that counts is in the body.
package dataplane
