package engine

import (
	"errors"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// TestGoldenLog replays a log that was written at feature level 1, entry by entry, with the running hash after each and the
// state hash at the end: whatever a later build changes in Apply, it changes behind a level, and not here (D7). Do not write
// this file anew because the test fails; a new level gets a log of its own.
func TestGoldenLog(t *testing.T) {
	for _, shards := range []int{1, 4, 64} {
		golden(t, "level-1-log", replayGolden(t, shards))
	}
}

// firstLog are the entries of the first golden log of level 1: files in testdata.
var firstLog = []string{
	"entry", "gate-commands", "time-entry", "chances-entry", "raffle-commands", "fatigue-entry", "help-entry", "holds-entry", "acts-commands", "people-entry",
}

func replayGolden(t *testing.T, shards int) []byte {
	t.Helper()
	commands := goldenCommands(t)
	var log [][]byte
	for _, name := range firstLog {
		c, ok := commands[name+".hex"]
		if !ok {
			t.Fatal("no golden entry", name)
		}
		log = append(log, c)
	}
	e, err := New(Options{Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	return replayLog(t, e, log)
}

// replayLog applies entries one second apart and returns the running hash after each, and the hash of the state.
func replayLog(t *testing.T, e *Engine, log [][]byte) (told []byte) {
	t.Helper()
	var out Outcome
	first := e.AppliedIndex() + 1
	for i, c := range log {
		b := &Batch{commands: c, count: len(split(t, c))}
		if err := e.Apply(first+LogIndex(i), entryOf(b, start+UnixMilli(i)*1000), &out); err != nil {
			t.Fatalf("entry %d: %v", i, err)
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

// TestGoldenLogOfTheRest is the second golden log of level 1: what operators do, as decided and not only as refused, and every
// operation that the first one does not have. Together they have all that there are.
func TestGoldenLogOfTheRest(t *testing.T) {
	golden(t, "rest-commands", restLog(t))
	commands := goldenCommands(t)
	rest := split(t, commands["rest-commands.hex"])
	for _, shards := range []int{1, 4, 64} {
		golden(t, "level-1-rest-log", replayLog(t, newTableOf(t, shards).Engine, rest))
	}
	var have [256]bool
	for _, name := range firstLog {
		for _, c := range split(t, commands[name+".hex"]) {
			have[c[0]] = true
		}
	}
	for _, c := range rest {
		have[c[0]] = true
	}
	e, _ := New(Options{Shards: 1})
	for o := range have {
		if known := !errors.Is(e.CheckCommands([]byte{byte(o), 0, 0, 0}, 1), ErrUnknownEntry); known && !have[o] {
			t.Errorf("operation %d stands in no golden log", o)
		}
	}
}

// restLog returns the commands of the second log, each of which is an entry.
func restLog(t *testing.T) (log []byte) {
	x := newTable(t)
	x.heard = func(commands []byte) { log = append(log, commands...) }
	decided := func(what string, r Result) Result {
		t.Helper()
		x.wantCode(what, r, problem.OK)
		x.now += 1000
		return r
	}
	decided("publish", x.publish(delivered(func(v *Version) {
		v.Prizes = append(v.Prizes, Prize{ID: "code", Kind: KindCode, Weight: 0, Stock: StockUnstated, Units: 1, Fallback: -1, Slot: -1})
		v.Codes = []PrizeCodes{{Prize: 1, LowWater: 1}}
	})))
	decided("import", x.one(func(b *Batch) {
		b.AddImport(&ImportCodes{Campaign: 1, Prize: "code", Codes: sealedCodes(0, 3), Actor: "ann", Reason: "batch 1"})
	}))
	decided("award", x.award("p", "u9", "T1", "ann"))
	draw, at := x.encoded(decided("draw", x.draw("u1", "1")))
	decided("void", x.one(func(b *Batch) {
		b.AddVoid(&Void{Campaign: 1, Draw: draw, At: at, Fault: VoidSystem, Actor: "bob", Reason: "a test"})
	}))
	meagre := meagre(func(v *Version) { v.Salt = [16]byte{9} })
	decided("defensive", x.setDefensive(meagre, 1))
	decided("defend", x.defend("bob"))
	decided("draw", x.draw("u3", "3"))
	decided("policy", x.approvals(1))
	off := SwitchScope{Kind: SwitchPrize, Campaign: 1, Prize: "p"}
	decided("off", x.turn(off, false, "ann"))
	asked := x.turn(off, true, "bob") // ann may undo it herself
	if !asked.Pending {
		t.Fatalf("nobody is asked: %+v", asked)
	}
	decided("approve", x.answerTo(asked, "cyd"))
	decided("draw", x.draw("u2", "2"))
	decided("raise", x.one(func(b *Batch) { b.AddRaise(&Raise{Level: 1}) }))
	decided("restored", x.one(func(b *Batch) { b.AddRestored(&Restored{Cluster: [16]byte{9}, Reason: "a backup"}) }))
	x.wantCode("draw", x.draw("u4", "4"), problem.Paused)
	return log
}
