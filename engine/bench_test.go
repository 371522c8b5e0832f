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
	engine    *Engine
	users     uint64
	campaigns uint64
	state     uint64
	index     LogIndex
	draw      Draw
	id        [8]byte
}

// newBencher returns an engine with P7's campaign.
func newBencher(b testing.TB, users uint64, shards int) *bencher {
	return benchOf(b, users, shards, 1, func() *Version { return benchVersion(8) })
}

// benchOf returns an engine with so many campaigns of a kind, each expecting its share of the users.
func benchOf(b testing.TB, users uint64, shards, campaigns int, version func() *Version) *bencher {
	var huge hugepage.Allocator
	e, err := New(Options{Shards: shards, Alloc: huge.Alloc})
	if err != nil {
		b.Fatal(err)
	}
	var batch Batch
	batch.AddInit(&Init{Namespace: NewNamespace{Name: "default"}})
	batch.AddPolicy(&PutPolicy{Namespace: 1, Expect: AnyRevision, Policy: &NamespacePolicy{TimeZone: "UTC", MaxUsers: 1 << 40, MaxKeys: 1 << 40}})
	for i := range campaigns {
		v := version()
		v.Campaign, v.ExpectedUsers = fmt.Sprint("bench", i), users/uint64(campaigns)
		batch.AddPublish(&Publish{Namespace: 1, Version: v, SealedSeed: SealSeed([32]byte{}, [12]byte{}, [16]byte{byte(i), byte(i >> 8)})})
	}
	x := &bencher{engine: e, users: users, campaigns: uint64(campaigns), state: 1, draw: Draw{Campaign: 1, Times: 1}}
	x.apply(b, entryOf(&batch, 2_000))
	return x
}

// apply applies an entry in which nothing is refused.
func (x *bencher) apply(b testing.TB, entry []byte) {
	var out Outcome
	x.index++
	if err := x.engine.Apply(x.index, entry, &out); err != nil {
		b.Fatal(err)
	}
	for i := range out.Results {
		if out.Results[i].Code != 0 {
			b.Fatal(out.Results[i])
		}
	}
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
		if x.campaigns > 1 {
			x.draw.Campaign = CampaignRef(1 + x.next()%x.campaigns)
		}
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
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) { newBencher(b, users, 0).run(b, 1_000_000) })
	}
}

// run measures draws after so many to warm up.
func (x *bencher) run(b *testing.B, warm int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const per, made = 256, 64
	var batch Batch
	var out Outcome
	entries := make([][]byte, made)
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
				x.index++
				if err := x.engine.Apply(x.index, e, &out); err != nil || out.Results[0].Code != 0 {
					b.Fatal(err, out.Results[0])
				}
				done += per
			}
			b.StopTimer()
			cpu += threadTime() - before
		}
	}
	draws(warm)
	cpu = 0
	b.ReportAllocs()
	b.ResetTimer()
	draws(b.N)
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// BenchmarkScale is P11 in the engine: P7's draw with more prizes, campaigns and users, one thing at a time.
func BenchmarkScale(b *testing.B) {
	for _, c := range []struct {
		prizes, campaigns int
		users             uint64
	}{
		{8, 1, 1_000_000}, {1, 1, 1_000_000}, {256, 1, 1_000_000}, {8, 1000, 1_000_000}, {8, 1, 10_000}, {8, 1, 10_000_000},
	} {
		b.Run(fmt.Sprintf("prizes=%d/campaigns=%d/users=%d", c.prizes, c.campaigns, c.users), func(b *testing.B) {
			benchOf(b, c.users, 0, c.campaigns, func() *Version { return benchVersion(c.prizes) }).run(b, int(c.users))
		})
	}
}

// BenchmarkFeatures is P7's draw with what a campaign may have besides: each alone, and with chances, pity and a release
// schedule together.
func BenchmarkFeatures(b *testing.B) {
	const users = 1_000_000
	chances := func(v *Version) {
		v.Chances = &Chances{Mode: ChancesGranted, Price: 1, Lots: 8, Sources: []ChanceSource{{ID: "shop"}}}
	}
	pity := func(v *Version) {
		v.Pity = []Pity{
			{ID: "hard", Within: 20, Group: []int16{0, 1}, List: []PityPrize{{0, 1 << 30}, {1, 1 << 30}}},
			{ID: "soft", Group: []int16{2}, Soft: []SoftStep{{5, []SoftWeight{{2, 70_000}}}, {9, []SoftWeight{{2, 90_000}}}}},
		}
	}
	release := func(v *Version) {
		v.Prizes[7].Stock = 1 << 20
		v.Schedules = []Schedule{{Windows: []ReleaseWindow{{StartsAt: 1_000, EndsAt: 5_000_000_000, Weight: 1}}}}
		v.Releases = []Release{{Prize: 7}}
	}
	money := func(v *Version) {
		v.Prizes[0].Kind, v.Prizes[1].Kind = KindCash, KindCash
		v.Amounts = []Amount{
			{Prize: 0, Split: SplitUniform, Least: 100, Most: 900}, {Prize: 1, Split: SplitDoubleMean, Least: 1, Budget: 1 << 45},
		}
		v.Budget = Budget{Campaign: 1 << 50, Day: 1 << 50, User: 1 << 50}
	}
	for _, c := range []struct {
		name  string
		edits []func(v *Version)
	}{
		{"none", nil},
		{"chances", []func(v *Version){chances}},
		{"pity", []func(v *Version){pity}},
		{"release", []func(v *Version){release}},
		{"chances+pity+release", []func(v *Version){chances, pity, release}},
		{"money", []func(v *Version){money}},
		{"pace", []func(v *Version){func(v *Version) { v.Mode = Mode{Kind: ModePace, Entries: 1 << 24, MaxBoost: 2 * FullPPM} }}},
		{"deck", []func(v *Version){func(v *Version) {
			v.Mode = Mode{Kind: ModeDeck, Entries: MaxEntries}
			for i := range v.Prizes {
				v.Prizes[i].Weight = 0
			}
		}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			x := benchOf(b, users, 0, 1, func() *Version {
				v := benchVersion(8)
				for _, edit := range c.edits {
					edit(v)
				}
				return v
			})
			if x.engine.Namespaces()[0].Campaigns()[0].Version().Chances != nil {
				x.grant(b)
			}
			x.run(b, users)
		})
	}
}

// grant gives every user chances that last.
func (x *bencher) grant(b *testing.B) {
	var batch Batch
	for user := range x.users {
		x.fill(&x.draw, user)
		batch.AddGrant(&Grant{Campaign: 1, User: x.draw.User, UserID: x.draw.UserID, Source: "shop", Event: "e", Amount: 1000})
		if batch.Len() == 1000 || user == x.users-1 {
			x.apply(b, entryOf(&batch, 2_500))
			batch.Reset()
		}
	}
}
