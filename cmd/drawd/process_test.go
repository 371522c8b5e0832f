package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/drawd/drawd/storage"
)

// patience bounds every wait for a process: it is a failure, not a pace.
const patience = 2 * time.Minute

// leaderless reports whether somebody was refused because nobody leads at the moment, with nothing done. A busy machine may keep
// a leader from its heartbeats for longer than his lease: that is not what a test of other things may fail by.
func leaderless(refusal string) bool {
	return strings.Contains(refusal, `"code":"no_leader"`) || strings.Contains(refusal, "no_leader:")
}

// daemon is a drawd in a process of its own.
type daemon struct {
	t          testing.TB
	cmd        *exec.Cmd
	api, admin string
	events     chan map[string]any // its log, from the line after "ready" on
	exited     chan struct{}       // closed when the process is gone
	err        error               // from Wait, after exited
	mu         struct {
		sync.Mutex
		log bytes.Buffer
	}
}

// drawd returns a command that runs this binary as drawd.
func drawd(args ...string) *exec.Cmd { return program(os.Args[0], args...) }

// program returns a command that runs some build of drawd.
func program(path string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), beDrawd+"=1")
	cmd.Cancel = func() error { cancel(); return cmd.Process.Kill() }
	return cmd
}

// runs runs a command to its end and returns what it wrote.
func runs(t testing.TB, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	return ends(t, drawd(args...), code)
}

// ends runs a command to its end and returns what it wrote.
func ends(t testing.TB, cmd *exec.Cmd, code int) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ended(t, cmd, code, &out, &errs)
}

// ended fails unless a command ended with a code, and returns what it wrote.
func ended(t testing.TB, cmd *exec.Cmd, code int, out, errs *bytes.Buffer) (stdout, stderr string) {
	t.Helper()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("drawd %v: exit code %d, want %d\n%s%s", cmd.Args[1:], got, code, out, errs)
	}
	return out.String(), errs.String()
}

// serve starts a daemon on a data directory and returns when /readyz says that it is ready.
func serve(t testing.TB, dir string, flags ...string) *daemon {
	t.Helper()
	d := start(t, dir, flags...)
	if answer := d.get(d.admin + "/readyz"); answer.StatusCode != http.StatusOK {
		t.Fatalf("/readyz answers %s after \"ready\"", answer.Status)
	}
	return d
}

// start starts a daemon and returns when its log says that it is ready.
func start(t testing.TB, dir string, flags ...string) *daemon {
	t.Helper()
	d := launch(t, dir, flags...)
	d.ready()
	return d
}

// launch starts a daemon and does not wait for it.
func launch(t testing.TB, dir string, flags ...string) *daemon {
	t.Helper()
	return launchAs(t, os.Args[0], dir, flags...)
}

// launchAs is launch of some build.
func launchAs(t testing.TB, path, dir string, flags ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, events: make(chan map[string]any, 1024), exited: make(chan struct{})}
	d.cmd = program(path, append([]string{"serve", "--data", dir, "--api", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, flags...)...)
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			d.mu.Lock()
			t.Logf("log of the daemon:\n%s", &d.mu.log)
			d.mu.Unlock()
		}
	})
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			d.mu.Lock()
			d.mu.log.Write(append(lines.Bytes(), '\n'))
			d.mu.Unlock()
			event := make(map[string]any)
			if json.Unmarshal(lines.Bytes(), &event) != nil {
				event["msg"] = lines.Text()
			}
			select {
			case d.events <- event:
			default: // nobody reads that far
			}
		}
		d.err = d.cmd.Wait()
		close(d.exited)
	}()
	return d
}

// ready waits until the daemon's log says that it is ready.
func (d *daemon) ready() {
	d.t.Helper()
	ready := d.event("ready")
	d.api, d.admin = ready["api"].(string), ready["admin"].(string)
}

// event waits for a line of the daemon's log.
func (d *daemon) event(msg string) map[string]any {
	d.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e := <-d.events:
			if e["msg"] == msg {
				return e
			}
		case <-d.exited:
			d.t.Fatalf("the daemon ended before it logged %q: %v", msg, d.err)
		case <-deadline:
			d.t.Fatalf("the daemon did not log %q", msg)
		}
	}
}

func (d *daemon) get(url string) *http.Response {
	d.t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		d.t.Fatal(err)
	}
	answer.Body.Close()
	return answer
}

