package pages

import "unsafe"

// prefetch asks for the cache lines of two bytes and does not wait for them. A plain load would: an out-of-order core
// goes on past it, but cannot retire anything behind it, and stands still some hundred instructions later.
//
//go:noescape
func prefetch(a, b unsafe.Pointer)
