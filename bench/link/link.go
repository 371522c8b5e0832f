package link

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// MaxMessage bounds one message: the arrivals of an agent, or its answers.
	MaxMessage = 1 << 30
	// MinToken is the shortest token, in bytes: a shorter one could be guessed by who was proved it to.
	MinToken = 16

	magic      = "drawd-bench-link-1\n"
	nonceBytes = 32
	patience   = 5 * time.Second // for the other side's part of the handshake
)

// ErrToken says that the other side does not know the token.
var ErrToken = errors.New("link: the other side does not have the same token")

// Conn is one conversation. One goroutine may receive; any number may send.
type Conn struct {
	c      net.Conn
	in     *bufio.Reader
	key    []byte
	own    byte // the direction in which this side sends
	other  byte
	heard  uint64
	sendMu struct {
		sync.Mutex
		sent uint64
	}
}

// The roles, which are the directions too.
const (
	coordinator byte = 'c'
	agent       byte = 'a'
)

// Call begins a conversation as the coordinator. It closes c when it fails.
func Call(c net.Conn, token string) (*Conn, error) { return open(c, token, coordinator, agent) }

// Answer begins a conversation as an agent. It closes c when it fails.
func Answer(c net.Conn, token string) (*Conn, error) { return open(c, token, agent, coordinator) }

func open(c net.Conn, token string, own, other byte) (_ *Conn, err error) {
	defer func() {
		if err != nil {
			_ = c.Close() // the handshake's fault is the one that counts
		}
	}()
	if len(token) < MinToken {
		return nil, fmt.Errorf("link: the token has %d bytes: it needs at least %d", len(token), MinToken)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	l := &Conn{c: c, in: bufio.NewReaderSize(c, 1<<16), own: own, other: other}
	nonces := map[byte][]byte{own: make([]byte, nonceBytes), other: make([]byte, nonceBytes)}
	if _, err := rand.Read(nonces[own]); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	if _, err := c.Write(append([]byte(magic), nonces[own]...)); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(l.in, head); err != nil || string(head) != magic {
		return nil, fmt.Errorf("link: the other side is no `drawd bench` of this version: %q %w", head, errors.Join(err))
	}
	if _, err := io.ReadFull(l.in, nonces[other]); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	both := append(bytes.Clone(nonces[coordinator]), nonces[agent]...)
	if _, err := c.Write(mac([]byte(token), []byte{own}, both)); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	proof := make([]byte, sha256.Size)
	if _, err := io.ReadFull(l.in, proof); err != nil {
		return nil, fmt.Errorf("%w, or it gave up: %w", ErrToken, err)
	}
	if !hmac.Equal(proof, mac([]byte(token), []byte{other}, both)) {
		return nil, ErrToken
	}
	l.key = mac([]byte(token), []byte("key"), both)
	if err := c.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	return l, nil
}

func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

const headBytes = 5 // length, kind

// Send sends one message.
func (l *Conn) Send(kind byte, v any) error {
	b := bytes.NewBuffer(make([]byte, headBytes, 512))
	if v != nil {
		if err := gob.NewEncoder(b).Encode(v); err != nil {
			return fmt.Errorf("link: encode message %c: %w", kind, err)
		}
	}
	text := b.Bytes()
	if len(text) > MaxMessage {
		return fmt.Errorf("link: message %c has %d bytes: at most %d go", kind, len(text), MaxMessage)
	}
	binary.LittleEndian.PutUint32(text, uint32(len(text)-headBytes))
	text[4] = kind
	l.sendMu.Lock()
	defer l.sendMu.Unlock()
	sum := mac(l.key, l.frame(l.own, l.sendMu.sent), text)
	l.sendMu.sent++
	if _, err := l.c.Write(append(text, sum...)); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	return nil
}

// frame is what a message's MAC says beside its bytes: which way it goes, and which one it is.
func (l *Conn) frame(direction byte, number uint64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{direction}, number)
}

// Message is one message that came.
type Message struct {
	Kind byte
	body []byte
}

// Receive waits for a message, for as long as wait if that is above 0.
func (l *Conn) Receive(wait time.Duration) (*Message, error) {
	var until time.Time
	if wait > 0 {
		until = time.Now().Add(wait)
	}
	if err := l.c.SetReadDeadline(until); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	head := make([]byte, headBytes)
	if _, err := io.ReadFull(l.in, head); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	size := binary.LittleEndian.Uint32(head)
	if size > MaxMessage {
		return nil, fmt.Errorf("link: a message of %d bytes: at most %d go", size, MaxMessage)
	}
	// The memory grows with what comes, not with what the head claims.
	var body bytes.Buffer
	if _, err := io.CopyN(&body, l.in, int64(size)+sha256.Size); err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	text := body.Bytes()
	if !hmac.Equal(text[size:], mac(l.key, l.frame(l.other, l.heard), head, text[:size])) {
		return nil, errors.New("link: a message was changed on its way")
	}
	l.heard++
	return &Message{head[4], text[:size]}, nil
}

// Decode reads the message's value.
func (m *Message) Decode(v any) error {
	if err := gob.NewDecoder(bytes.NewReader(m.body)).Decode(v); err != nil {
		return fmt.Errorf("link: decode message %c: %w", m.Kind, err)
	}
	return nil
}

// Close ends the conversation.
func (l *Conn) Close() error { return l.c.Close() }

// Remote is the other side's address.
func (l *Conn) Remote() string { return l.c.RemoteAddr().String() }
