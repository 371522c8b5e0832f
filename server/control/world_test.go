package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
	"github.com/drawd/drawd/server/apitest"
)

// start is when every test begins: an hour before the campaign of flashFile starts.
var start = time.Date(2026, 11, 10, 15, 0, 0, 0, time.UTC)

const flashFile = `# the campaign of the tests
campaign: flash
title: {en: Flash sale}
time_zone: Asia/Shanghai
starts_at: 2026-11-11T00:00:00+08:00
ends_at: 2026-11-12T00:00:00+08:00
denominator: 1000
caps:
  - {id: day, counts: draws, window: day, limit: 3}
prizes:
  - {id: phone, kind: physical, title: {en: Phone}, weight: 500, stock: 5}
  - {id: coupon, kind: coupon, title: {en: Coupon}, weight: 300, stock: 100}
`

// world is a control plane over HTTP on a real engine that decides without a log.
type world struct {
	t      testing.TB
	engine *engine.Engine
	gate   *access.Gate
	plane  *Plane
	server *httptest.Server
	client *http.Client
	log    lockedBuffer

	mu struct {
		sync.Mutex
		now      time.Time
		fail     error // what Decide returns instead of deciding
		status   Status
		panics   bool // in Status
		accepted int  // AcceptClock calls
		records  []placed
	}
}

// placed is an encoded record at its place.
type placed struct {
	at      engine.Location
	encoded []byte
}

// lockedBuffer is a log that handlers write and tests read.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newWorld starts a plane behind a listener, with a client that validates everything.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := newPlane(t)
	w.server = httptest.NewUnstartedServer(nil)
	w.server.Config = w.plane.HTTPServer()
	w.server.Start()
	t.Cleanup(w.server.Close)
	w.client = &http.Client{
		Transport:     apitest.Transport(t, w.server.Client().Transport),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return w
}

// newPlane makes a plane without a listener.
func newPlane(t testing.TB) *world {
	t.Helper()
	key := [32]byte{7}
	e, err := engine.New(engine.Options{ClusterKey: key})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, engine: e}
	w.mu.now = start
	w.mu.status = Status{Node: "node-1", Leader: true, Term: 2, Last: 9, Checks: []Check{{Name: "leader"}, {Name: "clock"}}}
	w.decide(func(b *engine.Batch) {
		b.AddInit(&engine.Init{ClusterID: [16]byte{1}, IDKey: [16]byte{2}, Namespace: engine.NewNamespace{Name: "default", Secret: [16]byte{3}}})
	})
	logger := slog.New(slog.NewJSONHandler(&w.log, nil))
	if w.gate, err = access.New(access.Options{Source: e, Logger: logger}); err != nil {
		t.Fatal(err)
	}
	set := metrics.NewSet()
	w.plane, err = New(Options{
		Engine: e, Decider: w, Records: w, Node: w, Gate: w.gate, ClusterKey: key, Now: w.now, Logger: logger,
		Metrics: set, Exposed: []MetricsWriter{set}, Build: Build{Version: "0.1.0", Commit: "abc", Go: "go1.26"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.now
}

func (w *world) at(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.now = t
}

// Decide decides without a log, and keeps the records as storage would.
func (w *world) Decide(b *engine.Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.fail != nil {
		return w.mu.fail
	}
	if err := w.engine.Decide(b, engine.UnixMilli(w.mu.now.UnixMilli())); err != nil {
		return err
	}
	for i := range b.Results {
		r := &b.Results[i]
		if r.Code != problem.OK && r.Records == 0 || r.Replayed {
			continue
		}
		rest := b.Records[r.Offset:][:r.Length]
		for n := range r.Records {
			var record engine.Record
			size, err := engine.DecodeRecord(rest, &record)
			if err != nil {
				return err
			}
			w.mu.records = append(w.mu.records, placed{engine.Location{Index: r.At.Index, Ordinal: r.At.Ordinal + uint16(n)}, bytes.Clone(rest[:size])})
			rest = rest[size:]
		}
	}
	return nil
}

func (w *world) decide(fill func(*engine.Batch)) *engine.Batch {
	w.t.Helper()
	var b engine.Batch
	fill(&b)
	if err := w.Decide(&b); err != nil {
		w.t.Fatal(err)
	}
	return &b
}

// Records returns one record, as storage would.
func (w *world) Records(dst []byte, index uint64, ordinal uint16, n int) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.mu.records {
		if p.at == (engine.Location{Index: engine.LogIndex(index), Ordinal: ordinal}) && n == 1 {
			return append(dst, p.encoded...), nil
		}
	}
	return dst, errors.New("no such record")
}

// Scan goes through the records, as storage would.
func (w *world) Scan(index uint64, ordinal uint16, fn func(uint64, []byte, uint16, []byte) bool) error {
	w.mu.Lock()
	records := slices.Clone(w.mu.records)
	w.mu.Unlock()
	from := engine.Location{Index: engine.LogIndex(index), Ordinal: ordinal}
	for _, p := range records {
		if !p.at.Less(from) && !fn(uint64(p.at.Index), nil, p.at.Ordinal, p.encoded) {
			return nil
		}
	}
	return nil
}

// Status is what the test says.
func (w *world) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.panics {
		panic("the test wants it")
	}
	return w.mu.status
}

