// Package control is the control plane: it prepares, publishes, watches and stops campaigns, and keeps the keys, over
// net/http. docs/openapi.yaml is its contract; package server opens its listener.
//
// Documents. Drafts and API keys are documents of the engine with a revision that is their ETag. A change names the
// revision that it replaces, so two people cannot overwrite each other. What decides draws (versions, policy, stock) is no
// document: it has commands of its own.
//
// Order. A request is read whole and checked before anything is proposed. Every answer to a change is written after Decide
// returned, so it tells what is durable; what cannot be told is 504 unknown_outcome. Reads are served from this node's
// applied state.
//
// Threads: a [Plane] is an http.Handler, used by any number of goroutines. It holds no lock of its own, but changes of keys
// wait for one another; the engine, the gate and the record store lock themselves. A long poll of the records feed is the
// only handler that waits, and ends early when the request's context does.
//
// Durability: none of its own; everything goes through Decide.
//
// A panic in a handler is answered with 500 internal, whose effect is unknown, is counted and logged with its stack; the
// process goes on. Requests that net/http itself cannot parse never reach this package: net/http answers those with 400 in
// plain text and closes the connection.
//
// It does not decide draws (package dataplane), render records (package render) or check keys (package access).
package control
