package dataplane

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/drawd/drawd/engine"
)

// library decides with the engine as a library: nothing between the handler and the engine, and no records are kept.
type library struct {
	engine *engine.Engine
	stamp  engine.UnixMilli
}

func (l *library) Decide(b *engine.Batch) error { return l.engine.Decide(b, l.stamp) }

// input is a net.Conn that gives one message, and keeps what is written to it.
type input struct {
	net.Conn
	b   []byte
	out []byte
}

func (i *input) Read(p []byte) (int, error) {
	if len(i.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, i.b)
	i.b = i.b[n:]
	return n, nil
}

func (i *input) Write(p []byte) (int, error) {
	i.out = append(i.out, p...)
	return len(p), nil
}

// asked is one request on its way through a connection and the handler, without sockets and without fasthttp's loop.
type asked struct {
	server *Server
	conn   *conn
	input  *input
	ctx    fasthttp.RequestCtx
	buf    []byte
	answer []byte // its body
}

func newAsked(s *Server) *asked {
	a := &asked{server: s, input: &input{}, buf: make([]byte, s.options.MaxHeaderBytes+headSlack)}
	a.conn = &conn{Conn: a.input, server: s, peer: netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	a.ctx.Init2(a.conn, nil, false)
	return a
}

// ask sends a message and returns the status.
func (a *asked) ask(message []byte) int {
	a.input.b, a.input.out = message, a.input.out[:0]
	n, err := a.conn.Read(a.buf)
	if len(a.input.out) > 0 { // the short lane
		head, body, _ := bytes.Cut(a.input.out, []byte("\r\n\r\n"))
		status, fault := strconv.Atoi(string(head[len("HTTP/1.1 "):][:3]))
		if a.answer = body; fault != nil || err != io.EOF {
			panic(string(head))
		}
		return status
	}
	if err != nil {
		panic(err)
	}
	_, body, _ := bytes.Cut(a.buf[:n], []byte("\r\n\r\n"))
	a.ctx.Response.Reset()
	a.ctx.Request.SetBodyRaw(body)
	a.server.handle(&a.ctx)
	a.answer = a.ctx.Response.Body()
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
