package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/drawd/drawd/bench/runfile"
)

// TestBenchAgainstAStrangersDaemon: a key for campaigns that begin with bench- is all that a load test needs, and whatever way the load
// test ends, what it began at a daemon that stays has ended.
func TestBenchAgainstAStrangersDaemon(t *testing.T) {
	d := serve(t, t.TempDir())
	newKey := func(by string, flags ...string) string {
		c := drawd(append([]string{"key", "create", "--admin-url", d.admin, "-o", "json"}, flags...)...)
		c.Env = append(c.Env, "DRAWD_API_KEY="+by)
		stdout, _ := ends(t, c, exitOK)
		var key struct{ Secret string }
		if err := json.Unmarshal([]byte(stdout), &key); err != nil || key.Secret == "" {
			t.Fatal(err, stdout)
		}
		return key.Secret
	}
	operator := newKey("", "--name", "ops", "--scope", "admin,read")
	limited := newKey(operator, "--name", "load", "--scope", "draw,read,admin", "--campaign", "bench-*", "--expires", "1h")
	blind := newKey(operator, "--name", "blind", "--scope", "draw,admin", "--campaign", "bench-*")
	elsewhere := newKey(operator, "--name", "elsewhere", "--scope", "draw,read,admin", "--campaign", "load-*")

	file := filepath.Join(t.TempDir(), "run.json")
	said := map[string]string{}
	var all sync.WaitGroup
	var mu sync.Mutex
	for name, key := range map[string]string{"whole": limited, "stopped": limited, "hung up": limited, "blind": blind, "elsewhere": elsewhere} {
		args := []string{"bench", "steady", "--url", d.api, "--admin-url", d.admin, "--rate", "400", "--users", "200", "--duration", "1s", "--connections", "16", "--min-logged", "100"}
		switch name {
		case "whole":
			args = append(args, "--out", file)
		case "stopped", "hung up":
			args = append(args, "--duration", "1m")
		}
		c := drawd(args...)
		c.Env = append(c.Env, "DRAWD_API_KEY="+key)
		all.Go(func() {
			text := strings.Builder{}
			seen := make(chan string, 1)
			watch := &lineWatch{mark: " 1s ", seen: seen, w: &text}
			c.Stdout, c.Stderr = watch, watch
			if err := c.Start(); err != nil {
				t.Error(err)
				return
			}
			if signal := map[string]os.Signal{"stopped": syscall.SIGINT, "hung up": syscall.SIGHUP}[name]; signal != nil { // Ctrl-C; a closed terminal
				select {
				case <-seen:
				case <-time.After(patience):
					t.Error("the load does not begin")
				}
				_ = c.Process.Signal(signal)
			}
			_ = c.Wait() // what it said tells
			mu.Lock()
			defer mu.Unlock()
			said[name] = text.String()
		})
	}
	all.Wait()

	run, err := runfile.ReadFile(file)
	if err != nil {
		t.Fatal(err, said["whole"])
	}
	if run.Verdict == nil || run.Verdict.Status != runfile.Right || run.Verdict.Found < 100 || len(run.Verdict.NotJudged) != 1 {
		t.Errorf("%+v\n%s", run.Verdict, said["whole"])
	}
	want(t, said["blind"], "forbidden")
	want(t, said["elsewhere"], "forbidden")
	req, err := http.NewRequest("GET", d.admin+"/admin/v1/campaigns", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+operator)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	list, err := io.ReadAll(answer.Body)
	if begun, ended := strings.Count(string(list), `"campaign":"bench-steady-`), strings.Count(string(list), `"status":"ended"`); err != nil || begun != 4 || ended != 4 {
		t.Errorf("%d campaigns, %d ended, %v:\n%s\n%v", begun, ended, err, list, said)
	}
}

// lineWatch tells once that a mark was written.
type lineWatch struct {
	mark string
	seen chan string
	w    *strings.Builder
}

// Write implements io.Writer.
func (l *lineWatch) Write(b []byte) (int, error) {
	if strings.Contains(string(b), l.mark) {
		select {
		case l.seen <- l.mark:
		default:
		}
	}
	return l.w.Write(b)
}
