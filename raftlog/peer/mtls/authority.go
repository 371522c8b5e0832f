package mtls

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// Lives of certificates unless told otherwise.
const (
	AuthorityLife = 10 * 365 * 24 * time.Hour
	NodeLife      = 365 * 24 * time.Hour
	// backdate lets a certificate be used on a node whose clock is a little behind the authority's.
	backdate = 5 * time.Minute
)

// The kinds of PEM blocks.
const (
	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"
)

// Authority signs the certificates of a cluster's nodes. Whoever has its key can be any node.
type Authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// NewAuthority makes an authority and returns it with its two files. It needs no name that means something: nodes trust the
// file, not the name.
func NewAuthority(now time.Time, life time.Duration) (a *Authority, certificate, key []byte, err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("mtls: make the authority's key: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"drawd"}, CommonName: "drawd nodes " + hex.EncodeToString(public[:4])},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(life),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	a = &Authority{certificate: template, key: private}
	certificate, key, err = a.sign(template, public, private)
	if err != nil {
		return nil, nil, nil, err
	}
	a, err = ParseAuthority(certificate, key)
	return a, certificate, key, err
}

// ParseAuthority reads the two files of an authority.
func ParseAuthority(certificate, key []byte) (*Authority, error) {
	block, _ := pem.Decode(certificate)
	if block == nil || block.Type != blockCertificate {
		return nil, errors.New("mtls: the authority's certificate is no certificate in PEM form")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("mtls: the authority's certificate: %w", err)
	}
	if block, _ = pem.Decode(key); block == nil || block.Type != blockKey {
		return nil, errors.New("mtls: the authority's key is no private key in PEM form")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("mtls: the authority's key: %w", err)
	}
	signer, ok := parsed.(crypto.Signer)
	public, comparable := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !leaf.IsCA:
		return nil, errors.New("mtls: the certificate is a node's, not an authority's")
	case !ok || !comparable || !public.Equal(signer.Public()):
		return nil, errors.New("mtls: the authority's key does not belong to its certificate")
	}
	return &Authority{certificate: leaf, key: signer}, nil
}

// Issue makes a node's key and its certificate, signed. hosts are the names and addresses at which other nodes dial it.
func (a *Authority) Issue(id string, hosts []string, now time.Time, life time.Duration) (certificate, key []byte, err error) {
	switch {
	case !ValidID(id):
		return nil, nil, fmt.Errorf("mtls: %q is no node id: letters, digits, \".\", \"_\" and \"-\", at most %d", id, MaxIDBytes)
	case len(hosts) == 0:
		return nil, nil, errors.New("mtls: a node needs a host at which others dial it")
	case now.Add(life).After(a.certificate.NotAfter):
		return nil, nil, fmt.Errorf("mtls: the authority ends at %s, before the certificate would", a.certificate.NotAfter.UTC().Format(time.RFC3339))
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"drawd"}, CommonName: id},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(life), URIs: []*url.URL{idURI(id)},
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("mtls: make the node's key: %w", err)
	}
	return a.sign(template, public, private)
}

// sign returns a certificate of the authority for a key, and the key, in PEM form.
func (a *Authority) sign(template *x509.Certificate, public crypto.PublicKey, private crypto.Signer) (certificate, key []byte, err error) {
	signed, err := x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("mtls: sign a certificate: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("mtls: encode a key: %w", err)
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: signed})
	return certificate, pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: encoded}), nil
}
