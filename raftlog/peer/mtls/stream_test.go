package mtls

import (
	"bufio"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

const patience = 30 * time.Second

// clock is a machine's clock that tests set.
type clock struct {
	mu struct {
		sync.Mutex
		ahead time.Duration
	}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.mu.ahead)
}

func (c *clock) set(ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.ahead = ahead
}

// rig is one authority and a folder for files.
type rig struct {
	t     *testing.T
	dir   string
	ca    *Authority
	caPEM []byte
	clock clock
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir()}
	var err error
	if r.ca, r.caPEM, _, err = NewAuthority(time.Now(), AuthorityLife); err != nil {
		t.Fatal(err)
	}
	r.write("ca.crt", r.caPEM)
	return r
}

func (r *rig) write(name string, content []byte) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// issue writes a node's files.
func (r *rig) issue(ca *Authority, id string, now time.Time, life time.Duration) Files {
	r.t.Helper()
	certificate, key, err := ca.Issue(id, []string{"127.0.0.1"}, now, life)
	if err != nil {
		r.t.Fatal(err)
	}
	return Files{r.write(id+".crt", certificate), r.write(id+".key", key), filepath.Join(r.dir, "ca.crt")}
}

// special issues a certificate that Issue would not.
func (r *rig) special(change func(*x509.Certificate)) Files {
	r.t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "special"}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		URIs: []*url.URL{idURI("special")}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	change(template)
	certificate, key, err := r.ca.sign(template, crypto.PublicKey(public), private)
	if err != nil {
		r.t.Fatal(err)
	}
	return Files{r.write("special.crt", certificate), r.write("special.key", key), filepath.Join(r.dir, "ca.crt")}
}

// node is a stream whose accepted connections answer with the name of whoever connected, and then echo.
type node struct {
	*Stream
	metrics *metrics.Set
	got     chan string // names of peers that Accept gave
}

