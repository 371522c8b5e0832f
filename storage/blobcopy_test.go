package storage

import (
	"bytes"
	"errors"
	"maps"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// runningOf is the running hash in the head of makeBlob.
func runningOf(index uint64) [16]byte { return [16]byte(bytes.Repeat([]byte{byte(index)}, 16)) }

// lacking returns a store whose checkpoint came from another node, without the records of [from, to].
func lacking(t *testing.T, fs vfs.FS, dir string, from, to uint64) *Store {
	t.Helper()
	s := mustVerify(t, small(fs, dir))
	w := s.State().BeginCheckpoint()
	w.ReplaceAll()
	w.Lacks(Range{From: from, To: to, Running: runningOf(to)})
	check(t, w.Commit(manifestOf(to)))
	check(t, s.Log().Rebase(Base{Index: to, Term: 3, Chain: [16]byte{1, byte(to)}}))
	return s
}

// donor returns a store with the blobs 1 to n, but for every seventh entry, which has none, and some of several chunks.
func donor(t *testing.T, n uint64) (*Store, map[uint64]blob) {
	t.Helper()
	s, blobs := mustVerify(t, small(vfs.NewMem(), "/donor")), map[uint64]blob{}
	for i := uint64(1); i <= n; i++ {
		if i%7 == 0 {
			continue
		}
		records := 20
		if i%11 == 0 {
			records = 900 // more than a chunk
		}
		b := makeBlob(i, records, size110)
		check(t, b.put(s.State(), i))
		blobs[i] = b
	}
	return s, blobs
}

func winsOf(t *testing.T, s *State) map[[3]uint64]int {
	t.Helper()
	all := map[[3]uint64]int{}
	for campaign := range uint32(2) {
		for prize := range uint16(2) {
			check(t, s.Wins(campaign, prize, 0, 0, func(index uint64, ordinal uint16) bool {
				all[[3]uint64{uint64(campaign)<<16 | uint64(prize), index, uint64(ordinal)}]++
				return true
			}))
		}
	}
	return all
}

// Blobs and win rows come over whole, in pieces, with a restart in between; until then reads say that they are missing.
func TestBlobsFromAnotherNode(t *testing.T) {
	const last = 100
	from, blobs := donor(t, last)
	defer mustClose(t, from)
	fs := vfs.NewMem()
	s := lacking(t, fs, "/d", 1, last)
	b := makeBlob(last+1, 5, size110)
	check(t, b.put(s.State(), last+1)) // draws go on meanwhile
	check(t, s.Log().Append(recs(last+1, 1, 3, 10)))
	steps := 0
	for all := s.State().Missing(); len(all) > 0; all = s.State().Missing() {
		var missing *MissingError
		if _, err := s.State().Records(nil, all[0].From, 0, 1); !errors.As(err, &missing) || missing.From != all[0].From {
			t.Fatalf("a record that is not here: %v", err)
		}
		if err := s.State().Scan(0, 0, func(index uint64, _ []byte, _ uint16, _ []byte) bool { return index < all[0].From }); !errors.As(err, &missing) {
			t.Fatalf("a scan over records that are not here: %v", err)
		}
		if err := s.State().Wins(0, 0, 0, 0, func(index uint64, _ uint16) bool { return index < all[0].From }); !errors.As(err, &missing) {
			t.Fatalf("wins that are not here: %v", err)
		}
		rows, through, err := from.State().AppendBlobs(nil, all[0].From, all[0].To, 20_000)
		check(t, err)
		check(t, s.State().PutBlobs(all[0].From, through, rows))
		if steps++; steps%3 == 0 {
			check(t, s.State().Sync())
			mustClose(t, s)
			s = mustVerify(t, small(fs, "/d"))
		}
	}
	defer mustClose(t, s)
	if steps < 5 {
		t.Errorf("it came in %d pieces: nothing was resumed", steps)
	}
	for i, b := range blobs {
		if got, err := s.State().Records(nil, i, 0, len(b.offsets)); err != nil || !bytes.Equal(got, b.records) {
			t.Errorf("blob %d: %v", i, err)
		}
	}
	if _, err := s.State().Records(nil, 7, 0, 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("an entry without records: %v", err)
	}
	check(t, b.put(from.State(), last+1))
	if got, want := winsOf(t, s.State()), winsOf(t, from.State()); !maps.Equal(got, want) || len(want) < 100 {
		t.Errorf("%d wins, want %d", len(got), len(want))
	}
}

// What came wrong is refused whole, and what is missing stays so.
func TestWrongBlobsAreRefused(t *testing.T) {
	from, _ := donor(t, 30)
	defer mustClose(t, from)
	s := lacking(t, vfs.NewMem(), "/d", 1, 30)
	defer mustClose(t, s)
	rows, through, err := from.State().AppendBlobs(nil, 1, 12, 1<<30)
	if check(t, err); through != 12 {
		t.Fatal(through)
	}
	refused := func(what string, from, through uint64, rows []byte) {
		t.Helper()
		var wrong *BlobsError
		if err := s.State().PutBlobs(from, through, rows); !errors.As(err, &wrong) {
			t.Errorf("%s: %v", what, err)
		}
		if all := s.State().Missing(); len(all) != 1 || all[0].From != 1 || s.State().LastBlob() != 0 {
			t.Fatalf("%s: missing %v, last %d", what, all, s.State().LastBlob())
		}
	}
	blobs := bytes.Index(rows, []byte{keyWin, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2})
	if blobs < 0 {
		t.Fatal("no win rows")
	}
	for i := 0; i < blobs; i += 97 {
		bad := bytes.Clone(rows)
		bad[i] ^= 0x40
		refused("a flipped byte", 1, 12, bad)
		refused("a cut", 1, 12, rows[:i+1])
	}
	refused("beyond the range", 1, 31, rows)
	refused("not at its beginning", 2, 12, rows)
	refused("entries outside", 1, 5, rows)
	refused("win rows without blobs", 1, 12, rows[blobs:])
	all, _, err := from.State().AppendBlobs(nil, 1, 30, 1<<30)
	check(t, err)
	short, _, err := from.State().AppendBlobs(nil, 1, 29, 1<<30)
	check(t, err)
	refused("the newest blob missing", 1, 30, short)
	check(t, s.State().PutBlobs(1, 30, all))
	// The same again is no harm, another record in its place is.
	s.State().missing.ranges.Store(&[]Range{{From: 1, To: 30, Running: runningOf(30)}})
	check(t, s.State().PutBlobs(1, 30, all))
	s.State().missing.ranges.Store(&[]Range{{From: 1, To: 30, Running: runningOf(30)}})
	other := makeBlob(1, 21, size110)
	check(t, other.put(from.State(), 1))
	all, _, err = from.State().AppendBlobs(nil, 1, 30, 1<<30)
	check(t, err)
	var diverged *DivergedError
	if err := s.State().PutBlobs(1, 30, all); !errors.As(err, &diverged) {
		t.Errorf("another record in its place: %v", err)
	}
}

// A node gives only what it has.
func TestBlobsOfANodeThatLacksSome(t *testing.T) {
	from, _ := donor(t, 30)
	defer mustClose(t, from)
	from.State().missing.ranges.Store(&[]Range{{From: 10, To: 20}})
	if _, through, err := from.State().AppendBlobs(nil, 1, 30, 1<<30); err != nil || through != 9 {
		t.Errorf("up to %d, %v", through, err)
	}
	var missing *MissingError
	if _, _, err := from.State().AppendBlobs(nil, 15, 30, 1<<30); !errors.As(err, &missing) {
		t.Errorf("%v", err)
	}
	if _, through, err := from.State().AppendBlobs(nil, 22, 30, 1); err != nil || through != 22 {
		t.Errorf("up to %d, %v: at least one entry comes", through, err)
	}
}

func TestRanges(t *testing.T) {
	all := withRange(nil, Range{From: 1, To: 10, Running: [16]byte{1}})
	all = withRange(all, Range{From: 20, To: 30, Running: [16]byte{2}})
	if len(all) != 2 {
		t.Fatal(all)
	}
	all = withRange(all, Range{From: 31, To: 40, Running: [16]byte{3}})
	if len(all) != 2 || all[1] != (Range{From: 20, To: 40, Running: [16]byte{3}}) {
		t.Error("ranges that touch:", all)
	}
	if got := without(all, 1, 10); len(got) != 1 || got[0].From != 20 {
		t.Error(got)
	}
	if got := without(all, 20, 25); len(got) != 2 || got[1].From != 26 {
		t.Error(got)
	}
	for i := range uint64(2 * maxRanges) {
		all = withRange(all, Range{From: 100 + 10*i, To: 101 + 10*i})
	}
	if len(all) > maxRanges || all[len(all)-1].To != 101+10*(2*maxRanges-1) {
		t.Errorf("%d ranges are kept", len(all))
	}
	again, ok := decodeMissing(encodeMissing(all))
	if !ok || len(again) != len(all) || again[5] != all[5] {
		t.Error("the row does not come back")
	}
	b := encodeMissing(all[:2])
	for i := range b {
		b[i] ^= 1
		if _, ok := decodeMissing(b); ok {
			t.Errorf("byte %d of the row", i)
		}
		b[i] ^= 1
	}
}

// Records are read out of rows as out of the store, whatever chunks they stand in.
func TestRecordsIn(t *testing.T) {
	from, blobs := donor(t, 12)
	defer mustClose(t, from)
	for _, index := range []uint64{3, 11} {
		rows, _, err := from.State().AppendBlobs(nil, index, index, 1)
		check(t, err)
		all := len(blobs[index].offsets)
		for _, at := range [][2]int{{0, 1}, {0, all}, {all - 1, 1}, {all / 2, all / 3}, {all/2 - 1, 2}} {
			want, err := from.State().Records(nil, index, uint16(at[0]), at[1])
			check(t, err)
			if got, err := RecordsIn([]byte("x"), rows, index, uint16(at[0]), at[1]); err != nil || !bytes.Equal(got[1:], want) {
				t.Errorf("entry %d, %v: %d bytes, %v", index, at, len(got), err)
			}
		}
		for _, at := range [][2]int{{all, 1}, {all - 1, 2}} {
			if got, err := RecordsIn([]byte("x"), rows, index, uint16(at[0]), at[1]); !errors.Is(err, ErrNotFound) || string(got) != "x" {
				t.Errorf("entry %d, %v: %v", index, at, err)
			}
		}
		rows[30] ^= 1
		var wrong *BlobsError
		if _, err := RecordsIn(nil, rows, index, 0, 1); !errors.As(err, &wrong) {
			t.Errorf("a changed byte: %v", err)
		}
	}
}
