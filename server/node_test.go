package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/raftlog"
	"github.com/drawd/drawd/server/apitest"
	"github.com/drawd/drawd/server/control"
	"github.com/drawd/drawd/storage"
)

// node is a whole node: storage in memory, the log, the engine and both planes.
type node struct {
	t      *testing.T
	fs     *storage.CrashFS
	engine *engine.Engine
	store  *storage.Store
	log    *raftlog.Node
	server *Server
	served chan error
	client *http.Client
	lines  *lines
}

// lines is a log that goroutines write and the test reads.
type lines struct {
	sync.Mutex
	bytes.Buffer
}

// Write appends to the log.
func (l *lines) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(p)
}

// raftNode is how cmd/drawd shows the log's node to the planes.
type raftNode struct{ *raftlog.Node }

// Status says where the node stands.
func (n raftNode) Status() control.Status {
	s := n.Node.Status()
	check := control.Check{Name: "log"}
	if !s.Ready {
		check.Code, check.Message = s.Code, s.Reason
	}
	return control.Status{
		Node: s.NodeID, Leader: s.Leader, Term: s.Term, Last: s.LastLog, Checkpoint: s.Checkpoint, LogBytes: s.LogBytes,
		Queued: s.QueueCommands, Checks: []control.Check{check},
	}
}

var clusterKey = [32]byte{9}

// startNode starts a node on a file system, with the options changed as the test wants.
func startNode(t *testing.T, fs *storage.CrashFS, change func(*Options)) *node {
	t.Helper()
	n := &node{t: t, fs: fs, lines: &lines{}, served: make(chan error, 1)}
	logger := slog.New(slog.NewTextHandler(n.lines, nil))
	var err error
	if n.store, err = storage.Open(storage.Options{Dir: "data", FS: fs, Logger: logger}); err != nil {
		t.Fatal(err)
	}
	if n.engine, err = engine.New(engine.Options{ClusterKey: clusterKey}); err != nil {
		t.Fatal(err)
	}
	set := metrics.NewSet()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if n.log, err = raftlog.Open(ctx, raftlog.Options{
		Store: n.store, Engine: n.engine, Logger: logger, Metrics: set,
		QueueAge: time.Minute, GiveUp: time.Hour, // how fast this machine is is not what is tested
	}); err != nil {
		t.Fatal(err)
	}
	o := Options{
		API: "127.0.0.1:0", Admin: "127.0.0.1:0", Engine: n.engine, Decider: n.log, Records: n.store.State(), Node: raftNode{n.log},
		ClusterKey: clusterKey, Logger: logger, Metrics: set, Build: control.Build{Version: "test", Commit: "none", Go: "go"},
	}
	if change != nil {
		change(&o)
	}
	if n.server, err = New(o); err == nil {
		err = n.server.Listen()
	}
	if err != nil {
		n.close()
		t.Fatal(err)
	}
	go func() { n.served <- n.server.Serve() }()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the test's own certificate
	n.client = &http.Client{Transport: apitest.Transport(t, transport)}
	t.Cleanup(transport.CloseIdleConnections)
	return n
}

// stop ends a node as SIGTERM does.
func (n *node) stop() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := n.server.Shutdown(ctx); err != nil {
		n.t.Error(err)
	}
	if err := <-n.served; err != nil {
		n.t.Error(err)
	}
	n.close()
}

func (n *node) close() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := n.log.Close(ctx); err != nil {
		n.t.Error(err)
	}
	if err := n.store.Close(); err != nil {
		n.t.Error(err)
	}
}

// do sends a request to a URL below one of the planes.
func (n *node) do(method, url, body string, headers ...string) (status int, answer map[string]any, raw string) {
	n.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url, reader)
	if err != nil {
		n.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
		if body[0] != '{' {
			req.Header.Set("Content-Type", "application/yaml")
		}
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := n.client.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	_ = json.Unmarshal(b, &answer)
	return resp.StatusCode, answer, string(b)
}

func (n *node) want(status int, method, url, body string, headers ...string) (map[string]any, string) {
	n.t.Helper()
	got, answer, raw := n.do(method, url, body, headers...)
	if got != status {
		n.t.Fatalf("%s %s: %d, want %d: %s", method, url, got, status, raw)
	}
	return answer, raw
}

func (n *node) api(path string) string { return "http://" + n.server.API().String() + path }

func (n *node) admin(path string) string { return "http://" + n.server.Admin().String() + path }

const flashFile = `campaign: flash
title: {en: Flash sale}
time_zone: UTC
starts_at: 2020-01-01T00:00:00Z
ends_at: 2029-12-01T00:00:00Z
denominator: 1000
caps:
  - {id: life, counts: draws, window: campaign, limit: 3}
prizes:
  - {id: phone, kind: physical, title: {en: Phone}, weight: 500, stock: 5}
  - {id: coupon, kind: coupon, title: {en: Coupon}, weight: 300, stock: 100}
`

// publish saves and publishes the file.
func (n *node) publish(headers ...string) {
	n.t.Helper()
	saved, _ := n.want(201, "PUT", n.admin("/admin/v1/campaigns/flash/draft"), flashFile, append(headers, "If-None-Match: *")...)
	tag, _ := json.Marshal(saved["etag"])
	n.want(200, "POST", n.admin("/admin/v1/campaigns/flash:publish"), `{"draft_etag":`+string(tag)+`}`, headers...)
}

