package client

import (
	"bufio"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// cutter is a server on real connections that reads each request whole, and cuts every connection instead of answering its second
// one: what a node does that is killed, and what net/http's transport answers with a silent second send of its own.
type cutter struct {
	listener net.Listener
	all      sync.WaitGroup
	mu       struct {
		sync.Mutex
		heads []http.Header
	}
}

func newCutter(t *testing.T) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &cutter{listener: l}
	s.all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.all.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); s.all.Wait() })
	return s
}

func (s *cutter) serve(conn net.Conn) {
	defer conn.Close()
	for in, n := bufio.NewReader(conn), 1; ; n++ {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := in.Discard(int(r.ContentLength)); err != nil {
			return
		}
		s.mu.Lock()
		s.mu.heads = append(s.mu.heads, r.Header)
		s.mu.Unlock()
		if n == 2 {
			return
		}
		text := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(wonText)) + "\r\n\r\n" + wonText
		if _, err := conn.Write([]byte(text)); err != nil {
			return
		}
	}
}

// net/http sends a request with an Idempotency-Key again by itself when a connection that was used before ends. That copy would carry
// no Drawd-Retry, and could be denied at the door although the first send was decided. So it must never happen.
func TestNoSilentSecondSend(t *testing.T) {
	s := newCutter(t)
	c, err := New(Options{URLs: []string{"http://" + s.listener.Addr().String()}, BackoffBase: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 10 {
		key := Key("k" + strconv.Itoa(i))
		if _, err := c.Draw(t.Context(), DrawRequest{Campaign: "flash", User: "u1", Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	marks := map[string]string{}
	for _, h := range s.mu.heads {
		marks[h.Get("Idempotency-Key")] += "-" + h.Get("Drawd-Retry")
	}
	cuts := 0
	for key, seen := range marks {
		switch seen {
		case "-":
		case "--1":
			cuts++
		default:
			t.Errorf("%s: marks %q, want - and then -1", key, seen)
		}
	}
	if len(marks) != 10 || cuts < 4 {
		t.Errorf("%d keys, %d cuts: %v", len(marks), cuts, marks)
	}
}

// What goes over the wire: names of headers, the body, and nothing else.
func TestRequestOnTheWire(t *testing.T) {
	s := newScript(won)
	c := s.client(t)
	c.header.Set("Authorization", "Bearer dk_x")
	c.header.Set("Drawd-Namespace", "shop")
	_, err := c.Draw(t.Context(), DrawRequest{
		Campaign: "flash", User: "u1", Key: "k1", Times: 2, Channel: "h5", Device: "d1", IP: "10.0.0.1", Ticket: `t"`,
		Attributes: map[string]any{"level": 3, "new": true}, Expect: &Expect{Version: 1, MaxPrice: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	sent := s.sends()[0]
	const body = `{"user":"u1","times":2,"channel":"h5","device":"d1","ip":"10.0.0.1","ticket":"t\"","attributes":{"level":3,"new":true},"expect":{"version":1,"max_price":2}}`
	if sent.path != "/v1/campaigns/flash/draws" || sent.body != body {
		t.Errorf("%s %s", sent.path, sent.body)
	}
	var names []string
	for name := range sent.header {
		names = append(names, name)
	}
	if len(names) != 5 || sent.header.Get("Authorization") != "Bearer dk_x" || sent.header.Get("Drawd-Namespace") != "shop" ||
		sent.header.Get("Content-Type") != typeJSON || sent.header.Get("Idempotency-Key") != "k1" || sent.header.Get("Drawd-Deadline-Ms") == "" {
		t.Errorf("headers %s: %v", strings.Join(names, " "), sent.header)
	}
}

// A redirect is an answer like any other that is not drawd's: the API key stays here.
func TestRedirectsAreNotFollowed(t *testing.T) {
	for name, do := range map[string]func(*Client) error{
		"draw": func(c *Client) error {
			_, err := c.Draw(t.Context(), DrawRequest{Campaign: "flash", User: "u1", Key: "k1"})
			return err
		},
		"read": func(c *Client) error { _, err := c.Stock(t.Context(), "flash"); return err },
	} {
		s := newScript(reply(307, "", "Location: http://evil:1/v1"), won)
		err := do(s.client(t))
		if p := problemOf(err); p == nil || p.Status != 307 || len(s.sends()) != 1 {
			t.Errorf("%s: %d sends: %v", name, len(s.sends()), err)
		}
	}
}
