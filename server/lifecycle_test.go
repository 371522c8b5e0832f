package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/internal/freeport"
	"github.com/drawd/drawd/server/control"
	"github.com/drawd/drawd/storage"
)

// listenError starts a node that must not come to listen, and returns why.
func listenError(t *testing.T, change func(*Options)) string {
	t.Helper()
	n := startNode(t, storage.NewCrashFS(), nil)
	defer n.stop()
	o := n.server.options
	o.Metrics = nil // of its own: this is another server
	change(&o)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err = s.Listen(); err == nil {
		_ = s.listeners.data.Close()
		_ = s.listeners.control.Close()
		return ""
	}
	// What could be opened is closed again.
	if s.listeners.data != nil || s.listeners.control != nil {
		t.Error("half open")
	}
	return err.Error()
}

// TestBusyPort: the message names the flag to turn, and the other listener is not left open.
func TestBusyPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := taken.Addr().String()
	free := freeAddress(t)
	for _, row := range []struct{ api, admin, flag string }{{busy, free, "--api"}, {free, busy, "--admin"}} {
		got := listenError(t, func(o *Options) { o.API, o.Admin = row.api, row.admin })
		if !strings.Contains(got, row.flag+" ADDR") || !strings.Contains(got, busy) {
			t.Errorf("got %q, want %s and the address", got, row.flag)
		}
		again, err := net.Listen("tcp", free)
		if err != nil {
			t.Errorf("the other listener was left open: %v", err)
			continue
		}
		_ = again.Close()
	}
	if got := listenError(t, func(o *Options) { o.API, o.Admin = "nonsense", "127.0.0.1:0" }); !strings.Contains(got, "--api") {
		t.Errorf("got %q", got)
	}
}

// freeAddress returns an address that nobody gets while the test runs but who names it.
func freeAddress(t *testing.T) string {
	t.Helper()
	ports, err := freeport.Claim()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ports.Close() })
	free, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return free
}

// TestBeyondLoopback: other machines are served with keys and TLS only, unless somebody says otherwise; the message names
// what is missing and how to get it.
func TestBeyondLoopback(t *testing.T) {
	cert, key := certificate(t)
	withKey := func(o *Options) {
		var b engine.Batch
		ns, _ := o.Engine.Namespace("default")
		b.AddDocument(&engine.PutDocument{Namespace: ns.Ref(), Name: "key/0123456789abcdef", Body: []byte(`{"format":1,"name":"a","scopes":["admin"],"created_ms":1,"sha256":"` + strings.Repeat("00", 32) + `"}`)})
		if err := o.Decider.Decide(&b); err != nil {
			t.Error(err)
		}
	}
	withTLS := func(o *Options) { o.TLSCert, o.TLSKey = cert, key }
	insecure := func(o *Options) { o.Insecure = true }
	for _, row := range []struct {
		name    string
		changes []func(*Options)
		want    []string
		not     string
	}{
		{"nothing", nil, []string{"--api", "drawd key create", "--tls-cert", "--insecure"}, ""},
		{"keys only", []func(*Options){withKey}, []string{"--tls-cert", "--tls-key"}, "drawd key create"},
		{"TLS only", []func(*Options){withTLS}, []string{"drawd key create"}, "--tls-cert"},
		{"both", []func(*Options){withKey, withTLS}, nil, ""},
		{"insecure", []func(*Options){insecure}, nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := listenError(t, func(o *Options) {
				o.API, o.Admin = "0.0.0.0:0", "127.0.0.1:0"
				for _, change := range row.changes {
					change(o)
				}
			})
			if (got == "") != (row.want == nil) {
				t.Fatalf("got %q", got)
			}
			for _, part := range row.want {
				if !strings.Contains(got, part) {
					t.Errorf("%q does not name %s", got, part)
				}
			}
			if row.not != "" && strings.Contains(got, row.not) {
				t.Errorf("%q asks for what is there", got)
			}
		})
	}
	if got := listenError(t, func(o *Options) { o.API, o.Admin = "127.0.0.1:0", ":0" }); !strings.Contains(got, "--admin :0") {
		t.Errorf("the control plane: %q", got)
	}
}

