//go:build mutants

package sim

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/internal/mutant"
)

// TestHunt runs worlds until one has a fault. TestMutants runs it in a process of its own, with one mutant.
func TestHunt(t *testing.T) {
	limit, err := time.ParseDuration(os.Getenv("SIM_HUNT"))
	if err != nil {
		t.Log("SIM_HUNT names no duration: there is nothing to hunt")
		return
	}
	began, simulated := time.Now(), time.Duration(0)
	for seed := uint64(1); time.Since(began) < limit; seed++ {
		r := Run(t, Options{Seed: seed, Length: 2 * time.Minute, Calm: 1500 * time.Millisecond, Think: 500 * time.Millisecond})
		simulated += r.Simulated
		if len(r.Faults) > 0 {
			fmt.Printf("CAUGHT by %s after %v simulated, %v real\n", r.Faults[0].Rule, simulated.Round(time.Second), time.Since(began).Round(100*time.Millisecond))
			fmt.Printf("BECAUSE %.200s\n", strings.ReplaceAll(r.Faults[0].Detail, "\n", " "))
			return
		}
	}
	fmt.Printf("LIVES after %v simulated, %v real\n", simulated.Round(time.Second), time.Since(began).Round(100*time.Millisecond))
}

// ground is where a mutant is hunted: a test of the package itself, unless the cluster cannot show it.
type ground struct {
	mutant mutant.Name
	folder string // of the package, from this one; empty: a world of this package
	test   string
	note   string
}

var elsewhere = []ground{
	{mutant.WindowEdge, "./model", "^TestSeeds$", "the clients of a world do not come to the edges of windows; the scripts of the model do"},
	{mutant.PackForgets, ".", "^TestOldKeys$", "keys are packed in worlds whose days pass only"},
	{mutant.PackUnmarked, "../engine/internal/pages", "^TestPackedRowsAgainstAMap$", "in a world a checkpoint must fall between a step of packing and the end of its node: one of three finds it"},
	{mutant.RetryUnheard, "../server/dataplane", "^TestOldFactsDenyNothing$", "a denial from old facts of what was drawn needs a cap that was raised meanwhile"},
	{mutant.BatchReused, "../server/dataplane", "^TestABatchOfAnUnknownOutcomeIsNotUsedAgain$", "a log that writes into a batch after it gave up is, in a world, a dead one's"},
	{mutant.ClockUnasked, "../raftlog", "^TestALeaderAsksForTheClocksFirst$", "the operator of a world accepts every clock at once"},
	{mutant.DiskUnnamed, "../raftlog/join", "^TestWipedFounderFoundsNothingTwice$", "the nodes of a world are founded by their options"},
	{mutant.HeartbeatAside, "../raftlog", "^TestForgedHeartbeat$", "the hole is microseconds wide: a message is forged into it"},
}

// TestMutants plants one fault after the other: each must be found. SIM_HUNT bounds the hunt for one (default 60s),
// SIM_MUTANT names the only one to hunt.
func TestMutants(t *testing.T) {
	only := mutant.Name(os.Getenv("SIM_MUTANT"))
	fmt.Printf("%-20s %-22s %s\n", "mutant", "caught by", "after")
	for _, name := range mutant.All() {
		if only != "" && only != name {
			continue
		}
		by, after, ok := hunt(t, name)
		fmt.Printf("%-20s %-22s %s\n", name, by, after)
		if !ok {
			t.Errorf("%s lives: the checkers have a hole", name)
		}
	}
	if only == "" {
		if by, after, caught := hunt(t, "none"); caught {
			t.Errorf("without a mutant something was caught: %s, %s", by, after)
		}
	}
}

// hunt looks for one mutant in a process of its own.
func hunt(t *testing.T, name mutant.Name) (by, after string, caught bool) {
	t.Helper()
	limit := os.Getenv("SIM_HUNT")
	if limit == "" {
		limit = "60s"
	}
	began := time.Now()
	child := exec.Command(os.Args[0], "-test.run=^TestHunt$", "-test.cpu=1", "-test.timeout=30m")
	for _, g := range elsewhere {
		if g.mutant == name {
			child = exec.Command("go", "test", "-count=1", "-tags", "mutants", "-cpu", "1", "-run", g.test, g.folder)
		}
	}
	child.Env = append(os.Environ(), "DRAWD_MUTANT="+string(name), "SIM_HUNT="+limit)
	var out bytes.Buffer
	child.Stdout, child.Stderr = &out, &out
	err := child.Run()
	text := out.String()
	if testing.Verbose() {
		for _, line := range strings.Split(text, "\n") {
			if strings.HasPrefix(line, "BECAUSE") || strings.HasPrefix(line, "panic:") {
				t.Logf("%s: %s", name, line)
			}
		}
	}
	if m := regexp.MustCompile(`(?m)^CAUGHT by (\S+) after (.*)$`).FindStringSubmatch(text); m != nil {
		return "the rule " + m[1], m[2], true
	}
	if m := regexp.MustCompile(`(?m)^LIVES after (.*)$`).FindStringSubmatch(text); m != nil {
		return "nobody", m[1], false
	}
	if m := regexp.MustCompile(`(?m)^--- FAIL: (\S+)`).FindStringSubmatch(text); m != nil && err != nil {
		return m[1], fmt.Sprintf("%v real", time.Since(began).Round(100*time.Millisecond)), true
	}
	if m := regexp.MustCompile(`(?m)^panic: (.{0,60})`).FindStringSubmatch(text); m != nil {
		return "a panic: " + m[1], fmt.Sprintf("%v real", time.Since(began).Round(100*time.Millisecond)), true
	}
	return "nobody: " + text[:min(len(text), 300)], "", false
}
