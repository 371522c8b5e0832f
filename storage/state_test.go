package storage

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// blob is a record blob as the engine gives it.
type blob struct {
	head    []byte
	offsets []uint32
	records []byte
	wins    []Win
}

// makeBlob makes a blob of n records; record i has the given size and ends with its own number.
func makeBlob(index uint64, n int, size func(i int) int) blob {
	b := blob{head: bytes.Repeat([]byte{byte(index)}, HeadSize)}
	for i := range n {
		b.offsets = append(b.offsets, uint32(len(b.records)))
		b.records = append(b.records, record(index, i, size(i))...)
		if i%3 == 1 {
			b.wins = append(b.wins, Win{Campaign: uint32(i % 2), Prize: uint16(index % 2), Ordinal: uint16(i)})
		}
	}
	return b
}

func record(index uint64, i, size int) []byte {
	r := bytes.Repeat([]byte{byte(index), byte(i), byte(i >> 8), 7}, size/4+1)
	return r[:size]
}

func size110(int) int { return 110 }

func (b *blob) put(s *State, index uint64) error {
	return s.PutBlob(index, b.head, b.offsets, b.records, append([]Win(nil), b.wins...))
}

func TestBlobs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	sizes := map[uint64]func(int) int{
		1: size110,
		2: func(int) int { return 0 },
		3: func(i int) int { return rng.IntN(3000) },
		5: func(i int) int { return []int{10, 100_000, 200, 70_000, 0}[i%5] },
		6: size110,
	}
	counts := map[uint64]int{1: 256, 2: 40, 3: 100, 4: 0, 5: 10, 6: 1}
	fs := vfs.NewMem()
	s := mustOpen(t, small(fs, "/d"))
	blobs := map[uint64]blob{}
	for _, i := range []uint64{1, 2, 3, 4, 5, 6} {
		b := makeBlob(i, counts[i], sizes[i])
		blobs[i] = b
		check(t, b.put(s.State(), i))
	}
	test := func(st *State) {
		t.Helper()
		if st.LastBlob() != 6 {
			t.Fatalf("last blob %d", st.LastBlob())
		}
		for index, b := range blobs {
			head, ok, err := st.Head(index)
			if err != nil || !ok || !bytes.Equal(head, b.head) {
				t.Fatalf("head of %d: %x %v %v", index, head, ok, err)
			}
			offset := func(i int) int {
				if i == len(b.offsets) {
					return len(b.records)
				}
				return int(b.offsets[i])
			}
			for range 300 {
				if len(b.offsets) == 0 {
					break
				}
				from := rng.IntN(len(b.offsets))
				n := 1 + rng.IntN(len(b.offsets)-from)
				got, err := st.Records([]byte("dst"), index, uint16(from), n)
				want := append([]byte("dst"), b.records[offset(from):offset(from+n)]...)
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("records %d of %d/%d: %v, %d bytes, want %d", n, index, from, err, len(got), len(want))
				}
			}
			if got, err := st.Records([]byte("dst"), index, uint16(len(b.offsets)), 1); !errors.Is(err, ErrNotFound) || string(got) != "dst" {
				t.Fatalf("records beyond %d: %v", index, err)
			}
		}
		if _, ok, err := st.Head(7); ok || err != nil {
			t.Fatalf("head of a missing blob: %v %v", ok, err)
		}
		if _, err := st.Records(nil, 7, 0, 1); !errors.Is(err, ErrNotFound) {
			t.Fatalf("records of a missing blob: %v", err)
		}
	}
	test(s.State()) // from the memtable
	check(t, s.State().Sync())
	mustClose(t, s)
	s = mustOpen(t, small(fs, "/d"))
	test(s.State())
	check(t, s.state.db.Flush())
	test(s.State()) // from a table
	mustClose(t, s)
}

