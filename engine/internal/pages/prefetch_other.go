//go:build !amd64

package pages

import "unsafe"

// prefetch does nothing where the compiler has no way to say it: Find then waits for memory itself.
func prefetch(_, _ unsafe.Pointer) {}
