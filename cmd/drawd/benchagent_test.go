package main

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawd/drawd/bench/load"
	"github.com/drawd/drawd/bench/runfile"
)

const benchToken = "DRAWD_BENCH_TOKEN=a token of this test"

// startAgent starts an agent as a process of its own and returns its address.
func startAgent(t *testing.T, flags ...string) (*exec.Cmd, string) {
	t.Helper()
	c := drawd(append([]string{"bench", "agent", "--listen", "127.0.0.1:0"}, flags...)...)
	c.Env = append(c.Env, benchToken)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill() // it may be gone already
		_ = c.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, found := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	if err != nil || !found {
		t.Fatalf("%q, %v", line, err)
	}
	return c, addr
}

// sumOfLog adds up the histograms of .hlog files.
func sumOfLog(t *testing.T, names ...string) *load.Histogram {
	t.Helper()
	sum := load.NewHistogram()
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		h, err := runfile.SumOfHLog(file)
		if err != nil {
			t.Fatal(name, err)
		}
		sum.Merge(h)
	}
	return sum
}

// coordinate runs a steady load by agents and returns its document.
func coordinate(t *testing.T, seconds string, agents []string, each func(line string), more ...string) (*runfile.Run, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "run.json")
	c := drawd(append([]string{"bench", "steady", "--self", "--rate", "500", "--duration", seconds, "--users", "300", "--min-logged", "100",
		"--agents", strings.Join(agents, ","), "--out", file}, more...)...)
	c.Env = append(c.Env, benchToken)
	var text bytes.Buffer
	c.Stdout = &text
	said, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(said); lines.Scan(); {
		each(lines.Text())
	}
	_ = c.Wait() // the document says what it came to
	if code := c.ProcessState.ExitCode(); code != exitOK && code != exitThreshold {
		t.Fatalf("exit code %d\n%s", code, &text)
	}
	run, err := runfile.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return run, text.String()
}

func outcomeOf(run *runfile.Run, name string) uint64 {
	for _, o := range run.Outcomes {
		if o.Name == name {
			return o.Count
		}
	}
	return 0
}

// TestAgentsShareALoad: two agents in processes of their own send one schedule; what the coordinator has is the sum of what they have,
// count by count, and every answer that either of them heard is judged.
func TestAgentsShareALoad(t *testing.T) {
	dir := t.TempDir()
	logs := []string{filepath.Join(dir, "1.hlog"), filepath.Join(dir, "2.hlog")}
	_, one := startAgent(t, "--hdr", logs[0])
	_, two := startAgent(t, "--hdr", logs[1])
	merged := filepath.Join(dir, "all.hlog")
	run, text := coordinate(t, "1s", []string{one, two}, func(string) {}, "--hdr", merged)
	if run.Verdict == nil || run.Verdict.Status != runfile.Right || len(run.Agents) != 2 {
		t.Fatalf("%+v\n%s", run.Verdict, text)
	}
	arrivals := run.Agents[0].Arrivals + run.Agents[1].Arrivals
	if d := run.Agents[0].Arrivals - run.Agents[1].Arrivals; d < 0 || d > 1 || arrivals < 300 {
		t.Errorf("shares of %d and %d", run.Agents[0].Arrivals, run.Agents[1].Arrivals)
	}
	if logged := outcomeOf(run, "logged"); logged != uint64(arrivals) || run.Verdict.Acknowledged != logged || run.Verdict.ReplaysSame != logged {
		t.Errorf("%d arrivals, %d logged, verdict %+v", arrivals, logged, run.Verdict)
	}
	sum, all := sumOfLog(t, logs...), sumOfLog(t, merged)
	if !sum.Equals(all) || all.TotalCount() != int64(arrivals) {
		t.Errorf("the agents have %d latencies, the coordinator %d, of %d arrivals", sum.TotalCount(), all.TotalCount(), arrivals)
	}
	for _, l := range run.Latency {
		if l.Name != "logged_due" {
			continue
		}
		h, err := l.Histogram()
		if err != nil {
			t.Fatal(err)
		}
		if got := load.NewHistogram(); got.Merge(h) > 0 || !got.Equals(sum) {
			t.Errorf("the histogram of the run has %d latencies, those of the agents %d", h.TotalCount(), sum.TotalCount())
		}
	}
	for _, a := range run.Agents {
		if a.ClockAhead > a.ClockPlusMinus || a.ClockAhead < -a.ClockPlusMinus || a.ClockPlusMinus == 0 || a.PerSecond == 0 { // it is one clock
			t.Errorf("%+v", a)
		}
	}
	want(t, text, one, two, "clock ahead", "±")
}

// TestAgentLost: an agent that is killed makes the run INVALID and names it; what it had sent is asked for again, and drawd is right.
func TestAgentLost(t *testing.T) {
	_, one := startAgent(t)
	process, two := startAgent(t)
	run, text := coordinate(t, "4s", []string{one, two}, func(line string) {
		if strings.HasPrefix(strings.TrimSpace(line), "1s ") {
			_ = process.Process.Kill() // by the test's own hand
		}
	})
	if run.Result != runfile.Invalid || run.Agents[1].Lost == "" || run.Agents[0].Lost != "" {
		t.Errorf("%s %+v\n%s", run.Result, run.Agents, text)
	}
	if run.Verdict.Status != runfile.Right || run.Verdict.Acknowledged < uint64(run.Agents[0].Arrivals+run.Agents[1].Arrivals) {
		t.Errorf("%+v", run.Verdict)
	}
	want(t, text, "INVALID", "agent "+two+" was lost", "LOST")
}

func TestAgentsAndStrangers(t *testing.T) {
	_, addr := startAgent(t)
	c := drawd("bench", "steady", "--self", "--agents", addr)
	c.Env = append(c.Env, "DRAWD_BENCH_TOKEN=a token of somebody else")
	text, err := c.CombinedOutput()
	if err == nil || !strings.Contains(string(text), "does not have the same token") {
		t.Errorf("%v\n%s", err, text)
	}
	_, stderr := runs(t, exitUsage, "bench", "flash", "--self", "--agents", "nowhere,127.0.0.1:1,127.0.0.1:1", "--kill9", "1")
	want(t, stderr, "AgentToken has 0 bytes", `Agents names "nowhere"`, `"127.0.0.1:1" twice`, "Kill9 excludes Agents")
	_, stderr = runs(t, exitUsage, "bench", "agent", "--listen", "x", "--bench-token", "short")
	want(t, stderr, "Token has 5 bytes", `Listen is "x"`)
}

// TestAgentOnce: who calls without the token, says something else or nothing at all does not use up an agent that serves once.
func TestAgentOnce(t *testing.T) {
	process, addr := startAgent(t, "--once")
	for _, says := range []string{"", "GET / HTTP/1.1\r\n\r\n"} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(says)); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	stranger := drawd("bench", "steady", "--self", "--agents", addr)
	stranger.Env = append(stranger.Env, "DRAWD_BENCH_TOKEN=a token of somebody else")
	if text, err := stranger.CombinedOutput(); err == nil {
		t.Errorf("a stranger was served: %s", text)
	}
	run, text := coordinate(t, "500ms", []string{addr}, func(string) {})
	if run.Verdict == nil || run.Verdict.Status != runfile.Right {
		t.Errorf("%+v\n%s", run.Verdict, text)
	}
	if err := process.Wait(); err != nil {
		t.Errorf("after its one conversation: %v", err)
	}
}
