package ticket

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/drawd/drawd/engine"
)

// Bounds of a ticket.
const (
	MaxBytes      = 2048
	MaxAttributes = 16
	MaxValueBytes = 128            // of one value, decoded; an attribute's text is bounded by the engine
	MaxLifetime   = 31 * 24 * 3600 // seconds from NotBefore to ExpiresAt
	maxSeconds    = 1 << 34        // of a time: the year 2514
	prefix        = "dt1."         // the version of the form
	keyBytes      = 16             // of a key's id, in hex
	macBytes      = (256 + 5) / 6  // of the signature, in base64url
	blockBytes    = 64             // of SHA-256
	leastBytes    = len(prefix) + keyBytes + 1 + 1 + macBytes
)

// Reason is what is wrong with a ticket. Reasons tell nothing that helps to make one.
type Reason uint8

// The reasons. An unknown key and a wrong signature are one.
const (
	OK Reason = iota
	Malformed
	Unsigned
)

// String returns the wire name of r.
func (r Reason) String() string { return [...]string{"", "malformed", "signature"}[r] }

// Attribute is one fact that a ticket tells. Its value is text until somebody knows its type.
type Attribute struct{ Name, Value []byte }

// Ticket is a ticket taken apart. Its slices alias what it was parsed from.
type Ticket struct {
	Key       uint64
	Campaign  []byte
	User      []byte
	Nonce     []byte // the idempotency key of the draw
	NotBefore int64  // Unix seconds
	ExpiresAt int64
	Channel   []byte // where he may draw; nil where the ticket does not say
	Times     uint8  // how many sub-draws the ticket is good for; 1 when it does not say

	Attributes [MaxAttributes]Attribute
	Count      int // of Attributes

	signed, mac []byte
	fields      []byte
}

// Open reads the outer form: whose signature it claims to be. Nothing else of t may be used before Read.
func (t *Ticket) Open(text []byte) Reason {
	if len(text) < leastBytes || len(text) > MaxBytes || string(text[:len(prefix)]) != prefix || text[len(prefix)+keyBytes] != '.' {
		return Malformed
	}
	id, ok := parseID(text[len(prefix) : len(prefix)+keyBytes])
	dot := len(text) - macBytes - 1
	if !ok || text[dot] != '.' {
		return Malformed
	}
	t.Key, t.signed, t.mac, t.fields = id, text[:dot], text[dot+1:], text[len(prefix)+keyBytes+1:dot]
	return OK
}

