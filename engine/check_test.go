package engine

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goldenCommands returns the commands of every golden entry, by file.
func goldenCommands(t testing.TB) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for _, pattern := range []string{"*entry.hex", "*commands.hex"} {
		files, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(files) == 0 {
			t.Fatal("no golden commands", err)
		}
		for _, file := range files {
			commands := undump(t, file)
			if strings.HasSuffix(file, "entry.hex") {
				commands = commands[EntryHeaderSize:]
			}
			all[filepath.Base(file)] = commands
		}
	}
	return all
}

// undump reads what hex.Dump wrote.
func undump(t testing.TB, file string) (b []byte) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if len(line) < 59 {
			continue
		}
		part, err := hex.DecodeString(strings.ReplaceAll(line[10:59], " ", ""))
		if err != nil {
			t.Fatal(file, err)
		}
		b = append(b, part...)
	}
	return b
}

// rareCommands are operations that no golden entry has.
func rareCommands(t testing.TB) *Batch {
	var b Batch
	v := simple()
	seal := SealSeed([32]byte{}, [12]byte{5}, [16]byte{6})
	b.AddPublish(&Publish{Namespace: 1, Version: v, SealedSeed: seal, Expect: 1, Actor: "op"})
	b.AddRedraw(&RedrawRaffle{Campaign: 1, Raffle: "r", Actor: "op", Absent: nil})
	b.AddApprove(&Approve{Namespace: 1, Number: 1, Digest: [32]byte{7}, Actor: "op", Reason: "seen"})
	b.AddAward(&Award{Campaign: 1, Prize: "p", User: Key{8}, UserID: []byte("u1"), Digest: Key{8, 3}, Ticket: "t1", Actor: "op", Reason: "sorry"})
	b.AddImport(&ImportCodes{Campaign: 1, Prize: "p", Codes: []SealedCode{{Print: Key{1}, Sealed: make([]byte, 40)}}, Actor: "op"})
	b.AddDefend(&Defend{Campaign: 1, Actor: "op", Reason: "odd"})
	b.AddVoid(&Void{Campaign: 1, Draw: drawnRecord(t), At: Location{Index: 1}, Fault: VoidUser, Actor: "op", Reason: "wrong"})
	b.AddRestored(&Restored{Cluster: [16]byte{9}, Reason: "a backup"})
	return &b
}

// drawnRecord is the record of a draw.
func drawnRecord(t testing.TB) []byte {
	t.Helper()
	e, _ := New(Options{Shards: 1})
	var out Outcome
	if err := e.Apply(1, entryOf(everyCommand(), start), &out); err != nil {
		t.Fatal(err)
	}
	r := out.Results[4]
	records := out.Records[r.Offset : r.Offset+r.Length]
	var d Record
	n, err := DecodeRecord(records, &d)
	if err != nil || d.Kind != RecordDraw {
		t.Fatal(d.Kind, err)
	}
	return records[:n]
}

// split takes commands apart.
func split(t testing.TB, commands []byte) (all [][]byte) {
	t.Helper()
	for len(commands) > 0 {
		_, _, rest, err := nextCommand(commands)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, commands[:len(commands)-len(rest)])
		commands = rest
	}
	return all
}

