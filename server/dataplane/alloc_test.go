//go:build !race

package dataplane

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/drawd/drawd/engine"
)

// library decides with the engine as a library: nothing between the handler and the engine, and no records are kept.
type library struct {
	engine *engine.Engine
	stamp  engine.UnixMilli
}

func (l *library) Decide(b *engine.Batch) error { return l.engine.Decide(b, l.stamp) }

// input is a net.Conn that gives the same bytes again and again.
type input struct {
	net.Conn
	b []byte
}

func (i *input) Read(p []byte) (int, error) { return copy(p, i.b), nil }

// asked is one request on its way through a connection and the handler, without sockets and without fasthttp's loop.
type asked struct {
	server *Server
	conn   *conn
	input  *input
	ctx    fasthttp.RequestCtx
	buf    []byte
}

func newAsked(s *Server) *asked {
	a := &asked{server: s, input: &input{}, buf: make([]byte, s.options.MaxHeaderBytes+headSlack)}
	a.conn = &conn{Conn: a.input, server: s, peer: netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	a.ctx.Init2(a.conn, nil, false)
	return a
}

// ask sends a message and returns the status.
func (a *asked) ask(message []byte) int {
	a.input.b = message
	n, err := a.conn.Read(a.buf)
	if err != nil {
		panic(err)
	}
	_, body, _ := bytes.Cut(a.buf[:n], []byte("\r\n\r\n"))
	a.ctx.Response.Reset()
	a.ctx.Request.SetBodyRaw(body)
	a.server.handle(&a.ctx)
	return a.ctx.Response.StatusCode()
}

// message is a draw as a front server sends it. The key has room for a number.
func message(campaign, user, key string, headers ...string) []byte {
	body := `{"user":"` + user + `"}`
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /v1/campaigns/%s/draws HTTP/1.1\r\nHost: 127.0.0.1:7070\r\nUser-Agent: front/1.0\r\nAccept: */*\r\nContent-Type: application/json\r\nIdempotency-Key: %s\r\n", campaign, key)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.Bytes()
}

// numbered replaces the eight zeros in a message by a number, in place.
type numbered struct {
	message []byte
	at      int
	n       uint64
}

func newNumbered(m []byte) *numbered {
	return &numbered{message: m, at: bytes.Index(m, []byte("00000000"))}
}

func (n *numbered) next() []byte {
	n.n++
	var digits [20]byte
	d := strconv.AppendUint(digits[:0], n.n, 10)
	copy(n.message[n.at+8-len(d):], d)
	return n.message
}

func wantNoAllocs(t *testing.T, name string, runs int, f func()) {
	t.Helper()
	for range runs {
		f() // buffers and pages are made
	}
	if n := testing.AllocsPerRun(runs, f); n != 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}

// A draw and a denial allocate nothing on our side.
func TestNoAllocations(t *testing.T) {
	r := newRig(t, nil)
	r.server.options.Decider = &library{r.engine, testNow}
	a := newAsked(r.server)
	ask := func(message []byte, status int) {
		if got := a.ask(message); got != status {
			t.Fatalf("%d, want %d: %s", got, status, a.ctx.Response.Body())
		}
	}
	m := newNumbered(message("open", "u1", "k-00000000"))
	wantNoAllocs(t, "draw", 2000, func() { ask(m.next(), 200) })
	m = newNumbered(message("flash", "user-00000000", "k1"))
	wantNoAllocs(t, "draw of a new user with a cap", 2000, func() { ask(m.next(), 200) })
	full := []byte("POST /v1/campaigns/open/draws HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: k-00000000\r\nDrawd-Deadline-Ms: 5000\r\nContent-Length: 134\r\n\r\n" +
		`{"user":"u1","times":3,"channel":"h5","device":"d1","ip":"2001:db8::1","attributes":{"level":3,"a\nb":[1,2]},"expect":{"version":1  }}`)
	full = bytes.Replace(full, []byte("k-0"), []byte("f-0"), 1)
	m = newNumbered(full)
	wantNoAllocs(t, "draw with everything", 500, func() { ask(m.next(), 200) })
	ask(message("soldout", "u1", "k1"), 200)
	m = newNumbered(message("soldout", "user-00000000", "k2"))
	wantNoAllocs(t, "exhausted", 500, func() { ask(m.next(), 409) })
	for i := range 3 {
		ask(message("flash", "capped", strconv.Itoa(i)), 200)
	}
	m = newNumbered(message("flash", "capped", "k-00000000"))
	wantNoAllocs(t, "capped", 500, func() { ask(m.next(), 409) })
	m = newNumbered(message("soldout", "user-00000000", "k3", "Drawd-Retry: 1"))
	wantNoAllocs(t, "denied by the log", 500, func() { ask(m.next(), 409) })
}

// The same over a socket, with fasthttp: the server, the kernel and the client together allocate nothing.
func TestNoAllocationsOverASocket(t *testing.T) {
	r := start(t, nil)
	r.server.options.Decider = &library{r.engine, testNow}
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 4096)
	m := newNumbered(message("open", "u1", "k-00000000"))
	wantNoAllocs(t, "draw", 2000, func() {
		if _, err := c.Write(m.next()); err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadAtLeast(c, buf, 100); err != nil || string(buf[9:12]) != "200" {
			t.Fatalf("%q %v", buf[:n], err)
		}
	})
}
