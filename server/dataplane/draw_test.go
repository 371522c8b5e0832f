package dataplane

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/access"
)

func TestDraw(t *testing.T) {
	r := start(t, nil)
	a := r.draw("flash", "k1", `{"user":"u1"}`)
	r.want("draw", a, 200, "")
	if a.json["user"] != "u1" || a.json["campaign"] != "flash" || a.json["version"] != 1.0 || a.json["seq"] != 1.0 || a.json["at"] != "2026-11-10T16:00:00.000Z" {
		t.Errorf("%s", a.body)
	}
	if left := a.json["remaining"].(map[string]any)["caps"].(map[string]any)["day"]; left != 2.0 {
		t.Errorf("remaining %v", left)
	}
	if a.header.Get("Drawd-Index") != "2" || a.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("headers %v", a.header)
	}
	again := r.draw("flash", "k1", `{"user":"u1"}`)
	if !bytes.Equal(again.body, a.body) || again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Drawd-Index") != "2" {
		t.Errorf("replay: %v\n%s\n%s", again.header, a.body, again.body)
	}
	retried := r.draw("flash", "k1", `{"user":"u1"}`, "Drawd-Retry", "1")
	if !bytes.Equal(retried.body, a.body) || retried.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("retry: %s", retried.body)
	}
	r.want("mismatch", r.draw("flash", "k1", `{"user":"u1","times":1}`), 422, "idempotency_mismatch")
	r.want("another user's key", r.draw("flash", "k1", `{"user":"u2"}`), 200, "")
	byID := r.do("GET", "/v1/draws/"+a.json["draw"].(string), "")
	if !bytes.Equal(byID.body, a.body) {
		t.Errorf("by id: %s", byID.body)
	}
}

// "times" makes a list, also when it is 1, and all of it or none.
func TestTimes(t *testing.T) {
	r := start(t, nil)
	a := r.draw("flash", "k1", `{"user":"u1","times":2,"channel":"h5"}`)
	r.want("two", a, 200, "")
	draws := a.json["draws"].([]any)
	if len(draws) != 2 || draws[0].(map[string]any)["seq"] != 1.0 || draws[1].(map[string]any)["seq"] != 2.0 {
		t.Fatalf("%s", a.body)
	}
	again := r.draw("flash", "k1", `{"user":"u1","times":2,"channel":"h5"}`)
	if !bytes.Equal(again.body, a.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replay: %s", again.body)
	}
	denied := r.draw("flash", "k2", `{"user":"u1","times":2}`)
	r.want("three more", denied, 409, "capped")
	if denied.json["cap"] != "day" || denied.json["used"] != 2.0 || denied.json["limit"] != 3.0 || denied.json["allowed"] != 1.0 || denied.json["resets_at"] != "2026-11-11T00:00:00.000Z" {
		t.Errorf("%s", denied.body)
	}
	one := r.draw("flash", "k3", `{"user":"u1","times":1}`)
	if len(one.json["draws"].([]any)) != 1 {
		t.Errorf("%s", one.body)
	}
	second := r.do("GET", "/v1/draws/"+draws[1].(map[string]any)["draw"].(string), "")
	if second.json["seq"] != 2.0 || second.json["draws"] != nil {
		t.Errorf("second by id: %s", second.body)
	}
}

// Denials by committed facts do not touch the log; with Drawd-Retry they come from the log.
func TestDenials(t *testing.T) {
	r := start(t, nil)
	r.want("the unit", r.draw("soldout", "k1", `{"user":"u1"}`), 200, "")
	before := r.engine.AppliedIndex()
	a := r.draw("soldout", "k2", `{"user":"u2"}`)
	r.want("sold out", a, 409, "exhausted")
	if a.json["effect"] != "none" || a.json["retryable"] != true {
		t.Errorf("%s", a.body)
	}
	if r.engine.AppliedIndex() != before {
		t.Error("a denial went through the log")
	}
	id := []byte(a.json["request_id"].(string))
	keyer := mustNamespace(t, r).Keyer()
	user := keyer.User([]byte("u2"))
	if f, ok := r.server.sealer.Open(id); !ok || f.Code != problem.Exhausted || f.User != uint16(user[0])<<8|uint16(user[1]) || f.Index != before || f.Seconds != testNow/1000 {
		t.Errorf("the request id says %+v", f)
	}
	r.want("again", r.draw("soldout", "k2", `{"user":"u2"}`, "Drawd-Retry", "1"), 409, "exhausted")
	if r.engine.AppliedIndex() != before+1 {
		t.Error("a retry was denied without the log")
	}
	r.clock.Store(testEnd + 1)
	r.want("over", r.draw("open", "k1", `{"user":"u1"}`), 409, "ended")
	r.clock.Store(testNow)
	r.want("no campaign", r.draw("none", "k1", `{"user":"u1"}`), 404, "campaign_not_found")
}

