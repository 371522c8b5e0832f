//go:build !nextlevel

package engine

import "fmt"

// What the build tag nextlevel adds (nextlevel.go); here it is nothing, at compile time.
const (
	nextLevels = 0
	levelNext  = NewestLevel + 1
	opNext     = op(0)
)

func (*tx) told(left Quantity) Quantity { return left }

// applyNext refuses an operation that this build does not know.
func (*tx) applyNext(o op, _ *reader) (Result, error) {
	return Result{}, fmt.Errorf("%w: operation %d", ErrUnknownEntry, o)
}
