package dataplane

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"

	"github.com/valyala/fasthttp"
)

// cpu runs f and reports the processor time of this process per operation: what a busy machine does not blur.
func cpu(b *testing.B, f func()) {
	b.Helper()
	spent := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := spent()
	f()
	b.ReportMetric(float64(spent()-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// BenchmarkHandler is our side of a request: head, route, gate, body, engine as a library, rendering. No sockets.
func BenchmarkHandler(b *testing.B) {
	r := newRig(b, nil)
	r.server.options.Decider = &library{r.engine, testNow}
	a := newAsked(r.server)
	a.ask(message("soldout", "u1", "k1"))
	for _, f := range []struct {
		name   string
		m      []byte
		status int
	}{
		{"draw", message("open", "u1", "k-00000000"), 200},
		{"draw-new-user", message("flash", "user-00000000", "k1"), 200},
		{"denial", message("soldout", "user-00000000", "k2"), 409},
		{"live", []byte("GET /livez HTTP/1.1\r\nHost: a\r\nX: 00000000\r\n\r\n"), 200},
	} {
		n := newNumbered(f.m)
		b.Run(f.name, func(b *testing.B) {
			b.ReportAllocs()
			cpu(b, func() {
				for range b.N {
					if got := a.ask(n.next()); got != f.status {
						b.Fatalf("%d: %s", got, a.answer)
					}
				}
			})
		})
	}
}

// BenchmarkLoopback is whole requests over TCP, client and server in this process: ours, and an empty fasthttp handler
// that answers the same message with a body of a draw's size. The difference in cpu-ns/op is what ours adds.
func BenchmarkLoopback(b *testing.B) {
	r := start(b, nil)
	r.server.options.Decider = &library{r.engine, testNow}
	body := bytes.Repeat([]byte("x"), 300)
	empty := &fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType(typeJSON)
			ctx.SetBody(body)
		},
		NoDefaultServerHeader: true, NoDefaultDate: true,
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go empty.Serve(ln)
	defer empty.Shutdown()
	b.Run("empty", func(b *testing.B) { loopback(b, ln.Addr().String(), message("open", "u1", "k-00000000")) })
	b.Run("draw", func(b *testing.B) { loopback(b, r.addr, message("open", "u1", "k-00000000")) })
	r.plain(http.DefaultTransport, "soldout", "k1", `{"user":"u1"}`)
	b.Run("denial", func(b *testing.B) { loopback(b, r.addr, message("soldout", "user-00000000", "k2")) })
}

const loopbackConns = 32

// loopback sends b.N messages over a few connections, one after the other on each.
func loopback(b *testing.B, addr string, m []byte) {
	var clients sync.WaitGroup
	conns := make([]net.Conn, loopbackConns)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	b.ResetTimer()
	cpu(b, func() {
		for i, c := range conns {
			clients.Go(func() {
				n := newNumbered(bytes.Clone(m))
				n.n = uint64(i) << 20
				buf := make([]byte, 4096)
				for range b.N/loopbackConns + 1 {
					if _, err := c.Write(n.next()); err != nil {
						b.Error(err)
						return
					}
					if _, err := io.ReadAtLeast(c, buf, 200); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		clients.Wait()
	})
}

// BenchmarkBatch is our side of a batch of 256 draws of different users, per draw.
func BenchmarkBatch(b *testing.B) {
	const size = 256
	r := newRig(b, nil)
	r.server.options.Decider = &library{r.engine, testNow}
	a := newAsked(r.server)
	a.conn.server.options.MaxHeaderBytes = 1 << 20 // heads and bodies come in one piece here
	a.buf = make([]byte, 1<<20+headSlack)
	var list bytes.Buffer
	w := &wire{campaigns: []string{"open"}}
	for i := range size {
		fmt.Fprintf(&list, `,{"campaign":"open","user":"user-%06d","key":"k-%04d-00000000"}`, i, i)
		w.add(0, fmt.Sprintf("user-%06d", i), fmt.Sprintf("k-%04d-00000000", i), 0)
	}
	next := 0
	for _, f := range []struct {
		name, kind string
		body       []byte
	}{{"json", typeJSON, []byte(`{"draws":[` + list.String()[1:] + `]}`)}, {"binary", typeBatch, w.bytes()}} {
		b.Run(f.name, func(b *testing.B) {
			m := batchMessage(f.kind, f.body)
			var places []int
			for at := 0; ; at += 8 {
				i := bytes.Index(m[at:], []byte("-00000000"))
				if i < 0 {
					break
				}
				at += i + 1
				places = append(places, at)
			}
			b.ReportAllocs()
			cpu(b, func() {
				for i := 0; i < b.N; i += size {
					next++
					digits := fmt.Appendf(nil, "%08x", next)
					for _, at := range places {
						copy(m[at:], digits)
					}
					if got := a.ask(m); got != 200 {
						b.Fatalf("%d: %s", got, a.answer)
					}
				}
			})
		})
	}
}
