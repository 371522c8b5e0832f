//go:build mutants

package mutant

import (
	"os"
	"time"
)

// Planted says whether this build can hold a fault.
const Planted = true

var chosen = Name(os.Getenv("DRAWD_MUTANT"))

// On reports whether a fault is planted.
func On(n Name) bool { return n == chosen }

// Clock returns the machine's time in ms, to faults that look at it.
func Clock() int64 { return time.Now().UnixMilli() }