func mustNamespace(t testing.TB, r *rig) *engine.Namespace {
	ns, ok := r.engine.Namespace("default")
	if !ok {
		t.Fatal("no namespace")
	}
	return ns
}

func TestBadDraws(t *testing.T) {
	r := start(t, nil)
	deep := func(n int) string { return strings.Repeat(`[`, n) + strings.Repeat(`]`, n) }
	for _, f := range []struct {
		name, body string
		status     int
		code       string
		pointer    string // of the first error
	}{
		{"empty", ``, 400, "bad_json", ""},
		{"not JSON", `user=u1`, 400, "bad_json", ""},
		{"cut", `{"user":"u1"`, 400, "bad_json", ""},
		{"trailing", `{"user":"u1"} x`, 400, "bad_json", ""},
		{"two values", `{"user":"u1"}{}`, 400, "bad_json", ""},
		{"trailing comma", `{"user":"u1",}`, 400, "bad_json", ""},
		{"no comma", `{"user":"u1" "times":1}`, 400, "bad_json", ""},
		{"no colon", `{"user" "u1"}`, 400, "bad_json", ""},
		{"name without quotes", `{user:"u1"}`, 400, "bad_json", ""},
		{"single quotes", `{'user':'u1'}`, 400, "bad_json", ""},
		{"comment", `{"user":"u1"/**/}`, 400, "bad_json", ""},
		{"BOM", "\ufeff" + `{"user":"u1"}`, 400, "bad_json", ""},
		{"NaN", `{"user":"u1","times":NaN}`, 400, "bad_json", ""},
		{"leading zero", `{"user":"u1","times":01}`, 400, "bad_json", ""},
		{"plus", `{"user":"u1","times":+1}`, 400, "bad_json", ""},
		{"point", `{"user":"u1","times":1.}`, 400, "bad_json", ""},
		{"exponent", `{"user":"u1","times":1e}`, 400, "bad_json", ""},
		{"duplicate", `{"user":"u1","user":"u1"}`, 400, "bad_json", ""},
		{"duplicate, escaped", `{"user":"u1","us\u0065r":"u1"}`, 400, "bad_json", ""},
		{"duplicate, unknown", `{"user":"u1","x":1,"x":1}`, 400, "bad_json", ""},
		{"duplicate, nested", `{"user":"u1","attributes":{"a":{"b":1,"b":1}}}`, 400, "bad_json", ""},
		{"duplicate in expect", `{"user":"u1","expect":{"version":1,"version":1}}`, 400, "bad_json", ""},
		{"17 levels", `{"user":"u1","attributes":{"a":` + deep(15) + `}}`, 400, "bad_json", ""},
		{"65 members", `{"user":"u1","attributes":{` + members(65) + `}}`, 400, "bad_json", ""},
		{"not UTF-8", "{\"user\":\"u\xff\"}", 400, "bad_json", ""},
		{"overlong UTF-8", "{\"user\":\"\xc0\x80\"}", 400, "bad_json", ""},
		{"not UTF-8 in a name", "{\"user\":\"u1\",\"\xff\":1}", 400, "bad_json", ""},
		{"lone surrogate", `{"user":"\ud800"}`, 400, "bad_json", ""},
		{"surrogates the wrong way round", `{"user":"\udc00\ud800"}`, 400, "bad_json", ""},
		{"bad escape", `{"user":"\x"}`, 400, "bad_json", ""},
		{"control character", "{\"user\":\"a\nb\"}", 400, "bad_json", ""},
		{"unknown", `{"user":"u1","foo":1}`, 422, "unknown_field", "/foo"},
		{"unknown, not told", `{"user":"u1","<script>":1}`, 422, "unknown_field", ""},
		{"unknown in expect", `{"user":"u1","expect":{"foo":1}}`, 422, "unknown_field", "/expect/foo"},
		{"key in the body", `{"user":"u1","key":"k"}`, 422, "unknown_field", "/key"},
		{"other case", `{"User":"u1"}`, 422, "unknown_field", "/User"},
		{"list", `[]`, 422, "invalid_field", ""},
		{"string", `"u1"`, 422, "invalid_field", ""},
		{"null", `null`, 422, "invalid_field", ""},
		{"no user", `{}`, 422, "invalid_field", "/user"},
		{"user null", `{"user":null}`, 422, "invalid_field", "/user"},
		{"user a number", `{"user":1}`, 422, "invalid_field", "/user"},
		{"user empty", `{"user":""}`, 422, "invalid_field", "/user"},
		{"user too long", `{"user":"` + strings.Repeat("u", 129) + `"}`, 422, "invalid_field", "/user"},
		{"user with a slash", `{"user":"a/b"}`, 422, "invalid_field", "/user"},
		{"user with NUL", `{"user":"a\u0000"}`, 422, "invalid_field", "/user"},
		{"user not ASCII", `{"user":"ü"}`, 422, "invalid_field", "/user"},
		{"times 0", `{"user":"u1","times":0}`, 422, "invalid_field", "/times"},
		{"times 11", `{"user":"u1","times":11}`, 422, "invalid_field", "/times"},
		{"times -1", `{"user":"u1","times":-1}`, 422, "invalid_field", "/times"},
		{"times 256+1", `{"user":"u1","times":257}`, 422, "invalid_field", "/times"},
		{"times huge", `{"user":"u1","times":18446744073709551617}`, 422, "invalid_field", "/times"},
		{"times 1.0", `{"user":"u1","times":1.0}`, 422, "invalid_field", "/times"},
		{"times 1e0", `{"user":"u1","times":1e0}`, 422, "invalid_field", "/times"},
		{"times a string", `{"user":"u1","times":"1"}`, 422, "invalid_field", "/times"},
		{"times null", `{"user":"u1","times":null}`, 422, "invalid_field", "/times"},
		{"channel empty", `{"user":"u1","channel":""}`, 422, "invalid_field", "/channel"},
		{"channel too long", `{"user":"u1","channel":"` + strings.Repeat("c", 33) + `"}`, 422, "invalid_field", "/channel"},
		{"ip", `{"user":"u1","ip":"1.2.3"}`, 422, "invalid_field", "/ip"},
		{"ip empty", `{"user":"u1","ip":""}`, 422, "invalid_field", "/ip"},
		{"ip with a zone", `{"user":"u1","ip":"fe80::1%eth0"}`, 422, "invalid_field", "/ip"},
		{"attributes a list", `{"user":"u1","attributes":[]}`, 422, "invalid_field", "/attributes"},
		{"ticket a number", `{"user":"u1","ticket":1}`, 422, "invalid_field", "/ticket"},
		{"expect null", `{"user":"u1","expect":null}`, 422, "invalid_field", "/expect"},
		{"version 0", `{"user":"u1","expect":{"version":0}}`, 422, "invalid_field", "/expect/version"},
		{"version 2^32", `{"user":"u1","expect":{"version":4294967296}}`, 422, "invalid_field", "/expect/version"},
		{"price 0", `{"user":"u1","expect":{"max_price":0}}`, 422, "invalid_field", "/expect/max_price"},
		{"another version", `{"user":"u1","expect":{"version":2}}`, 409, "version_changed", ""},
	} {
		t.Run(f.name, func(t *testing.T) {
			r.t = t
			a := r.draw("open", "k1", f.body, "Content-Type", "application/json")
			r.want(f.name, a, f.status, f.code)
			pointer := ""
			if errors, ok := a.json["errors"].([]any); ok {
				pointer = errors[0].(map[string]any)["pointer"].(string)
			}
			if pointer != f.pointer {
				t.Errorf("it points at %q, want %q: %s", pointer, f.pointer, a.body)
			}
			if bytes.Contains(a.body, []byte("script")) {
				t.Errorf("what was sent is told back: %s", a.body)
			}
		})
	}
	if r.engine.AppliedIndex() != 1 {
		t.Errorf("bad requests reached the log: %d", r.engine.AppliedIndex())
	}
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return b.String()[1:]
}

