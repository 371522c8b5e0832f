package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine/problem"
)

// worlds runs a test on pipes under simulated time, and on TCP.
func worlds(t *testing.T, f func(t *testing.T, listen func() Stream)) {
	t.Run("pipes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, n := NewPipes(), 0
			f(t, func() Stream { n++; return p.Listen(fmt.Sprint("n", n)) })
		})
	})
	t.Run("tcp", func(t *testing.T) {
		f(t, func() Stream {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			return TCP{l}
		})
	})
}

func newMux(t *testing.T, s Stream) *Mux {
	m := NewMux(s)
	t.Cleanup(func() { closeMux(t, m) })
	return m
}

func closeMux(t *testing.T, m *Mux) {
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// TestCalls: answers, refusals, failures and silence arrive as what they are.
func TestCalls(t *testing.T) {
	worlds(t, func(t *testing.T, listen func() Stream) {
		a, b := newMux(t, listen()), newMux(t, listen())
		b.Answer(CallPing, func(_ context.Context, _ string, q []byte) ([]byte, error) { return append([]byte("re "), q...), nil })
		b.Answer(CallMembers, func(context.Context, string, []byte) ([]byte, error) {
			return nil, fmt.Errorf("wrapped: %w", problem.New(problem.NoLeader, "ask n2"))
		})
		b.Answer(CallHello, func(context.Context, string, []byte) ([]byte, error) {
			return nil, errors.New("no " + strings.Repeat("x", 5000))
		})
		b.Answer(CallBlobs, func(context.Context, string, []byte) ([]byte, error) { return make([]byte, MaxResponseBytes+1), nil })
		b.Serve()
		to := b.Addr().String()

		large := bytes.Repeat([]byte("q"), MaxRequestBytes-3)
		for _, q := range [][]byte{nil, []byte("hello"), large} {
			if got, err := a.Ask(t.Context(), to, CallPing, q); err != nil || string(got) != "re "+string(q) {
				t.Errorf("%.10q: %.10q, %v", q, got, err)
			}
		}
		var refused *problem.Error
		if _, err := a.Ask(t.Context(), to, CallMembers, nil); !errors.As(err, &refused) || refused.Code != problem.NoLeader || refused.Detail != "ask n2" {
			t.Errorf("a refusal: %v", err)
		}
		var failed *FailedError
		if _, err := a.Ask(t.Context(), to, CallHello, nil); !errors.As(err, &failed) || len(failed.Text) != maxTextBytes || failed.Address != to {
			t.Errorf("a failure: %v", err)
		}
		if _, err := a.Ask(t.Context(), to, CallBlobs, nil); !errors.As(err, &failed) {
			t.Errorf("an answer beyond the bound: %v", err)
		}
		if _, err := a.Ask(t.Context(), to, CallSnapshotInfo, nil); !errors.Is(err, ErrUnknownCall) {
			t.Errorf("nobody answers: %v", err)
		}
		if _, err := a.Ask(t.Context(), to, CallPing, make([]byte, MaxRequestBytes+1)); err == nil {
			t.Error("a question beyond the bound was asked")
		}
		if n := len(b.conns(func(*conn) bool { return true })); n != 1 {
			t.Errorf("%d connections for questions one after the other", n)
		}
	})
}

// TestCallsBesideEachOther: a slow answer delays no other; more than maxAsking wait for their turn, and none is lost.
func TestCallsBesideEachOther(t *testing.T) {
	worlds(t, func(t *testing.T, listen func() Stream) {
		a, b := newMux(t, listen()), newMux(t, listen())
		release, slow := make(chan struct{}), make(chan struct{}, maxAsking)
		b.Answer(CallBlobs, func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
			slow <- struct{}{}
			<-release
			return nil, nil
		})
		var answered atomic.Int64
		b.Answer(CallPing, func(context.Context, string, []byte) ([]byte, error) { answered.Add(1); return nil, nil })
		b.Serve()
		var asking sync.WaitGroup
		ask := func(c Call) {
			if _, err := a.Ask(t.Context(), b.Addr().String(), c, nil); err != nil {
				t.Error(err)
			}
		}
		for range maxAsking - 1 {
			asking.Go(func() { ask(CallBlobs) })
			<-slow
		}
		for range 20 {
			ask(CallPing)
		}
		for range 10 * maxAsking {
			asking.Go(func() { ask(CallPing) })
		}
		close(release)
		asking.Wait()
		if answered.Load() != 20+10*maxAsking {
			t.Errorf("%d answers", answered.Load())
		}
		if n := len(a.conns(func(*conn) bool { return true })); n > maxIdle {
			t.Errorf("%d connections are kept", n)
		}
	})
}

// TestDeadlines: whoever asks waits no longer than it wants, and whoever answers is told so.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPipes()
		a, b := newMux(t, p.Listen("a")), newMux(t, p.Listen("b"))
		waited := make(chan error, 2)
		b.Answer(CallPing, func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
			<-ctx.Done()
			waited <- ctx.Err()
			time.Sleep(time.Second) // too late for who asked
			return nil, nil
		})
		b.Serve()
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := a.Ask(ctx, "b", CallPing, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 300*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if err := <-waited; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who answers was told %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := a.Ask(ctx, "b", CallPing, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		if _, err := a.Ask(t.Context(), "nobody", CallPing, nil); !errors.Is(err, ErrUnreachable) {
			t.Errorf("nobody there: %v", err)
		}
	})
}

