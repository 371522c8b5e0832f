package storage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ClusterKeyName is the file in the data directory with the key that seals the campaigns' seeds. It is in no backup:
// whoever has both the key and the data can predict draws.
const ClusterKeyName = "cluster.key"

// ReadClusterKey reads the key of a data directory.
func ReadClusterKey(dir string) (key [32]byte, err error) {
	path := filepath.Join(dir, ClusterKeyName)
	b, err := os.ReadFile(path)
	switch {
	case err != nil:
		return key, err
	case len(b) != len(key):
		return key, fmt.Errorf("%s has %d bytes, a cluster key has %d: restore it from where you keep keys", path, len(b), len(key))
	}
	return [32]byte(b), nil
}

// ClusterKey reads the key of a data directory on the real disk, or makes one out of entropy for a new directory. It comes
// before Open: a directory that has data but no key is refused.
func ClusterKey(dir string, entropy io.Reader) (key [32]byte, err error) {
	key, err = ReadClusterKey(dir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if used, err := os.Stat(filepath.Join(dir, logName)); err == nil && used.IsDir() {
		return key, fmt.Errorf("%s has data but no %s: restore that file; with another key its campaigns cannot be opened", dir, ClusterKeyName)
	}
	if _, err := io.ReadFull(entropy, key[:]); err != nil {
		return key, fmt.Errorf("make a cluster key: %w", err)
	}
	return writeClusterKey(dir, key)
}

// KeepClusterKey makes the key of the cluster that a node founds with others, or joins, durable in its data directory, unless
// there is one already. It returns the one that is there: the caller compares.
func KeepClusterKey(dir string, key [32]byte) (kept [32]byte, err error) {
	kept, err = ReadClusterKey(dir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return kept, err
	}
	return writeClusterKey(dir, key)
}

// writeClusterKey writes a new key so that it is on the disk, whole, before anything is sealed under it. A process that makes
// one for the same directory at the same moment does not lose its own: the first one stays.
func writeClusterKey(dir string, key [32]byte) (kept [32]byte, err error) {
	f, err := os.CreateTemp(dir, ClusterKeyName+".new") // mode 0600
	if err != nil {
		return key, err
	}
	_, werr := f.Write(key[:])
	if err := errors.Join(werr, f.Sync(), f.Close()); err != nil {
		return key, fmt.Errorf("write %s: %w", f.Name(), err)
	}
	switch err := os.Link(f.Name(), filepath.Join(dir, ClusterKeyName)); {
	case errors.Is(err, fs.ErrExist):
		if key, err = ReadClusterKey(dir); err != nil {
			return key, err
		}
	case err != nil:
		return key, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return key, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return key, err
	}
	return key, errors.Join(d.Sync(), d.Close())
}
