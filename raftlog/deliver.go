package raftlog

import (
	"fmt"

	"github.com/drawd/drawd/engine"
)

// deliver copies the part of an entry's outcome that belongs to one batch into it. The batch's own records start at
// zero: offsets are moved. first is the number of its first command in the entry.
func deliver(out *engine.Outcome, first, commands int, b *engine.Batch) {
	if first+commands > len(out.Results) {
		panic(fmt.Sprintf("BUG: entry %d has %d results, commands up to %d wait for one", out.Index, len(out.Results), first+commands))
	}
	b.Index, b.Time = out.Index, out.Time
	b.Results = append(b.Results[:0], out.Results[first:first+commands]...)
	b.Records = b.Records[:0]

	// Records stand in the order of their commands, so one batch's are one run.
	begin, end, some := uint32(0), uint32(0), false
	for i := range b.Results {
		r := &b.Results[i]
		if r.Replayed || r.Length == 0 {
			r.Offset, r.Length = 0, 0
			continue
		}
		if !some {
			begin, some = r.Offset, true
		}
		end = r.Offset + r.Length
		r.Offset -= begin
	}
	if some {
		b.Records = append(b.Records, out.Records[begin:end]...)
	}
}
