package bench

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// dataFile is one file of a data directory.
type dataFile struct {
	path string // below the data directory
	kind string // log/WAL, state/table, WATERMARK …
	size int64
	old  bool // a newer one of its kind is there
}

// dataFiles lists a data directory by kind and name. Lock files are left out: they are empty, and made when missing.
func dataFiles(data string) ([]dataFile, error) {
	var all []dataFile
	err := filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "LOCK" {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(data, path)
		all = append(all, dataFile{path: rel, kind: fileKind(rel), size: info.Size()})
		return err
	})
	slices.SortFunc(all, func(a, b dataFile) int { return strings.Compare(a.kind+a.path, b.kind+b.path) })
	for i := range all[:max(len(all)-1, 0)] {
		all[i].old = all[i].kind == all[i+1].kind
	}
	return all, err
}

// fileKind names the kind of a file of a data directory.
func fileKind(rel string) string {
	dir, name := filepath.Split(rel)
	switch ext := filepath.Ext(name); {
	case strings.HasPrefix(name, "marker."):
		name = strings.Join(strings.SplitN(name, ".", 3)[:2], ".")
	case ext == ".log":
		name = "WAL"
	case ext == ".sst":
		name = "table"
	case strings.Contains(name, "-0"):
		name, _, _ = strings.Cut(name, "-")
	}
	return dir + name
}

// anyButSilence is what is right for a damage of which nobody can say beforehand whether the node needs what it hit.
var anyButSilence = []string{outcomeRefused, outcomeStopped, outcomeTold, outcomeNone}

// mustRefuse are the kinds of file without which nothing proves the rest: no damage of them may be let pass. A watermark has
// two slots, so a flipped byte in it may have no effect.
var mustRefuse = map[string]bool{"FORMAT": true, "cluster.key": true}

// files is the part of the matrix about a stopped node's files.
func (m *diskMatrix) files(ctx context.Context) error {
	all, err := dataFiles(filepath.Join(m.node(templateKilled).dir, "data"))
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	for i := range all {
		f := &all[i]
		if f.old && !m.chosen(all, i) {
			continue
		}
		if err := m.damageFile(ctx, templateKilled, f, m.prover); err != nil {
			return err
		}
	}
	if err := m.swaps(ctx, all); err != nil {
		return err
	}
	if err := m.rollbacks(ctx); err != nil {
		return err
	}
	return m.windows(ctx)
}

// chosen keeps the oldest and one other of the files of a kind beside the newest.
func (m *diskMatrix) chosen(all []dataFile, i int) bool {
	first := i == 0 || all[i-1].kind != all[i].kind
	return first || i+2 < len(all) && all[i+1].kind == all[i].kind && all[i+2].kind != all[i].kind
}

// damageFile does everything to one file.
func (m *diskMatrix) damageFile(ctx context.Context, template string, f *dataFile, p *prover) error {
	expected := anyButSilence
	if mustRefuse[f.kind] {
		expected = []string{outcomeRefused}
	}
	target := f.kind
	if f.old {
		target += ", older"
	}
	do := func(fault string, x damage) error {
		return m.atRest(ctx, template, DiskRow{Part: DiskFiles, Target: target, Fault: fault, Expected: expected}, p, x)
	}
	for _, z := range f.zones() {
		for range m.o.Positions {
			at := z.from + m.rng.Int64N(z.to-z.from)
			if err := do("flipped byte"+z.name, flip(f, at, byte(1)<<m.rng.IntN(8))); err != nil {
				return err
			}
		}
	}
	if f.size > 0 {
		if err := do("cut", cut(f, m.rng.Int64N(f.size))); err != nil {
			return err
		}
	}
	if f.size > 8<<10 {
		if err := do("4 KiB of zeros", zeroed(f, m.rng.Int64N(f.size>>12)<<12)); err != nil {
			return err
		}
	}
	return do("deleted", damage{"deleted " + f.path, func(data string) error { return os.Remove(filepath.Join(data, f.path)) }})
}

// zone is a part of a file in which a byte is flipped.
type zone struct {
	name     string
	from, to int64
}

