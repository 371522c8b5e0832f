package access

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Request is what a plane knows about a request before it looks at what is asked. The slices may alias the plane's
// buffers: nothing here keeps them.
type Request struct {
	Now           time.Time  // the node's clock: expiry and rates are not engine state
	Peer          netip.Addr // of the connection; headers never change it
	Authorization []byte     // the header's value; nil when there is none. A plane refuses two of them itself
	Host          []byte
	Origin        []byte // nil when there is none
	Namespace     []byte // Drawd-Namespace; nil when there is none
	Proxied       bool   // a header for which IsProxyHeader holds is there
}

// Grant is an admitted request's rights.
type Grant struct {
	Namespace *engine.Namespace
	Key       *Key // nil on a node without keys

	gate    *Gate
	settled bool // what is not known now did not exist when the request came
}

// keylessActor names in records whoever asks a node that has no keys.
const keylessActor = "loopback"

// Actor is how the asker is named in records.
func (g *Grant) Actor() string {
	if g.Key == nil {
		return keylessActor
	}
	return g.Key.actor
}

// AllowsCampaign reports whether the asker may touch the campaign; a refusal is [problem.Forbidden].
func (g *Grant) AllowsCampaign(id []byte) bool { return g.Key == nil || g.Key.AllowsCampaign(id) }

// Has reports whether the asker holds any of the scopes.
func (g *Grant) Has(any Scope) bool { return g.Key == nil || g.Key.Scopes&any != 0 }

// ClusterWide reports whether the asker may look beyond namespaces and campaigns: a key of the namespace "default" that is
// not limited to campaigns.
func (g *Grant) ClusterWide() bool {
	return g.Key == nil || g.Key.Namespace == DefaultNamespace && len(g.Key.Campaigns) == 0
}

// Limited reports whether the asker may touch some campaigns only, and so nothing that concerns a whole namespace.
func (g *Grant) Limited() bool { return g.Key != nil && len(g.Key.Campaigns) > 0 }

// Operator reports whether the asker may change the whole cluster: namespaces, the clock, everybody's keys.
func (g *Grant) Operator() bool { return g.Key == nil || g.Key.operator() }

// Refusal is why a request is not admitted. The zero Refusal is none.
type Refusal struct {
	Code       problem.Code
	Missing    Scope // of Forbidden: any of these would do; 0 when the address or the namespace is the reason
	RetryAfter int   // of RateLimited: seconds, 1 to 60

	detail string
}

// Detail tells a person what is missing. It is empty for Unauthenticated: all those answers are the same bytes.
func (r *Refusal) Detail() string {
	switch {
	case r.Missing != 0:
		return "The key does not have the scope " + r.Missing.String() + "."
	case r.Code == problem.RateLimited:
		return "The key's request rate on this node is used up; ask again in " + strconv.Itoa(r.RetryAfter) + " s."
	}
	return r.detail
}

var proxyHeaders = [...]string{"forwarded", "x-real-ip", "via"}

// IsProxyHeader reports whether a request with a header of this name came through a proxy: Forwarded, X-Forwarded-*,
// X-Real-IP or Via, in any case of letters.
func IsProxyHeader(name []byte) bool {
	const forwarded = "x-forwarded-"
	if len(name) >= len(forwarded) && EqualASCII(name[:len(forwarded)], forwarded) {
		return true
	}
	for _, h := range proxyHeaders {
		if EqualASCII(name, h) {
			return true
		}
	}
	return false
}

// EqualASCII compares ASCII without regard to case; lower is in lower case.
func EqualASCII(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// bearer returns the token of an Authorization header with the scheme Bearer.
func bearer(value []byte) ([]byte, bool) {
	const scheme = "bearer"
	if len(value) <= len(scheme) || !EqualASCII(value[:len(scheme)], scheme) || value[len(scheme)] != ' ' {
		return nil, false
	}
	return bytes.Trim(value[len(scheme):], " "), true
}

// direct reports whether the request was sent to a loopback address by a program on this machine, as far as that can be
// seen: no proxy, no page of another origin, no name that somebody else's DNS made point here.
func (r *Request) direct() bool {
	return r.Peer.Unmap().IsLoopback() && !r.Proxied && loopbackHost(r.Host) && SameOrigin(r.Origin, r.Host)
}

// SameOrigin reports whether a request with this Origin (nil when there is none) was made by a page of the host itself.
func SameOrigin(origin, host []byte) bool {
	if origin == nil {
		return true
	}
	rest, ok := bytes.CutPrefix(origin, []byte("http://"))
	if !ok {
		rest, ok = bytes.CutPrefix(origin, []byte("https://"))
	}
	return ok && len(host) > 0 && bytes.EqualFold(rest, host)
}

// loopbackHost reports whether a Host header names this machine: localhost, 127.0.0.0/8 or [::1], with or without a port.
func loopbackHost(host []byte) bool {
	name, port := host, []byte(nil)
	switch end := bytes.IndexByte(host, ']'); {
	case len(host) > 0 && host[0] == '[' && end > 0:
		name, port = host[1:end], host[end+1:]
		if !bytes.Equal(name, []byte("::1")) {
			return false
		}
	default:
		if i := bytes.IndexByte(host, ':'); i >= 0 {
			name, port = host[:i], host[i:]
		}
		if !EqualASCII(name, "localhost") && !loopbackIPv4(name) {
			return false
		}
	}
	return len(port) == 0 || port[0] == ':' && len(bytes.Trim(port[1:], "0123456789")) == 0
}

// loopbackIPv4 reports whether name is a dotted IPv4 address in 127.0.0.0/8. It does not allocate, as netip would.
func loopbackIPv4(name []byte) bool {
	rest, ok := bytes.CutPrefix(name, []byte("127."))
	if !ok {
		return false
	}
	for part := range 3 {
		number := rest // the last part is all that is left: a dot in it is no digit
		if part < 2 {
			if number, rest, ok = bytes.Cut(rest, []byte(".")); !ok {
				return false
			}
		}
		if !octet(number) {
			return false
		}
	}
	return true
}

// octet reports whether b is a number of 0 to 255 without leading zeros.
func octet(b []byte) bool {
	if len(b) == 0 || len(b) > 3 || len(b) > 1 && b[0] == '0' {
		return false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 255
}
