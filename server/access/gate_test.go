package access

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

var (
	start    = time.Date(2026, 11, 11, 2, 0, 0, 0, time.UTC)
	loopback = netip.MustParseAddr("127.0.0.1")
	outside  = netip.MustParseAddr("10.1.2.3")
)

// node is an engine with a gate, as it stands behind both planes.
type node struct {
	t      testing.TB
	engine *engine.Engine
	gate   *Gate
	now    time.Time
}

func newNode(t testing.TB) *node {
	t.Helper()
	e, err := engine.New(engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, engine: e, now: start}
	n.decide(func(b *engine.Batch) {
		b.AddInit(&engine.Init{ClusterID: [16]byte{1}, IDKey: [16]byte{2}, Namespace: engine.NewNamespace{Name: "default", Secret: [16]byte{3}}})
	})
	n.decide(func(b *engine.Batch) { b.AddNamespace(&engine.NewNamespace{Name: "shop", Secret: [16]byte{4}}) })
	if n.gate, err = New(Options{Source: e}); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) decide(fill func(*engine.Batch)) engine.Result {
	n.t.Helper()
	var b engine.Batch
	fill(&b)
	if err := n.engine.Decide(&b, engine.UnixMilli(n.now.UnixMilli())); err != nil {
		n.t.Fatal(err)
	}
	if b.Results[0].Code != problem.OK {
		n.t.Fatalf("refused: %v", b.Results[0].Code)
	}
	return b.Results[0]
}

// addKey stores a key without telling the gate and returns its secret.
func (n *node) addKey(k Key) string {
	n.t.Helper()
	id, secret, hash := NewSecret()
	k.ID, k.Hash, k.CreatedAt = id, hash, n.now
	if k.Namespace == "" {
		k.Namespace = "default"
	}
	n.putDocument(k.Namespace, DocumentPrefix+id, k.Encode())
	return secret
}

func (n *node) putDocument(namespace, name string, body []byte) {
	n.t.Helper()
	ns, _ := n.engine.Namespace(namespace)
	n.decide(func(b *engine.Batch) {
		b.AddDocument(&engine.PutDocument{Namespace: ns.Ref(), Name: name, Body: body, Expect: engine.AnyRevision, Delete: body == nil})
	})
}

// from is a request of a program on this machine, with the secret if there is one.
func (n *node) from(secret string) *Request {
	r := &Request{Now: n.now, Peer: loopback, Host: []byte("127.0.0.1:7070")}
	if secret != "" {
		r.Authorization = []byte("Bearer " + secret)
	}
	return r
}

func (n *node) check(r *Request, need Scope, want problem.Code) (Grant, Refusal) {
	n.t.Helper()
	g, refusal := n.gate.Check(r, need)
	if refusal.Code != want {
		n.t.Errorf("%v (%s), want %v", refusal.Code, refusal.Detail(), want)
	}
	if (refusal.Code == problem.OK) != (g.Namespace != nil) {
		n.t.Errorf("%v with namespace %v", refusal.Code, g.Namespace)
	}
	return g, refusal
}

