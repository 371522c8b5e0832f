package raftlog

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawd/drawd/engine"
)

// BenchmarkForwardDraws is draws on three nodes of one process, on sockets of the loopback and disks in memory: at the
// leader, and through a node that does not lead. CPU is that of all three nodes; the difference is what forwarding costs.
func BenchmarkForwardDraws(b *testing.B) {
	for _, c := range []struct{ callers, per int }{{1, 1}, {64, 1}, {256, 1}, {8, 256}} {
		for _, through := range []string{"leader", "follower"} {
			b.Run(fmt.Sprintf("callers=%d/per=%d/%s", c.callers, c.per, through), func(b *testing.B) {
				crew := newCrew(b, 3)
				crew.onTCP()
				crew.tune = func(_ string, o *Options) { o.QueueAge = DefaultGiveUp }
				crew.startAll()
				leader := crew.leader()
				leader.publish(testVersion(time.Now(), 1<<40))
				crew.level()
				at := leader
				if through == "follower" {
					at = crew.rigs[crew.followers(leader)[0]]
				}
				b.ReportAllocs()
				driveCrew(b, at.node, c.callers, c.per)
				if f := at.node.forwarder.figures; f.frames.Get() > 0 {
					b.ReportMetric(float64(f.commands.Get())/float64(f.frames.Get()), "commands/frame")
				}
			})
		}
	}
}

// driveCrew is drive without what only a leader counts.
func driveCrew(b *testing.B, n *Node, callers, per int) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
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
					user := random.Uint64N(1_000_000)
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
}
