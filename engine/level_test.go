package engine

import (
	"bytes"
	"errors"
	"testing"
)

// build returns a build that supports no more than a level; two operations come with level 2.
func build(t *testing.T, level uint32) *Engine {
	t.Helper()
	e, err := New(Options{Shards: 2, Level: level, since: map[op]uint32{opAdjust: 2, opHit: 2}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestGoldenRaise: these bytes are in logs.
func TestGoldenRaise(t *testing.T) {
	var b Batch
	b.AddRaise(&Raise{Level: 1})
	golden(t, "level-entry", entryOf(&b, start))
}

// TestFeatureLevel: an operation of a later level is refused until the level was raised, by the check and by Apply alike; a
// build that does not support a level stops at its raise; the level never falls, and comes with a snapshot.
func TestFeatureLevel(t *testing.T) {
	newer, older := build(t, 3), build(t, 1)
	index := LogIndex(0)
	both := func(b *Batch) (Result, error, error) {
		t.Helper()
		index++
		entry := entryOf(b, start)
		var out, ignored Outcome
		err := newer.Apply(index, entry, &out)
		if err != nil {
			return Result{}, err, older.Apply(index, entry, &ignored)
		}
		return out.Results[len(out.Results)-1], nil, older.Apply(index, entry, &ignored)
	}
	raise := func(level uint32) *Batch {
		var b Batch
		b.AddRaise(&Raise{Level: level})
		return &b
	}
	adjust := new(Batch)
	adjust.AddAdjust(&Adjust{Campaign: 1, Prize: "p", Delta: 1, Digest: Key{1}, Actor: "op"})
	hit := new(Batch)
	hit.AddHit(&Hit{Namespace: 1, User: Key{1}, UserID: []byte("u")})

	if _, err, other := both(everyCommand()); err == nil || other == nil { // it has an adjust
		t.Errorf("an operation of level 2 at level 1: %v, %v", err, other)
	}
	newer, older, index = build(t, 3), build(t, 1), 0
	if _, err, other := both(splitCommand(t, everyCommand(), opInit)); err != nil || other != nil {
		t.Fatal(err, other)
	}
	for _, e := range []*Engine{newer, older} {
		for _, b := range []*Batch{adjust, hit} {
			if err := e.CheckCommands(b.Commands(), b.Len()); !errors.Is(err, ErrLevel) {
				t.Errorf("checked at level %d: %v", e.Level(), err)
			}
		}
	}
	before := newer.StateHash()
	if r, err, other := both(raise(1)); err != nil || other != nil || !r.AlreadyLive || newer.Level() != 1 || newer.StateHash() != before {
		t.Errorf("a raise to the level in force: %+v, %v, %v", r, err, other)
	}
	if err := older.CheckCommands(raise(2).Commands(), 1); !errors.Is(err, ErrUnknownEntry) {
		t.Errorf("an older build would propose a level that it does not support: %v", err)
	}
	if r, err, other := both(raise(2)); err != nil || r.Value != 2 || newer.Level() != 2 || !errors.Is(other, ErrUnknownEntry) || older.Level() != 1 {
		t.Errorf("a raise: %+v, %v; the older build: %v", r, err, other)
	}
	if err := newer.CheckCommands(adjust.Commands(), 1); err != nil {
		t.Errorf("checked at level 2: %v", err)
	}
	older = build(t, 2) // upgraded meanwhile, and brought up by a snapshot
	for level, want := range map[uint32]bool{1: false, 2: true, 3: true} {
		e := build(t, level)
		if err := copyState(t, newer, e); (err == nil) != want || want && e.Level() != 2 {
			t.Errorf("a build of level %d takes a state of level 2: %v, level %d", level, err, e.Level())
		}
	}
	if err := copyState(t, newer, older); err != nil {
		t.Fatal(err)
	}
	if _, err, other := both(adjust); err != nil || other != nil || newer.StateHash() != older.StateHash() || newer.RunningHash() != older.RunningHash() {
		t.Errorf("an operation of level 2: %v, %v", err, other)
	}
	if r, err, _ := both(raise(1)); err != nil || !r.AlreadyLive || newer.Level() != 2 {
		t.Errorf("the level fell: %+v, %v", r, err)
	}
	if err := newer.CheckCommands(raise(4).Commands(), 1); !errors.Is(err, ErrUnknownEntry) {
		t.Errorf("a level beyond: %v", err)
	}
}

// splitCommand returns the first command of an operation.
func splitCommand(t *testing.T, b *Batch, o op) *Batch {
	t.Helper()
	for _, c := range split(t, b.Commands()) {
		if op(c[0]) == o {
			return &Batch{commands: c, count: 1}
		}
	}
	t.Fatal("no such command")
	return nil
}

// copyState gives one engine the state of another, by a snapshot.
func copyState(t *testing.T, from, to *Engine) error {
	t.Helper()
	var s bytes.Buffer
	if err := from.WriteSnapshot(&s); err != nil {
		t.Fatal(err)
	}
	return to.ReadSnapshot(&s)
}
