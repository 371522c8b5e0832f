package bench

import (
	"fmt"
	"net/url"
	"strconv"
)

// template is a request that is written once and patched for each sending: users and keys have a fixed width.
type template struct {
	first, again    []byte // again carries Drawd-Retry: 1
	keyAt, userAt   int
	keyAt2, userAt2 int // in again
	nonce           string
}

const (
	keyDigits  = 8 // requests are numbered below MaxRequests
	userDigits = 8
)

// newDrawTemplate returns the request of one unary draw. host is where it goes.
func newDrawTemplate(host, key, campaign string) *template {
	return newNoncedTemplate(host, key, campaign, fmt.Sprintf("%08x", uint32(nonce())))
}

// newNoncedTemplate is newDrawTemplate with the beginning of the keys given, which several generators of one run share.
func newNoncedTemplate(host, key, campaign, nonce string) *template {
	t := &template{nonce: nonce}
	body := `{"user":"u` + zeros(userDigits) + `"}`
	build := func(extra string) (b []byte, keyAt, userAt int) {
		b = fmt.Appendf(b, "POST /v1/campaigns/%s/draws HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\n%sIdempotency-Key: %s-",
			campaign, host, bearer(key), extra, t.nonce)
		keyAt = len(b)
		b = fmt.Appendf(b, "%s\r\nContent-Length: %d\r\n\r\n%s", zeros(keyDigits), len(body), body)
		return b, keyAt, len(b) - userDigits - len(`"}`)
	}
	t.first, t.keyAt, t.userAt = build("")
	t.again, t.keyAt2, t.userAt2 = build("Drawd-Retry: 1\r\n")
	return t
}

// appendTo appends the request with the number id of the user.
func (t *template) appendTo(dst []byte, id, user uint32, again bool) []byte {
	at := len(dst)
	if again {
		dst = append(dst, t.again...)
		putDigits(dst[at+t.keyAt2:at+t.keyAt2+keyDigits], id)
		putDigits(dst[at+t.userAt2:at+t.userAt2+userDigits], user)
		return dst
	}
	dst = append(dst, t.first...)
	putDigits(dst[at+t.keyAt:at+t.keyAt+keyDigits], id)
	putDigits(dst[at+t.userAt:at+t.userAt+userDigits], user)
	return dst
}

// key returns the idempotency key of a request.
func (t *template) key(id uint32) string { return fmt.Sprintf("%s-%0*d", t.nonce, keyDigits, id) }

// appendUser appends the name of a user as templates write it.
func appendUser(dst []byte, user uint32) []byte {
	at := len(dst)
	dst = append(dst, 'u', '0', '0', '0', '0', '0', '0', '0', '0')
	putDigits(dst[at+1:], user)
	return dst
}

// putDigits writes n in decimal over the whole of dst.
func putDigits(dst []byte, n uint32) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
}

func zeros(n int) string { return strconv.Itoa(1e9)[1 : 1+n] }

func bearer(key string) string {
	if key == "" {
		return ""
	}
	return "Authorization: Bearer " + key + "\r\n"
}

// hostOf returns host:port of a base URL, and whether TLS is spoken there.
func hostOf(base string) (host string, secret bool, err error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", false, fmt.Errorf("bench: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Port() == "" {
		return "", false, fmt.Errorf("bench: %q: the load goes to an address with a port, like http://127.0.0.1:7070 or https://draws.example:443", base)
	}
	return u.Host, u.Scheme == "https", nil
}
