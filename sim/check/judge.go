package check

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/internal/drawtest"
)

// judge is one judgement under way.
type judge struct {
	*History
	verdict  *Verdict
	whole    int                   // every so many entries everything is compared that can be read
	sent     map[string]int        // attempts by their bytes
	at       map[*Attempt]position // where the log has an attempt
	told     map[*Attempt]answer   // what the log's entry comes to for it
	stored   map[engine.Location]record
	first    map[string]*Attempt // the first outcome of a key
	seqs     map[engine.CampaignRef]uint64
	books    books
	versions map[engine.CampaignRef]*engine.Version
}

// position is a place in the log.
type position struct {
	index   engine.LogIndex
	ordinal int
}

// answer is what the engine answers to a command when the log is replayed.
type answer struct {
	result  engine.Result
	records []byte
}

type record struct {
	encoded []byte
}

// Judge judges h. The log is replayed with so many shards.
func (h *History) Judge(shards int) *Verdict {
	j := h.judge()
	j.replay(shards)
	j.overHTTP()
	j.answers()
	j.order()
	j.stock()
	j.reads()
	j.samples()
	return j.verdict
}

// judge takes the attempts in.
func (h *History) judge() *judge {
	j := &judge{
		History: h, verdict: new(Verdict), whole: 32, sent: map[string]int{}, at: map[*Attempt]position{}, told: map[*Attempt]answer{},
		stored: map[engine.Location]record{}, first: map[string]*Attempt{}, seqs: map[engine.CampaignRef]uint64{},
	}
	for i, a := range h.Attempts {
		if a.Command != nil {
			if _, twice := j.sent[string(a.Bytes)]; twice {
				j.verdict.fault("setup", "two attempts have the same bytes: %s", a)
			}
			j.sent[string(a.Bytes)] = i
		}
	}
	return j
}

// replay leads the engine and the reference through the log.
func (j *judge) replay(shards int) {
	r, err := drawtest.NewReplay(shards)
	if err != nil {
		j.verdict.fault("setup", "%v", err)
		return
	}
	j.verdict.Replay = r
	last := engine.LogIndex(0)
	for i := range j.Log {
		e := &j.Log[i]
		if e.Index != last+1 {
			j.verdict.fault("gap", "the log goes from %d to %d", last, e.Index)
			return // what follows would differ for this reason
		}
		last = e.Index
		if !e.Command {
			continue
		}
		j.verdict.Entries++
		if d := j.entry(r, e, j.verdict.Entries%j.whole == 0 || i == len(j.Log)-1); d != "" {
			j.verdict.fault("replay", "entry %d: %s", e.Index, d)
			return
		}
	}
}

// entry replays one entry, and notes what it comes to for whom.
func (j *judge) entry(r *drawtest.Replay, e *Entry, whole bool) (difference string) {
	parts, err := drawtest.Split(e.Data)
	if err != nil {
		return err.Error()
	}
	commands, attempts := make([]*drawtest.Command, len(parts)), make([]*Attempt, len(parts))
	for i, b := range parts {
		j.verdict.Commands++
		n, known := j.sent[string(b)]
		switch {
		case known:
			attempts[i] = j.Attempts[n]
			commands[i] = attempts[i].Command
			j.decided(attempts[i], position{e.Index, i})
		case !ownCommand(b):
			j.verdict.fault("foreign", "entry %d has a command of kind %d that no client sent", e.Index, b[0])
		default:
			commands[i] = drawtest.RaiseOf(b) // or nil: only time goes on
		}
	}
	difference = r.Entry(e.Index, e.Data, commands, whole)
	out := r.Outcome()
	if difference != "" || len(out.Results) != len(parts) {
		return difference
	}
	for i, a := range attempts {
		res := out.Results[i]
		var records []byte
		if !res.Replayed {
			records = bytes.Clone(out.Records[res.Offset : res.Offset+res.Length])
		}
		res.Offset, res.Length = 0, 0
		if a != nil {
			j.told[a] = answer{res, records}
			j.outcome(a, &res)
		}
	}
	j.keep(out)
	return ""
}

// The operations that nodes propose of their own accord: ticks, the first entry, and what begins at 100.
const (
	opTick    = 2
	opInit    = 3
	opCluster = 100
)

func ownCommand(b []byte) bool { return b[0] == opTick || b[0] == opInit || b[0] >= opCluster }

// decided notes that the log has an attempt.
func (j *judge) decided(a *Attempt, at position) {
	if was, twice := j.at[a]; twice {
		j.verdict.fault("twice", "%s was decided at %v and at %v", a, was, at)
		return
	}
	j.at[a] = at
	switch a.Outcome {
	case None:
		if a.Answer != nil {
			break // a denial, perhaps: see denials
		}
		j.verdict.fault("effect", "%s was told that it had no effect, and is in the log at %v", a, at)
	case Unknown:
		j.verdict.Resolved++
	}
}