func TestChunksKeepTheirBound(t *testing.T) {
	s := mustOpen(t, small(vfs.NewMem(), "/d"))
	defer mustClose(t, s)
	rng := rand.New(rand.NewPCG(2, 1))
	for index := range uint64(50) {
		b := makeBlob(index, 1+rng.IntN(400), func(int) int { return rng.IntN(500) })
		check(t, b.put(s.State(), index))
	}
	it, err := s.state.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyBlob}, UpperBound: []byte{keyBlob + 1}})
	check(t, err)
	chunks := 0
	for it.First(); it.Valid(); it.Next() {
		chunks++
		if len(it.Value()) > chunkSize {
			t.Fatalf("chunk of %d bytes", len(it.Value()))
		}
	}
	check(t, it.Close())
	if chunks < 60 {
		t.Fatalf("%d chunks", chunks)
	}
}

func TestScan(t *testing.T) {
	s := mustOpen(t, small(vfs.NewMem(), "/d"))
	defer mustClose(t, s)
	type at struct {
		index   uint64
		ordinal uint16
	}
	var all []at
	big := func(i int) int { return 900 }
	for _, index := range []uint64{2, 3, 4, 7, 8} {
		n := map[uint64]int{2: 3, 3: 0, 4: 100, 7: 1, 8: 80}[index]
		b := makeBlob(index, n, big)
		check(t, b.put(s.State(), index))
		for i := range n {
			all = append(all, at{index, uint16(i)})
		}
	}
	scan := func(index uint64, ordinal uint16, limit int) (got []at) {
		err := s.State().Scan(index, ordinal, func(i uint64, head []byte, o uint16, r []byte) bool {
			if !bytes.Equal(r, record(i, int(o), 900)) || !bytes.Equal(head, bytes.Repeat([]byte{byte(i)}, HeadSize)) {
				t.Fatalf("wrong record at %d/%d", i, o)
			}
			got = append(got, at{i, o})
			return len(got) < limit
		})
		check(t, err)
		return got
	}
	for i := range all {
		want := all[i:]
		if got := scan(all[i].index, all[i].ordinal, 1<<30); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("from %v: %d records, want %d", all[i], len(got), len(want))
		}
		if got := scan(all[i].index, all[i].ordinal, 2); len(got) != min(2, len(want)) || got[0] != want[0] {
			t.Fatalf("from %v, two: %v", all[i], got)
		}
	}
	for _, c := range []struct {
		from at
		want int
	}{{at{0, 0}, len(all)}, {at{1, 9}, len(all)}, {at{2, 3}, len(all) - 3}, {at{3, 0}, len(all) - 3}, {at{3, 5}, len(all) - 3}, {at{5, 65535}, 81}, {at{8, 80}, 0}, {at{9, 0}, 0}} {
		if got := scan(c.from.index, c.from.ordinal, 1<<30); len(got) != c.want {
			t.Errorf("from %v: %d records, want %d", c.from, len(got), c.want)
		}
	}
}

func TestWins(t *testing.T) {
	s := mustOpen(t, small(vfs.NewMem(), "/d"))
	defer mustClose(t, s)
	type at struct {
		index   uint64
		ordinal uint16
	}
	var want []at
	for index := uint64(1); index < 20; index++ {
		b := makeBlob(index, 30, size110)
		check(t, b.put(s.State(), index))
		for _, w := range b.wins {
			if w.Campaign == 1 && w.Prize == 0 {
				want = append(want, at{index, w.Ordinal})
			}
		}
	}
	list := func(after at, limit int) (got []at) {
		check(t, s.State().Wins(1, 0, after.index, after.ordinal, func(index uint64, ordinal uint16) bool {
			got = append(got, at{index, ordinal})
			return len(got) < limit
		}))
		return got
	}
	if got := list(at{}, 1<<30); fmt.Sprint(got) != fmt.Sprint(want) || len(got) < 40 {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i, w := range want {
		if got := list(w, 1<<30); fmt.Sprint(got) != fmt.Sprint(want[i+1:]) {
			t.Fatalf("after %v: %v", w, got)
		}
		if got := list(w, 1); i+1 < len(want) && (len(got) != 1 || got[0] != want[i+1]) {
			t.Fatalf("one after %v: %v", w, got)
		}
	}
	it, err := s.state.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyWin}, UpperBound: []byte{keyWin + 1}})
	check(t, err)
	rows := 0
	for it.First(); it.Valid(); it.Next() {
		rows++
	}
	check(t, it.Close())
	if rows != 19*2 {
		t.Errorf("%d win rows, want one per campaign, prize and entry: %d", rows, 19*2)
	}
}

