package drawd_test

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/drawd/drawd"
)

// figures is the campaign of P7: three caps, a pity, eight prizes.
const figures = `
campaign: figures
time_zone: Asia/Shanghai
starts_at: 2020-01-01T00:00:00Z
ends_at: 2029-12-31T00:00:00Z
denominator: 1000000
user_exhausted: miss
caps:
  - {id: day, counts: draws, scope: user, window: day, limit: 1000}
  - {id: hour, counts: draws, scope: user, window: hour, limit: 1000}
  - {id: wins, counts: wins, scope: user, window: campaign, limit: 1000}
pity:
  - {id: sure, guarantee_within: 50, group: any, prizes: [p8], reserve: {p8: 1000000}}
prizes:
  - {id: p1, kind: physical, weight: 10, stock: 1000000000}
  - {id: p2, kind: coupon, weight: 100, stock: 1000000000}
  - {id: p3, kind: coupon, weight: 1000, stock: 1000000000}
  - {id: p4, kind: coupon, weight: 5000, stock: 1000000000}
  - {id: p5, kind: coupon, weight: 10000, stock: 1000000000}
  - {id: p6, kind: coupon, weight: 50000, stock: 1000000000}
  - {id: p7, kind: coupon, weight: 100000, stock: 1000000000}
  - {id: p8, kind: coupon, weight: 200000, stock: 1000000000}
`

// BenchmarkLibraryDraw is a draw in memory, by so many goroutines. ns/op is of one draw, all goroutines together.
func BenchmarkLibraryDraw(b *testing.B) {
	for _, goroutines := range []int{1, 2} {
		b.Run(fmt.Sprint("goroutines=", goroutines), func(b *testing.B) {
			db, c := benchCampaign(b, figures)
			defer db.Close(context.Background())
			each(b, goroutines, func(n uint64, key []byte) error {
				_, err := c.Draw(context.Background(), drawd.DrawRequest{User: userOf(n), Key: string(key)})
				return err
			})
		})
	}
}

// BenchmarkLibraryDurableDraw is a draw that is on disk before it is answered: goroutines share a sync.
func BenchmarkLibraryDurableDraw(b *testing.B) {
	for _, goroutines := range []int{1, 64} {
		b.Run(fmt.Sprint("goroutines=", goroutines), func(b *testing.B) {
			db, err := drawd.Open(drawd.Options{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close(context.Background())
			c, err := db.Publish(context.Background(), []byte(figures))
			if err != nil {
				b.Fatal(err)
			}
			each(b, goroutines, func(n uint64, key []byte) error {
				_, err := c.Draw(context.Background(), drawd.DrawRequest{User: userOf(n), Key: string(key)})
				return err
			})
		})
	}
}

// BenchmarkLibraryHold is a hold with its release, in memory: two commands.
func BenchmarkLibraryHold(b *testing.B) {
	for _, goroutines := range []int{1, 2} {
		b.Run(fmt.Sprint("goroutines=", goroutines), func(b *testing.B) {
			db := benchDB(b)
			defer db.Close(context.Background())
			if _, err := db.PutPool(context.Background(), "p", 1<<40, drawd.PoolPolicy{}); err != nil {
				b.Fatal(err)
			}
			items := []drawd.Item{{Pool: "p", Units: 1}}
			each(b, goroutines, func(n uint64, key []byte) error {
				h, err := db.Hold(context.Background(), drawd.HoldRequest{Owner: userOf(n), Key: string(key), Items: items})
				if err == nil {
					_, err = db.Release(context.Background(), h.ID, "")
				}
				return err
			})
		})
	}
}

// BenchmarkLibraryTake is a take in memory.
func BenchmarkLibraryTake(b *testing.B) {
	for _, goroutines := range []int{1, 2} {
		b.Run(fmt.Sprint("goroutines=", goroutines), func(b *testing.B) {
			db := benchDB(b)
			defer db.Close(context.Background())
			if _, err := db.PutPool(context.Background(), "p", 1<<40, drawd.PoolPolicy{}); err != nil {
				b.Fatal(err)
			}
			each(b, goroutines, func(n uint64, key []byte) error {
				_, err := db.Take(context.Background(), drawd.TakeRequest{Owner: userOf(n), Key: string(key), Pool: "p", Units: 1})
				return err
			})
		})
	}
}

// BenchmarkLibraryHit is a hit in memory.
func BenchmarkLibraryHit(b *testing.B) {
	for _, goroutines := range []int{1, 2} {
		b.Run(fmt.Sprint("goroutines=", goroutines), func(b *testing.B) {
			db := benchDB(b)
			defer db.Close(context.Background())
			policy := "time_zone: UTC\nfatigue_caps: [{id: push, window: day, limit: 1000000}]\n"
			if err := db.SetPolicy(context.Background(), []byte(policy)); err != nil {
				b.Fatal(err)
			}
			each(b, goroutines, func(n uint64, key []byte) error {
				_, err := db.Hit(context.Background(), drawd.HitRequest{Cap: "push", User: userOf(n), Key: string(key)})
				return err
			})
		})
	}
}

func benchDB(b *testing.B) *drawd.DB {
	b.Helper()
	db, err := drawd.Open(drawd.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return db
}

func benchCampaign(b *testing.B, file string) (*drawd.DB, *drawd.Campaign) {
	b.Helper()
	db := benchDB(b)
	c, err := db.Publish(context.Background(), []byte(file))
	if err != nil {
		b.Fatal(err)
	}
	return db, c
}

func userOf(n uint64) string { return "user-" + strconv.FormatUint(n*0x9E3779B97F4A7C15>>46, 10) }

// each shares b.N calls out to goroutines.
func each(b *testing.B, goroutines int, call func(n uint64, key []byte) error) {
	b.Helper()
	b.ReportAllocs()
	runtime.GC()
	b.ResetTimer()
	var all sync.WaitGroup
	var failed atomic.Pointer[error]
	for g := range goroutines {
		all.Add(1)
		go func() {
			defer all.Done()
			key := make([]byte, 0, 32)
			for i := g; i < b.N; i += goroutines {
				key = strconv.AppendUint(append(key[:0], 'k'), uint64(i), 10)
				if err := call(uint64(i), key); err != nil {
					failed.Store(fail(err))
					return
				}
			}
		}()
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
}

func fail(err error) *error { return &err }
