package model

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/drawtest"
)

// Report is what one run came to.
type Report struct {
	Steps       int
	Commands    int // decided
	Entries     int
	Retries     int // of commands whose reply was lost, or that a leader took with it
	Twice       int // entries that were proposed again
	Leaders     int // changes
	Truncated   int // entries
	Checkpoints int
	GivenUp     int // checkpoints
	Restarts    int
	Installs    int
	Damaged     int    // snapshots that were refused
	Trace       uint64 // of everything that happened: two runs of one seed have the same
}

// Add adds another run.
func (r *Report) Add(o *Report) {
	for _, p := range [][2]*int{
		{&r.Steps, &o.Steps}, {&r.Commands, &o.Commands}, {&r.Entries, &o.Entries}, {&r.Retries, &o.Retries}, {&r.Twice, &o.Twice},
		{&r.Leaders, &o.Leaders}, {&r.Truncated, &o.Truncated}, {&r.Checkpoints, &o.Checkpoints}, {&r.GivenUp, &o.GivenUp},
		{&r.Restarts, &o.Restarts}, {&r.Installs, &o.Installs}, {&r.Damaged, &o.Damaged},
	} {
		*p[0] += *p[1]
	}
}

// entry is one entry of the log.
type entry struct {
	data     []byte
	commands []*drawtest.Command
	// Once it is committed: what every replica must come to.
	head    []byte
	records []byte
	results []engine.Result
}

// cluster is one run.
type cluster struct {
	rng      *rand.Rand
	report   Report
	trace    uint64
	script   []drawtest.Command
	again    []*drawtest.Command // to be sent again
	log      []*entry            // committed; entry n stands at n-1
	open     []*entry            // proposed by the leader, and not committed
	replay   *drawtest.Replay
	replicas []*replica
	proposer uint64
	sequence uint64
	skew     engine.UnixMilli // of the leader's clock
	now      engine.UnixMilli
}

// Run runs a script of n commands from a seed, and returns the first difference.
func Run(seed uint64, n int) (*Report, error) {
	rng := rand.New(rand.NewPCG(seed, 0x6d6f64656c))
	replay, err := drawtest.NewReplay(1 << rng.IntN(4))
	if err != nil {
		return nil, err
	}
	c := &cluster{rng: rng, script: drawtest.Generate(rng, n), replay: replay, proposer: 1}
	c.now = c.script[0].Stamp
	for range 1 + rng.IntN(5) {
		r, err := c.newReplica()
		if err != nil {
			return nil, err
		}
		c.replicas = append(c.replicas, r)
	}
	c.propose(replay.Init(), nil)
	if err := c.commit(); err != nil {
		return nil, err
	}
	raise := &drawtest.Command{Raise: &engine.Raise{Level: engine.NewestLevel}}
	c.propose(replay.Encode(raise), []*drawtest.Command{raise})
	if err := c.commit(); err != nil {
		return nil, err
	}
	for len(c.script)+len(c.open)+len(c.again) > 0 {
		c.report.Steps++
		if err := c.step(); err != nil {
			return &c.report, fmt.Errorf("seed %d, step %d: %w", seed, c.report.Steps, err)
		}
	}
	err = c.end()
	c.report.Trace = c.trace
	return &c.report, err
}

// note puts what happened into the trace.
func (c *cluster) note(what byte, n uint64) {
	h := fnv.New64a()
	var b [17]byte
	binary.LittleEndian.PutUint64(b[:], c.trace)
	b[8] = what
	binary.LittleEndian.PutUint64(b[9:], n)
	h.Write(b[:])
	c.trace = h.Sum64()
}

func (c *cluster) chance(percent int) bool { return c.rng.IntN(100) < percent }

// step does one thing.
func (c *cluster) step() error {
	switch n := c.rng.IntN(100); {
	case n < 30 && len(c.open) < 4:
		c.submit()
	case n < 55:
		return c.commit()
	case n < 57:
		c.changeLeader()
	case n < 90:
		return c.random().apply(c, 1+c.rng.IntN(5))
	case n < 94:
		return c.random().checkpoint(c)
	case n < 96:
		return c.restart()
	case n < 99:
		return c.install()
	}
	return nil
}

func (c *cluster) random() *replica { return c.replicas[c.rng.IntN(len(c.replicas))] }

