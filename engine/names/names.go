// Package names holds the shapes of the names that callers give: ids, users, keys. There is one reading of each, and every
// door asks it: the engine, both planes, the library. The shapes need no percent-decoding in a path.
//
// Its functions are pure and allocate nothing; they take strings and bytes alike.
package names

// The lengths of the names, in bytes.
const (
	MaxID      = 63
	MaxSubject = 128
	MaxChannel = 32
	MaxKey     = 64
	MaxReason  = 512
)

// Classes of characters.
const (
	subject = 1 << iota // A-Z a-z 0-9 . _ ~ : @ = + -
	id                  // a-z 0-9 -
	pool                // A-Z a-z 0-9 . _ -
	visible             // visible ASCII
)

var classes = func() (t [256]uint8) {
	for c := range 256 {
		digit, small := '0' <= c && c <= '9', 'a' <= c && c <= 'z'
		word := digit || small || 'A' <= c && c <= 'Z'
		if word || c == '.' || c == '_' || c == '-' {
			t[c] |= pool | subject
		}
		if c == '~' || c == ':' || c == '@' || c == '=' || c == '+' {
			t[c] |= subject
		}
		if digit || small || c == '-' {
			t[c] |= id
		}
		if 0x21 <= c && c <= 0x7e {
			t[c] |= visible
		}
	}
	return t
}()

type text interface{ ~string | ~[]byte }

// all reports whether s has 1 to most bytes, all of the class.
func all[T text](s T, most int, class uint8) bool {
	if len(s) == 0 || len(s) > most {
		return false
	}
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

// ID reports whether s can be the id of a campaign, prize, cap, source, purse or namespace: [a-z0-9][a-z0-9-]{0,62}.
func ID[T text](s T) bool { return all(s, MaxID, id) && s[0] != '-' }

// Pool reports whether s can be the id of a pool: [A-Za-z0-9][A-Za-z0-9._-]{0,62}.
func Pool[T text](s T) bool {
	return all(s, MaxID, pool) && s[0] != '.' && s[0] != '_' && s[0] != '-'
}

// Subject reports whether s can be a user, an owner or a device: [A-Za-z0-9._~:@=+-]{1,128}. A namespace's policy may allow
// fewer users.
func Subject[T text](s T) bool { return all(s, MaxSubject, subject) }

// Channel reports whether s can be a channel: a subject of at most 32 bytes.
func Channel[T text](s T) bool { return all(s, MaxChannel, subject) }

// Key reports whether s can be an idempotency key, an event of a source or a ref: 1 to 64 bytes of visible ASCII.
func Key[T text](s T) bool { return all(s, MaxKey, visible) }

// Reason reports whether s can be a reason: 1 to 512 bytes without control characters.
func Reason[T text](s T) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= MaxReason
}
