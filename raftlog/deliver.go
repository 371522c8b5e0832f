package raftlog

import (
	"fmt"
	"sync"

	"github.com/drawd/drawd/engine"
)

// leastShare is how many batches of a flight are worth a goroutine more.
const leastShare = 64

// deliver copies the outcome into each waiting batch, tells those who want to hear of it (engine.Batch.Landed), and then wakes
// the callers. What is told may be an answer that is written to a socket: that is most of the work of a draw, so where there are
// processors to spare a large flight is shared out. It reports whether anybody was told.
func (h *hall) deliver(f *flight, out *engine.Outcome) (told bool) {
	n := len(f.items)
	if cap(h.claimed) < n {
		h.claimed = make([]bool, 2*n)
	}
	claimed := h.claimed[:n]
	shares := min(h.hands, n/leastShare)
	if shares <= 1 {
		return hand(f.items, claimed, out, 0)
	}
	var others sync.WaitGroup
	first := 0
	for share, from := 0, 0; share < shares; share++ {
		to, begin := n*(share+1)/shares, first
		if items, claimed := f.items[from:to], claimed[from:to]; share < shares-1 {
			others.Go(func() { hand(items, claimed, out, begin) })
		} else {
			told = hand(items, claimed, out, begin)
		}
		for ; from < to; from++ {
			first += f.items[from].commands
		}
	}
	others.Wait()
	return told
}

// hand delivers to some of a flight. first is the number of their first command in the entry. All are told before the first one
// wakes: by then the next request of many is there, and whoever wakes finds it without waiting.
func hand(items []item, claimed []bool, out *engine.Outcome, first int) (told bool) {
	for i, it := range items {
		// Else the caller was told that the outcome is unknown, and dropped the batch.
		if claimed[i] = it.claim(phaseDispatched); claimed[i] {
			deliver(out, first, it.commands, it.w.batch)
			if landed := it.w.batch.Landed; landed != nil {
				landed()
				told = true
			}
		}
		first += it.commands
	}
	for i, it := range items {
		if claimed[i] {
			it.wake(nil)
		}
	}
	return told
}

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
