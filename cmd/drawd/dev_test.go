package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dev prints a first draw that was made, every URL, one line to paste that works, and what will be lost; Ctrl-C ends it
// and leaves nothing.
func TestDev(t *testing.T) {
	cmd := drawd("dev", "--api", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var text strings.Builder
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "Use ") {
			break
		}
	}
	t.Logf("ready after %v\n%s", time.Since(began).Round(time.Millisecond), &text)
	if !strings.HasPrefix(text.String(), "first draw  u1: ") {
		t.Fatalf("the first line must begin with \"first draw\":\n%s", &text)
	}
	for _, url := range regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+/?[^\s]*`).FindAllString(text.String(), -1) {
		if strings.HasSuffix(url, "/draws") || strings.Count(url, "/") < 3 {
			continue // not for a plain GET
		}
		answer, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s answers %s", url, answer.Status)
		}
	}
	paste := regexp.MustCompile(`curl -s (\S+) -H '([^:]+): ([^']+)' -H '([^:]+): ([^']+)' -d '([^']+)'`).FindStringSubmatch(text.String())
	if paste == nil {
		t.Fatal("there is no line to paste")
	}
	request, err := http.NewRequest(http.MethodPost, paste[1], strings.NewReader(paste[6]))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(paste[2], paste[3])
	request.Header.Set(paste[4], paste[5])
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the line to paste answers %s", answer.Status)
	}
	dir := regexp.MustCompile(`At Ctrl-C (\S+) is deleted`).FindStringSubmatch(text.String())[1]
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
	stopped := time.Now()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, stdout); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("dev ended with %v", err)
	}
	t.Logf("ended after %v", time.Since(stopped).Round(time.Millisecond))
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

func TestBusyPortNamesTheFlag(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, refused := runs(t, 1, "dev", "--api", "127.0.0.1:0", "--admin", busy.Addr().String())
	want(t, refused, busy.Addr().String(), "--admin ADDR")
	_, refused = runs(t, 1, "serve", "--data", t.TempDir(), "--api", busy.Addr().String(), "--admin", "127.0.0.1:0")
	want(t, refused, busy.Addr().String(), "--api ADDR")
}
