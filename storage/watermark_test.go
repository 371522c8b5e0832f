package storage

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// markOf reads the watermark file of a data directory.
func markOf(tb testing.TB, fs vfs.FS) mark {
	tb.Helper()
	var w watermark
	check(tb, w.open(fs, "/d/WATERMARK"))
	check(tb, w.f.Close())
	return w.mark
}

// An idle log's watermark is durable and at its last record within 250 ms; a busy one's is at most so far behind.
func TestWatermarkFollowsTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := NewCrashFS()
		s := mustVerify(t, small(fs, "/d"))
		l := s.Log()
		durable := func() mark { return markOf(t, fs.CrashClone(vfs.CrashCloneCfg{})) }
		behind := 0
		for i := uint64(1); i <= 100; i++ {
			check(t, l.Append(recs(i, 1, 1, 10)))
			time.Sleep(20 * time.Millisecond)
			at := durable().base.Index
			if at < i {
				behind++
			}
			// 250 ms are 12.5 appends.
			if at > i || at+14 < i {
				t.Fatalf("watermark at %d, log at %d", at, i)
			}
		}
		if behind == 0 {
			t.Error("the watermark was synced with every append")
		}
		check(t, l.SetStable([]byte("term"), []byte{1}))
		time.Sleep(watermarkInterval + time.Millisecond)
		chain, _ := l.Chain(100)
		if m := durable(); m.base != (Base{Index: 100, Term: 1, Chain: chain}) || m.stable != 1 {
			t.Errorf("idle watermark is %+v", m)
		}
		seq := durable().seq
		time.Sleep(time.Hour)
		if m := durable(); m.seq != seq {
			t.Errorf("an idle log wrote its watermark %d times", m.seq-seq)
		}
		// A truncation lowers it before it returns, and an append after that cannot be confused with the old branch.
		check(t, l.TruncateTail(50))
		if m := durable(); m.base.Index != 49 {
			t.Errorf("watermark of a truncated log is %+v", m)
		}
		check(t, l.Append(recs(50, 1, 2, 10)))
		mustClose(t, s)
		if m := durable(); m.base.Index != 50 || m.base.Term != 2 {
			t.Errorf("watermark of a closed log is %+v", m)
		}
	})
}

// The two slots are written in turn, so that a torn write leaves the mark before; and lowering hits both.
func TestWatermarkSlots(t *testing.T) {
	fs := vfs.NewMem()
	check(t, fs.MkdirAll("/d", 0o700))
	check(t, createWatermark(fs, "/d/WATERMARK"))
	if m := markOf(t, fs); m.base != (Base{}) {
		t.Fatalf("new watermark is %+v", m)
	}
	var w watermark
	check(t, w.open(fs, "/d/WATERMARK"))
	defer w.f.Close()
	tear := func(seq uint64) {
		var b [watermarkSlot]byte
		_, err := w.f.WriteAt(b[:20], int64(seq%2)*watermarkStride)
		check(t, err)
	}
	for i := uint64(1); i <= 9; i++ {
		check(t, w.write(Base{Index: i}, i))
		if m := markOf(t, fs); m.base.Index != i || m.stable != i {
			t.Fatalf("watermark is %+v, want %d", m, i)
		}
	}
	tear(w.mark.seq)
	if m := markOf(t, fs); m.base.Index != 8 {
		t.Fatalf("with a torn slot the watermark is %+v", m)
	}
	check(t, w.write(Base{Index: 9}, 9))
	check(t, w.lower(Base{Index: 4}, 9))
	for i := range uint64(2) {
		save := w.mark.seq - i
		tear(save)
		if m := markOf(t, fs); m.base.Index != 4 {
			t.Fatalf("slot %d was not lowered: %+v", i, m)
		}
		w.mark.seq = save - 1
		check(t, w.write(Base{Index: 4}, 9))
	}
	tear(0)
	tear(1)
	isDamaged(t, new(watermark).open(fs, "/d/WATERMARK"), "no valid slot")
	check(t, writeFileSynced(fs, "/d/WATERMARK", make([]byte, 5000)))
	isDamaged(t, new(watermark).open(fs, "/d/WATERMARK"), "cut short")
}

// What the watermark, the blobs and the stable writes prove is missing from the log: the node must not start.
func TestLostTail(t *testing.T) {
	build := func(fs *CrashFS, n int, blobs uint64, stable int) {
		s := mustVerify(t, small(fs, "/d"))
		for i := range n {
			check(t, s.Log().Append(recs(uint64(i)+1, 1, 1, 50)))
		}
		for i := uint64(1); i <= blobs; i++ {
			b := makeBlob(i, 3, size110)
			check(t, b.put(s.State(), i))
		}
		check(t, s.State().Sync())
		for range stable {
			check(t, s.Log().SetStable([]byte("vote"), []byte{1}))
		}
		mustClose(t, s)
	}
	mix := func(log, rest *CrashFS, restNames ...string) error {
		fs := log.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(0, 0))})
		for _, n := range restNames {
			check(t, fs.RemoveAll("/d/"+n))
			_, err := vfs.Clone(rest, fs, "/d/"+n, "/d/"+n)
			check(t, err)
		}
		s, err := Open(small(fs, "/d"))
		if err != nil {
			return err
		}
		defer mustClose(t, s)
		return verify(s)
	}
	older, newer := NewCrashFS(), NewCrashFS()
	build(older, 10, 0, 0)
	build(newer, 20, 15, 1)
	// The log directory of yesterday under today's rest, and each part of the rest alone.
	isDamaged(t, mix(older, newer, watermarkName, stateName), "it ends at 10, the checkpoint is at 0, and the watermark proves 20")
	isDamaged(t, mix(older, newer, watermarkName), "the watermark proves 20")
	isDamaged(t, mix(older, newer, stateName), "there are records of entry 15")
	check(t, mix(newer, older, watermarkName)) // an older watermark is no proof against the log
	check(t, mix(newer, older, stateName))     // an older state is rebuilt by replay
	votes := NewCrashFS()
	build(votes, 20, 15, 2)
	isDamaged(t, mix(newer, votes, watermarkName), "lost synced stable values: it has write 1, and the watermark proves 2")
	// Another log of the same length.
	other := NewCrashFS()
	s := mustVerify(t, small(other, "/d"))
	check(t, s.Log().Append(recs(1, 20, 2, 50)))
	check(t, s.Log().SetStable([]byte("vote"), []byte{1}))
	mustClose(t, s)
	isDamaged(t, mix(other, newer, watermarkName), "another chain hash than the watermark")
}
