package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	goclient "github.com/drawd/drawd/client" // this package has a client too: of the command line
)

// benchFile lets everybody draw as often as he likes.
const benchFile = `campaign: wheel
title: {en: Wheel}
time_zone: UTC
starts_at: 2020-01-01T00:00:00Z
ends_at: 2029-12-01T00:00:00Z
denominator: 1000
caps:
  - {id: life, counts: draws, window: campaign, limit: 1000000000}
prizes:
  - {id: coupon, kind: coupon, title: {en: Coupon}, weight: 300, stock: 1000000000}
`

// BenchmarkClient is what the batcher gains: 256 callers of one program draw from a daemon on this machine, each waiting for his
// draw before he asks for the next.
//
//	go test ./cmd/drawd -run '^$' -bench '^BenchmarkClient$' -benchtime 5s
func BenchmarkClient(b *testing.B) {
	const callers = 256
	dir := b.TempDir()
	file := filepath.Join(dir, "wheel.yaml")
	if err := os.WriteFile(file, []byte(benchFile), 0o600); err != nil {
		b.Fatal(err)
	}
	d := serve(b, filepath.Join(dir, "data"))
	d.client(0, "campaign", "publish", "-f", file)
	c, err := goclient.New(goclient.Options{URLs: []string{d.api}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	run := func(name string, draw func(context.Context, goclient.DrawRequest) (*goclient.Drawn, error)) {
		b.Run(name, func(b *testing.B) {
			var next atomic.Int64
			ended := make(chan error, callers)
			b.ReportAllocs()
			b.ResetTimer()
			for range callers {
				go func() {
					for {
						i := next.Add(1)
						if i > int64(b.N) {
							ended <- nil
							return
						}
						_, err := draw(b.Context(), goclient.DrawRequest{Campaign: "wheel", User: fmt.Sprint("u", i%100_000), Key: goclient.NewKey()})
						if err != nil {
							ended <- err
							return
						}
					}
				}()
			}
			for range callers {
				if err := <-ended; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "draws/s")
		})
	}
	run("each", c.Draw)
	for _, lanes := range []int{1, 2, 4} {
		batcher := c.NewBatcher(goclient.BatcherOptions{Lanes: lanes})
		run(fmt.Sprintf("batcher/lanes=%d", lanes), batcher.Draw)
		if err := batcher.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
