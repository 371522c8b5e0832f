package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/zeebo/xxh3"
)

// FormatVersion is the version of the disk format that this package writes and the highest that it reads.
const FormatVersion = 1

// The names in the data directory.
const (
	formatName    = "FORMAT"
	lockName      = "LOCK"
	watermarkName = "WATERMARK"
	logName       = "log"
	stateName     = "state"
)

// The format file is one line that never changes its form, so that any drawd can read any data directory's version:
//
//	drawd-data <version> <creating|ready> <16 hex digits: xxh3-64 of what stands before>\n
//
// It is written before anything else, as "creating", and replaced by "ready" when everything else exists and is synced. So a file
// that is missing from a "ready" directory was lost, while a "creating" one never held anything and is made again.
const (
	formatMagic    = "drawd-data"
	formatCreating = "creating"
	formatReady    = "ready"
)

// encodeFormat returns the contents of a format file.
func encodeFormat(version uint32, state string) []byte {
	b := fmt.Appendf(nil, "%s %d %s ", formatMagic, version, state)
	return fmt.Appendf(b, "%016x\n", xxh3.Hash(b))
}

var errFormat = errors.New("it is not what drawd wrote")

// decodeFormat parses the contents of a format file.
func decodeFormat(b []byte) (version uint32, state string, err error) {
	at := bytes.LastIndexByte(b, ' ') + 1
	if string(b[at:]) != fmt.Sprintf("%016x\n", xxh3.Hash(b[:at])) {
		return 0, "", errFormat
	}
	f := bytes.Fields(b[:at])
	if len(f) != 3 || string(f[0]) != formatMagic {
		return 0, "", errFormat
	}
	v, err := strconv.ParseUint(string(f[1]), 10, 32)
	if err != nil {
		return 0, "", errFormat
	}
	return uint32(v), string(f[2]), nil
}

// readFormat returns the state of the data directory; "" when it is new.
func (s *Store) readFormat() (state string, err error) {
	path := s.fs.PathJoin(s.o.Dir, formatName)
	b, err := readFile(s.fs, path)
	if errors.Is(err, os.ErrNotExist) {
		return "", s.checkEmpty()
	}
	if err != nil {
		return "", fmt.Errorf("storage: read %s: %w", path, err)
	}
	version, state, err := decodeFormat(b)
	switch {
	case err != nil:
		return "", &DamagedError{What: path + " cannot be read", Remedy: remedyReplace, Err: err}
	case version > FormatVersion:
		return "", &FormatError{Dir: s.o.Dir, Found: version, Upto: FormatVersion}
	case state != formatCreating && state != formatReady || version == 0:
		return "", &DamagedError{What: path + " cannot be read", Remedy: remedyReplace, Err: errFormat}
	}
	return state, nil
}

// checkEmpty refuses a directory without format file that has our files in it: they are not new, and nothing says what they are.
func (s *Store) checkEmpty() error {
	names, err := s.fs.List(s.o.Dir)
	if err != nil {
		return fmt.Errorf("storage: list %s: %w", s.o.Dir, err)
	}
	for _, n := range names {
		if n == logName || n == stateName || n == watermarkName {
			return &DamagedError{What: fmt.Sprintf("%s has %s but no %s", s.o.Dir, n, formatName), Remedy: remedyReplace}
		}
	}
	return nil
}

// writeFormat replaces the format file and syncs it.
func (s *Store) writeFormat(state string) error {
	path := s.fs.PathJoin(s.o.Dir, formatName)
	if err := writeFileSynced(s.fs, path+".new", encodeFormat(FormatVersion, state)); err != nil {
		return err
	}
	if err := s.fs.Rename(path+".new", path); err != nil {
		return fmt.Errorf("storage: rename %s: %w", path+".new", err)
	}
	return syncDir(s.fs, s.o.Dir)
}

// readFile returns the contents of a small file.
func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// writeFileSynced creates a file with the given contents and syncs it, but not its directory.
func writeFileSynced(fs vfs.FS, path string, b []byte) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("storage: create %s: %w", path, err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("storage: write %s: %w", path, err)
	}
	return nil
}

// syncDir makes the entries of a directory durable.
func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		return fmt.Errorf("storage: sync directory %s: %w", dir, err)
	}
	return nil
}

// mkdirSynced creates a directory with its missing parents, and syncs the entry of each one that it created.
func mkdirSynced(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	}
	parent := fs.PathDir(dir)
	if parent != dir {
		if err := mkdirSynced(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("storage: create directory %s: %w", dir, err)
	}
	return syncDir(fs, parent)
}
