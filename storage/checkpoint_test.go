package storage

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// page makes the contents of a page in a generation: never all zero.
func page(p, generation uint64, size int) []byte {
	b := make([]byte, size)
	rng := rand.New(rand.NewPCG(p, generation))
	for i := range size / 2 {
		b[i] = byte(rng.Uint32())
	}
	b[size-1] = 1
	return b
}

// checkpoint writes the given pages; nil says that the page is gone.
func checkpoint(s *State, m Manifest, changed map[uint64][]byte) error {
	w := s.BeginCheckpoint()
	for _, p := range slices.Sorted(maps.Keys(changed)) {
		if err := w.Put(p, changed[p]); err != nil {
			w.Abort()
			return err
		}
	}
	return w.Commit(m)
}

// loaded returns the pages of the newest checkpoint. Those of a group come in order.
func loaded(s *State) (map[uint64][]byte, error) {
	var mu sync.Mutex
	got, last := map[uint64][]byte{}, map[uint64]uint64{}
	err := s.LoadPages(func(p uint64, data []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if before, some := last[p>>32]; some && p <= before {
			return fmt.Errorf("page %d after %d", p, before)
		}
		last[p>>32] = p
		got[p] = bytes.Clone(data)
		return nil
	})
	return got, err
}

// Groups of pages come from several goroutines: all of them, each once, also where groups are missing between.
func TestLoadPagesOfManyGroups(t *testing.T) {
	s := mustOpen(t, small(vfs.NewMem(), "/d"))
	defer mustClose(t, s)
	want := map[uint64][]byte{}
	for _, group := range []uint64{0, 1, 2, 7, 1 << 24, 6<<24 | 63, math.MaxUint32} {
		for n := range uint64(40) {
			want[group<<32|n*1001] = []byte{byte(group), byte(n), 1}
		}
	}
	check(t, checkpoint(s.State(), manifestOf(1), want))
	got, err := loaded(s.State())
	if check(t, err); !samePages(got, want) {
		t.Errorf("%d pages, want %d", len(got), len(want))
	}
	stop := errors.New("stop")
	if err := s.State().LoadPages(func(p uint64, _ []byte) error {
		if p>>32 == 7 {
			return stop
		}
		return nil
	}); !errors.Is(err, stop) {
		t.Errorf("error of fn: %v", err)
	}
}

func samePages(got, want map[uint64][]byte) bool { return maps.EqualFunc(got, want, bytes.Equal) }

func manifestOf(index uint64) Manifest {
	return Manifest{Index: index, Term: 3, Chain: [16]byte{1, byte(index)}, Running: [16]byte{2, byte(index)}, Configuration: []byte("conf"),
		ConfigurationIndex: 1, Meta: bytes.Repeat([]byte("meta"), int(index)), At: 1700000000000}
}

// Incremental checkpoints against a map, with restarts, aborts and pages that go and come back.
func TestCheckpointsModel(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, small(fs, "/d"))
	defer func() { mustClose(t, s) }()
	if _, has := s.State().Manifest(); has {
		t.Fatal("a new store has a checkpoint")
	}
	rng := rand.New(rand.NewPCG(4, 4))
	want := map[uint64][]byte{}
	var last Manifest
	for g := uint64(1); g <= 60; g++ {
		changed := map[uint64][]byte{}
		for range rng.IntN(80) {
			p := uint64(rng.IntN(200)) << uint(rng.IntN(3)*24)
			changed[p] = page(p, g, 100+rng.IntN(4000))
			if rng.IntN(4) == 0 {
				changed[p] = make([]byte, 4096)
			}
		}
		w := s.State().BeginCheckpoint()
		how := rng.IntN(6)
		if how == 0 {
			w.ReplaceAll()
			clear(want)
		}
		for _, p := range slices.Sorted(maps.Keys(changed)) {
			check(t, w.Put(p, changed[p]))
		}
		if how == 1 {
			w.Abort()
			w.Abort()
		} else {
			last = manifestOf(g)
			check(t, w.Commit(last))
			maps.Copy(want, changed)
			maps.DeleteFunc(want, func(_ uint64, data []byte) bool { return allZero(data) })
		}
		if rng.IntN(4) == 0 {
			mustClose(t, s)
			s = mustOpen(t, small(fs, "/d"))
		}
		m, has := s.State().Manifest()
		last.Generation = m.Generation
		if has != (last.Index > 0) || fmt.Sprint(m) != fmt.Sprint(last) {
			t.Fatalf("manifest %v %v, want %v", m, has, last)
		}
		if rng.IntN(2) == 0 {
			got, err := loaded(s.State())
			if err != nil || !samePages(got, want) {
				t.Fatalf("generation %d: %d pages, want %d: %v", g, len(got), len(want), err)
			}
		}
		if n := s.Metrics().Pages; n != uint64(len(want)) {
			t.Fatalf("%d pages counted, want %d", n, len(want))
		}
	}
	names, err := fs.List("/d/state")
	check(t, err)
	if slices.Contains(names, "incoming") {
		t.Error("the files of a checkpoint were left")
	}
}

