package mtls

import (
	"errors"
	"fmt"
	"time"
)

// read loads the files and checks that they are this node's.
func (s *Stream) read() (*credentials, error) {
	c, err := s.options.Files.load(s.options.Now())
	switch {
	case err != nil:
		return nil, err
	case s.options.NodeID != "" && c.id != s.options.NodeID:
		return nil, fmt.Errorf("mtls: %s is the certificate of node %q, this node is %q", s.options.Certificate, c.id, s.options.NodeID)
	}
	return c, nil
}

// Reload reads the files. New connections use what they hold; those that they no longer allow are closed. When the files are
// not sound, what was in force stays, and the error says why.
func (s *Stream) Reload() error {
	s.reload.Lock()
	defer s.reload.Unlock()
	stamp := s.options.Files.stamp()
	c, err := s.read()
	if err == nil {
		s.current.Store(c)
	}
	s.mu.Lock()
	s.mu.stamp, s.mu.fault = stamp, err
	s.mu.Unlock()
	if err != nil {
		return err
	}
	s.options.Logger.Info("the certificates between nodes were read", "expires", c.expires.UTC().Format(time.RFC3339))
	s.expel()
	return nil
}

// expel closes connections whose certificate is no longer good.
func (s *Stream) expel() {
	c, now := s.current.Load(), s.options.Now()
	s.mu.Lock()
	var bad []*Conn
	for conn := range s.mu.open {
		state := conn.ConnectionState()
		if !c.good(&state, now) {
			bad = append(bad, conn)
		}
	}
	s.mu.Unlock()
	for _, conn := range bad {
		s.options.Logger.Warn("a connection between nodes is closed: its certificate is no longer good", "peer", conn.name)
		_ = conn.NetConn().Close()
	}
}

// watch reads changed files, and closes what has expired.
func (s *Stream) watch() {
	ticker := time.NewTicker(s.options.ReloadEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.closed:
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		changed := s.mu.stamp != s.options.Files.stamp()
		s.mu.Unlock()
		if !changed {
			s.expel()
		} else if err := s.Reload(); err != nil {
			s.options.Logger.Error("the certificates between nodes changed and cannot be used; those before stay", "error", err)
		}
	}
}

// Expires returns when this node's certificate ends.
func (s *Stream) Expires() time.Time { return s.current.Load().expires }

// errSoon is the warning of Health.
var errSoon = errors.New("the certificate between nodes ends soon: issue another one and put it in its place")

// soon is how long before its end a certificate is complained about.
const soon = 14 * 24 * time.Hour

// Health returns nil, or what an operator must do about the certificates. Nothing stops for it yet.
func (s *Stream) Health() error {
	s.mu.Lock()
	fault := s.mu.fault
	s.mu.Unlock()
	if fault != nil {
		return fmt.Errorf("the files that were read last are not used: %w", fault)
	}
	if end := s.Expires(); end.Sub(s.options.Now()) < soon {
		return fmt.Errorf("%w; it ends at %s", errSoon, end.UTC().Format(time.RFC3339))
	}
	return nil
}
