// Package render turns records, refusals and engine state into bytes of the wire: JSON for people and programs, the
// compact binary form for batches. Both planes use it, so a draw looks the same wherever it is read.
//
// # Renderers
//
// A record names the renderer that its draw was first answered with. A replay is rendered from the record with that
// renderer, and so has the same bytes as the first answer, also after an upgrade and after newer versions of the
// campaign: nothing but the record, the version it names and the id key goes in. Renderers are therefore append-only
// (registry in renderer.go) and each has golden files. Byte identity is per wire form: unary JSON, list JSON, binary.
//
// # Rules
//
// Every function appends to the slice it is given and returns it, allocates nothing beyond the growth of that slice, and
// never fails half-way: bytes that are not UTF-8 become U+FFFD. Objects have their members in a fixed order. Times are
// RFC 3339 in UTC with milliseconds. Money and odds are integers.
//
// Threads: all functions are pure but for [Sealer], which may be used by any number of goroutines. No locks, no I/O, no
// durability. The package knows nothing of HTTP: status codes come from package engine/problem, headers from the planes.
package render
