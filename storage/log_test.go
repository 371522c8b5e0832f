package storage

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// data is what the test's record at index holds.
func data(index uint64, size int) []byte {
	b := bytes.Repeat([]byte{byte(index), byte(index >> 8), 0x55}, size/3+1)
	return b[:size]
}

// recs makes n records from an index on.
func recs(from uint64, n int, term uint64, size int) []LogRecord {
	out := make([]LogRecord, n)
	for i := range out {
		index := from + uint64(i)
		out[i] = LogRecord{Index: index, Term: term, Type: 3, AppendedAt: int64(index), Data: data(index, size), Extensions: []byte("ext")}
	}
	return out
}

// mustHave fails the test unless exactly the records [from, to] are there, as recs makes them.
func mustHave(tb testing.TB, l *Log, from, to uint64, size int) {
	tb.Helper()
	if l.First() != from || l.Last() != to {
		tb.Fatalf("log is [%d, %d], want [%d, %d]", l.First(), l.Last(), from, to)
	}
	for i := from; i <= to; i++ {
		var r LogRecord
		if err := l.Get(i, &r); err != nil {
			tb.Fatalf("get %d: %v", i, err)
		}
		if r.Index != i || r.Type != 3 || r.AppendedAt != int64(i) || !bytes.Equal(r.Data, data(i, size)) || string(r.Extensions) != "ext" {
			tb.Fatalf("record %d is %+v", i, r)
		}
		if c, ok := l.Chain(i); !ok || c != r.Chain {
			tb.Fatalf("chain of %d is %x %v, record says %x", i, c, ok, r.Chain)
		}
	}
}

func TestLogAppendGetReopen(t *testing.T) {
	for _, ring := range []int64{1, 64 << 20} {
		t.Run(fmt.Sprintf("ring %d", ring), func(t *testing.T) {
			fs := vfs.NewMem()
			o := small(fs, "/d")
			o.RingBytes = ring
			s := mustVerify(t, o)
			l := s.Log()
			if l.First() != 0 || l.Last() != 0 || l.Bytes() != 0 {
				t.Fatalf("new log is [%d, %d], %d bytes", l.First(), l.Last(), l.Bytes())
			}
			check(t, l.Append(nil))
			check(t, l.Append(recs(1, 1, 1, 0)[:1]))
			check(t, l.TruncateTail(1))
			check(t, l.Append(recs(1, 50, 1, 700)))
			check(t, l.Append(recs(51, 50, 2, 700)))
			mustHave(t, l, 1, 100, 700)
			var r LogRecord
			for _, i := range []uint64{0, 101, 1 << 60} {
				if err := l.Get(i, &r); !errors.Is(err, ErrNotFound) {
					t.Errorf("get %d: %v", i, err)
				}
			}
			if want := int64(100 * (9 + 64 + 700 + 3)); l.Bytes() != want {
				t.Errorf("bytes %d, want %d", l.Bytes(), want)
			}
			chain, _ := l.Chain(100)
			mustClose(t, s)
			s = mustVerify(t, o)
			l = s.Log()
			mustHave(t, l, 1, 100, 700)
			if c, _ := l.Chain(100); c != chain {
				t.Error("chain changed over a restart")
			}
			if want := int64(100 * (9 + 64 + 700 + 3)); l.Bytes() != want {
				t.Errorf("bytes %d, want %d", l.Bytes(), want)
			}
			check(t, l.Append(recs(101, 1, 2, 700)))
			mustHave(t, l, 1, 101, 700)
			mustClose(t, s)
		})
	}
}

// AppendedAt differs between nodes and is not in the chain; everything else is.
func TestChainCoversAllButAppendedAt(t *testing.T) {
	chainOf := func(r LogRecord) [16]byte {
		s := mustVerify(t, small(vfs.NewMem(), "/d"))
		defer mustClose(t, s)
		b := []LogRecord{{Index: 1, Term: 1}, r}
		check(t, s.Log().Append(b))
		return b[1].Chain
	}
	base := LogRecord{Index: 2, Term: 4, Type: 1, Data: []byte("ab"), Extensions: []byte("c"), AppendedAt: 7}
	same := base
	same.AppendedAt = 8
	if chainOf(base) != chainOf(same) {
		t.Error("AppendedAt is in the chain")
	}
	seen := map[[16]byte]int{chainOf(base): -1}
	for i, change := range []func(*LogRecord){
		func(r *LogRecord) { r.Term++ },
		func(r *LogRecord) { r.Type++ },
		func(r *LogRecord) { r.Data = []byte("aB") },
		func(r *LogRecord) { r.Extensions = nil },
		func(r *LogRecord) { r.Data, r.Extensions = []byte("a"), []byte("bc") },
	} {
		r := base
		change(&r)
		c := chainOf(r)
		if j, dup := seen[c]; dup {
			t.Errorf("change %d has the chain of %d", i, j)
		}
		seen[c] = i
	}
}

