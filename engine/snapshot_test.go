package engine

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/drawd/drawd/engine/problem"
)

// crowd applies n random draws of a few users in entries of the given size.
func (x *table) crowd(seed uint64, n, per int) {
	x.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	var b Batch
	for i := range n {
		d := x.request(userName(rng.IntN(500)), userName(rng.IntN(1<<20)), func(d *Draw) {
			d.HasDevice, d.Device = true, x.keys.Device([]byte{byte(rng.IntN(50))})
		})
		b.AddDraw(&d)
		if (i+1)%per == 0 || i+1 == n {
			x.now += UnixMilli(rng.IntN(3000))
			x.apply(&b)
			b.Reset()
		}
	}
}

func busy() *Version {
	return simple(func(v *Version) {
		v.UserExhausted = Miss
		v.Prizes[0].Weight = 30
		v.Prizes = append(v.Prizes, Prize{ID: "q", Weight: 10, Stock: 50, Units: 1, Unavailable: OnFallback, Fallback: 0, Slot: -1})
		v.Caps = []Cap{
			{ID: "day", Window: Window{Kind: WindowDay}, Limit: 50, Prize: -1},
			{ID: "roll", Window: Window{WindowRolling, 3_600_000}, Limit: 20, Prize: -1},
			{ID: "dev", Scope: ScopeDevice, Window: Window{Kind: WindowHour}, Limit: 1000, Prize: -1},
			{ID: "wins", Counts: CountWins, Limit: 5, Prize: -1},
		}
	})
}

func TestSnapshotGivesTheSameStateForAnyShardCount(t *testing.T) {
	x := newTable(t)
	x.mustPublish(busy())
	x.crowd(1, 5000, 100)
	var s bytes.Buffer
	if err := x.WriteSnapshot(&s); err != nil {
		t.Fatal(err)
	}
	for _, shards := range []int{1, 4, 64} {
		e, _ := New(Options{Shards: shards})
		if err := e.ReadSnapshot(bytes.NewReader(s.Bytes())); err != nil {
			t.Fatal(err)
		}
		if e.StateHash() != x.StateHash() || e.RunningHash() != x.RunningHash() || e.AppliedIndex() != x.AppliedIndex() || e.LogTime() != x.LogTime() {
			t.Errorf("%d shards: another state", shards)
		}
		if err := e.CheckInvariants(); err != nil {
			t.Errorf("%d shards: %v", shards, err)
		}
		y := *x
		y.Engine, y.out = e, Outcome{}
		y.crowd(2, 2000, 100)
		z := *x
		z.out = Outcome{}
		z.Engine, _ = New(Options{Shards: 2})
		if err := z.ReadSnapshot(bytes.NewReader(s.Bytes())); err != nil {
			t.Fatal(err)
		}
		z.crowd(2, 2000, 100)
		if y.RunningHash() != z.RunningHash() || y.StateHash() != z.StateHash() {
			t.Errorf("%d shards: the same entries give something else", shards)
		}
	}
}

func TestDamagedSnapshotIsRefusedAndChangesNothing(t *testing.T) {
	x := newTable(t)
	x.mustPublish(busy())
	x.crowd(1, 50, 10)
	var s bytes.Buffer
	if err := x.WriteSnapshot(&s); err != nil {
		t.Fatal(err)
	}
	good := s.Bytes()
	before := x.StateHash()
	c, _ := x.CampaignByRef(1)
	try := func(what string, b []byte) {
		t.Helper()
		if err := x.ReadSnapshot(bytes.NewReader(b)); err == nil {
			t.Fatalf("%s is accepted", what)
		}
	}
	for at := 0; at < len(good); at += 1 + at/40 {
		b := bytes.Clone(good)
		b[at] ^= 0x10
		try("a flipped byte", b)
		try("a truncated stream", good[:at])
	}
	if now, _ := x.CampaignByRef(1); x.StateHash() != before || now != c {
		t.Error("a refused snapshot changed the state")
	}
}

