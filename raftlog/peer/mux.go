package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Kind is what a connection is for: the first byte on it. Append only.
type Kind byte

const (
	KindRaft    Kind = 1 // hashicorp/raft's messages
	KindForward Kind = 2 // batches of commands from a node that does not lead
	KindCall    Kind = 3 // questions and answers, see Call
)

// Mux shares one stream among the kinds of conversation between nodes.
type Mux struct {
	stream  Stream
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu struct {
		sync.Mutex
		serving, closed bool
		kinds           map[Kind]func(*conn)
		answers         map[Call]answerFunc
		conns           map[*conn]struct{}
		inbound         int
		made            uint64 // connections so far
		peers           map[string]*kept
		cluster         func() [16]byte // see NameCluster
		refused         func(string, [16]byte)
		named           map[string]int // addresses at which KindNamed is known, and how often in a row one closed without an answer
	}
}

// NewMux returns a mux on s, which it closes. It takes no connection before Serve.
func NewMux(s Stream) *Mux {
	m := &Mux{stream: s}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.mu.kinds = map[Kind]func(*conn){KindCall: m.serveCalls}
	m.mu.answers = make(map[Call]answerFunc)
	m.mu.conns = make(map[*conn]struct{})
	m.mu.peers = make(map[string]*kept)
	m.mu.named = make(map[string]int)
	return m
}

// Handle runs f, on a goroutine of its own, for every connection of a kind that another node makes; the connection is
// closed when f returns. A connection of a kind without a handler is closed at once. Nil takes the handler away. f must
// return when its connection is closed: Close waits for it.
func (m *Mux) Handle(k Kind, f func(net.Conn)) {
	if f == nil {
		m.setKind(k, nil)
		return
	}
	m.setKind(k, func(c *conn) {
		defer c.Close()
		f(c)
	})
}

func (m *Mux) setKind(k Kind, f func(*conn)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f == nil {
		delete(m.mu.kinds, k)
		return
	}
	m.mu.kinds[k] = f
}

// Serve starts to take connections. Called again it does nothing.
func (m *Mux) Serve() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.serving || m.mu.closed {
		return
	}
	m.mu.serving = true
	m.running.Add(1)
	go m.accept()
}

// Close ends every connection, and returns when nothing runs any more.
func (m *Mux) Close() error {
	m.mu.Lock()
	m.mu.closed = true
	m.mu.Unlock()
	m.cancel()
	err := m.stream.Close()
	m.closeConns(func(*conn) bool { return true })
	m.running.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("peer: close: %w", err)
	}
	return nil
}

// Addr is the stream's address: what other nodes dial.
func (m *Mux) Addr() net.Addr { return m.stream.Addr() }

// Dial makes a connection of a kind. The caller closes it; Close of the mux does, too. ErrOtherCluster says that who answers there
// is of another cluster.
func (m *Mux) Dial(k Kind, address string, timeout time.Duration) (net.Conn, error) {
	c, err := m.dial(k, address, timeout, m.introduce)
	switch {
	case err == nil:
		m.answered(address)
	case errors.Is(err, errOlder) && m.mayBeOlder(address):
		return m.dial(k, address, timeout, m.plain)
	}
	return c, err
}

// answered notes that the node at an address knows KindNamed: a broken connection does not make it an older one.
func (m *Mux) answered(address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.mu.named[address]; !known && len(m.mu.named) >= maxNamed {
		clear(m.mu.named)
	}
	m.mu.named[address] = 0
}

// mayBeOlder reports whether the node at an address, which closed without an answer, is dialled as one that does not know KindNamed.
// One that did know it is after olderAfter times in a row: it went back to the version before, as it may while versions are mixed.
func (m *Mux) mayBeOlder(address string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	closed, known := m.mu.named[address]
	if !known {
		return true
	}
	if closed++; closed < olderAfter {
		m.mu.named[address] = closed
		return false
	}
	delete(m.mu.named, address)
	return true
}

// plain begins a connection to a node that does not know KindNamed.
func (*Mux) plain(c *conn, timeout time.Duration) error {
	err := c.SetWriteDeadline(from(timeout))
	if err == nil {
		_, err = c.Write([]byte{byte(c.kind)})
	}
	if err == nil {
		err = c.SetWriteDeadline(time.Time{})
	}
	return err
}

// dial makes a connection and begins it.
func (m *Mux) dial(k Kind, address string, timeout time.Duration, begin func(*conn, time.Duration) error) (net.Conn, error) {
	raw, err := m.stream.Dial(address, timeout)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, address, err)
	}
	c := &conn{Conn: raw, mux: m, kind: k}
	if !m.track(c) {
		return nil, errors.Join(net.ErrClosed, raw.Close())
	}
	if err := begin(c, timeout); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s: %w", ErrUnreachable, address, err), c.Close())
	}
	return c, nil
}

