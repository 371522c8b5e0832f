package engine

import (
	"bytes"
	"math/rand/v2"
	"sync"

	"github.com/drawd/drawd/engine/problem"
)

// act is a command that took a position, as the goroutine saw it that decided it.
type act struct {
	commands, records []byte
	at                UnixMilli
	result            Result
}

// crowdSize is how many goroutines a crowd has.
const crowdSize = 8

// together lets goroutines decide on x at once, each of them so many commands: next adds one to b and returns its time. What took a
// position comes back in the order of the positions.
func (x *table) together(each int, next func(b *Batch, rng *rand.Rand, worker, i int) UnixMilli) []act {
	x.Helper()
	all := make([][]act, crowdSize)
	var wg sync.WaitGroup
	for w := range all {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 9))
			var b Batch
			for i := range each {
				b.Reset()
				if err := x.Decide(&b, next(&b, rng, w, i)); err != nil {
					x.Error(err)
					return
				}
				if r := b.Results[0]; r.Code == problem.OK && !r.Replayed && r.Records > 0 {
					all[w] = append(all[w], act{bytes.Clone(b.commands), bytes.Clone(b.Records), b.Time, r})
				}
			}
		})
	}
	wg.Wait()
	var order []act
	for _, part := range all {
		order = append(order, part...)
	}
	sortBy(order, func(a, b act) bool { return a.result.At.Less(b.result.At) })
	return order
}

// again decides the acts of a crowd one after the other on y, which is as x was before, and ends both with a tick: each must
// leave the same records, as far as told shows them, and all together the same state.
func (y *table) again(x *table, acts []act, end UnixMilli, told func(records []byte) []byte) {
	y.Helper()
	for i := range acts {
		a := &acts[i]
		b := Batch{commands: a.commands, count: 1}
		if err := y.Decide(&b, a.at); err != nil {
			y.Fatal(err)
		}
		if got := b.Results[0]; got.Code != problem.OK || got.Replayed || !bytes.Equal(told(b.Records), told(a.records)) {
			y.Fatalf("position %v: %+v %x, decided as %+v %x", a.result.At, got, b.Records, a.result, a.records)
		}
	}
	for _, e := range []*table{x, y} { // refusals move time as well
		var b Batch
		b.AddTick()
		if err := e.Decide(&b, end); err != nil {
			y.Fatal(err)
		}
		e.sound()
	}
	if x.StateHash() != y.StateHash() {
		y.Error("another state")
	}
}

// whole shows all of the records.
func whole(records []byte) []byte { return records }
