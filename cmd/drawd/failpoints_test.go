//go:build failpoints

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/drawd/drawd/internal/failpoint"
)

// TestDeathAtEachPoint lets the leader of three processes die at each point under load, then a follower (of
// those at which terms are written one that votes): it starts again, all nodes come to the same, and what was acknowledged is there, with the same bytes under its key.
func TestDeathAtEachPoint(t *testing.T) {
	c := exec.Command(os.Args[0], "bench", "nemesis", "--loopback", "--faults", "point", "--rounds", "19", "--dir", t.TempDir())
	c.Env = append(os.Environ(), beDrawd+"=1", failpoint.Variable+"="+t.TempDir())
	text, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, p := range failpoint.All() {
		if !strings.Contains(string(text), " at "+string(p)) {
			t.Errorf("nobody died at %s", p)
		}
	}
	t.Logf("%s", text)
}
