package storage

import (
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestClonesBesideLinks: a clone that comes while a file is linked, or used again, waits for that and for nothing else. With Pebble's own
// file system alone this hangs.
func TestClonesBesideLinks(t *testing.T) {
	fs := NewCrashFS()
	f, err := fs.Create("a", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	check(t, f.Close())
	const rounds = 5000
	var all sync.WaitGroup
	all.Go(func() {
		for range rounds {
			fs.CrashClone(vfs.CrashCloneCfg{})
		}
	})
	all.Go(func() {
		for range rounds {
			if err := fs.Link("a", "b"); err != nil {
				t.Error(err)
			}
			f, err := fs.ReuseForWrite("b", "c", vfs.WriteCategoryUnspecified)
			if err != nil {
				t.Error(err)
				return
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
}
