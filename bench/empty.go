package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// ServeEmpty answers every request with a constant body of o.Body bytes until ctx ends. It writes "listening ADDR" and a
// line feed to ready once it serves. It is what drawd's own handler is compared with: the same library, settings and
// request, and nothing behind it. It is run in a process of its own, by the command named in Environment.Empty.
func ServeEmpty(ctx context.Context, o EmptyOptions, ready io.Writer) error {
	if err := o.Validate(); err != nil {
		return err
	}
	orDefault(&o.Listen, "127.0.0.1:0")
	orDefault(&o.Body, drawBodyBytes)
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("bench empty: %w", err)
	}
	body := bytes.Repeat([]byte{'x'}, o.Body)
	contentType := []byte("application/json")
	server := &fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			ctx.Response.Header.SetContentTypeBytes(contentType)
			ctx.Response.SetBodyRaw(body)
		},
		NoDefaultServerHeader: true,
		NoDefaultDate:         true,
		NoDefaultContentType:  true,
		MaxRequestBodySize:    2 << 20,
		ReadBufferSize:        8 << 10,
	}
	if _, err := fmt.Fprintf(ready, "listening %s\n", ln.Addr()); err != nil {
		return fmt.Errorf("bench empty: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	select {
	case err := <-ended:
		return fmt.Errorf("bench empty: %w", err)
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = server.ShutdownWithContext(late) // clients that keep their connections open are cut off by the end of the process
	return nil
}

// drawBodyBytes is the size of a draw's answer in the built-in campaign.
const drawBodyBytes = 320
