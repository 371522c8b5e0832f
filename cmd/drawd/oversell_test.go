//go:build mutants

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawd/drawd/bench/runfile"
	"github.com/drawd/drawd/internal/mutant"
)

// TestBenchFindsAPlantedOversell runs a crowd against a daemon that gives out what it does not have. The load test must
// end with 21 and name the prize; the same build without the fault must not.
func TestBenchFindsAPlantedOversell(t *testing.T) {
	for _, row := range []struct {
		fault mutant.Name
		want  func(code int) bool
	}{
		{mutant.Oversell, func(code int) bool { return code == exitInvariant }},
		{"", func(code int) bool { return code == exitOK || code == exitThreshold }}, // a busy machine may make the run INVALID
	} {
		file := filepath.Join(t.TempDir(), "run.json")
		c := exec.Command(os.Args[0], "bench", "flash", "--self", "--users", "20000", "--over", "1s", "--duration", "2s", "--min-logged", "10000", "--out", file)
		c.Env = append(os.Environ(), beDrawd+"=1", "DRAWD_MUTANT="+string(row.fault))
		text, err := c.CombinedOutput()
		code := 0
		if ended := (*exec.ExitError)(nil); errors.As(err, &ended) {
			code = ended.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if !row.want(code) {
			t.Fatalf("%q: exit code %d\n%s", row.fault, code, text)
		}
		run, err := runfile.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var oversold int64
		for _, p := range run.Prizes {
			oversold += p.Oversold
		}
		if (run.Result == runfile.Wrong) != (row.fault != "") || (oversold > 0) != (row.fault != "") {
			t.Errorf("%q: the document says %s, %d units oversold", row.fault, run.Result, oversold)
		}
		if row.fault == "" {
			continue
		}
		for _, says := range []string{"VERDICT   WRONG", "stock: prize ", ": oversold by 1 at seq "} {
			if !strings.Contains(string(text), says) {
				t.Errorf("%q is not in\n%s", says, text)
			}
		}
		t.Logf("exit code %d\n%s", code, text[strings.LastIndex(string(text), "drawd: "):])
	}
}