// TestEveryOperationIsChecked: what the encoders build is taken, of every operation that there is; and no operation is
// forgotten here.
func TestEveryOperationIsChecked(t *testing.T) {
	e, _ := New(Options{Shards: 1})
	seen := make(map[op]bool)
	every := goldenCommands(t)
	every["rare"] = rareCommands(t).Commands()
	for name, commands := range every {
		for n, c := range split(t, commands) {
			seen[op(c[0])] = true
			if err := e.CheckCommands(c, 1); err != nil {
				t.Errorf("%s, command %d, operation %d: %v", name, n, c[0], err)
			}
		}
		if err := e.CheckCommands(commands, len(split(t, commands))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var out Outcome
	for o := range 256 {
		unknown := errors.Is(e.Apply(1, entryOf(&Batch{commands: []byte{byte(o), 0, 0, 0}, count: 1}, start), &out), ErrUnknownEntry)
		if unknown == seen[op(o)] {
			t.Errorf("operation %d: known to Apply %v, checked here %v", o, !unknown, seen[op(o)])
		}
		if errors.Is(e.CheckCommands([]byte{byte(o), 0, 0, 0}, 1), ErrUnknownEntry) != unknown {
			t.Errorf("operation %d: Apply and the check do not agree that it is unknown (%v)", o, unknown)
		}
	}
}

// agree applies one command and asks the check: what it takes, Apply must take.
func agree(t *testing.T, e *Engine, index LogIndex, commands []byte, count int) {
	t.Helper()
	checked := e.CheckCommands(commands, count)
	var out Outcome
	applied := e.Apply(index, entryOf(&Batch{commands: commands, count: count}, start), &out)
	if checked == nil && applied != nil {
		t.Fatalf("checked and then refused by Apply: %v\n%x", applied, commands)
	}
	// The other way round a seed that nobody can open is harmless where the campaign has one already.
	if checked != nil && applied == nil && !errors.Is(checked, ErrClusterKey) && !errors.As(checked, new(*invalidError)) {
		t.Fatalf("Apply takes it, the check does not: %v\n%x", checked, commands)
	}
}

// TestCheckAgreesWithApply spoils every byte of every operation.
func TestCheckAgreesWithApply(t *testing.T) {
	every := goldenCommands(t)
	every["rare"] = rareCommands(t).Commands()
	for name, commands := range every {
		t.Run(name, func(t *testing.T) {
			e, _ := New(Options{Shards: 1})
			index := LogIndex(1)
			agree(t, e, index, everyCommand().Commands(), everyCommand().Len())
			for _, c := range split(t, commands) {
				spoilt := make([]byte, len(c))
				for at := range c {
					for _, flip := range []byte{1, 0x80, c[at], ^c[at]} { // the last two make it 0 and 0xff
						copy(spoilt, c)
						spoilt[at] ^= flip
						index++
						agree(t, e, index, spoilt, 1)
					}
					index++
					short := append([]byte(nil), c[:at]...)
					agree(t, e, index, short, 1)
					if at > CommandHeaderSize { // cut with a length that says so
						short[1], short[2], short[3] = byte(at-CommandHeaderSize), byte((at-CommandHeaderSize)>>8), 0
						agree(t, e, index, short, 1)
					}
				}
				index++
				agree(t, e, index, c, 2)
				agree(t, e, index, append(append([]byte(nil), c...), 0), 1)
			}
		})
	}
}

// FuzzCheck: whatever the check takes, Apply takes.
func FuzzCheck(f *testing.F) {
	for _, commands := range goldenCommands(f) {
		f.Add(commands, len(split(f, commands)))
	}
	f.Fuzz(func(t *testing.T, commands []byte, count int) {
		if count < 0 || count > 1<<20 {
			return // a batch counts what it encodes
		}
		e, _ := New(Options{Shards: 1})
		agree(t, e, 1, everyCommand().Commands(), everyCommand().Len())
		agree(t, e, 2, commands, count)
	})
}

// BenchmarkCheck is the price of a draw.
func BenchmarkCheck(b *testing.B) {
	e, _ := New(Options{Shards: 1})
	for _, n := range []int{1, 256} {
		var batch Batch
		for range n {
			batch.AddDraw(&Draw{Campaign: 1, User: Key{8}, Digest: Key{8, 2}, UserID: []byte("user-00000001"), Times: 1, HasIP: true, IP: Key{10}})
		}
		b.Run(map[int]string{1: "one", 256: "batch"}[n], func(b *testing.B) {
			b.ReportAllocs()
			for range b.N / n {
				if err := e.CheckCommands(batch.Commands(), batch.Len()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
