package drawtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime/debug"

	"github.com/drawd/drawd/engine"
)

// Replay leads an engine and a reference through the entries of a log, and compares them after each: the judge of a log
// that others have written.
type Replay struct {
	pair
	last engine.LogIndex // of the newest entry
}

// NewReplay returns a replay of a log from its first entry on, which must be the Init.
func NewReplay(shards int) (*Replay, error) {
	e, err := engine.New(engine.Options{Shards: shards, ClusterKey: ClusterKey})
	if err != nil {
		return nil, err
	}
	return &Replay{pair: pair{Applier: &Applier{Engine: e, drawn: map[drawn]recorded{}, held: map[engine.Key]engine.Location{}}}}, nil
}

// Outcome is what the engine made of the newest entry.
func (p *Replay) Outcome() *engine.Outcome { return &p.out }

// Init returns the encoded first command of a log.
func (p *Replay) Init() []byte {
	p.batch.Reset()
	p.addInit()
	return bytes.Clone(p.batch.Commands())
}

// Encode returns a command encoded. What names a record finds it among those of the entries so far; where there is none it is
// a tick.
func (p *Replay) Encode(c *Command) []byte {
	p.batch.Reset()
	p.add(c)
	return bytes.Clone(p.batch.Commands())
}

// Names reports whether a command names a record of an earlier entry.
func (c *Command) Names() bool { return c.Void != nil || c.Stock != nil && c.Stock.names() }

// Split returns the encoded commands of an entry.
func Split(entry []byte) (commands [][]byte, err error) {
	_, rest, err := engine.ParseEntryHeader(entry)
	for err == nil && len(rest) > 0 {
		if len(rest) < engine.CommandHeaderSize {
			return nil, fmt.Errorf("%d bytes behind the last command", len(rest))
		}
		n := engine.CommandHeaderSize + int(binary.LittleEndian.Uint32(rest)>>8)
		if n > len(rest) {
			return nil, fmt.Errorf("a command of %d bytes, %d are there", n, len(rest))
		}
		commands, rest = append(commands, rest[:n:n]), rest[n:]
	}
	return commands, err
}

// RaiseOf returns what an encoded command raises the feature level to; nil when that is not what it does.
func RaiseOf(command []byte) *Command {
	var b engine.Batch
	for level := range uint32(engine.NewestLevel + 1) {
		raise := engine.Raise{Level: level}
		b.Reset()
		if b.AddRaise(&raise); bytes.Equal(b.Commands(), command) {
			return &Command{Raise: &raise}
		}
	}
	return nil
}

// Entry gives both an entry and returns how they differ. commands are what the entry carries, in order; nil for one that
// only moves time. With whole, everything is compared that can be read, else what the commands are about.
func (p *Replay) Entry(index engine.LogIndex, entry []byte, commands []*Command, whole bool) (difference string) {
	defer func() {
		if panicked := recover(); panicked != nil {
			difference = fmt.Sprintf("panic: %v\n%s", panicked, debug.Stack())
		}
	}()
	if err := p.Engine.Apply(index, entry, &p.out); err != nil {
		return "Apply: " + err.Error()
	}
	p.index, p.last = index, index
	if p.ref == nil {
		p.ref = NewReference(p.Engine.LogTime())
		p.ref.level = p.Engine.Level() // a first entry may raise it, too
		return ""
	}
	header, _, err := engine.ParseEntryHeader(entry)
	if err != nil {
		return err.Error()
	}
	if err := p.checkOutcome(); err != nil {
		return err.Error()
	}
	for i, c := range commands {
		if c == nil {
			commands[i] = new(Command)
		} else if i < len(p.out.Results) {
			p.hold(c, &p.out.Results[i])
		}
	}
	return p.compare(p.ref.Entry(index, header.Stamp, commands...), commands, whole)
}

// compare holds what the engine made of an entry against the reference's.
func (p *Replay) compare(wants []Decided, commands []*Command, whole bool) string {
	decided, err := decode(append([]engine.Result(nil), p.out.Results...), p.out.Records)
	if err != nil {
		return err.Error()
	}
	if len(decided) != len(wants) {
		return fmt.Sprintf("%d results for %d commands", len(decided), len(wants))
	}
	var asides []engine.Record
	for i := range wants {
		want, got, records := &wants[i], decided[i].Result, decided[i].Records
		settle(want, &got, records)
		if d := same(fmt.Sprintf("command %d: result", i), got, want.Result) + diffDecided(records, want); d != "" {
			return fmt.Sprintf("%sof %s", d, commands[i])
		}
		asides = append(asides, want.Aside...)
	}
	rest, err := besides(p.out.Results, p.out.Records)
	if err != nil {
		return err.Error()
	}
	if d := diffRecords(rest, asides); d != "" {
		return "besides: " + d
	}
	p.steps = 1
	if whole {
		p.steps = observeAll
		if err := p.Engine.CheckInvariants(); err != nil {
			return "CheckInvariants: " + err.Error()
		}
	}
	return p.observe(commands[len(commands)-1])
}
