package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// body is what is sent. It is a type of our own so that net/http does not know how to read it twice: its transport would send a
// request with an Idempotency-Key again by itself, silently, without Drawd-Retry, and that copy could be denied although the
// first was decided.
type body struct{ bytes.Reader }

// Close does nothing.
func (*body) Close() error { return nil }

// send sends a call once.
func (c *Client) send(ctx context.Context, t *trial) (*answer, *failure) {
	t.sends++
	ctx, cancel := context.WithTimeout(ctx, c.options.AttemptTimeout+t.call.waits)
	defer cancel()
	var wire traced
	request := c.request(wire.in(ctx), t)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, unsent(err, &wire)
	}
	defer response.Body.Close()
	text, err := readBody(response)
	if err != nil {
		return nil, &failure{err: fmt.Errorf("read the answer: %w", err), effect: EffectUnknown, again: true, leave: true}
	}
	leader := response.Header.Get("Drawd-Leader")
	if s := response.StatusCode; s >= 200 && s < 300 || s == http.StatusNotModified {
		t.nodes.hinted(leader)
		return &answer{s, response.Header, text}, nil
	}
	return nil, refused(t.call, response, text, leader)
}

// request makes the next send of a call.
func (c *Client) request(ctx context.Context, t *trial) *http.Request {
	k, base := t.call, t.nodes.urls[t.at]
	h := maps.Clone(c.header)
	put := func(name, value string) {
		if value != "" {
			h[name] = []string{value} // names are canonical
		}
	}
	put("Content-Type", k.content)
	put("Accept", k.accept)
	put("If-Match", k.match)
	put("If-None-Match", k.none)
	put("Idempotency-Key", string(k.key))
	if k.repeat != reads {
		if t.unknown {
			put("Drawd-Retry", "1")
		}
		if deadline, ok := ctx.Deadline(); ok {
			put("Drawd-Deadline-Ms", strconv.FormatInt(max(time.Until(deadline).Milliseconds(), 1), 10))
		}
	}
	r := &http.Request{
		Method: k.method, Host: base.Host, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		URL: &url.URL{Scheme: base.Scheme, Host: base.Host, Path: k.path, RawQuery: k.query},
	}
	if k.body != nil {
		b := new(body)
		b.Reset(k.body)
		r.Body, r.ContentLength = b, int64(len(k.body))
	}
	return r.WithContext(ctx)
}

// traced is how far a request came.
type traced struct{ asked, got atomic.Bool }

// in lets the transport tell. Its calls happen before Do returns an error that is about the connection.
func (w *traced) in(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { w.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { w.got.Store(true) },
	})
}

// unsent is a failure without an answer. Without a connection nothing left this machine; with one, bytes may have.
func unsent(err error, wire *traced) *failure {
	f := &failure{err: err, effect: EffectUnknown, again: true, leave: true}
	var dial *net.OpError
	if wire.asked.Load() && !wire.got.Load() || errors.As(err, &dial) && dial.Op == "dial" {
		f.effect = EffectNone
	}
	return f
}

// refused is a failure that a server answered.
func refused(k *call, response *http.Response, text []byte, leader string) *failure {
	err := readProblem(k.op, k.key, response.StatusCode, text)
	p := problemOf(err)
	p.RetryAfter = retryAfter(response.Header.Get("Retry-After"))
	return &failure{
		err: err, effect: p.Effect, again: p.again() || p.Effect == EffectUnknown && p.Retryable,
		leave: p.Code == ErrNoLeader || p.Code == "" && p.Status >= 500, after: p.RetryAfter, leader: leader,
	}
}

// retryAfter reads seconds, or a date.
func retryAfter(text string) time.Duration {
	if text == "" {
		return 0
	}
	if s, err := strconv.Atoi(text); err == nil {
		return min(max(time.Duration(s), 0)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter)
	}
	return 0
}

var errTooLong = errors.New("the answer is longer than an answer of drawd can be")

// readBody reads an answer to its end.
func readBody(r *http.Response) ([]byte, error) {
	if r.ContentLength > maxAnswer {
		return nil, errTooLong
	}
	if r.ContentLength >= 0 {
		text := make([]byte, r.ContentLength)
		_, err := io.ReadFull(r.Body, text)
		return text, err
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = errTooLong
	}
	return text, err
}