func TestCheckpointOfManyTables(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, small(fs, "/d"))
	w := s.State().BeginCheckpoint()
	const pages, size = 3000, 64 << 10 // three tables
	for p := range uint64(pages) {
		check(t, w.Put(p, page(p, 1, size)))
	}
	if len(w.tables) != 3 {
		t.Fatalf("%d tables", len(w.tables))
	}
	check(t, w.Commit(manifestOf(1)))
	if err := w.Commit(manifestOf(1)); err == nil {
		t.Error("second commit")
	}
	if err := w.Put(1, nil); err == nil {
		t.Error("put after commit")
	}
	mustClose(t, s)
	s = mustOpen(t, small(fs, "/d"))
	defer mustClose(t, s)
	n := uint64(0)
	check(t, s.State().LoadPages(func(p uint64, data []byte) error {
		if p != n || !bytes.Equal(data, page(p, 1, size)) {
			t.Fatalf("page %d", p)
		}
		n++
		return nil
	}))
	if n != pages {
		t.Fatalf("%d pages", n)
	}
}

func TestCheckpointMisuse(t *testing.T) {
	s := mustOpen(t, small(vfs.NewMem(), "/d"))
	defer mustClose(t, s)
	w := s.State().BeginCheckpoint()
	for name, f := range map[string]func(){
		"begin": func() { s.State().BeginCheckpoint() },
		"load":  func() { _ = s.State().LoadPages(nil) },
	} {
		func() {
			defer func() {
				if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "BUG:") {
					t.Errorf("%s during a checkpoint: %v", name, r)
				}
			}()
			f()
		}()
	}
	check(t, w.Put(5, []byte{1}))
	if err := w.Put(5, []byte{1}); err == nil {
		t.Error("the same page twice")
	}
	if err := w.Commit(manifestOf(1)); err == nil {
		t.Error("commit after an error")
	}
	if _, has := s.State().Manifest(); has {
		t.Error("a failed checkpoint counts")
	}
	check(t, checkpoint(s.State(), manifestOf(2), map[uint64][]byte{5: {1}}))
	w = s.State().BeginCheckpoint()
	check(t, w.Put(9, []byte{1}))
	w.ReplaceAll()
	if err := w.Commit(manifestOf(3)); err == nil {
		t.Error("all replaced after the first page")
	}
	stop := errors.New("stop")
	if err := s.State().LoadPages(func(uint64, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error of fn: %v", err)
	}
}

// Every row of a checkpoint that is changed, missing or too much is found.
func TestDamagedCheckpoint(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, small(fs, "/d"))
	first := map[uint64][]byte{1: page(1, 1, 500), 2: page(2, 1, 500), 3: page(3, 1, 500)}
	check(t, checkpoint(s.State(), manifestOf(1), first))
	row := func(p uint64) (k []byte) {
		k = make([]byte, pageKeySize)
		putPageKey(k, p)
		return k
	}
	get := func(k []byte) []byte {
		v, closer, err := s.state.db.Get(k)
		check(t, err)
		defer closer.Close()
		return bytes.Clone(v)
	}
	old := get(row(2))
	check(t, checkpoint(s.State(), manifestOf(2), map[uint64][]byte{2: page(2, 2, 500)}))
	good := map[string][]byte{}
	for _, k := range [][]byte{row(1), row(2), row(3), manifestKey()} {
		good[string(k)] = get(k)
	}
	reopen := func(k, v []byte) error {
		if v == nil {
			check(t, s.state.db.Delete(k, pebble.Sync))
		} else {
			check(t, s.state.db.Set(k, v, pebble.Sync))
		}
		mustClose(t, s)
		var err error
		if s, err = Open(small(fs, "/d")); err == nil {
			_, err = loaded(s.State())
		} else {
			// Open refuses a damaged manifest: put the good one back by hand.
			db, e := pebble.Open("/d/state", &pebble.Options{FS: fs, Logger: &pebbleLogger{log: quiet}, FormatMajorVersion: pebble.FormatNewest})
			check(t, e)
			check(t, db.Set(manifestKey(), good[string(manifestKey())], pebble.Sync))
			check(t, db.Close())
			s = mustOpen(t, small(fs, "/d"))
		}
		if g, ok := good[string(k)]; ok {
			check(t, s.state.db.Set(k, g, pebble.Sync))
		} else {
			check(t, s.state.db.Delete(k, pebble.Sync))
		}
		return err
	}
	for _, k := range [][]byte{row(1), row(2), manifestKey()} {
		g := good[string(k)]
		for at := 0; at < len(g); at += 1 + len(g)/40 {
			bad := bytes.Clone(g)
			bad[at] ^= 0x10
			isDamaged(t, reopen(k, bad), "checkpoint")
		}
		isDamaged(t, reopen(k, g[:7]), "checkpoint")
	}
	isDamaged(t, reopen(manifestKey(), nil), "its manifest is missing")
	isDamaged(t, reopen(row(3), nil), "2 pages")
	isDamaged(t, reopen(row(4), good[string(row(3))]), "not what was written")
	isDamaged(t, reopen(row(2), old), "its manifest says 3 with sum")
	isDamaged(t, reopen([]byte{keyPage, 1}, []byte("x")), "not what was written")
	if got, err := loaded(s.State()); err != nil || len(got) != 3 {
		t.Fatalf("the repaired checkpoint: %v", err)
	}
	mustClose(t, s)
}
