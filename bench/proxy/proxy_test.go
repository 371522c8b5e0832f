package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// rig is a node b that echoes, with a front that a dials.
func rig(t *testing.T) (n *Network, dial func() net.Conn) {
	t.Helper()
	node, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := node.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	n = New()
	front, err := n.Front("b", "127.0.0.1:0", func() (net.Conn, error) { return net.Dial("tcp", node.Addr().String()) }, func(net.Addr) string { return "a" })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(n.Close(), node.Close()); err != nil {
			t.Error(err)
		}
	})
	return n, func() net.Conn {
		c, err := net.Dial("tcp", front)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
}

// patience bounds every wait: it is a failure, not a pace.
const patience = time.Minute

// echo sends text and waits for it.
func echo(t *testing.T, c net.Conn, text string) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	mustRead(t, c, text)
	return time.Since(began)
}

func mustRead(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("read %q: %v", got, err)
	}
}

// silent fails if anything comes, an end included, for a moment.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes and %v, where nothing was to come", n, err)
	}
}

// mustLose waits until bytes were lost on so many lines: how soon they get there is not what is tested.
func (n *Network) mustLose(t *testing.T, lines int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		lossy := 0
		n.mu.Lock()
		for l := range n.mu.lines {
			if l.there.lossy || l.back.lossy {
				lossy++
			}
		}
		n.mu.Unlock()
		if lossy == lines {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("bytes were lost on %d lines, not on %d", lossy, lines)
		}
	}
}

func mustBeReset(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("%v, not a reset", err)
	}
}

var there, back = Link{"a", "b"}, Link{"b", "a"}

func TestPass(t *testing.T) {
	_, dial := rig(t)
	c := dial()
	big := string(bytes.Repeat([]byte("0123456789abcdef"), 20_000))
	go func() { _, _ = io.WriteString(c, big) }()
	mustRead(t, c, big)
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v at the end", rest, err)
	}
}

func TestDelayAndRate(t *testing.T) {
	n, dial := rig(t)
	c := dial()
	n.Set(Rule{Delay: 30 * time.Millisecond, Jitter: 5 * time.Millisecond}, there, back)
	if took := echo(t, c, "late"); took < 60*time.Millisecond {
		t.Errorf("two delays of 30 ms took %v", took)
	}
	n.Set(Rule{Rate: 100_000}, there)
	if took := echo(t, c, string(make([]byte, 10_000))); took < 100*time.Millisecond {
		t.Errorf("10 kB at 100 kB/s took %v", took)
	}
	n.Heal()
	echo(t, c, "well")
}

// What is held arrives in order when the link is back, and meanwhile the other direction works.
func TestHold(t *testing.T) {
	n, dial := rig(t)
	c := dial()
	n.Set(Rule{Mode: Hold}, back)
	if _, err := c.Write([]byte("one")); err != nil {
		t.Fatal(err)
	}
	silent(t, c)
	n.Heal()
	mustRead(t, c, "one")
	echo(t, c, "two")
}

// A half-open connection takes bytes and tells nothing; when it could again it is reset, for bytes are missing in it.
func TestSwallow(t *testing.T) {
	for _, link := range []Link{there, back} {
		n, dial := rig(t)
		old := dial()
		echo(t, old, "hello")
		n.Set(Rule{Mode: Swallow}, link)
		fresh := dial()
		for _, c := range []net.Conn{old, fresh} {
			if _, err := c.Write([]byte("lost")); err != nil {
				t.Fatal(err)
			}
			silent(t, c)
		}
		n.mustLose(t, 2)
		n.Heal()
		mustBeReset(t, old)
		mustBeReset(t, fresh)
		echo(t, dial(), "again")
	}
}

// A connection that lost nothing outlives the rule.
func TestSwallowNothing(t *testing.T) {
	n, dial := rig(t)
	c := dial()
	echo(t, c, "hello")
	n.Set(Rule{Mode: Swallow}, back)
	n.Heal()
	echo(t, c, "again")
}

func TestRefuse(t *testing.T) {
	n, dial := rig(t)
	old := dial()
	echo(t, old, "hello")
	n.Set(Rule{Mode: Refuse}, there)
	mustBeReset(t, old)
	fresh, err := net.Dial("tcp", n.mu.listen[0].Addr().String()) // the proxy's own listener takes it first
	if err == nil {
		defer fresh.Close()
		_ = fresh.SetReadDeadline(time.Now().Add(patience))
		_, err = fresh.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, not a refusal", err)
	}
	n.Heal()
	echo(t, dial(), "again")
}
