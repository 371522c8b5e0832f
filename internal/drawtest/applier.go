package drawtest

import (
	"bytes"
	"fmt"

	"github.com/drawd/drawd/engine"
)

// Applier is an engine that takes commands as entries, as the log gives them.
type Applier struct {
	Engine *engine.Engine
	index  engine.LogIndex
	batch  engine.Batch
	out    engine.Outcome
	drawn  map[drawn]recorded
	held   map[engine.Key]engine.Location // of holds and takes, by their keys
	aside  []engine.Record                // of the last entry: records that no command of it asked for
}

// drawn names a draw by its key and its number in the request.
type drawn struct {
	digest engine.Key
	part   uint8
}

// recorded is the record of a draw and where it stands.
type recorded struct {
	at      engine.Location
	encoded []byte
}

// NewApplier returns an engine after its Init entry, which has index 1.
func NewApplier(shards int, at engine.UnixMilli) (*Applier, error) {
	e, err := engine.New(engine.Options{Shards: shards, ClusterKey: ClusterKey})
	if err != nil {
		return nil, err
	}
	a := &Applier{Engine: e, drawn: map[drawn]recorded{}, held: map[engine.Key]engine.Location{}}
	a.addInit()
	a.batch.AddRaise(&engine.Raise{Level: engine.NewestLevel})
	if err := a.applyBatch(at); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Applier) addInit() {
	a.batch.AddInit(&engine.Init{ClusterID: [16]byte{1}, IDKey: [16]byte{2}, Namespace: engine.NewNamespace{Name: "default", Secret: [16]byte{3}}})
}

// Apply makes one entry of some commands and returns what became of each.
func (a *Applier) Apply(stamp engine.UnixMilli, commands ...*Command) ([]Decided, error) {
	a.batch.Reset()
	for _, c := range commands {
		a.add(c)
	}
	if err := a.applyBatch(stamp); err != nil {
		return nil, err
	}
	if len(a.out.Results) != len(commands) {
		return nil, fmt.Errorf("%d results for %d commands", len(a.out.Results), len(commands))
	}
	for i, c := range commands {
		a.hold(c, &a.out.Results[i])
	}
	if err := a.checkOutcome(); err != nil {
		return nil, err
	}
	var err error
	if a.aside, err = besides(a.out.Results, a.out.Records); err != nil {
		return nil, err
	}
	return decode(a.out.Results, a.out.Records)
}

// hold keeps where the record of a hold or take stands, under its key.
func (a *Applier) hold(c *Command, r *engine.Result) {
	s := c.Stock
	if s == nil || r.Replayed || r.Records == 0 {
		return
	}
	switch {
	case s.Hold != nil:
		a.held[s.Hold.Digest] = r.At
	case s.Take != nil:
		a.held[s.Take.Digest] = r.At
	}
}

// add encodes a command. A void gets the record of its draw; where there is none it is a tick.
func (a *Applier) add(c *Command) {
	if v := c.Void; v != nil {
		if rec, known := a.drawn[drawn{v.Digest, v.Part}]; known {
			a.batch.AddVoid(&engine.Void{Campaign: v.Campaign, Draw: rec.encoded, At: rec.at, Fault: v.Fault, Actor: v.Actor, Reason: v.Reason})
			return
		}
	}
	if s := c.Stock; s != nil && s.names() {
		if at, known := a.held[s.Of]; known {
			s.addWith(&a.batch, engine.RefOf(at, &s.Owner))
			return
		}
	}
	c.AddTo(&a.batch)
}

func (a *Applier) applyBatch(stamp engine.UnixMilli) error {
	a.index++
	entry := engine.AppendEntryHeader(nil, &engine.EntryHeader{Stamp: stamp, Count: uint32(a.batch.Len()), Proposer: 1, Sequence: uint64(a.index)})
	return a.Engine.Apply(a.index, append(entry, a.batch.Commands()...), &a.out)
}

// checkOutcome holds the parts of an outcome against each other: head, offsets, wins and records.
func (a *Applier) checkOutcome() error {
	index, at, running, err := engine.ParseHead(a.out.Head[:])
	if err != nil || index != a.index || at != a.Engine.LogTime() || running != a.Engine.RunningHash() {
		return fmt.Errorf("head says index %d, time %d, running %x: %v", index, at, running, err)
	}
	wins := 0
	for i, from := range a.out.Offsets {
		var rec engine.Record
		n, err := engine.DecodeRecord(a.out.Records[from:], &rec)
		if err != nil {
			return fmt.Errorf("record %d at its offset: %w", i, err)
		}
		if rec.Kind == engine.RecordDraw {
			a.drawn[drawn{rec.Digest, rec.Part}] = recorded{engine.Location{Index: a.index, Ordinal: uint16(i)}, bytes.Clone(a.out.Records[from:][:n])}
		}
		for range winsOf(&rec) {
			if wins == len(a.out.Wins) || int(a.out.Wins[wins].Ordinal) != i || a.out.Wins[wins].Campaign != rec.Campaign {
				return fmt.Errorf("record %d is a win and stands not in order in %v", i, a.out.Wins)
			}
			wins++
		}
	}
	if wins != len(a.out.Wins) {
		return fmt.Errorf("%d wins named, %d recorded", len(a.out.Wins), wins)
	}
	return nil
}

// winsOf returns how many prizes a record gives: a pity may give one on top.
func winsOf(rec *engine.Record) (n int) {
	if rec.Kind != engine.RecordDraw {
		return 0
	}
	if rec.Prize != engine.NoPrize {
		n++
	}
	if moves, ok := rec.Pity(); ok && moves.Extra != engine.NoPrize {
		n++
	}
	return n
}

// decode returns results with copies of their records. Offset and Length are taken out of the results.
func decode(results []engine.Result, encoded []byte) ([]Decided, error) {
	out := make([]Decided, len(results))
	for i, r := range results {
		if !r.Replayed && r.Records > 0 {
			records, err := decodeRecords(encoded[r.Offset : r.Offset+r.Length])
			if err != nil {
				return nil, fmt.Errorf("result %d: %w", i, err)
			}
			if len(records) != int(r.Records) {
				return nil, fmt.Errorf("result %d names %d records, there are %d", i, r.Records, len(records))
			}
			out[i].Records = records
		}
		r.Offset, r.Length = 0, 0
		out[i].Result = r
	}
	return out, nil
}

// besides returns the records that no result names: of what was due before, and of what a guard did behind a draw.
func besides(results []engine.Result, encoded []byte) ([]engine.Record, error) {
	var rest []byte
	from := uint32(0)
	for _, r := range results {
		if !r.Replayed && r.Records > 0 {
			rest = append(rest, encoded[from:r.Offset]...)
			from = r.Offset + r.Length
		}
	}
	return decodeRecords(append(rest, encoded[from:]...))
}

func decodeRecords(encoded []byte) ([]engine.Record, error) {
	encoded = append([]byte(nil), encoded...)
	var out []engine.Record
	for len(encoded) > 0 {
		var rec engine.Record
		n, err := engine.DecodeRecord(encoded, &rec)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", len(out), err)
		}
		out, encoded = append(out, rec), encoded[n:]
	}
	return out, nil
}