// Replay writes what is there already: the same bytes write nothing, others stop the node.
func TestReplayOfBlobs(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, small(fs, "/d"))
	good := makeBlob(9, 600, size110) // three chunks
	check(t, good.put(s.State(), 9))
	check(t, good.put(s.State(), 9)) // beyond what Open saw nothing is compared
	check(t, s.State().Sync())
	mustClose(t, s)

	s = mustOpen(t, small(fs, "/d"))
	defer mustClose(t, s)
	before := s.Metrics().State.WALBytes
	check(t, good.put(s.State(), 9))
	if after := s.Metrics().State.WALBytes; after != before {
		t.Errorf("a replayed blob wrote %d bytes", after-before)
	}
	for name, change := range map[string]func(*blob){
		"head":    func(b *blob) { b.head = bytes.Repeat([]byte{1}, HeadSize) },
		"record":  func(b *blob) { b.records = append([]byte(nil), b.records...); b.records[len(b.records)-1]++ },
		"offset":  func(b *blob) { b.offsets = append([]uint32(nil), b.offsets...); b.offsets[400]++ },
		"shorter": func(b *blob) { b.offsets = b.offsets[:10]; b.records = b.records[:1100]; b.wins = nil },
		"longer": func(b *blob) {
			b.offsets = append(b.offsets[:600:600], uint32(len(b.records)))
			b.records = append(b.records[:len(b.records):len(b.records)], 1)
		},
		"win":   func(b *blob) { b.wins = append(b.wins[:3:3], Win{Campaign: 77}) },
		"empty": func(b *blob) { *b = makeBlob(9, 0, nil) },
	} {
		b := good
		change(&b)
		var d *DivergedError
		if err := b.put(s.State(), 9); !errors.As(err, &d) || d.Index != 9 {
			t.Errorf("%s differs: %v", name, err)
		}
	}
	check(t, good.put(s.State(), 9))
	new := makeBlob(8, 3, size110) // below, but not there: a gap is filled
	check(t, new.put(s.State(), 8))
	if _, err := s.State().Records(nil, 8, 2, 1); err != nil {
		t.Error(err)
	}
}

func TestDamagedBlobRow(t *testing.T) {
	s := mustOpen(t, small(vfs.NewMem(), "/d"))
	defer mustClose(t, s)
	b := makeBlob(1, 600, size110)
	check(t, b.put(s.State(), 1))
	for _, ordinal := range []uint16{0, 292} {
		k := blobKey(1, ordinal)
		v, closer, err := s.state.db.Get(k[:])
		check(t, err)
		good := append([]byte(nil), v...)
		check(t, closer.Close())
		for at := 0; at < len(good); at += 1 + len(good)/200 {
			bad := append([]byte(nil), good...)
			bad[at] ^= 1
			check(t, s.state.db.Set(k[:], bad, pebble.NoSync))
			_, err := s.State().Records(nil, 1, ordinal, 3)
			isDamaged(t, err, "a record blob")
		}
		check(t, s.state.db.Set(k[:], good[:10], pebble.NoSync))
		_, err = s.State().Records(nil, 1, ordinal, 3)
		isDamaged(t, err, "a record blob")
		check(t, s.state.db.Set(k[:], good, pebble.NoSync))
	}
	k := blobKey(1, 292)
	check(t, s.state.db.Delete(k[:], pebble.NoSync))
	_, err := s.State().Records(nil, 1, 290, 3)
	isDamaged(t, err, "lacks a chunk")
	k = blobKey(1, 0)
	check(t, s.state.db.Delete(k[:], pebble.NoSync))
	isDamaged(t, s.State().Scan(1, 590, func(uint64, []byte, uint16, []byte) bool { return true }), "lacks its first chunk")
	if err := s.State().PutBlob(1, make([]byte, 39), nil, nil, nil); err == nil {
		t.Error("a head of 39 bytes")
	}
}