// certificate writes a certificate for 127.0.0.1 and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "drawd test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestTLS: with a certificate both planes speak TLS, HTTP/1.1, and nothing else.
func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	n := startNode(t, storage.NewCrashFS(), func(o *Options) { o.TLSCert, o.TLSKey = cert, key })
	defer n.stop()
	for _, addr := range []string{n.server.API().String(), n.server.Admin().String()} {
		n.want(200, "GET", "https://"+addr+"/livez", "")
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		if p := conn.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
			t.Errorf("%s speaks %q", addr, p)
		}
		_ = conn.Close()
		if resp, err := http.Get("http://" + addr + "/livez"); err == nil && resp.StatusCode == 200 {
			t.Errorf("%s answers in the clear", addr)
		}
		old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
		if conn, err := tls.Dial("tcp", addr, old); err == nil {
			_ = conn.Close()
			t.Errorf("%s takes TLS 1.1", addr)
		}
	}
	if _, err := New(Options{TLSCert: cert}); err == nil || !strings.Contains(err.Error(), "--tls-key") {
		t.Errorf("half a pair: %v", err)
	}
	o := n.server.options
	o.Metrics, o.TLSCert, o.TLSKey = nil, key, cert
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "--tls-cert") {
		t.Errorf("a wrong pair: %v", err)
	}
}

// scanned are records that tell when somebody reads them.
type scanned struct {
	records
	begun chan struct{}
}

type records = control.Records

func (s scanned) Scan(index uint64, ordinal uint16, fn func(uint64, []byte, uint16, []byte) bool) error {
	select {
	case s.begun <- struct{}{}:
	default:
	}
	return s.records.Scan(index, ordinal, fn)
}

// TestShutdown: readiness goes first, then the data plane, then the control plane; a long poll is not waited for.
func TestShutdown(t *testing.T) {
	scans := make(chan struct{}, 1)
	n := startNode(t, storage.NewCrashFS(), func(o *Options) {
		o.DrainDelay, o.Records = 300*time.Millisecond, scanned{o.Records, scans}
		o.API, o.Admin = freeAddress(t), freeAddress(t) // which nobody else gets: whether they are closed is asked below
	})
	draining, goOn := make(chan time.Duration, 1), make(chan struct{})
	n.server.pause = func(_ context.Context, d time.Duration) { // for as long as the test takes
		draining <- d
		<-goOn
	}
	feed, _ := n.want(200, "GET", n.admin("/admin/v1/records"), "")
	<-scans
	polled := make(chan int, 1)
	go func() {
		status, _, _ := n.do("GET", n.admin("/admin/v1/records?wait_ms=10000&since="+feed["next_cursor"].(string)), "")
		polled <- status
	}()
	<-scans
	began := time.Now()
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		ended <- n.server.Shutdown(ctx)
	}()
	if d := <-draining; d != n.server.options.DrainDelay {
		t.Errorf("it waits for %v", d)
	}
	for _, url := range []string{n.api("/readyz"), n.admin("/readyz")} {
		if got, _ := n.want(503, "GET", url, ""); !strings.Contains(got["detail"].(string), "shutting down") {
			t.Errorf("%s: %v", url, got)
		}
	}
	n.want(200, "GET", n.api("/livez"), "") // still served while load balancers look elsewhere
	close(goOn)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := <-n.served; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("took %v: the long poll was waited for", took)
	}
	if status := <-polled; status != 200 {
		t.Errorf("the long poll was answered with %d", status)
	}
	for _, addr := range []string{n.server.API().String(), n.server.Admin().String()} {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			t.Errorf("%s still listens", addr)
		}
	}
	n.close()
}

// TestOnePlaneFails: when one plane cannot go on, Serve ends and says which.
func TestOnePlaneFails(t *testing.T) {
	for _, which := range []string{"data", "control"} {
		n := startNode(t, storage.NewCrashFS(), nil)
		n.want(200, "GET", n.api("/livez"), "")
		n.want(200, "GET", n.admin("/livez"), "")
		if which == "data" {
			_ = n.server.listeners.data.Close()
		} else {
			_ = n.server.listeners.control.Close()
		}
		if err := <-n.served; err == nil {
			t.Errorf("the %s plane's listener is gone, and Serve returns nil", which)
		}
		n.close()
	}
}

func TestOptionsValidate(t *testing.T) {
	_, err := New(Options{TLSKey: "x", DrainDelay: -1})
	for _, part := range []string{"Engine", "Decider", "Records", "Node", "--tls-cert", "DrainDelay"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not named in %v", part, err)
		}
	}
}