func (r *rig) listen(f Files, change func(*Options)) *node {
	r.t.Helper()
	n := &node{metrics: metrics.NewSet(), got: make(chan string, 1024)}
	o := Options{Address: "127.0.0.1:0", Files: f, Now: r.clock.now, Logger: slog.New(slog.DiscardHandler), Metrics: n.metrics, ReloadEvery: time.Hour}
	if change != nil {
		change(&o)
	}
	var err error
	if n.Stream, err = Listen(o); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = n.Close() })
	go func() {
		for {
			c, err := n.Accept()
			if err != nil {
				return
			}
			n.got <- c.(*Conn).PeerName()
			go func() {
				defer c.Close()
				_, _ = fmt.Fprintf(c, "hello %s\n", c.(*Conn).PeerName())
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return n
}

// refusals reads the metric.
func (n *node) refusals(why refusal) uint64 { return n.Stream.metrics.refused[why].Get() }

// meets dials and checks that both ends know each other.
func (n *node) meets(t *testing.T, to *node) net.Conn {
	t.Helper()
	c, err := n.Dial(to.Addr().String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || line != "hello "+n.NodeID()+"\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if got := c.(*Conn).PeerName(); got != to.NodeID() {
		t.Fatalf("the other end is %q, want %q", got, to.NodeID())
	}
	if got := <-to.got; got != n.NodeID() {
		t.Fatalf("accepted %q, want %q", got, n.NodeID())
	}
	return c
}

func TestNodesMeet(t *testing.T) {
	r := newRig(t)
	n1 := r.listen(r.issue(r.ca, "n1", time.Now(), NodeLife), nil)
	n2 := r.listen(r.issue(r.ca, "n2", time.Now(), NodeLife), nil)
	n1.meets(t, n2)
	n2.meets(t, n1)
	n1.meets(t, n1)
}

// Rule 19: nothing of a stranger gets as far as Accept. Each row is one kind of stranger; the last line of each is that a
// node of ours still comes in.
func TestStrangers(t *testing.T) {
	r := newRig(t)
	server := r.listen(r.issue(r.ca, "n1", time.Now(), NodeLife), func(o *Options) { o.Handshake = patience })
	hasty := r.listen(r.issue(r.ca, "n0", time.Now(), NodeLife), func(o *Options) { o.Handshake = 100 * time.Millisecond }) // a friend may be too slow for it
	friend := r.listen(r.issue(r.ca, "n2", time.Now(), NodeLife), nil)
	foreign, foreignPEM, _, err := NewAuthority(time.Now(), AuthorityLife)
	if err != nil {
		t.Fatal(err)
	}
	_ = foreignPEM
	withPair := func(f Files) func(net.Conn) error {
		return func(raw net.Conn) error {
			pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
			if err != nil {
				return err
			}
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(r.caPEM)
			return shake(raw, &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13})
		}
	}
	strangers := []struct {
		name string
		why  refusal
		come func(net.Conn) error
	}{
		{"no certificate", refusedCertificate, func(raw net.Conn) error {
			return shake(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
		}},
		{"another authority", refusedCertificate, withPair(r.issue(foreign, "foreign", time.Now(), NodeLife))},
		{"expired", refusedCertificate, withPair(r.issue(r.ca, "expired", time.Now().Add(-48*time.Hour), 24*time.Hour))},
		{"not yet", refusedCertificate, withPair(r.issue(r.ca, "early", time.Now().Add(48*time.Hour), 24*time.Hour))},
		{"for servers only", refusedCertificate, withPair(r.special(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }))},
		{"names no node", refusedCertificate, withPair(r.special(func(c *x509.Certificate) { c.URIs = nil }))},
		{"names two nodes", refusedCertificate, withPair(r.special(func(c *x509.Certificate) { c.URIs = append(c.URIs, idURI("n3")) }))},
		{"plain bytes", refusedProtocol, func(raw net.Conn) error {
			_, err := raw.Write([]byte("\x00\x01\x02\x03 these bytes would be a message of raft, which decodes them without asking who sent them"))
			if err != nil {
				return err
			}
			return drain(raw)
		}},
		{"TLS 1.2", refusedProtocol, func(raw net.Conn) error {
			return shake(raw, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
		}},
		{"says nothing", refusedTimeout, drain},
	}
	for _, s := range strangers {
		t.Run(s.name, func(t *testing.T) {
			server := server
			if s.why == refusedTimeout {
				server = hasty
			}
			before := server.refusals(s.why)
			raw, err := net.Dial("tcp", server.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			if err := raw.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if err := s.come(raw); err == nil {
				t.Fatal("the stranger was let in")
			} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatal("the stranger was not turned away")
			}
			if server != hasty {
				friend.meets(t, server) // by now, in order or not, the stranger was counted or will be
			}
			deadline := time.After(patience)
			for server.refusals(s.why) != before+1 {
				select {
				case <-deadline:
					t.Fatalf("%d refusals of kind %v, want %d", server.refusals(s.why), s.why, before+1)
				case <-time.After(time.Millisecond):
				}
			}
			select {
			case name := <-server.got:
				t.Fatalf("Accept gave %q", name)
			default:
			}
		})
	}
}

// shake does a client's handshake and then reads: in TLS 1.3 a refused certificate is heard of by the first read.
func shake(raw net.Conn, conf *tls.Config) error {
	c := tls.Client(raw, conf)
	if err := c.Handshake(); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 1))
	return err
}

func drain(raw net.Conn) error {
	_, err := io.Copy(io.Discard, raw)
	if err == nil {
		err = io.EOF
	}
	return err
}

// A server that is none of ours is not spoken to, and neither is a node of ours at an address that its certificate does not
// name.
func TestDialKnowsWhom(t *testing.T) {
	r := newRig(t)
	n1 := r.listen(r.issue(r.ca, "n1", time.Now(), NodeLife), nil)
	other := newRig(t)
	foreign := other.listen(other.issue(other.ca, "n2", time.Now(), NodeLife), nil)
	if _, err := n1.Dial(foreign.Addr().String(), patience); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a foreign server: %v", err)
	}
	elsewhere := r.listen(r.special(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 9)} }), nil)
	if _, err := n1.Dial(elsewhere.Addr().String(), patience); err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("a node elsewhere: %v", err)
	}
	clientOnly := r.special(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	if _, err := Listen(Options{Address: "127.0.0.1:0", Files: clientOnly, Now: time.Now}); err == nil || !strings.Contains(err.Error(), "usage") {
		t.Errorf("a certificate for clients only: %v", err)
	}
}

