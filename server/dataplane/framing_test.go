package dataplane

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	host    = "Host: 127.0.0.1\r\n"
	smuggle = "GET /v1/campaigns/flash HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
)

// framing is the table of bad framing and bad input: raw bytes in, status and code out. Every answer closes the
// connection, and nothing behind the refused head is served.
var framing = []struct {
	name   string
	send   string
	status int
	code   string
}{
	{"TE and CL", "POST /v1/campaigns/flash/draws HTTP/1.1\r\n" + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, "length_required"},
	{"CL and TE", "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 411, "length_required"},
	{"TE chunked", "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, "length_required"},
	{"TE identity", "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi", 411, "length_required"},
	{"TE gzip", "POST /a HTTP/1.1\r\n" + host + "transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 411, "length_required"},
	{"TE xchunked", "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 411, "length_required"},
	{"TE empty", "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 411, "length_required"},
	{"TE tab", "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n", 411, "length_required"},
	{"TE twice", "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, "length_required"},
	{"TE on HTTP/1.0", "POST /a HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, "length_required"},
	{"TE on GET", "GET /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411, "length_required"},
	{"TE with a control character", "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding\x0b: chunked\r\n\r\n0\r\n\r\n", 400, "bad_framing"},
	{"TE behind a fold", "POST /a HTTP/1.1\r\n" + host + "X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_framing"},
	{"CL twice, different", "POST /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", 400, "bad_framing"},
	{"CL twice, same", "POST /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\ncontent-length: 2\r\n\r\nhi", 400, "bad_framing"},
	{"CL +2", "POST /a HTTP/1.1\r\n" + host + "Content-Length: +2\r\n\r\nhi", 400, "bad_framing"},
	{"CL -1", "POST /a HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\nhi", 400, "bad_framing"},
	{"CL 2, 2", "POST /a HTTP/1.1\r\n" + host + "Content-Length: 2, 2\r\n\r\nhi", 400, "bad_framing"},
	{"CL empty", "POST /a HTTP/1.1\r\n" + host + "Content-Length:\r\n\r\nhi", 400, "bad_framing"},
	{"CL in hex", "POST /a HTTP/1.1\r\n" + host + "Content-Length: 0x2\r\n\r\nhi", 400, "bad_framing"},
	{"CL overflow", "POST /a HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\nhi", 400, "bad_framing"},
	{"CL overflow of 64 bits", "POST /a HTTP/1.1\r\n" + host + "Content-Length: 18446744073709551618\r\n\r\nhi", 400, "bad_framing"},
	{"space before colon", "POST /a HTTP/1.1\r\n" + host + "Content-Length : 2\r\n\r\nhi", 400, "bad_framing"},
	{"tab before colon", "POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400, "bad_framing"},
	{"no colon", "GET /a HTTP/1.1\r\n" + host + "nocolon\r\n\r\n", 400, "bad_framing"},
	{"no name", "GET /a HTTP/1.1\r\n" + host + ": x\r\n\r\n", 400, "bad_framing"},
	{"name not ASCII", "GET /a HTTP/1.1\r\n" + host + "X\x80: y\r\n\r\n", 400, "bad_framing"},
	{"obs-fold", "GET /a HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", 400, "bad_framing"},
	{"obs-fold with a tab", "GET /a HTTP/1.1\r\n" + host + "X: a\r\n\tb: c\r\n\r\n", 400, "bad_framing"},
	{"fold at the first header", "GET /a HTTP/1.1\r\n " + host + "\r\n", 400, "bad_framing"},
	{"NUL in a value", "GET /a HTTP/1.1\r\n" + host + "X: a\x00b\r\n\r\n", 400, "bad_framing"},
	{"NUL in a name", "GET /a HTTP/1.1\r\n" + host + "X\x00: a\r\n\r\n", 400, "bad_framing"},
	{"CR in a value", "GET /a HTTP/1.1\r\n" + host + "X: a\rb\r\n\r\n", 400, "bad_framing"},
	{"CR CR LF", "GET /a HTTP/1.1\r\n" + host + "X: a\r\r\n\r\n", 400, "bad_framing"},
	{"DEL in a value", "GET /a HTTP/1.1\r\n" + host + "X: long enough for a word\x7f\r\n\r\n", 400, "bad_framing"},
	{"NUL in the target", "GET /a\x00b HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"no Host", "GET /a HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "bad_framing"},
	{"no Host, HTTP/1.0", "GET /a HTTP/1.0\r\n\r\n", 400, "bad_framing"},
	{"empty Host", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", 400, "bad_framing"},
	{"two Hosts", "GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "bad_framing"},
	{"Host with a user", "GET /a HTTP/1.1\r\nHost: a@b\r\n\r\n", 400, "bad_framing"},
	{"Host with a space", "GET /a HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "bad_framing"},
	{"HTTP/0.9", "GET /a\r\n\r\n", 400, "bad_framing"},
	{"HTTP/0.9, nothing else", "GET /a\r\n", 400, "bad_framing"},
	{"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_framing"},
	{"HTTP/1.2", "GET /a HTTP/1.2\r\n" + host + "\r\n", 400, "bad_framing"},
	{"HTTP/2.0", "GET /a HTTP/2.0\r\n" + host + "\r\n", 400, "bad_framing"},
	{"bad method", "G@T /a HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"method too long", strings.Repeat("G", 33) + " /a HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"two spaces", "GET  /a HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"space in the target", "GET /a b HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"tab for space", "GET\t/a HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"no target", "GET HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"query only", "GET ?a HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"no slash", "GET a HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"authority form", "CONNECT a:80 HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"bare LF everywhere", "GET /a HTTP/1.1\nHost: 127.0.0.1\n\n", 400, "bad_framing"},
	{"bare LF after the request line", "GET /a HTTP/1.1\n" + host + "\r\n", 400, "bad_framing"},
	{"bare LF after a header", "GET /a HTTP/1.1\r\nHost: 127.0.0.1\n\r\n", 400, "bad_framing"},
	{"bare LF at the end", "GET /a HTTP/1.1\r\n" + host + "\n", 400, "bad_framing"},
	{"bare LF first", "\nGET /a HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"absolute target of another host", "GET http://evil/v1/campaigns/flash HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"absolute target with a user", "GET http://x@127.0.0.1/a HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"absolute target of another scheme", "GET ftp://127.0.0.1/a HTTP/1.1\r\n" + host + "\r\n", 400, "bad_framing"},
	{"GET with a body", "GET /v1/campaigns/flash HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nhi", 400, "bad_framing"},
	{"PUT, then HEAD with a body", "PUT /v1 HTTP/1.1\r\n" + host + "Content-Length : 2\r\n\r\nHEAD", 400, "bad_framing"},
	{"two Authorizations", "GET /a HTTP/1.1\r\n" + host + "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 400, "bad_framing"},
	{"two Content-Types", "POST /a HTTP/1.1\r\n" + host + "Content-Type: a/b\r\nContent-Type: application/json\r\n\r\n", 400, "bad_framing"},
	{"65 headers", "GET /a HTTP/1.1\r\n" + host + strings.Repeat("A: b\r\n", 64) + "\r\n", 431, "headers_too_large"},
	{"1000 headers", "GET /a HTTP/1.1\r\n" + host + strings.Repeat("A: b\r\n", 1000) + "\r\n", 431, "headers_too_large"},
	{"header of 9000 bytes", "GET /a HTTP/1.1\r\n" + host + "X: " + strings.Repeat("y", 9000) + "\r\n\r\n", 431, "headers_too_large"},
	{"target of 9000 bytes", "GET /" + strings.Repeat("y", 9000) + " HTTP/1.1\r\n" + host + "\r\n", 431, "headers_too_large"},
	{"body over the limit", "POST /v1/campaigns/flash/draws HTTP/1.1\r\n" + host + "Content-Length: 20000\r\n\r\n" + strings.Repeat("x", 20000), 413, "body_too_large"},
	{"body over the limit, promised", "POST /a HTTP/1.1\r\n" + host + "Content-Length: 999999999\r\n\r\n", 413, "body_too_large"},
	{"body over the limit, expected", "POST /a HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 20000\r\n\r\n", 413, "body_too_large"},
	{"batch over the limit", "POST /v1/draws:batch HTTP/1.1\r\n" + host + "Content-Length: 1048577\r\n\r\n", 413, "body_too_large"},
}

// split reads the answers in what a server sent.
func split(t testing.TB, all string) (answers []answer) {
	t.Helper()
	br := bufio.NewReader(strings.NewReader(all))
	for {
		if _, err := br.Peek(1); err != nil {
			return answers
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("%v: %q", err, all)
		}
		a := answer{status: resp.StatusCode, header: resp.Header, closes: resp.Close}
		if a.body, err = io.ReadAll(resp.Body); err != nil {
			t.Fatalf("%v: %q", err, all)
		}
		json.Unmarshal(a.body, &a.json)
		answers = append(answers, a)
	}
}

// wantProblem checks a refusal that closes.
func wantProblem(t testing.TB, name string, a answer, status int, code string) {
	t.Helper()
	if a.status != status || a.json["code"] != code || a.header.Get("Content-Type") != typeProblem {
		t.Errorf("%s: %d %s %s, want %d %s", name, a.status, a.header.Get("Content-Type"), a.body, status, code)
		return
	}
	if !a.closes {
		t.Errorf("%s: the connection is not closed", name)
	}
	if a.json["effect"] != "none" || len(a.json["request_id"].(string)) != 40 || a.json["status"] != float64(status) {
		t.Errorf("%s: %s", name, a.body)
	}
}

func TestFraming(t *testing.T) {
	r := start(t, nil)
	for _, f := range framing {
		t.Run(f.name, func(t *testing.T) {
			answers := split(t, r.raw(f.send+smuggle))
			if len(answers) != 1 {
				t.Fatalf("%d answers: something was smuggled", len(answers))
			}
			wantProblem(t, f.name, answers[0], f.status, f.code)
		})
	}
}

// The same table behind a request that was answered, on one connection: the fault must not be found at the start only.
func TestFramingOfASecondRequest(t *testing.T) {
	r := start(t, nil)
	const first = "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
	for _, f := range framing {
		t.Run(f.name, func(t *testing.T) {
			answers := split(t, r.raw(first+f.send+smuggle))
			if len(answers) != 2 || answers[0].status != 200 {
				t.Fatalf("%d answers", len(answers))
			}
			wantProblem(t, f.name, answers[1], f.status, f.code)
		})
	}
}

// Sound messages in unusual clothes are served.
func TestUnusualButSound(t *testing.T) {
	r := start(t, nil)
	const body = `{"user":"u1"}`
	for _, f := range []struct {
		name, send string
		statuses   []int
	}{
		{"empty lines first", "\r\n\r\nGET /livez HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", []int{200}},
		{"HTTP/1.0", "GET /livez HTTP/1.0\r\n" + host + "\r\n" + smuggle, []int{200}},
		{"HTTP/1.0 kept alive", "GET /livez HTTP/1.0\r\n" + host + "Connection: Keep-Alive\r\n\r\n" + smuggle, []int{200, 200}},
		{"Connection: CLOSE in a list", "GET /livez HTTP/1.1\r\n" + host + "Connection: a, CLOSE\r\n\r\n" + smuggle, []int{200}},
		{"absolute target", "GET http://127.0.0.1/livez HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", []int{200}},
		{"absolute target without a path", "GET HTTP://127.0.0.1 HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", []int{404}},
		{"names in any case", "POST /v1/campaigns/open/draws HTTP/1.1\r\nhOST: 127.0.0.1\r\nCONTENT-TYPE: Application/JSON; charset=UTF-8\r\ncontent-LENGTH:0013\r\nidempotency-key: \t k1\t \r\nconnection: close\r\n\r\n" + body, []int{200}},
		{"value not ASCII", "GET /livez HTTP/1.1\r\n" + host + "X: \xff\t\xc3\xa4\r\nConnection: close\r\n\r\n", []int{200}},
		{"64 headers", "GET /livez HTTP/1.1\r\n" + host + strings.Repeat("A: b\r\n", 62) + "Connection: close\r\n\r\n", []int{200}},
		{"pipelined", strings.Repeat("GET /livez HTTP/1.1\r\n"+host+"\r\n", 40) + smuggle, append(slicesRepeat(200, 40), 200)},
		{"pipelined bodies", strings.Repeat("POST /v1/campaigns/open/draws HTTP/1.1\r\n"+host+"Content-Type: application/json\r\nIdempotency-Key: k1\r\nContent-Length: 13\r\n\r\n"+body, 200) + smuggle, append(slicesRepeat(200, 200), 200)},
		{"HEAD with a body", "HEAD /livez HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\nhi", []int{400}},
		{"HEAD", "HEAD /nothing HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", []int{404}},
		{"CL 0 on GET", "GET /livez HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n" + smuggle, []int{200, 200}},
		{"asterisk", "OPTIONS * HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", []int{404}},
	} {
		t.Run(f.name, func(t *testing.T) {
			all := r.raw(f.send)
			if strings.HasPrefix(f.name, "HEAD") {
				if !strings.HasSuffix(all, "\r\n\r\n") || !strings.HasPrefix(all, fmt.Sprint("HTTP/1.1 ", f.statuses[0])) {
					t.Fatalf("%q", all)
				}
				return
			}
			answers := split(t, all)
			if len(answers) != len(f.statuses) {
				t.Fatalf("%d answers, want %d: %.500q", len(answers), len(f.statuses), all)
			}
			if f.name == "HTTP/1.0 kept alive" && !strings.Contains(all, "\r\nConnection: keep-alive\r\n") {
				t.Errorf("it is not said: %q", all)
			}
			for i, a := range answers {
				if a.status != f.statuses[i] {
					t.Errorf("answer %d: %d, want %d: %s", i, a.status, f.statuses[i], a.body)
				}
			}
		})
	}
}

func slicesRepeat(v, n int) (s []int) {
	for range n {
		s = append(s, v)
	}
	return s
}

// onPipe serves one connection over a pipe, in simulated time: how fast this machine is changes nothing.
func onPipe(t *testing.T, use func(t *testing.T, r *rig, client net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		server, client := net.Pipe()
		ln := &oneConn{conn: server, closed: make(chan bool)}
		served := make(chan error)
		go func() { served <- r.server.Serve(ln) }()
		use(t, r, client)
		if err := r.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) // until fasthttp has sent its idle workers home
	})
}

// stalled sends something over a connection, then nothing, and returns what came back until the server closed, and when.
func stalled(t *testing.T, send string) (all string, after time.Duration) {
	t.Helper()
	onPipe(t, func(t *testing.T, _ *rig, client net.Conn) {
		began := time.Now()
		go io.WriteString(client, send)
		b, err := io.ReadAll(client)
		if err != nil {
			t.Error(err)
		}
		all, after = string(b), time.Since(began)
	})
	return all, after
}

// A head or a body that does not come is answered 408; a connection that says nothing is closed without an answer.
func TestStalled(t *testing.T) {
	for name, send := range map[string]string{
		"head":                 "GET /livez HTTP/1.1\r\nHos",
		"head, after CRLF":     "GET /livez HTTP/1.1\r\n",
		"body":                 "POST /v1/campaigns/flash/draws HTTP/1.1\r\n" + host + "Content-Length: 10\r\n\r\nhi",
		"head of the second":   "GET /livez HTTP/1.1\r\n" + host + "\r\nGET /",
		"body of the second":   "GET /livez HTTP/1.1\r\n" + host + "\r\nPOST /a HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\n",
		"expected, never sent": "POST /v1/campaigns/flash/draws HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			all, after := stalled(t, send)
			answers := split(t, strings.TrimPrefix(all, "HTTP/1.1 100 Continue\r\n\r\n"))
			if len(answers) == 0 {
				t.Fatal("no answer")
			}
			wantProblem(t, name, answers[len(answers)-1], 408, "request_timeout")
			if after != DefaultReadTimeout {
				t.Errorf("after %v", after)
			}
		})
	}
	for name, send := range map[string]string{"nothing": "", "after an answer": "GET /livez HTTP/1.1\r\n" + host + "\r\n"} {
		t.Run(name, func(t *testing.T) {
			if all, after := stalled(t, send); strings.Contains(all, "408") || after != DefaultIdleTimeout {
				t.Errorf("an idle connection was answered after %v: %q", after, all)
			}
		})
	}
}

// A head and a body in pieces of every size are put together, also when pieces of the next request come along.
func TestPieces(t *testing.T) {
	r := start(t, nil)
	message := strings.Repeat("POST /v1/campaigns/open/draws HTTP/1.1\r\n"+host+"Content-Type: application/json\r\nIdempotency-Key: k1\r\nContent-Length: 13\r\n\r\n"+`{"user":"u1"}`, 3) + smuggle
	var want []answer
	for _, size := range []int{len(message), 1, 2, 3, 7, 50, 131, 149} {
		piped := &piecemeal{b: []byte(message), size: size}
		answers := split(t, r.rawFrom(piped))
		if want == nil {
			want = answers
		}
		if len(answers) != 4 {
			t.Fatalf("pieces of %d: %d answers", size, len(answers))
		}
		for i := range answers {
			if i > 0 && (answers[i].status != want[i].status || !bytes.Equal(answers[i].body, want[i].body)) {
				t.Errorf("pieces of %d, answer %d: %s", size, i, answers[i].body)
			}
		}
	}
}

// What follows a refused head is not even read; nor is anything for a new request once the server is draining.
func TestConnectionsThatEnd(t *testing.T) {
	r := newRig(t, nil)
	nc := &script{in: []byte("PRI * HTTP/2.0\r\n\r\n" + smuggle + smuggle), piece: 20}
	c, _ := r.server.adopt(nc)
	buf := make([]byte, r.server.options.MaxHeaderBytes+headSlack)
	if n, err := c.Read(buf); err != nil || !bytes.HasPrefix(buf[:n], []byte("GET / HTTP/1.1\r\n")) {
		t.Fatalf("%q %v", buf[:n], err)
	}
	if n, err := c.Read(buf); n != 0 || err != io.EOF {
		t.Errorf("after a refusal: %q %v", buf[:n], err)
	}
	nc = &script{in: []byte(smuggle), piece: 1000}
	c, _ = r.server.adopt(nc)
	r.server.draining.Store(true)
	if n, err := c.Read(buf); n != 0 || err != io.EOF || len(nc.in) != len(smuggle) {
		t.Errorf("while draining: %q %v", buf[:n], err)
	}
}

// A peer that does not read its answer is cut off after WriteTimeout. Time is simulated.
func TestPeerDoesNotRead(t *testing.T) {
	onPipe(t, func(t *testing.T, r *rig, client net.Conn) {
		io.WriteString(client, "GET /livez HTTP/1.1\r\n"+host+"\r\n")
		time.Sleep(DefaultWriteTimeout - time.Second)
		if n := r.server.connections(); n != 1 {
			t.Errorf("%d connections before the time is over", n)
		}
		time.Sleep(2 * time.Second)
		if n := r.server.connections(); n != 0 {
			t.Errorf("%d connections afterwards", n)
		}
	})
}

// oneConn is a listener for one connection.
type oneConn struct {
	conn   net.Conn
	closed chan bool
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, io.EOF
}

func (l *oneConn) Close() error   { close(l.closed); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// piecemeal gives a message away in small pieces.
type piecemeal struct {
	b    []byte
	size int
}

func (p *piecemeal) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b[:min(p.size, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}
