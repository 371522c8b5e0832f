//go:build !linux

package bench

import "runtime"

func kernelRelease() string { return runtime.GOOS }

func fileSystem(string) string { return "unknown file system" }
