package engine

import (
	"bufio"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/drawd/drawd/engine/internal/pages"
)

// BenchmarkOldKeys remembers keys in five parts, 60 hours of log time apart, and lets each grow old: what they take, what a
// lookup, a step of packing, a snapshot and a restart cost. KEYS says how many, make bench-keys takes 200 million; LEISURE is set
// for the larger steps that are taken where entries are far between.
func BenchmarkOldKeys(b *testing.B) {
	keys := 1_000_000
	if s := os.Getenv("KEYS"); s != "" {
		var err error
		if keys, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	runtime.LockOSThread() // the processor's time is that of a thread
	defer runtime.UnlockOSThread()
	for b.Loop() {
		x := newElderly(b)
		x.leisure = os.Getenv("LEISURE") != ""
		for range 5 {
			x.remember(keys / 5)
			x.age()
		}
		x.report(keys)
		x.look()
		x.again()
	}
}

type elderly struct {
	*testing.B
	*Engine
	campaign *Campaign
	rng      *rand.Rand
	index    LogIndex
	now      UnixMilli
	out      Outcome
	some     []Key           // of those that are remembered
	leisure  bool            // entries are far between
	steps    []time.Duration // of the clock
	work     []time.Duration // of the processor: what a quiet machine would show
	packing  time.Duration
}

func newElderly(b *testing.B) *elderly {
	x := &elderly{B: b, rng: rand.New(rand.NewPCG(1, 1)), now: start}
	x.Engine, _ = New(Options{})
	x.apply(func(b *Batch) {
		b.AddInit(&Init{ClusterID: [16]byte{1}, Namespace: NewNamespace{Name: "default"}})
		b.AddRaise(&Raise{Level: NewestLevel})
		b.AddPublish(&Publish{Namespace: 1, Version: simple(func(v *Version) { v.EndsAt = start + 365*dayMilli }), SealedSeed: SealSeed([32]byte{}, [12]byte{1}, [16]byte{7}), Actor: "op"})
	})
	x.campaign, _ = x.CampaignByRef(1)
	return x
}

func (x *elderly) apply(add func(b *Batch)) (wall, processor time.Duration) {
	x.Helper()
	var b Batch
	add(&b)
	x.index++
	entry := entryOf(&b, x.now)
	begun, used := time.Now(), threadTime()
	if err := x.Apply(x.index, entry, &x.out); err != nil {
		x.Fatal(err)
	}
	return time.Since(begun), threadTime() - used
}

func (x *elderly) digest() (k Key) {
	binary.LittleEndian.PutUint64(k[:], x.rng.Uint64())
	binary.LittleEndian.PutUint64(k[8:], x.rng.Uint64())
	return k
}

// remember puts keys in as draws in entries of 256 would.
func (x *elderly) remember(n int) {
	d := Draw{Times: 1}
	prints := [...]uint32{fingerprint(&d), 0x12345678}
	for i := range n {
		k := x.digest()
		if i%(n/50_000+1) == 0 {
			x.some = append(x.some, k)
		}
		if i&255 == 0 {
			x.index++
		}
		x.campaign.remember(&k, pages.Spot{}, keyRow{Location{x.index, uint16(i & 255)}, prints[i%50/49]})
	}
}

// age lets 60 hours pass, and packs.
func (x *elderly) age() {
	for range 5 {
		x.now += 12 * hour
		x.apply((*Batch).AddTick)
	}
	begun, packing := x.PackedKeys(), &x.world.Load().packing
	for idle := 0; idle < 3; idle++ { // after a pass another one may be due
		if packing.campaign != nil {
			idle = 0
		}
		if x.now++; x.leisure {
			x.now += packPause
		}
		wall, processor := x.apply((*Batch).AddTick)
		x.steps, x.work, x.packing = append(x.steps, wall), append(x.work, processor), x.packing+processor
	}
	if x.PackedKeys() < begun {
		x.Fatal("keys were lost")
	}
}

func (x *elderly) report(keys int) {
	if x.PackedKeys() != uint64(keys) || x.Namespaces()[0].Keys() != uint64(keys) {
		x.Fatalf("%d keys are packed, of %d", x.PackedKeys(), keys)
	}
	bytes := 0
	for _, part := range x.campaign.keys.parts {
		bytes += part.Bytes()
	}
	x.ReportMetric(float64(bytes)/float64(keys), "B/key")
	x.ReportMetric(float64(len(x.steps)), "steps")
	x.percentiles("step", x.steps)
	x.percentiles("step-cpu", x.work)
	x.ReportMetric(x.packing.Seconds(), "packing-cpu-s")
}

// percentiles reports what entries with a step of packing took: while they are applied, nothing else is.
func (x *elderly) percentiles(name string, all []time.Duration) {
	slices.Sort(all)
	for _, p := range [...]struct {
		name string
		at   int
	}{{"p50", len(all) / 2}, {"p99", len(all) * 99 / 100}, {"p99.9", len(all) * 999 / 1000}, {"max", len(all) - 1}} {
		x.ReportMetric(float64(all[p.at].Microseconds())/1000, name+"-"+p.name+"-ms")
	}
}

// look measures lookups one after the other: of keys that are packed, and of new ones.
func (x *elderly) look() {
	d := Draw{Times: 1}
	print := fingerprint(&d)
	x.rng.Shuffle(len(x.some), func(i, j int) { x.some[i], x.some[j] = x.some[j], x.some[i] })
	var r Result
	begun := threadTime()
	for i := range x.some {
		if _, known := x.campaign.seen(&x.some[i], print, &r); !known {
			x.Fatal("a key was lost")
		}
	}
	x.ReportMetric(float64(threadTime()-begun)/float64(len(x.some)), "hit-cpu-ns")
	fresh := make([]Key, len(x.some))
	for i := range fresh {
		fresh[i] = x.digest()
	}
	begun = threadTime()
	for i := range fresh {
		if _, known := x.campaign.seen(&fresh[i], print, &r); known {
			x.Fatal("a new key is known")
		}
	}
	x.ReportMetric(float64(threadTime()-begun)/float64(len(fresh)), "miss-cpu-ns")
}

// again writes a snapshot to a file and starts from it.
func (x *elderly) again() {
	path := filepath.Join(x.TempDir(), "snapshot")
	f, err := os.Create(path)
	if err != nil {
		x.Fatal(err)
	}
	defer f.Close()
	begun := time.Now()
	if err := x.WriteSnapshot(f); err != nil {
		x.Fatal(err)
	}
	x.ReportMetric(time.Since(begun).Seconds(), "snapshot-s")
	if at, err := f.Seek(0, 1); err == nil {
		x.ReportMetric(float64(at)/1e6, "snapshot-MB")
	}
	keys, hash := x.PackedKeys(), x.RunningHash()
	x.Engine, x.campaign = nil, nil
	runtime.GC()
	if _, err := f.Seek(0, 0); err != nil {
		x.Fatal(err)
	}
	x.Engine, _ = New(Options{})
	begun = time.Now()
	if err := x.ReadSnapshot(bufio.NewReaderSize(f, 1<<20)); err != nil {
		x.Fatal(err)
	}
	x.ReportMetric(time.Since(begun).Seconds(), "restart-s")
	if x.PackedKeys() != keys || x.RunningHash() != hash {
		x.Fatal("another state after the restart")
	}
}
