// Package drawtest holds a second engine, written from the design pages alone and as naively as it can be, and what is
// needed to compare the real one with it: a generator of campaigns and command streams, a comparison after every command,
// and a shrinker that turns a difference into a script a person can read.
//
// The reference keeps every draw that ever happened in a slice and counts again, from the beginning, whenever a cap asks;
// it does its arithmetic in big.Int and its calendar in package time. It shares with the engine the words of its API
// (engine.Version, engine.Draw, engine.Result, engine.Record) and nothing that decides.
//
// Where it and the engine differ, the design decides who is wrong. Never bend the reference to make a run pass.
//
// What it knows: campaigns with everything that a version can say, chances, lists, switches, voids, awards, codes, guards,
// versions that wait, raffles, and pools with holds. What it does not know yet: approvals, defensive versions, how a win is
// delivered, hits of fatigue caps, and helps.
//
// Threads: a Reference belongs to one goroutine. Durability: none. What it does not do: entries, shards, snapshots and
// locks, which must not show in any result; the metamorphic tests of this package hold the engine to that.
package drawtest