// TestWithoutKeys: api.md, "Without configured keys only loopback addresses are served".
func TestWithoutKeys(t *testing.T) {
	n := newNode(t)
	rows := []struct {
		name   string
		change func(*Request)
		want   problem.Code
	}{
		{"direct", func(r *Request) {}, problem.OK},
		{"IPv6", func(r *Request) { r.Peer, r.Host = netip.IPv6Loopback(), []byte("[::1]:7070") }, problem.OK},
		{"mapped", func(r *Request) { r.Peer = netip.MustParseAddr("::ffff:127.0.0.1") }, problem.OK},
		{"localhost", func(r *Request) { r.Host = []byte("LocalHost:7070") }, problem.OK},
		{"no port", func(r *Request) { r.Host = []byte("127.8.9.1") }, problem.OK},
		{"own page", func(r *Request) { r.Origin = []byte("http://127.0.0.1:7070") }, problem.OK},
		{"from outside", func(r *Request) { r.Peer = outside }, problem.ProxyWithoutKeys},
		{"no address", func(r *Request) { r.Peer = netip.Addr{} }, problem.ProxyWithoutKeys},
		{"proxied", func(r *Request) { r.Proxied = true }, problem.ProxyWithoutKeys},
		{"no host", func(r *Request) { r.Host = nil }, problem.ProxyWithoutKeys},
		{"a name that was made point here", func(r *Request) { r.Host = []byte("evil.example:7070") }, problem.ProxyWithoutKeys},
		{"an address in a name", func(r *Request) { r.Host = []byte("127.0.0.1.evil.example") }, problem.ProxyWithoutKeys},
		{"an address of another net", func(r *Request) { r.Host = []byte("128.0.0.1") }, problem.ProxyWithoutKeys},
		{"another IPv6 host", func(r *Request) { r.Host = []byte("[::2]:7070") }, problem.ProxyWithoutKeys},
		{"an octet too many", func(r *Request) { r.Host = []byte("127.0.0.0.1") }, problem.ProxyWithoutKeys},
		{"an octet too few", func(r *Request) { r.Host = []byte("127.0.1") }, problem.ProxyWithoutKeys},
		{"an octet too large", func(r *Request) { r.Host = []byte("127.0.0.256") }, problem.ProxyWithoutKeys},
		{"an octal octet", func(r *Request) { r.Host = []byte("127.0.0.01") }, problem.ProxyWithoutKeys},
		{"a dot at the end", func(r *Request) { r.Host = []byte("127.0.0.1.") }, problem.ProxyWithoutKeys},
		{"a bad port", func(r *Request) { r.Host = []byte("localhost:70x") }, problem.ProxyWithoutKeys},
		{"user info in the host", func(r *Request) { r.Host = []byte("127.0.0.1@evil.example") }, problem.ProxyWithoutKeys},
		{"a foreign page", func(r *Request) { r.Origin = []byte("https://evil.example") }, problem.ProxyWithoutKeys},
		{"another port's page", func(r *Request) { r.Origin = []byte("http://127.0.0.1:9000") }, problem.ProxyWithoutKeys},
		{"a sandboxed page", func(r *Request) { r.Origin = []byte("null") }, problem.ProxyWithoutKeys},
		{"an empty origin", func(r *Request) { r.Origin = []byte("") }, problem.ProxyWithoutKeys},
		{"a key that does not exist", func(r *Request) { r.Authorization = []byte("Bearer dk_x") }, problem.Unauthenticated},
		{"a namespace", func(r *Request) { r.Namespace = []byte("shop") }, problem.OK},
		{"no such namespace", func(r *Request) { r.Namespace = []byte("none") }, problem.NamespaceNotFound},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			n.t = t
			r := n.from("")
			row.change(r)
			g, _ := n.check(r, ScopeAdmin, row.want)
			if row.want == problem.OK && (g.Actor() != "loopback" || !g.Operator() || !g.Has(ScopeDraw) || !g.AllowsCampaign([]byte("x"))) {
				t.Error("a direct request may do everything")
			}
		})
	}
}

func TestIsProxyHeader(t *testing.T) {
	for _, name := range strings.Fields("Forwarded X-Forwarded-For x-forwarded-proto X-FORWARDED-HOST X-Forwarded- X-Real-Ip via VIA") {
		if !IsProxyHeader([]byte(name)) {
			t.Errorf("%s is a proxy's", name)
		}
	}
	for _, name := range strings.Fields("Host X-Forwarded Viae Content-Type X-Real-IPx Forwarde") {
		if IsProxyHeader([]byte(name)) {
			t.Errorf("%s is no proxy's", name)
		}
	}
}