// TestRestartedPeer: a kept connection that broke is replaced without a word; a peer that is gone is not.
func TestRestartedPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPipes()
		a := newMux(t, p.Listen("a"))
		start := func(word string) *Mux {
			b := NewMux(p.Listen("b"))
			b.Answer(CallPing, func(_ context.Context, name string, _ []byte) ([]byte, error) { return []byte(name + word), nil })
			b.Serve()
			return b
		}
		for _, word := range []string{"one", "two"} {
			b := start(word)
			if got, err := a.Ask(t.Context(), "b", CallPing, nil); err != nil || string(got) != "a"+word {
				t.Errorf("%q, %v", got, err)
			}
			closeMux(t, b)
		}
		if _, err := a.Ask(t.Context(), "b", CallPing, nil); !errors.Is(err, ErrUnreachable) {
			t.Errorf("it is gone: %v", err)
		}
		if len(a.mu.peers) != 0 {
			t.Errorf("%d addresses are remembered", len(a.mu.peers))
		}
	})
}

// TestOneNodeKeepsNobodyOut: a node that opens connection after connection, silent or not, has its newest ones only, and others are
// heard.
func TestOneNodeKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPipes()
		b := newMux(t, p.Listen("b"))
		b.Answer(CallPing, func(context.Context, string, []byte) ([]byte, error) { return []byte("here"), nil })
		b.Serve()
		bad := p.Listen("bad")
		defer bad.Close()
		for i := range 2 * MaxInbound {
			c, err := bad.Dial("b", time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if i%2 == 0 {
				if _, err := c.Write([]byte{byte(KindCall)}); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		if n := len(b.conns(func(*conn) bool { return true })); n != maxInboundOfPeer {
			t.Errorf("%d connections of one node, the bound is %d", n, maxInboundOfPeer)
		}
		a := newMux(t, p.Listen("a"))
		if _, err := a.Ask(t.Context(), "b", CallPing, nil); err != nil {
			t.Error(err)
		}
	})
}

// TestStrangers: who says nothing, something unknown, or too much at once holds nothing for long.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPipes()
		b := newMux(t, p.Listen("b"))
		b.Serve()
		stranger := p.Listen("s")
		defer stranger.Close()
		open := func() int { synctest.Wait(); return len(b.conns(func(*conn) bool { return true })) }
		for _, first := range [][]byte{{0}, {99}, {byte(KindRaft)}, append([]byte{byte(KindCall)}, bytes.Repeat([]byte{7}, frameHeader)...)} {
			c, err := stranger.Dial("b", time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(first); err != nil {
				t.Errorf("%v: %v", first, err)
			}
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("after %v: %v", first, err)
			}
			c.Close()
		}
		var silent []net.Conn
		for i := range MaxInbound + 5 {
			c, err := p.Listen(fmt.Sprint("s", i%(MaxInbound/maxInboundOfPeer+1))).Dial("b", time.Second)
			if err != nil {
				t.Fatal(err)
			}
			silent = append(silent, c)
		}
		if n := open(); n != MaxInbound {
			t.Errorf("%d connections are open, the bound is %d", n, MaxInbound)
		}
		time.Sleep(kindTimeout + time.Second)
		if n := open(); n != 0 {
			t.Errorf("%d connections outlived their first byte's deadline", n)
		}
		for _, c := range silent {
			c.Close()
		}
		half, err := stranger.Dial("b", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = half.Write([]byte{byte(KindCall), 1, 0})
		if open() != 1 {
			t.Error("half a frame is not waited for")
		}
		time.Sleep(frameTimeout + time.Second)
		if open() != 0 {
			t.Error("half a frame is waited for too long")
		}
		half.Close()
	})
}

// TestKinds: each kind has its own listener, and closing one leaves the others.
func TestKinds(t *testing.T) {
	worlds(t, func(t *testing.T, listen func() Stream) {
		a, b := newMux(t, listen()), newMux(t, listen())
		to := b.Addr().String()
		raftA, raftB := a.Stream(KindRaft), b.Stream(KindRaft)
		b.Handle(KindForward, func(c net.Conn) { _, _ = io.Copy(c, c) })
		b.Answer(CallPing, func(context.Context, string, []byte) ([]byte, error) { return nil, nil })
		b.Serve()
		near, err := raftA.Dial(to, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		far, err := raftB.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = near.Write([]byte("vote")) }()
		got := make([]byte, 4)
		if _, err := io.ReadFull(far, got); err != nil || string(got) != "vote" {
			t.Errorf("%q, %v", got, err)
		}
		echo, err := a.Dial(KindForward, to, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = echo.Write([]byte("draw")) }()
		if _, err := io.ReadFull(echo, got); err != nil || string(got) != "draw" {
			t.Errorf("%q, %v", got, err)
		}
		if err := raftB.Close(); err != nil {
			t.Error(err)
		}
		if _, err := near.Read(got); err == nil {
			t.Error("a connection outlived its stream")
		}
		if _, err := raftB.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept on a closed stream: %v", err)
		}
		if _, err := a.Ask(t.Context(), to, CallPing, nil); err != nil {
			t.Errorf("the other kinds: %v", err)
		}
	})
}
