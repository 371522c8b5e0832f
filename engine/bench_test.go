package engine

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/drawd/drawd/internal/hugepage"
)

// benchVersion is P7's campaign: three caps, eight prizes, stock that lasts.
func benchVersion(prizes int) *Version {
	v := &Version{
		Campaign: "bench", TimeZone: "UTC", StartsAt: 1_000, EndsAt: 10_000_000_000, Denominator: 1_000_000,
		UserExhausted: Miss,
		Caps: []Cap{
			{ID: "day", Window: Window{Kind: WindowDay}, Limit: 1_000_000, Prize: -1},
			{ID: "hour", Window: Window{Kind: WindowHour}, Limit: 1_000_000, Prize: -1},
			{ID: "wins", Counts: CountWins, Window: Window{Kind: WindowCampaign}, Limit: 1_000_000, Prize: -1},
		},
	}
	for i := range prizes {
		v.Prizes = append(v.Prizes, Prize{
			ID: fmt.Sprintf("p%d", i), Weight: uint32(500_000 / prizes), Stock: 1 << 40, Units: 1, Fallback: -1, Slot: -1,
		})
	}
	return v
}

// bencher makes entries of random users with fresh keys.
type bencher struct {
	engine *Engine
	users  uint64
	state  uint64
	draw   Draw
	id     [8]byte
}

func newBencher(b testing.TB, users uint64, shards int) *bencher {
	var huge hugepage.Allocator
	e, err := New(Options{Shards: shards, Alloc: huge.Alloc})
	if err != nil {
		b.Fatal(err)
	}
	var batch Batch
	batch.AddInit(&Init{Namespace: NewNamespace{Name: "default"}})
	v := benchVersion(8)
	v.ExpectedUsers = users
	batch.AddPublish(&Publish{Namespace: 1, Version: v, SealedSeed: SealSeed([32]byte{}, [12]byte{}, [16]byte{1})})
	var out Outcome
	if err := e.Apply(1, entryOf(&batch, 2_000), &out); err != nil || out.Results[1].Code != 0 {
		b.Fatal(err, out.Results)
	}
	return &bencher{engine: e, users: users, state: 1, draw: Draw{Campaign: 1, Times: 1}}
}

func entryOf(b *Batch, at UnixMilli) []byte {
	return append(AppendEntryHeader(nil, &EntryHeader{Stamp: at, Count: uint32(b.Len())}), b.Commands()...)
}

func (x *bencher) next() uint64 { // splitmix64
	x.state += 0x9E3779B97F4A7C15
	z := x.state
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

func mix(a uint64) uint64 {
	a = (a ^ a>>30) * 0xBF58476D1CE4E5B9
	a = (a ^ a>>27) * 0x94D049BB133111EB
	return a ^ a>>31
}

func (x *bencher) fill(d *Draw, user uint64) {
	binary.LittleEndian.PutUint64(d.User[:], mix(user*2+1))
	binary.LittleEndian.PutUint64(d.User[8:], mix(user*2+2))
	binary.LittleEndian.PutUint64(d.Digest[:], x.next())
	binary.LittleEndian.PutUint64(d.Digest[8:], x.next())
	d.Digest[0] = d.User[0]
	d.Digest[1] = d.User[1]&0xC0 | d.Digest[1]&0x3F
	binary.LittleEndian.PutUint64(x.id[:], user)
	d.UserID = x.id[:]
}

func (x *bencher) entry(batch *Batch, n int) {
	batch.Reset()
	for range n {
		x.fill(&x.draw, x.next()%x.users)
		batch.AddDraw(&x.draw)
	}
}

// BenchmarkApply is P7: ns a draw in entries of 256, of users chosen evenly, each with a fresh key. Every user has drawn
// once on average before the clock runs, so nearly all have a row; the key table goes on growing by a row a draw, as it
// does in a campaign, from the size that expected_users gave it. With -benchtime 2000000x users draw three times in all.
// An entry's bytes are as warm as the log leaves them: few are made at a time. ns/op is the wall's, cpu-ns/op the
// thread's, which neighbours on the machine disturb less.
func BenchmarkApply(b *testing.B) {
	for _, users := range []uint64{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			x := newBencher(b, users, 0)
			const per, made = 256, 64
			var batch Batch
			var out Outcome
			entries := make([][]byte, made)
			index := LogIndex(1)
			var cpu time.Duration
			draws := func(n int) {
				for done := 0; done < n; {
					b.StopTimer()
					for i := range entries {
						x.entry(&batch, per)
						entries[i] = entryOf(&batch, 3_000)
					}
					before := threadTime()
					b.StartTimer()
					for _, e := range entries[:min(made, (n-done+per-1)/per)] {
						index++
						if err := x.engine.Apply(index, e, &out); err != nil {
							b.Fatal(err)
						}
						done += per
					}
					b.StopTimer()
					cpu += threadTime() - before
				}
			}
			draws(1_000_000)
			cpu = 0
			b.ReportAllocs()
			b.ResetTimer()
			draws(b.N)
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}