// Good bodies in unusual clothes.
func TestGoodBodies(t *testing.T) {
	r := start(t, nil)
	for i, body := range []string{
		"\r\n\t {\t\"user\" :\n\"u1\" } \n",
		`{"us\u0065r":"\u0075\u0031"}`,
		`{"user":"A-Za-z0-9._~:@=+-"}`,
		`{"user":"` + strings.Repeat("u", 128) + `"}`,
		`{"user":"u1","times":10,"channel":"h5","device":"d1","ip":"2001:db8::1","expect":{"version":1,"max_price":4294967295}}`,
		`{"user":"u1","ip":"::ffff:1.2.3.4"}`,
		`{"user":"u1","attributes":{"level":3,"x":-1.5e+10,"tags":["a\ud83d\ude00\"\\\/\b\f\n\r\t"],"deep":` + strings.Repeat("[", 14) + strings.Repeat("]", 14) + `,"t":true,"f":false,"n":null},"ticket":"t"}`,
		`{"user":"u1","attributes":{` + members(64) + `}}`,
		`{"user":"u1","attributes":{},"expect":{}}`,
	} {
		if a := r.draw("open", "k"+strconv.Itoa(i), body); a.status != 200 {
			t.Errorf("%.100q: %d %s", body, a.status, a.body)
		}
	}
}

