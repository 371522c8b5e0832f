package client

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// step is what becomes of one send.
type step func(*http.Request) (*http.Response, error)

// sent is one send as the script saw it.
type sent struct {
	host, path, body string
	header           http.Header
	at               time.Duration // since the script began
}

// script is a transport that answers the first send with the first step, and so on. The last step stays.
type script struct {
	began time.Time
	mu    struct {
		sync.Mutex
		steps []step
		sent  []sent
	}
}

func newScript(steps ...step) *script {
	s := &script{began: time.Now()}
	s.mu.steps = steps
	return s
}

// RoundTrip implements http.RoundTripper.
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	text := ""
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	s.mu.Lock()
	s.mu.sent = append(s.mu.sent, sent{r.Host, r.URL.Path, text, r.Header.Clone(), time.Since(s.began)})
	do := s.mu.steps[0]
	if len(s.mu.steps) > 1 {
		s.mu.steps = s.mu.steps[1:]
	}
	s.mu.Unlock()
	return do(r)
}

func (s *script) sends() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.sent
}

// client returns a client that sends into the script and always waits as long as it may.
func (s *script) client(t *testing.T, urls ...string) *Client {
	t.Helper()
	if len(urls) == 0 {
		urls = []string{"http://a:1"}
	}
	c, err := New(Options{URLs: urls, AdminURLs: urls, HTTPClient: &http.Client{Transport: s}})
	if err != nil {
		t.Fatal(err)
	}
	c.jitter = func(most time.Duration) time.Duration { return most }
	return c
}

// reply answers with a body.
func reply(status int, body string, headers ...string) step {
	return func(*http.Request) (*http.Response, error) {
		h := http.Header{}
		for _, header := range headers {
			name, value, _ := strings.Cut(header, ": ")
			h.Set(name, value)
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}, nil
	}
}

// refuse answers with a problem, as the server writes it.
func refuse(status int, code, effect string, retryable bool, more ...string) step {
	return reply(status, problemText(status, code, effect, retryable), more...)
}

func problemText(status int, code, effect string, retryable bool) string {
	return fmt.Sprintf(`{"type":"urn:drawd:problem:%s","title":"T.","status":%d,"detail":"D.","code":%q,"effect":%q,"retryable":%t,"request_id":"r1"}`,
		code, status, code, effect, retryable)
}

// unreachable is a node that is not there.
func unreachable(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// cut is a connection that ends after the request was written.
func cut(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

// half is an answer that ends in the middle.
func half(r *http.Request) (*http.Response, error) {
	a, err := reply(200, wonText)(r)
	a.ContentLength++
	return a, err
}

// hang is a node that says nothing.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

const wonText = `{"draw":"dabcdefghijklmnopqrstuvwxyz","campaign":"flash","version":1,"user":"u1","seq":42,"at":"2026-11-11T02:00:00.123Z",` +
	`"outcome":"win","prize":{"id":"phone","kind":"physical","title":{"en":"Phone"}},"slot":0,"remaining":{"chances":2,"caps":{"day":1}}}`

var won = reply(200, wonText, "Drawd-Index: 7")
