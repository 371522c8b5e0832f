//go:build !mutants

package mutant

// Planted says whether this build can hold a fault.
const Planted = false

// On reports whether a fault is planted.
func On(Name) bool { return false }

// Clock returns the machine's time in ms, to faults that look at it.
func Clock() int64 { return 0 }

// Proposed tells who proposed the entry that is decided now.
func Proposed(uint64) {}

// Scoped returns a key as the process knows it that proposed the entry in hand.
func Scoped(key *[16]byte) *[16]byte { return key }