func TestRequestRules(t *testing.T) {
	r := start(t, nil)
	const body = `{"user":"u1"}`
	post := func(path string, headers ...string) answer { return r.do("POST", path, body, headers...) }
	r.want("no key", post("/v1/campaigns/open/draws"), 400, "idempotency_key_missing")
	r.want("key too long", r.draw("open", strings.Repeat("k", 65), body), 400, "idempotency_key_invalid")
	r.want("key with a space", r.draw("open", "a b", body), 400, "idempotency_key_invalid")
	r.want("longest key", r.draw("open", strings.Repeat("~", 64), body), 200, "")
	r.want("not JSON", r.draw("open", "k", body, "Content-Type", "text/plain"), 415, "unsupported_media_type")
	r.want("form", r.draw("open", "k", body, "Content-Type", "application/x-www-form-urlencoded"), 415, "unsupported_media_type")
	r.want("another charset", r.draw("open", "k", body, "Content-Type", "application/json; charset=latin1"), 415, "unsupported_media_type")
	r.want("batch form", r.draw("open", "k", body, "Content-Type", typeBatch), 415, "unsupported_media_type")
	r.want("accept", r.draw("open", "k", body, "Accept", "text/html, application/*;q=0.1"), 200, "")
	for _, path := range []string{"/", "/v1", "/v1/", "/v1/campaigns/", "/v1/campaigns/open/", "/v1/campaigns//draws", "/v1//campaigns/open", "//livez", "/livez/", "/v1/campaigns/op%65n", "/v1/campaigns/open/draws%00", "/v1/campaigns/OPEN", "/v1/campaigns/../x", "/v1/campaigns/open/./stock", "/v1/draws/%64", "/v1/campaigns/open/users/", "/v1/campaigns/open/users/a/b", "/v1/campaigns/open/users/u1/keys/", "/v1/campaigns/open/users/u1/keys/a/b", "/v1/campaigns/open/users/u1/keys/%41", "/livez%7f"} {
		all := r.raw("GET " + path + " HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n")
		if a := split(t, all)[0]; a.status != 404 || a.json["code"] != "not_found" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for path, allow := range map[string]string{"/v1/campaigns/open/draws": "POST", "/v1/draws:batch": "POST", "/v1/campaigns/open/users/u1/keys/k:abandon": "POST", "/v1/campaigns/open": "GET, HEAD", "/livez": "GET, HEAD"} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "X"} {
			if strings.HasPrefix(allow, method) {
				continue
			}
			a := split(t, r.raw(method+" "+path+" HTTP/1.1\r\n"+host+"Connection: close\r\n\r\n"))[0]
			if a.status != 405 || a.json["code"] != "method_not_allowed" || a.header.Get("Allow") != allow {
				t.Errorf("%s %s: %d %v %s", method, path, a.status, a.header, a.body)
			}
		}
	}
	all := r.raw("GET /livez HTTP/1.1\r\n" + host + "Accept: text/html\r\nConnection: close\r\n\r\n")
	if a := split(t, all)[0]; a.status != 406 || a.json["code"] != "not_acceptable" {
		t.Errorf("accept: %s", all)
	}
}