// However many strangers hold their connection open, one of ours comes in, and the strangers' number is bounded.
func TestSlowStrangersHoldNobody(t *testing.T) {
	r := newRig(t)
	const bound = 8
	server := r.listen(r.issue(r.ca, "n1", time.Now(), NodeLife), func(o *Options) { o.MaxPending, o.Handshake = bound, time.Hour })
	friend := r.listen(r.issue(r.ca, "n2", time.Now(), NodeLife), nil)
	const strangers = 5 * bound
	for range strangers {
		raw, err := net.Dial("tcp", server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		if _, err := raw.Write([]byte{22}); err != nil { // the first byte of a handshake
			t.Fatal(err)
		}
	}
	friend.meets(t, server)
	// The friend was accepted after all strangers, so all but the newest are cut by now.
	deadline := time.After(patience)
	for server.refusals(refusedFull) < strangers-bound {
		select {
		case <-deadline:
			t.Fatalf("%d strangers were cut off, want %d", server.refusals(refusedFull), strangers-bound)
		case <-time.After(time.Millisecond):
		}
	}
	server.mu.Lock()
	pending := len(server.mu.pending)
	server.mu.Unlock()
	if pending > bound {
		t.Errorf("%d handshakes are under way, at most %d may be", pending, bound)
	}
}

// A new authority and new certificates come without a restart; what they no longer allow is cut.
func TestRotation(t *testing.T) {
	r := newRig(t)
	f1, f2 := r.issue(r.ca, "n1", time.Now(), NodeLife), r.issue(r.ca, "n2", time.Now(), NodeLife)
	n1, n2 := r.listen(f1, nil), r.listen(f2, func(o *Options) { o.ReloadEvery = 2 * time.Millisecond })
	old := n1.meets(t, n2)
	serial := func() string { return n2.current.Load().pair.Leaf.SerialNumber.String() }
	was := serial()

	next, nextPEM, _, err := NewAuthority(time.Now(), AuthorityLife)
	if err != nil {
		t.Fatal(err)
	}
	r.write("ca.crt", append(append([]byte{}, r.caPEM...), nextPEM...))
	if err := n1.Reload(); err != nil {
		t.Fatal(err)
	}
	r.issue(next, "n2", time.Now(), NodeLife) // n2 sees by itself that its files changed
	deadline := time.After(patience)
	for serial() == was {
		select {
		case <-deadline:
			t.Fatal("the changed files were not read")
		case <-time.After(time.Millisecond):
		}
	}
	n1.meets(t, n2)
	if _, err := old.Write([]byte("still here")); err != nil {
		t.Errorf("a connection under the old certificate, which is still good: %v", err)
	}

	// Without the old authority n1's certificate, and the connection that was made with it, are no longer good.
	r.write("ca.crt", nextPEM)
	if err := n1.Reload(); err == nil || n1.Health() == nil {
		t.Error("n1 took files that do not fit together")
	}
	_ = old.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, old); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error("a connection under an authority that is gone stays open")
	}
	if _, err := n2.Dial(n1.Addr().String(), patience); err == nil {
		t.Error("n2 talks to a node of an authority that is gone")
	}
	r.issue(next, "n1", time.Now(), NodeLife)
	if err := n1.Reload(); err != nil || n1.Health() != nil {
		t.Fatal(err, n1.Health())
	}
	n1.meets(t, n2)
	n2.meets(t, n1)
}

// A connection does not outlive the certificate it was made with.
func TestExpiryCutsConnections(t *testing.T) {
	r := newRig(t)
	n1 := r.listen(r.issue(r.ca, "n1", time.Now(), NodeLife), nil)
	n2 := r.listen(r.issue(r.ca, "n2", time.Now(), time.Hour), nil)
	c := n2.meets(t, n1)
	if n1.Health() != nil || n2.Health() == nil {
		t.Errorf("health: %v and %v", n1.Health(), n2.Health())
	}
	r.clock.set(2 * time.Hour)
	n1.expel()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error("the connection outlived its certificate")
	}
	if _, err := n2.Dial(n1.Addr().String(), patience); err == nil {
		if line, err := bufio.NewReader(c).ReadString('\n'); err == nil {
			t.Errorf("an expired node was let in: %q", line)
		}
	}
}

// Close ends everything: what is half open, what is open, and whoever waits in Accept.
func TestCloseEndsEverything(t *testing.T) {
	r := newRig(t)
	n1, n2 := r.listen(r.issue(r.ca, "n1", time.Now(), NodeLife), nil), r.listen(r.issue(r.ca, "n2", time.Now(), NodeLife), nil)
	c := n1.meets(t, n2)
	half, err := net.Dial("tcp", n2.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	if err := n2.Close(); err != nil {
		t.Error(err)
	}
	for _, conn := range []net.Conn{c, half} {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Error("a connection outlived the stream")
		}
	}
	if _, err := n2.Accept(); err == nil {
		t.Error("Accept after Close")
	}
	if _, err := n2.Dial(n1.Addr().String(), patience); err == nil {
		t.Error("Dial after Close")
	}
}