func TestLogRefusesGapsAndUnverifiedWrites(t *testing.T) {
	s := mustOpen(t, small(vfs.NewMem(), "/d"))
	defer mustClose(t, s)
	l := s.Log()
	for name, err := range map[string]error{
		"append":        l.Append(recs(1, 1, 1, 1)),
		"truncate head": l.TruncateHead(1),
		"truncate tail": l.TruncateTail(1),
		"rebase":        l.Rebase(Base{}),
	} {
		if !errors.Is(err, errNotVerified) {
			t.Errorf("%s before Verify: %v", name, err)
		}
	}
	check(t, l.SetStable([]byte("k"), []byte("v"))) // a vote does not wait for Verify
	check(t, l.Verify(Base{}))
	if l.Verify(Base{}) == nil {
		t.Error("second Verify")
	}
	for _, r := range [][]LogRecord{recs(0, 1, 1, 1), recs(2, 1, 1, 1), {{Index: 1}, {Index: 3}}} {
		if l.Append(r) == nil {
			t.Errorf("appended from %d", r[0].Index)
		}
	}
	check(t, l.Append(recs(1, 1, 1, 1)))
}

func TestTruncateTail(t *testing.T) {
	for _, ring := range []int64{1, 64 << 20} {
		fs := vfs.NewMem()
		o := small(fs, "/d")
		o.RingBytes = ring
		s := mustVerify(t, o)
		l := s.Log()
		check(t, l.Append(recs(1, 100, 1, 10)))
		old, _ := l.Chain(61)
		check(t, l.TruncateTail(101)) // nothing there
		check(t, l.TruncateTail(61))
		mustHave(t, l, 1, 60, 10)
		if _, ok := l.Chain(61); ok {
			t.Error("the chain of a truncated record is known")
		}
		var r LogRecord
		if err := l.Get(61, &r); !errors.Is(err, ErrNotFound) {
			t.Errorf("get of a truncated record: %v", err)
		}
		check(t, l.Append(recs(61, 5, 2, 10)))
		mustHave(t, l, 1, 65, 10)
		if c, _ := l.Chain(61); c == old {
			t.Error("another term, the same chain")
		}
		check(t, l.Append(recs(64, 1, 3, 10))) // overwrites
		mustHave(t, l, 1, 64, 10)
		mustClose(t, s)
		s = mustVerify(t, o)
		mustHave(t, s.Log(), 1, 64, 10)
		check(t, s.Log().TruncateTail(1))
		if l := s.Log(); l.First() != 0 || l.Last() != 0 || l.Bytes() != 0 {
			t.Errorf("log is [%d, %d], %d bytes", l.First(), l.Last(), l.Bytes())
		}
		check(t, s.Log().Append(recs(1, 2, 4, 10)))
		mustClose(t, s)
		s = mustVerify(t, o)
		mustHave(t, s.Log(), 1, 2, 10)
		mustClose(t, s)
	}
}

