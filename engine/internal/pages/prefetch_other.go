//go:build !amd64

package pages

// prefetch does nothing where the compiler has no way to say it: Find then waits for memory itself.
func prefetch(_, _ *byte) {}