// A deadline drops before dispatch only, and says that nothing happened.
func TestDeadline(t *testing.T) {
	r := start(t, nil)
	const body = `{"user":"u1"}`
	r.want("long", r.draw("open", "k1", body, "Drawd-Deadline-Ms", "60000"), 200, "")
	r.want("0", r.draw("open", "k2", body, "Drawd-Deadline-Ms", "0"), 422, "invalid_field")
	r.want("not a number", r.draw("open", "k2", body, "Drawd-Deadline-Ms", "soon"), 422, "invalid_field")
	r.want("a replay needs no dispatch", r.draw("open", "k1", body, "Drawd-Deadline-Ms", "1"), 200, "")
	// The body comes after the deadline.
	pr, pw := io.Pipe()
	go func() {
		io.WriteString(pw, "POST /v1/campaigns/open/draws HTTP/1.1\r\n"+host+"Connection: close\r\nContent-Type: application/json\r\nIdempotency-Key: k3\r\nDrawd-Deadline-Ms: 1\r\nContent-Length: 13\r\n\r\n")
		inRequest := func(c *conn) bool { until := c.until.Load(); return until != 0 && until&1 == 0 }
		for !slices.ContainsFunc(r.server.snapshot(nil), inRequest) { // until the server has the head
			runtime.Gosched()
		}
		was := r.server.coarse.Load()
		for r.server.coarse.Load() < was+2 { // until the sweeper moves it
			runtime.Gosched()
		}
		io.WriteString(pw, body)
		pw.Close()
	}()
	a := split(t, r.rawFrom(pr))[0]
	if a.status != 503 || a.json["code"] != "overloaded" || a.json["effect"] != "none" || a.header.Get("Retry-After") == "" {
		t.Errorf("late: %d %s", a.status, a.body)
	}
	if r.engine.AppliedIndex() != 2 {
		t.Errorf("%d entries", r.engine.AppliedIndex())
	}
}