func TestTruncateHead(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs, "/d")
	s := mustVerify(t, o)
	l := s.Log()
	check(t, l.Append(recs(1, 100, 1, 10)))
	base := func(i uint64) Base {
		b, ok := l.at(i)
		if !ok {
			t.Fatalf("no base at %d", i)
		}
		return b
	}
	at40, at100 := base(40), base(100)
	check(t, l.TruncateHead(30))
	mustHave(t, l, 31, 100, 10)
	var r LogRecord
	if err := l.Get(30, &r); err != nil || r.Index != 30 {
		t.Errorf("the ring lost a record by a head truncation: %v", err)
	}
	if want := int64(70 * (9 + 64 + 10 + 3)); l.Bytes() != want {
		t.Errorf("bytes %d, want %d", l.Bytes(), want)
	}
	mustClose(t, s)

	s = mustOpen(t, o)
	isDamaged(t, s.Log().Verify(Base{Index: 29}), "the records between are missing")
	mustClose(t, s)
	s = mustOpen(t, o)
	wrong := at40
	wrong.Chain[3]++
	isDamaged(t, s.Log().Verify(wrong), "another chain hash than the checkpoint")
	mustClose(t, s)

	s = mustOpen(t, o)
	l = s.Log()
	check(t, l.Verify(at40))
	mustHave(t, l, 31, 100, 10)
	check(t, l.TruncateHead(1000)) // all there is
	if l.First() != 0 || l.Last() != 0 {
		t.Fatalf("log is [%d, %d]", l.First(), l.Last())
	}
	if c, ok := l.Chain(100); !ok || c != at100.Chain {
		t.Error("the chain that the next record continues is not known")
	}
	mustClose(t, s)
	s = mustOpen(t, o)
	check(t, s.Log().Verify(at100))
	check(t, s.Log().Append(recs(101, 1, 1, 10)))
	mustClose(t, s)

	s = mustOpen(t, o)
	check(t, s.Log().Verify(at100))
	mustHave(t, s.Log(), 101, 101, 10)
	mustClose(t, s)
	s = mustOpen(t, o)
	wrong = at100
	wrong.Chain[0]++
	isDamaged(t, s.Log().Verify(wrong), "does not continue the checkpoint")
	mustClose(t, s)
}

// A snapshot from a peer replaces the log; the power may go before the log is deleted.
func TestRebaseAndSupersededLog(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs, "/d")
	s := mustVerify(t, o)
	check(t, s.Log().Append(recs(1, 100, 1, 10)))
	mustClose(t, s)

	ahead := Base{Index: 150, Term: 2, Chain: [16]byte{1}}
	behind := Base{Index: 60, Term: 2, Chain: [16]byte{2}} // a conflicting branch: 60 has term 1 here
	for _, base := range []Base{ahead, behind} {
		for _, crashed := range []bool{true, false} {
			clone := vfs.NewMem()
			_, err := vfs.Clone(fs, clone, "/d", "/d")
			check(t, err)
			s := mustOpen(t, small(clone, "/d"))
			if crashed {
				check(t, s.Log().Verify(base))
			} else {
				check(t, s.Log().Verify(Base{}))
				check(t, s.Log().Rebase(base))
			}
			if l := s.Log(); l.First() != 0 || l.Last() != 0 {
				t.Fatalf("log is [%d, %d]", l.First(), l.Last())
			}
			check(t, s.Log().Append(recs(base.Index+1, 3, 2, 10)))
			mustClose(t, s)
			s = mustOpen(t, small(clone, "/d"))
			check(t, s.Log().Verify(base))
			mustHave(t, s.Log(), base.Index+1, base.Index+3, 10)
			mustClose(t, s)
		}
	}

	// Same index, same term, other bytes: that is no other branch.
	s = mustOpen(t, o)
	isDamaged(t, s.Log().Verify(Base{Index: 60, Term: 1, Chain: [16]byte{2}}), "another chain hash than the checkpoint")
	mustClose(t, s)
}

func TestStable(t *testing.T) {
	fs := vfs.NewMem()
	s := mustVerify(t, small(fs, "/d"))
	if v, err := s.Log().Stable([]byte("term")); v != nil || err != nil {
		t.Fatalf("missing value: %v %v", v, err)
	}
	check(t, s.Log().SetStable([]byte("term"), []byte{1}))
	check(t, s.Log().SetStable([]byte("empty"), nil))
	check(t, s.Log().SetStable([]byte("term"), []byte{2}))
	mustClose(t, s)
	s = mustVerify(t, small(fs, "/d"))
	if v, err := s.Log().Stable([]byte("term")); !bytes.Equal(v, []byte{2}) || err != nil {
		t.Errorf("term: %v %v", v, err)
	}
	if v, err := s.Log().Stable([]byte("empty")); v == nil || len(v) != 0 || err != nil {
		t.Errorf("empty: %v %v", v, err)
	}
	mustClose(t, s)
}

