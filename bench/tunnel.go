package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// tunnel takes plain connections on loopback and carries each to a server that speaks TLS: the generator writes to sockets
// itself and knows no TLS. It encrypts in this process, so that what it costs counts as the generator's, and a run of which that
// is the limit is INVALID like any other. Requests of a connection wait until its handshake is done; calling all of them takes a
// moment, which belongs to the first requests.
type tunnel struct {
	listener net.Listener
	to       string
	dialer   tls.Dialer
	ctx      context.Context
	cancel   context.CancelFunc
	carrying sync.WaitGroup

	mu struct {
		sync.Mutex
		failed error // why the first connection that could not be made was not
	}
}

// newTunnel dials the server once, so that what is wrong with its certificate is said before any load.
func newTunnel(ctx context.Context, to string, trust *tls.Config) (*tunnel, error) {
	config := new(tls.Config)
	if trust != nil {
		config = trust.Clone()
	}
	config.NextProtos = []string{"http/1.1"}
	t := &tunnel{to: to, dialer: tls.Dialer{Config: config}}
	first, err := t.dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, fmt.Errorf("bench: TLS to %s: %w", to, err)
	}
	_ = first.Close()
	if t.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.carrying.Go(t.accept)
	return t, nil
}

// addr is where plain connections are taken.
func (t *tunnel) addr() string { return t.listener.Addr().String() }

func (t *tunnel) accept() {
	for {
		plain, err := t.listener.Accept()
		if err != nil {
			return // closed
		}
		t.carrying.Go(func() { t.carry(plain) })
	}
}

// carry lasts until either side ends the connection, or the tunnel is closed.
func (t *tunnel) carry(plain net.Conn) {
	defer plain.Close()
	secret, err := t.dialer.DialContext(t.ctx, "tcp", t.to)
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.mu.failed == nil && t.ctx.Err() == nil {
			t.mu.failed = fmt.Errorf("bench: TLS to %s: %w", t.to, err)
		}
		return
	}
	defer secret.Close()
	end := func() { _, _ = plain.Close(), secret.Close() }
	defer context.AfterFunc(t.ctx, end)()
	var back sync.WaitGroup
	back.Go(func() {
		defer end()
		_, _ = io.Copy(plain, secret)
	})
	_, _ = io.Copy(secret, plain)
	end()
	back.Wait()
}

// close ends every connection and returns why one could not be made.
func (t *tunnel) close() error {
	t.cancel()
	err := t.listener.Close()
	t.carrying.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(t.mu.failed, err)
}
