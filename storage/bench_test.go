package storage

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// openBench opens a store with default sizes on the real disk.
func openBench(b *testing.B) *Store {
	b.Helper()
	s := mustVerify(b, Options{Dir: b.TempDir(), Logger: quiet})
	b.Cleanup(func() { mustClose(b, s) })
	return s
}

// Append as raft calls it, with the disk's real sync. The first WALs of a store are slow, as their files grow.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ n, size int }{{1, 4 << 10}, {1, 64 << 10}, {16, 64 << 10}} {
		b.Run(fmt.Sprintf("%dx%dKiB", c.n, c.size>>10), func(b *testing.B) {
			l := openBench(b).Log()
			payload := make([]byte, c.size)
			for i := range payload {
				payload[i] = byte(rand.Uint32())
			}
			batch := make([]LogRecord, c.n)
			next := uint64(1)
			b.SetBytes(int64(c.n * c.size))
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch {
					batch[i] = LogRecord{Index: next, Term: 1, Data: payload}
					next++
				}
				check(b, l.Append(batch))
			}
		})
	}
}

// The part of an Append that is not the disk.
func BenchmarkEncodeRecord(b *testing.B) {
	r := LogRecord{Index: 1, Term: 1, Data: make([]byte, 64<<10)}
	v := make([]byte, r.encodedSize())
	b.SetBytes(64 << 10)
	for b.Loop() {
		r.encode(v, r.Chain)
	}
}

func BenchmarkVerify(b *testing.B) {
	s := openBench(b)
	l := s.Log()
	for i := range uint64(100) {
		check(b, l.Append(recs(1+16*i, 16, 1, 64<<10)))
	}
	b.SetBytes(l.Bytes())
	for b.Loop() {
		c := scan{log: l}
		check(b, c.run())
	}
}

func BenchmarkPutBlob(b *testing.B) {
	st := openBench(b).State()
	blob := makeBlob(1, 256, size110)
	index := uint64(0)
	b.SetBytes(int64(len(blob.records)))
	b.ReportAllocs()
	for b.Loop() {
		index++
		check(b, st.PutBlob(index, blob.head, blob.offsets, blob.records, blob.wins))
	}
}

func BenchmarkRecords(b *testing.B) {
	s := openBench(b)
	st := s.State()
	blob := makeBlob(1, 256, size110)
	const blobs = 4000
	for i := range uint64(blobs) {
		check(b, blob.put(st, i+1))
	}
	get := func(b *testing.B, from uint64, n int) {
		var buf []byte
		rng := rand.New(rand.NewPCG(1, 1))
		b.ReportAllocs()
		for b.Loop() {
			var err error
			buf, err = st.Records(buf[:0], from+rng.Uint64N(blobs-from)+1, uint16(rng.IntN(250)), n)
			check(b, err)
		}
	}
	b.Run("memtable", func(b *testing.B) { get(b, blobs-200, 1) })
	check(b, s.state.db.Flush())
	b.Run("cached", func(b *testing.B) { get(b, blobs-1000, 1) })
	b.Run("cold", func(b *testing.B) { get(b, 0, 1) })
	long := makeBlob(1, 1000, size110)
	check(b, long.put(st, blobs+1))
	b.Run("chunks", func(b *testing.B) {
		var buf []byte
		b.ReportAllocs()
		for b.Loop() {
			var err error
			buf, err = st.Records(buf[:0], blobs+1, 600, 1)
			check(b, err)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	st := openBench(b).State()
	blob := makeBlob(1, 256, size110)
	for i := range uint64(1000) {
		check(b, blob.put(st, i+1))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		check(b, st.Scan(1, 0, func(uint64, []byte, uint16, []byte) bool { n++; return true }))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
}

// 200 MB of pages: a quarter of what 10 million users take.
func BenchmarkCheckpoint(b *testing.B) {
	s := openBench(b)
	st := s.State()
	const pages, size = 50_000, 4096
	data := make([]byte, size)
	rng := rand.New(rand.NewPCG(1, 1))
	b.Run("write", func(b *testing.B) {
		b.SetBytes(pages * size)
		for b.Loop() {
			w := st.BeginCheckpoint()
			for p := range uint64(pages) {
				for i := 0; i < 2800; i += 8 { // 70 % full
					x := rng.Uint64()
					for j := range 8 {
						data[i+j] = byte(x >> (8 * j))
					}
				}
				check(b, w.Put(p, data))
			}
			check(b, w.Commit(Manifest{Index: 1}))
		}
	})
	b.Run("load", func(b *testing.B) {
		b.SetBytes(pages * size)
		for b.Loop() {
			check(b, st.LoadPages(func(uint64, []byte) error { return nil }))
		}
	})
}