// TestScopes is the whole matrix of keys by needs.
func TestScopes(t *testing.T) {
	n := newNode(t)
	all := []Scope{ScopeDraw, ScopeChances, ScopeStock, ScopeRead, ScopeAdmin}
	for _, has := range append(all, ScopeDraw|ScopeRead) {
		secret := n.addKey(Key{Name: has.String(), Scopes: has})
		n.gate.Refresh()
		for _, need := range append(all, ScopeRead|ScopeAdmin, 0) {
			want := problem.OK
			if need != 0 && has&need == 0 {
				want = problem.Forbidden
			}
			t.Run(fmt.Sprintf("%v for %v", has, need), func(t *testing.T) {
				n.t = t
				_, refusal := n.check(n.from(secret), need, want)
				if want == problem.Forbidden && !strings.Contains(refusal.Detail(), need.String()) {
					t.Errorf("%q does not name the scope", refusal.Detail())
				}
			})
		}
	}
}

// TestUnauthenticated: everything that is not a valid key is refused alike.
func TestUnauthenticated(t *testing.T) {
	n := newNode(t)
	secret := n.addKey(Key{Name: "a", Scopes: ScopeDraw, ExpiresAt: start.Add(time.Hour)})
	n.gate.Refresh()
	for name, value := range map[string]string{
		"none":             "",
		"empty":            "Bearer ",
		"no scheme":        secret,
		"another scheme":   "Basic " + secret,
		"no space":         "Bearer" + secret,
		"one letter off":   "Bearer " + secret[:len(secret)-1] + "!",
		"a letter more":    "Bearer " + secret + "a",
		"a letter less":    "Bearer " + secret[:len(secret)-1],
		"upper case":       "Bearer " + strings.ToUpper(secret),
		"the stored hash":  "Bearer " + fmt.Sprintf("%x", sha256.Sum256([]byte(secret))),
		"two, with commas": "Bearer " + secret + ", Bearer " + secret,
	} {
		t.Run(name, func(t *testing.T) {
			n.t = t
			r := n.from("")
			if value != "" {
				r.Authorization = []byte(value)
			}
			if _, refusal := n.check(r, ScopeDraw, problem.Unauthenticated); refusal != (Refusal{Code: problem.Unauthenticated}) {
				t.Errorf("says more than that: %+v", refusal)
			}
		})
	}
	n.t = t
	n.check(n.from(secret), ScopeDraw, problem.OK)
	r := n.from("")
	r.Authorization = []byte("bearer  " + secret)
	n.check(r, ScopeDraw, problem.OK)
	n.now = start.Add(time.Hour)
	n.check(n.from(secret), ScopeDraw, problem.Unauthenticated)
}

func TestAddresses(t *testing.T) {
	n := newNode(t)
	secret := n.addKey(Key{Name: "a", Scopes: ScopeDraw, CIDR: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}})
	n.gate.Refresh()
	for peer, want := range map[string]problem.Code{
		"10.1.2.3":        problem.OK,
		"::ffff:10.1.2.3": problem.OK,
		"fd12::1":         problem.OK,
		"11.0.0.1":        problem.Forbidden,
		"127.0.0.1":       problem.Forbidden,
		"fe80::1%eth0":    problem.Forbidden,
	} {
		r := n.from(secret)
		r.Peer = netip.MustParseAddr(peer)
		n.check(r, ScopeDraw, want)
	}
}