// zones are the parts of a file that are read at different times.
func (f *dataFile) zones() []zone {
	const (
		block  = 32 << 10 // of a WAL
		footer = 48       // of a table: less than the shortest one
		index  = 2 << 10  // before it: index, properties and their index, for tables of our size
	)
	kind := f.kind[strings.LastIndexByte(f.kind, '/')+1:]
	last := max(f.size-1, 0) / block * block
	switch {
	case f.size == 0:
		return nil
	case kind == "WAL" && last > 0:
		return []zone{{" in the last block", last, f.size}, {" in an older block", 0, last}}
	case kind == "WAL":
		return []zone{{" in the last block", 0, f.size}}
	case kind == "table" && f.size > 2*index:
		return []zone{{" in the data", 0, f.size - index - footer}, {" in the index", f.size - index - footer, f.size - footer}, {" in the footer", f.size - footer, f.size}}
	}
	return []zone{{"", 0, f.size}}
}

func flip(f *dataFile, at int64, bit byte) damage {
	return damage{fmt.Sprintf("byte %d of %s (%d bytes) xor %#02x", at, f.path, f.size, bit), func(data string) error {
		return patch(filepath.Join(data, f.path), at, 1, func(b []byte) { b[0] ^= bit })
	}}
}

func zeroed(f *dataFile, at int64) damage {
	return damage{fmt.Sprintf("bytes %d to %d of %s (%d bytes) zeroed", at, at+4095, f.path, f.size), func(data string) error {
		return patch(filepath.Join(data, f.path), at, 4<<10, func(b []byte) { clear(b) })
	}}
}

func cut(f *dataFile, to int64) damage {
	return damage{fmt.Sprintf("%s cut from %d to %d bytes", f.path, f.size, to), func(data string) error {
		return os.Truncate(filepath.Join(data, f.path), to)
	}}
}

// patch changes bytes of a file in place.
func patch(path string, at int64, n int, change func([]byte)) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, at); err != nil {
		return err
	}
	change(b)
	_, err = f.WriteAt(b, at)
	return err
}

// swaps exchanges two tables of each database, and the write-ahead logs of the two.
func (m *diskMatrix) swaps(ctx context.Context, all []dataFile) error {
	for _, kind := range []string{"log/table", "state/table", "WAL"} {
		var paths []string
		for _, f := range all {
			if f.kind == kind || kind == "WAL" && strings.HasSuffix(f.kind, kind) && !f.old {
				paths = append(paths, f.path)
			}
		}
		if len(paths) < 2 {
			continue
		}
		a, b := paths[0], paths[len(paths)-1]
		x := damage{"swapped " + a + " and " + b, func(data string) error {
			a, b := filepath.Join(data, a), filepath.Join(data, b)
			return firstError(os.Rename(a, a+".x"), os.Rename(b, a), os.Rename(a+".x", b))
		}}
		if err := m.atRest(ctx, templateKilled, DiskRow{Part: DiskFiles, Target: kind, Fault: "swapped", Expected: anyButSilence}, m.prover, x); err != nil {
			return err
		}
	}
	return nil
}

func firstError(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// rollbacks brings yesterday's copy of parts of the directory, or all of it.
func (m *diskMatrix) rollbacks(ctx context.Context) error {
	for _, r := range []struct {
		parts    []string
		expected []string
		alone    bool
	}{
		{[]string{"WATERMARK"}, []string{outcomeNone}, false},
		{[]string{"log"}, []string{outcomeRefused}, false},
		{[]string{"state"}, anyButSilence, false},
		{[]string{"log", "state"}, []string{outcomeRefused}, false},
		{[]string{"log", "WATERMARK"}, []string{outcomeRefused}, false},
		{[]string{"log", "state", "WATERMARK"}, []string{outcomeSilent}, true},
	} {
		words := "yesterday's copy of " + strings.Join(r.parts, ", ")
		x := damage{words, func(data string) error {
			for _, part := range r.parts {
				to := filepath.Join(data, part)
				if err := firstError(os.RemoveAll(to), copyTree(filepath.Join(m.node(templateYesterday).dir, "data", part), to)); err != nil {
					return err
				}
			}
			return nil
		}}
		row := DiskRow{Part: DiskFiles, Target: "directory", Fault: words, Expected: r.expected, Alone: r.alone}
		if err := m.atRest(ctx, templateKilled, row, m.prover, x); err != nil {
			return err
		}
	}
	return nil
}

// copyTree copies a file, or a directory with everything below it.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		return copyFile(path, filepath.Join(to, rel))
	})
}

func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return err
	}
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return firstError(err, w.Close())
}
