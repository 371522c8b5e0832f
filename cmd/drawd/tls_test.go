package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate writes a certificate for loopback that signs itself, and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	secretDER, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: der}, "tls.key": {Type: "PRIVATE KEY", Bytes: secretDER}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
}

// Both planes speak TLS, and clients believe only whom they are told to.
func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	d := start(t, filepath.Join(t.TempDir(), "data"), "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(d.api, "https://") {
		t.Fatalf("the data plane is at %s", d.api)
	}
	d.client(0, "campaign", "publish", "-f", flashSale, "--ca-cert", cert)
	out, _ := d.client(0, "draw", "flash-sale", "--user", "u1", "--ca-cert", cert)
	want(t, out, "u1: wins phone")
	load := drawd("bench", "steady", "--url", d.api, "--admin-url", d.admin, "--ca-cert", cert, "--rate", "300", "--users", "100", "--duration", "1s",
		"--connections", "16", "--min-logged", "100")
	said, err := load.CombinedOutput()
	if err != nil && load.ProcessState.ExitCode() != exitThreshold { // a busy machine's generator lags
		t.Error(err)
	}
	want(t, string(said), "VERDICT   right")
	_, untrusted := ends(t, drawd("bench", "steady", "--url", d.api, "--admin-url", d.admin, "--rate", "300", "--duration", "1s"), exitFailed)
	want(t, untrusted, "certificate")
	_, refused := d.client(exitUnavailable, "cluster", "status")
	want(t, refused, "certificate")
	if answer, err := http.Get(strings.Replace(d.api, "https", "http", 1) + "/livez"); err == nil {
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			t.Error("plain HTTP is answered")
		}
	}
	_, refused = d.client(exitUsage, "cluster", "status", "--ca-cert", key)
	want(t, refused, "holds no certificate")
}
