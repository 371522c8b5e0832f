package storage

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// world is what a store has been told, for the crash tests. It is not changed once it is published.
type world struct {
	first, last uint64
	terms       map[uint64]uint64 // of each live record
	sizes       map[uint64]int
	stable      map[string]byte
	generation  uint64
	base        Base
	pages       map[uint64][]byte
	blobs       uint64  // blobs 1 to here are put, or came with an install
	lacked      []Range // what installs said was missing
}

func (w *world) clone() *world {
	c := *w
	c.terms, c.sizes, c.stable, c.pages = maps.Clone(w.terms), maps.Clone(w.sizes), maps.Clone(w.stable), maps.Clone(w.pages)
	c.lacked = slices.Clone(w.lacked)
	return &c
}

// moment is a state that a power cut left, with what the store had been told: the first world is acknowledged, the others may or
// may not have come about.
type moment struct {
	fs     *CrashFS
	donor  *Store
	worlds []*world
}

// crasher runs a workload on a file system that takes clones at random operations.
type crasher struct {
	fs    *CrashFS
	s     *Store
	rng   *rand.Rand   // of the workload
	donor *Store       // has every blob
	done  atomic.Int64 // number in worlds of the acknowledged one; -1 before the start

	worlds struct {
		sync.Mutex
		all []*world // the last one is being brought about
	}

	mu struct {
		sync.Mutex
		rng     *rand.Rand // of the cuts
		moments []moment
		every   int
	}
}

func (c *crasher) cut(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	done := c.done.Load() // before the cut; the workload may go on while a background job of Pebble is cut
	if c.mu.rng.IntN(c.mu.every) != 0 || done < 0 {
		return nil
	}
	m := moment{donor: c.donor}
	m.fs = c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 25, 50, 75, 100}[c.mu.rng.IntN(5)], RNG: c.mu.rng})
	c.worlds.Lock()
	m.worlds = slices.Clone(c.worlds.all[done:])
	c.worlds.Unlock()
	c.mu.moments = append(c.mu.moments, m)
	return nil
}

// step publishes what an operation will lead to, runs it, and publishes that it is acknowledged.
func (c *crasher) step(tb testing.TB, to *world, op func() error) {
	tb.Helper()
	c.worlds.Lock()
	c.worlds.all = append(c.worlds.all, to)
	n := len(c.worlds.all) - 1
	c.worlds.Unlock()
	check(tb, op())
	c.done.Store(int64(n))
}

func (c *crasher) appendSome(tb testing.TB, w *world) {
	from, n := w.last+1, 1+c.rng.IntN(4)
	term := uint64(1)
	if w.last > 0 {
		term = max(w.terms[w.last], w.base.Term) + uint64(c.rng.IntN(8)/7)
	}
	batch := make([]LogRecord, n)
	for i := range batch {
		size := c.rng.IntN(3000)
		if c.rng.IntN(20) == 0 {
			size = 40_000
		}
		index := from + uint64(i)
		batch[i] = recs(index, 1, term, size)[0]
		w.terms[index], w.sizes[index] = term, size
	}
	w.last = from + uint64(n) - 1
	if w.first == 0 {
		w.first = from
	}
	c.step(tb, w, func() error { return c.s.Log().Append(batch) })
}

func (c *crasher) checkpointAndTruncate(tb testing.TB, w *world) {
	l, st := c.s.Log(), c.s.State()
	for ; w.blobs < w.last; w.blobs++ {
		b := makeBlob(w.blobs+1, 20, size110)
		check(tb, b.put(st, w.blobs+1))
	}
	w.generation++
	chain, _ := l.Chain(w.last)
	w.base = Base{Index: w.last, Term: w.terms[w.last], Chain: chain}
	changed := map[uint64][]byte{}
	for range 1 + c.rng.IntN(10) {
		p := c.rng.Uint64N(30)
		changed[p] = page(p, w.generation, 2000)
		w.pages[p] = changed[p]
		if c.rng.IntN(4) == 0 {
			changed[p] = nil
			delete(w.pages, p)
		}
	}
	c.step(tb, w, func() error {
		return checkpoint(st, Manifest{Index: w.base.Index, Term: w.base.Term, Chain: chain}, changed)
	})
	if c.rng.IntN(2) == 0 {
		w = w.clone()
		through := w.first + c.rng.Uint64N(w.last-w.first+1)
		w.first = through + 1
		if through == w.last {
			w.first = 0
		}
		c.step(tb, w, func() error { return l.TruncateHead(through) })
	}
}

