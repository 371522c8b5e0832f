package join

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/drawd/drawd/raftlog/peer"
	"github.com/drawd/drawd/storage"
)

// wires is a network in memory whose lines can be cut.
type wires struct {
	pipes     *peer.Pipes
	anonymous bool // lines prove no names, as on loopback without certificates
	mu        struct {
		sync.Mutex
		cut map[[2]string]bool
	}
}

func newWires() *wires {
	w := &wires{pipes: peer.NewPipes()}
	w.mu.cut = map[[2]string]bool{}
	return w
}

// cut sets whether from and to reach each other.
func (w *wires) cut(a, b string, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.cut[[2]string{a, b}], w.mu.cut[[2]string{b, a}] = cut, cut
}

func (w *wires) isCut(a, b string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.cut[[2]string{a, b}]
}

// end is one node's end of the wires.
type end struct {
	peer.Stream
	wires *wires
	name  string
}

var errCut = errors.New("the line is cut")

func (e end) Dial(address string, timeout time.Duration) (net.Conn, error) {
	if e.wires.isCut(e.name, address) {
		return nil, errCut
	}
	c, err := e.Stream.Dial(address, timeout)
	if err != nil {
		return nil, err
	}
	return line{c, e, address}, nil
}

// nameless is a connection that proves no name.
type nameless struct{ net.Conn }

func (e end) Accept() (net.Conn, error) {
	c, err := e.Stream.Accept()
	if err == nil && e.wires.anonymous {
		c = nameless{c}
	}
	return c, err
}

// line is what was dialled. A cut is felt by the next question.
type line struct {
	net.Conn
	end end
	to  string
}

func (l line) PeerName() string { return l.to }

func (l line) Write(b []byte) (int, error) {
	if l.end.wires.isCut(l.end.name, l.to) {
		return 0, errCut
	}
	return l.Conn.Write(b)
}

// keyFile is a data directory's key.
type keyFile string

func (d keyFile) Read() ([32]byte, error)             { return storage.ReadClusterKey(string(d)) }
func (d keyFile) Keep(key [32]byte) ([32]byte, error) { return storage.KeepClusterKey(string(d), key) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// seat is one node of a test: its directory, and what runs on it.
type seat struct {
	t     testing.TB
	wires *wires
	name  string
	dir   string
	peers *peer.Mux
	stop  context.CancelFunc
	done  chan struct{} // closed when Enter has returned
	entry *Entry        // after done
	err   error
}

func newSeat(t testing.TB, w *wires, name string) *seat {
	return &seat{t: t, wires: w, name: name, dir: t.TempDir()}
}

// start runs Enter.
func (s *seat) start(change func(*Options)) *seat {
	s.peers = peer.NewMux(end{s.wires.pipes.Listen(s.name), s.wires, s.name})
	s.peers.Serve()
	o := Options{Dir: s.dir, Keys: keyFile(s.dir), Node: s.name, Address: s.name, Peers: s.peers, Logger: quiet()}
	change(&o)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.done = cancel, make(chan struct{})
	go func() {
		defer close(s.done)
		s.entry, s.err = Enter(ctx, o)
	}()
	return s
}

// halt is a crash: whatever ran ends.
func (s *seat) halt() {
	if s.peers == nil {
		return
	}
	s.stop()
	<-s.done
	_ = s.peers.Close()
	s.peers = nil
}

// wipe gives the node an empty disk.
func (s *seat) wipe() {
	s.halt()
	s.dir = s.t.TempDir()
}

// unanswered makes the node one that was let in and never heard of it.
func (s *seat) unanswered() {
	s.t.Helper()
	s.halt()
	p, err := readPast(s.dir)
	if err != nil || p.Phase != joined {
		s.t.Fatalf("%+v, %v", p, err)
	}
	p.Phase = willing
	if err := errors.Join(p.write(s.dir), os.Remove(filepath.Join(s.dir, storage.ClusterKeyName))); err != nil {
		s.t.Fatal(err)
	}
}

// ended reports whether Enter has returned.
func (s *seat) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}
