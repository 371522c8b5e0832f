// Package odds computes what a campaign really pays: the share of draws that give each prize, with hard and soft pity,
// fallbacks and prizes that are not there.
//
// The numbers are exact: integers and rationals, no sampling. They are what a user gets in the long run who draws on and
// on while the state of the stock (Options) stays as it is; limits of users are not part of it. A prize with a chance of
// 1 % and a guarantee within 100 draws really pays 1.577 %, and this package says so.
//
// # How
//
// A draw's outcome depends on the user's pity counters only. Between two wins of a pity's group its counter runs from 0
// up, so every row is a cycle that starts anew: a share is (expected wins in a cycle) / (expected draws in it), the
// renewal argument (chain.go). With several pities a cycle of one begins at any counter of the others; which one is the
// stationary distribution of a small chain, solved exactly (joint.go). That takes N × M² steps, M being the product of
// the other counters; where it would take too long, Effective says so instead of guessing.
//
// Threads: all functions are pure. No clock, no I/O, no floats.
package odds