func (c *crasher) truncateTail(tb testing.TB, w *world) {
	if w.first == 0 || w.last <= w.base.Index {
		return
	}
	from := max(w.first, w.base.Index+1)
	from += c.rng.Uint64N(w.last - from + 1)
	w.last = from - 1
	if w.last < w.first {
		w.first = 0
	}
	w.blobs = min(w.blobs, w.last)
	c.step(tb, w, func() error { return c.s.Log().TruncateTail(from) })
}

// install is what a snapshot from another node does: its checkpoint replaces everything, then the log is deleted. It lies beyond
// the log, or within it where another leader's records were never committed.
func (c *crasher) install(tb testing.TB, w *world) {
	before := max(w.last, w.base.Index)
	index, term := before+1+c.rng.Uint64N(20), max(w.terms[w.last], w.base.Term)+1
	if w.last > w.base.Index && c.rng.IntN(2) == 0 {
		index = w.base.Index + 1 + c.rng.Uint64N(w.last-w.base.Index)
	}
	w.generation++
	w.base = Base{Index: index, Term: term, Chain: [16]byte{byte(index), byte(term)}}
	w.pages = map[uint64][]byte{}
	cw := c.s.State().BeginCheckpoint()
	cw.ReplaceAll()
	for p := range uint64(30) {
		if c.rng.IntN(3) == 0 {
			w.pages[p] = page(p, w.generation, 2000)
			check(tb, cw.Put(p, w.pages[p]))
		}
	}
	if w.blobs < index {
		lacks := Range{From: w.blobs + 1, To: index, Running: runningOf(index)}
		cw.Lacks(lacks)
		w.lacked = append(w.lacked, lacks)
		w.blobs = index
	}
	w.first, w.last, w.terms[index] = 0, index, term
	c.step(tb, w, func() error { return cw.Commit(Manifest{Index: index, Term: term, Chain: w.base.Chain}) })
	c.step(tb, w.clone(), func() error { return c.s.Log().Rebase(w.base) })
}

// fetch brings some of what an install lacks.
func (c *crasher) fetch(tb testing.TB, w *world) {
	if all := c.s.State().Missing(); len(all) > 0 {
		rows, through, err := c.donor.State().AppendBlobs(nil, all[0].From, all[0].To, 4000)
		check(tb, err)
		c.step(tb, w, func() error { return c.s.State().PutBlobs(all[0].From, through, rows) })
	}
}

// run does a random workload, and returns the power cuts taken meanwhile.
func (c *crasher) run(t *testing.T, steps int) []moment {
	c.done.Store(-1)
	c.donor = mustVerify(t, small(vfs.NewMem(), "/donor"))
	for i := range uint64(2000) {
		b := makeBlob(i+1, 20, size110)
		check(t, b.put(c.donor.State(), i+1))
	}
	c.s = mustVerify(t, small(errorfs.Wrap(c.fs, errorfs.InjectorFunc(c.cut)), "/d"))
	start := &world{terms: map[uint64]uint64{}, sizes: map[uint64]int{}, stable: map[string]byte{}, pages: map[uint64][]byte{}}
	c.step(t, start, func() error { return nil })
	for range steps {
		w := c.worlds.all[len(c.worlds.all)-1].clone()
		switch k := c.rng.IntN(23); {
		case k < 12:
			c.appendSome(t, w)
		case k < 14 && w.last > 0 && w.first > 0:
			c.checkpointAndTruncate(t, w)
		case k < 16:
			c.truncateTail(t, w)
		case k < 18:
			key, v := string(rune('a'+c.rng.IntN(3))), byte(c.rng.Uint32())
			w.stable[key] = v
			c.step(t, w, func() error { return c.s.Log().SetStable([]byte(key), []byte{v}) })
		case k < 19:
			c.install(t, w)
		case k < 21:
			c.fetch(t, w)
		default:
			time.Sleep(time.Duration(c.rng.IntN(400)) * time.Millisecond) // the watermark catches up
		}
	}
	mustClose(t, c.s)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.moments
}