// What the decider refuses is told with its effect. After an unknown outcome the batch is not used again.
func TestDeciderRefuses(t *testing.T) {
	r := start(t, nil)
	var dropped *engine.Batch
	for _, f := range []struct {
		err    error
		status int
		code   string
		effect string
	}{
		{problem.New(problem.Overloaded, "The queue is full."), 503, "overloaded", "none"},
		{fmt.Errorf("raftlog: %w", problem.New(problem.NoLeader, "")), 503, "no_leader", "none"},
		{problem.New(problem.UnknownOutcome, ""), 504, "unknown_outcome", "unknown"},
		{errors.New("disk on fire"), 500, "internal", "unknown"},
	} {
		before := func(b *engine.Batch) error {
			if b == dropped {
				t.Error("a dropped batch is used again")
			}
			if f.effect == "unknown" {
				dropped = b
			}
			return f.err
		}
		r.log.Before.Store(&before)
		for _, a := range []answer{
			r.draw("open", "k1", `{"user":"u1"}`),
			r.do("POST", "/v1/draws:batch", `{"draws":[{"campaign":"open","user":"u1","key":"k1"}]}`),
			r.do("GET", "/v1/campaigns/open/users/u1/keys/k1", ""),
			r.do("POST", "/v1/campaigns/open/users/u1/keys/k1:abandon", ""),
		} {
			r.want(f.code, a, f.status, f.code)
			if a.json["effect"] != f.effect || bytes.Contains(a.body, []byte("fire")) {
				t.Errorf("%s", a.body)
			}
			if wait, err := strconv.Atoi(a.header.Get("Retry-After")); (f.status == 503) != (err == nil && wait >= 1 && wait <= 60) {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
		}
	}
	r.log.Before.Store(nil)
	r.want("after all", r.draw("open", "k1", `{"user":"u1"}`, "Drawd-Retry", "1"), 200, "")
}

// A panic is a 500 with an unknown effect, is counted, and ends the connection but not the process.
func TestPanic(t *testing.T) {
	r := start(t, nil)
	var dropped *engine.Batch
	before := func(b *engine.Batch) error {
		dropped = b
		panic("BUG: a test")
	}
	after := func(b *engine.Batch) error {
		if b == dropped {
			t.Error("what panicked is used again")
		}
		return nil
	}
	for i, ask := range []func() answer{
		func() answer { return r.draw("open", "k1", `{"user":"u1"}`) },
		func() answer {
			return r.do("POST", "/v1/draws:batch", `{"draws":[{"campaign":"open","user":"u1","key":"k2"}]}`)
		},
	} {
		r.log.Before.Store(&before)
		a := ask()
		r.want("panic", a, 500, "internal")
		if a.json["effect"] != "unknown" || bytes.Contains(a.body, []byte("BUG")) {
			t.Errorf("%s", a.body)
		}
		if r.server.figures.panics.Get() != uint64(i+1) {
			t.Error("not counted")
		}
		r.log.Before.Store(&after)
		if again := ask(); again.status != 200 {
			t.Errorf("after it: %s", again.body)
		}
	}
}

// Without keys only direct loopback requests are served; with keys the scopes and campaigns count.
func TestAccess(t *testing.T) {
	r := start(t, nil)
	const body = `{"user":"u1"}`
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "x-real-ip", "Via"} {
		r.want(h, r.draw("open", "k1", body, h, "1.2.3.4"), 403, "proxy_without_keys")
	}
	r.want("origin", r.draw("open", "k1", body, "Origin", "http://evil.example"), 403, "proxy_without_keys")
	r.want("host", r.draw("open", "k1", body, "Host", "evil.example"), 403, "proxy_without_keys")
	r.want("namespace", r.draw("open", "k1", body, "Drawd-Namespace", "none"), 404, "namespace_not_found")

	secret := func(k access.Key) string {
		id, secret, hash := access.NewSecret()
		k.ID, k.Namespace, k.Hash, k.CreatedAt = id, "default", hash, r.now()
		var b engine.Batch
		b.AddDocument(&engine.PutDocument{Namespace: 1, Name: access.DocumentPrefix + id, Body: k.Encode()})
		r.decide(&b)
		r.gate.Refresh()
		return "Bearer " + secret
	}
	draw := secret(access.Key{Name: "draw", Scopes: access.ScopeDraw, Campaigns: []string{"open"}})
	read := secret(access.Key{Name: "read", Scopes: access.ScopeRead})
	slow := secret(access.Key{Name: "slow", Scopes: access.ScopeDraw, Rate: access.Rate{PerSecond: 1, Burst: 1}})
	a := r.draw("open", "k1", body)
	r.want("no key", a, 401, "unauthenticated")
	if a.header.Get("WWW-Authenticate") != "Bearer" {
		t.Error("no WWW-Authenticate")
	}
	r.want("wrong key", r.draw("open", "k1", body, "Authorization", draw[:len(draw)-1]+"x"), 401, "unauthenticated")
	r.want("right key", r.draw("open", "k1", body, "Authorization", draw), 200, "")
	r.want("a proxy with a key", r.draw("open", "k1", body, "Authorization", draw, "Via", "x"), 200, "")
	r.want("another campaign", r.draw("flash", "k1", body, "Authorization", draw), 403, "forbidden")
	r.want("no such campaign", r.draw("none", "k1", body, "Authorization", draw), 403, "forbidden")
	r.want("no scope", r.draw("open", "k1", body, "Authorization", read), 403, "forbidden")
	r.want("stock", r.do("GET", "/v1/campaigns/open/stock", "", "Authorization", read), 200, "")
	r.want("stock without the scope", r.do("GET", "/v1/campaigns/open/stock", "", "Authorization", draw), 403, "forbidden")
	r.want("once", r.draw("open", "k2", body, "Authorization", slow), 200, "")
	limited := r.draw("open", "k3", body, "Authorization", slow)
	r.want("too fast", limited, 429, "rate_limited")
	if limited.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	mine := r.draw("open", "k1", body, "Authorization", draw)
	r.want("a draw of a campaign that the key may see", r.do("GET", "/v1/draws/"+mine.json["draw"].(string), "", "Authorization", draw), 200, "")
	r.clock.Add(2000)
	hidden := r.draw("flash", "k9", body, "Authorization", slow)
	r.want("hidden", hidden, 200, "")
	r.want("a draw of another campaign", r.do("GET", "/v1/draws/"+hidden.json["draw"].(string), "", "Authorization", draw), 404, "draw_not_found")
	batch := r.do("POST", "/v1/draws:batch", `{"draws":[{"campaign":"open","user":"u1","key":"b1"},{"campaign":"flash","user":"u1","key":"b1"}]}`, "Authorization", draw)
	results := batch.json["results"].([]any)
	if results[0].(map[string]any)["status"] != 200.0 || results[1].(map[string]any)["status"] != 403.0 {
		t.Errorf("%s", batch.body)
	}
	r.want("live without a key", r.do("GET", "/livez", ""), 200, "")
	r.want("ready without a key", r.do("GET", "/readyz", ""), 200, "")
	r.want("verbose without a key", r.do("GET", "/readyz?verbose", ""), 200, "")
}

