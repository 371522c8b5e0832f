package dataplane

import (
	"net/http"
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

func (r *rig) fatigueCaps(caps ...engine.FatigueCap) {
	r.t.Helper()
	var b engine.Batch
	b.AddPolicy(&engine.PutPolicy{Namespace: 1, Expect: engine.AnyRevision, Policy: &engine.NamespacePolicy{TimeZone: "UTC", FatigueCaps: caps}})
	r.decide(&b)
}

func pushes() engine.FatigueCap {
	return engine.FatigueCap{ID: "push", Window: engine.Window{Kind: engine.WindowDay}, Limit: 3}
}

func (r *rig) hit(user, key, body string, headers ...string) answer {
	r.t.Helper()
	return r.do("POST", "/v1/fatigue/push/users/"+user+":hit", body, append(headers, "Idempotency-Key", key)...)
}

func TestFatigue(t *testing.T) {
	r := start(t, nil)
	const u = "/v1/fatigue/push/users/u1"
	r.want("no policy", r.hit("u1", "k1", "{}"), 404, "not_found")
	r.want("no policy", r.do("GET", u, ""), 404, "not_found")
	r.fatigueCaps(pushes(), engine.FatigueCap{ID: "calls", Window: engine.Window{Kind: engine.WindowRolling, Duration: 60_000}, Limit: 2})
	const day = `"resets_at":"2026-11-11T00:00:00.000Z"`
	rows := r.engine.Namespaces()[0].Users()
	r.says("a look", r.do("GET", u, ""), `{"cap":"push","user":"u1","used":0,"limit":3,"left":3,`+day+`}`)
	if r.engine.Namespaces()[0].Users() != rows {
		t.Error("a look made a row")
	}
	first := r.hit("u1", "k1", "{}")
	r.says("first", first, `{"cap":"push","user":"u1","used":1,"limit":3,"left":2,`+day+`}`)
	if first.header.Get("Drawd-Index") == "" || first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("first: %v", first.header)
	}
	r.says("two more", r.hit("u1", "k2", `{"quantity":2}`), `"used":3,"limit":3,"left":0,`)
	again := r.hit("u1", "k1", "{}")
	if string(again.body) != string(first.body) || again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Drawd-Index") != first.header.Get("Drawd-Index") {
		t.Errorf("again: %s %v, first %s", again.body, again.header, first.body)
	}
	r.want("another quantity", r.hit("u1", "k1", `{"quantity":2}`), 422, "idempotency_mismatch")
	for _, headers := range [][]string{nil, {"Drawd-Retry", "1"}} { // from facts, and from the log
		a := r.hit("u1", "k3", `{}`, headers...)
		r.want("full", a, 409, "capped")
		if !strings.Contains(string(a.body), `"cap":"push","used":3,"limit":3,`+day+`,"allowed":0`) {
			t.Errorf("full: %s", a.body)
		}
	}
	a := r.hit("u2", "k3", `{"quantity":1000000}`)
	r.want("too much", a, 409, "capped")
	if !strings.Contains(string(a.body), `"used":0,"limit":3,"resets_at":null,"allowed":3`) {
		t.Errorf("too much: %s", a.body)
	}
	r.says("a rolling window that is not full", r.do("POST", "/v1/fatigue/calls/users/u1:hit", "{}", "Idempotency-Key", "k1"), `"used":1,"limit":2,"left":1,"resets_at":null}`)
	r.says("and one that is", r.do("POST", "/v1/fatigue/calls/users/u1:hit", "{}", "Idempotency-Key", "k2"), `"left":0,"resets_at":"2026-11-10T16:01:00.000Z"}`)
	r.fatigueCaps(engine.FatigueCap{ID: "calls", Window: engine.Window{Kind: engine.WindowRolling, Duration: 60_000}, Limit: 2})
	r.want("dropped", r.hit("u1", "k1", "{}"), 404, "not_found")
	r.fatigueCaps(pushes())
	r.clock.Add(8 * 3600_000)
	if a := r.hit("u1", "k1", "{}"); string(a.body) != string(first.body) {
		t.Errorf("on the next day: %s", a.body)
	}
	r.says("the next day", r.do("GET", u, ""), `"used":0,"limit":3,"left":3,"resets_at":"2026-11-12T00:00:00.000Z"}`)
	if err := r.engine.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// Between the reader's look and the log the cap may go, or fill: the log's word counts.
