package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/apitest"
)

// TestBadBodies: what is wrong with a JSON body, and the code for it.
func TestBadBodies(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	deep := func(n int) string { return `{"reason":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	for _, row := range []struct {
		name, body string
		want       problem.Code
	}{
		{"nothing", "", problem.UnsupportedMediaType}, // no type either
		{"spaces", "{", problem.BadJSON},
		{"not JSON", `{reason}`, problem.BadJSON},
		{"a duplicate member", `{"reason":"a","reason":"b"}`, problem.BadJSON},
		{"a duplicate in disguise", `{"reason":"a","\u0072eason":"b"}`, problem.BadJSON},
		{"a duplicate deeper down", `{"reason":"a","x":{"y":1,"y":1}}`, problem.BadJSON},
		{"trailing data", `{"reason":"a"} {}`, problem.BadJSON},
		{"a trailing comma", `{"reason":"a",}`, problem.BadJSON},
		{"a missing comma", `{"reason":"a" "b":1}`, problem.BadJSON},
		{"a missing value", `{"reason":}`, problem.BadJSON},
		{"unquoted", `{"reason":NaN}`, problem.BadJSON},
		{"a comment", `{"reason":"a"/**/}`, problem.BadJSON},
		{"not UTF-8", "{\"reason\":\"\xff\"}", problem.BadJSON},
		{"a NUL", "{\"reason\":\"\x00\"}", problem.BadJSON},
		{"cut off", `{"reason":"a"`, problem.BadJSON},
		{"a lone number", `{"a":01}`, problem.BadJSON},
		{"too deep", deep(16), problem.BadJSON},
		{"deep", deep(15), problem.InvalidField},
		{"a list", `["reason"]`, problem.InvalidField},
		{"another type", `{"reason":{}}`, problem.InvalidField},
		{"unknown", `{"reason":"a","because":"b"}`, problem.UnknownField},
		{"another case", `{"Reason":"a"}`, problem.UnknownField},
	} {
		t.Run(row.name, func(t *testing.T) {
			w.t = t
			w.refused(row.want, "POST", "/admin/v1/campaigns/flash:pause", row.body)
		})
	}
	w.t = t
	for _, kind := range []string{"text/plain", "application/json; charset=latin1", "application/json; x=y", "application/x-www-form-urlencoded", "json", "application/yaml", ""} {
		w.refused(problem.UnsupportedMediaType, "POST", "/admin/v1/campaigns/flash:pause", `{"reason":"a"}`, "Content-Type: "+kind)
	}
	w.want(200, "POST", "/admin/v1/campaigns/flash:pause", `{"reason":"a"}`, "Content-Type: Application/JSON; charset=UTF-8")
}

// TestNothingIsEchoed: a refusal does not repeat what was sent.
func TestNothingIsEchoed(t *testing.T) {
	w := newWorld(t)
	const canary = "canary4711"
	for _, body := range []string{`{"reason":"` + canary, `{"` + canary + `":}`, `{"draft_etag":"` + canary + `"}`, `{"draft_etag":["` + canary + `"]}`} {
		if a := w.do("POST", publishPath, body); a.status < 400 || strings.Contains(string(a.body), canary) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if strings.Contains(w.log.String(), canary) {
		t.Error("logged")
	}
}

func TestBadPaths(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	for _, path := range []string{
		"/", "/admin", "/admin/v1", "/admin/v1/", "/admin/v1/campaigns/", "//admin/v1/campaigns", "/admin//v1/campaigns", "/admin/v1/campaigns/%66lash",
		"/admin/v1/campaigns/flash/", "/admin/v1/campaigns/Flash", "/admin/v1/campaigns/-flash", "/admin/v1/campaigns/fl_ash", "/admin/v1/campaigns/flash:",
		"/admin/v1/campaigns/flash:kill", "/admin/v1/campaigns/:pause", "/admin/v1/campaigns/flash:pause:end", "/admin/v1/campaigns/flash/../flash",
		"/admin/v1/campaigns/./flash", "/admin/v1/campaigns/" + strings.Repeat("a", 64), "/admin/v1/campaigns/flash/prizes/phone", "/ADMIN/v1/campaigns",
		"/metrics/", "/debug/pprof", "/debug/pprof/a/b", "/v1/campaigns/flash",
	} {
		w.raw(t, "GET "+path+" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404, problem.NotFound)
	}
	w.refused(problem.NotFound, "GET", "/debug/pprof/nothing", "")
	w.refused(problem.CampaignNotFound, "GET", "/admin/v1/campaigns/flash2", "")
}

func TestMethods(t *testing.T) {
	w := newWorld(t)
	for path, allow := range map[string]string{
		"/admin/v1/campaigns":             "GET, HEAD",
		"/admin/v1/campaigns/flash":       "GET, HEAD",
		"/admin/v1/campaigns/flash/draft": "GET, HEAD, PUT",
		"/admin/v1/campaigns/flash:pause": "POST",
		"/admin/v1/keys":                  "GET, HEAD, POST",
		"/admin/v1/keys/0123456789abcdef": "DELETE",
		"/livez":                          "GET, HEAD",
	} {
		for _, method := range []string{"PATCH", "OPTIONS", "TRACE", "BREW"} {
			if a := w.refused(problem.MethodNotAllowed, method, path, ""); a.header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow %q, want %q", method, path, a.header.Get("Allow"), allow)
			}
		}
	}
	w.refused(problem.MethodNotAllowed, "GET", "/admin/v1/campaigns/flash:pause", "")
	if resp, err := http.Head(w.server.URL + "/livez"); err != nil || resp.StatusCode != 200 || resp.ContentLength != 14 {
		t.Errorf("HEAD: %v %v", resp, err)
	}
}

func TestNotAcceptable(t *testing.T) {
	w := newWorld(t)
	w.refused(problem.NotAcceptable, "GET", "/admin/v1/campaigns", "", "Accept: text/html")
	w.refused(problem.NotAcceptable, "POST", "/admin/v1/namespaces", `{"name":"x"}`, "Accept: application/json;q=0")
	if n := len(w.engine.Namespaces()); n != 1 {
		t.Errorf("refused and done: %d namespaces", n)
	}
	w.want(200, "GET", "/admin/v1/campaigns", "", "Accept: text/html, */*;q=0.1")
	w.want(200, "GET", "/metrics", "", "Accept: application/openmetrics-text;version=1.0.0")
}

// raw sends bytes and expects a problem; an empty code expects net/http's own refusal in plain text.
func (w *world) raw(t *testing.T, request string, status int, code problem.Code) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", w.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return rawOver(t, conn, request, status, code)
}

// rawOver is raw over a connection that stands.
func rawOver(t *testing.T, conn net.Conn, request string, status int, code problem.Code) *http.Response {
	t.Helper()
	conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Errorf("%.60q: %v", request, err)
		return nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != status {
		t.Errorf("%.60q: %d, want %d: %s", request, resp.StatusCode, status, body)
	}
	if code == problem.OK {
		return resp
	}
	var p struct{ Code, Effect string }
	if err := json.Unmarshal(body, &p); err != nil || p.Code != code.String() || p.Effect != code.Info().Effect.String() {
		t.Errorf("%.60q: %s, want %v", request, body, code)
	}
	document, err := apitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	method, rest, _ := strings.Cut(request, " ")
	target, _, _ := strings.Cut(rest, " ")
	req, err := http.NewRequest(method, "http://127.0.0.1"+strings.TrimPrefix(target, "http://127.0.0.1"), nil)
	if err != nil {
		return resp // the target is what is wrong
	}
	if err := document.Check(req, nil, resp.StatusCode, resp.Header, body); err != nil {
		t.Errorf("%.60q: %v", request, err)
	}
	return resp
}

// TestFraming: what could be read in two ways is refused, and the connection ends with it.
func TestFraming(t *testing.T) {
	w := newWorld(t)
	const host = "Host: 127.0.0.1\r\n"
	const smuggled = "GET /livez HTTP/1.1\r\n" + host + "\r\n"
	for _, row := range []struct {
		name, request string
		status        int
		code          problem.Code
	}{
		{"chunked", "POST /admin/v1/namespaces HTTP/1.1\r\n" + host + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, 411, problem.LengthRequired},
		{"chunked with a length", "POST /admin/v1/namespaces HTTP/1.1\r\n" + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, 411, problem.LengthRequired},
		{"a body on GET", "GET /admin/v1/campaigns HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\n{}", 400, problem.BadFraming},
		{"an absolute target", "GET http://127.0.0.1/livez HTTP/1.1\r\n" + host + "\r\n", 400, problem.BadFraming},
		{"a star", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 400, problem.BadFraming},
		{"too many headers", "GET /livez HTTP/1.1\r\n" + host + strings.Repeat("X: y\r\n", 65) + "\r\n", 431, problem.HeadersTooLarge},
		{"a body that is too large", "POST /admin/v1/namespaces HTTP/1.1\r\n" + host + "Content-Type: application/json\r\nContent-Length: 1048577\r\n\r\n", 413, problem.BodyTooLarge},
		{"two namespaces", "GET /admin/v1/campaigns HTTP/1.1\r\n" + host + "Drawd-Namespace: default\r\nDrawd-Namespace: shop\r\n\r\n", 400, problem.BadFraming},
		{"a query that cannot be read", "GET /admin/v1/campaigns?limit=%zz HTTP/1.1\r\n" + host + "\r\n", 400, problem.BadFraming},
		{"a body where none is taken", "DELETE /admin/v1/keys/0123456789abcdef HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\n{}", 400, problem.BadFraming},
		// From here on net/http refuses by itself.
		{"two lengths", "POST /admin/v1/namespaces HTTP/1.1\r\n" + host + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, problem.OK},
		{"a signed length", "POST /admin/v1/namespaces HTTP/1.1\r\n" + host + "Content-Length: +2\r\n\r\n{}", 400, problem.OK},
		{"identity", "POST /admin/v1/namespaces HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\n\r\n", 501, problem.OK},
		{"no host", "GET /livez HTTP/1.1\r\n\r\n", 400, problem.OK},
		{"two hosts", "GET /livez HTTP/1.1\r\n" + host + host + "\r\n", 400, problem.OK},
		{"a space before the colon", "GET /livez HTTP/1.1\r\n" + host + "X : y\r\n\r\n", 400, problem.OK},
		{"a NUL in a header", "GET /livez HTTP/1.1\r\n" + host + "X: a\x00b\r\n\r\n", 400, problem.OK},
		{"HTTP/0.9", "GET /livez\r\n\r\n", 400, problem.OK},
	} {
		t.Run(row.name, func(t *testing.T) {
			resp := w.raw(t, row.request, row.status, row.code)
			if closes := row.status == 411 || row.status == 413 || row.status == 431; resp != nil && closes && !resp.Close {
				t.Error("the connection goes on")
			}
		})
	}
}

// TestStalledBody: a body that does not come is 408, and one that is cut off is no request. Time is simulated.
func TestStalledBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		once := &onePipe{conn: make(chan net.Conn, 1)}
		once.conn <- fromLoopback{far}
		server, served := newPlane(t).plane.HTTPServer(), make(chan error, 1)
		go func() { served <- server.Serve(once) }()
		began := time.Now()
		rawOver(t, near, "POST /admin/v1/namespaces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{", 408, problem.RequestTimeout)
		if after := time.Since(began); after != requestTimeout {
			t.Errorf("answered after %v", after)
		}
		_, _ = near.Close(), server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// fromLoopback is a connection that this machine seems to have made.
type fromLoopback struct{ net.Conn }

func (fromLoopback) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// onePipe is a listener that hands out the one connection that it was given.
type onePipe struct{ conn chan net.Conn }

func (l *onePipe) Accept() (net.Conn, error) {
	if c, more := <-l.conn; more {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *onePipe) Close() error   { close(l.conn); return nil }
func (l *onePipe) Addr() net.Addr { return &net.TCPAddr{} }

// TestBrowsers: a page of another origin gets nothing, whatever key it has.
func TestBrowsers(t *testing.T) {
	w := newWorld(t)
	own := "Origin: " + w.server.URL
	w.want(200, "GET", "/admin/v1/campaigns", "", own, "Sec-Fetch-Site: same-origin")
	w.refused(problem.ProxyWithoutKeys, "GET", "/admin/v1/campaigns", "", "Origin: http://evil.example")
	w.refused(problem.ProxyWithoutKeys, "GET", "/admin/v1/campaigns", "", "Origin: null")
	w.refused(problem.Forbidden, "POST", "/admin/v1/namespaces", `{"name":"x"}`, "Sec-Fetch-Site: cross-site")
	for _, header := range []string{"X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "Via: 1.1 x", "X-Real-Ip: 127.0.0.1", "x-forwarded-host: localhost"} {
		w.refused(problem.ProxyWithoutKeys, "GET", "/admin/v1/campaigns", "", header)
	}
	_, operator := w.newKey("", operatorBody)
	w.want(200, "GET", "/admin/v1/campaigns", "", operator, "X-Forwarded-For: 10.0.0.1")
	w.refused(problem.Forbidden, "GET", "/admin/v1/campaigns", "", operator, "Origin: http://evil.example")
	w.refused(problem.Forbidden, "GET", "/admin/v1/campaigns", "", operator, "Sec-Fetch-Site: same-site")
	w.want(200, "GET", "/livez", "", "Origin: http://evil.example")
}

// TestHostWithoutKeys: a name that somebody else's DNS made point here is not this machine.
func TestHostWithoutKeys(t *testing.T) {
	w := newWorld(t)
	w.raw(t, "GET /admin/v1/campaigns HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, problem.ProxyWithoutKeys)
	w.raw(t, "GET /admin/v1/campaigns HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 200, problem.OK)
}

// TestRefusalsOfTheLog: what Decide says is what the caller reads, with its effect.
func TestRefusalsOfTheLog(t *testing.T) {
	w := newWorld(t)
	w.publish("flash", flashFile)
	for _, code := range []problem.Code{problem.Overloaded, problem.NoLeader, problem.StorageLow, problem.ClockSkew, problem.UnknownOutcome} {
		w.mu.fail = problem.New(code, "turn the knob")
		a := w.refused(code, "POST", "/admin/v1/campaigns/flash:pause", `{"reason":"x"}`)
		if a.text("effect") != code.Info().Effect.String() || a.text("detail") != "turn the knob" || a.json()["retryable"] != true {
			t.Errorf("got %s", a.body)
		}
	}
	w.mu.fail = errors.New("something else")
	if a := w.refused(problem.Internal, "POST", "/admin/v1/campaigns/flash:pause", `{"reason":"x"}`); a.text("effect") != "unknown" || strings.Contains(string(a.body), "something else") {
		t.Errorf("got %s", a.body)
	}
	if !strings.Contains(w.log.String(), "something else") {
		t.Error("not logged")
	}
}
