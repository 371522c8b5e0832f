package link

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

const token = "a token of this test"

// pair begins a conversation over a pipe, whose bytes on the way from the coordinator bent may change.
func pair(t *testing.T, one, other string, bent func(number int, b []byte)) (c, a *Conn, err error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	type result struct {
		l   *Conn
		err error
	}
	answered := make(chan result, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			answered <- result{nil, err}
			return
		}
		l, err := Answer(conn, other)
		answered <- result{l, err}
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, errC := Call(&bender{Conn: conn, bent: bent}, one)
	r := <-answered
	t.Cleanup(func() {
		for _, l := range []*Conn{c, r.l} {
			if l != nil {
				l.Close()
			}
		}
	})
	return c, r.l, errors.Join(errC, r.err)
}

// bender changes what is written.
type bender struct {
	net.Conn
	bent   func(number int, b []byte)
	number int
}

func (b *bender) Write(p []byte) (int, error) {
	if b.bent != nil {
		b.bent(b.number, p)
	}
	b.number++
	return b.Conn.Write(p)
}

type words struct {
	Text    string
	Numbers []uint32
}

func TestConversation(t *testing.T) {
	c, a, err := pair(t, token, token, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := c.Send('x', words{strings.Repeat("y", i*100_000), []uint32{1, 1 << 31}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		m, err := a.Receive(5 * time.Second)
		if err != nil || m.Kind != 'x' {
			t.Fatal(m, err)
		}
		var w words
		if err := m.Decode(&w); err != nil || len(w.Text) != i*100_000 || w.Numbers[1] != 1<<31 {
			t.Fatal(err, len(w.Text))
		}
	}
	if err := a.Send('e', nil); err != nil {
		t.Fatal(err)
	}
	if m, err := c.Receive(0); err != nil || m.Kind != 'e' {
		t.Fatal(m, err)
	}
	c.Close()
	if _, err := a.Receive(time.Second); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestOnlyTheSameToken(t *testing.T) {
	if _, _, err := pair(t, token, "another token, as long", nil); !errors.Is(err, ErrToken) {
		t.Error(err)
	}
	if _, _, err := pair(t, "short", "short", nil); err == nil || !strings.Contains(err.Error(), "at least 16") {
		t.Error(err)
	}
}

// TestOwnWordsAreNoProof: who does not know the token cannot answer with what he was told.
func TestOwnWordsAreNoProof(t *testing.T) {
	ours, theirs := net.Pipe()
	echoed := make(chan struct{})
	go func() { defer close(echoed); _, _ = io.Copy(theirs, theirs) }()
	if _, err := Call(ours, token); !errors.Is(err, ErrToken) {
		t.Error(err)
	}
	theirs.Close()
	<-echoed
}

// TestNothingCanBeChanged flips a bit of the kind, the body or the MAC of a message, and sends one twice.
func TestNothingCanBeChanged(t *testing.T) {
	const first = 2 // write of the conversation that is no part of the handshake
	for name, at := range map[string]func(b []byte) int{
		"kind": func([]byte) int { return 4 }, "body": func([]byte) int { return 9 }, "mac": func(b []byte) int { return len(b) - 1 },
	} {
		c, a, err := pair(t, token, token, func(number int, b []byte) {
			if number == first {
				b[at(b)] ^= 1
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send('x', words{Text: "hello"}); err != nil {
			t.Fatal(err)
		}
		if m, err := a.Receive(time.Second); err == nil || !strings.Contains(err.Error(), "changed on its way") {
			t.Errorf("%s: %v %v", name, m, err)
		}
	}
	var kept []byte
	c, a, err := pair(t, token, token, func(number int, b []byte) {
		switch number {
		case first:
			kept = append(kept, b...)
		case first + 1:
			copy(b, kept)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Send('x', words{Text: "once"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Receive(time.Second); err != nil {
		t.Error(err)
	}
	if m, err := a.Receive(time.Second); err == nil {
		t.Errorf("message %c came twice", m.Kind)
	}
}
