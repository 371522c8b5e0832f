package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawd/drawd/bench/oracle"
	"github.com/drawd/drawd/engine"
)

func TestFileKinds(t *testing.T) {
	for rel, want := range map[string]string{
		"log/000012.log": "log/WAL", "state/000009.sst": "state/table", "state/MANIFEST-000027": "state/MANIFEST", "log/OPTIONS-000007": "log/OPTIONS",
		"log/marker.manifest.000002.MANIFEST-000005": "log/marker.manifest", "FORMAT": "FORMAT", "WATERMARK": "WATERMARK", "cluster.key": "cluster.key",
	} {
		if got := fileKind(rel); got != want {
			t.Errorf("%s is a %s, want %s", rel, got, want)
		}
	}
}

// The parts of a file cover it without a gap, and none is empty: a byte is drawn from each.
func TestZonesCoverTheFile(t *testing.T) {
	for _, kind := range []string{"log/WAL", "state/table", "FORMAT"} {
		for _, size := range []int64{0, 1, 47, 4096, 4145, 32 << 10, 32<<10 + 1, 1 << 20} {
			f := dataFile{kind: kind, size: size}
			var sum int64
			for _, z := range f.zones() {
				if z.from < 0 || z.to > size || z.from >= z.to {
					t.Errorf("%s of %d bytes has the zone%s from %d to %d", kind, size, z.name, z.from, z.to)
				}
				sum += z.to - z.from
			}
			if sum != size {
				t.Errorf("the zones of a %s of %d bytes have %d", kind, size, sum)
			}
		}
	}
}

// A loss without a word is a fault, whatever a row expected, unless one node alone cannot know.
func TestSilenceIsCounted(t *testing.T) {
	for _, row := range []struct {
		r                    DiskRow
		silent, alone, wrong int
	}{
		{DiskRow{Expected: []string{outcomeRefused}, Observed: outcomeRefused}, 0, 0, 0},
		{DiskRow{Expected: []string{outcomeRefused}, Observed: outcomeNone}, 0, 0, 1},
		{DiskRow{Expected: anyButSilence, Observed: outcomeSilent, Lost: 1}, 1, 0, 1},
		{DiskRow{Expected: []string{outcomeSilent}, Observed: outcomeSilent, Lost: 7}, 1, 0, 1},
		{DiskRow{Expected: []string{outcomeSilent}, Observed: outcomeSilent, Lost: 7, Alone: true}, 0, 1, 0},
		// The row that must show a loss proves that the judge sees one.
		{DiskRow{Expected: []string{outcomeSilent}, Observed: outcomeNone, Alone: true}, 0, 0, 1},
	} {
		m := &diskMatrix{say: &console{}, report: &DiskReport{Faults: &oracle.Verdict{}, Outcomes: map[string]int{}}}
		m.add(row.r)
		if got := m.report; got.Silent != row.silent || got.Undetectable != row.alone || len(got.Faults.Faults) != row.wrong {
			t.Errorf("%+v counts %d silent, %d alone, %d wrong", row.r, got.Silent, got.Undetectable, len(got.Faults.Faults))
		}
	}
}

func TestLastWords(t *testing.T) {
	for text, want := range map[string]string{
		"{\"msg\":\"starting\"}\ndrawd: it is damaged\nSee help": "it is damaged",
		"a\nFATAL: the disk":                  "FATAL: the disk",
		"panic: write x\n\ngoroutine 1\nmain": "panic: write x",
		"a\nb":                                "b",
		"":                                    "",
	} {
		if got := lastWords(text); got != want {
			t.Errorf("the last words of %q are %q, want %q", text, got, want)
		}
	}
}

func TestLedgerRow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.md")
	m := &Machine{Commit: "0123456789ab"}
	if err := os.WriteFile(path, []byte("# L\n\n| date | a |\n|---|---|\n| 2026-01-01 | x |\n\n| fault | test |\n| 2 | y |\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"one", "two"} {
		if err := appendLedger(path, m, command, "much", "none"); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "| 2026-01-01 | x |\n| 0001-01-01 | 0123456 | `one` | much | none |\n"; !strings.Contains(string(text), want) {
		t.Errorf("%q is missing in:\n%s", want, text)
	}
	if err := os.WriteFile(path, []byte("no table"), 0o600); err != nil {
		t.Fatal(err)
	}
	if appendLedger(path, m, "one", "much", "none") == nil {
		t.Error("a file without a table is taken for a ledger")
	}
}

func TestOptionsOfFaults(t *testing.T) {
	compile := func([]byte) (*engine.Version, error) { return nil, nil }
	for what, err := range map[string]error{
		"Only":   (&DiskOptions{Compile: compile, Only: []string{"floppy"}}).Validate(),
		"Faults": (&NemesisOptions{Compile: compile, Faults: []string{"moths"}}).Validate(),
		"Nodes":  (&NemesisOptions{Compile: compile, Nodes: 2}).Validate(),
		"Kills":  (&FailoverOptions{Compile: compile, Kills: 201}).Validate(),
	} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
