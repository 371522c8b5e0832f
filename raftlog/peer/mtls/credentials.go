package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"
)

// Files are a node's certificate, its key and the authorities that it trusts, all PEM.
type Files struct{ Certificate, Key, Authority string }

// credentials are what the files hold. They are immutable.
type credentials struct {
	id      string // the node that the certificate names
	pair    tls.Certificate
	roots   *x509.CertPool
	expires time.Time
}

// load reads the files and checks that a node can run on them: what is wrong is found here and not by its peers.
func (f *Files) load(now time.Time) (*credentials, error) {
	pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return nil, fmt.Errorf("mtls: certificate %s with key %s: %w", f.Certificate, f.Key, err)
	}
	trusted, err := os.ReadFile(f.Authority)
	if err != nil {
		return nil, fmt.Errorf("mtls: authority: %w", err)
	}
	c := &credentials{pair: pair, roots: x509.NewCertPool(), expires: pair.Leaf.NotAfter}
	if !c.roots.AppendCertsFromPEM(trusted) {
		return nil, fmt.Errorf("mtls: authority %s holds no certificate in PEM form", f.Authority)
	}
	if c.id, err = idOf(pair.Leaf); err != nil {
		return nil, fmt.Errorf("mtls: %s: %w", f.Certificate, err)
	}
	chain := pair.Certificate[1:]
	between := x509.NewCertPool()
	for _, der := range chain {
		if link, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(link)
		}
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: c.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}})
		if err != nil {
			return nil, fmt.Errorf("mtls: certificate %s under authority %s: %w", f.Certificate, f.Authority, err)
		}
	}
	return c, nil
}

// stamp tells one state of the files from another.
func (f *Files) stamp() (s [3]fileStamp) {
	for i, name := range []string{f.Certificate, f.Key, f.Authority} {
		if info, err := os.Stat(name); err == nil {
			s[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

type fileStamp struct {
	modified time.Time
	size     int64
}

// server is the configuration of an accepted connection.
func (c *credentials) server(now func() time.Time) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{c.pair}, ClientCAs: c.roots, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, Time: now, VerifyConnection: namesNode,
	}
}

// client is the configuration of a connection to a host.
func (c *credentials) client(host string, now func() time.Time) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{c.pair}, RootCAs: c.roots, ServerName: host,
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, Time: now, VerifyConnection: namesNode,
	}
}

// namesNode refuses a peer whose certificate is good and names no node.
func namesNode(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("there is no certificate")
	}
	_, err := idOf(state.PeerCertificates[0])
	return err
}

// good reports whether a peer's certificate, which was good once, still is.
func (c *credentials) good(state *tls.ConnectionState, now time.Time) bool {
	between := x509.NewCertPool()
	for _, link := range state.PeerCertificates[1:] {
		between.AddCert(link)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: c.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err == nil
}