// A namespace's policy may narrow which users can draw. A new policy counts at once.
func TestUserPattern(t *testing.T) {
	r := start(t, nil)
	set := func(source string) {
		policy, faults := campaignfile.ParsePolicy([]byte(source))
		if faults != nil {
			t.Fatal(faults)
		}
		var b engine.Batch
		b.AddPolicy(&engine.PutPolicy{Namespace: 1, Expect: engine.AnyRevision, Policy: policy})
		r.decide(&b)
	}
	r.want("no policy", r.draw("open", "k1", `{"user":"abc"}`), 200, "")
	set("time_zone: UTC\nuser_pattern: '[0-9]{3}|x'\n")
	a := r.draw("open", "k2", `{"user":"abc"}`)
	r.want("not allowed", a, 422, "invalid_field")
	if a.json["errors"].([]any)[0].(map[string]any)["pointer"] != "/user" {
		t.Errorf("%s", a.body)
	}
	r.want("half of it", r.draw("open", "k2", `{"user":"1234"}`), 422, "invalid_field")
	r.want("allowed", r.draw("open", "k2", `{"user":"123"}`), 200, "")
	batch := results(t, r.do("POST", "/v1/draws:batch", `{"draws":[{"campaign":"open","user":"abc","key":"k3"},{"campaign":"open","user":"x","key":"k3"}]}`))
	if batch[0].Status != 422 || batch[1].Status != 200 {
		t.Errorf("%+v", batch)
	}
	r.want("reading", r.do("GET", "/v1/campaigns/open/users/abc/keys/k1", ""), 200, "")
	set("time_zone: UTC\n")
	r.want("none again", r.draw("open", "k2", `{"user":"abc"}`), 200, "")
}

// Many clients at once, each with its own user: nobody ever sees another's answer. Run under the race detector.
func TestNobodySeesAnothersAnswer(t *testing.T) {
	r := start(t, nil)
	var clients sync.WaitGroup
	for i := range 64 {
		clients.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			user := fmt.Sprintf("canary-%d-%s", i, strings.Repeat("x", i))
			for n := range 20 {
				if a := r.plain(transport, "open", "k"+strconv.Itoa(n%15), `{"user":"`+user+`"}`); a.json["user"] != user {
					t.Errorf("%s got %s", user, a.body)
				}
			}
		})
	}
	clients.Wait()
}
