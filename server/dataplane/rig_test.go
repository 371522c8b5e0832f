package dataplane

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/apitest"
)

// Times of the campaigns in these tests: they started an hour ago and end in a day.
const (
	testNow   = 1794326400000 // 2026-11-10T16:00:00Z
	testStart = testNow - 3600_000
	testEnd   = testNow + 86400_000
)

// rig is a server with a real engine, on a loopback port or, without start, for its handlers alone.
type rig struct {
	t      testing.TB
	engine *engine.Engine
	log    *apitest.Log
	gate   *access.Gate
	server *Server
	clock  atomic.Int64 // ms
	addr   string
}

func (r *rig) now() time.Time { return time.UnixMilli(r.clock.Load()) }

// flash is a campaign in which half of the draws win, three draws a day.
func flash() *engine.Version {
	return &engine.Version{
		Campaign: "flash", TimeZone: "UTC", Transitions: []engine.Transition{{}}, StartsAt: testStart, EndsAt: testEnd,
		Denominator: 1000, ExpectedUsers: 1000, Title: []byte(`{"en":"Flash"}`),
		Caps: []engine.Cap{{ID: "day", Window: engine.Window{Kind: engine.WindowDay}, Limit: 3, Prize: -1}},
		Prizes: []engine.Prize{
			{ID: "phone", Weight: 500, Stock: 1_000_000, Units: 1, Fallback: -1, Slot: 3, Title: []byte(`{"en":"Phone"}`)},
		},
	}
}

// open is a campaign without caps, in which half of the draws win.
func open(id string) *engine.Version {
	v := flash()
	v.Campaign, v.Caps = id, nil
	v.Prizes[0].Stock = engine.Unlimited
	return v
}

// soldOut is a campaign with one unit, which the first draw takes.
func soldOut() *engine.Version {
	v := open("soldout")
	v.Prizes[0].Weight, v.Prizes[0].Stock, v.Guaranteed = 1000, 1, true
	return v
}

func newRig(t testing.TB, change func(*Options)) *rig {
	t.Helper()
	e, err := engine.New(engine.Options{Shards: 4})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, engine: e}
	r.clock.Store(testNow)
	r.log = apitest.NewLog(e, r.now)
	var b engine.Batch
	b.AddInit(&engine.Init{IDKey: [16]byte{1}, Namespace: engine.NewNamespace{Name: "default", Secret: [16]byte{2}}})
	for _, v := range []*engine.Version{flash(), open("open"), soldOut()} {
		b.AddPublish(&engine.Publish{Namespace: 1, Version: v, SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{3})})
	}
	r.decide(&b)
	r.gate, err = access.New(access.Options{Source: e})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Engine: e, Decider: r.log, Records: r.log, Gate: r.gate, Now: r.now, Logger: slog.New(slog.DiscardHandler),
		Build: Build{Version: "test", Commit: "none", Go: "go"},
	}
	if change != nil {
		change(&o)
	}
	if r.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	return r
}

// decide runs commands that must all succeed.
func (r *rig) decide(b *engine.Batch) {
	r.t.Helper()
	if err := r.log.Decide(b); err != nil {
		r.t.Fatal(err)
	}
	for i, res := range b.Results {
		if res.Code != problem.OK {
			r.t.Fatalf("command %d: %v", i, res.Code)
		}
	}
}

// start serves r on a loopback port until the test ends.
func start(t testing.TB, change func(*Options)) *rig {
	t.Helper()
	r := newRig(t, change)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return r
}

// raw sends bytes and returns everything that comes back until the server closes. It fails if that takes long.
func (r *rig) raw(send string) string {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	go io.WriteString(c, send) // the server may answer and close before it has read all
	all, err := io.ReadAll(c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		r.t.Fatalf("the server did not close after %.200q: %q", send, all)
	}
	return string(all)
}

// answer is one answer, read.
type answer struct {
	status int
	header http.Header
	body   []byte
	json   map[string]any
	closes bool // it says that it is the connection's last
}

// do sends a request through the OpenAPI validator.
func (r *rig) do(method, path, body string, headers ...string) answer {
	r.t.Helper()
	return r.send(http.DefaultTransport, method, path, body, headers...)
}

func (r *rig) send(base http.RoundTripper, method, path, body string, headers ...string) answer {
	r.t.Helper()
	req, err := http.NewRequest(method, "http://"+r.addr+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body == "" {
		req.Body = http.NoBody
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if v := req.Header.Get("Host"); v != "" {
		req.Host = v
	}
	resp, err := apitest.Transport(r.t, base).RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		r.t.Fatal(err)
	}
	if strings.Contains(resp.Header.Get("Content-Type"), "json") && len(a.body) > 0 {
		if err := json.Unmarshal(a.body, &a.json); err != nil {
			r.t.Fatalf("%s %s: %v: %s", method, path, err, a.body)
		}
	}
	return a
}

// plain sends a draw without the validator.
func (r *rig) plain(base http.RoundTripper, campaign, key, body string) answer {
	return r.post(base, "/v1/campaigns/"+campaign+"/draws", body, "Idempotency-Key", key)
}

// post sends JSON without the validator: from any goroutine, and what the API document calls invalid.
func (r *rig) post(base http.RoundTripper, path, body string, headers ...string) (a answer) {
	r.t.Helper()
	req, err := http.NewRequest("POST", "http://"+r.addr+path, strings.NewReader(body))
	if err != nil {
		r.t.Error(err)
		return a
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := base.RoundTrip(req)
	if err != nil {
		r.t.Error(err)
		return a
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		r.t.Error(err)
	}
	if err := json.Unmarshal(a.body, &a.json); err != nil {
		r.t.Errorf("%v: %s", err, a.body)
	}
	return a
}

// draw sends a draw.
func (r *rig) draw(campaign, key, body string, headers ...string) answer {
	r.t.Helper()
	return r.do("POST", "/v1/campaigns/"+campaign+"/draws", body, append(headers, "Idempotency-Key", key)...)
}

// want fails unless a has a status and, if it is not empty, the code.
func (r *rig) want(name string, a answer, status int, code string) {
	r.t.Helper()
	got, _ := a.json["code"].(string)
	if a.status != status || got != code {
		r.t.Errorf("%s: %d %q, want %d %q: %s", name, a.status, got, status, code, a.body)
	}
}

// rawFrom is raw for a message that comes in pieces, each in a packet of its own.
func (r *rig) rawFrom(message io.Reader) string {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	go io.CopyBuffer(struct{ io.Writer }{c}, message, make([]byte, 4096))
	all, err := io.ReadAll(c)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(all)
}
