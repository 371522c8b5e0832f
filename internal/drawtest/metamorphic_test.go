package drawtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sort"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/drawd/drawd/engine"
)

// One script, applied in ways that must not matter: shards, sizes of entries, checkpoints and snapshots in the middle,
// many goroutines. Whatever can be seen must be the same.

// group is commands that one entry may carry: they have one stamp.
type group []*Command

// groups cuts a script into pieces of up to most commands and gives each piece one stamp. What names a
// record begins one: it must have been written.
func groups(rng *rand.Rand, script []Command, most int) []group {
	var out []group
	for from := 0; from < len(script); {
		n := min(1+rng.IntN(most), len(script)-from)
		for i := from + 1; i < from+n; i++ {
			if script[i].Void != nil || script[i].Stock != nil && script[i].Stock.names() {
				n = i - from
			}
		}
		var g group
		for i := from; i < from+n; i++ {
			c := script[i]
			c.Stamp = script[from+n-1].Stamp
			g = append(g, &c)
		}
		out, from = append(out, g), from+n
	}
	return out
}

// seen is everything that came out of a run.
type seen struct {
	decided []Decided
	applier *Applier
}

// play applies groups, each as one entry or each command as its own, and calls between before each entry.
func play(t *testing.T, a *Applier, all []group, single bool, between func(entry int, a *Applier) *Applier) seen {
	t.Helper()
	var out []Decided
	entry := 0
	apply := func(g group) {
		if between != nil {
			a = between(entry, a)
		}
		entry++
		decided, err := a.Apply(g[0].Stamp, g...)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, decided...)
	}
	for _, g := range all {
		if !single {
			apply(g)
			continue
		}
		for _, c := range g {
			apply(group{c})
		}
	}
	return seen{out, a}
}