// outcome holds a first outcome against others of the same key.
func (j *judge) outcome(a *Attempt, r *engine.Result) {
	if r.Code != problem.OK || r.Replayed || r.Records == 0 || a.Key == "" {
		return
	}
	if before := j.first[a.Key]; before != nil {
		j.verdict.fault("outcomes", "the key %q has an outcome by %s and another by %s", a.Key, before, a)
	}
	j.first[a.Key] = a
}

// keep takes an entry's records apart: their numbers, their places, what they say of the stock.
func (j *judge) keep(out *engine.Outcome) {
	var rec engine.Record
	for i, from := range out.Offsets {
		n, err := engine.DecodeRecord(out.Records[from:], &rec)
		if err != nil {
			j.verdict.fault("replay", "record %d of entry %d: %v", i, out.Index, err)
			return
		}
		j.stored[engine.Location{Index: out.Index, Ordinal: uint16(i)}] = record{encoded: bytes.Clone(out.Records[from:][:n])}
		if rec.Campaign != 0 && rec.Seq != 0 {
			if last := j.seqs[rec.Campaign]; rec.Seq != last+1 {
				j.verdict.fault("seq", "campaign %d: %d follows %d", rec.Campaign, rec.Seq, last)
			}
			j.seqs[rec.Campaign] = rec.Seq
		}
		j.books.add(&rec, j.verdict)
	}
}

// answers holds what clients were told against the replay.
func (j *judge) answers() {
	for _, a := range j.Attempts {
		if a.Outcome != Decided || a.Command == nil || a.Answer != nil {
			continue
		}
		j.verdict.Decided++
		at, there := j.at[a]
		if !there {
			j.verdict.fault("lost", "%s was told its outcome, at %d, and the log does not have it", a, a.Index)
			continue
		}
		want, known := j.told[a]
		switch {
		case !known: // the replay ended before
		case at.index != a.Index:
			j.verdict.fault("changed", "%s was told that entry %d decided it, and stands in %d", a, a.Index, at.index)
		case a.Result != want.result:
			j.verdict.fault("changed", "%s was told %+v, the log comes to %+v", a, a.Result, want.result)
		case a.Records == nil && want.result.Replayed: // its client could not read them
		case !bytes.Equal(a.Records, j.recordsOf(&want)):
			j.verdict.fault("changed", "%s was told the records %x, the log comes to %x", a, a.Records, j.recordsOf(&want))
		}
	}
}

// recordsOf returns the records of an answer; of a replayed one those that its first outcome left.
func (j *judge) recordsOf(w *answer) []byte {
	if !w.result.Replayed || w.result.Code != problem.OK {
		return w.records
	}
	var all []byte
	for i := range uint16(w.result.Records) {
		at := w.result.At
		at.Ordinal += i
		all = append(all, j.stored[at].encoded...)
	}
	return all
}

// order holds the order in real time against that of the log. An attempt that ended before another began stands in an
// earlier entry: the other was not sent yet.
func (j *judge) order() {
	type end struct {
		tick  uint64
		index engine.LogIndex
		a     *Attempt
	}
	var ends, begins []end
	for _, a := range j.Attempts {
		if a.Outcome == Decided {
			ends = append(ends, end{a.Returned, a.Index, a})
		}
		if at, there := j.at[a]; there {
			begins = append(begins, end{a.Invoked, at.index, a})
		} else if a.Command == nil && a.Outcome == Decided {
			begins = append(begins, end{a.Invoked, a.Index, a})
		}
	}
	byTick := func(x, y end) int {
		if x.tick < y.tick {
			return -1
		}
		return 1
	}
	slices.SortFunc(ends, byTick)
	slices.SortFunc(begins, byTick)
	var newest end // the highest index of all that ended so far
	n := 0
	for _, b := range begins {
		for ; n < len(ends) && ends[n].tick < b.tick; n++ {
			if ends[n].index > newest.index {
				newest = ends[n]
			}
		}
		if newest.a != nil && b.index <= newest.index {
			j.verdict.fault("order", "%s ended, at entry %d, before %s began, which entry %d decided", newest.a, newest.index, b.a, b.index)
		}
	}
}

// String names an attempt.
func (a *Attempt) String() string {
	what := "a read"
	if a.Command != nil {
		what = a.Command.String()
	}
	return fmt.Sprintf("client %d's attempt %d–%d at %q (%s: %s)", a.Client, a.Invoked, a.Returned, a.Key, a.Outcome, what)
}