// A checkpoint is read out while entries go on; increments on top of each other give the state at the last cut.
func TestIncrementalCheckpointsUnderLoad(t *testing.T) {
	x := newTable(t)
	x.mustPublish(busy())
	disk := map[PageID][]byte{}
	var meta []byte
	for round := range 6 {
		x.crowd(uint64(round), 3000, 50)
		wantState, wantRunning := x.StateHash(), x.RunningHash()
		c, err := x.Capture(false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.Capture(false); err != ErrCapturing {
			t.Fatalf("two captures at once: %v", err)
		}
		staged := map[PageID][]byte{}
		for i := 0; ; i++ {
			buf := make([]byte, PageSize)
			id, ok := c.Next(buf)
			if !ok {
				break
			}
			staged[id] = buf
			if i%3 == 0 {
				x.crowd(uint64(round*1000+i), 20, 20)
			}
		}
		if round == 2 { // this one is lost on its way to disk: its pages must come with the next
			c.Abort()
			continue
		}
		meta = c.Meta()
		c.Commit()
		for id, page := range staged {
			disk[id] = page
		}
		e, _ := New(Options{Shards: 4})
		l := e.Loader()
		for id, page := range disk {
			if err := l.Page(id, page); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Finish(meta); err != nil {
			t.Fatal(err)
		}
		if e.StateHash() != wantState || e.RunningHash() != wantRunning || e.AppliedIndex() != c.Index() {
			t.Errorf("round %d: the checkpoint is not the state at its cut", round)
		}
		if err := e.CheckInvariants(); err != nil {
			t.Error(err)
		}
		for id := range disk {
			l := e.Loader()
			for other, page := range disk {
				if other != id {
					if err := l.Page(other, page); err != nil {
						t.Fatal(err)
					}
				}
			}
			if l.Finish(meta) == nil {
				t.Fatalf("round %d: page %#x is missing and nobody notices", round, id)
			}
			break
		}
	}
}

func TestWrongClusterKeyIsRefused(t *testing.T) {
	x := newTable(t)
	x.mustPublish(busy())
	var s bytes.Buffer
	if err := x.WriteSnapshot(&s); err != nil {
		t.Fatal(err)
	}
	e, _ := New(Options{ClusterKey: [32]byte{1}})
	if err := e.ReadSnapshot(&s); err == nil {
		t.Error("seeds open under another cluster key")
	}
	var b Batch
	b.AddInit(&Init{Namespace: NewNamespace{Name: "default"}})
	b.AddPublish(&Publish{Namespace: 1, Version: busy(), SealedSeed: SealSeed([32]byte{}, [12]byte{}, [16]byte{})})
	var out Outcome
	if err := e.Apply(1, entryOf(&b, start), &out); err == nil {
		t.Error("a publish of another cluster applies")
	}
}

func TestNoAllocationsPerDraw(t *testing.T) {
	x := newBencher(t, 100_000, 0)
	var batch Batch
	var out Outcome
	x.entry(&batch, 512)
	entries := make([][]byte, 60)
	for i := range entries {
		x.entry(&batch, 512)
		entries[i] = entryOf(&batch, 3_000)
	}
	index := LogIndex(1)
	apply := func() {
		index++
		if err := x.engine.Apply(index, entries[int(index)%len(entries)], &out); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 * len(entries) {
		apply() // pages are allocated, then keys replay
	}
	if n := testing.AllocsPerRun(50, apply); n != 0 {
		t.Errorf("%v allocations per entry of replays", n)
	}
	d := x.draw
	if n := testing.AllocsPerRun(1000, func() {
		if r, ok := x.engine.Peek(&d, 3_000); !ok || r.Code != problem.OK {
			t.Fatal(r, ok)
		}
	}); n != 0 {
		t.Errorf("%v allocations per Peek", n)
	}
}
