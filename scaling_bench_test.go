package drawd_test

import (
	"context"
	"runtime/metrics"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/drawd/drawd"
)

// roundCalls is how many calls one round of a scaling benchmark makes: long against the start of a goroutine, short against the
// minutes in which a machine's speed changes.
const roundCalls = 100_000

// BenchmarkLibraryScaling compares one goroutine with two, in turn: an iteration is a round of each, on a DB of its own, so that
// both see the same machine and tables of the same size. It reports the median over the rounds of ns/call with one and with two,
// of the ratio (the goal is 1.8x), and the processor time of a call, user and system: where the machine is busy with something
// else the wall clock says little, but two goroutines that need the same processor time a call as one, and do not wait for
// locks, scale.
func BenchmarkLibraryScaling(b *testing.B) {
	for _, op := range scalingOps {
		b.Run(op.name, func(b *testing.B) {
			var side [2]scalingSide
			for i := range side {
				side[i].db = benchDB(b)
				defer side[i].db.Close(context.Background())
				side[i].call = op.open(b, side[i].db)
			}
			b.ResetTimer()
			ratios := make([]float64, 0, b.N)
			for round := range b.N {
				for i := range side {
					side[(i+round)%2].run(b, round, (i+round)%2+1)
				}
				ratios = append(ratios, side[0].last/side[1].last)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(ratios), "x")
			for i, n := range [...]string{"1", "2"} {
				b.ReportMetric(median(side[i].wall), "ns/call-"+n)
				b.ReportMetric(side[i].cpu/float64(b.N*roundCalls), "cpu-ns/call-"+n)
				b.ReportMetric(side[i].wait/float64(b.N*roundCalls), "lockwait-ns/call-"+n)
			}
		})
	}
}

// scalingSide is a DB with so many goroutines.
type scalingSide struct {
	db   *drawd.DB
	call func(n uint64, key string) error
	wall []float64 // ns a call, of each round
	last float64
	cpu  float64 // ns of all rounds
	wait float64
}

func (s *scalingSide) run(b *testing.B, round, goroutines int) {
	cpu, wait, start := processorTime(), lockWait(), time.Now()
	var all sync.WaitGroup
	for g := range goroutines {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := round*roundCalls + g; i < (round+1)*roundCalls; i += goroutines {
				if err := s.call(uint64(i), "k"+strconv.Itoa(i)); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	all.Wait()
	s.last = float64(time.Since(start).Nanoseconds()) / roundCalls
	s.wall = append(s.wall, s.last)
	s.cpu += float64(processorTime() - cpu)
	s.wait += float64(lockWait() - wait)
}

var scalingOps = []struct {
	name string
	open func(b *testing.B, db *drawd.DB) func(n uint64, key string) error
}{
	{"draw", func(b *testing.B, db *drawd.DB) func(uint64, string) error {
		c, err := db.Publish(context.Background(), []byte(figures))
		if err != nil {
			b.Fatal(err)
		}
		return func(n uint64, key string) error {
			_, err := c.Draw(context.Background(), drawd.DrawRequest{User: userOf(n), Key: key})
			return err
		}
	}},
	{"hit", func(b *testing.B, db *drawd.DB) func(uint64, string) error {
		policy := "time_zone: UTC\nfatigue_caps: [{id: push, window: day, limit: 1000000}]\n"
		if err := db.SetPolicy(context.Background(), []byte(policy)); err != nil {
			b.Fatal(err)
		}
		return func(n uint64, key string) error {
			_, err := db.Hit(context.Background(), drawd.HitRequest{Cap: "push", User: userOf(n), Key: key})
			return err
		}
	}},
	{"take", func(b *testing.B, db *drawd.DB) func(uint64, string) error {
		onePool(b, db)
		return func(n uint64, key string) error {
			_, err := db.Take(context.Background(), drawd.TakeRequest{Owner: userOf(n), Key: key, Pool: "p", Units: 1})
			return err
		}
	}},
	{"hold+release", func(b *testing.B, db *drawd.DB) func(uint64, string) error {
		onePool(b, db)
		items := []drawd.Item{{Pool: "p", Units: 1}}
		return func(n uint64, key string) error {
			h, err := db.Hold(context.Background(), drawd.HoldRequest{Owner: userOf(n), Key: key, Items: items})
			if err == nil {
				_, err = db.Release(context.Background(), h.ID, "")
			}
			return err
		}
	}},
}

func onePool(b *testing.B, db *drawd.DB) {
	if _, err := db.PutPool(context.Background(), "p", 1<<40, drawd.PoolPolicy{}); err != nil {
		b.Fatal(err)
	}
}

// lockWait is the time that goroutines have waited for mutexes so far.
func lockWait() time.Duration {
	s := []metrics.Sample{{Name: "/sync/mutex/wait/total:seconds"}}
	metrics.Read(s)
	return time.Duration(s[0].Value.Float64() * 1e9)
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
