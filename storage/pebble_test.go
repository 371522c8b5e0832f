package storage

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Blobs and win rows stand in tables of their own, after flushes and after compactions.
func TestTablesOfOneKind(t *testing.T) {
	s := mustVerify(t, small(vfs.NewMem(), "/d"))
	defer mustClose(t, s)
	rng := rand.New(rand.NewPCG(1, 2))
	for index := range uint64(300) {
		b := makeBlob(index+1, 256, size110)
		for i := range b.records {
			b.records[i] = byte(rng.Uint32())
		}
		check(t, b.put(s.State(), index+1))
	}
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
