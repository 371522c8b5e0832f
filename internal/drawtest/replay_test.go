package drawtest

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
)

// replayScript leads a replay through a script in entries of several commands, each changed by spoil before it is encoded.
func replayScript(t *testing.T, seed uint64, spoil func(n int, c *Command)) (difference string) {
	rng := rand.New(rand.NewPCG(seed, 1))
	script := Generate(rng, 400)
	p, err := NewReplay(2)
	if err != nil {
		t.Fatal(err)
	}
	index, n := engine.LogIndex(0), 0
	apply := func(stamp engine.UnixMilli, commands []*Command) string {
		index += engine.LogIndex(1 + rng.IntN(2)) // records that no engine sees have numbers, too
		entry := engine.AppendEntryHeader(nil, &engine.EntryHeader{Stamp: stamp, Count: uint32(p.batch.Len()), Proposer: 1, Sequence: uint64(index)})
		return p.Entry(index, append(entry, p.batch.Commands()...), commands, index%7 == 0)
	}
	p.addInit()
	if d := apply(script[0].Stamp, nil); d != "" {
		t.Fatal(d)
	}
	for _, g := range groups(rng, script, 8) {
		p.batch.Reset()
		for _, c := range g {
			told := *c
			if spoil != nil {
				n++
				spoil(n, &told)
			}
			p.add(&told)
		}
		if d := apply(g[0].Stamp, g); d != "" {
			return d
		}
	}
	return ""
}

func TestReplay(t *testing.T) {
	for seed := range uint64(12) {
		if d := replayScript(t, seed, nil); d != "" {
			t.Errorf("seed %d: %s", seed, d)
		}
	}
}

// TestReplayFindsADifference: a log in which draws are another user's than the reference is told must be found out.
func TestReplayFindsADifference(t *testing.T) {
	d := replayScript(t, 1, func(n int, c *Command) {
		if n > 100 && c.Draw != nil {
			draw := *c.Draw
			draw.UserID = []byte("other")
			c.Draw = &draw
		}
	})
	if !strings.Contains(d, "engine") {
		t.Errorf("found: %q", d)
	}
}

func TestSplit(t *testing.T) {
	var b engine.Batch
	b.AddTick()
	b.AddDraw(&engine.Draw{Campaign: 1, Times: 1, UserID: []byte("u")})
	entry := append(engine.AppendEntryHeader(nil, &engine.EntryHeader{Count: 2}), b.Commands()...)
	parts, err := Split(entry)
	if err != nil || len(parts) != 2 || string(parts[0])+string(parts[1]) != string(b.Commands()) {
		t.Fatal(parts, err)
	}
	for cut := 1; cut < len(b.Commands()); cut++ {
		if parts, err := Split(entry[:len(entry)-cut]); err == nil && len(parts) != 1 {
			t.Errorf("%d bytes short: %v", cut, parts)
		}
	}
}
