package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// plane names a listener and the flag that moves it.
type plane struct{ name, flag, address string }

func dataPlane(o *Options) plane    { return plane{"data plane", "--api", o.API} }
func controlPlane(o *Options) plane { return plane{"control plane", "--admin", o.Admin} }
func respFront(o *Options) plane    { return plane{"RESP front", "--resp", o.RESP} }

// open opens the plane's address. Both planes have their own flag, so that an error can name it.
func (p plane) open() (*net.TCPListener, error) {
	ln, err := net.Listen("tcp", p.address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("server: the %s cannot listen on %s, which another program uses: choose another address with %s ADDR", p.name, p.address, p.flag)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("server: the %s may not listen on %s: choose a port above 1023 with %s ADDR: %w", p.name, p.address, p.flag, err)
	case err != nil:
		return nil, fmt.Errorf("server: the %s cannot listen on %s: choose another address with %s ADDR: %w", p.name, p.address, p.flag, err)
	}
	return ln.(*net.TCPListener), nil
}

// admit makes an open listener the plane's, or closes it.
func (s *Server) admit(p plane, open *net.TCPListener) (net.Listener, error) {
	if err := s.allowed(p, open.Addr()); err != nil {
		_ = open.Close()
		return nil, err
	}
	if s.tls != nil {
		return tls.NewListener(open, s.tls), nil
	}
	return open, nil
}

// allowed refuses an address that other machines can reach, unless callers have keys and the line is sealed.
func (s *Server) allowed(p plane, addr net.Addr) error {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsLoopback() {
		return nil
	}
	keys, sealed := s.gate.HasKeys(), s.tls != nil
	if s.options.Insecure {
		if !keys || !sealed {
			s.options.Logger.Warn("listening beyond loopback without protection, as --insecure asks", "plane", p.name, "address", addr.String(), "keys", keys, "tls", sealed)
		}
		return nil
	}
	var missing []error
	if !keys {
		missing = append(missing, errors.New("no API key is configured (start on a loopback address and run `drawd key create`)"))
	}
	if !sealed {
		missing = append(missing, errors.New("TLS is off (give --tls-cert FILE and --tls-key FILE)"))
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("server: %s %s can be reached from other machines, but %w; --insecure listens nevertheless", p.flag, p.address, joined(missing))
}

// joined is errors.Join on one line.
func joined(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return fmt.Errorf("%w and %w", errs[0], errs[1])
}

// loadTLS reads the certificate. Both planes speak HTTP/1.1 only: the checks of framing are written for it.
func loadTLS(cert, key string) (*tls.Config, error) {
	if cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("server: --tls-cert %s with --tls-key %s: %w", cert, key, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}
