package apitest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const miss = `{"draw":"dabcdefghijklmnopqrstuvwxyz","campaign":"flash","version":1,"user":"u1","seq":43,"at":"2026-11-11T02:00:00.123Z","outcome":"miss","remaining":{"caps":{}}}`

func refusal(status, code string) string {
	return `{"type":"urn:drawd:problem:x","title":"t","status":` + status + `,"detail":"d","code":"` + code + `","effect":"none","retryable":false,"request_id":"r1"}`
}

// The rows are what a server may get wrong; want is a part of the complaint, empty for none.
var checks = []struct {
	name, method, path, body string
	status                   int
	kind, answer             string
	header                   string // one more, "Name: value"
	want                     string
}{
	{"a miss", "POST", "/v1/campaigns/flash/draws", `{"user":"u1"}`, 200, "application/json", miss, "", ""},
	{"an undocumented member", "POST", "/v1/campaigns/flash/draws", `{"user":"u1"}`, 200, "application/json", strings.Replace(miss, `"seq"`, `"odds":1,"seq"`, 1), "", "odds"},
	{"a missing member", "POST", "/v1/campaigns/flash/draws", `{"user":"u1"}`, 200, "application/json", strings.Replace(miss, `"campaign":"flash",`, ``, 1), "", "campaign"},
	{"a time without milliseconds", "POST", "/v1/campaigns/flash/draws", `{"user":"u1"}`, 200, "application/json", strings.Replace(miss, ".123Z", "Z", 1), "", "pattern"},
	{"taken though invalid", "POST", "/v1/campaigns/flash/draws", `{"user":"u1","odds":1}`, 200, "application/json", miss, "", "calls invalid"},
	{"refused because invalid", "POST", "/v1/campaigns/flash/draws", `{"user":"u1","odds":1}`, 422, "application/problem+json", refusal("422", "unknown_field"), "", ""},
	{"an unknown query parameter taken", "GET", "/v1/campaigns/flash/stock?x=1", "", 200, "application/json", `{"campaign":"flash","seq":1,"prizes":[]}`, "", `"x" is not documented`},
	{"a status of another operation", "GET", "/v1/campaigns/flash/stock", "", 412, "application/problem+json", refusal("412", "version_conflict"), "", "412 is not documented"},
	{"a code of another status", "GET", "/v1/campaigns/flash/stock", "", 404, "application/problem+json", refusal("404", "capped"), "", "code"},
	{"another status inside", "GET", "/v1/campaigns/flash/stock", "", 400, "application/problem+json", refusal("413", "body_too_large"), "", "says status 413"},
	{"plain text", "GET", "/v1/campaigns/flash/stock", "", 500, "text/plain", "oops", "", "text/plain"},
	{"no Retry-After", "GET", "/v1/campaigns/flash/stock", "", 429, "application/problem+json", refusal("429", "rate_limited"), "", "Retry-After is missing"},
	{"Retry-After of hours", "GET", "/v1/campaigns/flash/stock", "", 429, "application/problem+json", refusal("429", "rate_limited"), "Retry-After: 3600", "Retry-After"},
	{"Retry-After", "GET", "/v1/campaigns/flash/stock", "", 429, "application/problem+json", refusal("429", "rate_limited"), "Retry-After: 2", ""},
	{"a wrong charset", "GET", "/v1/campaigns/flash/stock", "", 200, "application/json; charset=latin1", `{"campaign":"flash","seq":1,"prizes":[]}`, "", "charset"},
	{"an unlimited prize", "GET", "/v1/campaigns/flash/stock", "", 200, "application/json", `{"campaign":"flash","seq":1,"prizes":[{"id":"a","total":null,"issued":1}]}`, "", ""},
	{"a negative part", "GET", "/v1/campaigns/flash/stock", "", 200, "application/json", `{"campaign":"flash","seq":1,"prizes":[{"id":"a","total":null,"issued":-1}]}`, "", "minimum"},
	{"lines", "GET", "/admin/v1/records", "", 200, "application/x-ndjson", "{\"kind\":\"control\",\"at\":\"2026-11-11T02:00:00.123Z\",\"index\":1,\"ordinal\":0}\n{\"next_cursor\":\"c\"}\n", "", ""},
	{"a bad line", "GET", "/admin/v1/records", "", 200, "application/x-ndjson", "{\"next_cursor\":\"\"}\n", "", "line 1"},
	{"a broken line", "GET", "/admin/v1/records", "", 200, "application/x-ndjson", "{\"next_cursor\":\"c\"}", "", "last line"},
	{"no such path", "GET", "/admin", "", 404, "application/problem+json", refusal("404", "not_found"), "", ""},
	{"no such path, served", "GET", "/admin", "", 200, "application/json", `{}`, "", "no operation"},
	{"wrong method", "DELETE", "/v1/campaigns/flash", "", 405, "application/problem+json", refusal("405", "method_not_allowed"), "Allow: GET", ""},
	{"wrong method without Allow", "DELETE", "/v1/campaigns/flash", "", 405, "application/problem+json", refusal("405", "method_not_allowed"), "", "Allow"},
	{"an action is not an id", "POST", "/admin/v1/campaigns/flash:pause", `{"reason":"x"}`, 200, "application/json", `{"campaign":"flash","status":"paused","at":"2026-11-11T02:00:00.123Z"}`, "", ""},
	{"an action without a reason", "POST", "/admin/v1/campaigns/flash:pause", `{}`, 200, "application/json", `{"campaign":"flash","status":"paused","at":"2026-11-11T02:00:00.123Z"}`, "", "reason"},
	{"a body that nobody asked for", "DELETE", "/admin/v1/keys/0123456789abcdef", "", 204, "text/plain", "x", "", "a body"},
}

func TestCheck(t *testing.T) {
	d := document(t)
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			req := httptest.NewRequest(c.method, c.path, nil)
			req.Header.Set("Idempotency-Key", "k1")
			if c.body != "" {
				req.Header.Set("Content-Type", "application/json")
			}
			header := http.Header{}
			if c.kind != "" {
				header.Set("Content-Type", c.kind)
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok {
				header.Set(name, value)
			}
			err := d.Check(req, []byte(c.body), c.status, header, []byte(c.answer))
			switch {
			case err == nil && c.want != "":
				t.Errorf("no complaint, want %q", c.want)
			case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)):
				t.Errorf("complaint %v, want %q", err, c.want)
			}
		})
	}
}

// complaints collects what Validate says.
type complaints struct{ n int }

func (c *complaints) Helper()               {}
func (c *complaints) Errorf(string, ...any) { c.n++ }

// TestTransport: what goes through the transport is validated, and arrives whole on both sides.
func TestTransport(t *testing.T) {
	answer := miss
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(answer))
	}))
	defer server.Close()
	var seen complaints
	client := &http.Client{Transport: Transport(&seen, http.DefaultTransport)}
	send := func() {
		req, _ := http.NewRequest("POST", server.URL+"/v1/campaigns/flash/draws", strings.NewReader(`{"user":"u1"}`))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", "k1")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got := make([]byte, len(answer))
		if n, _ := resp.Body.Read(got); n == 0 {
			t.Error("the body was eaten")
		}
	}
	send()
	if seen.n != 0 {
		t.Errorf("%d complaints about a right answer", seen.n)
	}
	answer = `{"draw":1}`
	send()
	if seen.n == 0 {
		t.Error("no complaint about a wrong answer")
	}
}