// agrees says how a store that was opened after a power cut differs from a world; nil when it does not.
func (w *world) agrees(s *Store) error {
	l := s.Log()
	m, _ := s.State().Manifest()
	if m.Generation != w.generation || m.Base() != w.base {
		return fmt.Errorf("checkpoint %d at %d, want %d at %d", m.Generation, m.Index, w.generation, w.base.Index)
	}
	last := max(l.Last(), m.Index)
	if want := max(w.last, w.base.Index); last != want {
		return fmt.Errorf("log ends at %d, want %d", last, want)
	}
	for i := w.first; w.first > 0 && i <= w.last; i++ {
		var r LogRecord
		if err := l.Get(i, &r); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
		if r.Term != w.terms[i] || !bytes.Equal(r.Data, data(i, w.sizes[i])) {
			return fmt.Errorf("record %d has term %d and %d bytes, want %d and %d", i, r.Term, len(r.Data), w.terms[i], w.sizes[i])
		}
	}
	for k, v := range w.stable {
		if got, err := l.Stable([]byte(k)); err != nil || !bytes.Equal(got, []byte{v}) {
			return fmt.Errorf("stable value %s is %v, want %d: %w", k, got, v, err)
		}
	}
	if got, err := loaded(s.State()); err != nil || !samePages(got, w.pages) {
		return fmt.Errorf("%d pages, want %d: %w", len(got), len(w.pages), err)
	}
	for i := uint64(1); i <= w.base.Index; i++ {
		b := makeBlob(i, 20, size110)
		got, err := s.State().Records(nil, i, 0, 20)
		var missing *MissingError
		if errors.As(err, &missing) && slices.ContainsFunc(w.lacked, func(r Range) bool { return r.From <= i && i <= r.To }) {
			continue
		}
		if err != nil || !bytes.Equal(got, b.records) {
			return fmt.Errorf("blob %d of a checkpoint at %d: %w", i, w.base.Index, err)
		}
	}
	return nil
}

// survives opens what a power cut left, and proves that everything acknowledged is there.
func (m *moment) survives(t *testing.T) error {
	o := small(m.fs, "/d")
	o.OnFatal = func(err error) {
		t.Errorf("fatal: %v", err)
		runtime.Goexit()
	}
	s, err := Open(o)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer mustClose(t, s)
	if err := verify(s); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	var differs error
	for _, w := range m.worlds {
		err := w.agrees(s)
		if err == nil {
			differs = nil
			break
		}
		differs = errors.Join(differs, err)
	}
	if differs != nil {
		return fmt.Errorf("neither as acknowledged nor as being done: %w", differs)
	}
	// And it goes on.
	mf, _ := s.State().Manifest()
	next := max(s.Log().Last(), mf.Index)
	if err := s.Log().Append(recs(next+1, 2, 100, 10)); err != nil {
		return err
	}
	for all := s.State().Missing(); len(all) > 0; all = s.State().Missing() {
		rows, through, err := m.donor.State().AppendBlobs(nil, all[0].From, all[0].To, 10_000)
		if err == nil {
			err = s.State().PutBlobs(all[0].From, through, rows)
		}
		if err != nil {
			return err
		}
	}
	for i := uint64(1); i <= mf.Index; i++ {
		if got, err := s.State().Records(nil, i, 0, 20); err != nil || !bytes.Equal(got, makeBlob(i, 20, size110).records) {
			return fmt.Errorf("blob %d after all were fetched: %w", i, err)
		}
	}
	return nil
}

// Whatever moment the power is cut at, and whatever part of the unsynced data had reached the disk: every acknowledged record and
// stable value is there, no truncated record is back, the watermark is never ahead of the log, and the checkpoint is either the
// older or the newer one, with all its pages and all the blobs up to its index.
func TestPowerCuts(t *testing.T) {
	cuts := 0
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			c := &crasher{fs: NewCrashFS(), rng: rand.New(rand.NewPCG(seed, 1))}
			c.mu.rng = rand.New(rand.NewPCG(seed, 2))
			c.mu.every = 15
			moments := c.run(t, 120)
			for i := range moments {
				if err := moments[i].survives(t); err != nil {
					t.Fatalf("seed %d, cut %d of %d: %v", seed, i, len(moments), err)
				}
			}
			mustClose(t, c.donor)
			cuts += len(moments)
		})
	}
	t.Logf("%d power cuts survived", cuts)
	if cuts < 300 {
		t.Errorf("only %d power cuts", cuts)
	}
}
