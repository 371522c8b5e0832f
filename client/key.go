package client

import (
	"crypto/rand"
	"encoding/base32"
)

// Key is an idempotency key: 1 to 64 visible ASCII characters. Under one key a user draws at most once, however often and
// wherever it is sent. Make it with [NewKey], or of what you have already (an order's id), and store it before you send.
type Key string

// keyText is the alphabet of made keys: what needs no escaping in paths, JSON, file names and on the telephone.
var keyText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewKey makes a key of 128 random bits: 26 characters. It panics when the system has no randomness.
func NewKey() Key {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never returns an error: it ends the program
	return Key(keyText.EncodeToString(b[:]))
}

// valid reports whether the server would take the key.
func (k Key) valid() bool {
	if len(k) == 0 || len(k) > maxKey {
		return false
	}
	for i := range len(k) {
		if k[i] <= ' ' || k[i] > '~' {
			return false
		}
	}
	return true
}

// check refuses a key with which nothing may be sent.
func (k Key) check() error {
	switch {
	case k == "":
		return ErrIdempotencyKeyMissing
	case !k.valid():
		return ErrIdempotencyKeyInvalid
	}
	return nil
}

// plain reports whether s can stand in a path as it is: then nobody can make another path of it.
func plain(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '_', c == '~', c == ':', c == '@', c == '=', c == '+', c == '-':
		default:
			return false
		}
	}
	return s != "." && s != ".."
}