func (d *daemon) signal(s syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

// exit waits for the process to end and returns its exit code, -1 after a signal.
func (d *daemon) exit() int {
	d.t.Helper()
	select {
	case <-d.exited:
	case <-time.After(patience):
		d.t.Fatal("the daemon does not end")
	}
	return d.cmd.ProcessState.ExitCode()
}

// kill is SIGKILL, of a process that may be gone.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.exited
}

// client runs a client command against the daemon, again while nobody leads.
func (d *daemon) client(code int, args ...string) (stdout, stderr string) {
	d.t.Helper()
	switch args[0] {
	case "draw":
		args = append(args, "--url", d.api)
	case "campaign":
		args = append(args, "--admin-url", d.admin)
		if args[1] == "show" {
			args = append(args, "--url", d.api)
		}
	default:
		args = append(args, "--admin-url", d.admin)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		var out, errs bytes.Buffer
		cmd := drawd(args...)
		cmd.Stdout, cmd.Stderr = &out, &errs
		if _ = cmd.Run(); code == exitUnavailable || cmd.ProcessState.ExitCode() != exitUnavailable || !leaderless(errs.String()) {
			return ended(d.t, cmd, code, &out, &errs)
		}
	}
	d.t.Fatalf("drawd %v: nobody leads", args)
	return "", ""
}

// want fails unless text has all of parts.
func want(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Fatalf("%q is missing in:\n%s", part, text)
		}
	}
}

const flashSale = "../../examples/flash-sale.yaml"

// A daemon's life: publish, draw, stop in order, start again, be killed, start again. What was answered stands.
func TestServeLife(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	d := serve(t, dir)
	if info, err := os.Stat(filepath.Join(dir, storage.ClusterKeyName)); err != nil || info.Mode().Perm() != 0o600 || info.Size() != 32 {
		t.Errorf("cluster.key: %v, %v", info, err)
	}
	out, _ := d.client(0, "campaign", "publish", "-f", flashSale)
	want(t, out, "published: flash-sale version 1")
	out, _ = d.client(0, "campaign", "publish", "-f", flashSale)
	want(t, out, "already live: flash-sale version 1")
	first, key := d.client(0, "draw", "flash-sale", "--user", "u1", "--key", "k1")
	want(t, first, "u1: wins phone")
	want(t, key, "key k1\n")
	_, refused := d.client(4, "draw", "flash-sale", "--user", "u1", "--key", "k2")
	want(t, refused, "capped", "one-each")
	_, refused = runs(t, 6, "check", "--data", dir)
	want(t, refused, "another drawd is running")

	d.signal(syscall.SIGTERM)
	if code := d.exit(); code != 0 {
		t.Fatalf("exit code %d after SIGTERM", code)
	}
	out, _ = runs(t, 0, "check", "--data", dir)
	want(t, out, "checkpoint    log index", "flash-sale  phone  5000   1       1        1", "clean\n")

	d = serve(t, dir)
	again, _ := d.client(0, "draw", "flash-sale", "--user", "u1", "--key", "k1")
	if again != strings.TrimSuffix(first, "\n")+"  replayed\n" {
		t.Errorf("after a restart the draw is %q, it was %q", again, first)
	}
	second, _ := d.client(0, "draw", "flash-sale", "--user", "u2", "--key", "k1")
	d.signal(syscall.SIGKILL)
	d.exit()
	out, _ = runs(t, 0, "check", "--data", dir)
	want(t, out, "flash-sale  phone  5000   2       2        2", "clean\n")

	d = serve(t, dir)
	again, _ = d.client(0, "draw", "flash-sale", "--user", "u2", "--key", "k1")
	if again != strings.TrimSuffix(second, "\n")+"  replayed\n" {
		t.Errorf("after SIGKILL the draw is %q, it was %q", again, second)
	}
	out, _ = d.client(0, "campaign", "show", "flash-sale")
	want(t, out, "flash-sale: running, version 1, seq 2", "phone  5000   4998       2       0")
	d.client(0, "campaign", "end", "flash-sale", "--reason", "enough")
	_, refused = d.client(4, "draw", "flash-sale", "--user", "u3")
	want(t, refused, "ended")
}

