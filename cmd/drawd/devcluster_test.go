package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// devCrew is a `dev --cluster 3` that was started, as its user sees it.
type devCrew struct {
	t      *testing.T
	text   string
	pids   []int
	leader int    // its pid
	paste  string // URL of the line to paste
	dir    string
	rest   io.Reader
	end    func(syscall.Signal) error
}

func startDevCrew(t *testing.T) *devCrew {
	t.Helper()
	cmd := drawd("dev", "--cluster", "3", "--api", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	c := &devCrew{t: t, rest: stdout, end: func(s syscall.Signal) error {
		if err := cmd.Process.Signal(s); err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, stdout)
		return cmd.Wait()
	}}
	lines := bufio.NewReader(stdout)
	for !strings.Contains(c.text, "Use \"drawd serve --raft\"") {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after\n%s", err, c.text)
		}
		c.text += line
	}
	for _, row := range regexp.MustCompile(`(?m)^n[0-9]+\s+([0-9]+) `).FindAllStringSubmatch(c.text, -1) {
		pid, _ := strconv.Atoi(row[1])
		c.pids = append(c.pids, pid)
	}
	c.leader, _ = strconv.Atoi(regexp.MustCompile(`kill -9 ([0-9]+)`).FindStringSubmatch(c.text)[1])
	c.paste = regexp.MustCompile(`curl -s (\S+) `).FindStringSubmatch(c.text)[1]
	c.dir = regexp.MustCompile(`At Ctrl-C (\S+) is deleted`).FindStringSubmatch(c.text)[1]
	return c
}

// running reports which of the nodes' processes are there. A process that nobody has waited for yet is not: it has ended.
func (c *devCrew) running() (pids []int) {
	for _, pid := range c.pids {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err == nil && !strings.Contains(string(stat), ") Z ") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// gone waits until no process of a node is there.
func (c *devCrew) gone() {
	c.t.Helper()
	for deadline := time.Now().Add(patience); len(c.running()) > 0; {
		if time.Now().After(deadline) {
			c.t.Fatalf("%v are still running", c.running())
		}
	}
}

// dev --cluster 3 shows three processes, a first draw, and a line to paste that works also when the leader is killed.
func TestDevCluster(t *testing.T) {
	c := startDevCrew(t)
	if !strings.HasPrefix(c.text, "first draw  u1: ") || len(c.pids) != 3 || len(c.running()) != 3 {
		t.Fatalf("pids %v:\n%s", c.pids, c.text)
	}
	paste := func(key string) (int, string) {
		request, err := http.NewRequest(http.MethodPost, c.paste, strings.NewReader(`{"user":"u2"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", key)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatalf("the node that is told of does not answer: %v", err)
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body)
	}
	before, body := paste("k1")
	for deadline := time.Now().Add(patience); before != http.StatusOK && time.Now().Before(deadline); {
		before, body = paste("k1")
	}
	if err := syscall.Kill(c.leader, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	for { // a new draw needs the next leader
		status, answer := paste("k2")
		if status == http.StatusOK {
			break
		}
		if time.Since(killed) > patience {
			t.Fatalf("nobody draws: %d %s", status, answer)
		}
	}
	if status, again := paste("k1"); status != http.StatusOK || again != body {
		t.Errorf("after the leader was killed the answer is %d\n%s\nit was\n%s", status, again, body)
	}
	t.Logf("answered again %v after the kill", time.Since(killed).Round(time.Millisecond))
	if err := c.end(syscall.SIGINT); err != nil {
		t.Errorf("dev ended with %v", err)
	}
	c.gone()
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", c.dir, err)
	}
}

// Killed without a word, it leaves no process behind.
func TestDevClusterIsNotLeftBehind(t *testing.T) {
	c := startDevCrew(t)
	_ = c.end(syscall.SIGKILL)
	c.gone()
	_ = os.RemoveAll(c.dir)
}
