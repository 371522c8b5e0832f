package dataplane

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine/names"
)

// stricter are the rules by which we refuse what encoding/json takes.
var stricter = []string{whyTwice, whyDeep, whyNames, whyUTF8, whySurrogate}

// The scanner takes what encoding/json takes and nothing else, but for the rules that are stricter; and understands the same.
func FuzzDrawBody(f *testing.F) {
	for _, body := range []string{
		`{"user":"u1"}`, `{"user":"u1","times":10,"channel":"h5","device":"d","ip":"::1","attributes":{"a":[1,2.5e-3,null,true]},"ticket":"","expect":{"version":1,"max_price":2}}`,
		`{"us\u0065r":"\u0075\ud83d\ude00"}`, `{"user":"u1","user":"u2"}`, `{"user":"u1","x":{"y":[[]]}}`, "{\"user\":\"\xff\"}", `[1,`, `-0`, `"\ud800"`, "\ufeff{}", `{"times":1e5}`, `{"times":0001}`,
		`{"attributes":` + strings.Repeat(`{"a":`, 16) + `1` + strings.Repeat(`}`, 17),
	} {
		f.Add([]byte(body))
	}
	var s scanner
	var d drawBody
	f.Fuzz(func(t *testing.T, body []byte) {
		s.reset(body)
		sound := s.parseDraw(&d)
		switch {
		case sound && !json.Valid(body):
			t.Fatalf("taken: %q", body)
		case !sound && json.Valid(body) && !slices.Contains(stricter, s.why):
			t.Fatalf("refused, %s at %d: %q", s.why, s.i, body)
		case !sound && (s.why == "" || s.i > len(body)):
			t.Fatalf("no reason, or beyond the end: %q at %d", s.why, s.i)
		}
		if !sound || d.faults > 0 {
			return
		}
		var want struct {
			User, Channel, Device, IP string
			Times                     *uint8
			Expect                    struct {
				Version  uint32
				MaxPrice uint32 `json:"max_price"`
			}
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("%v: %q", err, body)
		}
		if string(d.user) != want.User || string(d.channel) != want.Channel || string(d.device) != want.Device || d.listed != (want.Times != nil) ||
			d.listed && d.times != *want.Times || d.expectVersion != want.Expect.Version || d.maxPrice != want.Expect.MaxPrice {
			t.Fatalf("%q is %+v, want %+v", body, d, want)
		}
		if addr, _ := netip.ParseAddr(want.IP); addr != d.ip {
			t.Fatalf("%q is %v", body, d.ip)
		}
		if !names.Subject(d.user) {
			t.Fatalf("user %q", d.user)
		}
	})
}

// batchMessage is a POST of a batch.
func batchMessage(kind string, body []byte) []byte {
	return append(fmt.Appendf(nil, "POST /v1/draws:batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", kind, len(body)), body...)
}

func FuzzBatchBody(f *testing.F) {
	for _, body := range []string{
		`{"draws":[{"campaign":"open","user":"u1","key":"k1"}]}`, `{"draws":[{"campaign":"none","user":"u1","key":"k1","times":3},{},7,{"x":1}]}`,
		`{"draws":[]}`, `{"draws":[],"x":{}}`, `{"draws":{}}`, `[]`,
	} {
		f.Add([]byte(body))
	}
	r := newRig(f, nil)
	a := newAsked(r.server)
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 4096 {
			return
		}
		status := a.ask(batchMessage(typeJSON, body))
		answer := a.answer
		sound := json.Valid(body)
		isStricter := slices.ContainsFunc(stricter, func(why string) bool { return bytes.Contains(answer, []byte(why)) })
		if !json.Valid(answer) || status == 200 && !sound || status == 400 && sound && !isStricter {
			t.Fatalf("%d %s for %q", status, answer, body)
		}
		if status != 200 && status != 400 && status != 422 {
			t.Fatalf("%d %s for %q", status, answer, body)
		}
	})
}

func FuzzBinaryBatch(f *testing.F) {
	f.Add((&wire{campaigns: []string{"open"}}).add(0, "u1", "k1", 0).bytes())
	f.Add((&wire{campaigns: []string{"flash", "none"}}).add(0, "u1", "k1", hasTimes, 3).add(1, "u1", "k1", hasChannel, 2, 'h', '5').bytes())
	f.Add((&wire{campaigns: []string{"open"}}).add(0, "u1", "k1", hasIP|hasVersion, make([]byte, 20)...).bytes())
	f.Add([]byte("drwb\x01\x01"))
	r := newRig(f, nil)
	a := newAsked(r.server)
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 4096 {
			return
		}
		switch status := a.ask(batchMessage(typeBatch, body)); status {
		case 200:
			if n, want := len(readWire(t, a.answer)), int(body[6])|int(body[7])<<8; n != want {
				t.Fatalf("%d items, want %d", n, want)
			}
		case 422:
			if !json.Valid(a.answer) {
				t.Fatalf("%s", a.answer)
			}
		default:
			t.Fatalf("%d %s", status, a.answer)
		}
	})
}