// AcceptClock counts.
func (w *world) AcceptClock() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.accepted++
	return nil
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// json decodes the body.
func (a *answer) json() map[string]any {
	var v map[string]any
	_ = json.Unmarshal(a.body, &v)
	return v
}

// text returns a string member.
func (a *answer) text(name string) string { return fmt.Sprint(a.json()[name]) }

// do sends a request. Headers are "Name: value"; the body is YAML when it does not begin with a brace.
func (w *world) do(method, path, body string, headers ...string) *answer {
	w.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, w.server.URL+path, reader)
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", typeYAML)
		if body[0] == '{' || body[0] == '[' {
			req.Header.Set("Content-Type", typeJSON)
		}
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.log.String())
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return &answer{resp.StatusCode, resp.Header, b}
}

// want sends a request and fails unless the status is as said. It returns the answer.
func (w *world) want(status int, method, path, body string, headers ...string) *answer {
	w.t.Helper()
	a := w.do(method, path, body, headers...)
	if a.status != status {
		w.t.Fatalf("%s %s: %d, want %d\n%s", method, path, a.status, status, a.body)
	}
	return a
}

// refused sends a request and fails unless it is refused with the code.
func (w *world) refused(code problem.Code, method, path, body string, headers ...string) *answer {
	w.t.Helper()
	a := w.want(code.Info().Status, method, path, body, headers...)
	if got := a.text("code"); got != code.String() {
		w.t.Fatalf("%s %s: %s, want %s\n%s", method, path, got, code, a.body)
	}
	return a
}

// saveDraft saves a first or a next draft and returns its ETag.
func (w *world) saveDraft(campaign, source string) string {
	w.t.Helper()
	path := "/admin/v1/campaigns/" + campaign + "/draft"
	condition := "If-None-Match: *"
	if a := w.do("GET", path, ""); a.status == http.StatusOK {
		condition = "If-Match: " + a.header.Get("ETag")
	}
	a := w.do("PUT", path, source, condition)
	if a.status > 201 {
		w.t.Fatalf("draft: %d %s", a.status, a.body)
	}
	return a.header.Get("ETag")
}

func publishBody(tag string, more ...string) string {
	quoted, _ := json.Marshal(tag)
	return `{"draft_etag":` + string(quoted) + strings.Join(more, "") + `}`
}

// publish saves and publishes a file.
func (w *world) publish(campaign, source string) *answer {
	w.t.Helper()
	return w.want(200, "POST", "/admin/v1/campaigns/"+campaign+":publish", publishBody(w.saveDraft(campaign, source)))
}

// draw decides n draws of new users of the campaign, by the engine's own door.
func (w *world) draw(campaign string, from, n int) {
	w.t.Helper()
	ns, _ := w.engine.Namespace("default")
	c, ok := ns.Campaign([]byte(campaign))
	if !ok {
		w.t.Fatal("no campaign")
	}
	for i := range n {
		user := []byte(fmt.Sprintf("u%d", from+i))
		key := ns.Keyer().User(user)
		b := w.decide(func(b *engine.Batch) {
			b.AddDraw(&engine.Draw{Campaign: c.Ref(), User: key, UserID: user, Times: 1, Digest: ns.Keyer().Digest(engine.DigestDraw, c.Ref(), key, []byte("k"))})
		})
		if b.Results[0].Code != problem.OK {
			w.t.Fatalf("draw: %v", b.Results[0].Code)
		}
	}
}