// TestNode is the first thing a user does: publish, draw, read it back, and find it again after a restart.
func TestNode(t *testing.T) {
	fs := storage.NewCrashFS()
	n := startNode(t, fs, nil)
	n.publish()
	_, first := n.want(200, "POST", n.api("/v1/campaigns/flash/draws"), `{"user":"u1"}`, "Idempotency-Key: k1")
	draw, _ := n.want(200, "POST", n.api("/v1/campaigns/flash/draws"), `{"user":"u2"}`, "Idempotency-Key: k1")
	adjusted, _ := n.want(200, "POST", n.admin("/admin/v1/campaigns/flash/prizes/phone:adjust"), `{"delta":2,"reason":"more"}`, "Idempotency-Key: a")
	feed, _ := n.want(200, "GET", n.admin("/admin/v1/records?campaign=flash"), "")
	if items := feed["items"].([]any); len(items) != 4 || items[1].(map[string]any)["user"] != "u1" {
		t.Errorf("feed %v", feed)
	}
	n.stop()

	n = startNode(t, fs, nil)
	defer n.stop()
	if _, again := n.want(200, "POST", n.api("/v1/campaigns/flash/draws"), `{"user":"u1"}`, "Idempotency-Key: k1"); again != first {
		t.Errorf("after the restart %s\nbefore %s", again, first)
	}
	if got, _ := n.want(200, "GET", n.api("/v1/draws/"+draw["draw"].(string)), ""); got["user"] != "u2" {
		t.Errorf("read back %v", got)
	}
	if again, _ := n.want(200, "POST", n.admin("/admin/v1/campaigns/flash/prizes/phone:adjust"), `{"delta":2,"reason":"more"}`, "Idempotency-Key: a"); again["seq"] != adjusted["seq"] || again["total"] != adjusted["total"] {
		t.Errorf("adjusted again %v, first %v", again, adjusted)
	}
	if again, _ := n.want(200, "GET", n.admin("/admin/v1/records?campaign=flash"), ""); again["next_cursor"] != feed["next_cursor"] {
		t.Errorf("feed after the restart %v", again)
	}
}

// TestKeysOfBothPlanes: one key table; a change holds on both planes at once, and after a restart.
func TestKeysOfBothPlanes(t *testing.T) {
	fs := storage.NewCrashFS()
	n := startNode(t, fs, nil)
	n.publish()
	const draws = "/v1/campaigns/flash/draws"
	n.want(200, "POST", n.api(draws), `{"user":"u1"}`, "Idempotency-Key: k1")
	operator, _ := n.want(201, "POST", n.admin("/admin/v1/keys"), `{"name":"operator","scopes":["admin"]}`)
	as := "Authorization: Bearer " + operator["secret"].(string)
	n.want(401, "POST", n.api(draws), `{"user":"u1"}`, "Idempotency-Key: k2")
	if refused, _ := n.want(403, "POST", n.api(draws), `{"user":"u1"}`, "Idempotency-Key: k2", as); !strings.Contains(refused["detail"].(string), "draw") {
		t.Errorf("does not name the scope: %v", refused)
	}
	front, _ := n.want(201, "POST", n.admin("/admin/v1/keys"), `{"name":"front","scopes":["draw"],"campaigns":["flash"],"rate":{"per_second":1,"burst":2}}`, as)
	drawer := "Authorization: Bearer " + front["secret"].(string)
	n.want(200, "POST", n.api(draws), `{"user":"u1"}`, "Idempotency-Key: k2", drawer)
	n.want(403, "POST", n.api("/v1/campaigns/wheel/draws"), `{"user":"u1"}`, "Idempotency-Key: k2", drawer)
	limited := 0
	for i := 0; limited != 429; i++ { // on a busy machine a second may be over between two of them, and one more is let through
		user := fmt.Sprintf(`{"user":"fast%d"}`, i)
		if limited, _, _ = n.do("POST", n.api(draws), user, "Idempotency-Key: k3", drawer); limited != 200 && limited != 429 || i == 1000 {
			t.Fatalf("request %d beyond the rate: %d", i, limited)
		}
	}
	n.want(204, "DELETE", n.admin("/admin/v1/keys/"+front["id"].(string)), "", as)
	n.want(401, "POST", n.api(draws), `{"user":"u1"}`, "Idempotency-Key: k3", drawer)
	n.stop()

	n = startNode(t, fs, nil)
	defer n.stop()
	n.want(401, "GET", n.admin("/admin/v1/keys"), "")
	n.want(200, "GET", n.admin("/admin/v1/keys"), "", as)
	n.want(401, "POST", n.api(draws), `{"user":"u1"}`, "Idempotency-Key: k3", drawer)
}

// TestReadinessOfTheNode: what the log says is what both planes say.
func TestReadinessOfTheNode(t *testing.T) {
	sick := &sickNode{}
	n := startNode(t, storage.NewCrashFS(), func(o *Options) {
		sick.Node = o.Node
		o.Node = sick
	})
	defer n.stop()
	for _, url := range []string{n.api("/readyz"), n.admin("/readyz")} {
		sick.set(problem.OK)
		n.want(200, "GET", url, "")
		sick.set(problem.ClockSkew)
		if got, _ := n.want(503, "GET", url, ""); got["code"] != "clock_skew" {
			t.Errorf("%s: %v", url, got)
		}
	}
}

// sickNode is a node with one more check.
type sickNode struct {
	control.Node
	mu   sync.Mutex
	code problem.Code
}

func (s *sickNode) set(code problem.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code = code
}

// Status adds the check.
func (s *sickNode) Status() control.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.Node.Status()
	status.Checks = append(status.Checks, control.Check{Name: "test", Code: s.code, Message: "the test wants it"})
	return status
}
