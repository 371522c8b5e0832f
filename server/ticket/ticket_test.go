package ticket

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// vectorSecret and vector stand in docs/tickets.md: issuers in other languages are tested with them.
const (
	vectorSecret = "dt_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	vectorFields = "campaign=double11&user=u1&nonce=order-77&not_before=1794355200&expires_at=1794358800&times=3&a.level=3&a.region=S%C3%A3o%20Paulo&a.vip=true"
)

func vectorClaims() *Claims {
	return &Claims{
		Key: 0xA1, Campaign: "double11", User: "u1", Nonce: "order-77", NotBefore: 1794355200, ExpiresAt: 1794358800, Times: 3,
		Attributes: map[string]string{"level": "3", "region": "São Paulo", "vip": "true"},
	}
}

// The signature is plain HMAC-SHA-256, as every language has it.
func TestVector(t *testing.T) {
	secret := NewSecret(vectorSecret)
	text, err := Sign(vectorClaims(), &secret)
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha256.New, []byte(vectorSecret))
	h.Write([]byte("dt1.00000000000000a1." + vectorFields))
	if want := "dt1.00000000000000a1." + vectorFields + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil)); text != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
	doc, err := os.ReadFile("../../docs/tickets.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{vectorSecret, text} {
		if !bytes.Contains(doc, []byte(part)) {
			t.Errorf("docs/tickets.md does not have %s", part)
		}
	}
	var k Ticket
	if k.Open([]byte(text)) != OK || !k.Signed(&secret) {
		t.Fatal("does not open")
	}
	if _, reason := k.Read(nil); reason != OK || string(k.Campaign) != "double11" || string(k.User) != "u1" || string(k.Nonce) != "order-77" ||
		k.NotBefore != 1794355200 || k.ExpiresAt != 1794358800 || k.Times != 3 || k.Count != 3 || string(k.Attribute("region")) != "São Paulo" {
		t.Errorf("%v %+v", reason, k)
	}
	long := NewSecret(strings.Repeat("x", 100))
	h = hmac.New(sha256.New, []byte(strings.Repeat("x", 100)))
	h.Write([]byte("m"))
	if sum := long.sum([]byte("m")); !hmac.Equal(sum[:], h.Sum(nil)) {
		t.Error("a secret longer than a block")
	}
}

// Every byte of a ticket is covered: changing any one makes it invalid.
func TestEveryByteCounts(t *testing.T) {
	secret := NewSecret(vectorSecret)
	text, _ := Sign(vectorClaims(), &secret)
	for i := range text {
		for _, with := range []byte{text[i] ^ 1, 'A', '.', '&', 0} {
			changed := []byte(text)
			if changed[i] = with; with == text[i] {
				continue
			}
			var k Ticket
			if k.Open(changed) == OK && k.Key == 0xA1 && k.Signed(&secret) {
				t.Fatalf("byte %d as %q: still valid", i, with)
			}
		}
	}
	for _, cut := range []string{text[:len(text)-1], text + "A", text + "=", text[1:], "", "dt1.", strings.Replace(text, "dt1.", "dt2.", 1)} {
		var k Ticket
		if k.Open([]byte(cut)) == OK && k.Signed(&secret) {
			t.Errorf("%q is valid", cut)
		}
	}
}

// signed makes a ticket with these fields as they are.
func signed(s *Secret, fields string) []byte {
	head := prefix + FormatID(0xA1) + "." + fields
	sum := s.sum([]byte(head))
	return []byte(head + "." + base64.RawURLEncoding.EncodeToString(sum[:]))
}

func TestMalformedFields(t *testing.T) {
	secret := NewSecret(vectorSecret)
	const good = "campaign=c&user=u&nonce=n&not_before=1&expires_at=2"
	for _, fields := range []string{
		"", "&", good + "&", "&" + good, good + "&&times=1", good + "&x=1", good + "&a.=1", good + "&user=v", good + "&a.x=1&a.x=1",
		good + "&times=0", good + "&times=11", good + "&times=01", good + "&a.x=%4", good + "&a.x=%zz", good + "&a.x=a b", good + "&a.x=a=b", good + "&a.x",
		good + "&a.x=" + strings.Repeat("x", MaxValueBytes+1),
		strings.Replace(good, "nonce=n", "nonce=", 1), strings.Replace(good, "nonce=n", "nonce=%20", 1), strings.Replace(good, "nonce=n", "nonce="+strings.Repeat("n", 65), 1),
		strings.Replace(good, "user=u&", "", 1), strings.Replace(good, "expires_at=2", "expires_at=1", 1), strings.Replace(good, "expires_at=2", "expires_at=99999999", 1),
		strings.Replace(good, "not_before=1", "not_before=-1", 1), strings.Replace(good, "not_before=1", "not_before=01", 1), strings.Replace(good, "expires_at=2", "expires_at=99999999999999", 1),
		good + strings.Join(many(17), ""),
	} {
		var k Ticket
		text := signed(&secret, fields)
		if reason := k.Open(text); reason != OK {
			continue
		}
		if !k.Signed(&secret) {
			t.Fatalf("%q is not signed", fields)
		}
		if _, reason := k.Read(nil); reason != Malformed {
			t.Errorf("%q: %v", fields, reason)
		}
	}
	var k Ticket
	if k.Open(signed(&secret, good+strings.Join(many(16), ""))) != OK {
		t.Fatal("does not open")
	}
	if _, reason := k.Read(nil); reason != OK || k.Count != 16 || k.Times != 1 {
		t.Errorf("%v %+v", reason, k)
	}
}

