package join

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FileName is the file in the data directory that remembers how the node came to its cluster.
const FileName = "cluster.json"

// phase is how far a node has come. The words are on disk.
type phase string

const (
	willing  phase = "willing"  // it has told others that it is there
	promised phase = "promised" // to found with the list, and nothing else
	founded  phase = "founded"  // its log began with the list
	joined   phase = "joined"   // a cluster let it in
)

// past is the file.
type past struct {
	Format   int    `json:"format"`
	Node     string `json:"node"`
	Disk     string `json:"disk"`
	Phase    phase  `json:"phase"`
	Founders []Seat `json:"founders,omitempty"` // in the order of ids
}

// readPast reads the file; nil without one.
func readPast(dir string) (*past, error) {
	path := filepath.Join(dir, FileName)
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("join: %w", err)
	}
	p := new(past)
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("join: %s is damaged: %w", path, err)
	}
	if p.Format != format {
		return nil, fmt.Errorf("join: %s has format %d, this version of drawd reads %d", path, p.Format, format)
	}
	return p, nil
}

// write replaces the file. When it returns nil the file is on the disk, whole.
func (p *past) write(dir string) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		panic("BUG: join: " + err.Error())
	}
	f, err := os.CreateTemp(dir, FileName+".new")
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	_, werr := f.Write(append(b, '\n'))
	if err := errors.Join(werr, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("join: write %s: %w", f.Name(), err)
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, FileName)); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	return nil
}
