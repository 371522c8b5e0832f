//go:build mutants

package mutant

import (
	"os"
	"sync/atomic"
	"time"
)

// Planted says whether this build can hold a fault.
const Planted = true

var (
	proposer atomic.Uint64
	chosen   = Name(os.Getenv("DRAWD_MUTANT"))
)

// On reports whether a fault is planted.
func On(n Name) bool { return n == chosen }

// Clock returns the machine's time in ms, to faults that look at it.
func Clock() int64 { return time.Now().UnixMilli() }

// Proposed tells who proposed the entry that is decided now. Replicas that decide at once would mix this up; the
// simulation runs them on one processor.
func Proposed(by uint64) { proposer.Store(by) }

// Scoped returns a key as the process knows it that proposed the entry in hand.
func Scoped(key *[16]byte) *[16]byte {
	k := *key
	k[5] ^= byte(proposer.Load())
	return &k
}
