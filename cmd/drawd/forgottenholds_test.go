//go:build mutants

package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/drawd/drawd/internal/mutant"
)

// TestCrashLoopFindsForgottenHolds kills a daemon that knows the keys of holds and takes for as long as its process lives: what is asked
// for again after the restart is a second hold, and the books say so. The same build without the fault is right.
func TestCrashLoopFindsForgottenHolds(t *testing.T) {
	for _, row := range []struct {
		fault mutant.Name
		code  int
		says  []string
	}{
		{mutant.HoldKeyInProcess, exitInvariant, []string{"VERDICT   WRONG", "changed   kill 1: key ", "units     pool seats has "}},
		{"", exitOK, []string{"VERDICT   right"}},
	} {
		c := exec.Command(os.Args[0], "bench", "crashloop", "--kills", "2", "--dir", t.TempDir())
		c.Env = append(os.Environ(), beDrawd+"=1", "DRAWD_MUTANT="+string(row.fault))
		text, err := c.CombinedOutput()
		code := 0
		if ended := (*exec.ExitError)(nil); errors.As(err, &ended) {
			code = ended.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != row.code {
			t.Fatalf("%q: exit code %d\n%s", row.fault, code, text)
		}
		for _, says := range row.says {
			if !strings.Contains(string(text), says) {
				t.Errorf("%q: %q is not in\n%s", row.fault, says, text)
			}
		}
	}
}
