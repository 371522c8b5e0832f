package raftlog

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/storage"
)

// trivial is a machine that decides nothing: what is measured is the way there and back.
type trivial struct {
	applied atomic.Uint64
	due     atomic.Int64
	record  [160]byte
}

func (m *trivial) Apply(index engine.LogIndex, entry []byte, out *engine.Outcome) error {
	h, _, err := engine.ParseEntryHeader(entry)
	if err != nil {
		return err
	}
	out.Index, out.Time = index, h.Stamp
	out.Results, out.Offsets, out.Records, out.Wins = out.Results[:0], out.Offsets[:0], out.Records[:0], out.Wins[:0]
	binary.LittleEndian.PutUint64(out.Head[:], uint64(index))
	for i := range h.Count {
		at := uint32(len(out.Records))
		out.Records = append(out.Records, m.record[:]...)
		out.Offsets = append(out.Offsets, at)
		out.Results = append(out.Results, engine.Result{Records: 1, Offset: at, Length: uint32(len(m.record)), At: engine.Location{Index: index, Ordinal: uint16(i)}})
	}
	m.applied.Store(uint64(index))
	return nil
}

func (m *trivial) CheckCommands([]byte, int) error { return nil }

func (m *trivial) AddsKeys([]byte, int) bool { return false }

func (m *trivial) Bytes() uint64 { return 0 }

func (m *trivial) NextDue() (engine.UnixMilli, bool) {
	return engine.UnixMilli(m.due.Load()), m.due.Load() != 0
}
func (m *trivial) LogTime() engine.UnixMilli     { return 0 }
func (m *trivial) AppliedIndex() engine.LogIndex { return engine.LogIndex(m.applied.Load()) }
func (m *trivial) RunningHash() [16]byte         { return [16]byte{} }
func (m *trivial) Initialized() bool             { return true }
func (m *trivial) ClusterID() [16]byte           { return [16]byte{} }
func (m *trivial) Level() uint32                 { return 1 }
func (m *trivial) Supports() uint32              { return 1 }
func (m *trivial) Capture(bool) (capture, error) { return trivialCapture(m.applied.Load()), nil }
func (m *trivial) Loader() loader                { return trivialLoader{} }

type trivialCapture uint64

func (c trivialCapture) Index() engine.LogIndex          { return engine.LogIndex(c) }
func (trivialCapture) Meta() []byte                      { return nil }
func (trivialCapture) Next([]byte) (engine.PageID, bool) { return 0, false }
func (trivialCapture) Commit()                           {}
func (trivialCapture) Abort()                            {}

type trivialLoader struct{}

func (trivialLoader) Page(engine.PageID, []byte) error { return nil }
func (trivialLoader) Finish([]byte) error              { return nil }
func (trivialLoader) Prepare([]byte) error             { return nil }
func (trivialLoader) Index() engine.LogIndex           { return 0 }
func (trivialLoader) RunningHash() [16]byte            { return [16]byte{} }
func (trivialLoader) Swap()                            {}
func (trivialLoader) Foreign() bool                    { return false }

// benchNode opens a node on a real disk: BENCH_DIR, or a temporary directory.
func benchNode(b *testing.B, real bool, tune func(*Options)) *Node {
	dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "raftlog")
	if err != nil {
		b.Fatal(err)
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	store, err := storage.Open(storage.Options{Dir: dir, Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	o := Options{Store: store, Logger: quiet, QueueCommands: 1 << 20, QueueBytes: 256 << 20, QueueAge: DefaultGiveUp}
	if tune != nil {
		tune(&o)
	}
	var m machine = &trivial{}
	if real {
		o.Engine, err = engine.New(engine.Options{})
		if err != nil {
			b.Fatal(err)
		}
		m = engineMachine{o.Engine}
	}
	n, err := open(b.Context(), o.withDefaults(), m, store.Log(), store.State())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := n.Close(b.Context()); err != nil && b.Context().Err() == nil {
			b.Error(err)
		}
		_ = store.Close()
		_ = os.RemoveAll(dir)
	})
	return n
}

// BenchmarkDecideUnary is one draw per call, from that many goroutines.
func BenchmarkDecideUnary(b *testing.B) {
	for _, depth := range []int{1, 2} {
		for _, callers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("depth=%d/callers=%d", depth, callers), func(b *testing.B) {
				n := benchNode(b, false, func(o *Options) { o.Depth = depth })
				b.ReportAllocs()
				drive(b, n, callers, 1)
			})
		}
	}
}

// BenchmarkDecideBatch is 256 draws per call; the figure is per command.
func BenchmarkDecideBatch(b *testing.B) {
	for _, depth := range []int{1, 2} {
		for _, callers := range []int{8, 64} {
			b.Run(fmt.Sprintf("depth=%d/callers=%d", depth, callers), func(b *testing.B) {
				n := benchNode(b, false, func(o *Options) { o.Depth = depth })
				b.ReportAllocs()
				drive(b, n, callers, 256)
			})
		}
	}
}

// BenchmarkDecideDraws is the same with the real engine: random users, fresh keys, a running campaign.
func BenchmarkDecideDraws(b *testing.B) {
	for _, c := range []struct{ callers, per int }{{64, 1}, {256, 1}, {8, 256}, {64, 256}} {
		b.Run(fmt.Sprintf("callers=%d/per=%d", c.callers, c.per), func(b *testing.B) {
			n := benchNode(b, true, nil)
			var publish engine.Batch
			publish.AddPublish(&engine.Publish{
				Namespace: 1, Version: testVersion(time.Now(), 1<<40), SealedSeed: engine.SealSeed([32]byte{}, [12]byte{}, [16]byte{1}),
			})
			if err := n.Decide(&publish); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			drive(b, n, c.callers, c.per)
		})
	}
}

// drive decides b.N commands in batches of per.
func drive(b *testing.B, n *Node, callers, per int) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	entries, commands := n.metrics.entries.Get(), n.metrics.commands.Get()
	before := cpu()
	b.ResetTimer()
	for c := range callers {
		all.Add(1)
		go func() {
			defer all.Done()
			var batch engine.Batch
			random := rand.New(rand.NewPCG(1, uint64(c)))
			d := engine.Draw{Campaign: 1, Times: 1, UserID: []byte(fmt.Sprintf("user-%08d", c))}
			for left.Add(-int64(per)) > -int64(per) {
				batch.Reset()
				for range per {
					user := random.Uint64N(1_000_000) // keys are keyed hashes: they must look like it
					binary.LittleEndian.PutUint64(d.User[:], user*0x9E3779B97F4A7C15)
					binary.LittleEndian.PutUint64(d.User[8:], user*0xD6E8FEB86659FD93)
					binary.LittleEndian.PutUint64(d.Digest[:], random.Uint64())
					binary.LittleEndian.PutUint64(d.Digest[8:], random.Uint64())
					d.Digest[0], d.Digest[1] = d.User[0], d.User[1]
					batch.AddDraw(&d)
				}
				if err := n.Decide(&batch); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/command")
	if e := n.metrics.entries.Get() - entries; e > 0 {
		b.ReportMetric(float64(n.metrics.commands.Get()-commands)/float64(e), "commands/entry")
	}
}

// cpu returns the processor time of this process: on a shared machine it tells more than the clock does.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
