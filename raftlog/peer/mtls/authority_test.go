package mtls

import (
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Files of another node, of a node without authority, or damaged ones are refused with a name.
func TestFilesAreChecked(t *testing.T) {
	r := newRig(t)
	f := r.issue(r.ca, "n1", time.Now(), NodeLife)
	expired := r.issue(r.ca, "old", time.Now().Add(-48*time.Hour), time.Hour)
	ca := Files{r.write("cax.crt", r.caPEM), f.Key, f.Authority}
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"another node's", Options{Files: f, NodeID: "n2"}, `node "n1", this node is "n2"`},
		{"expired", Options{Files: expired}, "expired"},
		{"no file", Options{Files: Files{f.Certificate, f.Key, filepath.Join(r.dir, "nowhere")}}, "nowhere"},
		{"key of another", Options{Files: Files{f.Certificate, expired.Key, f.Authority}}, "private key does not match"},
		{"not a node's", Options{Files: ca}, "cax.crt"},
		{"no authority", Options{Files: Files{f.Certificate, f.Key, f.Key}}, "no certificate in PEM"},
		{"nothing", Options{}, "authority are needed"},
	} {
		c.o.Address, c.o.Now = "127.0.0.1:0", time.Now
		if s, err := Listen(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
			if err == nil {
				_ = s.Close()
			}
		}
	}
}

func TestAuthorityIsChecked(t *testing.T) {
	r := newRig(t)
	_, certificate, key, err := NewAuthority(time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	short, err := ParseAuthority(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseAuthority(r.caPEM, key); err == nil {
		t.Error("a key of another authority was taken")
	}
	if _, err := ParseAuthority([]byte("x"), key); err == nil {
		t.Error("no certificate was taken for one")
	}
	for _, id := range []string{"", "-n", "a b", "a/b", strings.Repeat("n", 64), "ü"} {
		if _, _, err := r.ca.Issue(id, []string{"h"}, time.Now(), time.Hour); err == nil {
			t.Errorf("%q was taken for a node id", id)
		}
	}
	if _, _, err := r.ca.Issue("n1", nil, time.Now(), time.Hour); err == nil {
		t.Error("a node without a host")
	}
	if _, _, err := short.Issue("n1", []string{"h"}, time.Now(), 2*time.Hour); err == nil {
		t.Error("a node may outlive its authority")
	}
	nodePEM, nodeKey, err := r.ca.Issue("n1", []string{"h"}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseAuthority(nodePEM, nodeKey); err == nil {
		t.Error("a node was taken for an authority")
	}
	block, _ := pem.Decode(nodePEM)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil || leaf.URIs[0].String() != "urn:drawd:node:n1" {
		t.Errorf("the certificate names %v: %v", leaf.URIs, err)
	}
}

func TestPlainIsLoopbackOnly(t *testing.T) {
	p, err := ListenPlain("127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := ListenPlain("0.0.0.0:0", "127.0.0.1:7072"); err == nil {
		t.Error("a plain stream beyond loopback")
	}
	r := newRig(t)
	f := r.issue(r.ca, "n1", time.Now(), NodeLife)
	if _, err := Listen(Options{Address: "0.0.0.0:0", Files: f, Now: time.Now}); err == nil {
		t.Error("every address was advertised")
	}
	s, err := Listen(Options{Address: "0.0.0.0:0", Advertise: "n1.example:7072", Files: f, Now: time.Now})
	if err != nil || s.Addr().String() != "n1.example:7072" {
		t.Fatal(err)
	}
	_ = s.Close()
}