// parseID reads a key's id: 16 lower-case hex digits, not all zero.
func parseID(text []byte) (id uint64, ok bool) {
	for _, c := range text {
		switch {
		case '0' <= c && c <= '9':
			id = id<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			id = id<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return id, id != 0
}

// FormatID returns a key's id as it is written.
func FormatID(id uint64) string { return fmt.Sprintf("%016x", id) }

// ParseID reads a key's id.
func ParseID(s string) (uint64, bool) {
	if len(s) != keyBytes {
		return 0, false
	}
	return parseID([]byte(s))
}

// Secret is a key's secret, ready to sign. The zero Secret signs nothing that anybody would check.
type Secret struct{ inner, outer [blockBytes]byte }

// NewSecret makes a Secret of the text that an issuer was given: its bytes are the key of HMAC.
func NewSecret(text string) Secret {
	key := []byte(text)
	if len(key) > blockBytes {
		sum := sha256.Sum256(key)
		key = sum[:]
	}
	var s Secret
	copy(s.inner[:], key)
	copy(s.outer[:], key)
	for i := range s.inner {
		s.inner[i] ^= 0x36
		s.outer[i] ^= 0x5c
	}
	return s
}

// sum is HMAC-SHA-256. It allocates nothing: hmac.New would, for every ticket.
func (s *Secret) sum(message []byte) [sha256.Size]byte {
	var buf [blockBytes + MaxBytes]byte
	n := copy(buf[:], s.inner[:])
	n += copy(buf[n:], message)
	inner := sha256.Sum256(buf[:n])
	var last [blockBytes + sha256.Size]byte
	copy(last[:], s.outer[:])
	copy(last[blockBytes:], inner[:])
	return sha256.Sum256(last[:])
}

// Signed reports whether an opened ticket bears the signature of s. It takes as long whatever differs.
func (t *Ticket) Signed(s *Secret) bool {
	sum := s.sum(t.signed)
	var want [macBytes]byte
	base64.RawURLEncoding.Encode(want[:], sum[:])
	return subtle.ConstantTimeCompare(want[:], t.mac) == 1
}

// Read reads the fields of an opened ticket whose signature was checked. Decoded values are appended to arena, which is
// returned; it should have room for MaxBytes, or the ticket keeps what it grew out of.
func (t *Ticket) Read(arena []byte) ([]byte, Reason) {
	t.Channel = nil
	t.Campaign, t.User, t.Nonce, t.NotBefore, t.ExpiresAt, t.Times, t.Count = nil, nil, nil, 0, 0, 1, 0
	var seen [7]bool
	rest := t.fields
	for len(rest) > 0 {
		var pair []byte
		pair, rest = cut(rest, '&')
		name, value := cut(pair, '=')
		if len(name) == len(pair) {
			return arena, Malformed // no "="
		}
		start := len(arena)
		var ok bool
		if arena, ok = decode(arena, value); !ok || len(arena)-start > MaxValueBytes {
			return arena, Malformed
		}
		if !t.set(name, arena[start:len(arena):len(arena)], &seen) {
			return arena, Malformed
		}
	}
	if len(t.fields) == 0 || t.fields[len(t.fields)-1] == '&' || !seen[0] || !seen[1] || !seen[2] || !seen[3] || !seen[4] ||
		t.NotBefore >= t.ExpiresAt || t.ExpiresAt-t.NotBefore > MaxLifetime {
		return arena, Malformed
	}
	return arena, OK
}

// set takes one field.
func (t *Ticket) set(name, value []byte, seen *[7]bool) (ok bool) {
	which := -1
	switch string(name) {
	case "campaign":
		t.Campaign, which, ok = value, 0, len(value) > 0
	case "user":
		t.User, which, ok = value, 1, len(value) > 0
	case "nonce":
		t.Nonce, which, ok = value, 2, len(value) > 0 && len(value) <= 64 && visible(value)
	case "not_before":
		t.NotBefore, ok = number(value, maxSeconds)
		which = 3
	case "expires_at":
		t.ExpiresAt, ok = number(value, maxSeconds)
		which = 4
	case "times":
		var n int64
		n, ok = number(value, 10)
		t.Times, which, ok = uint8(n), 5, ok && n > 0
	case "channel":
		t.Channel, which, ok = value, 6, len(value) > 0 && len(value) <= engine.MaxChannelBytes
	default:
		return t.attribute(name, value)
	}
	if !ok || seen[which] {
		return false
	}
	seen[which] = true
	return true
}

// attribute takes "a.<name>".
func (t *Ticket) attribute(name, value []byte) bool {
	if len(name) < 3 || name[0] != 'a' || name[1] != '.' || t.Count == MaxAttributes {
		return false
	}
	name = name[2:]
	for i := range t.Attributes[:t.Count] {
		if string(t.Attributes[i].Name) == string(name) {
			return false
		}
	}
	t.Attributes[t.Count] = Attribute{name, value}
	t.Count++
	return true
}

// Attribute returns the value of an attribute; nil when the ticket does not tell it.
func (t *Ticket) Attribute(name string) []byte {
	for i := range t.Attributes[:t.Count] {
		if string(t.Attributes[i].Name) == name {
			return t.Attributes[i].Value
		}
	}
	return nil
}

func cut(b []byte, at byte) (before, after []byte) {
	for i, c := range b {
		if c == at {
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// plain are the bytes that a value may hold as they are; all others stand as %XX.
func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~' ||
		c == ':' || c == '@'
}

// decode appends a value without its percent-encoding.
func decode(dst, value []byte) ([]byte, bool) {
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c == '%' {
			if i+2 >= len(value) {
				return dst, false
			}
			var b [1]byte
			if _, err := hex.Decode(b[:], value[i+1:i+3]); err != nil {
				return dst, false
			}
			c = b[0]
			i += 2
		} else if !plain(c) {
			return dst, false
		}
		dst = append(dst, c)
	}
	return dst, true
}

// number reads plain decimal digits without a leading zero.
func number(b []byte, most int64) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 12 || b[0] == '0' && len(b) > 1 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, n <= most
}

func visible(b []byte) bool {
	for _, c := range b {
		if c < 0x21 || c > 0x7e {
			return false
		}
	}
	return true
}

// Claims are what a ticket is to say.
type Claims struct {
	Key        uint64
	Campaign   string
	User       string
	Nonce      string
	Channel    string // empty for none
	NotBefore  int64  // Unix seconds
	ExpiresAt  int64
	Times      int // 0 for 1
	Attributes map[string]string
}

// Sign makes a ticket. What it makes can be read: claims that cannot are an error.
func Sign(c *Claims, s *Secret) (string, error) {
	var b strings.Builder
	b.WriteString(prefix + FormatID(c.Key) + ".")
	field := func(name, value string) {
		if !strings.HasSuffix(b.String(), ".") || name != "campaign" {
			b.WriteByte('&')
		}
		b.WriteString(name + "=")
		for _, x := range []byte(value) {
			if plain(x) {
				b.WriteByte(x)
			} else {
				fmt.Fprintf(&b, "%%%02X", x)
			}
		}
	}
	field("campaign", c.Campaign)
	field("user", c.User)
	field("nonce", c.Nonce)
	field("not_before", strconv.FormatInt(c.NotBefore, 10))
	field("expires_at", strconv.FormatInt(c.ExpiresAt, 10))
	if c.Channel != "" {
		field("channel", c.Channel)
	}
	if c.Times > 1 {
		field("times", strconv.Itoa(c.Times))
	}
	names := make([]string, 0, len(c.Attributes))
	for name := range c.Attributes { // order: sorted below
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		field("a."+name, c.Attributes[name])
	}
	sum := s.sum([]byte(b.String()[:min(b.Len(), MaxBytes)]))
	text := b.String() + "." + base64.RawURLEncoding.EncodeToString(sum[:])
	var t Ticket
	if t.Open([]byte(text)) != OK {
		return "", fmt.Errorf("ticket: it would have %d bytes, or no key; at most %d are allowed", len(text), MaxBytes)
	}
	if _, reason := t.Read(nil); reason != OK {
		return "", errors.New("ticket: a campaign, user or nonce is missing or too long, a name is odd, or the times do not span 1 s to 31 days")
	}
	return text, nil
}