func many(n int) (fields []string) {
	for i := range n {
		fields = append(fields, fmt.Sprintf("&a.x%d=1", i))
	}
	return fields
}

func TestUnsignableClaims(t *testing.T) {
	secret := NewSecret(vectorSecret)
	for name, edit := range map[string]func(c *Claims){
		"no key":      func(c *Claims) { c.Key = 0 },
		"no user":     func(c *Claims) { c.User = "" },
		"no time":     func(c *Claims) { c.ExpiresAt = c.NotBefore },
		"32 days":     func(c *Claims) { c.ExpiresAt = c.NotBefore + 32*86400 },
		"too long":    func(c *Claims) { c.Attributes["x"] = strings.Repeat("é", 2000) },
		"eleven":      func(c *Claims) { c.Times = 11 },
		"an odd name": func(c *Claims) { c.Attributes[""] = "1" },
	} {
		c := vectorClaims()
		if edit(c); c != nil {
			if text, err := Sign(c, &secret); err == nil {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}

func TestKeysAreDerived(t *testing.T) {
	k := NewKey()
	k.Name, k.Campaigns, k.CreatedAt, k.ExpiresAt = "front", []string{"c"}, time.UnixMilli(5).UTC(), time.UnixMilli(9).UTC()
	again, err := DecodeKey(FormatID(k.ID), k.Encode())
	if err != nil || again.Name != "front" || again.Salt != k.Salt || !again.ExpiresAt.Equal(k.ExpiresAt) {
		t.Fatalf("%+v %v", again, err)
	}
	secret := k.Derive([32]byte{1}, "default")
	if len(secret) != 55 || secret != again.Derive([32]byte{1}, "default") {
		t.Errorf("the secret is %q", secret)
	}
	for name, other := range map[string]string{
		"another cluster": k.Derive([32]byte{2}, "default"), "another namespace": k.Derive([32]byte{1}, "defaul"), "another key": NewKey().Derive([32]byte{1}, "default"),
	} {
		if other == secret {
			t.Errorf("%s has the same secret", name)
		}
	}
	if bytes.Contains(k.Encode(), []byte(secret[3:20])) {
		t.Error("the document holds the secret")
	}
	if k.Signs([]byte("c"), time.UnixMilli(9)) || !k.Signs([]byte("c"), time.UnixMilli(8)) || k.Signs([]byte("d"), time.UnixMilli(8)) {
		t.Error("campaigns or expiry of the key")
	}
	for _, body := range []string{"", "{", `{"format":2}`, `{"format":1}`, `{"format":1,"salt":"00"}`} {
		if _, err := DecodeKey(FormatID(k.ID), []byte(body)); err == nil {
			t.Errorf("%q is read", body)
		}
	}
}

func TestOpeningAllocatesNothing(t *testing.T) {
	secret := NewSecret(vectorSecret)
	text, _ := Sign(vectorClaims(), &secret)
	message, arena := []byte(text), make([]byte, 0, MaxBytes)
	var k Ticket
	if n := testing.AllocsPerRun(100, func() {
		if k.Open(message) != OK || !k.Signed(&secret) {
			t.Fatal("does not open")
		}
		if _, reason := k.Read(arena); reason != OK {
			t.Fatal(reason)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzTicket: any text is opened and read without a panic; what can be read and is signed again is the same ticket.
func FuzzTicket(f *testing.F) {
	secret := NewSecret(vectorSecret)
	text, _ := Sign(vectorClaims(), &secret)
	f.Add([]byte(text))
	f.Add([]byte("dt1.00000000000000a1.a=%41&b.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var k Ticket
		if k.Open(text) != OK {
			return
		}
		k.Signed(&secret)
		if _, reason := k.Read(nil); reason != OK {
			return
		}
		c := Claims{Key: k.Key, Campaign: string(k.Campaign), User: string(k.User), Nonce: string(k.Nonce), NotBefore: k.NotBefore, ExpiresAt: k.ExpiresAt, Times: int(k.Times), Attributes: map[string]string{}}
		for _, a := range k.Attributes[:k.Count] {
			c.Attributes[string(a.Name)] = string(a.Value)
		}
		again, err := Sign(&c, &secret)
		if err != nil {
			if len(text) > MaxBytes/3 {
				return // with everything encoded it may be too long
			}
			t.Fatalf("%v: %+v", err, c)
		}
		var l Ticket
		if l.Open([]byte(again)) != OK || !l.Signed(&secret) {
			t.Fatalf("%s does not open", again)
		}
		if _, reason := l.Read(nil); reason != OK || l.Count != k.Count || !bytes.Equal(l.Nonce, k.Nonce) || l.Times != k.Times {
			t.Fatalf("%s: %v", again, reason)
		}
	})
}
