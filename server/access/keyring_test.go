package access

import (
	"bytes"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/drawd/drawd/engine/problem"
)

// TestChangesArrive: a change made elsewhere holds within RefreshEvery, one made here at once, and a new gate (a restart)
// knows all keys.
func TestChangesArrive(t *testing.T) {
	n := newNode(t)
	n.check(n.from(""), ScopeDraw, problem.OK)
	secret := n.addKey(Key{Name: "a", Scopes: ScopeDraw})
	n.check(n.from(""), ScopeDraw, problem.OK) // nobody looked yet
	n.now = n.now.Add(DefaultRefreshEvery)
	n.check(n.from(""), ScopeDraw, problem.Unauthenticated)
	n.check(n.from(secret), ScopeDraw, problem.OK)
	if !n.gate.HasKeys() {
		t.Error("HasKeys")
	}

	g, _ := n.check(n.from(secret), ScopeDraw, problem.OK)
	n.putDocument("default", DocumentPrefix+g.Key.ID, nil)
	n.gate.Refresh()
	n.check(n.from(secret), ScopeDraw, problem.Unauthenticated)
	n.check(n.from(""), ScopeDraw, problem.OK)

	again := n.addKey(Key{Name: "b", Scopes: ScopeDraw})
	restarted, err := New(Options{Source: n.engine})
	if err != nil {
		t.Fatal(err)
	}
	n.gate = restarted
	n.check(n.from(again), ScopeDraw, problem.OK)
}

// TestClockSetBackDoesNotHideChanges: looks go on when the clock goes back.
func TestClockSetBackDoesNotHideChanges(t *testing.T) {
	n := newNode(t)
	n.now = start.Add(time.Hour)
	n.check(n.from(""), ScopeDraw, problem.OK)
	n.now = start
	n.addKey(Key{Name: "a", Scopes: ScopeDraw})
	n.check(n.from(""), ScopeDraw, problem.Unauthenticated)
}

// TestUnreadableKey: a key of a newer release is refused and still counts as configured, so that the node does not fall
// open; it is logged once.
func TestUnreadableKey(t *testing.T) {
	n := newNode(t)
	var log bytes.Buffer
	n.gate.logger = slog.New(slog.NewTextHandler(&log, nil))
	n.putDocument("default", DocumentPrefix+"00000000000000ff", []byte(`{"format":2,"scopes":["draw"]}`))
	n.gate.Refresh()
	n.putDocument("default", "draft/x", []byte("x"))
	n.gate.Refresh()
	n.check(n.from(""), ScopeDraw, problem.Unauthenticated)
	if got := strings.Count(log.String(), "format 2"); got != 1 {
		t.Errorf("logged %d times:\n%s", got, log.String())
	}
}

func TestKeyCodec(t *testing.T) {
	id, secret, hash := NewSecret()
	if !ParseKeyID(id) || ParseKeyID(id+"0") || ParseKeyID(strings.ToUpper("abcdef0123456789")) {
		t.Errorf("id %q", id)
	}
	if len(secret) != secretBytes || !strings.HasPrefix(secret, "dk_") {
		t.Errorf("secret of %d bytes", len(secret))
	}
	in := &Key{
		ID: id, Namespace: "shop", Name: "front ☃", Person: "ann@example.com", Scopes: ScopeDraw | ScopeRead, Campaigns: []string{"a", "b"},
		CIDR: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, ExpiresAt: start, CreatedAt: start.Add(-time.Hour),
		Rate: Rate{PerSecond: 5, Burst: 9}, Hash: hash, actor: "key:" + id,
	}
	body := in.Encode()
	if bytes.Contains(body, []byte(secret)) || bytes.Contains(body, []byte(secret[3:])) {
		t.Error("the document holds the secret")
	}
	out, err := DecodeKey("shop", id, body)
	if err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("got %+v, %v\nwant %+v", out, err, in)
	}
}

// TestStoredForm is the golden document: it is on disk, so its names and format number stay.
func TestStoredForm(t *testing.T) {
	const golden = `{"format":1,"name":"front","scopes":["draw","read"],"campaigns":["flash"],"cidr":["10.0.0.0/8"],"expires_ms":1794276000000,"created_ms":1794272400000,"rate":{"per_second":5,"burst":9},"sha256":"0102000000000000000000000000000000000000000000000000000000000000"}`
	k, err := DecodeKey("default", "0123456789abcdef", []byte(golden))
	if err != nil {
		t.Fatal(err)
	}
	if k.Name != "front" || k.Scopes != ScopeDraw|ScopeRead || k.Campaigns[0] != "flash" || k.CIDR[0].String() != "10.0.0.0/8" ||
		k.ExpiresAt.UnixMilli() != 1794276000000 || k.CreatedAt.UnixMilli() != 1794272400000 || k.Rate != (Rate{5, 9}) || k.Hash[1] != 2 {
		t.Errorf("got %+v", k)
	}
	if got := string(k.Encode()); got != golden {
		t.Errorf("got  %s\nwant %s", got, golden)
	}
}

func TestDecodeKeyRefuses(t *testing.T) {
	for _, body := range []string{``, `null`, `{}`, `{"format":1}`, `{"format":1,"sha256":"00"}`,
		`{"format":1,"scopes":["root"],"sha256":"` + strings.Repeat("00", 32) + `"}`,
		`{"format":1,"cidr":["10"],"sha256":"` + strings.Repeat("00", 32) + `"}`,
		`{"format":1,"sha256":"` + strings.Repeat("00", 33) + `"}`,
	} {
		if k, err := DecodeKey("default", "0123456789abcdef", []byte(body)); err == nil {
			t.Errorf("%s: %+v", body, k)
		}
	}
}

func FuzzDecodeKey(f *testing.F) {
	f.Add([]byte(`{"format":1,"name":"a","scopes":["draw"],"cidr":["::/0"],"rate":{"per_second":1},"sha256":"` + strings.Repeat("0a", 32) + `"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		k, err := DecodeKey("default", "0123456789abcdef", body)
		if err != nil {
			return
		}
		again, err := DecodeKey("default", "0123456789abcdef", k.Encode())
		if err != nil || !reflect.DeepEqual(k, again) {
			t.Errorf("%s\n%+v\n%+v %v", body, k, again, err)
		}
	})
}

func TestOptionsValidate(t *testing.T) {
	_, err := New(Options{RefreshEvery: -1})
	if err == nil || !strings.Contains(err.Error(), "Source") || !strings.Contains(err.Error(), "RefreshEvery") {
		t.Errorf("got %v, want both faults", err)
	}
}

// TestCheckAllocatesNothing: it stands before every draw.
func TestCheckAllocatesNothing(t *testing.T) {
	n := newNode(t)
	measure := func(name string, r *Request) {
		t.Helper()
		if allocs := testing.AllocsPerRun(1000, func() {
			r.Now = r.Now.Add(time.Microsecond)
			if _, refusal := n.gate.Check(r, ScopeDraw); refusal.Code != problem.OK {
				t.Fatal(refusal.Code)
			}
		}); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
	measure("without keys", n.from(""))
	secret := n.addKey(Key{Name: "a", Scopes: ScopeDraw, Rate: Rate{PerSecond: MaxRatePerSecond}, Campaigns: []string{"flash"}, CIDR: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	n.gate.Refresh()
	measure("with a key", n.from(secret))
}
