package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// named returns a mux of a cluster that answers pings, and who was refused.
func named(t *testing.T, s Stream, cluster byte) (m *Mux, refused chan [16]byte) {
	m, refused = newMux(t, s), make(chan [16]byte, 16)
	m.NameCluster(func() [16]byte { return [16]byte{cluster} }, func(_ string, theirs [16]byte) { refused <- theirs })
	m.Answer(CallPing, func(context.Context, string, []byte) ([]byte, error) { return []byte("pong"), nil })
	m.Serve()
	return m, refused
}

// TestOtherCluster: nodes of two clusters hang up before anything is said, whatever the connection is for, and both sides know why. A
// node that does not know its cluster yet speaks with everybody.
func TestOtherCluster(t *testing.T) {
	worlds(t, func(t *testing.T, listen func() Stream) {
		one, told := named(t, listen(), 1)
		same, _ := named(t, listen(), 1)
		novice, _ := named(t, listen(), 0)
		other, heard := named(t, listen(), 2)
		for _, x := range []struct {
			from, to *Mux
			refused  bool
		}{{same, one, false}, {novice, one, false}, {one, novice, false}, {other, novice, false}, {other, one, true}} {
			_, err := x.from.Ask(t.Context(), x.to.Addr().String(), CallPing, nil)
			if errors.Is(err, ErrOtherCluster) != x.refused || (err != nil) != x.refused || x.refused && !errors.Is(err, ErrUnreachable) {
				t.Errorf("%v", err)
			}
		}
		if got := <-told; got != [16]byte{2} {
			t.Errorf("%x was refused", got)
		}
		if got := <-heard; got != [16]byte{1} {
			t.Errorf("%x refused", got)
		}
		for _, k := range []Kind{KindRaft, KindForward, KindCall} {
			if c, err := other.Dial(k, one.Addr().String(), time.Second); !errors.Is(err, ErrOtherCluster) {
				t.Errorf("kind %d: %v, %v", k, c, err)
			}
		}
		if _, err := same.Dial(KindForward, one.Addr().String(), time.Second); err == nil || !strings.Contains(err.Error(), "does not take") {
			t.Errorf("a kind that nobody takes: %v", err)
		}
	})
}

// TestIntroductionBytes: these are spoken between versions.
func TestIntroductionBytes(t *testing.T) {
	worlds(t, func(t *testing.T, listen func() Stream) {
		s := listen()
		one, _ := named(t, listen(), 1)
		came := make(chan []byte, 1)
		go func() {
			c, err := s.Accept()
			if err != nil {
				return
			}
			b := make([]byte, namedBytes)
			_, _ = io.ReadFull(c, b)
			came <- b
			_, _ = c.Write(append([]byte{1, 1}, make([]byte, 16)...))
		}()
		c, err := one.Dial(KindRaft, s.Addr().String(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if want := append([]byte{4, 1, 1, 1}, make([]byte, 15)...); !bytes.Equal(<-came, want) {
			t.Errorf("not %x", want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		raw, err := listen().Dial(one.Addr().String(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		if _, err := raw.Write(append([]byte{4, 1, 3, 2}, make([]byte, 15)...)); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(raw)
		if want := append([]byte{1, 2, 1}, make([]byte, 15)...); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%x, %v, not %x", b, err, want)
		}
	})
}

// TestOlderNodes: a node of before this begins with the kind, and closes what it does not know.
func TestOlderNodes(t *testing.T) {
	worlds(t, func(t *testing.T, listen func() Stream) {
		one, _ := named(t, listen(), 1)
		s := listen()
		defer s.Close()
		kinds := make(chan byte, 2)
		go func() {
			for range 2 {
				c, err := s.Accept()
				if err != nil {
					return
				}
				var k [1]byte
				_, _ = io.ReadFull(c, k[:])
				kinds <- k[0]
				if k[0] != byte(KindRaft) {
					_ = c.Close()
				}
			}
		}()
		c, err := one.Dial(KindRaft, s.Addr().String(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if first, second := <-kinds, <-kinds; first != byte(KindNamed) || second != byte(KindRaft) {
			t.Errorf("it was dialled with %d and %d", first, second)
		}
		var raw net.Conn
		if raw, err = listen().Dial(one.Addr().String(), time.Second); err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		if _, err := raw.Write(appendFrame([]byte{byte(KindCall)}, &frame{kind: frameQuestion, call: CallPing, waitMS: 1000})); err != nil {
			t.Fatal(err)
		}
		if f, err := readFrame(raw, 100); err != nil || string(f.body) != "pong" {
			t.Errorf("%+v, %v", f, err)
		}
	})
}

// TestNodeGoesBack: a node that knew KindNamed is replaced by one that does not, at the same address, as while versions are mixed: it
// is reached again, after as many tries as tell it from a connection that broke.
func TestNodeGoesBack(t *testing.T) {
	worlds(t, func(t *testing.T, listen func() Stream) {
		one, _ := named(t, listen(), 1)
		s := listen()
		defer s.Close()
		turn := make(chan bool)
		go func() {
			for newer := range turn {
				c, err := s.Accept()
				if err != nil {
					return
				}
				var k [1]byte
				_, _ = io.ReadFull(c, k[:])
				if k[0] == byte(KindNamed) && newer {
					_, _ = io.ReadFull(c, make([]byte, namedBytes-1))
					_, _ = c.Write(append([]byte{1, 1}, make([]byte, 16)...))
				} else if k[0] == byte(KindNamed) {
					_ = c.Close()
				}
			}
		}()
		defer close(turn)
		dial := func() error {
			c, err := one.Dial(KindRaft, s.Addr().String(), time.Second)
			if err == nil {
				defer c.Close()
			}
			return err
		}
		turn <- true
		if err := dial(); err != nil {
			t.Fatal(err)
		}
		for i := 1; i < olderAfter; i++ {
			turn <- false
			if err := dial(); err == nil {
				t.Fatalf("dialled without a name after %d", i)
			}
		}
		turn <- false
		done := make(chan error, 1)
		go func() { done <- dial() }()
		turn <- false // the second try of this one
		if err := <-done; err != nil {
			t.Errorf("a node that went back is not reached: %v", err)
		}
	})
}