// accept takes connections until the stream is closed.
func (m *Mux) accept() {
	defer m.running.Done()
	for {
		raw, err := m.stream.Accept()
		if err == nil {
			m.admit(&conn{Conn: raw, mux: m, inbound: true})
			continue
		}
		if m.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return
		}
		timer := time.NewTimer(acceptRetry)
		select {
		case <-timer.C:
		case <-m.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// admit starts on a connection, unless there are too many.
func (m *Mux) admit(c *conn) {
	if !m.track(c) {
		_ = c.Conn.Close()
		return
	}
	go func() {
		defer m.running.Done()
		m.receive(c)
	}()
}

// receive reads what the connection is for, and hands it on. The stream's handshake runs in here.
func (m *Mux) receive(c *conn) {
	var k [1]byte
	var kind Kind
	m.crowd(c)
	err := c.SetReadDeadline(from(kindTimeout))
	if err == nil {
		_, err = io.ReadFull(c, k[:])
	}
	if kind = Kind(k[0]); err == nil && kind == KindNamed {
		kind, err = m.introduced(c)
	}
	if err == nil {
		err = c.SetReadDeadline(time.Time{})
	}
	f := m.settle(c, kind)
	if err != nil || f == nil {
		_ = c.Close()
		return
	}
	f(c)
}

// settle gives a connection its kind, and returns who handles it.
func (m *Mux) settle(c *conn, k Kind) func(*conn) {
	m.crowd(c)
	m.mu.Lock()
	defer m.mu.Unlock()
	c.kind = k
	return m.mu.kinds[k]
}

// handler returns who handles a kind.
func (m *Mux) handler(k Kind) func(*conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.kinds[k]
}

// crowd holds a node to maxInboundOfPeer. Some streams know the name at once, some after a byte.
func (m *Mux) crowd(c *conn) {
	name := c.PeerName()
	m.mu.Lock()
	c.name = name
	oldest := m.crowdedLocked(c)
	m.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
}

// crowdedLocked returns the oldest connection of c's node when that node has too many; else nil. It is the one that may be of before
// a partition.
func (m *Mux) crowdedLocked(c *conn) (oldest *conn) {
	if c.name == "" {
		return nil
	}
	n := 0
	for other := range m.mu.conns {
		if !other.inbound || other.name != c.name {
			continue
		}
		n++
		if oldest == nil || other.number < oldest.number {
			oldest = other
		}
	}
	if n <= maxInboundOfPeer {
		return nil
	}
	return oldest
}

// track counts a connection; false when it must be closed instead. One that was accepted is counted as running, too.
func (m *Mux) track(c *conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.closed || c.inbound && m.mu.inbound == MaxInbound {
		return false
	}
	m.mu.conns[c] = struct{}{}
	m.mu.made++
	c.number = m.mu.made
	if c.inbound {
		m.mu.inbound++
		m.running.Add(1)
	}
	return true
}

func (m *Mux) forget(c *conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, tracked := m.mu.conns[c]; !tracked {
		return
	}
	delete(m.mu.conns, c)
	if c.inbound {
		m.mu.inbound--
	}
}

// closeConns closes every connection that is chosen.
func (m *Mux) closeConns(chosen func(*conn) bool) {
	for _, c := range m.conns(chosen) {
		_ = c.Close()
	}
}

func (m *Mux) conns(chosen func(*conn) bool) []*conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*conn
	for c := range m.mu.conns {
		if chosen(c) {
			all = append(all, c)
		}
	}
	return all
}

// conn is a connection that the mux knows of.
type conn struct {
	net.Conn
	mux     *Mux
	inbound bool
	number  uint64 // ascending
	// Guarded by mux.mu once it was tracked.
	kind Kind
	name string // of the node at the other end; "" when nothing proves it
}

func (c *conn) Close() error {
	c.mux.forget(c)
	return c.Conn.Close()
}

// PeerName returns who is at the other end.
func (c *conn) PeerName() string { return Name(c) }

// Stream returns a stream of one kind: what is dialled and accepted there is of that kind only. Closing it ends its
// connections and leaves the mux as it is.
func (m *Mux) Stream(k Kind) Stream {
	s := &kindStream{mux: m, kind: k, queue: make(chan *conn, maxQueued), closed: make(chan struct{})}
	m.setKind(k, s.offer)
	return s
}

// kindStream is the part of a mux that is of one kind.
type kindStream struct {
	mux    *Mux
	kind   Kind
	queue  chan *conn
	closed chan struct{}
	once   sync.Once
}

// offer leaves a connection to Accept. One that finds no room is closed: it would only wait for its own timeout.
func (s *kindStream) offer(c *conn) {
	select {
	case <-s.closed:
	case s.queue <- c:
		return
	default:
	}
	_ = c.Close()
}

func (s *kindStream) Accept() (net.Conn, error) {
	select {
	case c := <-s.queue:
		return c, nil
	case <-s.closed:
	case <-s.mux.ctx.Done():
	}
	return nil, net.ErrClosed
}

func (s *kindStream) Close() error {
	s.once.Do(func() {
		close(s.closed)
		s.mux.setKind(s.kind, nil)
		s.mux.closeConns(func(c *conn) bool { return c.kind == s.kind })
	})
	return nil
}

func (s *kindStream) Addr() net.Addr { return s.mux.Addr() }

func (s *kindStream) Dial(address string, timeout time.Duration) (net.Conn, error) {
	select {
	case <-s.closed:
		return nil, net.ErrClosed
	default:
		return s.mux.Dial(s.kind, address, timeout)
	}
}
