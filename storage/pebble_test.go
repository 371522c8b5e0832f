package storage

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// putNoise puts blobs that do not compress.
func putNoise(t *testing.T, state *State, blobs uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	for index := range blobs {
		b := makeBlob(index+1, 256, size110)
		for i := range b.records {
			b.records[i] = byte(rng.Uint32())
		}
		check(t, b.put(state, index+1))
	}
}

// Blobs and win rows stand in tables of their own, after flushes and after compactions.
func TestTablesOfOneKind(t *testing.T) {
	s := mustVerify(t, small(vfs.NewMem(), "/d"))
	defer mustClose(t, s)
	putNoise(t, s.State(), 300)
	db := s.State().db
	check(t, db.Flush())
	levels, err := db.SSTables()
	check(t, err)
	count := 0
	for level, tables := range levels {
		count += len(tables)
		for _, table := range tables {
			if table.Smallest.UserKey[0] != table.Largest.UserKey[0] {
				t.Errorf("a table of level %d goes from %x to %x", level, table.Smallest.UserKey, table.Largest.UserKey)
			}
		}
	}
	if count < 4 {
		t.Errorf("only %d tables", count)
	}
}

// What a flush makes of blobs is there for good, so it makes few tables.
func TestAFlushMakesFewTables(t *testing.T) {
	o := small(vfs.NewMem(), "/d")
	o.StateMemtable = 32 << 20
	s := mustVerify(t, o)
	defer mustClose(t, s)
	putNoise(t, s.State(), 700)
	db := s.State().db
	check(t, db.Flush())
	levels, err := db.SSTables()
	check(t, err)
	count, bytes := 0, uint64(0)
	for _, tables := range levels {
		for _, table := range tables {
			count++
			bytes += table.Size
		}
	}
	if bytes < 16<<20 || uint64(count) > bytes>>22 {
		t.Errorf("%d tables of %d bytes", count, bytes)
	}
}

// A blob is written once, by the flush that takes it out of memory: the compactions of win rows, which every flush needs, leave
// it alone.
func TestBlobsAreNotCompacted(t *testing.T) {
	s := mustVerify(t, small(vfs.NewMem(), "/d"))
	defer mustClose(t, s)
	rng := rand.New(rand.NewPCG(1, 2))
	db := s.State().db
	for index := range uint64(1000) {
		b := makeBlob(index+1, 256, size110)
		for i := range b.records {
			if i%2 == 0 { // half of a record is what no compression makes smaller
				b.records[i] = byte(rng.Uint32())
			}
		}
		check(t, b.put(s.State(), index+1))
		for db.Metrics().Compact.NumInProgress > 0 { // compactions keep up, however fast the blobs come
			runtime.Gosched()
		}
	}
	m := db.Metrics()
	flushed, compacted := m.Levels[0].TableBytesFlushed, uint64(0)
	for _, l := range m.Levels {
		compacted += l.TableBytesCompacted
	}
	if m.Compact.DefaultCount == 0 || flushed < 10<<20 {
		t.Fatalf("%d compactions, %d bytes flushed: nothing is shown", m.Compact.DefaultCount, flushed)
	}
	if compacted > flushed/8 {
		t.Errorf("%d bytes compacted of %d that were flushed, in %d compactions", compacted, flushed, m.Compact.DefaultCount)
	}
}
