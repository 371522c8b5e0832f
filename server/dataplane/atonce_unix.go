//go:build unix

package dataplane

import "syscall"

const canWriteAtOnce = true

// writeAtOnce writes to a socket that does not block, and returns how many bytes it took.
func writeAtOnce(fd uintptr, b []byte) int {
	n, err := syscall.Write(int(fd), b)
	if err != nil {
		return 0
	}
	return n
}
