package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// vegetaTarget is a line of vegeta's JSON format, as its manual has it.
type vegetaTarget struct {
	Method string      `json:"method"`
	URL    string      `json:"url"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"` // base64
}

// TestUsersOwnToolsDraw sends what the files of bench/users make: every target for vegeta is a draw of its own, and the line for
// redis-benchmark is one, too. (The script for k6 needs k6: bench/users/README.md says which one ran it.)
func TestUsersOwnToolsDraw(t *testing.T) {
	d := launch(t, t.TempDir(), "--resp", "127.0.0.1:0")
	ready := d.event("ready")
	d.api, d.admin = ready["api"].(string), ready["admin"].(string)
	runs(t, exitOK, "campaign", "publish", "-f", "../../bench/users/campaign.yaml", "--admin-url", d.admin)

	c := exec.Command("bash", "../../bench/users/vegeta-targets.sh", "25")
	c.Env = append(os.Environ(), "URL="+d.api)
	targets, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	draws := map[string]bool{}
	for line := range bytes.Lines(targets) {
		strict := json.NewDecoder(bytes.NewReader(line))
		strict.DisallowUnknownFields()
		var v vegetaTarget
		if err := strict.Decode(&v); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		req, err := http.NewRequest(v.Method, v.URL, bytes.NewReader(v.Body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = v.Header
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		var draw struct{ Draw, Outcome string }
		if err != nil || json.Unmarshal(body, &draw) != nil || res.StatusCode != 200 || draw.Draw == "" || draw.Outcome == "" {
			t.Fatalf("%s: %d %s %v", line, res.StatusCode, body, err)
		}
		draws[draw.Draw] = true
	}
	if len(draws) != 25 {
		t.Errorf("25 targets made %d draws", len(draws))
	}

	readme, err := os.ReadFile("../../bench/users/README.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile("redis-benchmark -p 6380 [^`]* (DRAW [^`]*)`").FindSubmatch(readme)
	if line == nil {
		t.Fatal("README.md has no line for redis-benchmark")
	}
	conn, err := net.Dial("tcp", ready["resp"].(string))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	args := strings.Fields(strings.ReplaceAll(string(line[1]), "__rand_int__", "000000000007")) // as redis-benchmark fills it in
	fmt.Fprintf(conn, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(a), a)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || strings.HasPrefix(answer, "-") {
		t.Errorf("%v: %q, %v", args, answer, err)
	}
}
