package raftlog

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/storage"
)

// user returns the user of a key "user/number".
func user(key string) string { return key[:strings.IndexByte(key, '/')] }

// crowd draws with several goroutines until stop, and keeps what was answered. Each pauses between two draws: simulated time
// moves only while everybody waits.
type crowd struct {
	mu struct {
		sync.Mutex
		answers []answer
		faults  []error
	}
	stop chan struct{}
	once sync.Once
	done sync.WaitGroup
}

func (r *rig) crowd(round, size int, pause time.Duration) *crowd {
	c := &crowd{stop: make(chan struct{})}
	for g := range size {
		c.done.Add(1)
		go func() {
			defer c.done.Done()
			var b engine.Batch
			for i := 0; ; i++ {
				select {
				case <-c.stop:
					return
				default:
				}
				a, err := r.draw(&b, fmt.Sprintf("u%d", (g*31+i)%97), fmt.Sprintf("u%d/%d-%d-%d", (g*31+i)%97, round, g, i))
				c.mu.Lock()
				if err == nil {
					c.mu.answers = append(c.mu.answers, a)
				} else {
					c.mu.faults = append(c.mu.faults, err)
					b = engine.Batch{}
				}
				c.mu.Unlock()
				<-time.After(pause) // simulated
			}
		}()
	}
	return c
}

// sofar returns a copy of what was answered up to now.
func (c *crowd) sofar() []answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]answer(nil), c.mu.answers...)
}

func (c *crowd) end() {
	c.once.Do(func() { close(c.stop) })
	c.done.Wait()
}

// TestPowerCut cuts the power again and again, with random parts of what was not synced: every answer that was given
// before the cut is given again after it, byte for byte.
func TestPowerCut(t *testing.T) {
	cuts := 12
	if testing.Short() {
		cuts = 6
	}
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		fs := storage.NewCrashFS()
		var answers []answer
		for round := range cuts {
			r := newRig(t, fs)
			r.options.CheckpointBytes, r.options.CheckpointInterval, r.options.TrailingBytes = 64<<10, time.Second, 8<<10
			r.shards = []int{1, 2, 64}[rng.IntN(3)]
			r.mustStart()
			if round == 0 {
				r.publish(testVersion(time.Now(), 1<<40))
			}
			r.mustStand(answers, user)
			if err := r.engine.CheckInvariants(); err != nil {
				t.Fatal(err)
			}
			c := r.crowd(round, 1+rng.IntN(16), time.Duration(1+rng.IntN(20))*time.Millisecond)
			time.Sleep(time.Duration(200+rng.IntN(1500)) * time.Millisecond)
			answers = append(answers, c.sofar()...)
			cut := storage.PowerCut(fs, rng.IntN(101), rng)
			c.end()
			if len(c.mu.faults) > 0 {
				t.Fatal(c.mu.faults[0])
			}
			r.stop()
			fs = cut
			if x := r.exits.all(); len(x) > 0 {
				t.Fatal(x)
			}
		}
		if len(answers) < 100*cuts {
			t.Errorf("only %d answers in %d rounds", len(answers), cuts)
		}
		t.Logf("%d answers over %d power cuts", len(answers), cuts)
	})
}
