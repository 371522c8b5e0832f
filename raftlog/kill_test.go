package raftlog

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
)

// childDir, in the environment, makes TestKilledChild the process that gets killed.
const childDir = "RAFTLOG_TEST_CHILD_DIR"

// TestKill kills a process on a real disk with SIGKILL, again and again: every answer that left it stands in the next.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 4))
	var answers []answer
	for range 4 {
		answers = append(answers, killed(t, dir, 200+rng.IntN(800))...)
	}
	r := newRig(t, nil)
	r.store.Dir = dir
	r.mustStart()
	r.mustStand(answers, user)
	if err := r.engine.CheckInvariants(); err != nil {
		t.Error(err)
	}
	t.Logf("%d answers", len(answers))
}

// killed runs a child until it has given so many answers, kills it, and returns all that it gave.
func killed(t *testing.T, dir string, after int) []answer {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var answers []answer
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var a answer
		var record string
		line, is := strings.CutPrefix(lines.Text(), "answer ")
		if !is {
			t.Log(lines.Text()) // why the child failed
			continue
		}
		if _, err := fmt.Sscan(line, &a.key, &a.at.Index, &a.at.Ordinal, &record); err != nil || !strings.HasSuffix(line, ".") {
			continue // cut off by the kill
		}
		a.record, _ = hex.DecodeString(strings.TrimSuffix(record, "."))
		answers = append(answers, a)
		if len(answers) == after {
			_ = child.Process.Kill()
		}
	}
	if err := child.Wait(); err == nil || len(answers) < after {
		t.Fatalf("the child ended by itself after %d answers: %v", len(answers), err)
	}
	return answers
}

// TestKilledChild is the child: it draws for ever, and writes each answer down only when it has it.
func TestKilledChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		return // nothing to see here: TestKill runs it
	}
	r := newRig(t, nil)
	r.store.Dir = dir
	r.options.CheckpointBytes, r.options.CheckpointInterval, r.options.TrailingBytes = 32<<10, 50*time.Millisecond, 8<<10
	r.options.QueueAge, r.options.GiveUp = time.Minute, time.Hour // a slow disk is not what is tested
	r.options.SyncLimit = time.Hour
	r.mustStart()
	if len(r.engine.Namespaces()[0].Campaigns()) == 0 {
		r.publish(testVersion(time.Now(), 1<<40))
	}
	run := rand.Uint64()
	var all sync.WaitGroup
	for g := range 16 {
		all.Add(1)
		go func() {
			defer all.Done()
			var b engine.Batch
			for i := 0; ; i++ {
				key := fmt.Sprintf("u%d/%x-%d-%d", (g+i)%53, run, g, i)
				a, err := r.draw(&b, user(key), key)
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Fprintf(os.Stdout, "answer %s %d %d %s.\n", key, a.at.Index, a.at.Ordinal, hex.EncodeToString(a.record))
			}
		}()
	}
	all.Wait()
}