func TestHitDecidedByTheLog(t *testing.T) {
	r := start(t, nil)
	r.fatigueCaps(pushes())
	drop := func(b *engine.Batch) error {
		r.log.Before.Store(nil)
		r.fatigueCaps()
		return nil
	}
	r.log.Before.Store(&drop)
	r.want("dropped meanwhile", r.hit("u1", "k1", "{}"), 404, "not_found")
	r.fatigueCaps(pushes())
	unknown := func(*engine.Batch) error { return problem.New(problem.UnknownOutcome, "") }
	r.log.Before.Store(&unknown)
	r.want("unknown", r.hit("u1", "k1", "{}"), 504, "unknown_outcome")
	r.log.Before.Store(nil)
	r.says("retried", r.hit("u1", "k1", "{}", "Drawd-Retry", "1"), `"used":1,`)
}

func TestHitInput(t *testing.T) {
	r := start(t, nil)
	r.fatigueCaps(pushes())
	for body, want := range map[string]string{
		`{"quantity":0}`:              `"/quantity","code":"range"`,
		`{"quantity":1000001}`:        `"/quantity","code":"range"`,
		`{"quantity":-1}`:             `"/quantity","code":"range"`,
		`{"quantity":1.5}`:            `"/quantity","code":"type"`,
		`{"quantity":"1"}`:            `"/quantity","code":"type"`,
		`{"quantity":null}`:           `"/quantity","code":"type"`,
		`{"amount":1}`:                `"/amount","code":"unknown"`,
		`{"quantity":1,"quantity":1}`: `bad_json`,
		`{"quantity":1}x`:             `bad_json`,
		`{"quantity":01}`:             `bad_json`,
		`{`:                           `bad_json`,
		`[]`:                          `It must be an object`,
		``:                            `bad_json`,
	} {
		before := r.engine.StateHash()
		if a := r.post(http.DefaultTransport, "/v1/fatigue/push/users/u1:hit", body, "Idempotency-Key", "k"); a.status < 400 || !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %d %s, want %s", body, a.status, a.body, want)
		}
		if r.engine.StateHash() != before {
			t.Errorf("%s changed the state", body)
		}
	}
	post := func(path string, headers ...string) answer {
		return r.post(http.DefaultTransport, path, "{}", headers...)
	}
	r.want("no key", post("/v1/fatigue/push/users/u1:hit"), 400, "idempotency_key_missing")
	r.want("a bad key", post("/v1/fatigue/push/users/u1:hit", "Idempotency-Key", strings.Repeat("k", 65)), 400, "idempotency_key_invalid")
	r.want("another cap", post("/v1/fatigue/other/users/u1:hit", "Idempotency-Key", "k"), 404, "not_found")
	for _, path := range []string{"/v1/fatigue/push/users/:hit", "/v1/fatigue/Push/users/u1:hit", "/v1/fatigue/push/users/u%31:hit", "/v1/fatigue/push/users/u1/x:hit", "/v1/fatigue/push", "/v1/fatigue/push/users/"} {
		r.want(path, post(path, "Idempotency-Key", "k"), 404, "not_found")
	}
	r.want("the other method", post("/v1/fatigue/push/users/u1", "Idempotency-Key", "k"), 405, "method_not_allowed")
	r.want("the other method", r.do("GET", "/v1/fatigue/push/users/u1:hit", ""), 405, "method_not_allowed")
}
