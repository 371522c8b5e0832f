package access

import "strings"

// Scope is a set of rights of a key. Names are on disk and in the API.
type Scope uint8

// The scopes. They do not contain one another: a key that draws and reads holds both.
const (
	ScopeDraw    Scope = 1 << iota // draw, and read what a draw needs
	ScopeChances                   // grant chances
	ScopeStock                     // take and hold units of pools
	ScopeRead                      // read stock, records, campaigns and figures
	ScopeAdmin                     // change campaigns, policy and keys
	ScopePayout                    // begin and end deliveries of awards
)

var scopeNames = [...]string{"draw", "chances", "stock", "read", "admin", "payout"}

// ParseScope returns the scope with the wire name s.
func ParseScope(s string) (Scope, bool) {
	for i, name := range scopeNames {
		if name == s {
			return 1 << i, true
		}
	}
	return 0, false
}

// Names returns the wire names of the scopes in s, in the order of their declaration.
func (s Scope) Names() []string {
	names := make([]string, 0, len(scopeNames))
	for i, name := range scopeNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String returns the names in s, joined by " or ": a route's need is satisfied by any of them.
func (s Scope) String() string { return strings.Join(s.Names(), " or ") }