// submit proposes an entry of one to eight commands: some that are sent again, and the next of the script. What names a
// record begins an entry: the record must have been written.
func (c *cluster) submit() {
	var commands []*drawtest.Command
	var encoded []byte
	most := 1
	if c.chance(35) { // the script goes to the edges of windows: in an entry of several all but the last would miss them
		most += c.rng.IntN(8)
	}
	for range most {
		var next *drawtest.Command
		switch {
		case len(c.again) > 0 && c.chance(50):
			next, c.again = c.again[0], c.again[1:]
		case len(c.script) > 0:
			next = &c.script[0]
			if next.Names() && len(commands) > 0 {
				break
			}
			c.script = c.script[1:]
			c.now = max(c.now, next.Stamp)
		}
		if next == nil || next.Names() && len(commands) > 0 {
			break
		}
		if next.Names() && len(c.open) > 0 { // the record may still be on its way
			c.again = append(c.again, next)
			break
		}
		commands, encoded = append(commands, next), append(encoded, c.replay.Encode(next)...)
	}
	if len(commands) > 0 {
		c.propose(encoded, commands)
	}
}

func (c *cluster) propose(encoded []byte, commands []*drawtest.Command) {
	c.sequence++
	header := engine.EntryHeader{Stamp: c.now + c.skew, Count: uint32(max(1, len(commands))), Proposer: c.proposer, Sequence: c.sequence}
	c.open = append(c.open, &entry{data: append(engine.AppendEntryHeader(nil, &header), encoded...), commands: commands})
	c.note('p', uint64(len(commands)))
}

// commit decides the oldest proposed entry: by the engine and by the reference, which must agree.
func (c *cluster) commit() error {
	if len(c.open) == 0 {
		return nil
	}
	e := c.open[0]
	c.open = c.open[1:]
	c.log = append(c.log, e)
	index := engine.LogIndex(len(c.log))
	commands := append([]*drawtest.Command(nil), e.commands...)
	if d := c.replay.Entry(index, e.data, commands, c.chance(3)); d != "" {
		return fmt.Errorf("entry %d: %s", index, d)
	}
	out := c.replay.Outcome()
	e.head, e.records, e.results = bytes.Clone(out.Head[:]), bytes.Clone(out.Records), append([]engine.Result(nil), out.Results...)
	c.report.Entries++
	c.report.Commands += len(e.commands)
	c.note('c', binary.LittleEndian.Uint64(e.head[24:]))
	for _, cmd := range e.commands {
		if c.chance(15) {
			c.retry(cmd)
		}
	}
	if len(e.commands) > 0 && c.chance(3) && c.fresh(e) {
		c.report.Twice++
		c.open = append(c.open, &entry{data: e.data, commands: e.commands})
	}
	return nil
}

// patience is how long a client may still send a command again: beyond it keys may be forgotten, and nothing is promised.
const patience engine.UnixMilli = 3600_000

// retry sends a command again, whose reply was lost.
func (c *cluster) retry(cmd *drawtest.Command) {
	if c.now-cmd.Stamp > patience {
		return
	}
	c.report.Retries++
	c.again = append(c.again, cmd)
}

// fresh reports whether an entry may stand in the log once more. What names a record was encoded by what was known then.
func (c *cluster) fresh(e *entry) bool {
	for _, cmd := range e.commands {
		if c.now-cmd.Stamp > patience || cmd.Names() {
			return false
		}
	}
	return true
}

// changeLeader loses some of what is not committed. The next leader has a clock of its own.
func (c *cluster) changeLeader() {
	kept := c.rng.IntN(len(c.open) + 1)
	for _, e := range c.open[kept:] {
		for _, cmd := range e.commands {
			if c.chance(80) {
				c.report.Retries++
				c.again = append(c.again, cmd) // the log never had it
			}
		}
	}
	c.report.Truncated += len(c.open) - kept
	c.open = c.open[:kept:kept]
	c.proposer, c.sequence = c.rng.Uint64(), 0
	c.skew = 0
	if c.chance(30) {
		c.skew = engine.UnixMilli(c.rng.IntN(1001) - 500)
	}
	c.report.Leaders++
	c.note('l', uint64(kept))
}

// end brings every replica up to the end of the log and compares whole states.
func (c *cluster) end() error {
	want := c.replay.Engine.StateHash()
	for i, r := range c.replicas {
		if err := r.apply(c, len(c.log)); err != nil {
			return err
		}
		if got := r.engine.StateHash(); got != want {
			return fmt.Errorf("replica %d comes to the state %x, the reference's engine to %x", i, got, want)
		}
		if err := r.engine.CheckInvariants(); err != nil {
			return fmt.Errorf("replica %d: %w", i, err)
		}
	}
	c.note('e', binary.LittleEndian.Uint64(want[:]))
	return nil
}
