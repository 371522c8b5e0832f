package storage

import (
	"math/rand/v2"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// CrashFS is a file system in memory that tells what was synced from what was not. It fits Options.FS; the alias lets the
// simulation name it without importing Pebble.
type CrashFS = vfs.MemFS

// NewCrashFS returns an empty CrashFS.
func NewCrashFS() *CrashFS { return vfs.NewCrashableMem() }

// PowerCut returns a state that a power cut could leave of fs at this moment: all that was synced, and each block that was not
// with the given probability in percent. fs goes on unharmed, so that what ran on it can be stopped in peace.
func PowerCut(fs *CrashFS, unsyncedPercent int, rng *rand.Rand) *CrashFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsyncedPercent, RNG: rng})
}
