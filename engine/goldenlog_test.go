package engine

import "testing"

// TestGoldenLog replays a log that was written at feature level 1, entry by entry, with the running hash after each and the
// state hash at the end: whatever a later build changes in Apply, it changes behind a level, and not here (D7). Do not write
// this file anew because the test fails; a new level gets a log of its own.
func TestGoldenLog(t *testing.T) {
	for _, shards := range []int{1, 4, 64} {
		golden(t, "level-1-log", replayGolden(t, shards))
	}
}

func replayGolden(t *testing.T, shards int) []byte {
	t.Helper()
	commands := goldenCommands(t)
	e, err := New(Options{Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	var told []byte
	var out Outcome
	for i, name := range []string{
		"entry", "gate-commands", "time-entry", "chances-entry", "raffle-commands", "fatigue-entry", "help-entry", "holds-entry", "acts-commands", "people-entry",
	} {
		c, ok := commands[name+".hex"]
		if !ok {
			t.Fatal("no golden entry", name)
		}
		b := &Batch{commands: c, count: len(split(t, c))}
		if err := e.Apply(LogIndex(i+1), entryOf(b, start+UnixMilli(i)*1000), &out); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		hash := e.RunningHash()
		told = append(told, hash[:]...)
	}
	if err := e.CheckInvariants(); err != nil {
		t.Error(err)
	}
	hash := e.StateHash()
	return append(told, hash[:]...)
}
