//go:build !unix

package dataplane

const canWriteAtOnce = false

func writeAtOnce(uintptr, []byte) int { return 0 }
