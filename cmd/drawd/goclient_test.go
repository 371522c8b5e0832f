package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goclient "github.com/drawd/drawd/client" // this package has a client too: of the command line
)

// keyed is one draw as its caller knows it: the key was there before anything was sent.
type keyed struct {
	user  string
	key   goclient.Key
	drawn *goclient.Drawn
}

// TestClientThroughKills: a daemon is killed with SIGKILL three times while a program draws from it through the client, one by one and in
// batches. Every call ends well, with the key that it began with; every answer stands; nothing is drawn twice.
func TestClientThroughKills(t *testing.T) {
	const kills, callers, each = 3, 32, 150
	dir := t.TempDir()
	file := filepath.Join(dir, "wheel.yaml")
	if err := os.WriteFile(file, []byte(benchFile), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	address, err := claimed(t).Free() // nobody else gets it while the daemon is down
	if err != nil {
		t.Fatal(err)
	}
	d := serve(t, data, "--api", address)
	d.client(0, "campaign", "publish", "-f", file)
	c, err := goclient.New(goclient.Options{URLs: []string{d.api}, AdminURLs: []string{d.admin}, Attempts: 10_000, BackoffMax: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	batcher := c.NewBatcher(goclient.BatcherOptions{})

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var answered, replayed atomic.Int64
	all := make([][]keyed, callers)
	var work sync.WaitGroup
	for i := range callers {
		draw := c.Draw
		if i%2 == 0 {
			draw = batcher.Draw
		}
		work.Go(func() {
			for n := range each {
				k := keyed{user: fmt.Sprintf("u%d-%d", i, n%10), key: goclient.NewKey()}
				var err error
				k.drawn, err = draw(ctx, goclient.DrawRequest{Campaign: "wheel", User: k.user, Key: k.key})
				if err != nil {
					t.Errorf("%s under %s: %v", k.user, k.key, err)
					return
				}
				if k.drawn.Replayed {
					replayed.Add(1)
				}
				all[i] = append(all[i], k)
				answered.Add(1)
			}
		})
	}
	ended := make(chan struct{})
	go func() { work.Wait(); close(ended) }()
	for kill := range kills {
		within(t, ctx, func() bool { return answered.Load() >= int64((kill+1)*callers*each/(kills+2)) })
		d.kill()
		d = serve(t, data, "--api", address)
	}
	<-ended
	if err := batcher.Close(ctx); err != nil || t.Failed() {
		t.Fatal(err)
	}
	t.Logf("%d draws, %d of them had been decided before a kill and were found again", answered.Load(), replayed.Load())
	checkNothingTwice(t, ctx, c, all)
}

// within waits until a condition holds.
func within(t *testing.T, ctx context.Context, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it takes too long")
		}
	}
}

// checkNothingTwice holds the daemon's books against what the callers were told.
func checkNothingTwice(t *testing.T, ctx context.Context, c *goclient.Client, all [][]keyed) {
	t.Helper()
	seen := map[string]bool{}
	users := map[string]int{}
	wins := int64(0)
	for _, list := range all {
		for i, k := range list {
			if seen[k.drawn.ID] {
				t.Errorf("%s was answered twice", k.drawn.ID)
			}
			seen[k.drawn.ID] = true
			users[k.user]++
			if k.drawn.Won() {
				wins++
			}
			if i%10 == 0 {
				if again, err := c.LookUpKey(ctx, "wheel", k.user, k.key); err != nil || again.ID != k.drawn.ID || again.Outcome != k.drawn.Outcome {
					t.Errorf("%s under %s: %+v %v, was %+v", k.user, k.key, again, err, k.drawn)
				}
			}
		}
	}
	for user, n := range users {
		u, err := c.User(ctx, "wheel", user)
		if err != nil || u.Draws != int64(n) {
			t.Fatalf("%s has %+v draws, was answered %d: %v", user, u, n, err)
		}
	}
	stock, err := c.Stock(ctx, "wheel")
	if err != nil || stock.Prizes[0].Issued != wins {
		t.Errorf("issued %+v, answered %d wins: %v", stock, wins, err)
	}
}
