// Package server puts what a node listens with together: the data plane (package dataplane), the control plane (package
// control) and, where it is asked for, the RESP front (package resp), each on its own listener, behind one gate of API keys
// (package access).
//
// A Server is made over an engine that has caught up, because what it may listen on depends on the keys in it: it opens an
// address beyond loopback only with API keys and TLS, or when it is told to be insecure.
//
// Life: New builds, Listen opens all listeners or none, Serve answers until Shutdown. Shutdown turns readiness off, waits
// for DrainDelay so that load balancers see it, lets the data plane finish its requests, and then the control plane, which
// answers readiness until the end. The node behind them is closed after that, by the caller.
//
// Threads: Serve runs one goroutine for each of them beside what they run; Shutdown may be called from any goroutine,
// once. Lock order: none of its own.
//
// Durability: none. It does not parse flags, does not open storage and does not end the process.
package server