// What a version takes from users is shown where it stands, and needs force and a reason.
func TestPublishMustFavourUsers(t *testing.T) {
	dir := t.TempDir()
	d := serve(t, filepath.Join(dir, "data"))
	d.client(0, "campaign", "publish", "-f", flashSale)
	src, err := os.ReadFile(flashSale)
	if err != nil {
		t.Fatal(err)
	}
	worse := filepath.Join(dir, "worse.yaml")
	if err := os.WriteFile(worse, bytes.Replace(src, []byte("limit: 10}"), []byte("limit: 9}"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	_, refused := d.client(4, "campaign", "publish", "-f", worse)
	want(t, refused, "/caps/1/limit: was 10: a limit may only rise", "limit: 9}\n", "^\n", "--force --reason")
	out, _ := d.client(0, "campaign", "publish", "-f", worse, "--force", "--reason", "typo")
	want(t, out, "version 2")
	if err := os.WriteFile(worse, bytes.Replace(src, []byte("stock: 5000"), []byte("stock: 6000"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for code, verb := range map[int][]string{exitInvalid: {"validate", "--live"}, exitConflict: {"publish"}} {
		_, refused = d.client(code, append([]string{"campaign", verb[0], "-f", worse}, verb[1:]...)...)
		want(t, refused, "/prizes/0/stock", "5000", "stock: 6000\n")
	}
}

// From the first key on, everybody needs one.
func TestKeys(t *testing.T) {
	d := serve(t, filepath.Join(t.TempDir(), "data"))
	out, _ := d.client(0, "key", "create", "--name", "ops", "--scope", "admin,draw", "-o", "json")
	var key keyInfo
	if err := json.Unmarshal([]byte(out), &key); err != nil || !strings.HasPrefix(key.Secret, "dk_") {
		t.Fatalf("%v: %s", err, out)
	}
	_, refused := d.client(5, "key", "list")
	want(t, refused, "unauthenticated", "--api-key or DRAWD_API_KEY")
	out, _ = d.client(0, "key", "list", "--api-key", key.Secret)
	want(t, out, key.ID, "ops", "admin", "never")
	out, _ = d.client(0, "cluster", "status", "--api-key", key.Secret)
	want(t, out, "ready       true", "ok  log", "ok  clock")
	d.client(0, "cluster", "accept-clock", "--reason", "looked at it", "--api-key", key.Secret)
}

// A stop waits for requests that are under way; a second signal does not.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	d := serve(t, filepath.Join(t.TempDir(), "data"))
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.api, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A request whose body does not come keeps the data plane from draining for its read timeout. Once its body is asked for its head was read.
	fmt.Fprint(conn, "POST /v1/campaigns/c/draws HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q %v", line, err)
	}
	d.signal(syscall.SIGTERM)
	d.event("stopping")
	d.signal(syscall.SIGTERM)
	if code := d.exit(); code != exitInterrupted {
		t.Errorf("exit code %d after two signals, want %d", code, exitInterrupted)
	}
}

// SIGKILL while many draw: every acknowledged draw is found again, with the same bytes, and the data is clean.
func TestKillUnderLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	d := serve(t, dir)
	d.client(0, "campaign", "publish", "-f", flashSale)
	const workers, enough = 8, 300
	type acknowledged struct{ user, body string }
	answers := make(chan acknowledged, 1<<16)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := 0; ; i++ {
				user := fmt.Sprintf("w%d-%d", w, i)
				status, body, err := draw(d.api, user)
				if err != nil {
					return // the daemon is gone
				}
				if status == http.StatusOK {
					answers <- acknowledged{user, body}
				}
			}
		})
	}
	var kept []acknowledged
	for len(kept) < enough {
		select {
		case a := <-answers:
			kept = append(kept, a)
		case <-time.After(patience):
			t.Fatalf("only %d draws were answered", len(kept))
		}
	}
	d.signal(syscall.SIGKILL)
	d.exit()
	wg.Wait()
	close(answers)
	for a := range answers {
		kept = append(kept, a)
	}
	out, _ := runs(t, 0, "check", "--data", dir)
	want(t, out, "clean\n")
	d = serve(t, dir)
	for _, a := range kept {
		status, body, err := draw(d.api, a.user)
		if err != nil || status != http.StatusOK || body != a.body {
			t.Fatalf("%s was answered\n%s\nand after SIGKILL %d %v\n%s", a.user, a.body, status, err, body)
		}
	}
	t.Logf("%d acknowledged draws found again", len(kept))
}

// draw makes one draw over HTTP, under a key that is the user's name.
func draw(api, user string) (status int, body string, err error) {
	request, err := http.NewRequest(http.MethodPost, api+"/v1/campaigns/flash-sale/draws", strings.NewReader(`{"user":"`+user+`"}`))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", user)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b), err
}
