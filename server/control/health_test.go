package control

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

func TestReady(t *testing.T) {
	w := newWorld(t)
	if a := w.want(200, "GET", "/readyz", ""); a.json()["ready"] != true {
		t.Errorf("got %s", a.body)
	}
	if a := w.want(200, "GET", "/readyz?verbose", ""); string(a.body) != "[+]leader: ok\n[+]clock: ok\nready\n" {
		t.Errorf("got %q", a.body)
	}
	w.mu.status.Checks = []Check{
		{Name: "leader"},
		{Name: "clock", Code: problem.ClockSkew, Message: "the clock went back by 3 s: run `drawd cluster accept-clock`"},
		{Name: "disk", Code: problem.StorageLow, Message: "2 % left"},
	}
	a := w.refused(problem.ClockSkew, "GET", "/readyz", "")
	if body := string(a.body); !strings.Contains(body, "accept-clock") || !strings.Contains(body, `"code":"storage_low","message":"disk: 2 % left"`) {
		t.Errorf("not every reason: %s", body)
	}
	if a := w.want(503, "GET", "/readyz?verbose", ""); !strings.HasSuffix(string(a.body), "[-]disk: 2 % left\nnot ready\n") {
		t.Errorf("got %q", a.body)
	}
	w.refused(problem.UnknownField, "GET", "/readyz?x", "")
	w.want(200, "GET", "/livez", "")
	if got := w.want(200, "GET", "/version", "").json(); got["version"] != "0.1.0" || got["commit"] != "abc" || got["level"] != 1.0 {
		t.Errorf("version %v", got)
	}
}

func TestCluster(t *testing.T) {
	w := newWorld(t)
	w.mu.status.ClockAhead = 1500 * time.Millisecond
	got := w.want(200, "GET", "/admin/v1/cluster", "").json()
	if got["node"] != "node-1" || got["leader"] != true || got["applied"] != 1.0 || got["clock_ahead_ms"] != 1500.0 || got["ready"] != true {
		t.Errorf("got %v", got)
	}
	w.refused(problem.InvalidField, "POST", "/admin/v1/cluster:accept-clock", `{}`)
	w.want(200, "POST", "/admin/v1/cluster:accept-clock", `{"reason":"NTP was off"}`)
	if w.mu.accepted != 1 || !strings.Contains(w.log.String(), "NTP was off") {
		t.Errorf("accepted %d times", w.mu.accepted)
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.want(404, "GET", "/admin/v1/campaigns/none", "")
	body := string(w.want(200, "GET", "/metrics", "").body)
	for _, want := range []string{`drawd_http_requests_total{plane="control",route="campaign",status="4xx"} 1`, `drawd_http_problems_total{plane="control",code="campaign_not_found"} 1`, `drawd_http_request_duration_seconds_count{plane="control"} 1`, "go_goroutines ", "process_"} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in\n%s", want, body)
		}
	}
}

func TestProfiles(t *testing.T) {
	w := newWorld(t)
	for path, kind := range map[string]string{
		"/debug/pprof/":                  "text/html",
		"/debug/pprof/heap":              "application/octet-stream",
		"/debug/pprof/goroutine?debug=1": "text/plain",
		"/debug/pprof/cmdline":           "text/plain",
		"/debug/pprof/profile?seconds=1": "application/octet-stream",
	} {
		if a := w.want(200, "GET", path, ""); !strings.HasPrefix(a.header.Get("Content-Type"), kind) || len(a.body) == 0 {
			t.Errorf("%s: %s, %d bytes", path, a.header.Get("Content-Type"), len(a.body))
		}
	}
	w.refused(problem.InvalidField, "GET", "/debug/pprof/profile?seconds=61", "")
	w.refused(problem.UnknownField, "GET", "/debug/pprof/heap?x=1", "")
}

// TestPanic: a handler that panics is answered, counted and logged, and the plane goes on.
func TestPanic(t *testing.T) {
	w := newWorld(t)
	w.mu.panics = true
	a := w.refused(problem.Internal, "GET", "/admin/v1/cluster", "")
	if a.text("effect") != "unknown" || strings.Contains(string(a.body), "the test wants it") {
		t.Errorf("got %s", a.body)
	}
	if log := w.log.String(); !strings.Contains(log, "the test wants it") || !strings.Contains(log, "world_test.go") {
		t.Errorf("logged %s", log)
	}
	if got := w.plane.metrics.panics.Get(); got != 1 {
		t.Errorf("counted %d", got)
	}
	w.mu.panics = false
	w.want(200, "GET", "/admin/v1/cluster", "")
}

// TestPanicHalfWay: half an answer is cut off, so that nobody takes it for a whole one.
func TestPanicHalfWay(t *testing.T) {
	w := newWorld(t)
	w.plane.routes = append(w.plane.routes, route{
		name: noRoute, method: "GET", pattern: "/half", segments: segments("/half"),
		handle: func(p *Plane, x *exchange) *render.Problem {
			x.WriteHeader(200)
			_, _ = x.Write([]byte("half"))
			_ = http.NewResponseController(x).Flush()
			panic("half-way")
		},
	})
	resp, err := http.Get(w.server.URL + "/half")
	if err == nil {
		defer resp.Body.Close()
		_, err = resp.Body.Read(make([]byte, 100))
		for err == nil {
			_, err = resp.Body.Read(make([]byte, 100))
		}
	}
	if err == nil || err.Error() == "EOF" {
		t.Error("looked whole")
	}
	w.want(200, "GET", "/livez", "")
}

// TestAudit: every attempt to change something is logged with who tried, and no secret is.
func TestAudit(t *testing.T) {
	w := newWorld(t)
	id, operator := w.newKey("", operatorBody)
	w.refused(problem.Unauthenticated, "POST", "/admin/v1/campaigns/flash:end", `{"reason":"x"}`)
	w.refused(problem.CampaignNotFound, "POST", "/admin/v1/campaigns/flash:end", `{"reason":"x"}`, operator)
	w.refused(problem.CampaignNotFound, "GET", "/admin/v1/campaigns/flash", "", operator)
	log := w.log.String()
	_, secret, _ := strings.Cut(operator, "dk_")
	if strings.Contains(log, secret) {
		t.Error("the secret is in the log")
	}
	var audit []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, `"msg":"control"`) {
			audit = append(audit, line)
		}
	}
	if len(audit) != 3 || !strings.Contains(audit[1], `"status":401`) || !strings.Contains(audit[2], `"actor":"key:`+id) || !strings.Contains(audit[2], `"campaign":"flash"`) {
		t.Errorf("audit:\n%s", strings.Join(audit, ""))
	}
}

func TestOptionsValidate(t *testing.T) {
	_, err := New(Options{})
	for _, name := range []string{"Engine", "Decider", "Records", "Node", "Gate"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
}

func TestAccepts(t *testing.T) {
	for header, want := range map[string]string{
		"":                                      typeJSON,
		"*/*":                                   typeJSON,
		"application/x-ndjson":                  typeLines,
		"text/html, application/x-ndjson;q=0.1": typeLines,
		"application/json;q=0, */*;q=0":         "",
		"application/*":                         typeJSON,
		"APPLICATION/JSON":                      typeJSON,
		"application/json; q=0.000, application/x-ndjson": typeLines,
		"text/html": "",
	} {
		r := &http.Request{Header: http.Header{}}
		if header != "" {
			r.Header.Set("Accept", header)
		}
		if got := accepts(r, typeJSON, typeLines); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}
