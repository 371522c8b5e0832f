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

// TestNemesisFindsWhatWasAcknowledgedTooEarly runs three processes of which the leader counts nodes that do not answer as ones that
// have an entry. With connections that are refused and callers at the cut off leader, the run must end with 21 and say what was lost.
func TestNemesisFindsWhatWasAcknowledgedTooEarly(t *testing.T) {
	c := exec.Command(os.Args[0], "bench", "nemesis", "--faults", "link", "--long-hold", "4s", "--rounds", "1", "--dir", t.TempDir())
	c.Env = append(os.Environ(), beDrawd+"=1", "DRAWD_MUTANT="+string(mutant.AckBeforeQuorum))
	text, err := c.CombinedOutput()
	ended := (*exec.ExitError)(nil)
	if !errors.As(err, &ended) || ended.ExitCode() != exitInvariant {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, says := range []string{"VERDICT   WRONG", "lost", "acknowledged and asked at"} {
		if !strings.Contains(string(text), says) {
			t.Errorf("%q is not in\n%s", says, text)
		}
	}
}