func TestTailStart(t *testing.T) {
	s := mustVerify(t, small(vfs.NewMem(), "/d"))
	defer mustClose(t, s)
	l := s.Log()
	if got := l.TailStart(1 << 40); got != 0 {
		t.Errorf("empty log: %d", got)
	}
	const size = 9 + 64 + 3 + 10000
	for i := range uint64(20) {
		check(t, l.Append(recs(1+100*i, 100, 1, 10000)))
	}
	for n := range 20 {
		bytes := int64(n) * 100 * size
		// Prorated within a segment, all records alike: off by one at most.
		if got, want := l.TailStart(bytes), uint64(2001-100*n); got < want || got > want+1 {
			t.Errorf("%d bytes: from %d, want %d", bytes, got, want)
		}
	}
	if got := l.TailStart(1 << 40); got != 1 {
		t.Errorf("all: from %d", got)
	}
	check(t, l.TruncateHead(1550))
	if got, want := l.Bytes(), int64(450*size); got < want-segmentBytes || got > want+segmentBytes {
		t.Errorf("bytes %d, want about %d", got, want)
	}
	check(t, l.TruncateTail(1701))
	if got, want := l.Bytes(), int64(150*size); got < want-2*segmentBytes || got > want+2*segmentBytes {
		t.Errorf("bytes %d, want about %d", got, want)
	}
}

func TestRing(t *testing.T) {
	g := ring{limit: 10 * (ringOverhead + 100)}
	for i := uint64(5); i < 1000; i++ {
		g.push(&LogRecord{Index: i, Data: make([]byte, 100)})
	}
	if g.count != 10 || g.first != 990 || g.bytes != g.limit {
		t.Fatalf("ring %d from %d, %d bytes", g.count, g.first, g.bytes)
	}
	if g.get(989) != nil || g.get(1000) != nil || g.get(0) != nil || g.get(990).Index != 990 || g.get(999).Index != 999 {
		t.Fatal("wrong records held")
	}
	g.truncate(995)
	if g.count != 5 || g.get(995) != nil || g.get(994) == nil {
		t.Fatal("truncation")
	}
	g.push(&LogRecord{Index: 995, Data: make([]byte, 1<<20)})
	if g.count != 1 || g.get(995) == nil {
		t.Fatal("one record above the limit is held alone")
	}
	g.push(&LogRecord{Index: 2000})
	if g.count != 1 || g.get(995) != nil || g.get(2000) == nil {
		t.Fatal("a gap empties the ring")
	}
	g.clear()
	if g.bytes != 0 || g.count != 0 {
		t.Fatalf("empty ring has %d bytes", g.bytes)
	}
	for _, r := range g.records {
		if r.Data != nil {
			t.Fatal("the ring holds on to dropped data")
		}
	}
}

// Rows that Pebble gives back as they were written, but that are not the log that was appended.
func TestVerifyFindsForeignRows(t *testing.T) {
	type write struct {
		index uint64
		value []byte // nil deletes
	}
	encode := func(r LogRecord, previous [16]byte) []byte {
		v := make([]byte, r.encodedSize())
		r.encode(v, previous)
		return v
	}
	var chains [21][16]byte
	for what, w := range map[string]func() write{
		"gap":                             func() write { return write{index: 10} },
		"follow the one before":           func() write { return write{10, encode(recs(10, 1, 1, 10)[0], [16]byte{9})} },
		"another one's place":             func() write { return write{10, encode(recs(11, 1, 1, 10)[0], chains[9])} },
		"lower term":                      func() write { return write{20, encode(recs(20, 1, 0, 10)[0], chains[19])} },
		"cut short":                       func() write { return write{10, make([]byte, 20)} },
		"bytes it was written with":       func() write { return write{10, make([]byte, 200)} },
		"chain hash than the watermark":   func() write { return write{20, encode(recs(20, 1, 2, 10)[0], chains[19])} },
		"has lost synced records":         func() write { return write{index: 20} },
		"the records between are missing": func() write { return write{index: 1} },
	} {
		t.Run(what, func(t *testing.T) {
			fs := vfs.NewMem()
			s := mustVerify(t, small(fs, "/d"))
			check(t, s.Log().Append(recs(1, 20, 1, 10)))
			for i := range chains {
				chains[i], _ = s.Log().Chain(uint64(i))
			}
			check(t, s.Log().raiseWatermark())
			row := w()
			k := logKey(row.index)
			if row.value == nil {
				check(t, s.log.db.Delete(k[:], pebble.Sync))
			} else {
				check(t, s.log.db.Set(k[:], row.value, pebble.Sync))
			}
			mustClose(t, s)
			s = mustOpen(t, small(fs, "/d"))
			defer mustClose(t, s)
			isDamaged(t, verify(s), what)
			if err := s.Log().Append(recs(21, 1, 1, 1)); !errors.Is(err, errNotVerified) {
				t.Errorf("a damaged log takes records: %v", err)
			}
		})
	}
}