// script is a net.Conn whose other side says a fixed text in pieces, and then goes away.
type script struct {
	net.Conn
	in    []byte
	piece int
	out   bytes.Buffer
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.piece)], s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error)        { return s.out.Write(p) }
func (s *script) Close() error                       { return nil }
func (s *script) LocalAddr() net.Addr                { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7070} }
func (s *script) RemoteAddr() net.Addr               { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (s *script) SetDeadline(time.Time) error        { return nil }
func (s *script) SetReadDeadline(t time.Time) error  { return nil }
func (s *script) SetWriteDeadline(t time.Time) error { return nil }

// framed reads a text as net/http would: the methods of its requests, up to the first that is not one. How net/http
// decodes a target is not what this is about, so nothing is left to decode.
func framed(in []byte) (methods []string) {
	br := bufio.NewReader(bytes.NewReader(bytes.ReplaceAll(in, []byte("%"), []byte("x"))))
	for {
		for {
			if b, err := br.Peek(2); err != nil || string(b) != "\r\n" {
				break
			}
			br.Discard(2)
		}
		req, err := http.ReadRequest(br)
		if err != nil {
			return methods
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return methods
		}
		methods = append(methods, req.Method)
	}
}

// refusedAsFramed are the codes with which a message is refused before it is a request. Each ends the connection.
var refusedAsFramed = []string{"bad_framing", "length_required", "body_too_large", "headers_too_large", "request_timeout"}

// documented are the statuses that a request can meet on a node that decides.
var documented = []int{200, 304, 400, 401, 403, 404, 405, 406, 408, 409, 411, 413, 415, 422, 431}

// Any bytes on a connection: no panic, only documented answers, and never more requests than net/http sees in them.
func FuzzHTTP(f *testing.F) {
	for _, m := range framing {
		f.Add([]byte(m.send+smuggle), uint16(4096))
	}
	for _, path := range []string{"/v1/campaigns/open", "/v1/campaigns/flash/stock", "/v1/campaigns/flash/users/u1", "/v1/campaigns/open/users/u1/draws?limit=3&outcome=win", "/v1/campaigns/open/users/u1/keys/k1", "/livez", "/readyz?verbose", "/version"} {
		f.Add([]byte("GET "+path+" HTTP/1.1\r\n"+host+"\r\n"+"HEAD "+path+" HTTP/1.0\r\n"+host+"\r\n"), uint16(11))
	}
	f.Add(append(message("flash", "u1", "k1"), message("soldout", "u1", "k2", "Drawd-Retry: 1", "Expect: 100-continue")...), uint16(5))
	f.Add([]byte("POST /v1/campaigns/open/users/u1/keys/k9:abandon HTTP/1.1\r\n"+host+"Connection: keep-alive, close\r\n\r\n"), uint16(100))
	r := newRig(f, nil)
	f.Fuzz(func(t *testing.T, in []byte, piece uint16) {
		if len(in) > 20000 {
			return
		}
		nc := &script{in: in, piece: max(int(piece), 1)}
		c, ok := r.server.adopt(nc)
		if !ok {
			t.Fatal("no room")
		}
		panics := r.server.figures.panics.Get()
		r.server.http.ServeConn(c)
		c.Close()
		if r.server.figures.panics.Get() != panics {
			t.Fatalf("a panic for %q", in)
		}
		methods := framed(in)
		br := bufio.NewReader(&nc.out)
		for n := 0; ; {
			if _, err := br.Peek(1); err != nil {
				return
			}
			method := "GET"
			if n < len(methods) {
				method = methods[n]
			}
			resp, err := http.ReadResponse(br, &http.Request{Method: method})
			if err != nil {
				t.Fatalf("%v for %q", err, in)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatalf("%v for %q", err, in)
			}
			if resp.StatusCode == 100 {
				continue
			}
			n++
			var p struct{ Code string }
			isJSON := strings.HasSuffix(resp.Header.Get("Content-Type"), "json")
			if err := json.Unmarshal(body, &p); isJSON && method != "HEAD" && err != nil || !slices.Contains(documented, resp.StatusCode) {
				t.Fatalf("%d %s for %q", resp.StatusCode, body, in)
			}
			if slices.Contains(refusedAsFramed, p.Code) {
				if _, err := br.Peek(1); err == nil || !resp.Close {
					t.Fatalf("something follows a refused head: %q", in)
				}
				return
			}
			if n > len(methods) {
				t.Fatalf("net/http sees %d requests, more were served: %q", len(methods), in)
			}
		}
	})
}
