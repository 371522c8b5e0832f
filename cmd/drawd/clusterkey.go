package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// clusterKeyName is the file in the data directory with the key that seals the campaigns' seeds. It is in no backup:
// whoever has both the key and the data can predict draws.
const clusterKeyName = "cluster.key"

// readClusterKey reads the key of a data directory.
func readClusterKey(dir string) (key [32]byte, err error) {
	path := filepath.Join(dir, clusterKeyName)
	b, err := os.ReadFile(path)
	switch {
	case err != nil:
		return key, err
	case len(b) != len(key):
		return key, fmt.Errorf("%s has %d bytes, a cluster key has %d: restore it from where you keep keys", path, len(b), len(key))
	}
	return [32]byte(b), nil
}

// clusterKey reads the key of a data directory, or makes one for a new directory.
func clusterKey(dir string) (key [32]byte, err error) {
	key, err = readClusterKey(dir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if used, err := os.Stat(filepath.Join(dir, "log")); err == nil && used.IsDir() {
		return key, fmt.Errorf("%s has data but no %s: restore that file; with another key its campaigns cannot be opened", dir, clusterKeyName)
	}
	_, _ = rand.Read(key[:]) // never fails
	return key, writeClusterKey(dir, key)
}

// writeClusterKey writes a new key so that it is on the disk, whole, before anything is sealed under it.
func writeClusterKey(dir string, key [32]byte) (err error) {
	temporary := filepath.Join(dir, clusterKeyName+".new")
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, werr := f.Write(key[:])
	if err := errors.Join(werr, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", temporary, err)
	}
	if err := os.Rename(temporary, filepath.Join(dir, clusterKeyName)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
