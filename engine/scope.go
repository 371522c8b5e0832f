package engine

import "math/bits"

// scopeSet is a set of scopes, one bit each; those of attributes by their slot.
type scopeSet uint8

// attributeScopes are the scopes of attributes.
const attributeScopes scopeSet = 1<<subjects - 1<<ScopeAttribute

func setOf(s Scope) scopeSet { return 1 << s }

// first returns the lowest scope of a set that is not empty.
func (x scopeSet) first() Scope { return Scope(bits.TrailingZeros8(uint8(x))) }

// scopes returns the scopes that the draw names a subject of.
func (d *Draw) scopes() scopeSet {
	x := setOf(ScopeUser) | scopeSet(d.HasBy)<<ScopeAttribute
	if d.HasDevice {
		x |= setOf(ScopeDevice)
	}
	if d.HasIP {
		x |= setOf(ScopeIP)
	}
	return x
}

// subject returns the draw's subject of a scope.
func (d *Draw) subject(s Scope) *Key {
	switch s {
	case ScopeUser:
		return &d.User
	case ScopeDevice:
		return &d.Device
	case ScopeIP:
		return &d.IP
	}
	return &d.By[s-ScopeAttribute]
}

// rowsOf returns the campaign's rows of the subjects of a scope.
func (c *Campaign) rowsOf(s Scope) *rowTable {
	if s < ScopeAttribute {
		return c.tables[s]
	}
	return c.attributes.table
}