func TestNamespaces(t *testing.T) {
	n := newNode(t)
	operator := n.addKey(Key{Name: "operator", Scopes: ScopeAdmin})
	front := n.addKey(Key{Name: "front", Scopes: ScopeDraw})
	tenant := n.addKey(Key{Name: "tenant", Scopes: ScopeAdmin | ScopeDraw, Namespace: "shop"})
	n.gate.Refresh()
	for _, row := range []struct {
		secret, choice, namespace string
		want                      problem.Code
	}{
		{operator, "", "default", problem.OK},
		{operator, "default", "default", problem.OK},
		{operator, "shop", "shop", problem.OK},
		{operator, "none", "", problem.NamespaceNotFound},
		{front, "default", "default", problem.OK},
		{front, "shop", "", problem.Forbidden},
		{tenant, "", "shop", problem.OK},
		{tenant, "shop", "shop", problem.OK},
		{tenant, "default", "", problem.Forbidden},
		{tenant, "none", "", problem.Forbidden},
	} {
		r := n.from(row.secret)
		if row.choice != "" {
			r.Namespace = []byte(row.choice)
		}
		g, _ := n.check(r, 0, row.want)
		if g.Namespace != nil && g.Namespace.Name() != row.namespace {
			t.Errorf("%q acts in %q, want %q", row.choice, g.Namespace.Name(), row.namespace)
		}
		if g.Namespace != nil && g.Operator() != (row.secret == operator) {
			t.Errorf("key %s: operator %v", g.Key.Name, g.Operator())
		}
	}
}

func TestCampaigns(t *testing.T) {
	n := newNode(t)
	secret := n.addKey(Key{Name: "a", Scopes: ScopeDraw, Campaigns: []string{"flash", "wheel"}})
	n.gate.Refresh()
	g, _ := n.check(n.from(secret), ScopeDraw, problem.OK)
	for id, want := range map[string]bool{"flash": true, "wheel": true, "flas": false, "flash2": false, "": false} {
		if g.AllowsCampaign([]byte(id)) != want {
			t.Errorf("campaign %q: %v", id, !want)
		}
	}
	prefix := Key{Campaigns: []string{"wheel", "bench-*"}}
	for id, want := range map[string]bool{"bench-": true, "bench-flash-1": true, "bench": false, "abench-x": false, "wheel": true, "wheel2": false, "bench*": false, "": false} {
		if prefix.AllowsCampaign([]byte(id)) != want {
			t.Errorf("campaign %q by its beginning: %v", id, !want)
		}
	}
	for text, want := range map[string]bool{"flash": true, "bench-*": true, "*": false, "": false, "a**": false, "*a": false, "a*b": false, "B*": false} {
		if ValidCampaign(text) != want {
			t.Errorf("%q among a key's campaigns: %v", text, !want)
		}
	}
	if want := "key:" + g.Key.ID; g.Actor() != want {
		t.Errorf("actor %q, want %q", g.Actor(), want)
	}
}

// TestStrands: no step may leave keys of which none can change keys.
func TestStrands(t *testing.T) {
	n := newNode(t)
	operator := Key{Namespace: "default", Scopes: ScopeAdmin}
	for name, k := range map[string]Key{
		"draws only":           {Namespace: "default", Scopes: ScopeDraw},
		"of another namespace": {Namespace: "shop", Scopes: ScopeAdmin},
		"limited to campaigns": {Namespace: "default", Scopes: ScopeAdmin, Campaigns: []string{"flash"}},
		"expired":              {Namespace: "default", Scopes: ScopeAdmin, ExpiresAt: start},
	} {
		if !n.gate.Strands(&k, true, start) {
			t.Errorf("the first key may not be one that %s", name)
		}
	}
	if n.gate.Strands(&operator, true, start) {
		t.Error("the first key may be an operator's")
	}
	secret := n.addKey(operator)
	n.gate.Refresh()
	first, _ := n.check(n.from(secret), ScopeAdmin, problem.OK)
	if n.gate.Strands(first.Key, false, start) {
		t.Error("the only key may go: the node is without keys again")
	}
	n.addKey(Key{Scopes: ScopeDraw})
	n.gate.Refresh()
	if !n.gate.Strands(first.Key, false, start) {
		t.Error("the last operator's key may not go while others are there")
	}
	n.addKey(operator)
	n.gate.Refresh()
	if n.gate.Strands(first.Key, false, start) {
		t.Error("another operator's key is there")
	}
}
