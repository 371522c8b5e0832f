package control

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/drawd/drawd/server/apitest"
)

// FuzzParseJSON: what is taken is JSON for encoding/json too, and survives being written and read again.
func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{`{"a":1,"b":[true,null,"x"]}`, `{"a":1,"a":2}`, `[[[[]]]]`, `1e999`, `"\ud800"`, "{\"\xff\":1}", `{} {}`, ` `, `{"a":{"b":{}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseJSON(b)
		if err != nil {
			return
		}
		if !json.Valid(b) {
			t.Fatalf("%q is taken and is not JSON", b)
		}
		written, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%q cannot be written again: %v", b, err)
		}
		again, err := parseJSON(written)
		if err != nil {
			t.Fatalf("%q became %q, which is refused: %v", b, written, err)
		}
		if rewritten, _ := json.Marshal(again); string(rewritten) != string(written) {
			t.Fatalf("%q reads as %q and then as %q", b, written, rewritten)
		}
	})
}

// FuzzRequest: whatever is asked, the answer is one that the document allows, and no handler panics.
func FuzzRequest(f *testing.F) {
	for _, r := range table() {
		path := strings.NewReplacer("{campaign}", "flash", "{prize}", "phone", "{version}", "1", "{id}", "0123456789abcdef", "{profile}", "none", "{user}", "u1", "{purse}", "points", "{list}", "deny", "{pool}", "seats").Replace(r.pattern)
		if r.name == "profile" && path == "/debug/pprof/" {
			continue
		}
		f.Add(r.method, path, `{"reason":"x","delta":1,"name":"a","scopes":["admin"],"draft_etag":"\"1\""}`, `"1"`, "k1")
	}
	f.Add("PUT", "/admin/v1/campaigns/flash/draft", flashFile, "*", "")
	f.Add("GET", "/admin/v1/records?since=AQAAAAAAAAABAAA&limit=3&campaign=flash", "", "", "")
	document, err := apitest.Load()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path, body, match, key string) {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \r\n\t#") || strings.Contains(path, "profile") || strings.Contains(path, "trace") || strings.Contains(path, "wait_ms") {
			return // net/http, or a test that takes seconds
		}
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" || !validMethod(method) {
			return // net/http refuses these by itself
		}
		w := newPlane(t)
		draft, _ := w.ask("PUT", draftPath, flashFile, http.Header{"If-None-Match": {"*"}})
		w.ask("POST", publishPath, publishBody(draft.Header().Get("ETag")), http.Header{})
		header := http.Header{}
		for name, value := range map[string]string{"If-Match": match, "Idempotency-Key": key} {
			if value != "" {
				header.Set(name, value)
			}
		}
		answer, req := w.ask(method, path, body, header)
		if w.plane.metrics.panics.Get() != 0 {
			t.Fatal(w.log.String())
		}
		if method == "HEAD" || strings.ContainsAny(path, "%") {
			return // a body that net/http would drop; a path that the document cannot match
		}
		if err := document.Check(req, []byte(body), answer.Code, answer.Header(), answer.Body.Bytes()); err != nil && !strings.Contains(err.Error(), "calls invalid") {
			t.Fatalf("%s %s: %d %v\n%s", method, path, answer.Code, err, answer.Body)
		}
	})
}

// ask sends a request past any listener.
func (w *world) ask(method, path, body string, header http.Header) (*httptest.ResponseRecorder, *http.Request) {
	req := httptest.NewRequest("GET", "/", strings.NewReader(body))
	req.Method, req.RequestURI, req.Header = method, path, header
	req.URL, _ = url.ParseRequestURI(path)
	req.Host, req.RemoteAddr = "127.0.0.1:7071", "127.0.0.1:9"
	req.ContentLength = int64(len(body))
	if body != "" {
		req.Header.Set("Content-Type", typeJSON)
		if !strings.HasPrefix(body, "{") {
			req.Header.Set("Content-Type", typeYAML)
		}
	}
	answer := httptest.NewRecorder()
	w.plane.ServeHTTP(answer, req)
	return answer, req
}

func validMethod(m string) bool {
	return m != "" && strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}