func start(t *testing.T, shards int, at engine.UnixMilli) *Applier {
	t.Helper()
	a, err := NewApplier(shards, at)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// same compares two runs. With moved, positions in the log differ and are compared by order only.
func (s seen) same(t *testing.T, what string, other seen, moved bool) {
	t.Helper()
	a, b := s.decided, other.decided
	if moved {
		a, b = inOrder(a), inOrder(b)
	}
	for i := range a {
		if !reflect.DeepEqual(a[i], b[i]) {
			t.Errorf("%s: command %d:\n%+v\n%+v", what, i, a[i], b[i])
			return
		}
	}
	if x, y := s.applier.Engine.StateHash(), other.applier.Engine.StateHash(); x != y {
		t.Errorf("%s: state hash %x and %x", what, x, y)
	}
	if x, y := s.applier.Engine.RunningHash(), other.applier.Engine.RunningHash(); x != y && !moved {
		t.Errorf("%s: running hash %x and %x", what, x, y)
	}
	if err := other.applier.Engine.CheckInvariants(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// inOrder replaces positions in the log by the number of the record that stands there.
func inOrder(all []Decided) []Decided {
	number := map[engine.Location]engine.LogIndex{{}: 0}
	for _, d := range all {
		for i := range d.Records {
			at := d.Result.At
			at.Ordinal += uint16(i)
			number[at] = engine.LogIndex(len(number))
		}
	}
	to := func(l engine.Location) engine.Location { return engine.Location{Index: number[l]} }
	out := make([]Decided, len(all))
	for i, d := range all {
		d.Result.At = to(d.Result.At)
		d.Records = append([]engine.Record(nil), d.Records...)
		for j := range d.Records {
			d.Records[j].Previous, d.Records[j].PrevWin = to(d.Records[j].Previous), to(d.Records[j].PrevWin)
			switch d.Records[j].Kind {
			case engine.RecordVoid, engine.RecordConfirm, engine.RecordRelease, engine.RecordExtend, engine.RecordHoldVoid:
				d.Records[j].Delta = int64(number[d.Records[j].VoidLocation()])
			}
		}
		out[i] = d
	}
	return out
}

func metamorphicScript(seed uint64) (*rand.Rand, []Command) {
	rng := rand.New(rand.NewPCG(seed, 1))
	return rng, Generate(rng, 3000)
}

func TestShardsDoNotMatter(t *testing.T) {
	for seed := range uint64(4) {
		rng, script := metamorphicScript(seed)
		all := groups(rng, script, 20)
		one := play(t, start(t, 1, script[0].Stamp), all, false, nil)
		for _, shards := range []int{2, 64} {
			one.same(t, fmt.Sprintf("seed %d, %d shards", seed, shards), play(t, start(t, shards, script[0].Stamp), all, false, nil), false)
		}
	}
}

func TestEntrySizesDoNotMatter(t *testing.T) {
	for seed := range uint64(4) {
		rng, script := metamorphicScript(seed)
		all := groups(rng, script, 1000)
		whole := play(t, start(t, 4, script[0].Stamp), all, false, nil)
		whole.same(t, fmt.Sprintf("seed %d, entries of one command", seed), play(t, start(t, 4, script[0].Stamp), all, true, nil), true)
	}
}

// TestSnapshotsDoNotMatter moves the state to a new engine, with another number of shards, at random entries.
func TestSnapshotsDoNotMatter(t *testing.T) {
	for seed := range uint64(4) {
		rng, script := metamorphicScript(seed)
		all := groups(rng, script, 20)
		straight := play(t, start(t, 4, script[0].Stamp), all, false, nil)
		moved := play(t, start(t, 4, script[0].Stamp), all, false, func(entry int, a *Applier) *Applier {
			if rng.IntN(40) != 0 {
				return a
			}
			var stream bytes.Buffer
			if err := a.Engine.WriteSnapshot(&stream); err != nil {
				t.Fatal(err)
			}
			b := start(t, 1<<rng.IntN(7), script[0].Stamp)
			if err := b.Engine.ReadSnapshot(&stream); err != nil {
				t.Fatal(err)
			}
			b.index, b.drawn, b.held = a.index, a.drawn, a.held
			return b
		})
		straight.same(t, fmt.Sprintf("seed %d, snapshots", seed), moved, false)
	}
}

// TestCheckpointsDoNotMatter takes checkpoints, most of them of the changed pages only, some aborted, and now and then
// goes on with an engine that was loaded from the pages kept so far.
func TestCheckpointsDoNotMatter(t *testing.T) {
	for seed := range uint64(4) {
		rng, script := metamorphicScript(seed)
		all := groups(rng, script, 20)
		straight := play(t, start(t, 4, script[0].Stamp), all, false, nil)
		pages, full := map[engine.PageID][]byte{}, true
		moved := play(t, start(t, 4, script[0].Stamp), all, false, func(entry int, a *Applier) *Applier {
			if rng.IntN(20) != 0 {
				return a
			}
			kept := checkpoint(t, a.Engine, full, pages, rng.IntN(4) == 0)
			if kept == nil {
				return a // aborted: the next one brings its pages again
			}
			full = false
			if rng.IntN(3) != 0 {
				return a
			}
			b := start(t, 4, script[0].Stamp)
			load(t, b.Engine, pages, kept)
			b.index, b.drawn, b.held = a.index, a.drawn, a.held
			return b
		})
		straight.same(t, fmt.Sprintf("seed %d, checkpoints", seed), moved, false)
	}
}

// checkpoint takes a checkpoint into pages and returns its meta, or nil when it is aborted.
func checkpoint(t *testing.T, e *engine.Engine, full bool, pages map[engine.PageID][]byte, abort bool) []byte {
	t.Helper()
	c, err := e.Capture(full)
	if err != nil {
		t.Fatal(err)
	}
	if abort {
		c.Abort()
		return nil
	}
	buf := make([]byte, engine.PageSize)
	for {
		id, ok := c.Next(buf)
		if !ok {
			break
		}
		pages[id] = bytes.Clone(buf)
		if bytes.Count(buf, []byte{0}) == len(buf) {
			delete(pages, id)
		}
	}
	meta := c.Meta()
	c.Commit()
	return meta
}

func load(t *testing.T, e *engine.Engine, pages map[engine.PageID][]byte, meta []byte) {
	t.Helper()
	l := e.Loader()
	for id, page := range pages {
		if err := l.Page(id, page); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Finish(meta); err != nil {
		t.Fatal(err)
	}
}

// TestGoroutinesDoNotMatter lets eight goroutines decide one script as a library, and replays what was decided, by
// position, through a fresh engine and through the reference.
func TestGoroutinesDoNotMatter(t *testing.T) {
	for seed := range uint64(4) {
		_, script := metamorphicScript(seed)
		e := start(t, 8, script[0].Stamp).Engine
		history := race(t, e, script)
		again := start(t, 64, script[0].Stamp).Engine
		ref := NewReference(script[0].Stamp)
		ref.library = true
		for _, h := range history {
			catchUp(t, again, ref, h.index-1, h.command.Stamp)
			replayed, _, _ := decide(t, again, &h.command)
			if !reflect.DeepEqual(replayed, h.decided) {
				t.Fatalf("seed %d: %s\nfirst  %+v\nreplay %+v", seed, &h.command, h.decided, replayed)
			}
			want := ref.Apply(&h.command)
			got := h.decided
			settle(&want, &got.Result, got.Records)
			if d := diff("result", got.Result, want.Result) + diffDecided(got.Records, &want); d != "" {
				t.Fatalf("seed %d: %s\n%s", seed, &h.command, d)
			}
		}
		catchUp(t, again, ref, e.AppliedIndex(), e.LogTime())
		if a, b := e.StateHash(), again.StateHash(); a != b {
			t.Errorf("seed %d: state hash %x, after replay %x", seed, a, b)
		}
		if err := e.CheckInvariants(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// catchUp fills the positions up to index: as a library a draw that comes first in a new session takes one for a tick.
func catchUp(t *testing.T, e *engine.Engine, ref *Reference, index engine.LogIndex, at engine.UnixMilli) {
	t.Helper()
	for e.AppliedIndex() < index {
		tick := Command{Stamp: at}
		decide(t, e, &tick)
		ref.Apply(&tick)
	}
}

// happened is a command that took a position, with what became of it.
type happened struct {
	command Command
	decided Decided
	index   engine.LogIndex
}

// race decides a script by eight goroutines that take the next command each, and returns what changed anything, by
// position and with the time that the engine gave it.
func race(t *testing.T, e *engine.Engine, script []Command) []happened {
	t.Helper()
	var next atomic.Int64
	var all [8][]happened
	var wait sync.WaitGroup
	for g := range all {
		wait.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(script); i = next.Add(1) - 1 {
				c := script[i]
				if c.Void != nil || c.Stock != nil {
					continue // it names a record, and which comes first is chance here; holds have a race of their own in the engine
				}
				d, index, at := decide(t, e, &c)
				if (c.Draw != nil || c.Grant != nil || c.Revoke != nil) && len(d.Records) == 0 {
					continue // a denial or a replay: it has no position, or one that changed nothing
				}
				c.Stamp = at
				all[g] = append(all[g], happened{c, d, index})
			}
		})
	}
	wait.Wait()
	var history []happened
	for _, h := range all {
		history = append(history, h...)
	}
	sort.Slice(history, func(i, j int) bool { return history[i].index < history[j].index })
	return history
}

func decide(t *testing.T, e *engine.Engine, c *Command) (d Decided, index engine.LogIndex, at engine.UnixMilli) {
	var b engine.Batch
	c.AddTo(&b)
	if err := e.Decide(&b, c.Stamp); err != nil {
		t.Error(err)
		return Decided{}, 0, 0
	}
	all, err := decode(b.Results, b.Records)
	if err != nil {
		t.Error(err)
		return Decided{}, 0, 0
	}
	return all[0], b.Index, b.Time
}
