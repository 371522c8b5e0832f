package storage

import "github.com/cockroachdb/pebble/v2/vfs"

// NewCrashFS returns an empty file system in memory whose CrashClone gives a state that a power cut could leave.
func NewCrashFS() *vfs.MemFS { return vfs.NewCrashableMem() }
