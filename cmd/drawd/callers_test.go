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

	goclient "github.com/drawd/drawd/client"
)

// callers draw from a crew through the client, with no settings but where the nodes are: every call ends well, or the test
// fails.
type callers struct {
	t        *testing.T
	ctx      context.Context
	client   *goclient.Client
	answered atomic.Int64
	longest  atomic.Int64 // of a call, ns
	ending   atomic.Bool
	going    sync.RWMutex // held by each call; who pauses them all takes it whole
	all      [][]keyed    // by caller
	work     sync.WaitGroup
}

// callersOf publishes the wheel and lets n callers draw until they are ended.
func callersOf(t *testing.T, ctx context.Context, c *crew, n int) *callers {
	t.Helper()
	file := filepath.Join(t.TempDir(), "wheel.yaml")
	if err := os.WriteFile(file, []byte(benchFile), 0o600); err != nil {
		t.Fatal(err)
	}
	c.nodes["n1"].client(0, "campaign", "publish", "-f", file)
	var urls []string
	for _, id := range c.founded {
		urls = append(urls, c.nodes[id].api)
	}
	client, err := goclient.New(goclient.Options{URLs: urls})
	if err != nil {
		t.Fatal(err)
	}
	a := &callers{t: t, ctx: ctx, client: client, all: make([][]keyed, n)}
	for i := range n {
		a.work.Go(func() { a.draw(i) })
	}
	t.Cleanup(func() {
		a.end()
		client.Close()
	})
	return a
}

// draw is one caller's life.
func (a *callers) draw(i int) {
	for n := 0; !a.ending.Load(); n++ {
		k := keyed{user: fmt.Sprintf("u%d-%d", i, n%10), key: goclient.NewKey()}
		a.going.RLock()
		began := time.Now()
		drawn, err := a.client.Draw(a.ctx, goclient.DrawRequest{Campaign: "wheel", User: k.user, Key: k.key})
		took := int64(time.Since(began))
		a.going.RUnlock()
		if a.ctx.Err() != nil { // the test is over
			return
		}
		if err != nil {
			a.t.Errorf("%s under %s: %v", k.user, k.key, err)
			return
		}
		for was := a.longest.Load(); took > was && !a.longest.CompareAndSwap(was, took); was = a.longest.Load() {
		}
		k.drawn = drawn
		a.all[i] = append(a.all[i], k)
		a.answered.Add(1)
	}
}

// more waits until so many draws more were answered.
func (a *callers) more(n int64) {
	a.t.Helper()
	before := a.answered.Load()
	within(a.t, a.ctx, func() bool { return a.t.Failed() || a.answered.Load() >= before+n })
}

// end lets the last calls end.
func (a *callers) end() {
	a.ending.Store(true)
	a.work.Wait()
}
